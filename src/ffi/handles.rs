//! This library's three handle tables, and the object behind a C reader's handle.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use crate::buffer::Buffer;
use crate::buffer::reader::Position;
use crate::buffer::when::Watch;
use crate::error::Result;
use crate::ffi::handle::{Raw, Table};
use crate::ffi::record::Record;
use crate::sync::Mutex;
use crate::sync::rcu::Domain;
use crate::sync::shared::Shared;

pub(crate) static BUFFERS: Table<Buffer> = Table::new();
pub(crate) static READERS: Table<Reader> = Table::new();
pub(crate) static WATCHES: Table<Watch> = Table::new();

/// A read position and the handle of its buffer.
pub(crate) struct Reader {
    /// Looked up by each call: a reader does not keep its buffer alive.
    pub(crate) buffer: Raw,
    pub(crate) position: Position,
    /// Why the last failed call failed.
    pub(crate) failure: Mutex<Record>,
}

/// Inserts a buffer into its table.
pub(crate) fn insert_buffer(
    make: impl FnOnce(&'static Domain) -> Result<Shared<Buffer>>,
) -> Result<Raw> {
    watch_forks();
    BUFFERS.insert(make)
}

/// Inserts a reader into its table.
pub(crate) fn insert_reader(reader: Reader) -> Result<Raw> {
    watch_forks();
    READERS.insert(|_| Shared::try_new(reader))
}

/// Inserts a watch into its table.
pub(crate) fn insert_watch(watch: Watch) -> Result<Raw> {
    watch_forks();
    WATCHES.insert(|_| Shared::try_new(watch))
}

/// Makes every child forked from now on start with empty tables.
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
            WATCHES.forget();
        }
        // SAFETY: the handler only stores to atomics, which is allowed in a forked child. If two
        // threads register it, it runs twice, which is harmless.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
    WATCHING.store(true, Ordering::Release);
}
