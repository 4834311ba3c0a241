//! A prefetch of an unclaimed entry, whose time or room is used up meanwhile.

use super::polling::{BUFFERED, Held, LONGEST, MOMENT, held, poll};
use super::*;

/// A source that waits until the test lets it go on, and then puts the clock forward, if there is one.
struct Late {
    source: Box<dyn Source>,
    cache: Arc<StdMutex<Option<Shared<BufferCache>>>>,
}

impl Source for Late {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        if let Some(cache) = self.cache.lock().unwrap().take() {
            cache.advance_clock(LONGEST + MOMENT);
        }
        self.source.pull(out)
    }
}

#[derive(Clone)]
struct LateOpener {
    held: Held,
    cache: Arc<StdMutex<Option<Shared<BufferCache>>>>,
}

impl Opener for LateOpener {
    fn open(&self, key: &[u8], old_tag: u64) -> Result<Opened> {
        let mut opened = self.held.open(key, old_tag)?;
        let cache = self.cache.clone();
        let late = |source| -> Box<dyn Source> { Box::new(Late { source, cache }) };
        opened.source = opened.source.map(late);
        Ok(opened)
    }
}

impl LateOpener {
    fn new(size: usize) -> LateOpener {
        LateOpener {
            held: held(size),
            cache: Arc::default(),
        }
    }

    /// A cache that prefetches everything.
    fn cache(&self, options: CacheOptions) -> Shared<BufferCache> {
        let options = CacheOptions {
            prefetch: u64::MAX,
            ..options
        };
        let made = BufferCache::new(Box::new(self.clone()), Box::new(Unnamed), options);
        Shared::try_new(made.unwrap()).unwrap()
    }
}

/// The prefetch of an unclaimed entry asks for memory, and that closes the entry's own source.
#[test]
fn a_prefetch_closes_its_own_source() {
    let late = LateOpener::new(2_000_000);
    let held = &late.held;
    let cache = late.cache(options());
    let mut place = late.cache.lock().unwrap();
    held.leave_unclaimed(&cache, "0");
    *place = Some(cache.clone());
    drop(place);
    while held.closed() == 0 {
        std::thread::yield_now();
    }
    let lease = poll(&cache, "0", BUFFERED).unwrap();
    assert!((1..2_000_000).contains(&lease.buffer().held()));
    read_whole(&held.world, &open(&cache, "0").unwrap(), "0");
    assert_eq!(held.opens(), 2);
    cache.close();
}

/// It needs more than the budget, so that it evicts its own entry.
#[test]
fn a_prefetch_evicts_its_own_entry() {
    let late = LateOpener::new(4_000_000);
    let held = &late.held;
    let cache = late.cache(CacheOptions {
        max_memory: MIB,
        max_disk: 0,
        ..options()
    });
    let place = late.cache.lock().unwrap();
    held.leave_unclaimed(&cache, "0");
    drop(place);
    while held.closed() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(cache.stats().entries, 0);
    cache.close();
}
