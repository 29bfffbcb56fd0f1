//! How long each part of a trial lasts: the keys, the flags, and how they become part of a plan. The defaults are those of
//! [`Windows`]. When the first fault comes is said by that fault.

use comeback_model::plan::{Open, Windows};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The load before the kill of a storm and after the recovery, at least: the engine waits until it is enough to tell whether the server
/// serves.
const CYCLE_PART: Span = Span::from_ms(8);
const CYCLE_WINDOW: Span = Span::from_ms(2);

/// How long each part of a trial lasts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "flags", derive(clap::Args), command(next_help_heading = "Load and trials"))]
#[serde(deny_unknown_fields)]
#[rustfmt::skip] // A line for each flag.
pub struct WindowsPart {
    /// Load before anything is measured. Default: 300ms.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub warm_up: Option<Span>,
    /// Load after the first correct reply of the new process. Default: 2s.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub settle: Option<Span>,
    /// How long the recovery is waited for. Default: 30s.
    #[cfg_attr(feature = "flags", arg(long, value_name = "TIME", hide_short_help = true, help = "How long the recovery is waited for [default: 30s]"))]
    pub horizon: Option<Span>,
    /// The length of the windows in which goodput, errors and latency are summed for the time to steady. Default: 100ms.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub window: Option<Span>,
    /// How long the service must stay as good as before to be steady. Default: 1s.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub steady_for: Option<Span>,
}

impl WindowsPart {
    /// This part with everything that `over` sets put over it.
    #[must_use]
    pub fn overridden_by(self, over: Self) -> Self {
        Self {
            warm_up: over.warm_up.or(self.warm_up),
            settle: over.settle.or(self.settle),
            horizon: over.horizon.or(self.horizon),
            window: over.window.or(self.window),
            steady_for: over.steady_for.or(self.steady_for),
        }
    }

    /// Whether it sets nothing. The schema has no default for such a part.
    pub(super) fn says_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Which lengths it leaves open, the one before the first fault among them.
    pub(super) fn open(&self, baseline: Option<Span>) -> Open {
        Open {
            horizon: self.horizon.is_none(),
            baseline: baseline.is_none(),
            settle: self.settle.is_none(),
            steady_for: self.steady_for.is_none(),
            window: self.window.is_none(),
            ..Open::default()
        }
    }

    pub(super) fn to_windows(&self, baseline: Option<Span>) -> Windows {
        let usual = Windows::default();
        Windows {
            warm_up: self.warm_up.unwrap_or(usual.warm_up),
            baseline: baseline.unwrap_or(usual.baseline),
            settle: self.settle.unwrap_or(usual.settle),
            horizon: self.horizon.unwrap_or(usual.horizon),
            window: self.window.unwrap_or(usual.window),
            steady_for: self.steady_for.unwrap_or(usual.steady_for),
        }
    }

    /// The parts of a storm's cycle: of what is said only the horizon has a meaning.
    pub(super) fn of_cycle(&self) -> Windows {
        Windows {
            warm_up: CYCLE_WINDOW,
            baseline: CYCLE_PART,
            settle: CYCLE_PART,
            horizon: self.to_windows(None).horizon,
            window: CYCLE_WINDOW,
            steady_for: CYCLE_WINDOW,
        }
    }
}

/// The way back from a plan.
impl From<&Windows> for WindowsPart {
    fn from(windows: &Windows) -> Self {
        let Windows {
            warm_up,
            // Said by the first fault.
            baseline: _,
            settle,
            horizon,
            window,
            steady_for,
        } = windows;
        Self {
            warm_up: Some(*warm_up),
            settle: Some(*settle),
            horizon: Some(*horizon),
            window: Some(*window),
            steady_for: Some(*steady_for),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key, each with a length of its own.
    const SAID: &str = "warm_up = \"10ms\"\nsettle = \"3s\"\nhorizon = \"20s\"\nwindow = \"50ms\"\n\
                        steady_for = \"200ms\"\n";

    #[test]
    fn windows_that_were_resolved_are_written_as_they_were_said() {
        let part: WindowsPart = toml::from_str(SAID).expect("every length");
        let baseline = Some(Span::from_secs(4));
        let windows = part.to_windows(baseline);
        assert_eq!(Some(windows.baseline), baseline);
        let back = WindowsPart::from(&windows);
        assert_eq!(back, part);
        assert_eq!(toml::to_string(&back), Ok(SAID.to_owned()));
    }

    #[test]
    fn each_length_that_is_given_overrides_and_no_other_does() {
        let given: WindowsPart = toml::from_str(SAID).expect("every length");
        let windows = WindowsPart::default().overridden_by(given.clone());
        assert_eq!(windows, given);
        assert_eq!(windows.overridden_by(WindowsPart::default()), given);
    }
}
