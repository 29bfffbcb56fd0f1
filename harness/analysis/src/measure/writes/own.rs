//! Writes that each carry a value of their own: a reply tells which of them are there, and how often.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use comeback_model::operation::{Operation, ShownWrites};
use comeback_model::units::Elapsed;

use super::{Balance, Known};

/// What a client knows of its writes, by their numbers.
#[derive(Debug, Default)]
pub(in crate::measure) struct Own {
    writes: BTreeMap<u32, Write>,
    /// Those that are of the trial before.
    carried: BTreeSet<u32>,
    /// Those that were sent more than once.
    retried: BTreeSet<u32>,
    /// Sent without a number: whether they are shown cannot be told.
    unnumbered: u64,
}

/// What a client knows of a write.
#[derive(Clone, Copy, Debug)]
enum Write {
    Acknowledged {
        at: Elapsed,
        /// It was so before the fault.
        before: bool,
    },
    Indeterminate,
    /// Rejected, or never sent.
    Absent,
}

impl Write {
    /// The one that says more, should two changes carry the same number.
    const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Acknowledged { .. }, _) | (Self::Indeterminate, Self::Absent) => self,
            (Self::Indeterminate, Self::Acknowledged { .. } | Self::Indeterminate)
            | (Self::Absent, _) => other,
        }
    }
}

impl Own {
    pub(super) fn learn(&mut self, act: &Operation, before: bool) {
        let known = Known::of(act);
        let Some(number) = act.write else {
            // One that never left may have got no number.
            self.unnumbered += u64::from(known != Known::NeverSent);
            return;
        };
        let write = match known {
            Known::Acknowledged => Write::Acknowledged {
                at: act.finished,
                before,
            },
            Known::Indeterminate => Write::Indeterminate,
            Known::Rejected | Known::NeverSent => Write::Absent,
        };
        if act.tries > 1 {
            self.retried.insert(number);
        }
        self.writes
            .entry(number)
            .and_modify(|former| *former = former.or(write))
            .or_insert(write);
    }

    /// These were there when the trial began, and must be there after its fault.
    pub(super) fn carry_on(&mut self, found: &ShownWrites, at: Elapsed) {
        let before = true;
        let carried = |number: &u32| (*number, Write::Acknowledged { at, before });
        self.writes.extend(found.writes.iter().map(carried));
        self.carried.extend(&found.writes);
    }

    /// Number, time of acknowledgement, and whether that was before the fault.
    pub(super) fn acknowledged(&self) -> impl DoubleEndedIterator<Item = (u32, Elapsed, bool)> {
        self.writes
            .iter()
            .filter_map(|(number, write)| match write {
                Write::Acknowledged { at, before } => Some((*number, *at, *before)),
                Write::Indeterminate | Write::Absent => None,
            })
    }

    /// The numbers of those acknowledged before the fault that are not among these.
    pub(super) fn missing_in(&self, found: &ShownWrites) -> Vec<u32> {
        let own = self.acknowledged();
        let missing = own.filter(|(number, _, before)| *before && !found.writes.contains(number));
        missing.map(|(number, _, _)| number).collect()
    }

    /// When each one acknowledged before the fault was.
    fn before(&self) -> impl Iterator<Item = Elapsed> {
        self.acknowledged()
            .filter_map(|(_, at, before)| before.then_some(at))
    }

    /// Likewise those that are not of the trial before.
    fn before_in_it(&self) -> impl Iterator<Item = Elapsed> {
        let own = self.acknowledged();
        own.filter_map(|(number, at, before)| {
            (before && !self.carried.contains(&number)).then_some(at)
        })
    }

    pub(super) fn acknowledged_in_it(&self) -> u64 {
        self.before_in_it().count() as u64
    }

    /// Those acknowledged before the fault that are not among what was found; all of them where nothing was.
    pub(super) fn lost_at(&self, found: Option<&ShownWrites>) -> Vec<Elapsed> {
        let is_absent = |number: u32| found.is_none_or(|found| !found.writes.contains(&number));
        self.acknowledged()
            .filter_map(|(number, at, before)| (before && is_absent(number)).then_some(at))
            .collect()
    }

