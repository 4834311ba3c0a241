//! Seeks that fail.

use super::{SIZE, declared, failing, fetched, read, wait_until};
use crate::options::{Options, open};
use crate::support::Stream;
use spoolbuf::{Error, Source};

#[test]
fn a_source_that_turns_out_not_to_seek_is_read_forwards() {
    let (buffer, seen) = failing(SIZE, 0, declared(SIZE));
    assert_eq!(read(&buffer, 3_000_000, 10).expect("by the long way"), 10);
    let stats = buffer.stats();
    assert!(
        !stats.seekable && stats.source_error == 0 && stats.failure.is_none(),
        "{stats:?}"
    );
    assert_eq!(
        read(&buffer, 0, SIZE as usize + 1).expect("all") as u64,
        SIZE
    );
    assert_eq!(fetched(&seen), SIZE);
}

/// A source whose first two seeks fail.
struct Stumbling(Stream, u32);

impl Source for Stumbling {
    fn pull(&mut self, out: &mut [u8]) -> spoolbuf::Result<usize> {
        self.0.pull(out)
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> spoolbuf::Result<()> {
        self.1 += 1;
        if self.1 <= 2 {
            return Err(Error::Source {
                code: -5,
                cause: None,
            });
        }
        self.0.jump(offset)
    }
}

#[test]
fn a_failed_seek_is_the_error_of_its_read_and_the_next_read_tries_again() {
    for ahead in [0, 1000] {
        let (stream, seen) = Stream::new(SIZE, 1 << 20);
        let buffer = open(Stumbling(stream, 0), declared(SIZE));
        let buffer = buffer.expect("a buffer");
        read(&buffer, 0, 10).expect("the start");
        buffer.prefetch(ahead).expect("a helper");
        for seeks in 1..3 {
            let failed = read(&buffer, SIZE - 10, 10);
            assert!(
                matches!(failed, Err(Error::Source { code: -5, .. })),
                "{failed:?}"
            );
            let stats = buffer.stats();
            assert!(stats.seekable && stats.failure.is_none(), "{stats:?}");
            assert_eq!((stats.seeks, stats.source_error), (seeks, -5));
            // It continues at its position, for any reader that wants that.
            read(&buffer, 10_000 * seeks, 10).expect("onwards");
        }
        read(&buffer, SIZE - 10, 10).expect("by a jump");
        assert!(fetched(&seen) < 200_000, "{}", fetched(&seen));
        assert_eq!(buffer.stats().seeks, 3);
    }
}

#[test]
fn a_failed_seek_of_one_does_not_stop_the_prefetch_of_another() {
    const AHEAD: u64 = 200_000;
    let (stream, _) = Stream::new(SIZE, 1 << 20);
    let options = Options {
        prefetch_low: u64::MAX,
        ..declared(SIZE)
    };
    let buffer = open(Stumbling(stream, 0), options);
    let buffer = buffer.expect("a buffer");
    read(&buffer, 0, 10).expect("the start");
    buffer.prefetch(AHEAD).expect("a helper");
    wait_until(|| buffer.buffered(10) >= AHEAD);
    let failed = read(&buffer, SIZE - 10, 10);
    assert!(
        matches!(failed, Err(Error::Source { code: -5, .. })),
        "{failed:?}"
    );
    // It always finds bytes, so only the prefetch itself fetches more.
    for at in (0..5 * AHEAD).step_by(50_000) {
        read(&buffer, at, 10).expect("bytes that are there");
        wait_until(|| buffer.buffered(at + 10) >= AHEAD);
    }
}

#[test]
fn bytes_behind_a_forward_only_source_are_unsupported() {
    let (buffer, _) = failing(SIZE, 2, declared(SIZE));
    read(&buffer, 8_000_000, 10).expect("the first jump");
    read(&buffer, 4_000_000, 10).expect("the second jump");
    let behind = read(&buffer, 2_000_000, 10);
    assert!(matches!(behind, Err(Error::Unsupported)), "{behind:?}");
    // It continues forward, through buffered bytes.
    assert_eq!(
        read(&buffer, 4_000_000, 6_000_000).expect("onwards") as u64,
        SIZE - 4_000_000
    );
    assert_eq!(buffer.size(), Some(SIZE));
    let behind = read(&buffer, 2_000_000, 10);
    assert!(matches!(behind, Err(Error::Unsupported)), "{behind:?}");
    let saved = buffer.save(std::env::temp_dir().join("never"));
    assert!(matches!(saved, Err(Error::Unsupported)), "{saved:?}");
}
