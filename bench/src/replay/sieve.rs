//! SIEVE (Zhang and others, NSDI 2024), by the description in the paper.
//!
//! Resources stay in the order in which they came, and a hit only marks one. A hand goes from the
//! oldest towards the newest, and from there to the oldest again: it clears marks, and evicts the
//! first resource that has none.

use super::cache::Policy;
use std::collections::{BTreeMap, HashMap};

#[derive(Default)]
pub struct Sieve {
    inserted: u64,
    /// When each came.
    turns: HashMap<usize, u64>,
    /// By when they came: the resource, and its mark.
    queue: BTreeMap<u64, (usize, bool)>,
    /// The hand is at the first that came then or later. 0: at the oldest.
    hand: u64,
}

impl Sieve {
    /// Moves the hand to the next newer resource, or from the newest to the oldest.
    fn pass(&mut self, turn: u64) {
        let next = self.queue.range(turn + 1..).next();
        self.hand = next.map_or(0, |(turn, _)| *turn);
    }
}

impl Policy for Sieve {
    fn hit(&mut self, id: usize) {
        let turn = self.turns[&id];
        self.queue.insert(turn, (id, true));
    }

    fn insert(&mut self, id: usize, _: u64) {
        self.inserted += 1;
        self.turns.insert(id, self.inserted);
        self.queue.insert(self.inserted, (id, false));
    }

    fn evict(&mut self, gone: &mut Vec<usize>) {
        while let Some((&turn, (id, mark))) = self.queue.range_mut(self.hand..).next() {
            let (id, is_marked) = (*id, std::mem::take(mark));
            self.pass(turn);
            if !is_marked {
                gone.push(id);
                self.turns.remove(&id);
                self.queue.remove(&turn);
                return;
            }
        }
    }
}
