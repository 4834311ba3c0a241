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

impl Cache {
    /// Runs code of the source, so no lock may be held here. `tag` is that of `old`.
    pub(super) fn settle(&self, old: Option<&Lease>, tag: u64, opened: Opened) -> Result<Landing> {
        if opened
            .source
            .as_ref()
            .is_some_and(|it| it.free_waits_for_pull())
        {
            // The end of a lease could not tell its owner that no thread is inside it.
            opened.source.map(source::close);
            return Err(Error::Invalid);
        }
        match old.filter(|_| tag != 0 && tag == opened.tag) {
            Some(old) => self.revalidate(old, opened).map(|()| Landing::Same),
            None => {
                let source = opened.source.ok_or(Error::Invalid)?;
                let entry = self.make(source, opened.size)?;
                let tag = opened.tag;
                Ok(Landing::New { entry, tag })
            }
        }
    }

    /// The bytes are the same. If more of them are needed, the new source delivers them.
    fn revalidate(&self, old: &Lease, opened: Opened) -> Result<()> {
        let buffer = old.buffer();
        let needs_source = self.shelf.is_unplugged(old) || buffer.failure().is_some();
        match opened.source {
            source if !needs_source || buffer.is_complete() => {
                source.map(source::close);
                Ok(())
            }
            None => Err(Error::Invalid),
            Some(source) => Buffer::reopen(buffer, source, opened.size)
                // Whoever comes next begins anew.
                .inspect_err(|_| self.shelf.unlist(old)),
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
        let make = |domain| Buffer::in_budget(Some(source), options, domain, &self.budget);
        let (buffer, handle) = self.shelf.directory.add(Box::new(make))?;
        let shelf = self.shelf.clone();
        let entry = Entry {
            shelf,
            id,
            buffer,
            handle,
        };
        Cache::begin(&entry, ahead).inspect_err(|_| entry.end())?;
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
