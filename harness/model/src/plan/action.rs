//! What a fault does to those it strikes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Signal;
use crate::units::Span;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A signal to the process group that ends it; it is then started again. All that are struck are at once.
    Signal(Signal),
    /// SIGSTOP to the process group, and SIGCONT when it has lasted so long.
    Pause(Span),
    /// Each is stopped as the plan says how it is stopped, and started again, one at a time: the next when the one
    /// before answers correctly, and gets requests again.
    Roll {
        /// How long the balancer may take to have no request with a replica before that is stopped; without one,
        /// the balancer is not told.
        drain: Option<Span>,
        /// What is started again is [`super::Arm::next`].
        deploy: bool,
    },
}

impl Action {
    /// Whether the processes had no chance to do anything about it.
    pub const fn is_kill(self) -> bool {
        matches!(self, Self::Signal(Signal::Kill))
    }

    /// Whether the same processes go on after it.
    pub const fn is_pause(self) -> bool {
        matches!(self, Self::Pause(_))
    }

    /// Whether those that are struck are so one after the other.
    pub const fn is_rolling(self) -> bool {
        matches!(self, Self::Roll { .. })
    }
}

/// As a noun: `SIGKILL`, `a pause of 2s`, `a rolling restart without drain`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => signal.fmt(f),
            Self::Pause(lasts) => write!(f, "a pause of {lasts}"),
            Self::Roll { drain, deploy } => {
                let what = if *deploy { "deploy" } else { "rolling restart" };
                let how = if drain.is_some() { "with" } else { "without" };
                write!(f, "a {what} {how} drain")
            }
        }
    }
}
