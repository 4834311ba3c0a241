//! A save of what has gaps.

use super::{SIZE, buffer, declared, fetched, read};
use crate::support::assert_bytes;
use spoolbuf::{Error, SaveOptions};

#[test]
fn a_save_fills_the_gaps_with_the_fewest_seeks() {
    let (buffer, seen) = buffer(SIZE, declared(SIZE));
    read(&buffer, 0, 100_000).expect("the start");
    read(&buffer, 4_000_000, 100_000).expect("the middle");
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = directory.path().join("saved");
    let held = SaveOptions {
        buffered: true,
        ..SaveOptions::default()
    };
    let refused = buffer.save_with(&path, held, |_, _| true);
    assert!(matches!(refused, Err(Error::Size)), "{refused:?}");
    assert!(!path.exists());
    assert_eq!(buffer.save(&path).expect("a save"), SIZE);
    // On to the end from the source's position, then back for the one gap.
    assert_eq!(buffer.stats().seeks, 2);
    assert_eq!(fetched(&seen), SIZE);
    assert_bytes(0, &std::fs::read(&path).expect("the file"));
}

/// The progress of a save is reported before the first byte is written: while a source that has
/// sought forward reads on to the end. The callback can stop the save there, and so can a cancel,
/// even one that is over.
#[test]
fn a_save_can_be_stopped_while_the_source_continues() {
    for by_cancel in [false, true] {
        let (buffer, seen) = buffer(SIZE, declared(SIZE));
        read(&buffer, 1_000_000, 10).expect("bytes");
        let before = fetched(&seen);
        let directory = crate::tempfile::tempdir().expect("a directory");
        let target = directory.path().join("saved");
        let mut told = Vec::new();
        let saved = buffer.save_with(&target, SaveOptions::default(), |done, total| {
            told.push((done, total));
            if by_cancel {
                buffer.cancel();
                buffer.resume();
            }
            by_cancel
        });
        assert!(matches!(saved, Err(Error::Canceled)), "{saved:?}");
        assert_eq!(told, [(0, Some(SIZE))]);
        assert!(fetched(&seen) <= before + 128 * 1024, "{}", fetched(&seen));
        assert!(!target.exists());
    }
}

/// A save of a stream that was not sought writes bytes as they arrive.
#[test]
fn a_save_in_order_does_not_wait_for_the_end() {
    let (buffer, seen) = buffer(SIZE, declared(SIZE));
    read(&buffer, 0, 10).expect("bytes");
    let directory = crate::tempfile::tempdir().expect("a directory");
    let mut first = None;
    let saved = buffer.save_with(
        directory.path().join("saved"),
        SaveOptions::default(),
        |done, _| {
            if done > 0 {
                first.get_or_insert((done, fetched(&seen)));
            }
            true
        },
    );
    assert_eq!(saved.expect("a save"), SIZE);
    let (done, fetched) = first.expect("progress");
    assert!(done < SIZE / 2 && fetched < SIZE / 2, "{done}, {fetched}");
    assert_eq!(buffer.stats().seeks, 0);
}
