//! What is done to the target, to whom of it, and when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Action;
use crate::units::Span;

/// Whom a fault strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// One replica, drawn for each trial.
    #[default]
    AnyReplica,
    /// This replica, from 0.
    Replica(u32),
    /// All replicas at once.
    AllReplicas,
    /// The balancer.
    Balancer,
    /// The store.
    Store,
    /// The cache.
    Cache,
}

/// Which processes of a node a fault addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The one that was started, and nothing that it started.
    Process,
    /// Its process group.
    #[default]
    Group,
    /// All that descend from it, those that left its group too.
    Tree,
}

/// Whether a fault waits for a write of the load, from its planned moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Within {
    /// It comes inside a write, or right after one was acknowledged, if one comes in time.
    Request,
    /// It comes at its planned moment, whatever is under way.
    Any,
}

/// As an object: `the process group`.
impl std::fmt::Display for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Process => "the started process alone",
            Self::Group => "the process group",
            Self::Tree => "the process and all that it started",
        })
    }
}

/// What is done to the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Whom it strikes.
    #[serde(default)]
    pub aim: Aim,
    /// Which of that one's processes it addresses, where that is said; see [`Fault::reach`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Reach>,
    /// What is done.
    pub action: Action,
    /// Whether it waits for a write of the load, where that is said; see [`Fault::waits_for`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Within>,
    /// It is done at a uniformly drawn moment of this length after the baseline's end.
    pub jitter: Span,
    /// How long its effect may take to be confirmed; beyond it the fault did not land.
    pub lands_within: Span,
}

impl Fault {
    /// Whether it waits for a write: as is said, else if it ends what it strikes.
    pub fn waits_for(&self) -> Within {
        self.within.unwrap_or(match self.action {
            Action::Signal(_) => Within::Request,
            Action::Pause(_) | Action::Roll { .. } => Within::Any,
        })
    }

    /// Which processes it addresses: as is said, else the group. A pause leaves nobody out, or work would go on.
    pub fn reach(&self) -> Reach {
        self.to.unwrap_or(match self.action {
            Action::Pause(_) => Reach::Tree,
            Action::Signal(_) | Action::Roll { .. } => Reach::Group,
        })
    }
}
