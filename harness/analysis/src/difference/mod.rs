//! The document that says how a run differs from an earlier one, with a published JSON Schema. It is made
//! by [`compare`].
//!
//! Every difference is new − base. A number that does not exist, or lies beyond the horizon, is null.

mod compare;
mod seen;

use comeback_model::journal::RunLabel;
use schemars::JsonSchema;
use serde::Serialize;

use crate::verdict::Outcome;
pub use compare::compare;

/// The version of the document's shape.
pub const SCHEMA: u32 = 1;

/// Two runs against each other.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    /// The version of this document's shape.
    pub schema: u32,
    /// The earlier run.
    pub base: RunLabel,
    /// The run compared with it.
    pub new: RunLabel,
    /// Fail when something is worse than allowed, pass when everything asked is known not to be.
    pub verdict: Outcome,
    /// Why, in sentences: what is worse first, then what cannot be told.
    pub reasons: Vec<String>,
    /// What is not compared at all, and does not bear on the verdict.
    pub notes: Vec<String>,
    /// The arms that have a counterpart.
    pub arms: Vec<ArmDifference>,
}

impl Difference {
    /// The published JSON Schema of this document.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Difference).to_value()
    }
}

/// An arm against its counterpart.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ArmDifference {
    /// Its name in the new run.
    pub arm: String,
    /// Its counterpart's name in the earlier one.
    pub base_arm: String,
    /// Trials with a fault that count, in the earlier run.
    pub base_trials: u32,
    /// And in the new one.
    pub new_trials: u32,
    /// Each metric.
    pub metrics: Vec<MetricDifference>,
}

/// A metric in both runs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MetricDifference {
    /// Its name, as gates have it.
    pub metric: String,
    /// What its figures are measured in.
    pub unit: Unit,
    /// Whether less of it is worse.
    pub more_is_better: bool,
    /// In the earlier run.
    pub base: MetricValue,
    /// In the new one.
    pub new: MetricValue,
    /// How much the new run's lies above the earlier one's; absent where that cannot be had.
    pub shift: Option<Shift>,
    /// Cliff's δ, from −1 (every new trial below every earlier one) to 1; of times and latencies.
    pub cliffs_delta: Option<f64>,
    /// That of "both have the same distribution".
    pub p_value: Option<f64>,
    /// The same, adjusted by Holm's method for all metrics of this document.
    pub p_holm: Option<f64>,
    /// Where no difference is seen: the smallest one that these trials would have shown in four of five runs.
    pub detectable: Option<f64>,
    /// Where it never occurred: in which share of crashes it might all the same.
    pub possible_share_of_crashes: Option<f64>,
    /// How much worse it may become; absent where nothing is asked.
    pub allowed: Option<f64>,
    /// What that comes to.
    pub standing: Standing,
    /// What was found, or what is missing.
    pub detail: Option<String>,
}

/// What a metric's figures are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Unit {
    /// Milliseconds.
    #[serde(rename = "ms")]
    Ms,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// A share of one.
    #[serde(rename = "share")]
    Share,
}

/// A metric in one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct MetricValue {
    /// The median over trials, or the share of all trials together; in memory infinite beyond the horizon.
    pub value: Option<f64>,
    /// Trials that have it.
    pub trials: u32,
    /// Of them, those where it lies beyond the horizon.
    pub beyond: u32,
    /// What the share was counted from; absent for times.
    pub counted: Option<Counted>,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counted {
    /// For certain.
    pub part: u64,
    /// Of how many.
    pub whole: u64,
    /// Of how many nobody knows.
    pub undecided: u64,
    /// How many more there are if each reply was whole that a fault may have cut off. Absent if 0.
    #[serde(default, skip_serializing_if = "crate::measure::is_zero")]
    pub doubted: u64,
}

/// A difference with its interval of 95 %; in memory an end is infinite where it is open.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Shift {
    /// The Hodges–Lehmann shift of times and latencies, the difference of pooled shares for all else.
    pub estimate: Option<f64>,
    /// The lower end.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// What a difference comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Worse, beyond what is allowed.
    Worse,
    /// Known to keep within what is allowed.
    WithinAllowed,
    /// The evidence does not suffice to say.
    Unknown,
    /// Shown, not judged.
    NotAsked,
    /// The runs cannot be compared in this.
    NotCompared,
}
