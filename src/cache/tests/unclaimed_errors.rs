//! Opens that do not wait for the opener: its error is for the next one.

use super::polling::{
    AT_ONCE, BUFFERED, Held, LONGEST, MOMENT, await_openers, held, poll, times_out,
};
use super::*;

/// Whoever polls learns why there is no entry, once. An open that may call the opener does.
#[test]
fn a_poll_gets_the_error_that_nobody_got() {
    let held = Held::default();
    let cache = held.cache(options());
    for turn in 0..3 {
        held.leave_unclaimed(&cache, "0");
        assert!(times_out(poll(&cache, "0", BUFFERED)));
        let failed = poll(&cache, "0", AT_ONCE).map(drop).unwrap_err();
        assert!(matches!(failed, Error::Source { code: 404, .. }));
        let stats = cache.stats();
        assert_eq!(
            (stats.hits, stats.misses, stats.entries),
            (0, 4 * turn + 4, 0)
        );
    }
    held.leave_unclaimed(&cache, "0");
    assert!(open(&cache, "0").is_err());
    assert_eq!(held.opens(), 5);
    // It got the new one, so that there is no old one left.
    held.leave_unclaimed(&cache, "0");
    assert_eq!(held.opens(), 6);
}

/// Neither after its time, nor after a removal, nor if many others have failed since.
#[test]
fn an_error_is_dropped() {
    let held = Held::default();
    let cache = held.cache(options());
    held.leave_unclaimed(&cache, "0");
    cache.advance_clock(LONGEST + MOMENT);
    held.leave_unclaimed(&cache, "0");
    cache.remove(Some(b"0")).unwrap();
    held.leave_unclaimed(&cache, "0");
    for number in 1..18 {
        held.leave_unclaimed(&cache, &number.to_string());
    }
    held.leave_unclaimed(&cache, "0");
    assert_eq!(held.opens(), 3 + 17 + 1);
    cache.close();
}

/// The entry that could not be revalidated has no source for the next open.
#[test]
fn an_error_keeps_no_source() {
    let held = held(100_000);
    let cache = held.cache(CacheOptions {
        fresh_ms: 1000,
        ..options()
    });
    let lease = open(&cache, "0").unwrap();
    cache.advance_clock(Duration::from_secs(2));
    held.world.resources.lock().unwrap().clear();
    held.leave_unclaimed(&cache, "0");
    assert_eq!(held.closed(), 0);
    drop(lease);
    assert_eq!(held.closed(), 1);
    assert!(poll(&cache, "0", AT_ONCE).is_err());
    assert_eq!(held.opens(), 2);
}

/// An open that is refused leaves the failure there: the entry that could not be revalidated is not
/// returned in its place.
#[test]
fn an_open_that_may_not_block_claims_nothing() {
    let held = held(1000);
    let cache = held.cache(CacheOptions {
        fresh_ms: 1000,
        ..options()
    });
    read_whole(&held.world, &open(&cache, "0").unwrap(), "0");
    cache.advance_clock(Duration::from_secs(2));
    held.world.resources.lock().unwrap().clear();
    held.leave_unclaimed(&cache, "0");
    HostCall::Ready.run(|| {
        let refused = poll(&cache, "0", FOREVER).map(drop);
        assert!(matches!(refused, Err(Error::Reentrant)));
    });
    let failed = poll(&cache, "0", AT_ONCE).map(drop);
    assert!(matches!(failed, Err(Error::Source { code: 404, .. })));
}

/// The key was removed before the opener returned: the next open calls it again.
#[test]
fn the_error_of_a_removed_key_is_dropped() {
    let held = Held::default();
    let cache = held.cache(options());
    let closed = held.hold();
    assert!(times_out(poll(&cache, "0", AT_ONCE)));
    cache.remove(Some(b"0")).unwrap();
    drop(closed);
    await_openers(&cache);
    let closed = held.hold();
    assert!(times_out(poll(&cache, "0", AT_ONCE)));
    drop(closed);
    await_openers(&cache);
    assert_eq!(held.opens(), 2);
}
