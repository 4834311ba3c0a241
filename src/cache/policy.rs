//! Which entry of the cache goes next: the least recently released one, large entries first.
//!
//! An entry that has a lease is never a victim. When its last lease ends, it joins one of two queues
//! in the order of release: that of the large entries, which are larger than `max_entry`, or that of
//! the others. A victim comes from the front of the first queue while there is one, and then from
//! the front of the second. So a large entry outlives its last lease only while nobody needs its
//! room, and one film does not push out a hundred songs that will be played again.
//!
//! ```text
//!   removed()            front = next victim                back
//!      ^       large:    [ 7 ] <-> [ 2 ]            <----+
//!      |       others:   [ 4 ] <-> [ 9 ] <-> [ 1 ]  <----+---- released()
//!      +------ leased, in no queue: 0, 3, 5, 6, 8
//! ```
//!
//! Every operation takes constant time. The queues are linked through the slots of one vector, and a
//! free slot is linked in the same way. Memory is allocated only by `insert`, so that the end of a
//! lease can't fail. There is no lock and no clock in here: the cache calls this under its lock and
//! passes the time. This file imports nothing of the crate, because the bench replays traces
//! with this very file.

use std::collections::TryReserveError;

/// An entry's number. The numbers of removed entries are used again, so they stay small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EntryId(usize);

impl EntryId {
    /// For what the cache keeps beside each entry.
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// What a slot's links are for.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Place {
    Free,
    Leased,
    /// In `queues[0]`, the victims before all others.
    Large,
    /// In `queues[1]`.
    Other,
}

struct EntrySlot {
    place: Place,
    previous: Option<usize>,
    next: Option<usize>,
    /// How many releases came before. Two may come at the same time.
    turn: u64,
    /// When the last lease ended.
    time: i64,
}

#[derive(Default)]
struct ReleaseQueue {
    front: Option<usize>,
    back: Option<usize>,
}

pub(crate) struct Policy {
    max_entry: u64,
    slots: Vec<EntrySlot>,
    first_free: Option<usize>,
    queues: [ReleaseQueue; 2],
    releases: u64,
}

impl Policy {
    /// The memory that an entry takes here.
    #[allow(dead_code, reason = "the bench does not use it")]
    pub(crate) const PLACE: usize = size_of::<EntrySlot>();

    /// An entry of more than `max_entry` bytes is large. 0: an eighth of `budget`.
    pub(crate) fn new(max_entry: u64, budget: u64) -> Policy {
        Policy {
            max_entry: if max_entry == 0 {
                budget / 8
            } else {
                max_entry
            },
            slots: Vec::new(),
            first_free: None,
            queues: Default::default(),
            releases: 0,
        }
    }

    /// Adds an entry that has a lease. No other function allocates.
    pub(crate) fn insert(&mut self) -> Result<EntryId, TryReserveError> {
        if let Some(at) = self.first_free {
            self.first_free = self.slots[at].next.take();
            self.slots[at].place = Place::Leased;
            return Ok(EntryId(at));
        }
        self.slots.try_reserve(1)?;
        self.slots.push(EntrySlot {
            place: Place::Leased,
            previous: None,
            next: None,
            turn: 0,
            time: 0,
        });
        Ok(EntryId(self.slots.len() - 1))
    }

    /// The entry has a lease again. Nothing happens if it has one already.
    pub(crate) fn leased(&mut self, id: EntryId) {
        debug_assert_ne!(self.slots[id.0].place, Place::Free, "{id:?} was removed");
        self.unlink(id.0);
        self.slots[id.0].place = Place::Leased;
    }

    /// The entry's last lease ended at `time`, and the entry has `bytes`. An entry that has no lease
    /// becomes the most recently released one.
    pub(crate) fn released(&mut self, id: EntryId, bytes: u64, time: i64) {
        self.leased(id);
        let slot = &mut self.slots[id.0];
        slot.place = match bytes > self.max_entry {
            true => Place::Large,
            false => Place::Other,
        };
        (slot.turn, slot.time) = (self.releases, time);
        self.releases += 1;
        self.link(id.0);
    }

    /// The entry is gone, with or without a lease. Its number may be that of the next entry.
    pub(crate) fn removed(&mut self, id: EntryId) {
        self.leased(id);
        let slot = &mut self.slots[id.0];
        slot.place = Place::Free;
        slot.next = self.first_free.replace(id.0);
    }

    /// The entry to evict next, if one has no lease.
    pub(crate) fn victim(&self) -> Option<EntryId> {
        self.victims().next()
    }

    /// Whether an entry without a lease goes before all that are not large.
    pub(crate) fn is_large(&self, id: EntryId) -> bool {
        self.slots[id.0].place == Place::Large
    }

