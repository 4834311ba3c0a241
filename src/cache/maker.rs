//! Making entries: what an opener brought becomes a new entry, or proves that the old one is still
//! right.

use crate::buffer::Buffer;
use crate::cache::entry::CacheEntry;
use crate::cache::key::Key;
use crate::cache::landing::Landing;
use crate::cache::lease::{EntryHome, Lease};
use crate::cache::opener::Opened;
use crate::cache::options::CacheOptions;
use crate::cache::policy::{EntryId, Policy};
use crate::cache::shelf::Shelf;
use crate::cache::table::EntryTable;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::pull::crew::{Crew, CrewSeat};
use crate::source::{self, Source};
use crate::store::budget::Budget;
use crate::sync::shared::{Shared, try_box};

pub(super) struct EntryMaker {
    pub(super) shelf: Shared<Shelf>,
    pub(super) budget: Shared<Budget>,
    pub(super) options: CacheOptions,
    /// The helper threads that the entries share.
    pub(super) crew: Shared<Crew>,
}

/// An entry that there is already, as it was before the opener was called.
pub(super) struct Known<'l> {
    pub(super) lease: &'l Lease,
    pub(super) tag: u64,
    pub(super) needs_source: bool,
}

impl<'l> Known<'l> {
    pub(super) fn of(shelf: &Shelf, lease: &'l Lease) -> Known<'l> {
        let entry = lease.entry();
        let has_failed = entry.buffer.failure().is_some();
        let (tag, is_unplugged) = shelf.with_table(|table| {
            let record = table.record(entry.id);
            record.map_or((0, true), |it| (it.tag, it.is_unplugged))
        });
        Known {
            lease,
            tag,
            needs_source: (is_unplugged || has_failed) && !entry.buffer.is_complete(),
        }
    }

    /// What the opener is told: its bytes are still right if they have this tag.
    pub(super) fn old_tag(&self) -> u64 {
        if self.needs_source { 0 } else { self.tag }
    }

    fn is_same(&self, opened: &Opened) -> bool {
        self.tag != 0 && self.tag == opened.tag
    }
}

impl EntryMaker {
    /// Runs code of the source, so no lock may be held here.
    pub(super) fn settle(
        &self,
        key: &Key,
        old: Option<Known<'_>>,
        opened: Opened,
    ) -> Result<Landing> {
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
                let entry = self.make(key, source, opened.size)?;
                let tag = opened.tag;
                Ok(Landing::New { entry, tag })
            }
        }
    }

    /// The bytes are the same. If more of them are needed, the new source delivers them.
    fn revalidate(&self, old: &Known<'_>, opened: Opened) -> Result<()> {
        let buffer = &old.lease.entry().buffer;
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
                .inspect_err(|_| self.shelf.unlist(old.lease.entry())),
        }
    }

    fn make(
        &self,
        key: &Key,
        source: Box<dyn Source>,
        size: Option<u64>,
    ) -> Result<Shared<CacheEntry>> {
        let id = self.shelf.reserve()?;
        self.make_as(id, key, source, size)
            .inspect_err(|_| self.shelf.give_back(id))
    }

    fn make_as(
        &self,
        id: EntryId,
        key: &Key,
        source: Box<dyn Source>,
        size: Option<u64>,
    ) -> Result<Shared<CacheEntry>> {
        let options = self.buffer_options(size)?;
        let ahead = options.prefetch;
        let directory = &self.shelf.directory;
        let (buffer, handle) = directory.add(source, options, &self.budget)?;
        let entry = CacheEntry {
            id,
            buffer,
            handle,
            directory: directory.clone(),
            _charge: Budget::charge_owner(&self.budget, self.taken(key)),
        };
        self.begin(&entry, ahead)?;
        Shared::try_new(entry)
    }

    /// Makes room for what a new entry takes before it has bytes.
    pub(super) fn fit_budget(&self) {
        if self.budget.is_exceeded() {
            // The members that failed have noted it.
            let _ = self.budget.restore();
        }
    }

    fn begin(&self, entry: &CacheEntry, ahead: u64) -> Result<()> {
        let (shelf, id) = (self.shelf.clone(), entry.id);
        entry.buffer.set_home(try_box(EntryHome { shelf, id })?);
        Buffer::join_crew(&entry.buffer, &self.crew)?;
        match ahead {
            0 => Ok(()),
            _ => Buffer::prefetch(&entry.buffer, ahead),
        }
    }

    /// The options of the buffer of a new entry.
    fn buffer_options(&self, size: Option<u64>) -> Result<Options> {
        let spool_dir = self.options.spool_dir.as_deref();
        Ok(Options {
            size,
            max_memory: u64::MAX,
            spool_dir: spool_dir
                .map(crate::disk::copy_of)
                .transpose()
                .map_err(|_| Error::NoMemory)?,
            on_short: self.options.on_short,
            prefetch: self.options.prefetch,
            prefetch_low: self.options.prefetch_low,
            ..Options::default()
        })
    }
}

/// What the allocator adds to an allocation.
pub(super) const ALLOCATION: usize = 16;

/// The allocations of an entry, its buffer and its key.
const ALLOCATIONS: usize = 16;

impl EntryMaker {
    /// The memory that an entry takes besides its buffer, with its key and its places in the tables,
    /// which double when they grow.
    fn taken(&self, key: &Key) -> u64 {
        let own = Shared::<CacheEntry>::SIZE + size_of::<EntryHome>() + CrewSeat::SIZE;
        let places = 2 * (EntryTable::PLACE + Policy::PLACE) + self.shelf.directory.handle_size();
        (own + places + ALLOCATIONS * ALLOCATION + Key::SIZE + key.bytes().len()) as u64
    }
}
