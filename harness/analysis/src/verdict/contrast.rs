//! How an arm's figure lies against that of its baseline: the difference with its interval, whatever is made
//! of it. Of times and latencies it is the Hodges–Lehmann shift, of rates and counts the difference between
//! pooled shares, with whole trials as its samples.

use comeback_model::gate::{Allowance, Count, Demand, Gate};
use comeback_statistics as statistics;

use super::figure::{Estimate, pooled, pooled_difference};
use super::samples::filled;
use super::values::Share;
use crate::measure::{ArmAnalysis, Tally};

/// How many trials of each arm there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) new: usize,
    pub(crate) base: usize,
}

/// The shift of `new` against `base`; none where there are too few trials for its interval.
pub(crate) fn of_samples(new: &[Option<f64>], base: &[Option<f64>]) -> Option<Estimate> {
    // A trial without the figure may have had any: what was least here and most there bounds the shift from
    // below.
    let lower = statistics::hodges_lehmann(&filled(new, 0.0), &filled(base, f64::INFINITY))?;
    let upper = statistics::hodges_lehmann(&filled(new, f64::INFINITY), &filled(base, 0.0))?;
    Some(Estimate {
        value: upper.estimate.or(lower.estimate).unwrap_or(f64::NAN),
        low: lower.low,
        high: upper.high,
    })
}

/// Samples of both arms of which only those of one stratum compare with each other.
pub(crate) type Strata = [[Vec<Option<f64>>; 2]];

/// The shift between them.
pub(crate) fn of_strata(strata: &Strata) -> Option<Estimate> {
    if let [[new, base]] = strata {
        return of_samples(new, base);
    }
    let shift = |of_new: f64, of_base: f64| {
        with_filled(strata, (of_new, of_base), statistics::hodges_lehmann_within)
    };
    let (lower, upper) = (shift(0.0, f64::INFINITY)?, shift(f64::INFINITY, 0.0)?);
    Some(Estimate {
        value: upper.estimate.or(lower.estimate).unwrap_or(f64::NAN),
        low: lower.low,
        high: upper.high,
    })
}

/// How likely chance alone puts the first arm by more than `allowed` above the second, as these samples are.
pub(crate) fn chance_of_strata(strata: &Strata, allowed: f64) -> f64 {
    match strata {
        [[new, base]] => {
            statistics::shift_excess(&filled(new, 0.0), &filled(base, f64::INFINITY), allowed)
        }
        strata => with_filled(strata, (0.0, f64::INFINITY), |strata| {
            statistics::shift_excess_within(strata, allowed)
        }),
    }
}

/// Of the strata, with these for what is absent.
fn with_filled<T>(
    strata: &Strata,
    (of_new, of_base): (f64, f64),
    figure: impl FnOnce(&[(&[f64], &[f64])]) -> T,
) -> T {
    let filled: Vec<[Vec<f64>; 2]> = strata
        .iter()
        .map(|[new, base]| [filled(new, of_new), filled(base, of_base)])
        .collect();
    let strata: Vec<(&[f64], &[f64])> = filled
        .iter()
        .map(|[new, base]| (&new[..], &base[..]))
        .collect();
    figure(&strata)
}

/// The difference between pooled shares, neither empty; its ends are infinite where it has no interval.
pub(crate) fn of_shares(new: &[Share], base: &[Share]) -> Estimate {
    let [of_new, of_base] = [new, base].map(|shares| pooled(&shares.iter().collect::<Vec<_>>()));
    let value = of_new - of_base;
    match pooled_difference(new, base) {
        Some(interval) => Estimate {
            value,
            low: interval.low.min(value),
            high: interval.high.max(value),
        },
        None => Estimate {
            value,
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
        },
    }
}

/// The difference between the shares of what there was to count. What is undecided counts for the arm where
/// it makes the end of the interval.
pub(crate) fn of_count(count: Count, new: &ArmAnalysis, base: &ArmAnalysis) -> Estimate {
    let most = |arm| counted(count, arm, |tally| tally.most);
    let (of_new, of_base) = (found(count, new), found(count, base));
    let lower = pooled_difference(&of_new, &most(base));
    let upper = pooled_difference(&most(new), &of_base);
    let [value, from] = [of_new, of_base].map(|shares| pooled(&shares.iter().collect::<Vec<_>>()));
    Estimate {
        value: value - from,
        low: lower.map_or(f64::NEG_INFINITY, |interval| interval.low),
        high: upper.map_or(f64::INFINITY, |interval| interval.high),
    }
}

