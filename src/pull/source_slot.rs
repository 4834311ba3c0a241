//! The slot of the source: the seat of the current source, and those of the sources before it in
//! which a thread may still be.

use crate::error::{Error, Result};
use crate::pull::source_seat::{Seat, SpentSource};
use crate::source::{Interrupt, Source};
use crate::sync::clock::Stopwatch;
use crate::sync::shared::try_box;
use crate::sync::{ThreadToken, this_thread};

pub(crate) struct SourceSlot {
    current: Seat,
    /// Most buffers never have any, and pay for a pointer.
    orphans: Option<Box<Orphans>>,
}

/// Sources that were replaced, but that a thread still uses or interrupts.
#[derive(Default)]
struct Orphans {
    seats: Vec<Seat>,
}

impl SourceSlot {
    pub(super) fn new(seat: Seat) -> SourceSlot {
        SourceSlot {
            current: seat,
            orphans: None,
        }
    }

    pub(super) fn is_free(&self) -> bool {
        self.current.source.is_some()
    }

    /// Which of the buffer's sources is the current one.
    pub(crate) fn generation(&self) -> u64 {
        self.current.generation
    }

    /// Whether a thread uses the current source, or interrupts it.
    pub(crate) fn is_in_use(&self) -> bool {
        self.current.is_in_use()
    }

    /// Takes the source for a call of this reader; 0 for none.
    pub(super) fn take(&mut self, reader: usize) -> Option<Box<dyn Source>> {
        let source = self.current.source.take()?;
        self.current.reader = reader;
        Some(source)
    }

    /// Puts the current source back into its seat.
    pub(super) fn put_back(&mut self, source: Option<Box<dyn Source>>) {
        self.current.source = source;
    }

    /// Puts an orphan back into its own seat.
    pub(super) fn put_orphan_back(&mut self, generation: u64, source: Option<Box<dyn Source>>) {
        if let Some(seat) = self.seat(generation) {
            seat.source = source;
            seat.reader = 0;
        }
    }

    #[inline]
    fn seat(&mut self, generation: u64) -> Option<&mut Seat> {
        if self.current.generation == generation {
            return Some(&mut self.current);
        }
        let mut orphans = self.orphans_mut().iter_mut();
        orphans.find(|seat| seat.generation == generation)
    }

    fn seats(&self) -> impl Iterator<Item = &Seat> {
        std::iter::once(&self.current).chain(self.orphans())
    }

    #[inline]
    fn orphans(&self) -> &[Seat] {
        self.orphans.as_ref().map_or(&[], |orphans| &orphans.seats)
    }

    fn orphans_mut(&mut self) -> &mut [Seat] {
        let orphans = self.orphans.as_mut();
        orphans.map_or(&mut [], |orphans| &mut orphans.seats)
    }

    /// Takes the current source, to close it, if it is in the slot and no interrupt is running.
    pub(super) fn retire(&mut self) -> Option<SpentSource> {
        self.current.retire()
    }

    #[inline]
    pub(super) fn has_orphans(&self) -> bool {
        !self.orphans().is_empty()
    }

    /// Takes an orphan, to close it, if no thread uses or interrupts it any more.
    pub(super) fn retire_orphan(&mut self) -> Option<SpentSource> {
        let orphans = &mut self.orphans.as_mut()?.seats;
        let mut seats = orphans.iter_mut().enumerate();
        let (index, retired) = seats.find_map(|(index, seat)| Some((index, seat.retire()?)))?;
        orphans.swap_remove(index);
        Some(retired)
    }

    /// Allocates space for one more orphan. Returns the number that there can be then.
    pub(super) fn reserve_orphan(&mut self) -> Result<usize> {
        let mut orphans = match self.orphans.take() {
            Some(orphans) => orphans,
            None => try_box(Orphans::default())?,
        };
        let reserved = orphans.seats.try_reserve(1);
        let count = orphans.seats.len() + 1;
        self.orphans = Some(orphans);
        reserved.map(|()| count).map_err(|_| Error::NoMemory)
    }

    /// Makes `seat` the current one. Returns the source before it, to close it, unless a thread uses
    /// or interrupts it: then it becomes an orphan, for which `reserve_orphan` has allocated space.
    pub(super) fn replace(&mut self, mut seat: Seat) -> Option<SpentSource> {
        seat.generation = self.current.generation + 1;
        let mut old = std::mem::replace(&mut self.current, seat);
        let retired = old.retire();
        let is_left = retired.is_none() && !old.is_vacant;
        if let (true, Some(orphans)) = (is_left, &mut self.orphans) {
            old.abandon();
            orphans.seats.push(old);
        }
        retired
    }

    /// This thread enters the current source's code, to read or seek to `heading`.
    pub(super) fn enter(&mut self, heading: u64, since: Stopwatch) {
        self.current.enter(heading, since);
    }

    /// Since when the current source's code has been running and where it reads or seeks to, if it can be
    /// interrupted without harm.
    pub(super) fn call_to_watch(&self) -> Option<(Stopwatch, u64)> {
        self.current.call_to_watch()
    }

    /// Whether a call of the current source can be interrupted without harm.
    pub(super) fn is_interruptible(&self) -> bool {
        self.current.can_be_interrupted()
    }

    /// Whether the reader whose call uses the current source was canceled before it entered.
    pub(super) fn is_reader_canceled(&self) -> bool {
        self.current.is_reader_canceled()
    }

