//! Settling: what an opener brought becomes a new entry, or proves that the old one is still right.

use crate::buffer::Buffer;
use crate::cache::entry::{Entry, Home, Lease};
use crate::cache::policy::EntryId;
use crate::cache::{Cache, Opened};
use crate::error::{Error, Result};
use crate::source::{self, Source};
use crate::sync::shared::{Shared, try_box};

/// What a flight brings.
pub(super) enum Landing {
    /// The entry that there was has the same bytes.
    Same,
    New {
        entry: Shared<Entry>,
        tag: u64,
    },
}

/// An entry that there is already, as it was before the opener was called.
pub(super) struct Known<'l> {
    pub(super) lease: &'l Lease,
    pub(super) tag: u64,
    pub(super) needs_source: bool,
}

impl Known<'_> {
    /// What the opener is told: its bytes are still right if they have this tag.
    pub(super) fn old_tag(&self) -> u64 {
        if self.needs_source { 0 } else { self.tag }
    }

    fn is_same(&self, opened: &Opened) -> bool {
        self.tag != 0 && self.tag == opened.tag
    }
}

impl Cache {
    /// Runs code of the source, so no lock may be held here.
    pub(super) fn settle(&self, old: Option<Known<'_>>, opened: Opened) -> Result<Landing> {
        let source = opened.source.as_ref();
        if source.is_some_and(|source| source.free_waits_for_pull()) {
            // The end of a lease could not tell its owner that no thread is inside it.
            opened.source.into_iter().for_each(source::close);
            return Err(Error::Invalid);
        }
        match old.filter(|old| old.is_same(&opened)) {
            Some(old) => self.revalidate(&old, opened).map(|()| Landing::Same),
            None => {
                let source = opened.source.ok_or(Error::Invalid)?;
                let entry = self.make(source, opened.size)?;
                let tag = opened.tag;
                Ok(Landing::New { entry, tag })
            }
        }
    }

    /// The bytes are the same. If more of them are needed, the new source delivers them.
    fn revalidate(&self, old: &Known<'_>, opened: Opened) -> Result<()> {
        let buffer = old.lease.buffer();
        // It may have failed, or have become complete, since the opener was called.
        let needs_source = old.needs_source || buffer.failure().is_some();
        match opened.source {
            None if old.needs_source => Err(Error::Invalid),
            None => Ok(()),
            Some(source) if !needs_source || buffer.is_complete() => {
                source::close(source);
                Ok(())
            }
            Some(source) => Buffer::reopen(buffer, source, opened.size)
                // Whoever comes next begins anew.
                .inspect_err(|_| self.shelf.unlist(old.lease)),
        }
    }

    fn make(&self, source: Box<dyn Source>, size: Option<u64>) -> Result<Shared<Entry>> {
        let id = self.shelf.reserve()?;
        self.make_as(id, source, size)
            .inspect_err(|_| self.shelf.give_back(id))
    }

    fn make_as(
        &self,
        id: EntryId,
        source: Box<dyn Source>,
        size: Option<u64>,
    ) -> Result<Shared<Entry>> {
        let options = self.buffer_options(size)?;
        let ahead = options.prefetch;
        let directory = &self.shelf.directory;
        let (buffer, handle) = directory.add(source, options, &self.budget)?;
        let shelf = self.shelf.clone();
        let entry = Entry {
            shelf,
            id,
            buffer,
            handle,
        };
        Cache::begin(&entry, ahead)?;
        Shared::try_new(entry)
    }

    fn begin(entry: &Entry, ahead: u64) -> Result<()> {
        let (shelf, id) = (entry.shelf.clone(), entry.id);
        entry.buffer.set_home(try_box(Home { shelf, id })?);
        match ahead {
            0 => Ok(()),
            _ => Buffer::prefetch(&entry.buffer, ahead),
        }
    }
}
