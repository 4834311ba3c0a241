//! A stream that arrives once becomes a buffer that is readable anywhere, any number of times.
//!
//! A [`Source`] (any `Read`) yields a resource's bytes in order. A [`StreamBuffer`] keeps them, in
//! memory first, past a limit in an unnamed temporary file, and serves reads at any offset from any
//! number of threads, asking the source for what is missing. Reading buffered bytes never waits for
//! anything. The same is there for C: `include/spoolbuf.h`, whose functions live in `ffi`.
//!
//! ```
//! use std::io::Read;
//!
//! let response: &[u8] = b"HTTP bodies, pipes, archives: whatever comes once";
//! let buffer = spoolbuf::StreamBuffer::new(response, None, 5 << 20)?;
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
//! ```text
//! ffi, handle, callback, reader        what C sees
//! stream_buffer, cursor                what Rust sees
//! buffer, stats, save, helper          the object, and what is done with it
//! pull, gate, state                    whose turn it is; who waits; what is known
//! store, index, segment, spool         where the bytes are
//! memory, arena, pins, ranges, source, ahead, disk   what that is made of
//! error, options, abi, guard, shared, sync, thread
//! ```
//!
//! `unsafe` is in `ffi`, `callback`, `handle` (the C border), `segment`, `index`, `memory`, `arena`,
//! `shared` (memory that readers share without locks), `thread` and `disk` (system calls). Every
//! other file forbids it.

#[allow(missing_docs)]
pub mod abi;
mod ahead;
mod arena;
mod buffer;
#[cfg(not(loom))]
mod callback;
mod cursor;
mod disk;
mod error;
#[cfg(all(test, not(loom)))]
mod fault_tests;
#[cfg(not(loom))]
pub mod ffi;
mod gate;
mod guard;
#[cfg(any(test, not(loom)))]
mod handle;
mod helper;
mod index;
mod memory;
#[cfg(all(test, loom))]
mod models;
mod options;
mod pins;
mod pull;
mod ranges;
#[cfg(not(loom))]
mod reader;
mod save;
mod segment;
mod shared;
mod source;
mod spool;
mod state;
mod stats;
mod store;
mod stream_buffer;
mod sync;
#[cfg(test)]
#[path = "../tests/support/tempfile.rs"]
mod tempfile;
mod thread;

pub use cursor::{Cursor, Stopper};
pub use error::{Error, Result};
pub use options::{OnFull, OnShort, Options};
pub use save::SaveOptions;
pub use source::{Interrupt, Seekable, Source};
pub use stats::Stats;
pub use stream_buffer::StreamBuffer;
