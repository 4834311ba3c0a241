#![cfg_attr(doc, doc = include_str!("../packaging/crate-links.md"))]
#![cfg_attr(doc, doc = include_str!("../README.md"))]
//! # The Rust API
//!
//! A stream that arrives once becomes a buffer that is readable at any offset, any number of times.
//!
//! A [`Source`] (any `Read`) delivers a resource's bytes in order. A [`StreamBuffer`] keeps them:
//! in memory up to a limit, and beyond that in an unnamed temporary file. Any number of threads can
//! read it at any offset, and missing bytes are requested from the source. Reading buffered bytes
//! never blocks. C has the same API: `include/spoolbuf.h`, whose functions are in `ffi`.
//!
//! ```
//! use std::io::Read;
//!
//! let response: &[u8] = b"HTTP bodies, pipes, archives: whatever comes once";
//! let buffer = spoolbuf::StreamBuffer::new(response)?;
//! let mut word = [0; 5];
//! buffer.read_at(13, &mut word)?;
//! assert_eq!(&word, b"pipes");
//! let mut whole = String::new();
//! buffer.cursor()?.read_to_string(&mut whole)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! Each folder imports only from the ones below it; a test enforces that (`src/layers.rs`).
//!
//! ```text
//! async_cursor, pusher, stream_cache,
//! builder, cursor, readiness,
//! stream_buffer           the Rust API
//! ffi/                    the C API: functions, handles, callbacks
//! cache/                  many buffers under one budget: which entry is evicted
//! buffer/                 the object: reads, saves, counters
//! pull/                   who calls the source, and who waits
//! store/                  where bytes are kept: index, segments, spool file
//! disk/                   every file operation
//! source                  the trait for streams, and the checked calls of user code
//! sync/                   locks and atomics (std or loom), RCU, fallible shared ownership, threads
//! log                     the host's log function
//! options, error, panic
//! ```

#![deny(unsafe_code)]

#[macro_use]
mod log;

#[cfg(all(test, not(loom)))]
mod architecture;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod async_cursor;
mod buffer;
mod builder;
mod cache;
mod cursor;
mod disk;
mod error;
#[cfg(all(test, not(loom)))]
mod fault_tests;
#[doc(hidden)]
pub mod ffi;
#[cfg(all(test, not(loom)))]
mod layers;
#[cfg(all(test, loom))]
mod loom_tests;
mod options;
mod panic;
mod pull;
mod pusher;
mod readiness;
mod source;
mod store;
mod stream_buffer;
mod stream_cache;
mod sync;
#[cfg(test)]
#[path = "../tests/support/tempfile.rs"]
mod tempfile;

#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub use async_cursor::AsyncCursor;
pub use buffer::save::SaveOptions;
pub use buffer::stats::{SourceState, SpoolState, Stats};
pub use buffer::when::Watch;
pub use builder::Builder;
pub use cache::CacheStats;
pub use cursor::{CancelHandle, Cursor};
pub use error::{Error, Operation, Result};
pub use log::{LogFn, LogLevel, set_log};
pub use options::{CursorOptions, OnFull, OnShort, ThreadHook};
pub use pusher::{Pushed, Pusher};
pub use readiness::Readiness;
pub use source::{Interrupt, Seekable, Source};
pub use stream_buffer::StreamBuffer;
pub use stream_cache::{Cache, CacheBuilder, Resource};
