//! What two runs show of one metric: each one's figure, what lies between them, and how certain that is.

use comeback_model::gate::{Count, Gate, Metric, Unit};
use comeback_statistics as statistics;

use super::Unit as Shown;
use super::{Counted, MetricValue};
use crate::measure::{ArmAnalysis, Tally};
use crate::verdict::contrast::{of_count, of_samples, of_shares, unmet};
use crate::verdict::figure::Estimate;
use crate::verdict::values::Share;
use crate::verdict::{contrast, figure, samples};

/// Fixed, so that two runs always differ alike.
const SEED: u64 = 1;

/// What there is to be seen of a difference.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) interval: Option<Estimate>,
    pub(super) delta: Option<f64>,
    pub(super) p_value: Option<f64>,
}

impl Seen {
    pub(super) fn of(metric: Metric, new: &ArmAnalysis, base: &ArmAnalysis) -> Self {
        match metric {
            Metric::Count(count) => Self::of_count(count, new, base),
            Metric::ErrorRate(_) => {
                let [new, base] = [new, base].map(|arm| samples::shares(metric, arm));
                Self::of_shares(&new, &base)
            }
            // As it is judged: what is missing is compared, and shown the other way round.
            Metric::Served(_) => {
                let [new, base] = [new, base].map(|arm| unmet(&samples::shares(metric, arm)));
                let seen = Self::of_shares(&new, &base);
                let mirrored = |figure: Estimate| Estimate {
                    value: -figure.value,
                    low: -figure.high,
                    high: -figure.low,
                };
                Self {
                    interval: seen.interval.map(mirrored),
                    ..seen
                }
            }
            Metric::Latency(_, _) | Metric::Time(_, _) => {
                let [new, base] = [new, base].map(|arm| samples::samples(metric, arm));
                Self::of_samples(&new, &base)
            }
        }
    }

    fn of_samples(new: &[Option<f64>], base: &[Option<f64>]) -> Self {
        let has_any = |samples: &[Option<f64>]| samples.iter().any(Option::is_some);
        let interval = (has_any(new) && has_any(base))
            .then(|| of_samples(new, base))
            .flatten();
        // A trial without the figure may have had any: its rank is not known.
        let ranked = |samples: &[Option<f64>]| samples.iter().copied().collect::<Option<Vec<_>>>();
        let (Some(new), Some(base)) = (ranked(new), ranked(base)) else {
            return Self {
                interval,
                ..Self::default()
            };
        };
        Self {
            interval,
            delta: statistics::cliffs_delta(&new, &base),
            p_value: statistics::mann_whitney(&new, &base).map(|test| test.p_value),
        }
    }

    fn of_shares(new: &[Share], base: &[Share]) -> Self {
        if new.is_empty() || base.is_empty() {
            return Self::default();
        }
        let interval = of_shares(new, base);
        Self {
            interval: interval.low.is_finite().then_some(interval),
            delta: None,
            p_value: statistics::permutation_test(new, base, figure::pooled, SEED),
        }
    }

    fn of_count(count: Count, new: &ArmAnalysis, base: &ArmAnalysis) -> Self {
        let [of_new, of_base] = [new, base].map(|arm| contrast::found(count, arm));
        if of_new.is_empty() || of_base.is_empty() {
            return Self::default();
        }
        let interval = of_count(count, new, base);
        let is_decided = |arm| {
            let tally = Tally::of(count, arm);
            tally.most == tally.found
        };
        let test = || statistics::permutation_test(&of_new, &of_base, figure::pooled, SEED);
        Self {
            interval: (interval.low.is_finite() && interval.high.is_finite()).then_some(interval),
            delta: None,
            p_value: (is_decided(new) && is_decided(base)).then(test).flatten(),
        }
    }
}

/// The metric in one run.
pub(super) fn figure_of(metric: Metric, arm: &ArmAnalysis) -> MetricValue {
    let of_shares = |shares: &[Share], (undecided, doubted)| {
        let (part, whole) = shares.iter().fold((0_u64, 0_u64), |(part, whole), share| {
            (
                part.saturating_add(share.part),
                whole.saturating_add(share.whole),
            )
        });
        MetricValue {
            value: (whole > 0).then(|| part as f64 / whole as f64),
            trials: shares.len() as u32,
            beyond: 0,
            counted: Some(Counted {
                part,
                whole,
                undecided,
                doubted,
            }),
        }
    };
    match metric {
        Metric::Count(count) => {
            let tally = Tally::of(count, arm);
            let open = (tally.undecided, tally.doubted);
            of_shares(&contrast::found(count, arm), open)
        }
        Metric::ErrorRate(_) | Metric::Served(_) => {
            of_shares(&samples::shares(metric, arm), (0, 0))
        }
        Metric::Latency(_, _) | Metric::Time(_, _) => {
            let samples: Vec<f64> = samples::samples(metric, arm)
                .into_iter()
                .flatten()
                .collect();
            MetricValue {
                value: statistics::median(&samples),
                trials: samples.len() as u32,
                beyond: samples.iter().filter(|figure| figure.is_infinite()).count() as u32,
                counted: None,
            }
        }
    }
}

/// Whether the bad thing that a share counts never occurred, for certain.
pub(super) fn has_none(metric: Metric, figure: &MetricValue) -> bool {
    figure.counted.is_some_and(|counted| {
        counted.whole > 0
            && counted.undecided == 0
            && counted.doubted == 0
            && match metric {
                Metric::Served(_) => counted.part == counted.whole,
                _ => counted.part == 0,
            }
    })
}

/// As [`statistics::Shift::detectable`], where no difference is seen. A point is no proof of certainty.
pub(super) fn detectable(figure: Estimate) -> Option<f64> {
    if figure.low > 0.0 || figure.high < 0.0 || figure.low == figure.high {
        return None;
    }
    let shift = statistics::Shift {
        estimate: None,
        low: figure.low,
        high: figure.high,
        confidence: statistics::CONFIDENCE,
    };
    shift.detectable()
}

pub(super) fn allowed(gate: &Gate, metric: Metric, base: &ArmAnalysis) -> f64 {
    contrast::allowed(gate, &samples::samples(metric, base))
}

pub(super) const fn shown(metric: Metric) -> Shown {
    match metric.unit() {
        Unit::Count | Unit::Share => Shown::Share,
        Unit::Ms => Shown::Ms,
        Unit::Seconds => Shown::Seconds,
    }
}
