//! Openers that open other keys.

use super::*;

/// Opens "b" in the opener of "a", once somebody else has asked for "b" with a time limit.
struct Nested {
    world: World,
    cache: Arc<StdMutex<Option<Shared<BufferCache>>>>,
    is_inside: Arc<Barrier>,
    may_go_on: Arc<Barrier>,
}

impl Opener for Nested {
    fn open(&self, key: &[u8], old_tag: u64) -> Result<Opened> {
        if key == b"a" {
            self.is_inside.wait();
            self.may_go_on.wait();
            let cache = self.cache.lock().unwrap().clone().unwrap();
            drop(open(&cache, "b")?);
        }
        self.world.open(key, old_tag)
    }
}

/// The only helper is inside an opener, which needs a key whose opener waits for a helper.
#[test]
fn an_opener_runs_what_waits_for_its_helper() {
    let world = World::default();
    world.set("a", 10, 1, 1);
    world.set("b", 10, 1, 2);
    let place = Arc::new(StdMutex::new(None));
    let barriers = [(); 2].map(|()| Arc::new(Barrier::new(2)));
    let [is_inside, may_go_on] = barriers.clone();
    let nested = Nested {
        world: world.clone(),
        cache: place.clone(),
        is_inside,
        may_go_on,
    };
    let mut options = options();
    options.threads = 1;
    let cache = BufferCache::new(Box::new(nested), Box::new(Unnamed), options);
    let cache = Shared::try_new(cache.unwrap()).unwrap();
    *place.lock().unwrap() = Some(cache.clone());
    let within = |time| OpenWait {
        timeout: Some(time),
        buffered: false,
    };
    let opening = std::thread::spawn({
        let cache = cache.clone();
        let long = within(Duration::from_secs(300));
        move || BufferCache::open(&cache, b"a", long).map(drop).is_ok()
    });
    barriers[0].wait();
    let opened = BufferCache::open(&cache, b"b", within(Duration::ZERO));
    assert!(matches!(
        opened.map(drop).unwrap_err().error,
        Error::Timeout
    ));
    barriers[1].wait();
    assert!(opening.join().unwrap());
    assert_eq!(world.opens(), 2);
    place.lock().unwrap().take();
    cache.close();
}

/// Whoever waits for the flight of a key that was removed does not wait for its opener.
#[test]
fn a_freed_cache_lands_the_flights_of_removed_keys() {
    let barriers = [(); 2].map(|()| Arc::new(Barrier::new(2)));
    let [is_inside, may_go_on] = barriers.clone();
    let place = Arc::new(StdMutex::new(None));
    let nested = Nested {
        world: World::default(),
        cache: place.clone(),
        is_inside,
        may_go_on,
    };
    let cache = BufferCache::new(Box::new(nested), Box::new(Unnamed), options());
    let cache = Shared::try_new(cache.unwrap()).unwrap();
    *place.lock().unwrap() = Some(cache.clone());
    let asks = || {
        let cache = cache.clone();
        std::thread::spawn(move || open(&cache, "a").map(drop))
    };
    let opens = asks();
    barriers[0].wait();
    let waits = asks();
    while cache.stats().misses < 2 {
        std::thread::yield_now();
    }
    cache.remove(Some(b"a")).unwrap();
    let frees = std::thread::spawn({
        let cache = cache.clone();
        move || cache.close()
    });
    let start = std::time::Instant::now();
    while !waits.is_finished() {
        assert!(
            start.elapsed() < Duration::from_secs(300),
            "it waits for the opener"
        );
        std::thread::yield_now();
    }
    assert!(matches!(waits.join().unwrap(), Err(Error::Canceled)));
    barriers[1].wait();
    assert!(matches!(opens.join().unwrap(), Err(Error::Canceled)));
    frees.join().unwrap();
    place.lock().unwrap().take();
}
