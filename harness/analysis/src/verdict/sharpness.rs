//! How sharp a gate on a time or a rate is: what it could have seen with so many trials and this spread, and how
//! likely it breaks by chance. Counts and the largest of all trials are exact, and have no such thing.

use comeback_model::gate::{Demand, Gate, Metric, Stat, Unit};
use comeback_statistics::{
    self as statistics, RATE_NEEDS, Shift, median_excess, rate_excess, rate_shift_excess,
};

use super::contrast::{self, unmet};
use super::figure::{Estimate, pooled_interval, reduced, shares_as_parts};
use super::samples::{Base, filled, samples, shares, strata};
use super::values::Share;
use crate::measure::ArmAnalysis;

/// The share that lies above the 95th percentile.
const ABOVE_P95: f64 = 0.05;

/// How likely chance alone breaks it as it is broken.
pub(crate) fn chance(gate: &Gate, arm: &ArmAnalysis, base: Option<Base<'_>>) -> f64 {
    let is_rate = matches!(gate.metric(), Metric::ErrorRate(_) | Metric::Served(_));
    match (gate.demand(), base) {
        (Demand::NoWorse(allowance), Some(base)) if is_rate => {
            let parts = |arm| shares_as_parts(&bad_shares(gate, arm));
            let [new, old] = [arm, base.arm].map(parts);
            rate_shift_excess(&new, &old, allowance.absolute)
        }
        (Demand::NoWorse(allowance), Some(base)) => {
            let strata = strata(gate.metric(), arm, base);
            let allowed = contrast::allowance_over(allowance, &strata).1;
            contrast::chance_of_strata(&strata, allowed)
        }
        (Demand::NoWorse(_), None) => 1.0,
        (Demand::Bound(_, bound), _) if is_rate => {
            let bound = if gate.is_upper() { bound } else { 1.0 - bound };
            rate_excess(&shares_as_parts(&bad_shares(gate, arm)), bound)
        }
        (Demand::Bound(_, bound), _) => chance_of_samples(gate, arm, bound),
    }
}

fn chance_of_samples(gate: &Gate, arm: &ArmAnalysis, bound: f64) -> f64 {
    let is_upper = gate.is_upper();
    // What is absent speaks for the server.
    let samples = filled(
        &samples(gate.metric(), arm),
        if is_upper { 0.0 } else { f64::INFINITY },
    );
    let (samples, bound): (Vec<f64>, f64) = match is_upper {
        true => (samples, bound),
        false => (samples.iter().map(|sample| -sample).collect(), -bound),
    };
    let beyond = samples.iter().filter(|sample| **sample > bound).count();
    match (gate.metric(), is_upper) {
        (Metric::Time(_, Stat::P95), true) => {
            statistics::upper_tail(beyond, samples.len(), ABOVE_P95)
        }
        (Metric::Time(_, Stat::P95), false) => {
            statistics::upper_tail(beyond, samples.len(), 1.0 - ABOVE_P95)
        }
        (_, _) => median_excess(&samples, bound),
    }
}

/// The smallest figure (against a baseline: the smallest change) that so many trials with this spread would have
/// broken it with, in four of five runs, by [`Shift::detectable`]; none where the interval is open or a point.
pub(crate) fn shows_from(gate: &Gate, arm: &ArmAnalysis, base: Option<Base<'_>>) -> Option<String> {
    let unit = gate.metric().unit();
    let figure = figure(gate, arm, base)?;
    let detectable = Shift {
        estimate: None,
        low: figure.low,
        high: figure.high,
        confidence: statistics::CONFIDENCE,
    }
    .detectable()
    .filter(|detectable| *detectable > 0.0)?;
    let sign = if gate.is_upper() { 1.0 } else { -1.0 };
    match (gate.demand(), base) {
        (Demand::Bound(_, bound), _) => {
            let from = bound + sign * detectable;
            (unit != Unit::Share || (0.0..=1.0).contains(&from)).then(|| unit.show(from))
        }
        (Demand::NoWorse(allowance), base) => {
            let strata = strata(gate.metric(), arm, base?);
            let allowed = match unit {
                Unit::Share => allowance.absolute,
                Unit::Count | Unit::Ms | Unit::Seconds => {
                    contrast::allowance_over(allowance, &strata).1
                }
            };
            let from = allowed + detectable;
            from.is_finite().then(|| unit.show_difference(sign * from))
        }
    }
}

fn figure(gate: &Gate, arm: &ArmAnalysis, base: Option<Base<'_>>) -> Option<Estimate> {
    let is_rate = matches!(gate.metric(), Metric::ErrorRate(_) | Metric::Served(_));
    match (gate.demand(), gate.metric()) {
        (Demand::NoWorse(_), _) if is_rate => {
            let [new, old] = [arm, base?.arm].map(|arm| bad_shares(gate, arm));
            (!new.is_empty() && !old.is_empty()).then(|| contrast::of_shares(&new, &old))
        }
        (Demand::NoWorse(_), metric) => contrast::of_strata(&strata(metric, arm, base?)),
        (Demand::Bound(_, _), _) if is_rate => {
            let interval = pooled_interval(&bad_shares(gate, arm))?;
            Some(Estimate {
                value: f64::NAN,
                low: interval.low,
                high: interval.high,
            })
        }
        (Demand::Bound(_, _), Metric::Time(_, stat)) => {
            reduced(stat, &filled(&samples(gate.metric(), arm), f64::INFINITY)).ok()
        }
        (Demand::Bound(_, _), metric) => {
            reduced(Stat::Median, &filled(&samples(metric, arm), f64::INFINITY)).ok()
        }
    }
}

/// Each trial's share of what there may not be too much of.
fn bad_shares(gate: &Gate, arm: &ArmAnalysis) -> Vec<Share> {
    let shares = shares(gate.metric(), arm);
    match gate.is_upper() {
        true => shares,
        false => unmet(&shares),
    }
}

/// What it can see with so many trials, said before there is any.
pub fn sees_with(gate: &Gate, trials: u32) -> String {
    let scatter = |factor: f64| format!("{factor:.1} standard deviations of a trial");
    let n = trials as usize;
    match (gate.metric(), gate.demand()) {
        _ if !gate.is_statistical() => "exact: one counterexample is enough".to_owned(),
        (Metric::Time(_, Stat::P95), _) => match statistics::quantile_needed(0.95) {
            need if n < need => {
                format!("cannot be judged: a 95th percentile needs {need} trials")
            }
            _ => "sees what more than one of twenty trials exceeds".to_owned(),
        },
        (_, Demand::NoWorse(_)) => match statistics::shift_sees(n, n) {
            Some(factor) => format!(
                "sees {} beyond what is allowed; both arms' own scatter decides",
                scatter(factor)
            ),
            None => "cannot be judged: it needs 4 trials of each arm".to_owned(),
        },
        (Metric::ErrorRate(_) | Metric::Served(_), _) if n < RATE_NEEDS => {
            format!("cannot be judged: a rate's interval needs {RATE_NEEDS} trials")
        }
        (Metric::ErrorRate(_) | Metric::Served(_), _) => {
            format!(
                "sees a rate {} beyond the bound",
                scatter(statistics::rate_sees(n))
            )
        }
        (_, _) => match statistics::median_sees(n) {
            Some(factor) => format!("sees a median {} beyond the bound", scatter(factor)),
            None => "cannot be judged: a median's interval needs 6 trials".to_owned(),
        },
    }
}
