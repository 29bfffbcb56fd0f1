//! The small chart of a claim: one bar for each architecture.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::share;
use crate::statistics::wilson;

/// What decides, as bars.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Chart {
    /// What the bars are, with its unit.
    pub axis: String,
    /// Where the axis ends, if that is not up to the bars: 100 of a percentage.
    pub end: Option<f64>,
    /// The bars, from above.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bar {
    /// What it is of.
    pub label: String,
    /// How long it is, in the axis's unit.
    pub value: f64,
    /// The lower end of its interval, if it has one.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

impl Chart {
    pub(super) fn new(axis: &str, bars: Vec<Bar>) -> Self {
        Self {
            axis: axis.to_owned(),
            end: None,
            bars,
        }
    }

    /// Of shares: up to 100.
    pub(super) fn percent(axis: &str, bars: Vec<Bar>) -> Self {
        Self {
            end: Some(100.0),
            ..Self::new(axis, bars)
        }
    }
}

impl Bar {
    /// A share in percent, with its 95 % interval (Wilson).
    pub(super) fn share(label: impl Into<String>, (part, whole): (u64, u64)) -> Self {
        let interval = wilson(part, whole);
        let percent = |share: f64| share * 100.0;
        Self {
            label: label.into(),
            value: percent(share(part, whole)),
            low: interval.map(|interval| percent(interval.low)),
            high: interval.map(|interval| percent(interval.high)),
        }
    }

    /// A number that was counted, or a weight.
    pub(super) fn count(label: impl Into<String>, count: u64) -> Self {
        Self::figure(
            label,
            Figure {
                value: count as f64,
                low: None,
                high: None,
            },
        )
    }

    /// A figure and where it may lie.
    pub(super) fn figure(label: impl Into<String>, figure: Figure) -> Self {
        Self {
            label: label.into(),
            value: figure.value,
            low: figure.low,
            high: figure.high,
        }
    }
}

/// A figure and where it may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) value: f64,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
}

impl Figure {
    /// `12.3 (11.0 to 14.1)`.
    pub(super) fn told(self, digits: usize) -> String {
        let of = |value: f64| {
            let text = format!("{value:.digits$}");
            // A small negative is zero on paper.
            match text.trim_start_matches('-').parse::<f64>() {
                Ok(0.0) => text.trim_start_matches('-').to_owned(),
                _ => text,
            }
        };
        let middle = of(self.value);
        match (self.low.map(of), self.high.map(of)) {
            (Some(low), Some(high)) if low != high => format!("{middle} ({low} to {high})"),
            _ => middle,
        }
    }
}
