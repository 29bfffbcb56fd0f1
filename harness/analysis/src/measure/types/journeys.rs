//! What became of the users' journeys.

use super::Windowed;

/// What became of the journeys that have an operation in the measured load.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journeys {
    /// How many there are.
    pub all: u64,
    /// Those that the fault tore; in a control trial, those that were torn without any.
    pub torn: u64,
    /// Those of which it is not known: nothing failed, and what became of the session is undecided.
    pub undecided: u64,
    /// Their operations, by the part of the trial that each belongs to.
    pub operations: Windowed<JourneyOperations>,
}

/// Operations of journeys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JourneyOperations {
    /// Scheduled.
    pub scheduled: u64,
    /// Those of torn journeys: they are lost with them, also where they were answered correctly.
    pub torn: u64,
    /// Those of journeys of which it is not known whether they were torn.
    pub undecided: u64,
}

impl Journeys {
    /// All their operations.
    pub fn total(&self) -> JourneyOperations {
        let Windowed {
            before,
            during,
            after,
        } = &self.operations;
        let mut total = *before;
        total.merge(during);
        total.merge(after);
        total
    }

    /// Adds those of another trial.
    pub const fn merge(&mut self, other: &Self) {
        self.all += other.all;
        self.torn += other.torn;
        self.undecided += other.undecided;
        self.operations.before.merge(&other.operations.before);
        self.operations.during.merge(&other.operations.during);
        self.operations.after.merge(&other.operations.after);
    }
}

impl JourneyOperations {
    /// Those of journeys of which it is known whether they were torn.
    pub const fn known(&self) -> u64 {
        self.scheduled.saturating_sub(self.undecided)
    }

    /// Those of journeys that were not torn.
    pub const fn whole(&self) -> u64 {
        self.known().saturating_sub(self.torn)
    }

    /// The action-weighted goodput: whole / known, when any is known.
    pub fn goodput(&self) -> Option<f64> {
        (self.known() > 0).then(|| self.whole() as f64 / self.known() as f64)
    }

    /// Adds other ones.
    pub const fn merge(&mut self, other: &Self) {
        self.scheduled += other.scheduled;
        self.torn += other.torn;
        self.undecided += other.undecided;
    }
}