/// Trials in which there was something to count.
pub(crate) fn sizes_of_count(count: Count, new: &ArmAnalysis, base: &ArmAnalysis) -> Sizes {
    Sizes {
        new: found(count, new).len(),
        base: found(count, base).len(),
    }
}

/// Each trial's share of what was found for certain, where there was something to count.
pub(crate) fn found(count: Count, arm: &ArmAnalysis) -> Vec<Share> {
    counted(count, arm, |tally| tally.found)
}

fn counted(count: Count, arm: &ArmAnalysis, part: fn(Tally) -> u64) -> Vec<Share> {
    arm.faulted()
        .map(|trial| trial.tally(count))
        .filter(|tally| tally.out_of > 0)
        .map(|tally| Share {
            // A write may be there many times too often, or more often than can be counted: as a share it is
            // one that is.
            part: part(tally).min(tally.out_of),
            whole: tally.out_of,
        })
        .collect()
}

/// What lacks to each whole.
pub(crate) fn unmet(shares: &[Share]) -> Vec<Share> {
    let unmet = |share: &Share| Share {
        part: share.whole.saturating_sub(share.part),
        whole: share.whole,
    };
    shares.iter().map(unmet).collect()
}

/// How much worse than these trials of a baseline a figure may be, in the metric's unit; a bound allows nothing of the
/// kind.
pub(crate) fn allowed(gate: &Gate, base: &[Option<f64>]) -> f64 {
    match gate.demand() {
        Demand::NoWorse(allowance) => self::allowance(allowance, base).1,
        Demand::Bound(_, _) => 0.0,
    }
}

/// How much larger a figure may be than that of these trials of the baseline: to hold it must keep within
/// the first, the smaller one there may be; to be broken exceed the second.
pub(crate) fn allowance(allowance: Allowance, base: &[Option<f64>]) -> (f64, f64) {
    allowed_with(allowance, base, noise(base))
}

/// The same where only the samples of one stratum compare with each other, as those of one machine do. Of several it is what keeps
/// within the least that one of them allows, and exceeds the most. How far two medians of one machine lie apart is not known.
pub(crate) fn allowance_over(allowance: Allowance, strata: &Strata) -> (f64, f64) {
    if let [[_, base]] = strata {
        return self::allowance(allowance, base);
    }
    let pairs = strata
        .iter()
        .filter(|[new, base]| !new.is_empty() && !base.is_empty());
    let each = pairs.map(|[_, base]| allowed_with(allowance, base, Some(0.0)));
    each.reduce(|(least, most), (to_hold, to_break)| (least.min(to_hold), most.max(to_break)))
        .unwrap_or((allowance.absolute, f64::INFINITY))
}

fn allowed_with(allowance: Allowance, base: &[Option<f64>], noise: Option<f64>) -> (f64, f64) {
    (
        share_of(allowance, &filled(base, 0.0), 0.0, noise.unwrap_or(0.0)),
        share_of(
            allowance,
            &filled(base, f64::INFINITY),
            f64::INFINITY,
            noise.unwrap_or(f64::INFINITY),
        ),
    )
}

/// A baseline mostly beyond the horizon has no share that could be said: it counts as `open`.
fn share_of(allowance: Allowance, base: &[f64], open: f64, noise: f64) -> f64 {
    let median = statistics::median(base).unwrap_or(0.0);
    let share = match (allowance.relative > 0.0, median.is_finite()) {
        (false, _) => 0.0,
        (true, true) => allowance.relative * median,
        (true, false) => open,
    };
    share
        .max(allowance.absolute)
        .max(noise.min(allowance.noise))
}

/// How far two medians of this server lie apart by chance: the width of the median's interval, or the whole range
/// where there are too few trials for one. Not known where trials lack the figure.
fn noise(base: &[Option<f64>]) -> Option<f64> {
    let samples = base.iter().copied().collect::<Option<Vec<f64>>>()?;
    let (low, high) = match statistics::median_interval(&samples) {
        Some(interval) => (interval.low, interval.high),
        None => samples
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), sample| {
                (low.min(*sample), high.max(*sample))
            }),
    };
    // Both ends may lie beyond the horizon.
    Some(high - low).filter(|width| !width.is_nan())
}
