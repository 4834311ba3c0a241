//! A call that removes entries ends, however fast others come.

use std::sync::Weak;

use super::*;
use crate::options::Options;
use crate::sync::rcu::DomainRef;

/// More than a call that ends removes.
const ENDLESS: usize = 1000;

/// Whenever an entry ends, another one is opened and released.
struct Replacing {
    cache: Arc<StdMutex<Weak<Shared<BufferCache>>>>,
    ended: Arc<AtomicUsize>,
}

impl EntryDirectory for Replacing {
    fn add(
        &self,
        source: Box<dyn Source>,
        options: Options,
        budget: &Shared<Budget>,
    ) -> Result<(Shared<Buffer>, usize)> {
        let made = Buffer::in_budget(Some(source), options, DomainRef::own(), budget)?;
        Ok((made, 0))
    }

    fn handle_size(&self) -> usize {
        0
    }

    fn remove(&self, _handle: usize) {
        let cache = self.cache.lock().unwrap().upgrade();
        let Some(cache) = cache else { return };
        if self.ended.fetch_add(1, Ordering::SeqCst) < ENDLESS {
            drop(open(&cache, "a").unwrap());
        }
    }
}

#[test]
fn a_removal_of_all_ends_while_others_come() {
    let world = World::default();
    world.set("a", 1000, 1, 7);
    let (slot, ended) = (Arc::default(), Arc::default());
    let busy = Replacing {
        cache: Arc::clone(&slot),
        ended: Arc::clone(&ended),
    };
    let made = BufferCache::new(Box::new(world.clone()), Box::new(busy), options());
    let cache = Arc::new(Shared::try_new(made.unwrap()).unwrap());
    drop(open(&cache, "a").unwrap());
    *slot.lock().unwrap() = Arc::downgrade(&cache);
    cache.remove(None).unwrap();
    *slot.lock().unwrap() = Weak::new();
    // By itself, and with the last use.
    assert_eq!(ended.load(Ordering::SeqCst), 2);
    assert_eq!(cache.stats().entries, 1);
}
