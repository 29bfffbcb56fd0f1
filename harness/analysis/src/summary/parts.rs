//! The parts of an arm's summary: the return, the fault, the nodes, what stands in front.

use std::collections::BTreeMap;

use comeback_model::operation::Cached;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Distribution, TimeError};
use crate::measure::{Culprit, Windowed};

/// How the service came back, in numbers of trials with a fault. They add up to all of them but those in which neither a
/// correct reply nor the end of the wait for one is on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecoverySummary {
    /// It answered correctly, and the load after that was served to its end.
    pub for_good: u32,
    /// It answered correctly, and too few operations were wanted after that to tell more.
    pub by_probe_only: u32,
    /// It answered correctly once, and then ended, failed, hung, flapped or was far too slow: not recovered.
    pub not_for_good: u32,
    /// Those of them in which every process was up until the end.
    pub metastable: u32,
    /// It did not answer correctly within the horizon: not recovered.
    pub never: u32,
}

/// How often a rule finds something in control trials, in which there is nothing to be found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FalseRate {
    /// Control trials that were asked.
    pub controls: u32,
    /// Those in which the service was not called steady at once.
    pub late: u32,
    /// Those of them in which it never was.
    pub never: u32,
    /// Late / controls; null without any.
    pub rate: Option<f64>,
}

/// What a fault met and what failed from then on, over the trials with one. Classes that did not occur are absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InjectionSummary {
    /// Operations in flight at a signal of the fault, or when the drain of a replica was begun.
    pub in_flight: u64,
    /// Those of them that failed, by class.
    pub in_flight_failed: BTreeMap<String, u64>,
    /// Operations scheduled from the first signal or drain to the end of the load.
    pub since: u64,
    /// Those of them that failed, by class.
    pub since_failed: BTreeMap<String, u64>,
    /// Sessions that had begun by that signal or drain, and of which it is known what became. Fewer than those acknowledged
    /// before the fault, where one replica after the other is faulted: who logs in again meanwhile is not among them.
    #[serde(default)]
    pub sessions: u64,
    /// Those of them that were lost.
    #[serde(default)]
    pub sessions_lost: u64,
    /// The longest time in ms from the first to the last of several that were faulted in one trial; null where one was.
    pub spread_ms: Option<f64>,
    /// Operations under way between the signal to stop and the end of what was told to; 0 where nothing was.
    #[serde(default)]
    pub draining: u64,
    /// Those of them that failed, by class.
    #[serde(default)]
    pub draining_failed: BTreeMap<String, u64>,
    /// The writes at a fault that ends processes; null where there are none.
    #[serde(default)]
    pub writes: Option<FaultedWrites>,
}

/// What faults met of the writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultedWrites {
    /// Writes sent and not answered at a fault.
    pub in_flight: u64,
    /// Those, and the ones acknowledged less than a millisecond before one.
    pub at_stake: u64,
    /// The chance that such a run finds a server which acknowledges 100 µs before it stores.
    pub early_ack_found: f64,
    /// The median time in µs from the reading of an acknowledgement that a fault waited for to its signal; null where none
    /// waited for one.
    pub aimed_after_us: Option<f64>,
    /// The same of each trial.
    pub trials: Vec<FaultedTrial>,
}

/// What the fault of one trial met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultedTrial {
    /// Which.
    pub trial: u32,
    /// Operations in flight.
    pub in_flight: u64,
    /// Writes sent and not answered.
    pub in_flight_writes: u64,
    /// Those, and the ones acknowledged less than a millisecond before.
    pub at_stake: u64,
}

impl InjectionSummary {
    /// Operations in flight that failed.
    pub fn in_flight_lost(&self) -> u64 {
        self.in_flight_failed.values().sum()
    }

    /// Operations since then that failed.
    pub fn since_lost(&self) -> u64 {
        self.since_failed.values().sum()
    }
}

/// Who failed operations, and who served them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttributionSummary {
    /// Failed operations by who failed them.
    pub failed: BTreeMap<Culprit, u64>,
    /// Correct operations by the node that answered (`replica-0`…); `unnamed` where the answering process did not
    /// name itself, or is not known to be of a node, as after all replicas were started again.
    pub served: BTreeMap<String, u64>,
}

