//! What was counted of one thing.

/// What a count found, and what it may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// For certain.
    pub(crate) found: u64,
    /// At most, if everything undecided counts.
    pub(crate) most: u64,
    /// How many there were to be counted.
    pub(crate) out_of: u64,
    /// How many of those gave no answer.
    pub(crate) undecided: u64,
    /// How many were acknowledged in sessions whose counter hides whether one of them is lacking.
    pub(crate) unverifiable: u64,
    /// How many more there are if each reply was whole that a fault may have cut off.
    pub(crate) doubted: u64,
    /// Found for certain in trials that count for nothing else, and out of how many.
    pub(crate) aside: (u64, u64),
}

impl Tally {
    pub(in crate::measure) const fn with_doubted(self, doubted: u64) -> Self {
        Self {
            most: self.most.saturating_add(doubted),
            doubted,
            ..self
        }
    }

    /// A server may answer with counters that add up to more than can be counted.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            found: self.found.saturating_add(other.found),
            most: self.most.saturating_add(other.most),
            out_of: self.out_of.saturating_add(other.out_of),
            undecided: self.undecided.saturating_add(other.undecided),
            unverifiable: self.unverifiable.saturating_add(other.unverifiable),
            doubted: self.doubted.saturating_add(other.doubted),
            aside: (
                self.aside.0.saturating_add(other.aside.0),
                self.aside.1.saturating_add(other.aside.1),
            ),
        }
    }
}
