//! This library's four handle tables, and the object behind a C reader's handle.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use crate::buffer::Buffer;
use crate::buffer::reader::Position;
use crate::buffer::when::Watch;
use crate::cache::{BufferCache, EntryDirectory, EntryHome, Lease};
use crate::error::{Error, Result};
use crate::ffi::handle::{Raw, Table};
use crate::ffi::record::Record;
use crate::options::Options;
use crate::source::Source;
use crate::store::budget::Budget;
use crate::sync::Mutex;
use crate::sync::rcu::{Domain, DomainRef};
use crate::sync::shared::Shared;

pub(crate) static BUFFERS: Table<Buffer> = Table::new();
pub(crate) static READERS: Table<Reader> = Table::new();
pub(crate) static WATCHES: Table<Watch> = Table::new();
pub(crate) static CACHES: Table<BufferCache> = Table::new();

/// A read position and the handle of its buffer.
pub(crate) struct Reader {
    /// Looked up by each call: a reader does not keep its buffer alive.
    pub(crate) buffer: Raw,
    pub(crate) position: Position,
    /// Why the last failed call failed.
    pub(crate) failure: Mutex<Record>,
    /// If the buffer is that of a cache's entry.
    #[allow(dead_code, reason = "it ends with the reader")]
    pub(crate) lease: Option<Lease>,
}

/// The handles of the buffers of a cache's entries.
pub(crate) struct EntryHandles;

impl EntryDirectory for EntryHandles {
    fn add(
        &self,
        source: Box<dyn Source>,
        options: Options,
        budget: &Shared<Budget>,
    ) -> Result<(Shared<Buffer>, Raw)> {
        watch_forks();
        let handle = BUFFERS.insert_kept(|domain| {
            Buffer::in_budget(Some(source), options, DomainRef::OfHandle(domain), budget)
        })?;
        Ok((BUFFERS.get_shared(handle)?, handle))
    }

    fn handle_size(&self) -> usize {
        Table::<Buffer>::SLOT
    }

    fn remove(&self, handle: Raw) {
        drop(BUFFERS.remove_kept(handle));
    }
}

/// Whether the buffer belongs to a cache.
pub(crate) fn is_of_cache(buffer: &Buffer) -> bool {
    buffer.home::<EntryHome>().is_some()
}

/// Looks up a buffer for a call that a cache's entry does not support.
pub(crate) fn get_own(handle: Raw) -> Result<Shared<Buffer>> {
    let buffer = BUFFERS.get_shared(handle)?;
    match is_of_cache(&buffer) {
        true => Err(Error::Unsupported),
        false => Ok(buffer),
    }
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

/// Inserts a cache into its table.
pub(crate) fn insert_cache(cache: BufferCache) -> Result<Raw> {
    watch_forks();
    CACHES.insert(|_| Shared::try_new(cache))
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
            CACHES.forget();
        }
        // SAFETY: the handler only stores to atomics, which is allowed in a forked child. If two
        // threads register it, it runs twice, which is harmless.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
    WATCHING.store(true, Ordering::Release);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::cache::{CacheOptions, OpenWait, Opened, Opener, Unnamed};

    const COUNT: usize = 20;

    /// Opens sources without a byte.
    struct Empty;

    impl Opener for Empty {
        fn open(&self, _key: &[u8], _old_tag: u64) -> Result<Opened> {
            Ok(Opened {
                source: Some(Box::new(Empty)),
                size: None,
                tag: 1,
            })
        }
    }

    impl Source for Empty {
        fn pull(&mut self, _out: &mut [u8]) -> Result<usize> {
            Ok(0)
        }
    }

    /// The memory that a cache says its entries take, with leases and with none left.
    fn memory_of(directory: Box<dyn EntryDirectory>) -> u64 {
        let made = BufferCache::new(Box::new(Empty), directory, CacheOptions::default());
        let cache = Shared::try_new(made.expect("memory")).expect("memory");
        let forever = OpenWait {
            timeout: None,
            buffered: false,
        };
        let open = |key: usize| BufferCache::open(&cache, &key.to_ne_bytes(), forever);
        let leases: Vec<_> = (0..COUNT).map(|key| open(key).expect("an entry")).collect();
        let memory = cache.stats().memory;
        drop(leases);
        cache.remove(None).expect("the entries go");
        assert_eq!(cache.stats().memory, 0);
        memory
    }

    /// Handles count towards the budget of the cache, each with its slot.
    #[test]
    fn the_handles_of_entries_are_charged() {
        let charged = memory_of(Box::new(EntryHandles)) - memory_of(Box::new(Unnamed));
        assert_eq!(charged, (COUNT * Table::<Buffer>::SLOT) as u64);
        // A slot has a domain, which is most of it.
        assert!(Table::<Buffer>::SLOT > size_of::<Domain>());
    }
}
