//! That a service is not back for good, in words.

use std::fmt;

use super::super::words::{counted, grouped, percent};
use super::super::{NotBack, Return, Shortfall};

/// That the service is not back for good; nothing where the end of its process says it already.
pub(in crate::measure) fn finding(returned: Option<&Return>) -> Option<String> {
    match returned? {
        Return::ForGood | Return::ByProbeOnly { .. } | Return::Not(NotBack::Ended) => None,
        Return::Not(why) => Some(format!("the service is not back for good: {why}")),
    }
}

impl fmt::Display for NotBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the new process ended by itself"),
            Self::BetweenFaults { shortfall, .. } => {
                write!(
                    f,
                    "before the next fault came, {}",
                    shortfall.told("of that calm")
                )
            }
            Self::Unserved(shortfall) => shortfall.fmt(f),
            Self::Metastable(shortfall) => write!(
                f,
                "METASTABLE: the fault is undone and every process is up, yet {shortfall}"
            ),
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told("of the load"))
    }
}

impl Shortfall {
    /// As a clause; it was seen at the end of this.
    fn told(&self, of: &str) -> String {
        match self {
            Self::Failing {
                failed,
                scheduled,
                class,
                over_ms,
            } => format!(
                "{} of {} failed in the last {:.1} s {of} ({}), most of them: {}",
                grouped(*failed),
                counted(*scheduled, "operation"),
                over_ms / 1_000.0,
                percent(*failed as f64 / *scheduled as f64),
                class.label()
            ),
            Self::Slow {
                least_ms,
                usual_ms,
                over_ms,
            } => format!(
                "three quarters of the correct replies in the last {:.1} s {of} took {least_ms:.1} ms or longer; \
                 without a fault the median is {usual_ms:.1} ms",
                over_ms / 1_000.0
            ),
        }
    }
}
