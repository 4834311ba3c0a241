//! The news: what the log is told of the source.

use crate::error::Error;
use crate::log::{LogLevel, is_on};
use crate::pull::state::State;
use crate::sync::shared::try_box;

/// What is known about the source at one moment.
#[derive(PartialEq)]
pub(super) struct News {
    /// The failure, without the user's payload.
    failure: Option<LoggedFailure>,
    end: Option<u64>,
    declared: Option<u64>,
    can_seek: bool,
    /// Where an end was not believed.
    refused: Option<u64>,
}

#[derive(Clone, Copy, PartialEq)]
enum LoggedFailure {
    Code(i64),
    Panic,
    Short,
    Other,
}

impl News {
    /// None if nothing is logged, or if there is no memory for it.
    #[inline]
    pub(super) fn if_logged(state: &State) -> Option<Box<News>> {
        if !is_on(LogLevel::Error) {
            return None;
        }
        News::of(state)
    }

    #[cold]
    fn of(state: &State) -> Option<Box<News>> {
        try_box(News::now(state)).ok()
    }

    fn now(state: &State) -> News {
        News {
            failure: state.failure().map(|failure| match failure {
                Error::Source { code, .. } => LoggedFailure::Code(*code),
                Error::Panic => LoggedFailure::Panic,
                Error::Short => LoggedFailure::Short,
                _ => LoggedFailure::Other,
            }),
            end: state.extent.end(),
            declared: state.extent.declared(),
            can_seek: state.can_seek(),
            refused: state.health.refused(),
        }
    }

    /// Logs what has changed since `before`.
    #[cold]
    pub(super) fn tell(&self, before: &News, buffer: u64) {
        if before.can_seek && !self.can_seek {
            log!(
                Warn,
                buffer,
                "the source cannot seek; it is only read forward from now on"
            );
        }
        if let Some(at) = self.refused.filter(|at| before.refused != Some(*at)) {
            log!(
                Warn,
                buffer,
                "the source reported its end at {at} right after an error, which is not believed"
            );
        }
        if let Some(end) = self.end.filter(|_| before.end.is_none()) {
            match self.declared.filter(|size| *size > end) {
                Some(size) => log!(
                    Warn,
                    buffer,
                    "the source ended at {end}, before the declared size {size}"
                ),
                None => log!(Info, buffer, "the source ended at {end}"),
            }
        }
        match self.failure.filter(|_| self.failure != before.failure) {
            Some(LoggedFailure::Code(code)) => {
                log!(Error, buffer, "the source failed with code {code}")
            }
            Some(LoggedFailure::Panic) => log!(Error, buffer, "the source panicked"),
            Some(LoggedFailure::Short) => {
                let size = self.declared.unwrap_or(0);
                log!(
                    Error,
                    buffer,
                    "the source ended before the declared size {size}, which is an error"
                );
            }
            Some(LoggedFailure::Other) => log!(Error, buffer, "the source failed"),
            None => {}
        }
    }
}