    /// This thread has left the code of the current source.
    pub(super) fn leave(&mut self) {
        self.current.caller = None;
    }

    /// This thread has left the code of an orphan.
    pub(super) fn leave_orphan(&mut self, generation: u64) {
        if let Some(seat) = self.seat(generation) {
            seat.caller = None;
        }
    }

    /// Whether this thread is inside the code or the interrupt of one of the sources.
    #[inline]
    pub(crate) fn is_inside(&self) -> bool {
        self.is_busy() && self.is_inside_any()
    }

    #[cold]
    fn is_inside_any(&self) -> bool {
        let me = Some(this_thread());
        let mut seats = self.seats();
        // The next call of a source waits for the end of its interrupt.
        seats.any(|seat| [seat.caller, seat.interrupter].contains(&me))
    }

    /// Whether a thread may be inside the code or the interrupt of one of the sources.
    #[inline]
    pub(super) fn is_busy(&self) -> bool {
        self.is_used() || self.current.is_interrupted()
    }

    /// Whether a thread may be inside the code of one of the sources.
    #[inline]
    pub(super) fn is_used(&self) -> bool {
        self.current.caller.is_some() || self.has_orphans()
    }

    /// Whether this thread is inside the current source's code or interrupt, and a call that
    /// replaces the source would wait until it is not.
    pub(super) fn would_wait_for_itself(&self) -> bool {
        self.current.would_wait_for_itself()
    }

    /// Whether a call that replaces the source would wait for another thread.
    pub(super) fn would_wait_for_another(&self) -> bool {
        self.current.must_be_awaited()
    }

    /// Whether a thread is inside the current source's interrupt.
    pub(super) fn is_interrupted(&self) -> bool {
        self.current.is_interrupted()
    }

    /// The same for another thread.
    pub(super) fn is_interrupted_elsewhere(&self) -> bool {
        self.current.is_interrupted_elsewhere()
    }

    /// Whether another thread is inside a source whose owner is told by the return of `free` alone
    /// that none is.
    pub(super) fn must_be_awaited(&self) -> bool {
        self.seats().any(Seat::must_be_awaited)
    }

    /// The same for an orphan and the return of `reopen`.
    pub(super) fn must_await_orphan(&self, generation: u64) -> bool {
        let mut orphans = self.orphans().iter();
        orphans.any(|seat| seat.generation == generation && seat.must_be_awaited())
    }

    /// Whether `thread` is inside the current source's code.
    pub(super) fn is_called_by(&self, thread: ThreadToken) -> bool {
        self.current.caller == Some(thread)
    }

    #[cfg(all(test, loom))]
    pub(crate) fn is_called(&self) -> bool {
        self.seats().any(|seat| seat.caller.is_some())
    }

    /// The thread that uses this source may enter an operation on the spool file.
    pub(super) fn enter_spool(&mut self, generation: u64) {
        if let Some(seat) = self.seat(generation) {
            seat.spiller = Some(this_thread());
        }
    }

    pub(super) fn leave_spool(&mut self, generation: u64) {
        if let Some(seat) = self.seat(generation) {
            seat.spiller = None;
        }
    }

    /// The same after a panic, if it was this thread that used the spool file.
    pub(super) fn abandon_spool(&mut self) {
        let me = Some(this_thread());
        let orphans = self.orphans.iter_mut().flat_map(|it| &mut it.seats);
        let seats = std::iter::once(&mut self.current).chain(orphans);
        for seat in seats.filter(|seat| seat.spiller == me) {
            seat.spiller = None;
        }
    }

    /// Whether `thread` is inside a source or an operation on the spool file, neither of which has
    /// to return soon.
    pub(super) fn is_away(&self, thread: ThreadToken) -> bool {
        self.seats().any(|seat| seat.is_away(thread))
    }

    /// Takes the interrupt of the current source, which this thread is going to call, if another
    /// thread is inside the source. Also returns the generation, for `end_interrupt`.
    pub(super) fn begin_interrupt(&mut self) -> Option<(u64, Interrupt)> {
        let interrupt = self.current.begin_interrupt()?;
        Some((self.current.generation, interrupt))
    }

    /// The same if a call of this reader is inside the source, which goes on afterwards.
    pub(super) fn begin_interrupt_of(&mut self, reader: usize) -> Option<(u64, Interrupt)> {
        let interrupt = self.current.begin_interrupt_of(reader)?;
        Some((self.current.generation, interrupt))
    }

    /// The same for an orphan that was not interrupted yet.
    pub(super) fn begin_orphan_interrupt(&mut self) -> Option<(u64, Interrupt)> {
        let mut orphans = self.orphans_mut().iter_mut();
        orphans.find_map(|seat| Some((seat.generation, seat.begin_last_interrupt()?)))
    }

    pub(super) fn end_interrupt(&mut self, generation: u64, interrupt: Interrupt) {
        if let Some(seat) = self.seat(generation) {
            seat.end_interrupt(interrupt);
        }
    }

    /// Whether an interrupt was sent that no call has obeyed yet. Counts one of them as obeyed.
    pub(super) fn obey_interrupt(&mut self) -> bool {
        let sent = &mut self.current.interrupts_sent;
        let was_sent = *sent > 0;
        *sent = sent.saturating_sub(1);
        was_sent
    }
}
