//! The traits that every Rust program expects of public types: options and numbers can be compared and
//! be the keys of a map, everything can be printed, and handles can go to another thread.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use spoolbuf::{
    Builder, Cache, CacheStats, CancelHandle, Cursor, CursorOptions, Error, LogLevel, OnFull,
    OnShort, Operation, Pusher, Readiness, Resource, SaveOptions, Seekable, SourceState,
    SpoolState, Stats, StreamBuffer, Watch,
};

fn is_value<T: Clone + Debug + Eq + Hash + Send + Sync + 'static>() {}
fn is_handle<T: Debug + Send + 'static>() {}
fn is_shared<T: Clone + Debug + Send + Sync + 'static>() {}

/// Fails to compile without one of them. An `Error`, and `Stats` with one in it, has the `io::Error` of
/// the source, which cannot be compared.
#[test]
fn have_the_common_traits() {
    is_value::<CacheStats>();
    is_value::<CursorOptions>();
    is_value::<LogLevel>();
    is_value::<OnFull>();
    is_value::<OnShort>();
    is_value::<Operation>();
    is_value::<SaveOptions>();
    is_value::<SourceState>();
    is_value::<SpoolState>();
    is_shared::<Cache>();
    is_shared::<Error>();
    is_shared::<Pusher>();
    is_shared::<Stats>();
    is_shared::<StreamBuffer>();
    is_handle::<Builder<&'static [u8]>>();
    is_handle::<CancelHandle>();
    is_handle::<Cursor>();
    is_handle::<Readiness>();
    is_handle::<Resource>();
    is_handle::<Seekable<&'static [u8]>>();
    is_handle::<Watch>();
}

#[test]
fn options_are_equal_if_they_say_the_same() {
    let short = CursorOptions::new().timeout(Duration::from_secs(1));
    let known = HashSet::from([CursorOptions::new(), short]);
    assert_eq!(known.len(), 2);
    assert!(known.contains(&CursorOptions::default()));
    assert_ne!(short, short.reach(65536));
    assert_ne!(
        SaveOptions::default(),
        SaveOptions {
            sync: true,
            ..SaveOptions::default()
        }
    );
}
