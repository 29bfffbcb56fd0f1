//! The summary of a run, and of each of its arms.

use std::collections::BTreeMap;

use comeback_model::journal::{Machine, RunLabel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AttributionSummary, AvailabilityRate, BlindSummary, CacheSummary, ContinuityRate, Distribution,
    ErrorRate, FalseRate, FaultSummary, InjectionSummary, JourneySummary, Latency, LossShare,
    NodesSummary, RecoverySummary, RetrySummary, SharedLoss, TimeError,
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
    /// What all randomness followed from.
    pub seed: u64,
    /// Wall time at the run's start, RFC 3339.
    pub started: String,
    /// Pass, fail, inconclusive, or measured where nothing was demanded.
    pub verdict: Outcome,
    /// The decisive fact in one line, such as `FAIL: lost 294 of 294 sessions`.
    #[serde(default)]
    pub headline: String,
    /// Why, in sentences.
    pub reasons: Vec<String>,
    /// Each gate asked of each arm that was measured.
    pub gates: Vec<Check>,
    /// The gates on times and rates taken together: how often one of them breaks by chance. Null where fewer than two
    /// were judged.
    #[serde(default)]
    pub family: Option<Family>,
    /// Where it ran.
    pub machine: Machine,
    /// How the run went on after its declared trials, since these did not suffice.
    #[serde(default)]
    pub extensions: Vec<Extension>,
    /// The earlier run that gates with a baseline compare with, if one was given.
    #[serde(default)]
    pub baseline: Option<RunLabel>,
    /// One entry for each arm of the plan, in its order.
    pub arms: Vec<ArmSummary>,
}

/// A void trial that another has taken the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplacedTrial {
    /// Which.
    pub trial: u32,
    /// It was one without a fault.
    pub control: bool,
    /// Why it is void.
    pub reason: String,
}

impl Summary {
    /// The published JSON Schema of this document.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Summary).to_value()
    }
}

/// Whether an arm has figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has.
    Measured,
    /// It could not run here, or no trial of it counts.
    Skipped,
}

/// An arm's figures, over its trials with a fault; the control trials stand apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmSummary {
    /// Its name.
    pub name: String,
    /// Whether it has figures.
    pub status: Status,
    /// Why not, or what to know about its figures.
    pub reason: Option<String>,
    /// Trials with a fault that ran to their end.
    pub trials: u32,
    /// Void trials, by the harness's or the machine's doing, that others have taken the place of.
    #[serde(default)]
    pub replaced: Vec<ReplacedTrial>,
    /// All its trials that were begun, void ones and those without a fault among them.
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
    /// In how many of them the service came back, and for good.
    #[serde(default)]
    pub recovery: RecoverySummary,
    /// What became of the sessions acknowledged before the fault.
    pub sessions: SessionCounts,
    /// What became of the acknowledged writes of those sessions.
    pub writes: WriteCounts,
    /// How much of the acknowledged sessions is lost, with its interval.
    #[serde(default)]
    pub session_loss: LossShare,
    /// How much of the acknowledged writes is lost, with its interval.
    #[serde(default)]
    pub write_loss: LossShare,
    /// Which of the users' journeys the fault tore; absent where there are no sessions.
    #[serde(default)]
    pub journeys: Option<JourneySummary>,
    /// What the clients saw, by window.
    pub errors: Windowed<ErrorRate>,
    /// Latency from the intended start, by window; a failed operation counts as infinite.
    pub latency_ms: Windowed<Latency>,
    /// The load that was served well enough, before, during and after the fault together.
    pub availability: AvailabilityRate,
    /// Who failed the operations that failed and who served the others, before, during and after the fault
    /// together; absent where the server is all there is.
    pub attribution: Option<AttributionSummary>,
    /// What the shared cache in front did; absent where there is none.
    #[serde(default)]
    pub cache: Option<CacheSummary>,
    /// What the fault met, and what failed from then on.
    #[serde(default, rename = "strike")]
    pub injection: InjectionSummary,
    /// What trying again came to; absent where clients do not.
    #[serde(default)]
    pub retries: Option<RetrySummary>,
    /// What was seen of several nodes as such; absent where the server is all there is.
    #[serde(default)]
    pub nodes: Option<NodesSummary>,
    /// First operation that failed through the fault − T0; negative when a client saw it first.
    pub time_to_detect_ms: Distribution,
    /// T0 − the fault's sending: how long it took until its effect was confirmed.
    #[serde(default)]
    pub time_to_effect_ms: Distribution,
    /// New process executed − T0.
    pub time_to_restart_ms: Distribution,
    /// First accepted connection − T0.
    pub time_to_listen_ms: Distribution,
    /// First correct reply of the new process − T0; beyond the horizon also where that process died again.
    pub time_to_ready_ms: Distribution,
    /// First correct reply of the new process − the fault's sending: how long the service was away, from the kill. The
    /// headline.
    #[serde(default)]
    pub outage_ms: Distribution,
    /// Last correct reply that a client had before the fault → first one after it.
    #[serde(default)]
    pub client_outage_ms: Distribution,
    /// How long clients failed from the fault on while the health check said ready; absent where none was asked.
    #[serde(default)]
    pub blind_time: Option<BlindSummary>,
    /// Back within the baseline's band until the load's end − T0.
    pub time_to_steady_ms: Distribution,
    /// Longest time between two correct replies.
    pub longest_gap_ms: Distribution,
    /// The same rule over the control trials, as if a fault had been injected in them: how often it errs.
    #[serde(default)]
    pub steady_false_rate: FalseRate,
    /// Equivalent seconds of full outage: failed and slow together.
    pub outage_area_s: Distribution,
    /// Its part in which operations failed.
    #[serde(default)]
    pub outage_area_failed_s: Distribution,
    /// Its part in which replies were correct and had to be waited for.
    #[serde(default)]
    pub outage_area_slow_s: Distribution,
    /// T0 − acknowledgement of the oldest lost write; only trials that lost one.
    pub loss_window_ms: Distribution,
    /// How much earlier than measured each time may have been true, by the time's name (`time_to_ready_ms`); times that were
    /// not measured are absent.
    #[serde(default)]
    pub time_errors_ms: BTreeMap<String, TimeError>,
    /// The pacer's lateness in the baseline, over all operations of all trials.
    pub send_lag_ms: Latency,
    /// The same server without a fault.
    pub control: ControlSummary,
    /// Why trials went as they did, where their facts say: sentences, each once, with the trials.
    #[serde(default)]
    pub causes: Vec<String>,
    /// What a reader should know of single trials.
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
    /// They do not count because of it.
    pub void: bool,
}

/// The trials without a fault: what fails here is not due to a crash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ControlSummary {
    /// How many ran to their end.
    pub trials: u32,
    /// What became of all acknowledged sessions.
    pub sessions: SessionCounts,
    /// What became of their acknowledged writes.
    pub writes: WriteCounts,
    /// Which of the users' journeys were torn without any fault; absent where there are no sessions.
    #[serde(default)]
    pub journeys: Option<JourneySummary>,
    /// What the clients saw after warm-up.
    pub errors: ErrorRate,
    /// The load that was served well enough.
    pub availability: AvailabilityRate,
    /// Requests within sessions that found their session.
    #[serde(default)]
    pub continuity: ContinuityRate,
    /// Correct operations per second after warm-up, the mean over the trials; null where none was measured.
    #[serde(default)]
    pub goodput_per_s: Option<f64>,
}
