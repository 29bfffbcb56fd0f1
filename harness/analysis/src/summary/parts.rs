//! The parts of an arm's summary: the return, the fault, the nodes, what stands in front.

use std::collections::BTreeMap;

use comeback_model::operation::Cached;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Distribution, TimeError};
use crate::measure::{Culprit, Windowed};

/// How the service came back, in numbers of trials with a fault. Their sum leaves out trials in which neither a correct
/// reply nor the end of the wait for one was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecoverySummary {
    /// It answered correctly, and the load after that was served to its end.
    pub for_good: u32,
    /// It answered correctly, and too few operations were intended after that to tell more.
    pub by_probe_only: u32,
    /// It answered correctly once, and then ended, failed, hung, flapped or was far too slow: not recovered.
    pub not_for_good: u32,
    /// Those of them in which every process was up until the end.
    pub metastable: u32,
    /// It did not answer correctly within the horizon: not recovered.
    pub never: u32,
}

/// How often a rule errs in control trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FalseRate {
    /// Control trials that the rule was applied to.
    pub controls: u32,
    /// Those in which the service was not called steady at once.
    pub late: u32,
    /// Those of them in which it never was.
    pub never: u32,
    /// Late / controls. Null without any.
    pub rate: Option<f64>,
}

/// Operations that a fault met, and failures from then on, over the trials with a fault. Classes that did not occur are absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InjectionSummary {
    /// Operations in flight at a signal of the fault, or when the drain of a replica began.
    pub in_flight: u64,
    /// Those of them that failed, by class.
    pub in_flight_failed: BTreeMap<String, u64>,
    /// Operations scheduled from the first signal or drain to the end of the load.
    pub since: u64,
    /// Those of them that failed, by class.
    pub since_failed: BTreeMap<String, u64>,
    /// Sessions that had begun by that signal or drain, and whose fate is known. In a rolling restart they are fewer than
    /// those acknowledged before the fault: sessions of users who log in again meanwhile are not among them.
    #[serde(default)]
    pub sessions: u64,
    /// Those of them that were lost.
    #[serde(default)]
    pub sessions_lost: u64,
    /// The longest time in ms from the first to the last faulted node of one trial. Null with one faulted node.
    pub spread_ms: Option<f64>,
    /// Operations under way between the stop signal and the end of the process. 0 if nothing was stopped.
    #[serde(default)]
    pub draining: u64,
    /// Those of them that failed, by class.
    #[serde(default)]
    pub draining_failed: BTreeMap<String, u64>,
    /// The writes at a fault that ends processes. Null without writes.
    #[serde(default)]
    pub writes: Option<FaultedWrites>,
}

/// The writes that faults met.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultedWrites {
    /// Writes sent and not answered at a fault.
    pub in_flight: u64,
    /// Those, and the ones acknowledged less than a millisecond before one.
    pub at_stake: u64,
    /// The probability that such a run detects a server which acknowledges 100 µs before it stores.
    pub early_ack_found: f64,
    /// The median time in µs from the reading of an acknowledgement that a fault waited for to its signal. Null if no fault
    /// waited for one.
    pub aimed_after_us: Option<f64>,
    /// The same of each trial.
    pub trials: Vec<FaultedTrial>,
}

/// The operations that the fault of one trial met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultedTrial {
    /// Its number.
    pub trial: u32,
    /// Operations in flight.
    pub in_flight: u64,
    /// Writes sent and not answered.
    pub in_flight_writes: u64,
    /// Those, and the ones acknowledged less than a millisecond before.
    pub at_stake: u64,
}

impl InjectionSummary {
    /// Operations since then that failed.
    pub fn since_lost(&self) -> u64 {
        self.since_failed.values().sum()
    }
}

/// The nodes that failed operations, and the nodes that served them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttributionSummary {
    /// Failed operations by the node that failed them.
    pub failed: BTreeMap<Culprit, u64>,
    /// Correct operations by the node that answered (`replica-0`…). `unnamed`: the answering process did not name itself, or
    /// its node is unknown, as after a restart of all replicas.
    pub served: BTreeMap<String, u64>,
}

