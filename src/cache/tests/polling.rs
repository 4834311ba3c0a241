//! Opens that do not wait for the opener: what it brings is for the next one.

use super::*;
use crate::store::budget::member::{Cause, Evictor};

const fn within(time: Duration) -> OpenWait {
    OpenWait {
        timeout: Some(time),
        buffered: false,
    }
}

pub(super) const AT_ONCE: OpenWait = within(Duration::ZERO);

pub(super) const BUFFERED: OpenWait = OpenWait {
    timeout: None,
    buffered: true,
};

/// For how long the source of an unclaimed entry stays open.
pub(super) const LONGEST: Duration = Duration::from_millis(5000);

pub(super) const MOMENT: Duration = Duration::from_millis(1);

/// An opener that waits until the test lets it go on.
#[derive(Clone, Default)]
pub(super) struct Held {
    pub(super) world: World,
    gate: Arc<StdMutex<()>>,
}

impl Opener for Held {
    fn open(&self, key: &[u8], old_tag: u64) -> Result<Opened> {
        drop(self.gate.lock().unwrap());
        self.world.open(key, old_tag)
    }
}

impl Held {
    pub(super) fn cache(&self, options: CacheOptions) -> Shared<BufferCache> {
        let made = BufferCache::new(Box::new(self.clone()), Box::new(Unnamed), options);
        Shared::try_new(made.unwrap()).unwrap()
    }

    /// The opener waits as long as this is held.
    pub(super) fn hold(&self) -> std::sync::MutexGuard<'_, ()> {
        self.gate.lock().unwrap()
    }

    /// A key is asked for, and when the opener returns, nobody waits for it.
    pub(super) fn leave_unclaimed(&self, cache: &Shared<BufferCache>, key: &str) {
        let before = (self.opens(), cache.stats().leases);
        let closed = self.hold();
        assert!(times_out(poll(cache, key, AT_ONCE)));
        assert!(times_out(poll(cache, key, within(MOMENT))));
        drop(closed);
        await_openers(cache);
        assert_eq!(
            (self.opens(), cache.stats().leases),
            (before.0 + 1, before.1)
        );
    }

    pub(super) fn opens(&self) -> usize {
        self.world.opens()
    }

    pub(super) fn closed(&self) -> usize {
        self.world.closed.load(Ordering::SeqCst)
    }
}

pub(super) fn await_openers(cache: &Shared<BufferCache>) {
    while cache.stats().opening > 0 {
        std::thread::yield_now();
    }
}

pub(super) fn poll(cache: &Shared<BufferCache>, key: &str, wait: OpenWait) -> Result<Lease> {
    Ok(BufferCache::open(cache, key.as_bytes(), wait)?)
}

pub(super) fn times_out(opened: Result<Lease>) -> bool {
    matches!(opened.map(drop), Err(Error::Timeout))
}

pub(super) fn held(size: usize) -> Held {
    let held = Held::default();
    for number in 0..20 {
        held.world.set(&number.to_string(), size, 1, number);
    }
    held
}

#[test]
fn polls_get_what_one_opener_brings() {
    let held = held(100_000);
    let cache = held.cache(options());
    let closed = held.hold();
    for _ in 0..40 {
        assert!(times_out(poll(&cache, "0", AT_ONCE)));
    }
    drop(closed);
    await_openers(&cache);
    let mut polls = 40;
    let lease = loop {
        polls += 1;
        match poll(&cache, "0", AT_ONCE) {
            Ok(lease) => break lease,
            Err(error) => assert!(matches!(error, Error::Timeout)),
        }
    };
    read_whole(&held.world, &lease, "0");
    let stats = cache.stats();
    assert_eq!((held.opens(), stats.leases), (1, 1));
    assert_eq!(stats.hits + stats.misses, polls);
    assert!(stats.hits <= 1, "{stats:?}");
}

#[test]
fn the_next_open_is_a_hit() {
    for wait in [AT_ONCE, FOREVER] {
        let held = held(100_000);
        let cache = held.cache(options());
        held.leave_unclaimed(&cache, "0");
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.entries), (0, 2, 1));
        let lease = poll(&cache, "0", wait).unwrap();
        assert_eq!((held.opens(), held.closed()), (1, 0));
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.leases), (1, 2, 1));
        // From now on it is an entry like any other.
        read(&lease, 0, 10).unwrap();
        drop(lease);
        assert_eq!(held.closed(), 1);
    }
}

#[test]
fn a_look_at_what_is_buffered_claims_nothing() {
    let held = held(100_000);
    let cache = held.cache(options());
    held.leave_unclaimed(&cache, "0");
    drop(poll(&cache, "0", BUFFERED).unwrap());
    assert_eq!(held.closed(), 0);
    read_whole(&held.world, &poll(&cache, "0", AT_ONCE).unwrap(), "0");
    assert_eq!(held.opens(), 1);
    // The last lease of one whose time is up closes the source.
    held.leave_unclaimed(&cache, "1");
    let lease = poll(&cache, "1", BUFFERED).unwrap();
    cache.advance_clock(LONGEST + MOMENT);
    cache.stats();
    assert_eq!(held.closed(), 1, "it is in use");
    drop(lease);
    assert_eq!(held.closed(), 2);
}

