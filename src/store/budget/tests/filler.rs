//! A member: one store, and what it should hold.

use std::path::PathBuf;
use std::sync::LazyLock;

use super::*;
use crate::error::Error;
use crate::options::Options;
use crate::pull::ranges::Ranges;
use crate::store::Store;
use crate::store::budget::member::Spilled;
use crate::store::segment::WriteGrant;
use crate::sync::rcu::DomainRef;

/// The resources repeat after this many bytes, a prime, so that no two blocks are the same.
const PERIOD: u64 = 600_011;
const LONGEST: usize = 256 * 1024;
static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let byte = |at: u64| ((at % PERIOD).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51) as u8;
    (0..PERIOD + LONGEST as u64).map(byte).collect()
});

/// The bytes of a resource: each has its own start in the table.
fn bytes_at(resource: u64, offset: u64, length: usize) -> &'static [u8] {
    let from = (resource * 7_919 + offset) % PERIOD;
    &TABLE[from as usize..][..length]
}

pub(super) struct Filler {
    pub(super) store: Store,
    resource: u64,
    held: Mutex<Ranges>,
    notes: Mutex<Vec<Error>>,
}

impl Member for Filler {
    fn spill_oldest(&self, is_needed: &dyn Fn() -> bool) -> Result<Spilled> {
        self.store.spill_for_budget(is_needed)
    }

    fn note(&self, error: &Error) {
        lock(&self.notes).push(error.clone());
    }
}

impl Filler {
    pub(super) fn new(budget: &Shared<Budget>, resource: u64) -> Shared<Filler> {
        Filler::in_directory(budget, resource, None)
    }

    pub(super) fn in_directory(
        budget: &Shared<Budget>,
        resource: u64,
        spool_dir: Option<PathBuf>,
    ) -> Shared<Filler> {
        let mut options = Options {
            max_memory: UNLIMITED,
            spool_dir,
            ..Options::default()
        };
        let owner = Shared::try_new(Filler {
            store: Store::new(&mut options, DomainRef::own()),
            resource,
            held: Mutex::new(Ranges::default()),
            notes: Mutex::new(Vec::new()),
        });
        let owner = owner.expect("memory");
        let size = Shared::<Filler>::SIZE as u64;
        owner.store.join(&owner, budget, size).expect("memory");
        owner
    }

    /// The number of bytes at the start.
    pub(super) fn filled(&self) -> u64 {
        lock(&self.held).end_of(0)
    }

    pub(super) fn notes(&self) -> usize {
        lock(&self.notes).len()
    }

    /// Adds bytes at the end, as one turn of the source does.
    pub(super) fn fill(&self, length: u64) -> Result<()> {
        self.fill_at(self.filled(), length)
    }

    /// Adds the missing ones of these bytes, up to the next held ones, as a source that jumped there.
    pub(super) fn fill_at(&self, from: u64, length: u64) -> Result<()> {
        let (start, next) = lock(&self.held).gap(from);
        let end = next.unwrap_or(u64::MAX).min(start + length);
        let (mut at, mut kept) = (start, None);
        while at < end {
            let grant = match kept.take() {
                Some(grant) => grant,
                None => self.reserve(at, at - start)?,
            };
            (at, kept) = self.commit(grant, end);
        }
        Ok(())
    }

    pub(super) fn reserve(&self, at: u64, run: u64) -> Result<WriteGrant> {
        self.store.reserve(at, run, None, || Ok(()))
    }

    /// Fills a grant with bytes before `end`. Returns where they end, and the rest of the grant.
    pub(super) fn commit(&self, grant: WriteGrant, end: u64) -> (u64, Option<WriteGrant>) {
        self.commit_part(grant, end, end)
    }

    /// The same for bytes before `stop`.
    pub(super) fn commit_part(
        &self,
        mut grant: WriteGrant,
        stop: u64,
        end: u64,
    ) -> (u64, Option<WriteGrant>) {
        let at = grant.position();
        let bytes = grant.bytes((stop - at) as usize);
        bytes.copy_from_slice(bytes_at(self.resource, at, bytes.len()));
        let count = bytes.len();
        let to = at + count as u64;
        let kept = self.store.commit(grant, count, to < end);
        lock(&self.held).add(at..to);
        (to, kept)
    }

    /// Checks every byte, and that no others are found.
    #[track_caller]
    pub(super) fn check(&self) {
        let held: Vec<_> = lock(&self.held).iter().collect();
        let mut out = vec![0; LONGEST];
        for range in held {
            let mut at = range.start;
            while at < range.end {
                let mut done = 0;
                let copied = self.store.copy(at, &mut out, &mut done);
                copied.expect("the file is readable");
                let due = LONGEST.min((range.end - at) as usize);
                assert_eq!(done, due, "{} at {at}", self.resource);
                assert!(out[..done] == *bytes_at(self.resource, at, done), "at {at}");
                at += done as u64;
            }
        }
    }

    /// The disk space that the spool file takes, in bytes.
    #[cfg(unix)]
    pub(super) fn on_disk(&self) -> u64 {
        self.store.spool().map_or(0, |spool| spool.taken())
    }
}
