//! The handles of this library: its two tables, and what a C reader is.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use crate::buffer::Buffer;
use crate::buffer::reader::Position;
use crate::error::Result;
use crate::ffi::handle::{Raw, Table};
use crate::sync::rcu::Domain;
use crate::sync::shared::Shared;

pub(crate) static BUFFERS: Table<Buffer> = Table::new();
pub(crate) static READERS: Table<Reader> = Table::new();

/// A read position, and the handle of its buffer.
pub(crate) struct Reader {
    /// Looked up at each call: a reader does not keep its buffer alive.
    pub(crate) buffer: Raw,
    pub(crate) position: Position,
}

/// Puts a buffer into its table.
pub(crate) fn insert_buffer(
    make: impl FnOnce(&'static Domain) -> Result<Shared<Buffer>>,
) -> Result<Raw> {
    watch_forks();
    BUFFERS.insert(make)
}

/// Puts a reader into its table.
pub(crate) fn insert_reader(reader: Reader) -> Result<Raw> {
    watch_forks();
    READERS.insert(|_| Shared::try_new(reader))
}

/// Has every child that is forked from now on start with empty tables.
fn watch_forks() {
    static WATCHING: AtomicBool = AtomicBool::new(false);
    if WATCHING.load(Ordering::Acquire) {
        return;
    }
    #[cfg(unix)]
    {
        extern "C" fn in_child() {
            crate::ffi::handle::FORKS.fetch_add(1, Ordering::Relaxed);
            BUFFERS.forget();
            READERS.forget();
        }
        // SAFETY: the handler does nothing but store to atomics. Two threads may both register it,
        // which does no harm.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
    WATCHING.store(true, Ordering::Release);
}
