//! A flight: one run of the opener, for every open of a key that waits meanwhile.
//!
//! Whoever needs the entry boards under the shelf's lock. When the opener has returned, the flight
//! *lands*: everyone on board gets a lease, or the opener's error. Those who did not wait that long
//! have left, and get neither.

use std::time::Instant;

use crate::cache::entry::CacheEntry;
use crate::error::{Error, Result};
use crate::sync::shared::Shared;
use crate::sync::{Condvar, Mutex, lock, wait, wait_timeout};

/// Calls the opener for a flight, and lands it. So does its drop, with an error.
pub(super) type Launch = Box<dyn FnOnce() + Send>;

/// What a wait for a flight ends with.
pub(super) enum FlightResult {
    Landed(Result<Shared<CacheEntry>>),
    Launch(Launch),
}

pub(super) struct Flight {
    state: Mutex<FlightState>,
    landed: Condvar,
}

struct FlightState {
    waiters: usize,
    /// Set while the flight waits for a helper.
    launch: Option<Launch>,
    outcome: Option<Result<Shared<CacheEntry>>>,
}

impl Flight {
    /// A flight for which the caller waits.
    pub(super) fn new() -> Flight {
        Flight {
            state: Mutex::new(FlightState {
                waiters: 1,
                launch: None,
                outcome: None,
            }),
            landed: Condvar::new(),
        }
    }

    /// One more waits.
    pub(super) fn join(&self) {
        lock(&self.state).waiters += 1;
    }

    /// Leaves the launch to whoever takes it first: a helper, or a thread that waits without a limit.
    pub(super) fn leave_launch(&self, launch: Launch) {
        lock(&self.state).launch = Some(launch);
        self.landed.notify_all();
    }

    /// Takes the launch, unless somebody has.
    pub(super) fn take_launch(&self) -> Option<Launch> {
        lock(&self.state).launch.take()
    }

    /// Ends the flight with what `outcome` makes of the number of those who wait: an entry on which
    /// each of them has a lease, or an error for all. A flight lands once; what comes later is for
    /// nobody.
    pub(super) fn land(&self, outcome: impl FnOnce(usize) -> Result<Shared<CacheEntry>>) {
        let mut state = lock(&self.state);
        let waiters = match state.outcome {
            Some(_) => 0,
            None => state.waiters,
        };
        let outcome = outcome(waiters);
        state.outcome.get_or_insert(outcome);
        drop(state);
        self.landed.notify_all();
    }

    /// Waits until the flight has landed. The caller is on board: a lease of the
    /// entry is counted for it. If it `launches`, it may get the launch instead.
    pub(super) fn wait(&self, deadline: Option<Instant>, launches: bool) -> FlightResult {
        let mut state = lock(&self.state);
        loop {
            if let Some(outcome) = &state.outcome {
                return FlightResult::Landed(outcome.clone());
            }
            if let Some(launch) = state.launch.take_if(|_| launches) {
                return FlightResult::Launch(launch);
            }
            let Some(deadline) = deadline else {
                state = wait(&self.landed, state);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.waiters -= 1;
                return FlightResult::Landed(Err(Error::Timeout));
            }
            state = wait_timeout(&self.landed, state, left);
        }
    }
}
