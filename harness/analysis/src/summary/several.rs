//! The faults of a plan that has several, each by itself over the trials of an arm.

use std::collections::BTreeMap;

use comeback_model::ids::FaultId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distribution::distribution;
use super::traffic::{by_class, error_rate};
use super::{Distribution, ErrorRate};
use crate::measure::{ErrorTally, FaultAnalysis, Time, TrialAnalysis};

/// One of several faults, over the trials of an arm. The arm's own figures are of all its faults together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultSummary {
    /// Its name in the plan.
    pub name: String,
    /// Trials in which its effect was confirmed.
    pub landed: u32,
    /// Trials in which another fault hit the same node before it was back from this one. Of these it is only known that it
    /// had not been recovered from by then: `time_to_ready_ms` and `outage_ms` count them as censored.
    pub overtaken: u32,
    /// When it was sent − when the trial's first fault was.
    pub sent_ms: Distribution,
    /// T0 − its sending.
    pub time_to_effect_ms: Distribution,
    /// First operation that failed in it − T0.
    pub time_to_detect_ms: Distribution,
    /// New process executed − T0.
    pub time_to_restart_ms: Distribution,
    /// First correct reply of all that it hit − T0.
    pub time_to_ready_ms: Distribution,
    /// First correct reply of all that it hit − its sending.
    pub outage_ms: Distribution,
    /// Operations in flight when it was sent, or wanted until all that it hit was back.
    pub errors: ErrorRate,
    /// Operations in flight when it was sent.
    pub in_flight: u64,
    /// Those of them that failed, by class.
    pub in_flight_failed: BTreeMap<String, u64>,
    /// Writes sent and not answered when it was sent; null where there are none, or it ends no process.
    pub writes_in_flight: Option<u64>,
    /// Sessions whose loss is laid to this fault alone.
    pub lost_sessions: u64,
    /// Acknowledged writes whose loss is laid to this fault alone.
    pub lost_writes: u64,
}

/// What one of several faults took, and nobody can tell which: they were under way together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SharedLoss {
    /// The names of the faults, in the plan's order.
    pub faults: Vec<String>,
    /// Sessions.
    pub sessions: u64,
    /// Acknowledged writes.
    pub writes: u64,
}

/// Each fault; none where the plan has one.
pub(super) fn faults(trials: &[&TrialAnalysis]) -> Vec<FaultSummary> {
    let mut by_fault: BTreeMap<FaultId, Vec<&FaultAnalysis>> = BTreeMap::new();
    for fault in trials.iter().flat_map(|trial| &trial.faults) {
        by_fault.entry(fault.id).or_default().push(fault);
    }
    let each = by_fault.into_iter();
    each.map(|(fault, own)| summarize(fault, &own, trials))
        .collect()
}

fn summarize(id: FaultId, own: &[&FaultAnalysis], trials: &[&TrialAnalysis]) -> FaultSummary {
    let figure = |of: fn(&FaultAnalysis) -> Option<f64>| {
        distribution(own.iter().filter_map(|fault| of(fault)))
    };
    let sum = |of: fn(&FaultAnalysis) -> &ErrorTally| {
        let mut sum = ErrorTally::default();
        own.iter().for_each(|fault| sum.merge(of(fault)));
        sum
    };
    let count = |is: fn(&FaultAnalysis) -> bool| own.iter().filter(|fault| is(fault)).count();
    let in_flight = sum(|fault| &fault.in_flight);
    let met: Vec<u64> = own
        .iter()
        .filter_map(|fault| Some(fault.met?.in_flight))
        .collect();
    let laid = trials.iter().flat_map(|trial| &trial.laid);
    let alone: Vec<_> = laid.filter(|loss| loss.faults == [id]).collect();
    FaultSummary {
        name: own
            .first()
            .map_or_else(String::new, |fault| fault.name.clone()),
        landed: count(|fault| fault.landed) as u32,
        overtaken: count(|fault| fault.overtaken_by.is_some()) as u32,
        sent_ms: figure(|fault| fault.sent_ms),
        time_to_effect_ms: figure(|fault| fault.chain.killed.map(|killed| 0.0 - killed)),
        time_to_detect_ms: figure(|fault| fault.time_to_detect),
        time_to_restart_ms: figure(|fault| fault.chain.executed.map(Time::or_infinite)),
        time_to_ready_ms: figure(|fault| fault.chain.ready.map(Time::or_infinite)),
        outage_ms: figure(|fault| fault.outage.map(Time::or_infinite)),
        errors: error_rate(own.iter().map(|fault| &fault.errors)),
        in_flight: in_flight.scheduled,
        in_flight_failed: by_class(&in_flight),
        writes_in_flight: (!met.is_empty()).then(|| met.iter().sum()),
        lost_sessions: alone.iter().map(|loss| loss.sessions).sum(),
        lost_writes: alone.iter().map(|loss| loss.writes).sum(),
    }
}

/// What is laid to several faults together.
pub(super) fn shared_losses(trials: &[&TrialAnalysis]) -> Vec<SharedLoss> {
    let mut shared: BTreeMap<&[FaultId], (u64, u64)> = BTreeMap::new();
    let laid = trials.iter().flat_map(|trial| &trial.laid);
    for loss in laid.filter(|loss| loss.faults.len() > 1) {
        let (sessions, writes) = shared.entry(&loss.faults).or_default();
        *sessions += loss.sessions;
        *writes += loss.writes;
    }
    let faults = || trials.iter().flat_map(|trial| &trial.faults);
    let name = |id: &FaultId| {
        let fault = faults().find(|fault| fault.id == *id);
        fault.map_or_else(|| format!("fault {}", id.0), |fault| fault.name.clone())
    };
    let named = shared.into_iter();
    named
        .map(|(ids, (sessions, writes))| SharedLoss {
            faults: ids.iter().map(name).collect(),
            sessions,
            writes,
        })
        .collect()
}
