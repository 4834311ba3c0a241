//! The outcome of a call of the source, as the state records it.
//!
//! An error that one of these functions returns is only for the call that made the source do this.
//! Any other failure of the source is recorded in the state, for every call to see.

use std::time::Duration;

use crate::error::{Error, Result, SOURCE_MISMATCH, SOURCE_UNSUPPORTED};
use crate::pull::demand::Demand;
use crate::pull::jump_cost::Tally;
use crate::pull::state::State;

impl State {
    /// `count` bytes arrived at the source's position.
    pub(super) fn arrived(&mut self, count: u64) {
        let position = self.position.offset();
        self.extent.add(position..position + count);
        self.passed(count);
        if self.check.is_some() {
            self.note_own(position, count);
        }
    }

    /// The source delivered `count` bytes that are held already. `same` is whether they are the same,
    /// or the error of a spool file that could not be read.
    pub(super) fn skipped(&mut self, count: u64, same: Result<bool>) -> Result<()> {
        match same {
            Ok(true) => {
                self.note_own(self.position.offset(), count);
                self.passed(count);
            }
            Ok(false) => self.mismatched(),
            Err(error) => {
                // The source has gone past them, but has shown nothing.
                self.passed(count);
                self.record(&error);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The bytes at `position` are those of the resource.
    #[cold]
    fn note_own(&mut self, position: u64, count: u64) {
        if let Some(check) = &mut self.check {
            check.add(position..position + count);
        }
    }

    /// The source delivered other bytes than those that are held.
    #[cold]
    fn mismatched(&mut self) {
        let error = Error::Source {
            code: SOURCE_MISMATCH,
            cause: None,
        };
        self.record_source_error(&error);
        self.health.fail(error);
    }

    #[inline]
    fn passed(&mut self, count: u64) {
        self.position.advance(count);
        self.counters.pulled += count;
        self.health.trust();
        if self.health.recheck().is_some() {
            self.continue_recheck();
        }
    }

    #[cold]
    fn continue_recheck(&mut self) {
        let position = self.position.offset();
        let left = self.to_recheck();
        if !left.is_some_and(|held| held.contains(&position)) {
            self.health.recheck_passed();
        }
    }

    /// The source reported the end at its position.
    pub(super) fn ended(&mut self) -> Result<()> {
        let jumped = self.position.confirm();
        let (at, last) = (self.position.offset(), self.extent.ranges().last_end());
        let suspicion = self.health.suspicion();
        if let Some(error) = suspicion.filter(|_| self.extent.declared() != Some(at)) {
            return self.refuse_end(error, jumped);
        } else if at <= last && self.extent.is_short_error(at) {
            self.health.fail(Error::Short);
        } else if at == last {
            // The source reached this offset by delivering the bytes before it, so it is the end.
            self.extent.set_end(at);
        } else if at > last {
            self.extent.set_bound(at);
        } else {
            self.ended_below_held();
        }
        Ok(())
    }

    /// The source reported the end where bytes that are held follow, so it is not the end. If another
    /// source delivered those, the two have different resources.
    #[cold]
    fn ended_below_held(&mut self) {
        if self.check.is_some() {
            return self.mismatched();
        }
        self.health.fail(Error::Source {
            code: 0,
            cause: None,
        });
    }

    /// Refuses to believe an end, since a broken connection reports the same. Repeats the error
    /// before it instead.
    fn refuse_end(&mut self, error: Error, jumped: bool) -> Result<()> {
        self.record_source_error(&error);
        let at = self.position.offset();
        // If held bytes follow, the end cannot be here, so no recheck is needed.
        if at >= self.extent.ranges().last_end() {
            self.health.refuse(at);
            if jumped {
                return Err(error);
            }
        }
        self.health.fail(error);
        Ok(())
    }

    /// The source was sought to `offset`, or will be once its next read has confirmed that. It took
    /// this many nanoseconds.
    pub(super) fn jumped(&mut self, offset: u64, spent: u64) {
        let is_there = self.position.jump(offset);
        let tally = self.tally();
        self.position.note_jump(Tally {
            time: tally.time.saturating_sub(spent),
            ..tally
        });
        if is_there {
            self.health.trust();
        }
    }

    /// The source panicked when it was asked for the size. What its call did before is recorded.
    #[cold]
    pub(super) fn size_panicked(&mut self) {
        if self.health.failure().is_none() && !self.extent.is_complete() {
            self.health.fail(Error::Panic);
        }
    }

    /// The source could not seek.
    pub(super) fn seek_failed(&mut self, error: Error) -> Result<()> {
        match error {
            Error::Unsupported => self.position.lose_seek(),
            error => {
                self.suspect(&error);
                if !matches!(error, Error::Panic) && !error.is_mismatch() {
                    return Err(error);
                }
                self.health.fail(error);
            }
        }
        Ok(())
    }

    /// The source could not deliver the next bytes.
    pub(super) fn read_failed(&mut self, error: Error) -> Result<()> {
        if self.position.take_jump_back() {
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
        self.health.fail(error);
        Ok(())
    }

    /// The source gave up without bytes. Returns whether it obeyed a cancellation. It may have
    /// noticed late a cancellation that is over, once per interrupt; it is then called again.
    pub(super) fn obeyed(&mut self, demand: Demand) -> bool {
        let told = self.slot.obey_interrupt();
        let obeyed = told || self.stops(demand);
        if obeyed {
            self.position.take_jump_back();
        }
        obeyed
    }

    /// A call of the source took long.
    #[cold]
    pub(super) fn note_slow(&mut self, spent: u64) {
        let calls = self.counters.pulls + self.counters.seeks;
        self.stall.note(Duration::from_nanos(spent), calls);
    }

    fn suspect(&mut self, error: &Error) {
        self.record_source_error(error);
        self.health.suspect(error);
    }

    fn record_source_error(&mut self, error: &Error) {
        if let Error::Source { code, .. } = *error {
            self.counters.source_error = code;
        }
    }
}
