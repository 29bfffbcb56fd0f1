//! How long each part of a trial lasts: the lengths, their defaults and their limits.

use serde::{Deserialize, Serialize};

use super::error::{Broken, Field, invalid};
use crate::units::Span;

/// How long each part of a trial lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// Load before anything is measured.
    pub warm_up: Span,
    /// Load that everything after the fault is compared with.
    pub baseline: Span,
    /// Load after the first correct reply of the new process.
    pub settle: Span,
    /// How long recovery may take before it is given up and recorded as beyond this.
    pub horizon: Span,
    /// The length w over which goodput, errors and latency are summed for `time to steady`.
    pub window: Span,
    /// The length y for which the service must stay as good as its baseline to be steady.
    pub steady_for: Span,
}

/// The lengths of an experiment that sets none of them.
impl Default for Windows {
    fn default() -> Self {
        Self {
            warm_up: Span::from_ms(300),
            baseline: Span::from_secs(1),
            settle: Span::from_secs(2),
            horizon: Span::from_secs(30),
            window: Span::from_ms(100),
            steady_for: Span::from_secs(1),
        }
    }
}

impl Windows {
    pub(super) fn validate(&self, broken: &mut Broken) {
        if self.window == Span::ZERO || self.baseline.as_us() < 2 * self.window.as_us() {
            broken.add(invalid(
                Field::Baseline,
                "must hold at least two windows: lengthen it, or shorten the window",
            ));
        }
        if self.settle < self.steady_for || self.steady_for < self.window {
            broken.add(invalid(
                Field::Windows(&["settle", "steady_for"]),
                "must be at least as long as the time the service must stay steady, and that at least a window: lengthen it, or \
                 shorten steady_for",
            ));
        }
        if self.horizon == Span::ZERO {
            broken.add(invalid(
                Field::Horizon,
                "must be longer than 0s: write a length such as 30s",
            ));
        }
    }
}
