//! Draws: fixed formulas over a ChaCha8 stream, and the streams that set one purpose apart from all others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::ids::{FaultId, Node, Seed};
use crate::plan::Fault;
use crate::units::Span;

/// The draws for a fault of a trial, set apart from those of the trial's traffic, of other purposes and of other faults.
pub(super) struct Draw;

impl Draw {
    const VICTIM: u64 = 0x5649_4354_494d_0000;
    const MOMENT: u64 = 0x4d4f_4d45_4e54_0000;
    const NTH: u64 = 0x4e54_4800_0000_0000;
    const DELAY: u64 = 0x4445_4c41_5900_0000;
    const ACT: u64 = 0x4143_5400_0000_0000;
    const ENDING: u64 = 0x454e_4449_4e47_0000;
    /// Sets the turns of neighbouring seeds apart.
    const APART: u64 = 0x9e37_79b9_7f4a_7c15;
    const CHOICE: u64 = 0x4348_4f49_4345_0000;
    /// Sets surroundings apart from faults; a plan has fewer of those.
    pub(super) const SURROUNDING: u32 = 0x8000;

    /// Which replica it is for.
    pub(super) fn victim(load_seed: Seed, FaultId(fault): FaultId) -> Draws {
        Draws::new(load_seed.0 ^ Self::VICTIM ^ u64::from(fault))
    }

    /// Its moment within a write.
    pub(super) fn moment(load_seed: Seed, FaultId(fault): FaultId) -> Draws {
        Draws::new(load_seed.0 ^ Self::MOMENT ^ u64::from(fault))
    }

    /// Which event of the load it waits for.
    pub(super) fn nth(load_seed: Seed, FaultId(fault): FaultId) -> Draws {
        Draws::new(load_seed.0 ^ Self::NTH ^ u64::from(fault))
    }

    /// How a cycle of a storm ends.
    pub(super) fn ending(load_seed: Seed) -> Draws {
        Draws::new(load_seed.0 ^ Self::ENDING)
    }

    /// How late it comes; of the first fault that is drawn with the trial.
    pub(super) fn delay(load_seed: Seed, FaultId(fault): FaultId) -> Draws {
        Draws::new(load_seed.0 ^ Self::DELAY ^ u64::from(fault))
    }

    /// How much later than its plan says it comes.
    pub(super) fn lateness(load_seed: Seed, id: FaultId, fault: &Fault) -> Span {
        let jitter = fault.jitter.as_us().max(1);
        Span::from_us(Self::delay(load_seed, id).below(jitter))
    }

    /// Which faults a trial has, by its turn among those of its arm, and how late they come.
    pub(super) fn choices(seed: Seed, turn: u32) -> Draws {
        Draws::new(
            seed.0
                .wrapping_add(u64::from(turn).wrapping_mul(Self::APART))
                ^ Self::CHOICE,
        )
    }

    /// What it does to a node; it is for several replicas, or for one node of another kind.
    pub(super) fn act(load_seed: Seed, FaultId(fault): FaultId, node: Node) -> Draws {
        let replica = match node {
            Node::Replica(replica) => u64::from(replica),
            Node::Store | Node::Balancer | Node::Cache => 0,
        };
        Draws::new(load_seed.0 ^ Self::ACT ^ replica << 16 ^ u64::from(fault))
    }
}

/// Puts things into a random order; the same seed and stream give the same.
#[derive(Debug)]
pub struct Shuffler(Draws);

impl Shuffler {
    /// One of many for a seed, each with draws of its own.
    pub fn new(seed: Seed, stream: u64) -> Self {
        // The golden ratio's bits keep the seeds of neighbouring streams apart.
        const APART: u64 = 0x9E37_79B9_7F4A_7C15;
        Self(Draws::new(seed.0.wrapping_add(stream.wrapping_mul(APART))))
    }

    /// Fisher–Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }
}

/// Draws with fixed formulas, so that no update of a library changes the meaning of a seed.
#[derive(Clone, Debug)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// Those of this seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in 0..bound, by multiply-shift (bias below bound/2^64).
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A place in this list, as often as its weight is a share of the sum of all; the last where that is nothing.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> usize {
        let total = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut drawn = self.below(total);
        let hit = weights.iter().position(|weight| {
            let is_it = drawn < u64::from(*weight);
            drawn = drawn.saturating_sub((*weight).into());
            is_it
        });
        hit.unwrap_or(weights.len().saturating_sub(1))
    }

    /// Uniform in (0, 1]: 53 random bits, never 0, so that its logarithm is finite.
    pub(super) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Fisher–Yates.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}
