//! The health of the source: its failure, and whether an end that it reports is believed.
//!
//! ```text
//!  trusted --suspect--> suspected --fail--> failed
//!     ^                     |  ^               |
//!     +--------trust--------+  +-----retry-----+
//! ```
//!
//! An end that a suspected source reports is [refused](SourceHealth::refuse): a broken connection
//! reports the same. After a retry the source first has to deliver held bytes before that offset
//! again.

use crate::error::Error;

#[derive(Default)]
pub(crate) struct SourceHealth {
    /// Why the source is not called any more.
    failure: Option<Error>,
    /// The last error, until the source has shown that it works.
    suspicion: Option<Error>,
    /// Where an end was refused.
    refused: Option<u64>,
    /// Where an end was refused before a retry.
    recheck: Option<u64>,
}

impl SourceHealth {
    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    pub(super) fn suspicion(&self) -> Option<Error> {
        self.suspicion.clone()
    }

    /// The offset before which the source has to deliver held bytes again.
    pub(super) fn recheck(&self) -> Option<u64> {
        self.recheck
    }

    /// An error came. A source that gave up because it was told to is as it was.
    pub(super) fn suspect(&mut self, error: &Error) {
        if !error.is_cancellation() {
            // Dropped under the lock, so without what the user put into it.
            self.suspicion = Some(error.without_payload());
        }
    }

    /// The source has shown that it works.
    pub(super) fn trust(&mut self) {
        self.suspicion = None;
        self.refused = None;
    }

    /// The source is not called again until a retry. There is no failure to replace: a source that has
    /// failed is not called.
    pub(super) fn fail(&mut self, error: Error) {
        self.failure = Some(error);
    }

    pub(super) fn refuse(&mut self, at: u64) {
        self.refused = Some(at);
    }

    /// The held bytes before the refused end came again.
    pub(super) fn recheck_passed(&mut self) {
        self.recheck = None;
    }

    /// The source is called again; what it had failed with.
    pub(super) fn retry(&mut self) -> Option<Error> {
        self.recheck = self.refused.take().or(self.recheck);
        self.failure.take()
    }
}
