//! Seeded uniform indices for resampling, the same for ever.
//!
//! The seed's bytes, the stream (ChaCha8) and the step from stream to index are all fixed here, so that no
//! upgrade of a library of random distributions can change a published interval.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A seeded source of uniform integers.
pub(super) struct Uniform(ChaCha8Rng);

impl Uniform {
    /// The source whose key is `seed`, little endian, followed by zeros.
    pub(super) fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A uniform integer in `0..bound`, without bias; `bound` is not zero.
    ///
    /// Multiply-shift with rejection: D. Lemire, "Fast Random Integer Generation in an Interval", ACM
    /// Transactions on Modeling and Computer Simulation 29 (2019), algorithm 5.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        debug_assert!(bound > 0, "nothing lies below zero");
        let mut product = u128::from(self.0.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            let surplus = bound.wrapping_neg() % bound;
            while (product as u64) < surplus {
                product = u128::from(self.0.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// A uniform number in the open interval (0, 1): the middle of one of 2^52 equal cells.
    pub(super) fn open_unit(&mut self) -> f64 {
        ((self.0.next_u64() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reference: ChaCha with 8 rounds, counter and nonce zero, written out in Python.
    #[test]
    fn stream_of_a_seed_never_changes() {
        let mut random = Uniform::new(42);
        let drawn: Vec<u64> = (0..8).map(|_| random.below(1_000)).collect();
        assert_eq!(drawn, [348, 285, 493, 367, 825, 67, 489, 266]);
    }

    #[test]
    fn every_index_is_equally_likely() {
        // χ² with 6 degrees of freedom exceeds 22.46 once in a thousand.
        let mut random = Uniform::new(1);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        let chi_square: f64 = counts
            .iter()
            .map(|&count| (f64::from(count) - 10_000.0).powi(2) / 10_000.0)
            .sum();
        assert!(chi_square < 22.46, "{chi_square} from {counts:?}");
    }

    #[test]
    fn rejection_removes_the_bias_of_a_huge_bound() {
        // Without rejection, a bound of 3/4 of the range draws each third value twice as often: the share
        // of multiples of three would be 1/2 instead of 1/3.
        let bound = 3 << 62;
        let mut random = Uniform::new(2);
        let multiples = (0..30_000)
            .filter(|_| random.below(bound).is_multiple_of(3))
            .count();
        assert!((9_600..10_400).contains(&multiples), "{multiples}");
    }

    proptest! {
        #[test]
        fn index_is_below_its_bound(seed: u64, bound in 1_u64..) {
            prop_assert!(Uniform::new(seed).below(bound) < bound);
        }
    }
}
