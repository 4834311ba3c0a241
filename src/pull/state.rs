//! The state: what is known of the resource, its source and those who wait, and what follows.
//!
//! Plain data under the gate's lock. The functions here decide and never act: what a call gets
//! ([`verdict`](State::verdict)), what the source is to do next ([`step`](State::step)), who is to
//! wake. Nothing here blocks, calls the source or touches a file.

use std::ops::Range;

use crate::error::{Error, Result, SOURCE_UNSUPPORTED};
use crate::options::{OnShort, Options, ROUND_UP_MOST};
use crate::pull::ranges::Ranges;
use crate::source::Source;
use crate::store::memory::BLOCK;
use crate::sync::ThreadToken;

/// The most that a prefetch asks for at once, in bytes: a slow source that fills whatever it is
/// given holds a reader that comes by up for no longer than this takes.
const PREFETCH_ASK: u64 = 64 * 1024;

/// Held bytes that a source has to bring again before an end is believed that was not, at most. More
/// than what usually lies between a library and a connection, which would hide that this is broken.
const RECHECK: u64 = 64 * 1024;

/// No resource has a byte here, or beyond: counts are `i64`.
const MOST: u64 = i64::MAX as u64;

pub(crate) struct State {
    pub(crate) ranges: Ranges,
    /// What the caller said the size is.
    pub(crate) declared: Option<u64>,
    /// What the size is.
    pub(crate) end: Option<u64>,
    /// A place where the source had nothing: the end is there or before it.
    pub(crate) bound: Option<u64>,

    /// The source; None while somebody has the turn, and after its close.
    pub(crate) source: Option<Box<dyn Source>>,
    /// Who is inside the source's `read` or `seek`.
    pub(crate) in_source: Option<ThreadToken>,
    /// Who has the turn and may be inside the spool file.
    pub(crate) at_disk: Option<ThreadToken>,
    /// How many wait for somebody to come out of the source's code.
    pub(crate) outside: usize,
    /// Who is inside the source's interrupt.
    pub(crate) interrupting: Vec<ThreadToken>,
    /// How often it was interrupted without having obeyed so far.
    pub(crate) interrupts: u32,
    /// Where the source stands: what its next read brings.
    pub(crate) position: u64,
    /// Where it stood before a jump that its next read has to confirm.
    jumped_from: Option<u64>,
    jumps_lazily: bool,
    /// Where it came to by its last jump.
    pub(crate) run_start: u64,
    pub(crate) can_seek: bool,

    pub(crate) canceled: bool,
    /// How often `cancel` was called: calls that began before end, whatever came since.
    pub(crate) cancels: u64,
    pub(crate) freed: bool,
    /// Why the source is not asked any more.
    pub(crate) failure: Option<Error>,
    /// What went wrong last, if the source has not shown since that it is all right: until then an
    /// end is not believed.
    distrust: Option<Error>,
    /// Where an end was not believed, and that place once it is to be tried again: first the source
    /// has to bring bytes before it that are held.
    refused: Option<u64>,
    recheck: Option<u64>,
    on_short: OnShort,

    /// Calls that sleep, in order of arrival.
    pub(crate) waiters: Vec<Waiter>,
    /// The one of them, or the helper, that was woken to take the turn and has not looked yet.
    pub(crate) elected: Option<u64>,
    next_ticket: u64,
    /// Bells that no waiter uses, and how many there are.
    free_bells: Vec<usize>,
    bells: usize,
    /// The helper, while it runs.
    pub(crate) helper: Option<ThreadToken>,
    /// Distance that the helper keeps ahead; 0: none.
    pub(crate) prefetch: u64,
    /// Where the prefetch counts from: the furthest read in the range that was read last.
    pub(crate) head: u64,
    /// The helper met an error that may pass; it tries again when somebody asks.
    pub(crate) prefetch_rests: bool,

    pub(crate) pulls: u64,
    pub(crate) seeks: u64,
    pub(crate) waits: u64,
    pub(crate) source_error: i64,
    pub(crate) system_error: i32,

    round_up: u64,
    seek_gap: u64,
}

/// The helper's ticket. Those of calls start at 1.
pub(crate) const HELPER: u64 = 0;

/// What a call wants.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    /// The first byte that is missing.
    pub(crate) offset: u64,
    /// How many bytes to wait for; 1 or more.
    pub(crate) length: u64,
    /// How many it has use for: what the source may be asked for.
    pub(crate) room: u64,
    /// `cancels` when the call began.
    pub(crate) cancels: u64,
}

