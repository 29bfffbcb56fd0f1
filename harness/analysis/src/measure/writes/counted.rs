//! Writes that add up in a counter. It tells how many are there, not which: the newest are taken for the
//! lost ones, and of two explanations for a count the one that speaks for the server is taken.

use comeback_model::operation::Operation;
use comeback_model::units::Elapsed;

use super::{Balance, Known};

/// What a client knows of the writes it counts.
#[derive(Debug, Default)]
pub(in crate::measure) struct Counted {
    /// When each one acknowledged before the fault was, in ascending order.
    before: Vec<Elapsed>,
    /// When each later one was.
    later: Vec<Elapsed>,
    indeterminate: u64,
    /// Sent, and rejected.
    rejected: u64,
}

impl Counted {
    pub(super) fn learn(&mut self, act: &Operation, before: bool) {
        match Known::of(act) {
            Known::Acknowledged if before => self.before.push(act.finished),
            Known::Acknowledged => self.later.push(act.finished),
            Known::Indeterminate => self.indeterminate += 1,
            Known::Rejected => self.rejected += 1,
            Known::NeverSent => {}
        }
    }

    pub(super) const fn acknowledged_before(&self) -> u64 {
        self.before.len() as u64
    }

    pub(super) const fn indeterminate(&self) -> u64 {
        self.indeterminate
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.before.is_empty() && self.later.is_empty()
    }

    pub(super) fn first_before(&self) -> Option<Elapsed> {
        self.before.first().copied()
    }

    pub(super) fn last_before(&self) -> Option<Elapsed> {
        self.before.last().copied()
    }

    /// The newest ones: which they are nobody can tell.
    pub(super) fn lost_at(&self, lost: u64) -> Vec<Elapsed> {
        let lost = usize::try_from(lost).unwrap_or(usize::MAX);
        let first = self.before.len().saturating_sub(lost);
        self.before[first..].to_vec()
    }

    /// The least the counter may be: what it began with, and every acknowledged write.
    const fn expected(&self, base: u64) -> u64 {
        base.saturating_add(self.acknowledged())
    }

    pub(super) const fn acknowledged(&self) -> u64 {
        self.before.len() as u64 + self.later.len() as u64
    }

    pub(super) fn balance(&self, counter: u64, base: u64) -> Balance {
        let expected = self.expected(base);
        // A counter below what the login gave lacks more than was acknowledged; only writes can be lost.
        let absent = expected.saturating_sub(counter).min(self.acknowledged());
        // One from after the recovery is never called lost by the fault.
        let lost = absent.min(self.acknowledged_before());
        let excess = counter.saturating_sub(expected.saturating_add(self.indeterminate));
        let phantom = excess.min(self.rejected);
        let first_lost = self.before.len() - lost as usize;
        Balance {
            is_older: counter < expected,
            is_older_than_before: lost > 0
                || counter < base.saturating_add(self.acknowledged_before()),
            lost,
            oldest_lost: self.before.get(first_lost).copied(),
            // The newest are taken for the lost ones: which they are nobody can tell.
            holes: 0,
            lost_later: absent - lost,
            duplicated: excess - phantom,
            phantom,
            // A counter that shows too much is unverifiable as it is.
            unexplained: 0,
            made_up: 0,
        }
    }

    /// A counter that was too low, and lacks nothing at last. The unanswered writes might have been applied
    /// in between and hide a loss: only what they cannot make up for was there all the while.
    pub(super) fn is_stale(&self, then: u64, sent: Elapsed, now: u64, base: u64) -> bool {
        let acknowledged_then = self
            .before
            .iter()
            .chain(&self.later)
            .filter(|at| **at <= sent)
            .count() as u64;
        let least = base.saturating_add(acknowledged_then);
        now >= self.expected(base) && then.saturating_add(self.indeterminate) < least
    }
}
