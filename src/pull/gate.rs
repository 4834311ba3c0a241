//! The gate: the one place that waits, and the lock over the state.
//!
//! The lock is held for a few instructions at a time, never across the source, a file, or a copy.
//! Each waiting call has a bell of its own and says what it waits for; whoever changes the state
//! rings only those for whom it made a difference. A woken call looks at the state again: nothing
//! is handed over by the ringing itself, so nothing can be missed or taken twice.

use std::sync::OnceLock;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::pull::state::{HELPER, Need, State, Waiter};
use crate::sync::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering, lock};

pub(crate) struct Gate {
    state: Mutex<State>,
    bells: Bells,
    /// Rings when there may be work for the helper.
    helper: Condvar,
    /// Rings when somebody has come out of the source's code.
    left: Condvar,
    /// A read that ends past `wake_at`, or not past `wake_from`, is news to the prefetch.
    wake_at: AtomicU64,
    wake_from: AtomicU64,
}

/// How a call waits.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// Until when at most.
    pub(crate) deadline: Option<Instant>,
    /// See [`Waiter`].
    pub(crate) by_helper: bool,
    /// See [`Waiter`].
    pub(crate) reader: usize,
}

impl Gate {
    pub(crate) fn new(state: State) -> Gate {
        Gate {
            wake_at: AtomicU64::new(u64::MAX),
            wake_from: AtomicU64::new(0),
            state: Mutex::new(state),
            bells: Bells::new(),
            helper: Condvar::new(),
            left: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Sleeps until the state has changed for this call, or the deadline has passed. An error is
    /// one that was meant for the calls that wait at this moment.
    pub(crate) fn wait<'g>(
        &'g self,
        mut state: MutexGuard<'g, State>,
        need: Need,
        manner: Manner,
    ) -> Result<MutexGuard<'g, State>> {
        state.waiters.try_reserve(1).map_err(|_| Error::NoMemory)?;
        let number = state.take_bell()?;
        let bell = match self.bells.get(number) {
            Ok(bell) => bell,
            Err(error) => {
                state.give_bell_back(number);
                return Err(error);
            }
        };
        let ticket = state.ticket();
        let Manner {
            deadline,
            by_helper,
            reader,
        } = manner;
        let waiter = Waiter {
            ticket,
            need,
            by_helper,
            reader,
            bell: number,
            woken: false,
            error: None,
        };
        state.waiters.push(waiter);
        state.waits += 1;
        if by_helper {
            self.helper.notify_one();
        }
        while !state
            .waiters
            .iter()
            .any(|waiter| waiter.ticket == ticket && waiter.woken)
        {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => state = wait(bell, state),
                Some(left) if left.is_zero() => break,
                Some(left) => {
                    let slept = bell.wait_timeout(state, left);
                    state = slept.unwrap_or_else(std::sync::PoisonError::into_inner).0;
                }
            }
        }
        if state.elected == Some(ticket) {
            state.elected = None;
        }
        state.give_bell_back(number);
        let place = state
            .waiters
            .iter()
            .position(|waiter| waiter.ticket == ticket);
        match place.and_then(|place| state.waiters.remove(place).error) {
            Some(error) => {
                // If it was to take the turn, it does not.
                self.pass_turn(&mut state);
                Err(error)
            }
            None => Ok(state),
        }
    }

    /// Wakes the calls whose bytes have come.
    pub(crate) fn wake_ready(&self, state: &mut State) {
        for place in 0..state.waiters.len() {
            let Waiter { need, woken, .. } = state.waiters[place];
            if !woken && state.is_met(need) {
                self.ring(&mut state.waiters[place]);
            }
        }
    }

    /// Wakes the calls that `whom` names, to look again or with an error.
    pub(crate) fn wake(
        &self,
        state: &mut State,
        error: Option<&Error>,
        whom: impl Fn(&Waiter) -> bool,
    ) {
        for waiter in state.waiters.iter_mut().filter(|waiter| whom(waiter)) {
            if let Some(error) = error {
                waiter.error.get_or_insert_with(|| error.clone());
            }
            self.ring(waiter);
        }
    }

    /// Wakes the calls of one reader, whose stop is set already.
    pub(crate) fn wake_reader(&self, reader: usize) {
        let mut state = self.lock();
        self.wake(&mut state, None, |waiter| waiter.reader == reader);
    }

    /// If the source is free and somebody waits for it: has the one that has waited longest take
    /// its turn, on its own thread or the helper's.
    pub(crate) fn pass_turn(&self, state: &mut State) {
        if state.source.is_none() || state.elected.is_some() {
            return;
        }
        let for_helper = state.helper_work().is_some();
        match state.waiters.iter_mut().find(|waiter| !waiter.woken) {
            Some(waiter) if !waiter.by_helper => {
                state.elected = Some(waiter.ticket);
                self.ring(waiter);
            }
            Some(_) if for_helper => {
                state.elected = Some(HELPER);
                self.helper.notify_one();
            }
            _ if for_helper => self.helper.notify_one(),
            _ => {}
        }
    }

    /// The same, by the helper, which has looked for work and found none for itself.
    pub(crate) fn pass_turn_from_helper(&self, state: &mut State) {
        if state.helper_work().is_none() {
            self.pass_turn(state);
        }
    }

    fn ring(&self, waiter: &mut Waiter) {
        waiter.woken = true;
        if let Ok(bell) = self.bells.get(waiter.bell) {
            bell.notify_one();
        }
    }

    /// Wakes the helper if there is something for it to do.
    pub(crate) fn call_helper(&self, state: &State) {
        // One that has only just been started looks before it sleeps.
        if state.helper.is_some() && (state.freed || state.helper_work().is_some()) {
            self.helper.notify_one();
        }
    }

    /// The helper's sleep.
    pub(crate) fn wait_as_helper<'g>(&self, state: MutexGuard<'g, State>) -> MutexGuard<'g, State> {
        wait(&self.helper, state)
    }

    /// Sleeps until somebody has come out of the source's code.
    pub(crate) fn wait_until_left<'g>(
        &'g self,
        mut state: MutexGuard<'g, State>,
    ) -> MutexGuard<'g, State> {
        state.outside += 1;
        let mut state = wait(&self.left, state);
        state.outside -= 1;
        state
    }

    /// Tells those who wait for it that somebody has come out of the source's code, or that they
    /// need not wait for that any more.
    pub(crate) fn announce_left(&self, state: &State) {
        // A call of the system even if nobody waits.
        if state.outside > 0 {
            self.left.notify_all();
        }
    }

    /// Whether a read up to `offset` is news to the prefetch.
    #[inline]
    pub(crate) fn is_news(&self, offset: u64) -> bool {
        // Relaxed: a stale value costs one look too many, or one that the next read makes up for.
        offset > self.wake_at.load(Ordering::Relaxed)
            || offset <= self.wake_from.load(Ordering::Relaxed)
    }

    /// To be called where the state's prefetch or what is buffered changed.
    pub(crate) fn retune(&self, state: &State) {
        let (from, at) = state.quiet();
        self.wake_from.store(from, Ordering::Relaxed);
        self.wake_at.store(at, Ordering::Relaxed);
    }
}

