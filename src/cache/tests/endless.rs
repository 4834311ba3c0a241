//! A call that removes entries ends, however fast others come.

use std::sync::Weak;
use std::sync::atomic::AtomicBool;

use super::polling::{AT_ONCE, Held, LONGEST, MOMENT, await_openers, held, poll, times_out};
use super::*;
use crate::options::Options;

/// More than a call that ends removes.
const ENDLESS: usize = 1000;

/// Whenever an entry ends, another one is opened and released.
#[derive(Clone, Default)]
struct Replacing {
    cache: Arc<StdMutex<Weak<Shared<BufferCache>>>>,
    ended: Arc<AtomicUsize>,
    /// Entries also end inside that open, without another one.
    is_opening: Arc<AtomicBool>,
}

impl Replacing {
    /// A cache with one entry, which nobody uses.
    fn cache(&self, options: CacheOptions) -> Arc<Shared<BufferCache>> {
        let world = World::default();
        world.set("a", 1000, 1, 7);
        let made = BufferCache::new(Box::new(world), Box::new(self.clone()), options);
        let cache = Arc::new(Shared::try_new(made.unwrap()).unwrap());
        drop(open(&cache, "a").unwrap());
        *self.cache.lock().unwrap() = Arc::downgrade(&cache);
        cache
    }

    /// The number of ends so far, of which each entry has two: by itself, and with the last use.
    fn finish(&self) -> usize {
        *self.cache.lock().unwrap() = Weak::new();
        self.ended.load(Ordering::SeqCst)
    }
}

impl EntryDirectory for Replacing {
    fn add(
        &self,
        source: Box<dyn Source>,
        options: Options,
        budget: &Shared<Budget>,
    ) -> Result<(Shared<Buffer>, usize)> {
        Unnamed.add(source, options, budget)
    }

    fn handle_size(&self) -> usize {
        Unnamed.handle_size()
    }

    fn remove(&self, _handle: usize) {
        let cache = self.cache.lock().unwrap().upgrade();
        let Some(cache) = cache else { return };
        if self.is_opening.swap(true, Ordering::SeqCst) {
            return;
        }
        if self.ended.fetch_add(1, Ordering::SeqCst) < ENDLESS {
            drop(open(&cache, "a").unwrap());
        }
        self.is_opening.store(false, Ordering::SeqCst);
    }
}

#[test]
fn a_removal_of_all_ends_while_others_come() {
    let busy = Replacing::default();
    let cache = busy.cache(options());
    cache.remove(None).unwrap();
    assert_eq!(busy.finish(), 2);
    assert_eq!(cache.stats().entries, 1);
}

/// An entry that is not kept has had its time as soon as it is released.
#[test]
fn a_call_ends_while_others_expire() {
    let busy = Replacing::default();
    let cache = busy.cache(CacheOptions {
        idle_ms: 0,
        ..options()
    });
    let entries = cache.stats().entries;
    assert_eq!((busy.finish(), entries), (2, 1));
    assert_eq!(cache.stats().entries, 0);
}

/// An opener that nobody waits for. Whenever a source of it is closed, another one is overdue.
#[derive(Clone, Default)]
struct Refilling {
    held: Held,
    cache: Arc<StdMutex<Weak<Shared<BufferCache>>>>,
    closed: Arc<AtomicUsize>,
}

struct Refilled(Refilling);

impl Refilling {
    fn leave_overdue(&self, cache: &Shared<BufferCache>) {
        let key = (self.closed.load(Ordering::SeqCst) % 20).to_string();
        let gate = self.held.hold();
        assert!(times_out(poll(cache, &key, AT_ONCE)));
        drop(gate);
        await_openers(cache);
        cache.advance_clock(LONGEST + MOMENT);
    }
}

impl Opener for Refilling {
    fn open(&self, key: &[u8], old_tag: u64) -> Result<Opened> {
        let opened = self.held.open(key, old_tag)?;
        Ok(Opened {
            source: Some(Box::new(Refilled(self.clone()))),
            ..opened
        })
    }
}

impl Source for Refilled {
    fn pull(&mut self, _out: &mut [u8]) -> Result<usize> {
        Ok(0)
    }
}

impl Drop for Refilled {
    fn drop(&mut self) {
        let cache = self.0.cache.lock().unwrap().upgrade();
        let Some(cache) = cache else { return };
        if self.0.closed.fetch_add(1, Ordering::SeqCst) < ENDLESS {
            self.0.leave_overdue(&cache);
        }
    }
}

#[test]
fn a_call_ends_while_other_keys_are_unclaimed() {
    let opener = Refilling {
        held: held(1000),
        ..Refilling::default()
    };
    let made = BufferCache::new(Box::new(opener.clone()), Box::new(Unnamed), options());
    let cache = Arc::new(Shared::try_new(made.unwrap()).unwrap());
    opener.leave_overdue(&cache);
    *opener.cache.lock().unwrap() = Arc::downgrade(&cache);
    cache.stats();
    *opener.cache.lock().unwrap() = Weak::new();
    // The one that there was, and perhaps one more.
    let closed = opener.closed.load(Ordering::SeqCst);
    assert!((1..=2).contains(&closed), "{closed}");
}