/// What a shared cache did, over the trials with a fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CacheSummary {
    /// Replies of the load by how the cache came to them; ways that did not occur are absent.
    pub replies: BTreeMap<Cached, u64>,
    /// Replies that could have been served from the cache: they were stored, or are from then on.
    pub look_ups: u64,
    /// Those of them that were served without asking the server.
    pub hits: u64,
    /// Hits / look-ups; null without any.
    pub hit_rate: Option<f64>,
    /// Replies with another user's content that the cache had stored: in all trials, those without a fault and those
    /// that do not count among them, and in all of each. Any of them fails the run.
    pub another_users: u64,
    /// The age in seconds of the oldest reply that was served though it was stale, where the cache says so.
    pub oldest_stale_s: Option<u32>,
    /// What clients got while every replica was down; null where they never were.
    pub while_down: Option<WhileDownSummary>,
}

/// What clients got while every replica was down, from the confirmed end of the last one to the first correct reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhileDownSummary {
    /// Operations scheduled.
    pub scheduled: u64,
    /// Correct ones.
    pub correct: u64,
    /// Those of them that were answered with what the cache had stored.
    pub from_cache: u64,
    /// Correct / scheduled; null when nothing was scheduled.
    pub availability: Option<f64>,
}

/// What trying again came to, over the trials with a fault: before, during and after it together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RetrySummary {
    /// Operations that were tried.
    pub operations: u64,
    /// How often, all together.
    pub tries: u64,
    /// Tries / operations: what trying again adds to the load; null without any operation.
    pub amplification: Option<f64>,
    /// Operations that were tried more than once.
    pub repeated: u64,
    /// Those of them that ended correctly.
    pub saved: u64,
}

/// What was seen of several nodes as such, over the trials with a fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodesSummary {
    /// How many replicas there are.
    pub replicas: u32,
    /// Of each replica (`replica-0`…) by itself, over all trials.
    pub availability: BTreeMap<String, ReplicaAvailability>,
    /// Of those replicas that were down at some time, in the trials in which they were.
    #[serde(rename = "struck")]
    pub faulted: ReplicaAvailability,
    /// Time in which at least one replica was down and not all, until the load's end; `censored` where it lasted
    /// beyond it.
    pub partial_downtime_ms: Distribution,
    /// Time in which all replicas were down, or what stands in front of them was; likewise.
    pub total_downtime_ms: Distribution,
    /// The last request that the balancer sent to a faulted replica − that replica's confirmed exit; may be negative.
    pub balancer_detect_ms: Distribution,
    /// Why trials have no such figure, each reason once.
    pub balancer_detect_unknown: Vec<String>,
    /// The first reply of the restarted replica through the balancer − its own first correct reply; may be negative.
    pub balancer_return_ms: Distribution,
    /// Why trials have no such figure, each reason once.
    pub balancer_return_unknown: Vec<String>,
}

/// How a replica served what it was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaAvailability {
    /// Operations that it answered correctly.
    pub correct: u64,
    /// Operations that failed through it.
    pub failed: u64,
    /// Correct / (correct + failed); null when it was not asked.
    pub rate: Option<f64>,
}

/// How many of the requests within sessions found their session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContinuityRate {
    /// Acts and checks that were sent.
    pub sent: u64,
    /// Those of them that were answered correctly, as the session they belong to.
    pub kept: u64,
    /// Kept / sent; null when nothing was sent.
    pub rate: Option<f64>,
}

/// Users' journeys: what one session's user does from the login to the logout, or to the load's end. One operation that
/// the fault makes fail, or a session that it takes, tears the whole journey.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JourneySummary {
    /// Those that have an operation in the measured load.
    pub journeys: u64,
    /// Those that were torn.
    pub torn: u64,
    /// Those of which that is not known; they leave the goodput.
    pub undecided: u64,
    /// Their operations, before, during and after the fault.
    pub operations: Windowed<JourneyRate>,
    /// The action-weighted goodput: the share of all these operations that belong to journeys which were not torn;
    /// null without any.
    pub goodput: Option<f64>,
    /// Lower bound of its interval of at least 95 %; needs six trials.
    pub low: Option<f64>,
    /// Its upper bound.
    pub high: Option<f64>,
}

/// Operations of journeys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JourneyRate {
    /// Scheduled.
    pub scheduled: u64,
    /// Those of torn journeys, also where they were answered correctly.
    pub torn: u64,
    /// Those of journeys of which it is not known whether they were torn.
    pub undecided: u64,
    /// The share of the others that belong to journeys which were not torn; null without any.
    pub goodput: Option<f64>,
}

/// How long clients failed while the health check said ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlindSummary {
    /// For certain, over the trials in which it was measured.
    pub ms: Distribution,
    /// How much more it may have been, since the check was only asked now and then.
    pub error_ms: TimeError,
}
