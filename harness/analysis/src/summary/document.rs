//! The summary of a run, and of each of its arms.

use std::collections::BTreeMap;

use comeback_model::journal::{Machine, Revision, RunLabel};
use comeback_model::shard::HeldShard;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AttributionSummary, AvailabilityRate, BlindSummary, CacheSummary, ContinuityRate, Distribution,
    ErrorRate, FalseRate, FaultSummary, InjectionSummary, JourneySummary, Latency, LossShare,
    NodesSummary, RecoverySummary, RetrySummary, SharedLoss, StormSummary, TimeError,
};
use crate::measure::{Extension, SessionCounts, Windowed, WriteCounts};
use crate::verdict::{Check, Family, Outcome};

/// The version of the document's shape.
pub const SCHEMA: u32 = 1;

/// A run's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The version of this document's shape.
    pub schema: u32,
    /// The experiment's name.
    pub name: String,
    /// The seed of everything random.
    pub seed: u64,
    /// Wall time at the run's start, RFC 3339.
    pub started: String,
    /// Pass, fail, inconclusive, or measured (without gates).
    pub verdict: Outcome,
    /// The decisive fact in one line, such as `FAIL: lost 294 of 294 sessions`.
    #[serde(default)]
    pub headline: String,
    /// The reasons, in sentences.
    pub reasons: Vec<String>,
    /// Each gate of each arm that was measured.
    pub gates: Vec<Check>,
    /// All gates on times and rates together: how often one of them breaks by chance. Null if fewer than two were
    /// judged.
    #[serde(default)]
    pub family: Option<Family>,
    /// The machine.
    pub machine: Machine,
    /// The shards of a run that was split over machines. Absent in any other run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardsSummary>,
    /// The name that the user gave this run (`--label`). Absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The git revision of the folder in which the run was started. Absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The extension of the run, if its declared trials did not suffice.
    #[serde(default)]
    pub extensions: Vec<Extension>,
    /// The earlier run that is the baseline of the gates, if one was given.
    #[serde(default)]
    pub baseline: Option<RunLabel>,
    /// One entry for each arm of the plan, in its order.
    pub arms: Vec<ArmSummary>,
}

/// The shards of a run that was split over machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShardsSummary {
    /// Into how many the run was split.
    pub count: u32,
    /// Those that are missing. If there is one, nothing holds of the whole.
    pub missing: Vec<u32>,
    /// The others, with their machines.
    pub held: Vec<HeldShard>,
}

/// A void trial that was replaced by another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplacedTrial {
    /// Its number.
    pub trial: u32,
    /// Whether it was a control trial.
    pub control: bool,
    /// The reason why it is void.
    pub reason: String,
}

impl Summary {
    /// Reads the document back.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The published JSON Schema of this document.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Summary).to_value()
    }
}

/// Whether an arm has figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The arm has figures.
    Measured,
    /// The arm could not run here, or none of its trials counts.
    Skipped,
}

