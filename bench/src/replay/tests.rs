//! Hits that were worked out by hand, and the report.

use super::admission::Admission;
use super::lru::Lru;
use super::s3_fifo::S3Fifo;
use super::shipped::Shipped;
use super::sieve::Sieve;
use super::*;

/// Which requests are hits. Resource n has the n-th size.
fn hits(policy: &mut dyn Policy, budget: u64, sizes: &[u64], requests: &[usize]) -> Vec<usize> {
    /// Notes the hits.
    struct Noting<'p> {
        policy: &'p mut dyn Policy,
        hits: Vec<usize>,
    }
    impl Policy for Noting<'_> {
        fn hit(&mut self, id: usize) {
            self.hits.push(id);
            self.policy.hit(id);
        }
        fn insert(&mut self, id: usize, bytes: u64) {
            self.policy.insert(id, bytes);
        }
        fn admits(&self, bytes: u64, free: u64) -> bool {
            self.policy.admits(bytes, free)
        }
        fn evict(&mut self, gone: &mut Vec<usize>) {
            self.policy.evict(gone);
        }
    }
    let trace = Trace {
        sizes: sizes.to_vec(),
        requests: requests.to_vec(),
    };
    let hits = Vec::new();
    let mut noting = Noting { policy, hits };
    let outcome = cache::replay(&trace, budget, &mut noting);
    let bytes = noting.hits.iter().map(|id| sizes[*id]).sum::<u64>();
    assert_eq!(outcome.hits.requests, noting.hits.len() as u64);
    assert_eq!(outcome.hits.bytes, bytes);
    noting.hits
}

#[test]
fn lru_evicts_what_was_not_used_for_longest() {
    let requests = [1, 2, 3, 1, 4, 2, 1, 5, 6, 7, 1];
    // 4 evicts 2, 2 evicts 3, 5 evicts 4, 6 evicts 2, 7 evicts 1.
    let found = hits(&mut Lru::default(), 3, &[1; 8], &requests);
    assert_eq!(found, [1, 1]);
}

#[test]
fn sieve_keeps_what_was_marked() {
    let requests = [1, 2, 3, 1, 4, 2, 1, 5, 6, 7, 1];
    // 4 clears the mark of 1 and evicts 2, 2 evicts 3, 5 evicts 4, 6 evicts 2, 7 evicts 5.
    let found = hits(&mut Sieve::default(), 3, &[1; 8], &requests);
    assert_eq!(found, [1, 1, 1]);
}

#[test]
fn the_hand_of_sieve_goes_from_the_newest_to_the_oldest() {
    let requests = [1, 2, 1, 2, 3, 2, 4, 5, 4];
    // 3 clears both marks and evicts 1. 4 clears that of 2 and evicts 3, the newest: so 5 evicts 2.
    let found = hits(&mut Sieve::default(), 2, &[1; 6], &requests);
    assert_eq!(found, [1, 2, 2, 4]);
}

#[test]
fn s3_fifo_moves_what_was_hit_twice_and_remembers_names() {
    let first: Vec<_> = (1..=10).collect();
    // 11 moves 1, which was hit twice, and evicts 2, which was hit once. 2 evicts 3 and 3 evicts 4,
    // and both are in the main queue at once. Then 12 to 18 evict 5 to 11, and 19 evicts 12.
    let rest: Vec<_> = [1, 1, 2, 11, 2, 3].into_iter().chain(12..=19).collect();
    let requests = [first, rest, vec![1, 2, 3, 13, 12]].concat();
    let found = hits(&mut S3Fifo::new(10), 10, &[1; 20], &requests);
    assert_eq!(found, [1, 1, 2, 1, 2, 3, 13]);
}

#[test]
fn the_main_queue_of_s3_fifo_has_nine_tenths() {
    let (sizes, [a, b, c, d, e]) = ([5, 4, 1, 1, 1], [0, 1, 2, 3, 4]);
    // d moves a and b, and evicts c. e moves d, which evicts a from the main queue, and its name is
    // not remembered. a evicts e, and e evicts a.
    let requests = [a, b, c, a, a, b, b, d, d, d, e, a, b, e, b, a];
    let found = hits(&mut S3Fifo::new(10), 10, &sizes, &requests);
    assert_eq!(found, [a, a, b, b, d, d, b, b]);
}

#[test]
fn s3_fifo_puts_back_what_was_hit_in_the_main_queue() {
    let (sizes, [a, b, c, d]) = ([5, 4, 1, 1], [0, 1, 2, 3]);
    // d moves a and b, and evicts c; c evicts d and is remembered, so that the main queue is full.
    // d puts a back, since it was hit there, and evicts b.
    let requests = [a, b, c, a, a, b, b, d, a, c, d, a, b];
    let found = hits(&mut S3Fifo::new(10), 10, &sizes, &requests);
    assert_eq!(found, [a, a, b, b, a, a]);
}

/// The main queue gets full of a, b and c, of 5, 4 and 1. Then these are requested, and d evicts one.
fn hits_in_main(requests: &[usize]) -> Vec<usize> {
    let (sizes, [a, b, c, d]) = ([5, 4, 1, 1], [0, 1, 2, 3]);
    let requests = [&[a, b, c, a, a, b, b, d, c], requests].concat();
    let mut found = hits(&mut S3Fifo::new(10), 10, &sizes, &requests);
    assert_eq!(found[..4], [a, a, b, b]);
    found.split_off(4)
}

