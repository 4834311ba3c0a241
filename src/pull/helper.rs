//! The helper: the buffer's own thread. It uses the source for callers that must not call it, and
//! ahead of need.
//!
//! It is started when it is first needed, sleeps at the gate while it has no work, and exits when
//! the buffer is freed.

use crate::error::{Error, Result};
use crate::options::ThreadHooks;
use crate::panic::catch;
use crate::pull::demand::Demand;
use crate::pull::gate::{Gate, StateGuard};
use crate::pull::source_guard::SourceGuard;
use crate::pull::thread_hooks::call;
use crate::store::Store;
use crate::sync::shared::Shared;
use crate::sync::this_thread;
use crate::sync::thread::Thread;

/// Starts the thread, which keeps `owner` alive. `parts` returns the owner's gate and store.
pub(crate) fn start<T: Send + Sync + 'static>(
    owner: Shared<T>,
    parts: fn(&T) -> (&Gate, &Store),
    hooks: Option<Shared<ThreadHooks>>,
) -> Result<Thread> {
    Thread::start(move || {
        let (gate, store) = parts(&owner);
        gate.lock().helper = Some(this_thread());
        call(hooks.as_deref(), |hooks| &hooks.begin);
        log!(Debug, store.number(), "the helper thread begins");
        while !catch(false, || run(gate, store)) {
            log!(
                Error,
                store.number(),
                "a panic on the helper thread was caught"
            );
            recover(gate);
        }
        // The end is not logged here: `free` may be waiting for it, and the host's log function
        // for a lock that the caller of `free` holds.
        //
        // This may free the buffer: the end comes after all that.
        drop(owner);
        call(hooks.as_deref(), |hooks| &hooks.end);
    })
}

/// After a panic: fails the calls, watches and pushes that wait for the helper, which then continues
/// with the next work.
fn recover(gate: &Gate) {
    let mut state = gate.lock();
    state.prefetch.pause();
    state.slot.abandon_spool();
    if state.has_spill_request() {
        state.report_spill(Err(Error::Panic));
    }
    state.spilled_ahead(Err(Error::Panic));
    state.wake(Some(&Error::Panic), |waiter| waiter.puller.is_helper());
    if !state.is_pushed() {
        state.fail_watches(&Error::Panic, None);
    }
}

/// Works on the spool file, without the lock.
fn use_spool<'g, T>(
    gate: &'g Gate,
    mut state: StateGuard<'g>,
    work: impl FnOnce() -> T,
) -> (StateGuard<'g>, T) {
    let generation = state.slot.generation();
    state.slot.enter_spool(generation);
    drop(state);
    let result = work();
    let mut state = gate.lock();
    state.slot.leave_spool(generation);
    (state, result)
}

/// Spills for a push, which must not wait for the disk itself.
fn spill<'g>(gate: &'g Gate, store: &Store, state: StateGuard<'g>) -> StateGuard<'g> {
    let (mut state, result) = use_spool(gate, state, || store.make_space_for_pushes());
    state.report_spill(result);
    state
}

/// Spills before a push needs the space.
fn spill_ahead<'g>(gate: &'g Gate, store: &Store, state: StateGuard<'g>) -> StateGuard<'g> {
    let (mut state, result) = use_spool(gate, state, || store.spill_ahead());
    state.spilled_ahead(result);
    state
}

/// Finishes the store for a push that completed the resource.
fn finish<'g>(gate: &'g Gate, store: &Store, state: StateGuard<'g>) -> StateGuard<'g> {
    use_spool(gate, state, || store.finish()).0
}

/// Works until the buffer is freed, or another helper has taken its place because it was inside a
/// source that was replaced; then returns true.
fn run(gate: &Gate, store: &Store) -> bool {
    let mut state = gate.lock();
    while !state.freed && state.is_helper_here() {
        let (after, worked) = work(gate, store, state);
        state = after;
        if !worked {
            state = state.wait_as_helper();
            #[cfg(test)]
            {
                state.helper_wakes += 1;
            }
        }
    }
    if state.is_helper_here() {
        state.helper = None;
    }
    true
}

/// Is the helper of a buffer with a [crew](crate::pull::crew) while it has work, unless it has one
/// already. Leaves it to the crew again after one piece of work if `is_contended`.
pub(crate) fn assist(gate: &Gate, store: &Store, is_contended: &dyn Fn() -> bool) {
    let mut state = gate.lock();
    state.leave_queue();
    if state.helper.is_some() {
        // It looks for work again before it leaves.
        return;
    }
    state.helper = Some(this_thread());
    drop(state);
    while !catch(false, || run_for_crew(gate, store, is_contended)) {
        log!(
            Error,
            store.number(),
            "a panic on a helper thread was caught"
        );
        recover(gate);
    }
}

fn run_for_crew(gate: &Gate, store: &Store, is_contended: &dyn Fn() -> bool) -> bool {
    let mut state = gate.lock();
    let mut goes_on = true;
    while goes_on && !state.freed && state.is_helper_here() {
        let (after, worked) = work(gate, store, state);
        state = after;
        goes_on = worked && !is_contended();
        if worked && !goes_on && state.is_helper_here() {
            state.leave_to_crew();
        }
    }
    if state.is_helper_here() {
        state.helper = None;
    }
    true
}

/// Does the next piece of work. Returns false if there is none.
fn work<'g>(gate: &'g Gate, store: &Store, mut state: StateGuard<'g>) -> (StateGuard<'g>, bool) {
    state.waiters.helper_has_looked();
    if state.has_spill_request() {
        return (spill(gate, store, state), true);
    }
    if state.take_finish_request() {
        return (finish(gate, store, state), true);
    }
    if state.may_spill_ahead() && store.is_nearly_full() {
        return (spill_ahead(gate, store, state), true);
    }
    let work = state.helper_work();
    let Some((demand, ahead)) = work.filter(|_| SourceGuard::can_take(&state)) else {
        // If the helper was elected, it does not use the source.
        state.hand_off_from_helper();
        return (state, false);
    };
    let mut guard = SourceGuard::take(gate, store, &mut state, 0);
    match guard.advance(state, demand, !ahead) {
        Ok(state) if !ahead && state.is_met(demand) => guard.read_on(state, demand.cancels),
        Ok(state) => drop(state),
        Err(Error::Canceled) => {}
        Err(error) => report(gate, demand, ahead, &error),
    }
    drop(guard);
    (gate.lock(), true)
}

/// Reports an error that the state does not record. It may be temporary: the calls that wait now get
/// it, and later calls try again. An offset that is unreachable, always or this time, concerns only
/// the calls that wait for it.
fn report(gate: &Gate, demand: Demand, ahead: bool, error: &Error) {
    let for_all = !matches!(error, Error::Unsupported | Error::Source { .. });
    let mut state = gate.lock();
    // A waiting call's unreachable offset is no reason to pause the prefetch elsewhere.
    if ahead || !matches!(error, Error::Unsupported) {
        state.prefetch.pause();
    }
    state.wake(Some(error), |waiter| {
        waiter.puller.is_helper() && (for_all || waiter.demand.offset == demand.offset)
    });
    state.fail_watches(error, (!for_all).then_some(demand.offset));
}
