//! Reads of buffered bytes while another reader waits for the source.

use super::opener::Opener;
use super::reads::Places;
use super::values::{KIB, MIB, Values, millis};
use crate::contender::{Buffer, MAX};
use crate::source::Plan;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SLEEP: Duration = Duration::from_millis(950);
const WORK: Duration = Duration::from_millis(8);
const PAUSE: Duration = Duration::from_millis(2);
const HELD: u64 = 2 * MIB;

/// Two readers; the one at the frontier makes the source sleep.
pub fn run(open: Opener) -> Values {
    let (usual, calm) = usual(open);
    let plan = Plan {
        sleep: Some((HELD, SLEEP)),
        ..Plan::new(2 * HELD, 64 * KIB)
    };
    let buffer = open(plan, MAX);
    let buffer = &*buffer;
    let mut out = [0];
    assert_eq!(buffer.read(HELD - 1, &mut out), 1);
    let (begun, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let (rate, longest) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut out = [0];
            begun.store(true, Ordering::Release);
            assert_eq!(buffer.read(HELD, &mut out), 1);
            assert!(plan.agrees(HELD, &out));
            done.store(true, Ordering::Release);
        });
        while !begun.load(Ordering::Acquire) {
            std::hint::spin_loop();
        }
        reads(buffer, |_| done.load(Ordering::Acquire))
    });
    vec![
        ("longest", millis(longest)),
        ("rate", rate / usual),
        ("calm", millis(calm)),
    ]
}

/// Reads per second while nothing is requested from the source, and the longest read, which is due
/// to the machine. On a buffer of its own: some contenders fetch ahead, and would already make the
/// source sleep.
fn usual(open: Opener) -> (f64, Duration) {
    let buffer = open(Plan::new(2 * HELD, 64 * KIB), MAX);
    assert_eq!(buffer.read(HELD - 1, &mut [0]), 1);
    let start = Instant::now();
    reads(&*buffer, |now| now - start > SLEEP)
}

/// Reads 4 KiB at a time until it is told to stop; returns reads per second, and the longest read.
/// It pauses from time to time, which is not counted: at a real-time priority the system would make
/// it pause for long.
fn reads(buffer: &dyn Buffer, stop: impl Fn(Instant) -> bool) -> (f64, Duration) {
    let mut places = Places(9);
    let mut out = vec![0; 4 * KIB];
    let span = HELD - out.len() as u64;
    let (mut count, mut busy, mut longest) = (0u64, Duration::ZERO, Duration::ZERO);
    let mut start = Instant::now();
    let mut before = start;
    while !stop(before) {
        assert_eq!(buffer.read(places.next(span), &mut out), out.len());
        let now = Instant::now();
        longest = longest.max(now - before);
        before = now;
        count += 1;
        if now - start > WORK {
            busy += now - start;
            std::thread::sleep(PAUSE);
            start = Instant::now();
            before = start;
        }
    }
    busy += before - start;
    (count as f64 / busy.as_secs_f64(), longest)
}
