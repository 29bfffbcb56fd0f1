//! The small chart of a claim: one bar for each architecture.

use comeback_model::claims::Bar;

use super::share;
use comeback_statistics::wilson;

/// A share in percent, with its 95 % interval (Wilson).
pub(super) fn share_bar(label: impl Into<String>, (part, whole): (u64, u64)) -> Bar {
    let interval = wilson(part, whole);
    let percent = |share: f64| share * 100.0;
    Bar {
        label: label.into(),
        value: percent(share(part, whole)),
        low: interval.map(|interval| percent(interval.low)),
        high: interval.map(|interval| percent(interval.high)),
    }
}

/// A number that was counted, or a weight.
pub(super) fn count_bar(label: impl Into<String>, count: u64) -> Bar {
    estimated_bar(
        label,
        Estimated {
            value: count as f64,
            low: None,
            high: None,
        },
    )
}

/// A figure and where it may lie.
pub(super) fn estimated_bar(label: impl Into<String>, figure: Estimated) -> Bar {
    Bar {
        label: label.into(),
        value: figure.value,
        low: figure.low,
        high: figure.high,
    }
}

/// A figure and where it may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimated {
    pub(super) value: f64,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
}

impl Estimated {
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
