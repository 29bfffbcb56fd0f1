//! What a verdict consists of.

use comeback_model::journal::RunLabel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything demanded holds, on sufficient evidence.
    Pass,
    /// Something demanded does not hold.
    Fail,
    /// The evidence does not suffice to say.
    Inconclusive,
    /// Everything was measured, and nothing was demanded: neither good nor bad.
    Measured,
}

impl Outcome {
    /// The name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::Measured => "measured",
        }
    }
}

/// What stands before a cause among the reasons, behind the arm's name.
pub const CAUSE: &str = "cause: ";

/// A verdict with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which.
    pub outcome: Outcome,
    /// The decisive fact in one line, such as `FAIL: lost 294 of 294 sessions`.
    pub headline: String,
    /// Why, in sentences: what failed first, then what is missing, then the causes that are known of either.
    pub reasons: Vec<String>,
    /// Each gate asked of each arm that was measured.
    pub checks: Vec<Check>,
    /// The earlier run that gates with a baseline compare with, if one was given.
    pub baseline: Option<RunLabel>,
}

/// One gate, asked of one arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The arm's name.
    pub arm: String,
    /// The gate as it was written.
    pub gate: String,
    /// Whether it holds.
    pub outcome: Outcome,
    /// The violation, or the missing evidence. Absent if the gate holds.
    pub detail: Option<String>,
    /// How many more trials of this arm with a fault would suffice, at least or by an estimate.
    pub more_trials: Option<u32>,
    /// Of a gate on a time or a rate: how sharp it is. Absent for counts and for the largest of all trials, which are
    /// exact.
    #[serde(default)]
    pub sharpness: Option<Sharpness>,
}

/// How sharp a gate is that is judged by an interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sharpness {
    /// The smallest figure (against a baseline: the smallest change) that would have broken it in four of five runs, with
    /// as many trials and as much scatter as there were; null where that is not known.
    pub shows_from: Option<String>,
}

impl Verdict {
    /// When nothing but more trials is missing for a verdict: how many more an arm may need.
    pub fn more_trials(&self) -> Option<u32> {
        let open = || {
            let checks = self.checks.iter();
            checks.filter(|check| check.outcome == Outcome::Inconclusive)
        };
        // Each open gate is one reason; any other reason is something that trials do not mend.
        if self.outcome != Outcome::Inconclusive || self.reasons.len() != open().count() {
            return None;
        }
        let wanted: Option<Vec<u32>> = open().map(|check| check.more_trials).collect();
        wanted?.into_iter().max()
    }

    /// When nothing but more trials is missing: how many rounds of one trial of each arm to add to the
    /// `trials` that each arm has. At least half as many as there are, so that a run is not judged again and
    /// again until a verdict comes by chance.
    pub fn rounds_wanted(&self, trials: u32) -> Option<u32> {
        let more = self.more_trials()?;
        Some(more.max(trials.div_ceil(2)))
    }
}