fn wait<'g>(bell: &Condvar, state: MutexGuard<'g, State>) -> MutexGuard<'g, State> {
    bell.wait(state)
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Condition variables that stay where they are: a few at first, then as many again, and again.
struct Bells {
    first: [Condvar; Bells::FIRST],
    more: [OnceLock<Box<[Condvar]>>; 24],
}

impl Bells {
    const FIRST: usize = if cfg!(loom) { 2 } else { 8 };

    fn new() -> Bells {
        Bells {
            first: std::array::from_fn(|_| Condvar::new()),
            more: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    fn get(&self, number: usize) -> Result<&Condvar> {
        if let Some(bell) = self.first.get(number) {
            return Ok(bell);
        }
        // Of eight at first: numbers 8 to 15, 16 to 31, and so on.
        let level = (number / Bells::FIRST).ilog2() as usize;
        let size = Bells::FIRST << level;
        let row = self.more.get(level).ok_or(Error::NoMemory)?;
        if row.get().is_none() {
            let mut bells = Vec::new();
            bells.try_reserve_exact(size).map_err(|_| Error::NoMemory)?;
            bells.resize_with(size, Condvar::new);
            // Under the state's lock, so nobody else sets it.
            let _ = row.set(bells.into_boxed_slice());
        }
        row.get()
            .and_then(|row| row.get(number - size))
            .ok_or(Error::NoMemory)
    }
}
