//! Several stores share a budget: it holds at every moment, and no byte is lost.

use std::sync::LazyLock;

use super::*;
use crate::error::Error;
use crate::options::Options;
use crate::store::Store;
use crate::store::budget::member::Spilled;
use crate::store::memory::BLOCK;
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

/// A member: one store, filled from its start.
struct Owner {
    store: Store,
    resource: u64,
    filled: AtomicU64,
    notes: Mutex<Vec<Error>>,
}

impl Member for Owner {
    fn spill_oldest(&self, is_needed: &dyn Fn() -> bool) -> Result<Spilled> {
        self.store.spill_for_budget(is_needed)
    }

    fn note(&self, error: &Error) {
        lock(&self.notes).push(error.clone());
    }
}

const OWNER: u64 = Shared::<Owner>::SIZE as u64;

impl Owner {
    fn new(budget: &Shared<Budget>, resource: u64) -> Shared<Owner> {
        let options = Options {
            max_memory: u64::MAX,
            ..Options::default()
        };
        let owner = Shared::try_new(Owner {
            store: Store::new(options, DomainRef::own()),
            resource,
            filled: AtomicU64::new(0),
            notes: Mutex::new(Vec::new()),
        })
        .expect("memory");
        owner.store.join(&owner, budget, OWNER).expect("memory");
        owner
    }

    fn filled(&self) -> u64 {
        self.filled.load(Ordering::Relaxed)
    }

    /// Adds bytes at the end, as one turn of the source does.
    fn fill(&self, length: u64) -> Result<()> {
        let (mut at, mut kept) = (self.filled(), None);
        let end = at + length;
        while at < end {
            let mut grant = match kept.take() {
                Some(grant) => grant,
                None => self.store.reserve(at, at, None, || Ok(()))?,
            };
            let bytes = grant.bytes((end - at) as usize);
            bytes.copy_from_slice(bytes_at(self.resource, at, bytes.len()));
            let count = bytes.len();
            at += count as u64;
            kept = self.store.commit(grant, count, at < end);
            self.filled.store(at, Ordering::Relaxed);
        }
        Ok(())
    }

    #[track_caller]
    fn check(&self) {
        let mut out = vec![0; LONGEST];
        let mut at = 0;
        while at < self.filled() {
            let length = LONGEST.min((self.filled() - at) as usize);
            let mut done = 0;
            let copied = self.store.copy(at, &mut out[..length], &mut done);
            copied.expect("a copy");
            assert_eq!(done, length, "{} from {at}", self.resource);
            assert!(out[..done] == *bytes_at(self.resource, at, done), "{at}");
            at += done as u64;
        }
    }
}

fn budget(max_memory: u64, max_disk: u64) -> Shared<Budget> {
    let limits = Limits {
        max_memory,
        max_disk,
    };
    Budget::new(limits, None).expect("memory")
}

#[test]
fn fifty_members_stay_within_one_budget() {
    let budget = budget(64 << 20, u64::MAX);
    let owners: Vec<_> = (0..50).map(|it| Owner::new(&budget, it)).collect();
    for _ in 0..32 {
        for owner in &owners {
            owner.fill(BLOCK).expect("the disk has space");
        }
    }
    assert!(budget.memory().most() <= 64 << 20);
    assert!(budget.memory().used() > 60 << 20);
    for owner in &owners {
        assert_eq!(owner.filled(), 8 << 20);
        owner.check();
    }
    drop(owners);
    assert_eq!((budget.memory().used(), budget.disk().used()), (0, 0));
}