#[test]
fn an_unclaimed_source_is_closed_in_time() {
    let held = held(100_000);
    let cache = held.cache(options());
    held.leave_unclaimed(&cache, "0");
    cache.advance_clock(LONGEST);
    cache.stats();
    assert_eq!(held.closed(), 0);
    cache.advance_clock(MOMENT);
    cache.stats();
    assert_eq!((held.closed(), cache.stats().entries), (1, 1));
    // The next poll starts anew.
    held.leave_unclaimed(&cache, "0");
    read_whole(&held.world, &poll(&cache, "0", AT_ONCE).unwrap(), "0");
    assert_eq!(held.opens(), 2);
}

#[test]
fn an_entry_that_fills_itself_closes_another_one() {
    let held = held(100_000);
    let cache = held.cache(options());
    held.leave_unclaimed(&cache, "0");
    let lease = open(&cache, "1").unwrap();
    cache.advance_clock(LONGEST + MOMENT);
    read(&lease, 0, 10).unwrap();
    assert_eq!(held.closed(), 1);
}

#[test]
fn no_longer_than_it_may_be_idle() {
    let held = held(100_000);
    let cache = held.cache(CacheOptions {
        idle_ms: 1000,
        ..options()
    });
    held.leave_unclaimed(&cache, "0");
    cache.advance_clock(Duration::from_millis(1000));
    assert_eq!((cache.stats().entries, held.closed()), (1, 0));
    cache.advance_clock(MOMENT);
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.expired, held.closed()), (0, 1, 1));
}

#[test]
fn few_sources_are_unclaimed_at_a_time() {
    let held = held(100_000);
    let cache = held.cache(options());
    for number in 0..20 {
        held.leave_unclaimed(&cache, &number.to_string());
        assert_eq!(held.closed(), (number as usize + 1).saturating_sub(16));
    }
    // The newest are there.
    for number in 4..20 {
        drop(poll(&cache, &number.to_string(), AT_ONCE).unwrap());
    }
    assert_eq!((held.opens(), held.closed()), (20, 20));
}

/// As the least recently released one, and it is not spared.
#[test]
fn an_unclaimed_entry_is_evicted() {
    let held = held(100_000);
    let cache = held.cache(options());
    held.leave_unclaimed(&cache, "0");
    read_whole(&held.world, &open(&cache, "1").unwrap(), "1");
    assert!(ShelfEvictor(cache.shelf().clone()).evict_one(Cause::Disk));
    assert_eq!((cache.stats().entries, held.closed()), (1, 2));
    assert_eq!(cache.stats().evicted_disk, 1);
    // Its number may be that of the next entry, which is in use.
    let lease = open(&cache, "2").unwrap();
    cache.advance_clock(LONGEST + MOMENT);
    read_whole(&held.world, &lease, "2");
}

#[test]
fn an_unclaimed_entry_is_removed() {
    let held = held(100_000);
    let cache = held.cache(options());
    for (turn, key) in [Some(&b"0"[..]), None].into_iter().enumerate() {
        held.leave_unclaimed(&cache, "0");
        cache.remove(key).unwrap();
        assert_eq!((cache.stats().entries, held.closed()), (0, turn + 1));
    }
    held.leave_unclaimed(&cache, "0");
    assert_eq!(held.opens(), 3);
}

#[test]
fn a_freed_cache_closes_unclaimed_sources() {
    let held = held(100_000);
    let cache = held.cache(options());
    for number in 0..5 {
        held.leave_unclaimed(&cache, &number.to_string());
    }
    cache.close();
    assert_eq!(held.closed(), 5);
    drop(cache);
    assert_eq!(held.closed(), 5);
}

/// The answer is for the next poll, even if it is stale at once. An open that may call the opener does.
#[test]
fn a_poll_gets_a_stale_answer() {
    let held = held(1000);
    let cache = held.cache(CacheOptions {
        fresh_ms: 0,
        ..options()
    });
    for turn in 1..4 {
        held.leave_unclaimed(&cache, "0");
        read_whole(&held.world, &poll(&cache, "0", AT_ONCE).unwrap(), "0");
        assert_eq!(held.opens(), turn);
    }
    held.leave_unclaimed(&cache, "0");
    drop(open(&cache, "0").unwrap());
    assert_eq!(held.opens(), 5);
    assert_eq!(cache.stats().pulled, 1000);
}

/// An event loop may poll more keys than there are helpers.
#[test]
fn the_keys_of_polls_that_wait_for_a_helper_are_charged() {
    const POLLS: u64 = 20;
    const KEYS: u64 = POLLS * 4096;
    let held = Held::default();
    let cache = held.cache(options());
    let closed = held.hold();
    for number in 0..POLLS {
        let key = format!("{number:0>4096}");
        held.world.set(&key, 1000, 1, 7);
        assert!(times_out(poll(&cache, &key, AT_ONCE)));
    }
    let is_charged_once = |memory| (KEYS..2 * KEYS).contains(&memory);
    let stats = cache.stats();
    assert!(is_charged_once(stats.memory), "{stats:?}");
    drop(closed);
    await_openers(&cache);
    // Those of the entries are charged now, and no others.
    let stats = cache.stats();
    assert_eq!(stats.entries, POLLS);
    assert!(is_charged_once(stats.memory), "{stats:?}");
    cache.remove(None).unwrap();
    // A helper may still be inside one of them, to see whether memory fits.
    while cache.stats().memory > 0 {
        std::thread::yield_now();
    }
}