#[test]
fn s3_fifo_puts_back_as_often_as_it_was_hit() {
    // d puts a and c back three times, and evicts b, which was hit twice.
    let found = hits_in_main(&[0, 0, 0, 1, 1, 2, 2, 2, 3, 0, 1]);
    assert_eq!(found, [0, 0, 0, 1, 1, 2, 2, 2, 0]);
}

#[test]
fn s3_fifo_counts_three_hits_at_most() {
    // d puts all of them back three times, and evicts a.
    let found = hits_in_main(&[0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 1, 0]);
    assert_eq!(found, [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 1]);
}

#[test]
fn s3_fifo_forgets_names() {
    // 11 to 20 evict 1 to 10, and of these names 9 are remembered. So 1 joins the small queue again,
    // and 21 to 30 evict it; 5 joins the main queue.
    for (id, expected) in [(1, &[][..]), (5, &[5])] {
        let requests: Vec<_> = (1..=20).chain([id]).chain(21..=30).chain([id]).collect();
        let found = hits(&mut S3Fifo::new(10), 10, &[1; 31], &requests);
        assert_eq!(found, expected);
    }
}

/// With a budget of 80, up to 10 is not large. Resource 0 has four times as much.
const SIZES: [u64; 7] = [40, 10, 10, 10, 10, 10, 90];

#[test]
fn the_size_rule_evicts_a_large_resource_first() {
    let requests = [1, 0, 2, 3, 4, 5, 1, 2];
    let found = hits(&mut Shipped::new(80), 80, &SIZES, &requests);
    assert_eq!(found, [1, 2]);
    // 5 evicts 1, and 1 evicts 0.
    assert_eq!(hits(&mut Lru::default(), 80, &SIZES, &requests), [2]);
}

#[test]
fn a_large_resource_pushes_others_out_while_it_is_read() {
    let requests = [1, 2, 3, 4, 5, 0, 1, 2];
    // 0 evicts 1, and 1 evicts 0.
    assert_eq!(hits(&mut Shipped::new(80), 80, &SIZES, &requests), [2]);
    let found = hits(&mut Admission::new(80), 80, &SIZES, &requests);
    assert_eq!(found, [1, 2]);
    let found = hits(&mut Admission::new(80), 80, &SIZES, &[1, 2, 0, 0]);
    assert_eq!(found, [0]);
}

#[test]
fn a_resource_larger_than_the_budget_pushes_out_everything() {
    for name in ["lru", "spoolbuf", "sieve", "s3-fifo"] {
        let mut policy = by_name(name, 80).expect("a policy");
        let found = hits(&mut *policy, 80, &SIZES, &[1, 2, 1, 6, 1, 2, 6, 6, 2]);
        assert_eq!(found, [1], "{name}");
    }
}

#[test]
fn without_the_size_rule_the_shipped_policy_is_lru() {
    for kind in Kind::ALL {
        let trace = kind.trace(5000, 1);
        for budget in BUDGETS {
            let mut shipped = Shipped::with_max_entry(u64::MAX, budget);
            let ours = cache::replay(&trace, budget, &mut shipped);
            let lru = cache::replay(&trace, budget, &mut Lru::default());
            assert_eq!(ours.hits, lru.hits, "{kind:?}, {budget}");
        }
    }
}

fn small() -> (Vec<Line>, ReplayOptions) {
    let args = ["--rounds", "2", "--requests", "1000"].map(str::to_owned);
    let options = ReplayOptions::parse(args.into_iter()).expect("options");
    (replay_all(&options), options)
}

#[test]
fn no_policy_exceeds_a_cache_without_a_limit() {
    let (lines, _) = small();
    assert_eq!(lines.len(), Kind::ALL.len() * BUDGETS.len());
    for line in lines {
        let most = &line.cells.last().expect("a cell").shares;
        for cell in &line.cells {
            let mut pairs = cell.shares.iter().zip(most);
            let is_less =
                |(ours, most): (&[f64; 2], &[f64; 2])| ours[0] <= most[0] && ours[1] <= most[1];
            assert!(pairs.all(is_less), "{}, {:?}", cell.policy, line.kind);
        }
    }
}

#[test]
fn each_report_has_each_row() {
    let (lines, options) = small();
    let text = report::text(&lines, &options);
    let json = report::json(&lines, &options);
    for line in ["replay-zipf-128", "replay-playlist-2048"] {
        assert!(text.contains(&format!("\n{line} ")), "{text}");
        assert!(json.contains(&format!("{{\"id\": \"{line}\"")), "{json}");
    }
    let table = report::markdown(&lines, &options);
    let columns = 3 + POLICIES.len();
    let rows = table
        .lines()
        .filter(|row| row.matches('|').count() == columns);
    assert_eq!(rows.count(), 2 + lines.len(), "{table}");
}

#[test]
fn an_unknown_option_is_an_error() {
    for args in [&["--round"][..], &["--rounds"], &["--rounds", "x"]] {
        let args = args.iter().map(|arg| (*arg).to_owned());
        assert!(ReplayOptions::parse(args).is_err());
    }
}

/// `replay --publish` writes it anew.
#[test]
fn the_published_table_is_current() {
    let options = ReplayOptions::new();
    let table = report::markdown(&replay_all(&options), &options);
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once(report::MARKS[0]).expect("a table");
    let (published, _) = rest.split_once(report::MARKS[1]).expect("its end");
    assert_eq!(published.trim(), table.trim());
}
