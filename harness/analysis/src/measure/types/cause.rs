//! Why a trial went as it did.

use crate::measure::words::{counted, grouped, was};

/// Why a trial went as it did.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A process of the old server lived on, and the new one never answered.
    OldProcess,
    /// The server ended by itself so often before it served; whether it served at last.
    Crashed {
        /// How often.
        times: u64,
        /// It answered afterwards.
        served: bool,
    },
    /// What the replicas share is back, and the service does not answer.
    StoreUnanswered {
        /// How long the store was down, in whole ms.
        down_ms: u64,
    },
    /// So many sessions were gone before any fault.
    Evicted {
        /// How many.
        sessions: u64,
    },
    /// So many sessions were refused or stale at one look, and found again at another.
    FoundAgain {
        /// How many.
        sessions: u64,
    },
    /// Every last look without a definite answer was answered with a redirect.
    Redirected {
        /// How many.
        looks: u64,
        /// The status of the first.
        status: u16,
    },
    /// Users changed something, and no reply showed the state: of sessions that are known nobody can tell whether they were set back.
    Stateless {
        /// How many are undecided.
        sessions: u64,
    },
}

impl Cause {
    /// As a sentence without a full stop.
    pub fn sentence(&self) -> String {
        match self {
            Self::OldProcess => "an old process kept the port".to_owned(),
            Self::Crashed { times, served } => {
                let crashed = counted(*times, "time");
                match served {
                    true => format!("the server crashed {crashed} before it served"),
                    false => format!("the server crashed {crashed} and never served"),
                }
            }
            Self::StoreUnanswered { down_ms } => format!(
                "the store is back after {} ms and the server does not answer it",
                grouped(*down_ms)
            ),
            Self::Evicted { sessions } => format!(
                "{} {} lost without any fault, as when they are evicted or expire",
                counted(*sessions, "session"),
                was(*sessions)
            ),
            Self::FoundAgain { sessions } => format!(
                "{} {} refused or stale at one look and found again at another: the balancer does not keep users on \
                 their replica, or a replica lags behind",
                counted(*sessions, "session"),
                was(*sessions)
            ),
            Self::Redirected { looks, status } => format!(
                "all {} undecided are redirects (HTTP {status}): if they lead to the login page, say `logged_out_page`",
                counted(*looks, "reply").replace("replys", "replies")
            ),
            Self::Stateless { sessions } => format!(
                "no reply shows the state that users change, so it is unknown whether {} kept it: say where replies show it (`value`), or \
                 give act no share of the mix",
                counted(*sessions, "session")
            ),
        }
    }
}