/// A call that sleeps until its bytes are there.
pub(crate) struct Waiter {
    pub(crate) ticket: u64,
    pub(crate) need: Need,
    /// The helper pulls for it; else its own thread does when it gets the turn.
    pub(crate) by_helper: bool,
    /// Which reader it belongs to, 0 for none.
    pub(crate) reader: usize,
    /// The bell that wakes it.
    pub(crate) bell: usize,
    /// It was woken and is to look again.
    pub(crate) woken: bool,
    /// An error that ends this call without staying.
    pub(crate) error: Option<Error>,
}

/// What a call gets without anything being done.
pub(crate) enum Verdict {
    /// As many bytes as it wants, or all that will come before the end or an error.
    Ready,
    /// Its offset is at or past the end.
    End,
}

/// What the source is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Deliver up to `most` bytes where it stands.
    Read { most: u64 },
    /// Go to an offset.
    Seek(u64),
    /// Deliver up to `most` bytes that are held already, which go nowhere.
    Skip { most: u64 },
}

impl State {
    pub(crate) fn new(source: Box<dyn Source>, options: &Options) -> State {
        let (can_seek, jumps_lazily) = (source.can_seek(), source.jumps_lazily());
        State {
            ranges: Ranges::default(),
            declared: options.size,
            end: None,
            bound: None,
            can_seek,
            source: Some(source),
            in_source: None,
            at_disk: None,
            outside: 0,
            interrupting: Vec::new(),
            interrupts: 0,
            position: 0,
            jumped_from: None,
            jumps_lazily,
            run_start: 0,
            canceled: false,
            cancels: 0,
            freed: false,
            failure: None,
            distrust: None,
            refused: None,
            recheck: None,
            on_short: options.on_short,
            waiters: Vec::new(),
            elected: None,
            next_ticket: 0,
            free_bells: Vec::new(),
            bells: 0,
            helper: None,
            prefetch: 0,
            head: 0,
            prefetch_rests: false,
            pulls: 0,
            seeks: 0,
            waits: 0,
            source_error: 0,
            system_error: 0,
            round_up: u64::from(options.round_up.min(ROUND_UP_MOST)),
            seek_gap: options.seek_gap,
        }
    }

    /// How far the resource is buffered without a gap from its start.
    pub(crate) fn frontier(&self) -> u64 {
        self.ranges.end_of(0)
    }

    /// Whether a call that began with `need` is to stop.
    pub(crate) fn is_canceled(&self, need: Need) -> bool {
        self.freed || self.canceled || self.cancels != need.cancels
    }

    /// Bytes readable at `offset` without waiting.
    pub(crate) fn buffered(&self, offset: u64) -> u64 {
        self.ranges.end_of(offset) - offset
    }

    /// The final size, else the declared one as long as nothing has disproved it.
    pub(crate) fn size(&self) -> Option<u64> {
        let (least, most) = (self.ranges.last_end(), self.bound.unwrap_or(u64::MAX));
        let stated = self.declared.filter(|size| (least..=most).contains(size));
        self.end.or(stated)
    }

    /// Whether the source ended below the declared size, or had nothing at a place below it.
    pub(crate) fn has_ended_short(&self) -> bool {
        let end = self.end.or(self.bound);
        matches!(self.failure, Some(Error::Short)) || end.is_some_and(|end| self.is_short(end))
    }

    fn is_short(&self, end: u64) -> bool {
        self.declared.is_some_and(|size| end < size)
    }

    /// Whether an end at this place is an error.
    fn is_short_error(&self, end: u64) -> bool {
        self.on_short == OnShort::Error && self.is_short(end)
    }

    fn is_past_end(&self, offset: u64) -> bool {
        offset >= MOST || self.end.or(self.bound).is_some_and(|end| offset >= end)
    }

    /// Every byte is held: the source has nothing more to give.
    pub(crate) fn is_complete(&self) -> bool {
        self.end == Some(self.ranges.total())
    }

    /// Whether all is there that a need can get: what it asks for, or what is left to the end.
    pub(crate) fn is_met(&self, need: Need) -> bool {
        let end = self.ranges.end_of(need.offset);
        end - need.offset >= need.length || self.is_past_end(end)
    }

