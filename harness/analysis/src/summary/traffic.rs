//! What the clients saw, added up over trials.

use std::collections::BTreeMap;

use comeback_statistics as statistics;

use super::{
    AvailabilityRate, ContinuityRate, ErrorRate, JourneyRate, JourneySummary, Latency, LossShare,
    RetrySummary, SessionCounts, Windowed, WriteCounts,
};
use crate::measure::{
    Availability, Continuity, ErrorTally, JourneyOperations, Journeys, LatencyTally, Retries,
    TrialAnalysis,
};

pub(super) fn retries(trials: &[&TrialAnalysis]) -> RetrySummary {
    let pooled = sum(trials, |trial| &trial.retries);
    RetrySummary {
        operations: pooled.operations,
        tries: pooled.tries,
        amplification: pooled.amplification(),
        repeated: pooled.repeated,
        saved: pooled.saved,
    }
}

pub(super) fn by_class(tally: &ErrorTally) -> BTreeMap<String, u64> {
    let failed = tally.failed.iter().filter(|(_, count)| **count > 0);
    failed
        .map(|(class, count)| (class.name().to_owned(), *count))
        .collect()
}

/// How much is lost, from what each trial lost of what was acknowledged in it. `landed` is how many faults were confirmed.
pub fn loss_share(losses: impl Iterator<Item = (u64, u64)>, landed: u32) -> LossShare {
    let losses: Vec<(u64, u64)> = losses.collect();
    let lost: u64 = losses.iter().map(|(lost, _)| lost).sum();
    let acknowledged: u64 = losses.iter().map(|(_, acknowledged)| acknowledged).sum();
    if acknowledged == 0 {
        return LossShare::default();
    }
    let known = LossShare {
        share: Some(lost as f64 / acknowledged as f64),
        ..LossShare::default()
    };
    let bound = statistics::zero_event_upper_bound(u64::from(landed));
    if lost == 0 {
        return LossShare {
            loss_not_excluded: bound,
            ..known
        };
    }
    if lost == acknowledged {
        return LossShare {
            spared_not_excluded: bound,
            ..known
        };
    }
    let parts = losses.iter().map(|(lost, acknowledged)| statistics::Part {
        part: *lost as f64,
        whole: *acknowledged as f64,
    });
    let interval = statistics::rate_interval(&parts.collect::<Vec<_>>());
    // Trials that are all alike say nothing of how far others would differ.
    let interval = interval.filter(|interval| interval.low < interval.high);
    LossShare {
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
        ..known
    }
}

pub(super) fn journeys(trials: &[&TrialAnalysis]) -> Option<JourneySummary> {
    let each: Vec<&Journeys> = trials
        .iter()
        .filter_map(|trial| trial.journeys.as_ref())
        .collect();
    each.first()?;
    let mut all = Journeys::default();
    each.iter().for_each(|journeys| all.merge(journeys));
    let rate = |operations: &JourneyOperations| JourneyRate {
        scheduled: operations.scheduled,
        torn: operations.torn,
        undecided: operations.undecided,
        goodput: operations.goodput(),
    };
    let parts: Vec<statistics::Part> = each
        .iter()
        .map(|journeys| journeys.total())
        .filter(|operations| operations.known() > 0)
        .map(|operations| statistics::Part {
            part: operations.whole() as f64,
            whole: operations.known() as f64,
        })
        .collect();
    let interval = statistics::rate_interval(&parts);
    Some(JourneySummary {
        journeys: all.all,
        torn: all.torn,
        undecided: all.undecided,
        goodput: all.total().goodput(),
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
        operations: Windowed {
            before: rate(&all.operations.before),
            during: rate(&all.operations.during),
            after: rate(&all.operations.after),
        },
    })
}

pub(super) fn continuity(trials: &[&TrialAnalysis]) -> ContinuityRate {
    let pooled = sum(trials, |trial| &trial.continuity);
    ContinuityRate {
        sent: pooled.sent,
        kept: pooled.kept,
        rate: pooled.rate(),
    }
}

/// The mean over the trials that have a value.
pub(super) fn goodput(trials: &[&TrialAnalysis]) -> Option<f64> {
    let figures: Vec<f64> = trials.iter().filter_map(|trial| trial.goodput()).collect();
    let sum: f64 = figures.iter().sum();
    (!figures.is_empty()).then(|| sum / figures.len() as f64)
}

/// Something that can be added up over trials.
pub(super) trait Tally: Default {
    fn add(&mut self, other: &Self);
}

impl Tally for ErrorTally {
    fn add(&mut self, other: &Self) {
        self.merge(other);
    }
}

impl Tally for LatencyTally {
    fn add(&mut self, other: &Self) {
        self.merge(other);
    }
}

impl Tally for Availability {
    fn add(&mut self, other: &Self) {
        self.merge(other);
    }
}

impl Tally for Retries {
    fn add(&mut self, other: &Self) {
        self.merge(other);
    }
}

impl Tally for Continuity {
    fn add(&mut self, other: &Self) {
        self.merge(other);
    }
}

pub(super) fn sum<T: Tally>(trials: &[&TrialAnalysis], of: impl Fn(&TrialAnalysis) -> &T) -> T {
    trials.iter().fold(T::default(), |mut sum, trial| {
        sum.add(of(trial));
        sum
    })
}

pub(super) fn windowed<T: Tally, F>(
    trials: &[&TrialAnalysis],
    of: impl Fn(&TrialAnalysis) -> &Windowed<T>,
    figure: impl Fn(&T) -> F,
) -> Windowed<F> {
    Windowed {
        before: figure(&sum(trials, |trial| &of(trial).before)),
        during: figure(&sum(trials, |trial| &of(trial).during)),
        after: figure(&sum(trials, |trial| &of(trial).after)),
    }
}

