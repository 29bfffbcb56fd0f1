//! The samples of a gate: each trial's figure of its metric, what it is compared with, and what is said where there are
//! none.

use std::collections::BTreeSet;

use comeback_model::gate::{Count, Metric, Time, Unit};

use super::figure::{Estimate, Missing};
use super::values::{self, Share, errors_of, trials_with};
use crate::measure::words::{counted, was};
use crate::measure::{ArmAnalysis, Tally, TrialAnalysis};

/// The mend for a stored baseline that does not do.
pub(crate) const REMEASURE: &str = "measure it again beside this one (--remeasure)";

/// Whether a gate holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GateState {
    Holds,
    /// With what was found.
    Broken(String),
    /// With what is missing.
    Unknown(Missing),
}

/// What an arm is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base<'a> {
    pub(crate) arm: &'a ArmAnalysis,
    /// Of an earlier run, not of this one: further trials of this run are none of it.
    pub(crate) stored: bool,
}

/// One trial's figures, absent where a trial has none.
pub(crate) type Samples = Vec<Option<f64>>;

/// Each trial's share; trials in which nothing was scheduled there have none.
pub(crate) fn shares(metric: Metric, arm: &ArmAnalysis) -> Vec<Share> {
    let shares: Vec<Share> = match metric {
        Metric::ErrorRate(part) => {
            let trials = trials_with(part, arm).into_iter();
            trials
                .map(|trial| Share::from(errors_of(part, trial)))
                .collect()
        }
        Metric::Served(served) => arm
            .faulted()
            .filter_map(|trial| values::share_served(served, trial))
            .collect(),
        Metric::Count(_) | Metric::Latency(_, _) | Metric::Time(_, _) => Vec::new(),
    };
    shares.into_iter().filter(|share| share.whole > 0).collect()
}

/// Each trial's figure, absent where it should have one: it may have been any. So it may where the machine was too busy.
pub(crate) fn samples(metric: Metric, arm: &ArmAnalysis) -> Samples {
    known(metric, arm.faulted())
}

/// The most that each trial's figure may have been, in the same order; absent where that is not known either.
pub(crate) fn most(metric: Metric, arm: &ArmAnalysis) -> Samples {
    let longest = |trial: &TrialAnalysis| match metric {
        Metric::Time(time, _) if trial.busy.is_some() && trial.shortened.contains(&time) => None,
        Metric::Time(time, _) => values::longest_time(time, trial),
        Metric::Count(_) | Metric::ErrorRate(_) | Metric::Served(_) | Metric::Latency(_, _) => {
            figure(metric, trial)
        }
    };
    samples_among(metric, arm.faulted(), longest)
}

fn known<'a>(metric: Metric, trials: impl Iterator<Item = &'a TrialAnalysis>) -> Samples {
    samples_among(metric, trials, |trial| {
        figure(metric, trial).filter(|_| trial.busy.is_none())
    })
}

/// Of an arm and of what it is compared with, the samples that compare with each other: where the run was split, those of each
/// shard apart, since what a machine adds is in all of its times.
pub(crate) fn strata(metric: Metric, arm: &ArmAnalysis, base: Base<'_>) -> Vec<[Samples; 2]> {
    let shards = shards_of(arm).into_iter().chain(shards_of(base.arm));
    let shards: BTreeSet<Option<u32>> = shards.collect();
    if base.stored || shards.len() < 2 {
        return vec![[arm, base.arm].map(|arm| samples(metric, arm))];
    }
    let of_shard = |shard| {
        [arm, base.arm].map(|arm| {
            let trials = arm.faulted().filter(|trial| trial.shard == shard);
            known(metric, trials)
        })
    };
    shards.into_iter().map(of_shard).collect()
}

/// The shards of an arm's trials that count.
pub(crate) fn shards_of(arm: &ArmAnalysis) -> BTreeSet<Option<u32>> {
    arm.faulted().map(|trial| trial.shard).collect()
}

