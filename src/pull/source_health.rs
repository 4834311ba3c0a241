//! The health of the source: its failure, and whether an end that it reports is believed.
//!
//! ```text
//!  trusted --suspect--> suspected --fail--> failed
//!     ^                     |  ^               |
//!     +--------trust--------+  +-----retry-----+
//! ```
//!
//! An end that a suspected source reports is [refused](SourceHealth::refuse), since a broken
//! connection reports the same. After a retry, the source must first deliver held bytes before that
//! offset again.

use crate::error::Error;

#[derive(Default)]
pub(crate) struct SourceHealth {
    /// The reason why the source is no longer called.
    failure: Option<Error>,
    /// The last error, until the source has shown that it works.
    suspicion: Option<Error>,
    /// The offset at which an end was refused.
    refused: Option<u64>,
    /// The offset at which an end was refused before a retry.
    recheck: Option<u64>,
}

impl SourceHealth {
    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    pub(super) fn suspicion(&self) -> Option<Error> {
        self.suspicion.clone()
    }

    /// The offset before which the source must deliver held bytes again.
    pub(super) fn recheck(&self) -> Option<u64> {
        self.recheck
    }

    /// The offset at which an end was refused.
    pub(super) fn refused(&self) -> Option<u64> {
        self.refused
    }

    /// Records an error. A source that gave up because it was canceled is not suspected.
    pub(super) fn suspect(&mut self, error: &Error) {
        if !error.is_cancellation() {
            // Dropped under the lock, so it must not contain the user's payload.
            self.suspicion = Some(error.without_payload());
        }
    }

    /// The source has shown that it works.
    pub(super) fn trust(&mut self) {
        self.suspicion = None;
        self.refused = None;
    }

    /// Stops calls of the source until a retry. This replaces no failure: a source that has failed
    /// is not called.
    pub(super) fn fail(&mut self, error: Error) {
        self.failure = Some(error);
    }

    /// The same for a pusher, which may fail again. Returns the failure before.
    pub(super) fn replace(&mut self, error: Error) -> Option<Error> {
        self.failure.replace(error)
    }

    pub(super) fn refuse(&mut self, at: u64) {
        self.refused = Some(at);
    }

    /// The source has delivered the held bytes before the refused end again.
    pub(super) fn recheck_passed(&mut self) {
        self.recheck = None;
    }

    /// Allows calls of the source again. Returns the failure. If the source delivers another
    /// resource, it is never called again.
    pub(super) fn retry(&mut self) -> Option<Error> {
        if self.failure.as_ref().is_some_and(Error::is_mismatch) {
            return None;
        }
        self.recheck = self.refused.take().or(self.recheck);
        self.failure.take()
    }
}