    /// What a call gets as things are; None: the source would have to bring it.
    pub(crate) fn verdict(&self, need: Need) -> Result<Option<Verdict>> {
        if self.freed {
            return Err(Error::Canceled);
        }
        let buffered = self.buffered(need.offset);
        if self.is_met(need) {
            return Ok(Some(if buffered > 0 {
                Verdict::Ready
            } else {
                Verdict::End
            }));
        }
        if self.canceled || self.cancels != need.cancels {
            return Err(Error::Canceled);
        }
        match &self.failure {
            Some(_) if buffered > 0 => Ok(Some(Verdict::Ready)),
            Some(failure) => Err(failure.clone()),
            None => Ok(None),
        }
    }

    /// What the source does next towards a need. `waiting` narrows a request to what others wait
    /// for on the way; a prefetch does not narrow.
    pub(crate) fn step(&self, need: Need, narrow: bool) -> Result<Step> {
        let (missing, _) = self.ranges.gap(need.offset);
        let stands = self.position;
        if let Some(held) = self.to_recheck() {
            return Ok(if held.contains(&stands) {
                let most = held.end - stands;
                Step::Skip { most }
            } else {
                Step::Seek(held.start)
            });
        }
        let held = self.ranges.next_start(stands);
        let inside = self.ranges.end_of(stands) > stands;
        if self.can_seek && stands != missing {
            let from = self.landing(missing);
            let on_the_way =
                missing > stands && !inside && held.is_none_or(|start| start >= missing);
            if !on_the_way || missing - stands > self.seek_gap.max(missing - from) {
                return Ok(Step::Seek(from));
            }
        }
        if stands > missing {
            // The source can't go back.
            return Err(Error::Unsupported);
        }
        if inside {
            return Ok(Step::Skip {
                most: (self.ranges.end_of(stands) - stands).min(BLOCK),
            });
        }
        let mut until = self.goal(need);
        if narrow {
            let ends = self.waiters.iter().map(|waiter| self.goal(waiter.need));
            until = ends.filter(|end| *end > stands).fold(until, u64::min);
        }
        if self.round_up > 0 {
            until = until
                .checked_next_multiple_of(self.round_up)
                .unwrap_or(until);
        }
        let most = until.min(held.unwrap_or(u64::MAX)) - stands;
        Ok(Step::Read {
            most: if narrow { most } else { most.min(PREFETCH_ASK) },
        })
    }

    /// How far a need goes, before rounding. A call that waits for one byte and has room for more would
    /// get them one at a time where nothing, or little, is rounded up.
    fn goal(&self, need: Need) -> u64 {
        let most = match self.round_up {
            0 => need.room,
            step => need.room.min(u64::from(ROUND_UP_MOST) - step),
        };
        need.offset.saturating_add(need.length.max(most))
    }

    /// The held bytes that the source has to bring again, if it is able to.
    fn to_recheck(&self) -> Option<Range<u64>> {
        let at = self.recheck.filter(|_| self.can_seek)?;
        let end = self.ranges.end_before(at);
        let start = self.ranges.start_of(end).max(end.saturating_sub(RECHECK));
        (start < end).then_some(start..end)
    }

    /// Where a jump for the byte at `missing` goes: there, or as far before it as the end of the
    /// hole is near. Who reads backwards in small steps asks for that next.
    fn landing(&self, missing: u64) -> u64 {
        match self.ranges.next_start(missing) {
            Some(next) => missing
                .min(next.saturating_sub(self.round_up))
                .max(self.ranges.end_before(missing)),
            None => missing,
        }
    }

    /// The source had nothing more where it stands. An error is that of the call that had it go there.
    pub(crate) fn ended(&mut self) -> Result<()> {
        let jumped = self.jumped_from.take().is_some();
        let (at, last) = (self.position, self.ranges.last_end());
        let distrust = self.distrust.clone();
        if let Some(error) = distrust.filter(|_| self.declared != Some(at)) {
            return self.refuse(error, jumped);
        } else if at == last && self.is_short_error(at) {
            self.fail(Error::Short);
        } else if at == last {
            // It ran on to here from bytes that are held.
            self.end = Some(at);
        } else if at > last {
            self.bound = Some(self.bound.unwrap_or(at).min(at));
        } else {
            // It delivered bytes beyond this place before: that is no end.
            self.fail(Error::Source {
                code: 0,
                cause: None,
            });
        }
        Ok(())
    }

