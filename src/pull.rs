//! Who calls the source, and who waits.
//!
//! A read that misses bytes locks the [`gate`] and asks the [`state`] for a verdict: the bytes, the
//! end, an error, or none yet. Without one it takes the source, if that is free, and becomes the
//! [source guard](source_guard): the one thread that may call the source. It decides a
//! [step](step) under the lock, reserves room in the store without it, calls the source without any
//! lock, and records the [outcome](outcome) under the lock again. Whoever waits for those bytes is
//! woken; everyone else sleeps on. When its own bytes have come, or others have waited for a
//! mebibyte of its reading, the guard is dropped, and the call that has waited longest is elected to
//! take the source next.
//!
//! Calls with a time limit, and the [prefetch], never call the source themselves: the [`helper`]
//! thread takes the source for them, in the same way and under the same rules.
//!
//! So one thread at a time is inside the source, no lock is held while it is, and every other thread
//! sleeps on a condition variable of its own until what it waits for has come.

pub(crate) mod cancel_token;
mod condvars;
pub(crate) mod demand;
pub(crate) mod extent;
pub(crate) mod gate;
pub(crate) mod helper;
mod outcome;
pub(crate) mod prefetch;
pub(crate) mod ranges;
pub(crate) mod source_guard;
mod source_health;
mod source_position;
pub(crate) mod source_slot;
pub(crate) mod state;
mod step;
mod waiters;
