//! Where the buffers of entries are known to the outside.

use crate::buffer::Buffer;
use crate::error::Result;
use crate::options::Options;
use crate::source::Source;
use crate::store::budget::Budget;
use crate::sync::rcu::DomainRef;
use crate::sync::shared::Shared;

/// The handles of entries.
pub(crate) trait EntryDirectory: Send + Sync {
    /// Makes a buffer and returns it with its handle.
    fn add(
        &self,
        source: Box<dyn Source>,
        options: Options,
        budget: &Shared<Budget>,
    ) -> Result<(Shared<Buffer>, usize)>;

    /// The memory that a handle takes, in bytes.
    fn handle_size(&self) -> usize;

    /// Makes a handle invalid.
    fn remove(&self, handle: usize);
}

/// Rust needs no handles.
pub(crate) struct Unnamed;

impl EntryDirectory for Unnamed {
    fn add(
        &self,
        source: Box<dyn Source>,
        options: Options,
        budget: &Shared<Budget>,
    ) -> Result<(Shared<Buffer>, usize)> {
        let made = Buffer::in_budget(Some(source), options, DomainRef::own(), budget)?;
        Ok((made, 0))
    }

    fn handle_size(&self) -> usize {
        0
    }

    fn remove(&self, _handle: usize) {}
}
