//! Who calls the source, and who waits.
//!
//! A read that misses bytes locks the [`gate`] and asks the [`state`] for a verdict: the bytes, the
//! end, an error, or none yet. Without one it takes the source, if the source is free, and holds
//! the [source guard](source_guard): only the thread with the guard may call the source. That
//! thread decides a [step] under the lock, reserves memory in the store without it, calls the
//! source without any lock, and records the [outcome] under the lock again. Threads that
//! wait for the bytes that arrived are woken; all others sleep on. The guard is dropped once the
//! thread has its own bytes, or once others have waited while it read a mebibyte. The call that has
//! waited longest is then elected to take the source next.
//!
//! Calls with a timeout, and the [prefetch], never call the source themselves: the [`helper`]
//! thread takes the source for them, in the same way and under the same rules. So it does for the
//! [watches], which wait without a thread.
//!
//! If the source expires, [`reopen`] puts another one in its place.
//!
//! So one thread at a time is inside the source, no lock is held while it is, and every other
//! thread sleeps on its own condition variable until its bytes have arrived.

pub(crate) mod cancel_token;
mod condvars;
pub(crate) mod counters;
pub(crate) mod crew;
pub(crate) mod demand;
pub(crate) mod extent;
pub(crate) mod gate;
pub(crate) mod helper;
mod jump_cost;
mod news;
mod outcome;
pub(crate) mod prefetch;
pub(crate) mod push;
mod push_state;
mod pushers;
pub(crate) mod ranges;
mod read_on;
mod recent_runs;
pub(crate) mod reopen;
mod signal;
mod source_check;
pub(crate) mod source_guard;
mod source_health;
mod source_position;
mod source_seat;
pub(crate) mod source_slot;
mod stall;
pub(crate) mod state;
mod step;
pub(crate) mod thread_hooks;
mod waiters;
pub(crate) mod watches;