    /// An end is not believed, since a broken connection says the same: the error before it again. That
    /// is every call's, or like the error of a jump.
    fn refuse(&mut self, error: Error, jumped: bool) -> Result<()> {
        if let Error::Source { code, .. } = error {
            self.source_error = code;
        }
        // Where bytes follow that are held, no end can be, and there is nothing to try again.
        if self.position >= self.ranges.last_end() {
            self.refused = Some(self.position);
            if jumped {
                return Err(error);
            }
        }
        self.fail(error);
        Ok(())
    }

    /// The source stands elsewhere, or will once its next read has shown that it can.
    pub(crate) fn jumped(&mut self, offset: u64) {
        if self.jumps_lazily {
            let from = self.jumped_from.unwrap_or(self.position);
            self.jumped_from = (from != offset).then_some(from);
        } else {
            self.trust();
        }
        self.position = offset;
        self.run_start = offset;
    }

    /// The source can't go where it was to. An error is that of the call that wanted it to.
    pub(crate) fn seek_failed(&mut self, error: Error) -> Result<()> {
        match error {
            Error::Unsupported => self.can_seek = false,
            error => {
                self.suspect(&error);
                if !matches!(error, Error::Panic) {
                    return Err(error);
                }
                self.fail(error);
            }
        }
        Ok(())
    }

    /// The source could not bring what is next. An error is that of the call that wanted that;
    /// otherwise it is every call's.
    pub(crate) fn read_failed(&mut self, error: Error) -> Result<()> {
        if self.take_jump_back() {
            return self.seek_failed(error);
        }
        let error = match error {
            Error::Unsupported => Error::Source {
                code: SOURCE_UNSUPPORTED,
                cause: None,
            },
            error => error,
        };
        self.suspect(&error);
        self.fail(error);
        Ok(())
    }

    /// The source gave up without bytes: whether because it was told to. Of a stop that is over it may
    /// have heard late, once for each time that it was told; then it is asked again.
    pub(crate) fn obeyed(&mut self, need: Need) -> bool {
        let told = self.interrupts > 0;
        self.interrupts = self.interrupts.saturating_sub(1);
        let obeyed = told || self.is_canceled(need);
        if obeyed {
            self.take_jump_back();
        }
        obeyed
    }

    /// The source stands where it stood before a jump that no read has confirmed; whether there was
    /// one.
    pub(crate) fn take_jump_back(&mut self) -> bool {
        let from = self.jumped_from.take();
        if let Some(from) = from {
            self.position = from;
            self.run_start = from;
        }
        from.is_some()
    }

    /// Remembers a failure, which an end may come of. A source that gave up is as it was.
    fn suspect(&mut self, error: &Error) {
        if let Error::Source { code, .. } = *error {
            self.source_error = code;
        }
        if !error.is_of_a_stop() {
            // It goes under the lock.
            self.distrust = Some(error.without_payload());
        }
    }

    /// The source has failed, until somebody has it asked again. There is no failure to replace: a
    /// source that has failed is not called.
    fn fail(&mut self, error: Error) {
        self.failure = Some(error);
    }

    /// A failure is over.
    pub(crate) fn retry(&mut self) -> Option<Error> {
        self.prefetch_rests = false;
        self.recheck = self.refused.take().or(self.recheck);
        // A place where the source had nothing is asked for again as well.
        if self.bound.is_some_and(|bound| self.is_short_error(bound)) && self.end.is_none() {
            self.bound = None;
        }
        self.failure.take()
    }

    /// A cancel or a failure is over.
    pub(crate) fn resume(&mut self) -> Option<Error> {
        self.canceled = false;
        self.retry()
    }

    /// The source passed `count` bytes that are held already.
    pub(crate) fn skipped(&mut self, count: u64) {
        self.jumped_from = None;
        self.trust();
        self.position += count;
        if !self
            .to_recheck()
            .is_some_and(|held| held.contains(&self.position))
        {
            self.recheck = None;
        }
    }

    /// The source has shown that it is all right.
    fn trust(&mut self) {
        self.distrust = None;
        self.refused = None;
    }

    /// Bytes came: `count` of them where the source stood.
    pub(crate) fn arrived(&mut self, count: u64) {
        self.ranges.add(self.position..self.position + count);
        self.skipped(count);
        let last = self.ranges.last_end();
        match self.bound {
            // Whether that is the end the source has to say again, since more was declared.
            Some(bound) if bound == last && self.is_short(last) => self.bound = None,
            Some(bound) if bound == last => self.end = Some(last),
            Some(bound) if bound < last => self.bound = None,
            _ => {}
        }
    }

