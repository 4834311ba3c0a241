//! The traces: who asks for what, and how large it is.

use super::dice::{Dice, Zipf};

const MIB: u64 = 1 << 20;
/// The resources that are asked for again and again.
const RESOURCES: usize = 4000;
/// A playlist, and how often it is played through before the next one.
const PLAYLIST: usize = 60;
const LOOPS: usize = 5;
/// Sessions at a time, and the requests of each.
const SESSIONS: usize = 8;
const SESSION: usize = 50;

/// The sizes of the resources in bytes, and the resources in the order of the requests.
pub struct Trace {
    pub sizes: Vec<u64>,
    pub requests: Vec<usize>,
}

/// A kind of trace.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    Zipf,
    /// Half of the requests are for resources that nobody asks for again.
    Once,
    Sessions,
    Playlist,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Zipf, Kind::Once, Kind::Sessions, Kind::Playlist];

    pub fn id(self) -> &'static str {
        match self {
            Kind::Zipf => "zipf",
            Kind::Once => "once",
            Kind::Sessions => "sessions",
            Kind::Playlist => "playlist",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Kind::Zipf => "Zipf 0.9",
            Kind::Once => "Zipf 0.9, half never asked for again",
            Kind::Sessions => "sessions that go to and fro",
            Kind::Playlist => "playlists of 60 in a loop",
        }
    }

    /// The trace of that kind and seed.
    pub fn trace(self, count: usize, seed: u64) -> Trace {
        let mut dice = Dice::new(seed);
        let mut sizes: Vec<_> = (0..RESOURCES).map(|_| size(&mut dice)).collect();
        let requests = match self {
            Kind::Zipf => zipf(count, &mut dice),
            Kind::Once => once(count, &mut dice, &mut sizes),
            Kind::Sessions => sessions(count, &mut dice),
            Kind::Playlist => playlists(count, &mut dice),
        };
        Trace { sizes, requests }
    }
}

/// 2 to 6 MiB, or, one in fifty, 100 to 600 MiB.
fn size(dice: &mut Dice) -> u64 {
    match dice.below(50) {
        0 => 100 * MIB + dice.below(500 * MIB + 1),
        _ => 2 * MIB + dice.below(4 * MIB + 1),
    }
}

fn zipf(count: usize, dice: &mut Dice) -> Vec<usize> {
    let zipf = Zipf::new(RESOURCES, 0.9);
    (0..count).map(|_| zipf.roll(dice)).collect()
}

fn once(count: usize, dice: &mut Dice, sizes: &mut Vec<u64>) -> Vec<usize> {
    let zipf = Zipf::new(RESOURCES, 0.9);
    let mut next = || match dice.below(2) {
        0 => zipf.roll(dice),
        _ => {
            sizes.push(size(dice));
            sizes.len() - 1
        }
    };
    (0..count).map(|_| next()).collect()
}

/// Each session starts anywhere in a feed of all resources. Three of five steps go forward, two go
/// back.
fn sessions(count: usize, dice: &mut Dice) -> Vec<usize> {
    let mut sessions = [(0, 0); SESSIONS];
    let mut next = || {
        let (at, left) = &mut sessions[dice.below(SESSIONS as u64) as usize];
        match (*left, dice.below(5)) {
            (0, _) => (*at, *left) = (dice.below(RESOURCES as u64) as usize, SESSION),
            (_, 0..3) => *at = (*at + 1) % RESOURCES,
            (..) => *at = (*at + RESOURCES - 1) % RESOURCES,
        }
        *left -= 1;
        *at
    };
    (0..count).map(|_| next()).collect()
}

fn playlists(count: usize, dice: &mut Dice) -> Vec<usize> {
    let mut requests = Vec::new();
    while requests.len() < count {
        let mut list = dice.shuffled(RESOURCES);
        list.truncate(PLAYLIST);
        (0..LOOPS).for_each(|_| requests.extend(&list));
    }
    requests.truncate(count);
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_seed_makes_the_same_trace_again() {
        for kind in Kind::ALL {
            let make = |seed| {
                let trace = kind.trace(5000, seed);
                assert_eq!(trace.requests.len(), 5000);
                (trace.sizes, trace.requests)
            };
            assert_eq!(make(3), make(3));
            assert_ne!(make(3), make(4));
        }
    }

    #[test]
    fn one_resource_in_fifty_is_large() {
        let sizes = Kind::Once.trace(40_000, 1).sizes;
        let is_large = |size: &&u64| (100 * MIB..=600 * MIB).contains(*size);
        let is_small = |size: &&u64| (2 * MIB..=6 * MIB).contains(*size);
        let large = sizes.iter().filter(is_large).count();
        let small = sizes.iter().filter(is_small).count();
        assert_eq!(large + small, sizes.len());
        assert!((40..60).contains(&(sizes.len() / large)), "{large}");
    }

    #[test]
    fn half_is_never_asked_for_again() {
        let requests = Kind::Once.trace(40_000, 1).requests;
        let once: Vec<_> = requests.iter().filter(|id| **id >= RESOURCES).collect();
        assert!(once.len().abs_diff(20_000) < 500);
        assert_eq!(once.iter().collect::<HashSet<_>>().len(), once.len());
    }

    #[test]
    fn a_playlist_is_a_loop() {
        let requests = Kind::Playlist.trace(3000, 1).requests;
        let (first, rest) = requests.split_at(PLAYLIST * LOOPS);
        let list: HashSet<_> = first[..PLAYLIST].iter().collect();
        assert_eq!(list.len(), PLAYLIST);
        assert!(
            first
                .chunks(PLAYLIST)
                .all(|part| *part == first[..PLAYLIST])
        );
        assert_ne!(rest[..PLAYLIST], first[..PLAYLIST]);
    }

    #[test]
    fn sessions_go_by_single_steps() {
        let requests = Kind::Sessions.trace(40_000, 1).requests;
        // The step that a session takes is from where one of the last few requests was.
        let is_near = |at: &usize| {
            let before = &requests[at.saturating_sub(200)..*at];
            before
                .iter()
                .any(|other| other.abs_diff(requests[*at]) == 1)
        };
        let near = (0..requests.len()).filter(is_near).count();
        assert!(near > 40_000 * 9 / 10, "{near}");
    }
}