/// An arm's figures over its trials with a fault. Control trials are separate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmSummary {
    /// Its name.
    pub name: String,
    /// Whether it has figures.
    pub status: Status,
    /// The reason why not, or a remark about its figures.
    pub reason: Option<String>,
    /// Trials with a fault that ran to their end.
    pub trials: u32,
    /// Trials that the harness or the machine made void and that were replaced.
    #[serde(default)]
    pub replaced: Vec<ReplacedTrial>,
    /// All its trials that began, void ones and control trials included.
    #[serde(default)]
    pub begun: u32,
    /// Trials whose fault was confirmed.
    pub faults_landed: u32,
    /// Each fault by itself; absent where the plan has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultSummary>,
    /// What is laid to several faults together; absent where the plan has one, and where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_losses: Vec<SharedLoss>,
    /// The kills of a storm. Absent in any other run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm: Option<StormSummary>,
    /// How many of them the service came back from, for good.
    #[serde(default)]
    pub recovery: RecoverySummary,
    /// The fates of the sessions acknowledged before the fault.
    pub sessions: SessionCounts,
    /// The fates of the acknowledged writes of those sessions.
    pub writes: WriteCounts,
    /// The share of acknowledged sessions that is lost, with its interval.
    #[serde(default)]
    pub session_loss: LossShare,
    /// The share of acknowledged writes that is lost, with its interval.
    #[serde(default)]
    pub write_loss: LossShare,
    /// The users' journeys that the fault tore. Absent without sessions.
    #[serde(default)]
    pub journeys: Option<JourneySummary>,
    /// The clients' failures, by window.
    pub errors: Windowed<ErrorRate>,
    /// Latency from the intended start, by window. A failed operation counts as infinite.
    pub latency_ms: Windowed<Latency>,
    /// The load that was served well enough, before, during and after the fault together.
    pub availability: AvailabilityRate,
    /// The nodes that failed operations, and the nodes that served the others, before, during and after the fault
    /// together. Absent for a single server.
    pub attribution: Option<AttributionSummary>,
    /// The work of the shared cache in front. Absent without a cache.
    #[serde(default)]
    pub cache: Option<CacheSummary>,
    /// The operations that the fault met, and the failures from then on.
    #[serde(default, rename = "strike")]
    pub injection: InjectionSummary,
    /// The results of retries. Absent if clients do not retry.
    #[serde(default)]
    pub retries: Option<RetrySummary>,
    /// Observations of several nodes. Absent for a single server.
    #[serde(default)]
    pub nodes: Option<NodesSummary>,
    /// First operation that failed because of the fault − T0. Negative if a client saw it first.
    pub time_to_detect_ms: Distribution,
    /// T0 − the sending of the fault: the time until its effect was confirmed.
    #[serde(default)]
    pub time_to_effect_ms: Distribution,
    /// New process executed − T0.
    pub time_to_restart_ms: Distribution,
    /// First accepted connection − T0.
    pub time_to_listen_ms: Distribution,
    /// First correct reply of the new process − T0. Also beyond the horizon if that process died again.
    pub time_to_ready_ms: Distribution,
    /// First correct reply of the new process − the sending of the fault: the outage of the service, from the kill. The
    /// headline.
    #[serde(default)]
    pub outage_ms: Distribution,
    /// Last correct reply that a client had before the fault → first one after it.
    #[serde(default)]
    pub client_outage_ms: Distribution,
    /// How long clients failed from the fault on while the health check said ready. Absent without a health check.
    #[serde(default)]
    pub blind_time: Option<BlindSummary>,
    /// Back within the baseline's band until the load's end − T0.
    pub time_to_steady_ms: Distribution,
    /// Longest time between two correct replies.
    pub longest_gap_ms: Distribution,
    /// The same rule applied to the control trials: how often it errs.
    #[serde(default)]
    pub steady_false_rate: FalseRate,
    /// Equivalent seconds of full outage: failed and slow together.
    pub outage_area_s: Distribution,
    /// The part of it in which operations failed.
    #[serde(default)]
    pub outage_area_failed_s: Distribution,
    /// The part of it in which replies were correct and slow.
    #[serde(default)]
    pub outage_area_slow_s: Distribution,
    /// T0 − acknowledgement of the oldest lost write. Only over trials that lost one.
    pub loss_window_ms: Distribution,
    /// The error of each measured time: how much earlier it may have been, by its name (`time_to_ready_ms`). Times that were
    /// not measured are absent.
    #[serde(default)]
    pub time_errors_ms: BTreeMap<String, TimeError>,
    /// The pacer's lateness in the baseline, over all operations of all trials.
    pub send_lag_ms: Latency,
    /// The same server without a fault.
    pub control: ControlSummary,
    /// Known causes, as sentences. Each is listed once, with its trials.
    #[serde(default)]
    pub causes: Vec<String>,
    /// Findings about single trials.
    #[serde(default)]
    pub findings: Vec<TrialFinding>,
}

/// A sentence about trials of an arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialFinding {
    /// The sentence, without a full stop.
    pub text: String,
    /// The trials it holds for.
    pub trials: Vec<u32>,
    /// Whether they do not count because of it.
    pub void: bool,
    /// What it concerns.
    #[serde(default)]
    pub about: About,
}

/// What a finding concerns.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The server and the fault, or nobody can tell.
    #[default]
    Server,
    /// The harness and its machine.
    Harness,
}

/// The control trials. Failures here are not caused by a crash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ControlSummary {
    /// How many ran to their end.
    pub trials: u32,
    /// The fates of all acknowledged sessions.
    pub sessions: SessionCounts,
    /// The fates of their acknowledged writes.
    pub writes: WriteCounts,
    /// The users' journeys that were torn without any fault. Absent without sessions.
    #[serde(default)]
    pub journeys: Option<JourneySummary>,
    /// The clients' failures after the warm-up.
    pub errors: ErrorRate,
    /// The load that was served well enough.
    pub availability: AvailabilityRate,
    /// Requests within sessions that found their session.
    #[serde(default)]
    pub continuity: ContinuityRate,
    /// Correct operations per second after the warm-up, the mean over the trials. Null if none was measured.
    #[serde(default)]
    pub goodput_per_s: Option<f64>,
}