    /// A call came for bytes that are not there: the prefetch goes on from its place.
    pub(crate) fn visit(&mut self, offset: u64) {
        if self.can_seek && offset < MOST {
            self.head = offset;
        } else {
            self.reach(offset);
        }
        self.prefetch_rests = false;
    }

    /// A read came this far: the prefetch counts from there, unless another one has come further in
    /// the same range.
    pub(crate) fn reach(&mut self, offset: u64) {
        // Not from where no byte can be.
        if offset >= MOST || offset == self.head {
            return;
        }
        if offset <= self.prefetched_from() {
            // What failed elsewhere does not concern this range.
            self.prefetch_rests = false;
            self.head = offset;
        } else {
            self.head = self.head.max(offset);
        }
    }

    /// Where the range starts that the prefetch works on: a read that ends here or before is in
    /// another one, which a source that can seek continues too.
    pub(crate) fn prefetched_from(&self) -> u64 {
        if self.can_seek {
            self.ranges.start_of(self.head)
        } else {
            0
        }
    }

    /// The source, to be closed by the caller outside the lock, if no byte can be wanted from it
    /// any more and nobody is inside it.
    #[must_use]
    pub(crate) fn retire(&mut self) -> Option<Box<dyn Source>> {
        let over = self.freed || self.is_complete();
        if over && self.interrupting.is_empty() {
            self.source.take()
        } else {
            None
        }
    }

    /// What the helper is to bring, if anything: what a waiting call needs, else what the prefetch
    /// is to keep ready. The flag says that it is the latter.
    pub(crate) fn helper_work(&self) -> Option<(Need, bool)> {
        if self.freed || self.canceled || self.failure.is_some() {
            return None;
        }
        let mut asleep = self.waiters.iter().filter(|waiter| !waiter.woken);
        if let Some(waiter) = asleep.find(|waiter| waiter.by_helper) {
            let need = Need {
                cancels: self.cancels,
                ..waiter.need
            };
            return Some((need, false));
        }
        if self.prefetch == 0 || self.prefetch_rests {
            return None;
        }
        self.prefetch_need().map(|need| (need, true))
    }

    fn prefetch_need(&self) -> Option<Need> {
        let goal = self.head.saturating_add(self.prefetch);
        let (mut missing, mut next) = self.ranges.gap(self.head);
        if self.is_past_end(missing) && self.prefetch == u64::MAX {
            // All from the head on is there: now the holes before it.
            (missing, next) = self.ranges.gap(0);
        }
        let reachable = self.can_seek || missing >= self.position;
        if missing >= goal || self.is_past_end(missing) || !reachable {
            return None;
        }
        let until = goal
            .min(next.unwrap_or(u64::MAX))
            .min(missing.saturating_add(PREFETCH_ASK));
        Some(Need {
            offset: missing,
            length: until - missing,
            room: until - missing,
            cancels: self.cancels,
        })
    }

    /// Reads that end in `(from, until]` are no news to the prefetch.
    pub(crate) fn quiet(&self) -> (u64, u64) {
        if matches!(self.prefetch, 0 | u64::MAX) || self.freed {
            // Nothing to keep, or nothing that would ever make it stop.
            return (0, u64::MAX);
        }
        // A read up to here leaves less than the distance ahead of it.
        let until = self
            .ranges
            .end_of(self.head)
            .saturating_sub(self.prefetch)
            .max(self.head);
        (self.prefetched_from(), until)
    }

    /// What is missing where the source stands or after that, if there is also something missing
    /// before: the source jumped.
    pub(crate) fn missing_ahead(&self) -> Option<u64> {
        let missing = self.ranges.end_of(self.position);
        let jumped = self.can_seek && self.frontier() < missing;
        (jumped && !self.is_past_end(missing)).then_some(missing)
    }

    /// Keeps the system's code of a failed file operation for the stats.
    pub(crate) fn note(&mut self, error: &Error) {
        if let Error::Io(code) | Error::DiskFull(code) = error {
            self.system_error = *code;
        }
    }

    pub(crate) fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// A bell for a waiter, to be given back.
    pub(crate) fn take_bell(&mut self) -> Result<usize> {
        if let Some(bell) = self.free_bells.pop() {
            return Ok(bell);
        }
        // With room for all of them to be given back.
        self.free_bells
            .try_reserve(self.bells + 1)
            .map_err(|_| Error::NoMemory)?;
        self.bells += 1;
        Ok(self.bells - 1)
    }

    pub(crate) fn give_bell_back(&mut self, bell: usize) {
        self.free_bells.push(bell);
    }
}
