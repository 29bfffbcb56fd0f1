//! How one figure is shown: a share, a latency, a time over trials.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Failed operations by class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorRate {
    /// Operations scheduled.
    pub scheduled: u64,
    /// Failed / scheduled; null when nothing was scheduled.
    pub rate: Option<f64>,
    /// Failed operations of each class / scheduled; classes that did not occur are absent.
    pub by_class: BTreeMap<String, f64>,
}

/// How much of the load was served well enough, from the end of the warm-up to the end of the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AvailabilityRate {
    /// Operations scheduled.
    pub scheduled: u64,
    /// Correct operations whose reply came within the plan's latency objective, from their intended start;
    /// without an objective all correct ones.
    pub met: u64,
    /// Met / scheduled; null when nothing was scheduled.
    pub rate: Option<f64>,
}

/// Quantiles of a latency; null where it is infinite (a failed operation) or where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Median.
    pub p50: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
}

/// How much earlier than measured a time may have been true, over the trials in which it was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimeError {
    /// Median.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

/// A time over trials. Null where n is too small, or where the figure lies beyond the horizon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// Trials with this figure, censored ones included.
    pub n: u32,
    /// Median.
    pub median: Option<f64>,
    /// Lower bound of the median's distribution-free interval of at least 95 %; needs n of 6.
    pub low: Option<f64>,
    /// Its upper bound.
    pub high: Option<f64>,
    /// 95th percentile; needs n of 59.
    pub p95: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// Trials in which it lies beyond the horizon.
    pub censored: u32,
}

impl Distribution {
    /// The median, infinite where it lies beyond the horizon; absent where no trial has the figure.
    pub fn median_or_infinite(&self) -> Option<f64> {
        (self.n > 0).then(|| self.median.unwrap_or(f64::INFINITY))
    }
}

/// How much of what was acknowledged is lost, beyond the counts. What one fault takes lives or dies together, so each
/// fault is one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LossShare {
    /// The share that all faults together lost; null where nothing was acknowledged.
    pub share: Option<f64>,
    /// Lower bound of the share's interval of at least 95 % over the trials; needs six that differ.
    pub low: Option<f64>,
    /// Its upper bound.
    pub high: Option<f64>,
    /// Where nothing was lost: with so many faults, a loss in up to this share of faults is not excluded (95 %).
    pub loss_not_excluded: Option<f64>,
    /// Where everything was lost: with so many faults, one that spares some, in up to this share of faults, is not
    /// excluded (95 %).
    pub spared_not_excluded: Option<f64>,
}
