//! S3-FIFO (Yang and others, SOSP 2023), by algorithm 1 of the paper, with sizes in bytes.
//!
//! A new resource joins the small queue, a tenth of the cache. Was it asked for more than once when
//! it reaches the end, it moves to the main queue; otherwise it goes, and a ghost queue remembers
//! its name. A resource whose name is there joins the main queue at once. The end of the main queue
//! is put back as often as it was hit, at most three times.
//!
//! The paper leaves open what is evicted if the queue that should give something is empty: here it
//! is the other one that gives. The ghost queue has the names of as many bytes as the main queue
//! may have. The authors' simulator refuses resources larger than the small queue; the paper does
//! not say so, and this cache can't: it streams what it is asked for.

use super::cache::Policy;
use std::collections::{HashMap, VecDeque};

/// A queue of resources with their sizes.
#[derive(Default)]
struct Queue {
    list: VecDeque<(usize, u64)>,
    bytes: u64,
}

impl Queue {
    fn push(&mut self, (id, bytes): (usize, u64)) {
        self.list.push_front((id, bytes));
        self.bytes += bytes;
    }

    fn pop(&mut self) -> Option<(usize, u64)> {
        let last = self.list.pop_back()?;
        self.bytes -= last.1;
        Some(last)
    }
}

pub struct S3Fifo {
    small: Queue,
    main: Queue,
    ghost: Queue,
    small_limit: u64,
    main_limit: u64,
    /// How often each resource in the cache was hit, at most 3.
    hits: HashMap<usize, u8>,
    /// How often each name is in the ghost queue.
    names: HashMap<usize, u32>,
}

impl S3Fifo {
    pub fn new(budget: u64) -> S3Fifo {
        S3Fifo {
            small: Queue::default(),
            main: Queue::default(),
            ghost: Queue::default(),
            small_limit: budget / 10,
            main_limit: budget - budget / 10,
            hits: HashMap::new(),
            names: HashMap::new(),
        }
    }

    fn evict_small(&mut self, gone: &mut Vec<usize>) {
        while let Some(last) = self.small.pop() {
            let hits = self.hits.get_mut(&last.0).expect("in the cache");
            if *hits <= 1 {
                self.leave(last.0, gone);
                self.remember(last);
                return;
            }
            *hits = 0;
            self.main.push(last);
            if self.main.bytes > self.main_limit {
                self.evict_main(gone);
            }
        }
    }

    fn evict_main(&mut self, gone: &mut Vec<usize>) {
        while let Some(last) = self.main.pop() {
            let hits = self.hits.get_mut(&last.0).expect("in the cache");
            if *hits == 0 {
                return self.leave(last.0, gone);
            }
            *hits -= 1;
            self.main.push(last);
        }
    }

    fn leave(&mut self, id: usize, gone: &mut Vec<usize>) {
        self.hits.remove(&id);
        gone.push(id);
    }

    fn remember(&mut self, resource: (usize, u64)) {
        self.ghost.push(resource);
        *self.names.entry(resource.0).or_default() += 1;
        while self.ghost.bytes > self.main_limit {
            let (id, _) = self.ghost.pop().expect("as its bytes are counted");
            let count = self.names.get_mut(&id).expect("it was remembered");
            *count -= 1;
            if *count == 0 {
                self.names.remove(&id);
            }
        }
    }
}

impl Policy for S3Fifo {
    fn hit(&mut self, id: usize) {
        let hits = self.hits.get_mut(&id).expect("in the cache");
        *hits = (*hits + 1).min(3);
    }

    fn insert(&mut self, id: usize, bytes: u64) {
        self.hits.insert(id, 0);
        if self.names.contains_key(&id) {
            self.main.push((id, bytes));
        } else {
            self.small.push((id, bytes));
        }
    }

    fn evict(&mut self, gone: &mut Vec<usize>) {
        if self.small.bytes >= self.small_limit {
            self.evict_small(gone);
        } else {
            self.evict_main(gone);
        }
        if gone.is_empty() {
            self.evict_small(gone);
        }
        if gone.is_empty() {
            self.evict_main(gone);
        }
    }
}
