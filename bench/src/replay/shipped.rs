//! The library's own policy: the file that ships, driven as the cache drives it.

#[allow(dead_code, reason = "no resource of a trace expires")]
#[path = "../../../src/cache/policy.rs"]
mod policy;

use super::cache::Policy;
use policy::EntryId;
use std::collections::HashMap;

pub struct Shipped {
    policy: policy::Policy,
    entries: HashMap<usize, (EntryId, u64)>,
    /// The resource of each entry, by the entry's number.
    resources: Vec<usize>,
}

impl Shipped {
    /// With the default of `max_entry`, an eighth of the budget.
    pub fn new(budget: u64) -> Shipped {
        Shipped::with_max_entry(0, budget)
    }

    pub fn with_max_entry(max_entry: u64, budget: u64) -> Shipped {
        Shipped {
            policy: policy::Policy::new(max_entry, budget),
            entries: HashMap::new(),
            resources: Vec::new(),
        }
    }
}

impl Policy for Shipped {
    fn hit(&mut self, id: usize) {
        let (entry, bytes) = self.entries[&id];
        self.policy.leased(entry);
        self.policy.released(entry, bytes, 0);
    }

    fn insert(&mut self, id: usize, bytes: u64) {
        let entry = self.policy.insert().expect("memory");
        self.entries.insert(id, (entry, bytes));
        let least = self.resources.len().max(entry.index() + 1);
        self.resources.resize(least, 0);
        self.resources[entry.index()] = id;
        self.policy.released(entry, bytes, 0);
    }

    fn evict(&mut self, gone: &mut Vec<usize>) {
        let Some(entry) = self.policy.victim() else {
            return;
        };
        self.policy.removed(entry);
        let id = self.resources[entry.index()];
        self.entries.remove(&id);
        gone.push(id);
    }
}
