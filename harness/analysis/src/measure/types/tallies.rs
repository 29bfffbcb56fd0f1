//! What is counted of operations, and can be added up over trials.

use std::collections::BTreeMap;

use comeback_model::ids::Node;
use comeback_model::operation::{Cached, ErrorClass};

use super::counts::Culprit;

/// Failed operations of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorTally {
    /// Operations scheduled.
    pub scheduled: u64,
    /// Failed ones, by class, in the order of [`ErrorClass::ALL`].
    pub failed: BTreeMap<ErrorClass, u64>,
}

/// Who failed operations, and who served them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribution {
    /// Failed operations by who failed them.
    pub failed: BTreeMap<Culprit, u64>,
    /// Correct operations by the node that answered; absent where the answering process is of no known node.
    pub served: BTreeMap<Option<Node>, u64>,
    /// Those of the failed ones that a replica failed, by that replica where it is known which.
    pub failed_by: BTreeMap<Node, u64>,
}

/// What trying again came to, in the measured load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retries {
    /// Operations that were tried.
    pub operations: u64,
    /// How often, all together.
    pub tries: u64,
    /// Operations that were tried more than once.
    pub repeated: u64,
    /// Those of them that ended correctly.
    pub saved: u64,
}

/// What a shared cache did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheTally {
    /// Replies of the measured load by how the cache came to them.
    pub replies: BTreeMap<Cached, u64>,
    /// Replies with another user's content that it had stored, in the whole trial.
    pub another_users: u64,
    /// The age of the oldest reply that it served though it was stale, where it says so.
    pub oldest_stale_s: Option<u32>,
    /// What clients got while every replica was down; absent where they never were.
    pub while_down: Option<WhileDown>,
}

/// What clients got while every replica was down: from the confirmed end of the last one to the first correct reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WhileDown {
    /// Operations scheduled.
    pub scheduled: u64,
    /// Correct ones.
    pub correct: u64,
    /// Those of them that were answered with what the cache had stored.
    pub from_cache: u64,
}

/// How much of the load was served well enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// Correct operations within the plan's objective, from their intended time; without one, all correct ones.
    pub met: u64,
    /// Correct operations, however late.
    pub correct: u64,
    /// Operations scheduled.
    pub scheduled: u64,
}

/// How many of the requests within sessions found their session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Continuity {
    /// Acts and checks that were answered correctly, as the session they belong to.
    pub kept: u64,
    /// Acts and checks whose first byte was written.
    pub sent: u64,
}

/// What the schedule wanted and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadTally {
    /// Operations the schedule wanted.
    pub scheduled: u64,
    /// Operations whose first byte was written.
    pub sent: u64,
    /// Operations that could not start in time.
    pub dropped: u64,
}

/// One window of the timeline. Operations belong to the window of their intended start.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineWindow {
    /// Start of the window, in ms relative to the fault's sending, which is `-killed` before T0 (in a control
    /// trial: relative to where it would have been).
    pub start_ms: f64,
    /// Length in ms.
    pub length_ms: f64,
    /// What was scheduled and what failed.
    pub errors: ErrorTally,
    /// Who failed it, and who served the rest.
    pub attribution: Attribution,
    /// Median latency of the correct ones, in ms.
    pub p50_ms: Option<f64>,
    /// 99th percentile, in ms; infinite when more than 1 % failed.
    pub p99_ms: Option<f64>,
}

impl TimelineWindow {
    /// Correct operations per second.
    pub fn goodput(&self) -> f64 {
        self.errors.correct() as f64 * 1_000.0 / self.length_ms
    }
}

impl ErrorTally {
    /// Operations that failed.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Operations that did not.
    pub fn correct(&self) -> u64 {
        self.scheduled.saturating_sub(self.failures())
    }

    /// Failed / scheduled, when anything was scheduled.
    pub fn rate(&self) -> Option<f64> {
        (self.scheduled > 0).then(|| self.failures() as f64 / self.scheduled as f64)
    }

    /// Counts one operation.
    pub fn count(&mut self, error: Option<ErrorClass>) {
        self.scheduled += 1;
        if let Some(class) = error {
            *self.failed.entry(class).or_default() += 1;
        }
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Self) {
        self.scheduled += other.scheduled;
        for (class, count) in &other.failed {
            *self.failed.entry(*class).or_default() += count;
        }
    }
}

impl Availability {
    /// Met / scheduled, when anything was scheduled.
    pub fn rate(&self) -> Option<f64> {
        (self.scheduled > 0).then(|| self.met as f64 / self.scheduled as f64)
    }

    /// Adds another tally.
    pub const fn merge(&mut self, other: &Self) {
        self.met += other.met;
        self.scheduled += other.scheduled;
    }
}

impl Retries {
    /// Tries for each operation: 1 where nothing was tried again.
    pub fn amplification(&self) -> Option<f64> {
        (self.operations > 0).then(|| self.tries as f64 / self.operations as f64)
    }

    /// Adds another tally.
    pub const fn merge(&mut self, other: &Self) {
        self.operations += other.operations;
        self.tries += other.tries;
        self.repeated += other.repeated;
        self.saved += other.saved;
    }
}

impl Continuity {
    /// Kept / sent, when anything was sent.
    pub fn rate(&self) -> Option<f64> {
        (self.sent > 0).then(|| self.kept as f64 / self.sent as f64)
    }

    /// Adds another tally.
    pub const fn merge(&mut self, other: &Self) {
        self.kept += other.kept;
        self.sent += other.sent;
    }
}
