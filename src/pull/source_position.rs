//! The source's position: the offset of the bytes that its next read delivers, and whether it can
//! seek.

use crate::pull::jump_cost::{JumpCost, Tally};
use crate::pull::recent_runs::RecentRuns;
use crate::source::Source;
use crate::sync::shared::try_box;

pub(crate) struct SourcePosition {
    offset: u64,
    /// The offset to which it jumped last.
    run_start: u64,
    /// The offset up to which it is asked for bytes without a jump, whether they are needed or not.
    run_wanted_to: u64,
    /// None until it jumps.
    jumps: Option<Box<Jumps>>,
    /// The position before a jump that the next read has to confirm.
    unconfirmed_from: Option<u64>,
    can_seek: bool,
    seeks_lazily: bool,
}

/// What is known of its jumps.
struct Jumps {
    recent_runs: RecentRuns,
    cost: JumpCost,
}

impl Jumps {
    fn new() -> Jumps {
        Jumps {
            recent_runs: RecentRuns::new(),
            cost: JumpCost::default(),
        }
    }
}

impl SourcePosition {
    /// The start. Bytes that are pushed come in any order, as from a source that can seek.
    /// If it is `forward_only`, they come in order, and a source is never sought.
    pub(super) fn new(source: Option<&dyn Source>, forward_only: bool) -> SourcePosition {
        SourcePosition {
            offset: 0,
            run_start: 0,
            run_wanted_to: 0,
            jumps: None,
            unconfirmed_from: None,
            can_seek: !forward_only && source.is_none_or(|source| source.can_seek()),
            seeks_lazily: source.is_some_and(|source| source.jumps_lazily()),
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of bytes that it has delivered since the last jump.
    pub(super) fn run(&self) -> u64 {
        self.offset - self.run_start
    }

    /// The offset up to which it is asked for bytes without a jump, whether they are needed or not.
    pub(super) fn run_wanted_to(&self) -> u64 {
        self.run_wanted_to
    }

    /// The number of bytes that it has delivered since the last jump, or is still going to be asked
    /// for, if that is more.
    pub(super) fn expected_run(&self) -> u64 {
        self.run()
            .max(self.run_wanted_to.saturating_sub(self.offset))
    }

    pub(crate) fn can_seek(&self) -> bool {
        self.can_seek
    }

    pub(super) fn seeks_lazily(&self) -> bool {
        self.seeks_lazily
    }

    pub(super) fn lose_seek(&mut self) {
        self.can_seek = false;
    }

    /// The source delivered `count` bytes.
    pub(super) fn advance(&mut self, count: u64) {
        self.unconfirmed_from = None;
        self.offset += count;
    }

    /// Moves the position to `offset`. Returns whether the source is there already; if not, its
    /// next read has to confirm it.
    pub(super) fn jump(&mut self, offset: u64) -> bool {
        if self.seeks_lazily {
            let from = self.unconfirmed_from.unwrap_or(self.offset);
            self.unconfirmed_from = (from != offset).then_some(from);
        }
        self.begin_run(offset);
        !self.seeks_lazily
    }

    fn begin_run(&mut self, offset: u64) {
        let wanted = self.run_wanted_to.saturating_sub(self.run_start);
        // Without memory, no run is remembered.
        self.jumps = match self.jumps.take() {
            None => try_box(Jumps::new()).ok(),
            kept => kept,
        };
        let wanted = self.jumps.as_mut().map_or(0, |jumps| {
            let runs = &mut jumps.recent_runs;
            runs.leave(self.run_start, self.offset, wanted);
            runs.enter(offset)
        });
        self.offset = offset;
        self.run_start = offset;
        self.run_wanted_to = offset.saturating_add(wanted);
    }

    /// It has jumped. `before` is what the source's calls had taken before that.
    pub(super) fn note_jump(&mut self, before: Tally) {
        if let Some(cost) = self.jump_cost() {
            cost.begin(before);
        }
    }

    /// The cost of the last jump, if it is known.
    pub(super) fn jump_cost(&mut self) -> Option<&mut JumpCost> {
        self.jumps.as_mut().map(|jumps| &mut jumps.cost)
    }

    /// Bytes are pushed at `offset` next.
    pub(super) fn push_at(&mut self, offset: u64) {
        self.offset = offset;
        self.run_start = offset;
    }

    /// A read has confirmed the position. Returns whether that read followed a jump.
    pub(super) fn confirm(&mut self) -> bool {
        self.unconfirmed_from.take().is_some()
    }

    /// Takes back a jump that no read has confirmed. Returns whether there was one.
    pub(super) fn take_jump_back(&mut self) -> bool {
        let from = self.unconfirmed_from.take();
        if let Some(from) = from {
            self.begin_run(from);
        }
        from.is_some()
    }
}
