//! The document of a self-test, with a published JSON Schema.

use comeback_analysis::verdict::Outcome;
use comeback_model::journal::Machine;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shape of this document; changed with it.
pub(super) const SCHEMA: &str = "comeback-selftest/1";

/// The results of a self-test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SelfTest {
    /// The shape of this document.
    pub(super) schema: String,
    /// The first seed. Each further run of a server has the next one.
    pub(super) seed: u64,
    /// Seeds for each bug.
    pub(super) seeds: u32,
    /// Whether each bug was exchanged with its twin, to see this test fail.
    pub(super) swapped: bool,
    /// Wall time at the start, RFC 3339.
    pub(super) started: String,
    /// The machine.
    pub(super) machine: Machine,
    /// How late timers fire on it, in words. Absent if that could not be measured.
    pub(super) timer_lateness: Option<String>,
    /// Pass if every bug was found and no twin raised an alarm, fail if not, inconclusive if too many runs were.
    pub(super) verdict: Outcome,
    /// One entry for each bug.
    pub(super) bugs: Vec<Row>,
    /// Bugs that cannot be looked for on this machine.
    #[serde(default)]
    pub(super) skipped: Vec<Skipped>,
}

/// A bug that cannot be looked for on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Skipped {
    /// Its number.
    pub(super) number: u32,
    /// The bug in plain words.
    pub(super) bug: String,
    /// What is missing, and what to do.
    pub(super) reason: String,
}

/// The result of a bug and its twin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Row {
    /// The number of the bug.
    pub(super) number: u32,
    /// The bug in plain words.
    pub(super) bug: String,
    /// The server with the bug.
    pub(super) server: String,
    /// The server without it.
    pub(super) twin: String,
    /// The kind of fault.
    pub(super) fault: String,
    /// Another kind of fault, under which the server with the bug must be as clean as its twin. Absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) survives: Option<String>,
    /// The gate that the bug breaks.
    pub(super) gate: String,
    /// The verdict on this row.
    pub(super) outcome: Outcome,
    /// Runs of the server with the bug, one for each seed.
    pub(super) runs: u32,
    /// Those that found the bug.
    pub(super) detected: u32,
    /// The Wilson 95 % interval of the share of runs that find it: its lower end.
    pub(super) detected_share_low: f64,
    /// Its upper end.
    pub(super) detected_share_high: f64,
    /// Runs that were inconclusive. They did not find the bug.
    pub(super) inconclusive: u32,
    /// Median number of faults until the bug showed. Absent if it never did.
    pub(super) faults_median: Option<f64>,
    /// Median time from the start of the first trial to the end of the one in which the bug showed.
    pub(super) seconds_median: Option<f64>,
    /// Runs that must be clean: of the twin, and of the server under the fault that it survives.
    pub(super) clean_runs: u32,
    /// Those that failed.
    pub(super) alarms: u32,
    /// Those that were inconclusive. They raised no alarm.
    pub(super) twin_inconclusive: u32,
    /// The command that repeats this row.
    pub(super) command: String,
    /// Every run that was not as it should be.
    pub(super) remarks: Vec<Remark>,
}

/// A run that was not as it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Remark {
    /// The server that ran.
    pub(super) server: String,
    /// `missed`, `alarm` or `inconclusive`.
    pub(super) what: String,
    /// The verdict of the run in one line.
    pub(super) headline: String,
    /// The folder of the run.
    pub(super) run: String,
}

impl SelfTest {
    /// The document's JSON Schema.
    pub(crate) fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}
