//! Least recently used, whatever the size.

use super::cache::Policy;
use std::collections::{BTreeMap, HashMap};

#[derive(Default)]
pub struct Lru {
    uses: u64,
    last_use: HashMap<usize, u64>,
    by_use: BTreeMap<u64, usize>,
}

impl Policy for Lru {
    fn hit(&mut self, id: usize) {
        self.uses += 1;
        if let Some(before) = self.last_use.insert(id, self.uses) {
            self.by_use.remove(&before);
        }
        self.by_use.insert(self.uses, id);
    }

    fn insert(&mut self, id: usize, _: u64) {
        self.hit(id);
    }

    fn evict(&mut self, gone: &mut Vec<usize>) {
        if let Some((_, id)) = self.by_use.pop_first() {
            self.last_use.remove(&id);
            gone.push(id);
        }
    }
}
