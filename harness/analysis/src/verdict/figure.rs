//! Figures over trials with the intervals they are judged by, and how many trials would make an interval
//! tell.

use comeback_model::gate::Stat;
use comeback_statistics::{self as statistics, Interval};

use super::values::Share;

/// The share that the 95th percentile leaves below it.
const P95: f64 = 0.95;

/// The fewest trials that have a median's interval.
const MEDIAN_NEEDS: usize = 6;

/// Beyond so many trials an estimate says no more than "too many".
const MOST_ESTIMATED: f64 = 10_000.0;

/// A figure, and where the truth may lie; an end is infinite where it lies beyond the horizon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// What keeps a gate from being judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) why: String,
    /// How many more trials of the arm would help at least, or by estimate; absent where none would.
    pub(crate) more_trials: Option<u32>,
}

impl Missing {
    /// More trials would not help.
    pub(crate) fn for_good(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            more_trials: None,
        }
    }

    /// Both are missing: as many more trials as the one that asks for more of them.
    pub(crate) fn and(self, other: Self) -> Self {
        let more = self.more_trials.zip(other.more_trials);
        Self {
            why: format!("{}; {}", self.why, other.why),
            more_trials: more.map(|(one, other)| one.max(other)),
        }
    }

    pub(crate) fn too_few(what: &str, need: usize, have: usize) -> Self {
        Self {
            why: format!("{what} needs {need} trials, there are {have}"),
            more_trials: Some(need.saturating_sub(have).max(1) as u32),
        }
    }
}

/// The figure of the samples, or that there are too few of them. The largest is what it is.
pub(crate) fn reduced(stat: Stat, samples: &[f64]) -> Result<Estimate, Missing> {
    match stat {
        Stat::Median => {
            let (Some(value), Some(Interval { low, high, .. })) = (
                statistics::median(samples),
                statistics::median_interval(samples),
            ) else {
                let have = samples.len();
                return Err(Missing::too_few("a median's interval", MEDIAN_NEEDS, have));
            };
            Ok(Estimate { value, low, high })
        }
        Stat::P95 => {
            p95(samples).map_err(|few| Missing::too_few("a 95th percentile", few.need, few.have))
        }
        Stat::Max => {
            let value = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            Ok(Estimate {
                value,
                low: value,
                high: value,
            })
        }
    }
}

fn p95(samples: &[f64]) -> Result<Estimate, statistics::TooFew> {
    // Seen from above, the 95th percentile is the 5th, and what bounds it from below does so from above.
    let from_above: Vec<f64> = samples.iter().map(|sample| -sample).collect();
    Ok(Estimate {
        value: statistics::quantile(samples, P95)?,
        low: -statistics::quantile_upper_bound(&from_above, 1.0 - P95)?,
        high: statistics::quantile_upper_bound(samples, P95)?,
    })
}

/// The share over trials whose wholes are not all zero.
pub(crate) fn pooled(shares: &[&Share]) -> f64 {
    let part: f64 = shares.iter().map(|share| share.part as f64).sum();
    let whole: f64 = shares.iter().map(|share| share.whole as f64).sum();
    part / whole
}

/// The interval of the pooled share: what stands or falls with one crash is one sample, so whole trials are.
pub(crate) fn pooled_interval(shares: &[Share]) -> Option<Interval> {
    statistics::rate_interval(&shares_as_parts(shares))
}

/// The interval of how much the pooled share of `new` lies above that of `base`.
pub(crate) fn pooled_difference(new: &[Share], base: &[Share]) -> Option<Interval> {
    statistics::rate_difference(&shares_as_parts(new), &shares_as_parts(base))
}

pub(crate) fn shares_as_parts(shares: &[Share]) -> Vec<statistics::Part> {
    let part = |share: &Share| statistics::Part {
        part: share.part as f64,
        whole: share.whole as f64,
    };
    shares.iter().map(part).collect()
}

/// By which factor the interval's reach towards `bound` must shrink to end before it; `None` where no
/// shrinking is known to do.
pub(crate) fn shrinkage(figure: Estimate, bound: f64) -> Option<f64> {
    let Estimate { value, low, high } = figure;
    let (reach, room) = if bound > value {
        (high - value, bound - value)
    } else {
        (value - low, value - bound)
    };
    let factor = reach / room;
    (room > 0.0 && factor.is_finite()).then_some(factor.max(1.0))
}

/// Whole trials of an estimate, at least one more than there are; `None` when it is beyond all affording.
pub(crate) fn whole_trials(estimate: f64, have: usize) -> Option<usize> {
    let least = have as f64 + 1.0;
    (estimate <= MOST_ESTIMATED).then_some(estimate.ceil().max(least) as usize)
}

/// That an interval lies on both sides of a bound, and how many trials may bring it to one side: an
/// interval narrows with the square root of their number.
pub(crate) fn straddles(said: &str, figure: Estimate, bound: f64, have: usize) -> Missing {
    let estimate = shrinkage(figure, bound)
        .and_then(|factor| whole_trials(have as f64 * factor * factor, have));
    undecided(said, "the bound", "trials", estimate, have)
}

/// The sentence for an interval that more trials would narrow.
pub(crate) fn undecided(
    said: &str,
    bound: &str,
    trials: &str,
    estimate: Option<usize>,
    have: usize,
) -> Missing {
    let (wanted, more) = match estimate {
        Some(wanted) => (
            format!("about {wanted} {trials} would tell, by an estimate"),
            wanted - have,
        ),
        None => (
            "more trials may tell, how many cannot be estimated".to_owned(),
            1,
        ),
    };
    Missing {
        why: format!("{said} lies on both sides of {bound}; {wanted}"),
        more_trials: Some(more as u32),
    }
}
