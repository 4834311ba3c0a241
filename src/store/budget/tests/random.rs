//! Members do anything, in any order, alone and on many threads.

use super::*;
use crate::store::memory::BLOCK;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Everything that is charged is what the members have.
#[track_caller]
fn adds_up(budget: &Budget, owners: &[Shared<Filler>]) {
    let counted: u64 = owners.iter().map(|it| it.store.counted()).sum();
    let ahead = budget.memory().used().checked_sub(counted);
    let ahead = ahead.expect("all of it is charged");
    assert!(ahead <= owners.len() as u64 * 128, "{ahead} bytes too many");
    let disk: u64 = owners.iter().map(|it| it.store.disk_charged()).sum();
    assert_eq!(budget.disk().used(), disk);
}

fn act(dice: &mut Dice, budget: &Shared<Budget>, owners: &mut [Shared<Filler>]) {
    let at = dice.roll(owners.len() as u64) as usize;
    let length = [1, 5000, 40_000, BLOCK, 3 * BLOCK][dice.roll(5) as usize];
    let owner = owners[at].clone();
    match dice.roll(12) {
        0..5 => owner.fill(length).expect("the disk has space"),
        5..7 => {
            let far = dice.roll(2000) * 100_003;
            owner.fill_at(far, length).expect("the disk has space");
        }
        7 => owner.store.spill().expect("the disk has space"),
        8 => {
            let grant = owner.reserve(owner.filled(), 0).expect("space");
            if dice.roll(2) == 0 {
                owner.store.discard(grant);
            }
        }
        9 => budget.trim(dice.roll(4) * BLOCK, UNLIMITED).expect("space"),
        10 => owner.check(),
        _ => {
            let new = Filler::new(budget, dice.roll(1000));
            owners[at] = new;
        }
    }
}

#[test]
fn the_sums_are_right_after_anything() {
    for seed in 0..6 {
        let max = [0, BLOCK, 8 * BLOCK][seed as usize % 3];
        let budget = budget(max, UNLIMITED);
        let mut dice = Dice(seed);
        let mut owners: Vec<_> = (0..6).map(|it| Filler::new(&budget, it)).collect();
        for _ in 0..400 {
            act(&mut dice, &budget, &mut owners);
            adds_up(&budget, &owners);
        }
        let overhead = budget.overhead.load(Ordering::Relaxed);
        assert!(budget.memory().most() <= max.max(2 * overhead) + BLOCK + 4096);
        owners.iter().for_each(|owner| owner.check());
        drop(owners);
        is_empty(&budget);
    }
}

/// Threads fill, read and drop members of a budget of a few segments.
#[test]
fn the_budget_holds_on_many_threads() {
    const THREADS: u64 = 8;
    let idle = Idle::default();
    let budget = idle.budget(limits(6 * BLOCK, 60 * BLOCK));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (budget, idle) = (&budget, &idle);
            scope.spawn(move || {
                let mut dice = Dice(thread);
                for _ in 0..12 {
                    let owner = Filler::new(budget, dice.roll(1000));
                    for _ in 0..dice.roll(12) {
                        owner.fill(dice.roll(BLOCK)).expect("the disk has space");
                    }
                    owner.check();
                    idle.add(owner);
                }
            });
        }
    });
    let tails = THREADS * (BLOCK + 8192);
    assert!(budget.memory().most() <= 6 * BLOCK + tails);
    assert!(budget.disk().most() <= 60 * BLOCK);
    let owners: Vec<_> = idle.take().into();
    adds_up(&budget, &owners);
    owners.iter().for_each(|owner| owner.check());
    drop(owners);
    is_empty(&budget);
}
