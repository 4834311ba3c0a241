//! Where the source stands: what its next read brings, and whether it can go elsewhere.

use crate::source::Source;

pub(crate) struct SourcePosition {
    offset: u64,
    /// Where its last jump came to.
    run_start: u64,
    /// Where it stood before a jump that its next read has to confirm.
    unconfirmed_from: Option<u64>,
    can_seek: bool,
    seeks_lazily: bool,
}

impl SourcePosition {
    pub(super) fn new(source: &dyn Source) -> SourcePosition {
        SourcePosition {
            offset: 0,
            run_start: 0,
            unconfirmed_from: None,
            can_seek: source.can_seek(),
            seeks_lazily: source.jumps_lazily(),
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// How far it has come without a jump.
    pub(super) fn run(&self) -> u64 {
        self.offset - self.run_start
    }

    pub(crate) fn can_seek(&self) -> bool {
        self.can_seek
    }

    pub(super) fn lose_seek(&mut self) {
        self.can_seek = false;
    }

    /// It passed `count` bytes.
    pub(super) fn advance(&mut self, count: u64) {
        self.unconfirmed_from = None;
        self.offset += count;
    }

    /// It stands at `offset`, or will once its next read has confirmed that; whether it does already.
    pub(super) fn jump(&mut self, offset: u64) -> bool {
        if self.seeks_lazily {
            let from = self.unconfirmed_from.unwrap_or(self.offset);
            self.unconfirmed_from = (from != offset).then_some(from);
        }
        self.offset = offset;
        self.run_start = offset;
        !self.seeks_lazily
    }

    /// Its read has confirmed where it stands; whether that was after a jump.
    pub(super) fn confirm(&mut self) -> bool {
        self.unconfirmed_from.take().is_some()
    }

    /// It stands where it stood before a jump that no read has confirmed; whether there was one.
    pub(super) fn take_jump_back(&mut self) -> bool {
        let from = self.unconfirmed_from.take();
        if let Some(from) = from {
            self.offset = from;
            self.run_start = from;
        }
        from.is_some()
    }
}