/// A trial's own figure of a time or a latency.
pub(crate) fn figure(metric: Metric, trial: &TrialAnalysis) -> Option<f64> {
    match metric {
        Metric::Time(time, _) => trial.figure(time),
        Metric::Latency(part, quantile) => values::latency_ms(quantile, part, trial),
        Metric::Count(_) | Metric::ErrorRate(_) | Metric::Served(_) => None,
    }
}

fn samples_among<'a>(
    metric: Metric,
    trials: impl Iterator<Item = &'a TrialAnalysis>,
    known: impl Fn(&TrialAnalysis) -> Option<f64>,
) -> Samples {
    let trials = trials.filter(|trial| should_have(metric, trial));
    trials.map(known).collect()
}

/// Whether a trial should have a figure of its own, be it known or not.
fn should_have(metric: Metric, trial: &TrialAnalysis) -> bool {
    match metric {
        // A fault that no client noticed has no time to be noticed in, unless they were too busy; all other times exist.
        Metric::Time(Time::Detect, _) => figure(metric, trial).is_some() || trial.busy.is_some(),
        Metric::Time(_, _) => true,
        // Where nothing was scheduled there was nothing to be late.
        Metric::Latency(_, _) => figure(metric, trial).is_some(),
        Metric::Count(_) | Metric::ErrorRate(_) | Metric::Served(_) => false,
    }
}

/// The samples, with `any` for what is absent.
pub(crate) fn filled(samples: &[Option<f64>], any: f64) -> Vec<f64> {
    samples.iter().map(|figure| figure.unwrap_or(any)).collect()
}

/// That nothing was there to be judged.
pub(crate) fn no_samples(unit: Unit) -> GateState {
    GateState::Unknown(Missing::for_good(match unit {
        Unit::Count => "there was nothing to count: zero samples",
        Unit::Share => "no operation was scheduled there: zero samples",
        Unit::Ms | Unit::Seconds => "no trial has this figure: zero samples",
    }))
}

/// That nothing was there to be counted. Writes may have been acknowledged that no look could show.
pub(crate) fn nothing_counted(count: Count, arm: &ArmAnalysis) -> GateState {
    let trials = arm.faulted().filter(|_| count == Count::LostWrites);
    match trials.map(|trial| trial.writes.unverified).sum() {
        0 => no_samples(Unit::Count),
        writes => GateState::Unknown(Missing::for_good(format!(
            "no write could be verified: {} {} acknowledged before the fault, in sessions that had ended by then; let fewer users log out",
            counted(writes, "write"),
            was(writes)
        ))),
    }
}

/// That nobody knows whether so many journeys were torn.
pub(crate) fn undecided_journeys(undecided: u64) -> Missing {
    Missing::for_good(format!(
        "{}: their sessions gave no definite answer after the fault",
        counted(undecided, "undecided journey")
    ))
}

/// That what has no answer could break the gate, or mend it.
pub(crate) fn without_answers(count: Count, counted: &str, tally: Tally) -> Missing {
    let hidden = match tally.unverifiable {
        0 => String::new(),
        writes => format!(
            ", {writes} unverifiable: the counters of their sessions show more than was ever sent, which hides what \
             they lack"
        ),
    };
    let doubted = match tally.doubted {
        0 => String::new(),
        more => format!(", {more} more if each reply was whole that a fault may have cut off"),
    };
    Missing::for_good(format!(
        "{counted} for certain, {} {}{hidden}{doubted}",
        tally.undecided,
        count.without_an_answer()
    ))
}

/// A figure with its interval, unless that is a point.
pub(crate) fn show(figure: Estimate, show: impl Fn(f64) -> String) -> String {
    let Estimate { value, low, high } = figure;
    if low == high {
        return show(value);
    }
    format!("{} [{}, {}]", show(value), show(low), show(high))
}