/// What failed in each part of the trials.
pub(super) fn errors(trials: &[&TrialAnalysis]) -> Windowed<ErrorRate> {
    let of = |part: fn(&Windowed<ErrorTally>) -> &ErrorTally| {
        error_rate(trials.iter().map(|trial| part(&trial.errors)))
    };
    Windowed {
        before: of(|errors| &errors.before),
        during: of(|errors| &errors.during),
        after: of(|errors| &errors.after),
    }
}

/// What failed of what was scheduled, from the tally of each trial. A trial in which nothing was scheduled says nothing.
pub fn error_rate<'a>(trials: impl Iterator<Item = &'a ErrorTally>) -> ErrorRate {
    let asked: Vec<&ErrorTally> = trials.filter(|tally| tally.scheduled > 0).collect();
    let mut all = ErrorTally::default();
    asked.iter().for_each(|tally| all.merge(tally));
    let by_class = all
        .failed
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(class, count)| {
            let share = *count as f64 / all.scheduled as f64;
            (class.name().to_owned(), share)
        })
        .collect();
    let shares = asked
        .iter()
        .map(|tally| (tally.failures(), tally.scheduled));
    let known = loss_share(shares, asked.len() as u32);
    ErrorRate {
        scheduled: all.scheduled,
        failed: all.failures(),
        rate: all.rate(),
        trials: asked.len() as u32,
        low: known.low,
        high: known.high,
        failure_not_excluded: known.loss_not_excluded,
        success_not_excluded: known.spared_not_excluded,
        by_class,
    }
}

pub(super) fn availability(trials: &[&TrialAnalysis]) -> AvailabilityRate {
    let pooled = sum(trials, |trial| &trial.availability);
    AvailabilityRate {
        scheduled: pooled.scheduled,
        met: pooled.met,
        rate: pooled.rate(),
    }
}

pub(super) fn latency(tally: &LatencyTally) -> Latency {
    let finite = |q| tally.quantile_ms(q).filter(|figure| figure.is_finite());
    Latency {
        p50: finite(0.5),
        p99: finite(0.99),
    }
}

pub(super) fn sessions(trials: &[&TrialAnalysis]) -> SessionCounts {
    let add = |of: fn(&SessionCounts) -> u64| {
        trials
            .iter()
            .fold(0_u64, |sum, trial| sum.saturating_add(of(&trial.sessions)))
    };
    SessionCounts {
        acknowledged: add(|counts| counts.acknowledged),
        survived: add(|counts| counts.survived),
        lost: add(|counts| counts.lost),
        rejected: add(|counts| counts.rejected),
        recreated: add(|counts| counts.recreated),
        broken: add(|counts| counts.broken),
        known_later: add(|counts| counts.known_later),
        reset: add(|counts| counts.reset),
        wrong_identity: add(|counts| counts.wrong_identity),
        wrong_identity_later: add(|counts| counts.wrong_identity_later),
        zombie: add(|counts| counts.zombie),
        zombie_later: add(|counts| counts.zombie_later),
        zombie_recent: add(|counts| counts.zombie_recent),
        logged_out_unseen: add(|counts| counts.logged_out_unseen),
        undecided: add(|counts| counts.undecided),
        ambiguous: add(|counts| counts.ambiguous),
        logged_out: add(|counts| counts.logged_out),
        lost_doubted: add(|counts| counts.lost_doubted),
        reset_doubted: add(|counts| counts.reset_doubted),
        zombie_doubted: add(|counts| counts.zombie_doubted),
    }
}

pub(super) fn writes(trials: &[&TrialAnalysis]) -> WriteCounts {
    let add = |of: fn(&WriteCounts) -> u64| {
        trials
            .iter()
            .fold(0_u64, |sum, trial| sum.saturating_add(of(&trial.writes)))
    };
    WriteCounts {
        acknowledged: add(|counts| counts.acknowledged),
        kept: add(|counts| counts.kept),
        lost: add(|counts| counts.lost),
        duplicated: add(|counts| counts.duplicated),
        phantom: add(|counts| counts.phantom),
        indeterminate: add(|counts| counts.indeterminate),
        holes: add(|counts| counts.holes),
        stale_reads: add(|counts| counts.stale_reads),
        unverifiable: add(|counts| counts.unverifiable),
        unverified: add(|counts| counts.unverified),
        lost_doubted: add(|counts| counts.lost_doubted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_share_that_is_lost_has_the_bounds_that_fit_it() {
        let of = |losses: &[(u64, u64)], landed| loss_share(losses.iter().copied(), landed);
        assert_eq!(of(&[(0, 0)], 1), LossShare::default());
        let nothing = of(&[(0, 10); 6], 6);
        let bound = statistics::zero_event_upper_bound(6);
        assert_eq!(
            (nothing.share, nothing.loss_not_excluded),
            (Some(0.0), bound)
        );
        assert_eq!(
            (nothing.low, nothing.high, nothing.spared_not_excluded),
            (None, None, None)
        );
        let all = of(&[(10, 10); 6], 6);
        assert_eq!((all.share, all.spared_not_excluded), (Some(1.0), bound));
        assert_eq!(
            (all.low, all.high, all.loss_not_excluded),
            (None, None, None)
        );
        let alike = of(&[(5, 10); 6], 6);
        assert_eq!(
            (alike.share, alike.low, alike.high),
            (Some(0.5), None, None)
        );
        let some = of(&[(1, 10), (2, 10), (3, 10), (4, 10), (5, 10), (6, 10)], 6);
        assert!(some.low < some.share && some.share < some.high, "{some:?}");
        assert_eq!(
            (some.loss_not_excluded, some.spared_not_excluded),
            (None, None)
        );
    }
}