    /// All entries without a lease, the next victim first.
    pub(crate) fn victims(&self) -> impl Iterator<Item = EntryId> + '_ {
        let follow = |front| std::iter::successors(front, |at: &usize| self.slots[*at].next);
        let queues = self.queues.iter();
        queues.flat_map(move |queue| follow(queue.front).map(EntryId))
    }

    /// The number of releases so far: the turn of the next one.
    pub(crate) fn releases(&self) -> u64 {
        self.releases
    }

    /// The least recently released entry, large or not, and when that was: the first that is idle
    /// too long. None if its turn was not before `end`.
    pub(crate) fn oldest(&self, end: u64) -> Option<(EntryId, i64)> {
        let fronts = self.queues.iter().filter_map(|queue| queue.front);
        let oldest = fronts.min_by_key(|at| self.slots[*at].turn)?;
        let slot = &self.slots[oldest];
        (slot.turn < end).then_some((EntryId(oldest), slot.time))
    }

    /// The memory that the policy takes, in bytes.
    #[allow(dead_code, reason = "the bench uses it")]
    pub(crate) fn taken(&self) -> usize {
        self.slots.capacity() * size_of::<EntrySlot>()
    }

    /// The queue that a slot is in.
    fn queue(&mut self, at: usize) -> Option<&mut ReleaseQueue> {
        match self.slots[at].place {
            Place::Large => Some(&mut self.queues[0]),
            Place::Other => Some(&mut self.queues[1]),
            Place::Free | Place::Leased => None,
        }
    }

    /// Puts a slot at the back of its queue.
    fn link(&mut self, at: usize) {
        let Some(queue) = self.queue(at) else { return };
        let last = queue.back.replace(at);
        match last {
            Some(last) => self.slots[last].next = Some(at),
            None => queue.front = Some(at),
        }
        self.slots[at].previous = last;
    }

    /// Takes a slot out of its queue, if it is in one.
    fn unlink(&mut self, at: usize) {
        if self.queue(at).is_none() {
            return;
        }
        let (previous, next) = {
            let slot = &mut self.slots[at];
            (slot.previous.take(), slot.next.take())
        };
        if let Some(previous) = previous {
            self.slots[previous].next = next;
        }
        if let Some(next) = next {
            self.slots[next].previous = previous;
        }
        let Some(queue) = self.queue(at) else { return };
        if previous.is_none() {
            queue.front = next;
        }
        if next.is_none() {
            queue.back = previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(policy: &mut Policy) -> EntryId {
        policy.insert().expect("memory")
    }

    fn victims(policy: &Policy) -> Vec<usize> {
        assert_eq!(policy.victim(), policy.victims().next());
        policy.victims().map(EntryId::index).collect()
    }

    #[test]
    fn the_least_recently_released_goes_first() {
        let mut policy = Policy::new(10, 0);
        let ids: Vec<_> = (0..4).map(|_| entry(&mut policy)).collect();
        assert_eq!(policy.victim(), None);
        for at in [2, 0, 3, 1] {
            policy.released(ids[at], 10, 0);
        }
        assert_eq!(victims(&policy), [2, 0, 3, 1]);
        policy.released(ids[0], 10, 0);
        assert_eq!(victims(&policy), [2, 3, 1, 0]);
    }

    #[test]
    fn an_entry_with_a_lease_is_no_victim() {
        let mut policy = Policy::new(10, 0);
        let ids: Vec<_> = (0..4).map(|_| entry(&mut policy)).collect();
        for (at, bytes) in [(0, 11), (1, 1), (2, 1), (3, 1)] {
            policy.released(ids[at], bytes, 0);
        }
        for (at, left) in [(2, &[0, 1, 3][..]), (0, &[1, 3]), (1, &[3]), (3, &[])] {
            policy.leased(ids[at]);
            policy.leased(ids[at]);
            assert_eq!(victims(&policy), left);
        }
        assert_eq!(policy.oldest(u64::MAX), None);
    }

    #[test]
    fn large_entries_go_before_all_others() {
        let mut policy = Policy::new(0, 80);
        let ids: Vec<_> = (0..4).map(|_| entry(&mut policy)).collect();
        for (at, bytes) in [(0, 10), (1, 11), (2, 0), (3, u64::MAX)] {
            policy.released(ids[at], bytes, 0);
        }
        assert_eq!(victims(&policy), [1, 3, 0, 2]);
    }

    #[test]
    fn an_entry_that_has_grown_or_shrunk_changes_its_queue() {
        let mut policy = Policy::new(10, 0);
        let ids: Vec<_> = (0..3).map(|_| entry(&mut policy)).collect();
        ids.iter().for_each(|id| policy.released(*id, 10, 0));
        policy.released(ids[2], 11, 0);
        assert_eq!(victims(&policy), [2, 0, 1]);
        policy.released(ids[2], 10, 0);
        assert_eq!(victims(&policy), [0, 1, 2]);
    }

    #[test]
    fn the_oldest_is_of_either_queue() {
        let mut policy = Policy::new(10, 0);
        let ids: Vec<_> = (0..4).map(|_| entry(&mut policy)).collect();
        // The second and the third are released at the same time.
        for (at, bytes, time) in [(0, 10, 5), (1, 11, 7), (2, 10, 7), (3, 11, 8)] {
            policy.released(ids[at], bytes, time);
        }
        let mut expired = Vec::new();
        while let Some((id, time)) = policy.oldest(u64::MAX) {
            expired.push((id.index(), time));
            policy.removed(id);
        }
        assert_eq!(expired, [(0, 5), (1, 7), (2, 7), (3, 8)]);
    }

    #[test]
    fn the_oldest_was_released_before_a_turn() {
        let mut policy = Policy::new(10, 0);
        let ids = [entry(&mut policy), entry(&mut policy)];
        policy.released(ids[0], 11, 5);
        let end = policy.releases();
        policy.released(ids[1], 10, 5);
        assert_eq!(policy.oldest(end), Some((ids[0], 5)));
        policy.released(ids[0], 11, 5);
        assert_eq!(policy.oldest(end), None);
        assert_eq!(policy.oldest(policy.releases()), Some((ids[1], 5)));
    }

    #[test]
    fn the_numbers_of_removed_entries_are_used_again() {
        let mut policy = Policy::new(10, 0);
        let ids: Vec<_> = (0..8).map(|_| entry(&mut policy)).collect();
        let taken = policy.taken();
        assert!(taken >= 8 * size_of::<EntrySlot>());
        policy.released(ids[3], 1, 0);
        policy.removed(ids[3]);
        policy.removed(ids[5]);
        assert_eq!(policy.victim(), None);
        assert_eq!([entry(&mut policy), entry(&mut policy)], [ids[5], ids[3]]);
        assert_eq!(policy.taken(), taken);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic = "was removed"]
    fn a_removed_entry_is_not_released() {
        let mut policy = Policy::new(10, 0);
        let id = entry(&mut policy);
        policy.removed(id);
        policy.released(id, 1, 0);
    }

    /// A pseudo-random number below `most`; the sequence is the same in each run.
    fn roll(dice: &mut u64, most: u64) -> u64 {
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        *dice % most
    }

    /// Beside a plain list of the entries without a lease, in the order of release.
    #[derive(Default)]
    struct Model {
        alive: Vec<EntryId>,
        idle: Vec<(EntryId, bool, i64)>,
    }

    impl Model {
        fn leave(&mut self, id: EntryId) {
            self.idle.retain(|(other, ..)| *other != id);
        }

        fn step(&mut self, policy: &mut Policy, dice: &mut u64, time: i64) {
            let pick = roll(dice, self.alive.len().max(1) as u64) as usize;
            match (roll(dice, 8), self.alive.get(pick).copied()) {
                (0, _) | (_, None) => {
                    let new = entry(policy);
                    assert!(!self.alive.contains(&new));
                    self.alive.push(new);
                }
                (1, Some(id)) => {
                    policy.removed(id);
                    self.alive.swap_remove(pick);
                    self.leave(id);
                }
                (2..=3, Some(id)) => {
                    policy.leased(id);
                    self.leave(id);
                }
                (_, Some(id)) => {
                    let bytes = roll(dice, 13);
                    policy.released(id, bytes, time);
                    self.leave(id);
                    self.idle.push((id, bytes > 10, time));
                }
            }
        }

        fn compare(&self, policy: &Policy) {
            let of = |large| self.idle.iter().filter(move |idle| idle.1 == large);
            let expected = of(true).chain(of(false)).map(|idle| idle.0);
            assert!(policy.victims().eq(expected));
            let oldest = self.idle.first().map(|idle| (idle.0, idle.2));
            assert_eq!(policy.oldest(u64::MAX), oldest);
        }
    }

    #[test]
    fn agrees_with_a_plain_list() {
        let mut dice = 1;
        for _ in 0..200 {
            let (mut policy, mut model) = (Policy::new(10, 0), Model::default());
            for step in 0..200 {
                // The times of several releases are equal.
                model.step(&mut policy, &mut dice, step / 5);
                model.compare(&policy);
            }
        }
    }
}
