//! Where the rate of a plan comes from. Where the experiment leaves it to a measurement, the plan of a run holds the number that was
//! chosen, and what was measured: whoever reads a stored run finds a number, and measures nothing again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where the rate of the load comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// It was given, or is the default.
    #[default]
    Given,
    /// It is measured before the first trial. Until then the load holds the default. No journal contains this.
    Wanted,
    /// It was measured.
    Done(Calibrated),
}

impl Calibration {
    /// Whether nothing was, or is to be, measured.
    pub const fn is_given(&self) -> bool {
        matches!(self, Self::Given)
    }

    /// Whether it is still to be measured.
    pub const fn is_wanted(&self) -> bool {
        matches!(self, Self::Wanted)
    }
}

/// How a rate was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// The chosen rate, for all arms: operations per second.
    pub rate: f64,
    /// Whether it is the highest that a calibration chooses: the server bears more.
    pub at_most: bool,
    /// What each measured arm bears.
    pub arms: Vec<Borne>,
}

/// What an arm bears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Borne {
    /// Its name.
    pub arm: String,
    /// Correct operations per second at the knee, where more users at a time no longer get more done.
    pub per_second: f64,
    /// Whether the server bears more than that: raising the load ended before the knee.
    pub at_least: bool,
    /// The rate that it was offered at the end, and bore.
    pub offered: f64,
    /// How late the harness itself handed out operations then, in ms: the 95th percentile.
    pub late_ms_p95: f64,
    /// Each measured load, the lowest first.
    pub steps: Vec<LoadStep>,
}

/// One load of a calibration: so many users at a time, each asking again as soon as it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadStep {
    /// Operations at a time.
    pub at_once: u32,
    /// Correct operations per second.
    pub per_second: f64,
    /// Operations that were answered correctly.
    pub correct: u64,
    /// Operations that failed.
    pub failed: u64,
    /// The 95th percentile of the time that correct ones took, in ms.
    pub took_ms_p95: f64,
}

/// An operation that the harness hands out later than this waited for the machine, not for the server.
const LATE_MS: f64 = 10.0;

impl Borne {
    /// Whether the machine was too busy while it was measured to know the server's own limit.
    pub fn was_disturbed(&self) -> bool {
        self.late_ms_p95 > LATE_MS
    }
}

impl Calibrated {
    /// The arm that decides: the slowest.
    pub fn slowest(&self) -> Option<&Borne> {
        let arms = self.arms.iter();
        arms.min_by(|one, other| one.offered.total_cmp(&other.offered))
    }
}

impl fmt::Display for Calibrated {
    /// One line: what the server bears, and what it gets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.rate;
        let Some(slowest) = self.slowest() else {
            return write!(f, "{rate}/s are offered");
        };
        match self.arms.len() {
            1 => f.write_str("this server bears ")?,
            count => write!(f, "the slowest of {count} arms, {}, bears ", slowest.arm)?,
        }
        let about = match slowest.at_least {
            true => "more than",
            false => "about",
        };
        let most = match self.at_most {
            true => ", the most that a calibration chooses",
            false => "",
        };
        write!(
            f,
            "{about} {:.0} operations/s with your sessions; {rate}/s are offered{most} (rate = {rate} in CI)",
            slowest.per_second
        )
    }
}
