//! Pseudo-random numbers: the same sequence for the same seed, on every machine.

/// A generator.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        // The first numbers of similar seeds are similar.
        (0..16).for_each(|_| _ = dice.below(2));
        dice
    }

    /// A number below `most`.
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The upper bits of a product: the lower ones of such a generator are the weaker ones.
        let product = u128::from(self.0) * u128::from(most);
        (product >> 64) as u64
    }

    /// The numbers below `count`, in a random order.
    pub fn shuffled(&mut self, count: usize) -> Vec<usize> {
        let mut all: Vec<_> = (0..count).collect();
        for last in (1..count).rev() {
            all.swap(last, self.below(last as u64 + 1) as usize);
        }
        all
    }
}

/// Ranks by Zipf's law: rank k comes in proportion to 1 / k^exponent.
pub struct Zipf {
    /// The sum of the weights up to each rank. They are whole numbers, so that the last digit of a
    /// machine's `powf` does not change a trace.
    sums: Vec<u64>,
}

impl Zipf {
    pub fn new(count: usize, exponent: f64) -> Zipf {
        let mut sum = 0;
        let weight = |rank: usize| (1e9 / (rank as f64).powf(exponent)).round() as u64;
        let mut add = |rank| {
            sum += weight(rank);
            sum
        };
        Zipf {
            sums: (1..=count).map(&mut add).collect(),
        }
    }

    /// A rank, from 0 on.
    pub fn roll(&self, dice: &mut Dice) -> usize {
        let all = *self.sums.last().expect("a rank");
        let at = dice.below(all);
        self.sums.partition_point(|sum| *sum <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_s_law_holds() {
        let (zipf, mut dice) = (Zipf::new(4, 1.0), Dice::new(1));
        let mut counts = [0_u32; 4];
        (0..25_000).for_each(|_| counts[zipf.roll(&mut dice)] += 1);
        // 1, 1/2, 1/3, 1/4 of 25/12.
        for (count, expected) in counts.into_iter().zip([12_000, 6_000, 4_000, 3_000]) {
            assert!(count.abs_diff(expected) < 300, "{counts:?}");
        }
    }

    #[test]
    fn a_shuffle_loses_nothing() {
        let mut all = Dice::new(7).shuffled(100);
        assert_ne!(all, Dice::new(8).shuffled(100));
        all.sort_unstable();
        assert!(all.into_iter().eq(0..100));
    }
}
