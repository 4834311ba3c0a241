//! The size rule as a rule of admission: a large resource comes in only where room is free.
//!
//! This is for comparison only. The bytes of a large resource would have to be nowhere while it is
//! read, but the library's cache keeps the bytes of an entry in use, and keeps them within its
//! budget.

use super::cache::Policy;
use super::shipped::Shipped;

pub struct Admission {
    shipped: Shipped,
    max_entry: u64,
}

impl Admission {
    pub fn new(budget: u64) -> Admission {
        Admission {
            shipped: Shipped::new(budget),
            max_entry: budget / 8,
        }
    }
}

impl Policy for Admission {
    fn admits(&self, bytes: u64, free: u64) -> bool {
        bytes <= self.max_entry || bytes <= free
    }

    fn hit(&mut self, id: usize) {
        self.shipped.hit(id);
    }

    fn insert(&mut self, id: usize, bytes: u64) {
        self.shipped.insert(id, bytes);
    }

    fn evict(&mut self, gone: &mut Vec<usize>) {
        self.shipped.evict(gone);
    }
}
