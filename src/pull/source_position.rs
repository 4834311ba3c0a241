//! The source's position: the offset of the bytes that its next read delivers, and whether it can
//! seek.

use crate::source::Source;

pub(crate) struct SourcePosition {
    offset: u64,
    /// The offset to which it jumped last.
    run_start: u64,
    /// The position before a jump that the next read has to confirm.
    unconfirmed_from: Option<u64>,
    can_seek: bool,
    seeks_lazily: bool,
}

impl SourcePosition {
    /// The start. Bytes that are pushed come in any order, as from a source that can seek.
    pub(super) fn new(source: Option<&dyn Source>) -> SourcePosition {
        SourcePosition {
            offset: 0,
            run_start: 0,
            unconfirmed_from: None,
            can_seek: source.is_none_or(|source| source.can_seek()),
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
        self.offset = offset;
        self.run_start = offset;
        !self.seeks_lazily
    }

    /// A read has confirmed the position. Returns whether that read followed a jump.
    pub(super) fn confirm(&mut self) -> bool {
        self.unconfirmed_from.take().is_some()
    }

    /// Takes back a jump that no read has confirmed. Returns whether there was one.
    pub(super) fn take_jump_back(&mut self) -> bool {
        let from = self.unconfirmed_from.take();
        if let Some(from) = from {
            self.offset = from;
            self.run_start = from;
        }
        from.is_some()
    }
}
