//! A spill that fails.

use super::{
    EDQUOT, EFBIG, ENOSPC, SIZE, Stream, inject_everywhere, is_due, open, open_grown, read,
};
use crate::disk::faults::{self, Fault, Plan};
use crate::options::Options;
use crate::store::budget::{Budget, Limits};
use crate::{OnFull, Operation, StreamBuffer};

fn pull_through(max: u64, on_full: OnFull, fault: Fault) {
    let options = Options {
        max_memory: max,
        on_full,
        ..Options::default()
    };
    let buffer = StreamBuffer::from_options(Stream(0), options).expect("a buffer");
    let mut at = 0;
    let mut failures = 0;
    while at < SIZE {
        let (reached, error) = read(&buffer, at, SIZE);
        at = reached;
        let Some(error) = error else { break };
        assert!(is_due(&error, fault), "{error:?}");
        assert!(error.operation().is_some_and(Operation::is_of_spool));
        let stats = buffer.stats();
        assert!(stats.memory <= max + 256 * 1024);
        assert!(stats.system_error != 0);
        failures += 1;
        if failures > 3 {
            // The fault lasts. Bytes in memory stay readable; once it is gone, so are all others.
            let in_memory = stats.frontier - stats.memory;
            let (_, error) = read(&buffer, in_memory, stats.frontier);
            assert!(error.is_none(), "{error:?}");
            let struck = faults::plan(None);
            assert!(struck > 0);
            faults::plan(Some(Plan {
                after: u32::MAX,
                lasting: false,
                fault,
            }));
            assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
            // Counts as a fault that struck, for `inject_everywhere`.
            faults::mark_struck();
            return;
        }
    }
    let (reached, error) = read(&buffer, 0, SIZE + 1);
    assert!(
        error.as_ref().is_none_or(|error| is_due(error, fault)),
        "{error:?}"
    );
    if error.is_some() {
        let struck = faults::plan(None);
        assert!(struck > 0 && reached <= SIZE);
        assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
        faults::mark_struck();
    }
    assert_eq!(buffer.size(), Some(SIZE));
}

#[test]
fn a_spill_that_fails_loses_nothing() {
    for max in [0, 300_000, SIZE - 1] {
        inject_everywhere(|fault| pull_through(max, OnFull::Fail, fault));
    }
}

/// Buffers that share a budget spill for each other. A fault fails a read only if none can spill.
fn pull_two_through(max: u64, fault: Fault) {
    let limits = Limits {
        max_memory: max,
        max_disk: u64::MAX,
        min_free: 1,
    };
    let budget = Budget::new(limits, None).expect("memory");
    let buffers = [0, 1].map(|_| {
        let options = Options {
            max_memory: u64::MAX,
            ..Options::default()
        };
        StreamBuffer::in_budget(Stream(0), options, &budget).expect("a buffer")
    });
    let mut at = 0;
    while at < SIZE {
        let to = (at + 100_000).min(SIZE);
        for buffer in &buffers {
            let (reached, error) = read(buffer, at, to);
            let error = error.map(|error| assert!(is_due(&error, fault), "{error:?}"));
            if error.is_some() {
                assert!(reached < to && faults::plan(None) > 0);
                assert_eq!(read(buffer, at, to).0, to);
                faults::mark_struck();
            }
        }
        at = to;
    }
    // Each buffer may exceed it by the segment that it fills.
    let (most, overhead) = (budget.memory().most(), 16 * 1024);
    assert!(most <= max + 2 * 256 * 1024 + overhead, "{most}");
    let plan = faults::pause();
    for buffer in &buffers {
        let (reached, error) = read(buffer, 0, SIZE + 1);
        assert!(reached == SIZE && error.is_none(), "{error:?}");
    }
    drop(buffers);
    assert_eq!((budget.memory().used(), budget.disk().used()), (0, 0));
    faults::go_on(plan);
}

#[test]
fn a_spill_for_another_buffer_that_fails_loses_nothing() {
    for max in [0, 300_000, SIZE] {
        inject_everywhere(|fault| pull_two_through(max, fault));
    }
}

#[test]
fn a_full_disk_can_go_on_in_memory() {
    for code in [ENOSPC, EDQUOT, EFBIG] {
        let fault = Fault::Code(code);
        faults::plan(Some(Plan {
            after: 0,
            lasting: true,
            fault,
        }));
        let buffer = open_grown();
        // Bytes go to the disk again once it has space.
        buffer.spill().expect("room");
        assert_eq!(buffer.stats().memory, 0);
        assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
    }
}

#[test]
fn a_spill_on_request_that_fails_leaves_the_rest_in_memory() {
    inject_everywhere(|fault| {
        let buffer = open(u64::MAX);
        assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
        if let Err(error) = buffer.spill() {
            assert!(is_due(&error, fault), "{error:?}");
            let struck = faults::plan(None);
            assert!(struck > 0);
            assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
            buffer.spill().expect("room");
            faults::mark_struck();
        }
        assert_eq!(buffer.stats().memory, 0);
        let plan = faults::pause();
        assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
        faults::go_on(plan);
    });
}
