//! All options of a buffer as one value, so that a test can keep and vary them.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::PathBuf;

use spoolbuf::{OnFull, OnShort, Result, Source, StreamBuffer};

#[derive(Clone, Debug)]
pub struct Options {
    pub size: Option<u64>,
    pub max_memory: u64,
    pub spool_dir: Option<PathBuf>,
    pub on_full: OnFull,
    pub on_short: OnShort,
    pub prefetch: u64,
    pub prefetch_low: u64,
    pub seek_gap: u64,
    pub read_granularity: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            size: None,
            max_memory: 5 << 20,
            spool_dir: None,
            on_full: OnFull::Fail,
            on_short: OnShort::End,
            prefetch: 0,
            prefetch_low: 0,
            seek_gap: 256 * 1024,
            read_granularity: 16 * 1024,
        }
    }
}

pub fn open(source: impl Source + 'static, options: Options) -> Result<StreamBuffer> {
    let builder = StreamBuffer::builder(source)
        .size(options.size)
        .max_memory(options.max_memory)
        .on_full(options.on_full)
        .on_short(options.on_short)
        .prefetch(options.prefetch)
        .prefetch_low(options.prefetch_low)
        .seek_gap(options.seek_gap)
        .read_granularity(options.read_granularity);
    match options.spool_dir {
        Some(directory) => builder.spool_dir(directory).open(),
        None => builder.open(),
    }
}
