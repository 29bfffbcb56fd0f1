//! How one figure is shown: a share, a latency, a time over trials.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Failed operations by class, with the interval of their share. One trial is one sample: one crash fails many at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorRate {
    /// Operations scheduled.
    pub scheduled: u64,
    /// Failed ones. An operation that could not be sent in time is one of them.
    #[serde(default)]
    pub failed: u64,
    /// Failed / scheduled. Null if nothing was scheduled.
    pub rate: Option<f64>,
    /// The trials in which anything was scheduled. The others are in no figure here.
    #[serde(default)]
    pub trials: u32,
    /// Lower bound of the rate's interval of at least 95 % over these trials. Needs six that differ.
    #[serde(default)]
    pub low: Option<f64>,
    /// Its upper bound.
    #[serde(default)]
    pub high: Option<f64>,
    /// If none failed: so many trials cannot exclude a failure in up to this share of trials (95 %).
    #[serde(default)]
    pub failure_not_excluded: Option<f64>,
    /// If all failed: so many trials cannot exclude a correct one in up to this share of trials (95 %).
    #[serde(default)]
    pub success_not_excluded: Option<f64>,
    /// Failed operations of each class / scheduled. Classes that did not occur are absent.
    pub by_class: BTreeMap<String, f64>,
}

/// The share of the load that was served well enough, from the end of the warm-up to the end of the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AvailabilityRate {
    /// Operations scheduled.
    pub scheduled: u64,
    /// Correct operations whose reply came within the plan's latency objective, from their intended start;
    /// without an objective, all correct ones.
    pub met: u64,
    /// Met / scheduled. Null if nothing was scheduled.
    pub rate: Option<f64>,
}

/// Quantiles of a latency. Null if infinite (a failed operation) or not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Median.
    pub p50: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
}

/// The error of a measured time: how much earlier it may have been. Over the trials in which it was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimeError {
    /// Median.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

/// A time over trials. Null if n is too small, or if the figure is beyond the horizon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// Trials with this figure, censored ones included.
    pub n: u32,
    /// Median.
    pub median: Option<f64>,
    /// Lower bound of the median's distribution-free interval of at least 95 %. Needs 6 trials.
    pub low: Option<f64>,
    /// Its upper bound.
    pub high: Option<f64>,
    /// 95th percentile. Needs 59 trials.
    pub p95: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// Trials in which it is beyond the horizon.
    pub censored: u32,
}

impl Distribution {
    /// The median. Infinite if it is beyond the horizon, absent if no trial has the figure.
    pub fn median_or_infinite(&self) -> Option<f64> {
        (self.n > 0).then(|| self.median.unwrap_or(f64::INFINITY))
    }
}

/// The share of acknowledged items that is lost. Items hit by one fault live or die together, so each fault is one
/// sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LossShare {
    /// The share that all faults together lost. Null if nothing was acknowledged.
    pub share: Option<f64>,
    /// Lower bound of the share's interval of at least 95 % over the trials. Needs six trials that differ.
    pub low: Option<f64>,
    /// Its upper bound.
    pub high: Option<f64>,
    /// If nothing was lost: so many faults cannot exclude a loss in up to this share of faults (95 %).
    pub loss_not_excluded: Option<f64>,
    /// If everything was lost: so many faults cannot exclude that some are spared in up to this share of faults
    /// (95 %).
    pub spared_not_excluded: Option<f64>,
}
