//! Push: what a buffer without a source knows of the callers that push its bytes.

use crate::error::Error;
use crate::options::Options;
use crate::pull::extent::MAX_SIZE;

pub(crate) struct PushState {
    /// The most bytes to accept past the furthest read.
    pub(super) ahead: u64,
    /// The end of the furthest read.
    pub(super) furthest: u64,
    /// The helper is to spill.
    pub(super) spill_requested: bool,
    /// Memory was full when a watch for space looked last, so the helper is to spill before that
    /// watch is told of wanted bytes.
    pub(super) spill_owed: bool,
    /// The last spill made space, so that the helper may spill more before memory is full.
    pub(super) spills_ahead: bool,
    /// The helper is to give back what only further bytes would need.
    pub(super) finish_requested: bool,
    /// Why the last spill made no space, and the number of that event. Kept until a spill makes
    /// some: every push that waited for it finds it.
    pub(super) spill_error: Option<(u64, Error)>,
    /// Memory is over its limit, and the next push may take more because the disk is full.
    pub(super) may_exceed: bool,
    /// Counts the events that may make space. A push that found none waits for the next one.
    pub(super) events: u64,
}

impl PushState {
    pub(super) fn new(options: &Options) -> PushState {
        PushState {
            ahead: match options.ahead {
                0 => u64::MAX,
                ahead => ahead,
            },
            furthest: 0,
            spill_requested: false,
            spill_owed: false,
            spills_ahead: false,
            finish_requested: false,
            spill_error: None,
            may_exceed: false,
            events: 0,
        }
    }

    /// Whether reads have to be reported, since the limit moves with them.
    pub(super) fn is_limited(&self) -> bool {
        self.ahead < u64::MAX
    }

    pub(super) fn note_event(&mut self) {
        self.events += 1;
    }

    /// The offset up to which reads need not be reported.
    pub(super) fn furthest(&self) -> u64 {
        self.furthest
    }

    pub(super) fn note_read(&mut self, offset: u64) {
        if offset < MAX_SIZE && offset > self.furthest {
            self.furthest = offset;
            self.events += 1;
        }
    }
}