    pub(super) fn acknowledged_before(&self) -> u64 {
        self.before().count() as u64
    }

    pub(super) fn indeterminate(&self) -> u64 {
        let is_so = |write: &&Write| matches!(write, Write::Indeterminate);
        self.writes.values().filter(is_so).count() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.acknowledged().next().is_none() && self.unnumbered == 0
    }

    pub(super) const fn unnumbered(&self) -> u64 {
        self.unnumbered
    }

    pub(super) fn first_before(&self) -> Option<Elapsed> {
        self.before_in_it().min()
    }

    pub(super) fn last_before(&self) -> Option<Elapsed> {
        self.before_in_it().max()
    }

    /// The balance with what is found; absent where changes without a number leave it open. Of the foreign
    /// values found, this many were there from the beginning.
    pub(super) fn balance(
        &self,
        found: &ShownWrites,
        foreign: u32,
        until: Option<Elapsed>,
    ) -> Option<Balance> {
        if self.unnumbered > 0 {
            return None;
        }
        let shown: HashSet<u32> = found.writes.iter().copied().collect();
        let mut balance = Balance {
            // Each number is there once; whatever else is shown repeats one.
            duplicated: (found.writes.len() - shown.len()) as u64,
            phantom: u64::from(found.foreign.saturating_sub(foreign)),
            ..Balance::default()
        };
        // One that was tried again may have been stored twice, in the trial before, too.
        let may_be_twice =
            |number: &&u32| self.retried.contains(number) || self.carried.contains(number);
        let once = found.writes.iter().filter(|number| !may_be_twice(number));
        let once: Vec<u32> = once.copied().collect();
        let different: HashSet<u32> = once.iter().copied().collect();
        let again = once.len() - different.len();
        for number in &shown {
            let may_be = match self.writes.get(number) {
                Some(Write::Acknowledged { .. } | Write::Indeterminate) => true,
                Some(Write::Absent) | None => false,
            };
            balance.phantom += u64::from(!may_be);
        }
        // From the newest to the oldest, for a hole lies below what was kept.
        let mut kept_a_newer = false;
        for (number, at, before) in self.acknowledged().rev() {
            let is_shown = shown.contains(&number);
            let must_be = until.is_none_or(|until| at <= until);
            match (before, is_shown) {
                (true, true) => kept_a_newer = true,
                (true, false) => {
                    balance.lost += 1;
                    balance.holes += u64::from(kept_a_newer);
                    // When one of an earlier trial was acknowledged this trial does not tell.
                    let known = (!self.carried.contains(&number)).then_some(at);
                    balance.oldest_lost = match (balance.oldest_lost, known) {
                        (Some(oldest), Some(at)) => Some(oldest.min(at)),
                        (oldest, known) => oldest.or(known),
                    };
                }
                (false, false) => balance.lost_later += u64::from(must_be),
                (false, true) => {}
            }
        }
        balance.unexplained = again as u64 + balance.phantom;
        balance.made_up = balance.phantom;
        balance.is_older = balance.lost > 0 || balance.lost_later > 0;
        balance.is_older_than_before = balance.lost > 0;
        Some(balance)
    }

    /// Whether a write acknowledged by the time a look was sent is not among what it found `then`, and is
    /// found `now`.
    pub(super) fn is_stale(&self, then: &ShownWrites, sent: Elapsed, now: &ShownWrites) -> bool {
        let shown: HashSet<u32> = then.writes.iter().copied().collect();
        now.writes.iter().any(|number| {
            let was_acknowledged = match self.writes.get(number) {
                Some(Write::Acknowledged { at, before: _ }) => *at <= sent,
                Some(Write::Indeterminate | Write::Absent) | None => false,
            };
            was_acknowledged && !shown.contains(number)
        })
    }
}
