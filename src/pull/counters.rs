//! The counters of the stats.

use crate::error::{Error, Operation};

#[derive(Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) pulls: u64,
    pub(crate) seeks: u64,
    pub(crate) waits: u64,
    pub(crate) pulled: u64,
    /// Nanoseconds.
    pub(crate) pull_time: u64,
    pub(crate) wait_time: u64,
    pub(crate) underruns: u64,
    pub(crate) source_error: i64,
    pub(crate) system_error: i32,
    pub(crate) system_operation: Option<Operation>,
}

impl Counters {
    /// Records a failed operation on the spool file.
    pub(super) fn record(&mut self, error: &Error) {
        if let Error::Io { code, operation } | Error::DiskFull { code, operation } = *error {
            self.system_error = code;
            self.system_operation = Some(operation);
        }
    }
}