/// The work of a shared cache, over the trials with a fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CacheSummary {
    /// Replies of the load, by the cache's way to them. Ways that did not occur are absent.
    pub replies: BTreeMap<Cached, u64>,
    /// Replies that could have been served from the cache: they were stored, or became stored.
    pub look_ups: u64,
    /// Those of them that were served without asking the server.
    pub hits: u64,
    /// Hits / look-ups. Null without any.
    pub hit_rate: Option<f64>,
    /// Stored replies of the cache with another user's content, in all trials, control trials and void ones included, from
    /// their start to their end. Any of them fails the run.
    pub another_users: u64,
    /// The age in seconds of the oldest stale reply that was served, if the cache reports it.
    pub oldest_stale_s: Option<u32>,
    /// The service while every replica was down. Null if they never were.
    pub while_down: Option<WhileDownSummary>,
}

/// The service while every replica was down, from the confirmed end of the last one to the first correct reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhileDownSummary {
    /// Operations scheduled.
    pub scheduled: u64,
    /// Correct ones.
    pub correct: u64,
    /// Those of them that were served from the cache.
    pub from_cache: u64,
    /// Correct / scheduled. Null if nothing was scheduled.
    pub availability: Option<f64>,
}

/// The results of retries over the trials with a fault: before, during and after it together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RetrySummary {
    /// Operations that were tried.
    pub operations: u64,
    /// All tries.
    pub tries: u64,
    /// Tries / operations: the additional load of retries. Null without operations.
    pub amplification: Option<f64>,
    /// Operations that were tried more than once.
    pub repeated: u64,
    /// Those of them that ended correctly.
    pub saved: u64,
}

/// Observations of several nodes, over the trials with a fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodesSummary {
    /// The number of replicas.
    pub replicas: u32,
    /// The service of each replica (`replica-0`…), over all trials.
    pub availability: BTreeMap<String, ReplicaAvailability>,
    /// The service of the replicas that were down at some time, in the trials in which they were.
    #[serde(rename = "struck")]
    pub faulted: ReplicaAvailability,
    /// Time in which at least one replica was down and not all, until the load's end. `censored`: it lasted beyond the
    /// load's end.
    pub partial_downtime_ms: Distribution,
    /// Time in which all replicas were down, or the node in front of them. `censored` as above.
    pub total_downtime_ms: Distribution,
    /// The last request that the balancer sent to a faulted replica − that replica's confirmed exit. May be negative.
    pub balancer_detect_ms: Distribution,
    /// The reasons why trials have no such figure, each once.
    pub balancer_detect_unknown: Vec<String>,
    /// The first reply of the restarted replica through the balancer − its own first correct reply. May be negative.
    pub balancer_return_ms: Distribution,
    /// The reasons why trials have no such figure, each once.
    pub balancer_return_unknown: Vec<String>,
}

/// The service of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaAvailability {
    /// Operations that it answered correctly.
    pub correct: u64,
    /// Operations that it failed.
    pub failed: u64,
    /// Correct / (correct + failed). Null if it was not asked.
    pub rate: Option<f64>,
}

/// How many of the requests within sessions found their session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContinuityRate {
    /// Acts and checks that were sent.
    pub sent: u64,
    /// Those of them that were answered correctly, as the session they belong to.
    pub kept: u64,
    /// Kept / sent. Null if nothing was sent.
    pub rate: Option<f64>,
}

/// Users' journeys: all operations of one session from the login to the logout, or to the load's end. One operation that
/// fails because of the fault, or a lost session, tears the whole journey.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JourneySummary {
    /// Those that have an operation in the measured load.
    pub journeys: u64,
    /// Those that were torn.
    pub torn: u64,
    /// Undecided ones. They are left out of the goodput.
    pub undecided: u64,
    /// Their operations, before, during and after the fault.
    pub operations: Windowed<JourneyRate>,
    /// The action-weighted goodput: the share of all these operations that belong to journeys that were not torn. Null
    /// without any.
    pub goodput: Option<f64>,
    /// Lower bound of its interval of at least 95 %. Needs six trials.
    pub low: Option<f64>,
    /// Its upper bound.
    pub high: Option<f64>,
}

/// Operations of journeys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JourneyRate {
    /// Scheduled.
    pub scheduled: u64,
    /// Those of torn journeys, even if they were answered correctly.
    pub torn: u64,
    /// Those of undecided journeys.
    pub undecided: u64,
    /// The share of the others that belong to journeys that were not torn. Null without any.
    pub goodput: Option<f64>,
}

/// How long clients failed while the health check said ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlindSummary {
    /// For certain, over the trials in which it was measured.
    pub ms: Distribution,
    /// How much more it may have been, because the check was asked only at intervals.
    pub error_ms: TimeError,
}
