//! The part of the summary that several nodes make worth writing.

use std::collections::{BTreeMap, BTreeSet};

use comeback_model::ids::Node;
use comeback_model::plan::Arm;

use super::distribution::distribution;
use crate::measure::{Balancing, NodesAnalysis, Time, TrialAnalysis};
use crate::summary::{NodesSummary, ReplicaAvailability};

/// Observations of an arm's nodes over its trials with a fault.
pub(super) fn summarize(arm: &Arm, trials: &[&TrialAnalysis]) -> NodesSummary {
    let balanced = || {
        let balancing = trials.iter().map(|trial| trial.nodes.balancing.as_ref());
        balancing.flatten()
    };
    let down = |of: fn(&NodesAnalysis) -> Option<Time>| {
        let times = trials.iter().filter_map(|trial| of(&trial.nodes));
        distribution(times.map(Time::or_infinite))
    };
    let detected = balanced().filter_map(|it| it.detect.as_ref().ok());
    let back = balanced().filter_map(|it| it.back.as_ref().ok());
    NodesSummary {
        replicas: arm.replicas,
        availability: availability(arm, trials),
        faulted: faulted(trials),
        partial_downtime_ms: down(|nodes| Some(nodes.downtime?.partial)),
        total_downtime_ms: down(|nodes| Some(nodes.downtime?.total)),
        balancer_detect_ms: distribution(detected.map(|last| last.ms)),
        balancer_detect_unknown: reasons(balanced(), |it| it.detect.as_ref().err()),
        balancer_return_ms: distribution(back.map(|time| time.or_infinite())),
        balancer_return_unknown: reasons(balanced(), |it| it.back.as_ref().err()),
    }
}

fn reasons<'a>(
    all: impl Iterator<Item = &'a Balancing>,
    of: fn(&Balancing) -> Option<&&'static str>,
) -> Vec<String> {
    let reasons: BTreeSet<&str> = all.filter_map(|it| of(it).copied()).collect();
    reasons.into_iter().map(str::to_owned).collect()
}

fn availability(arm: &Arm, trials: &[&TrialAnalysis]) -> BTreeMap<String, ReplicaAvailability> {
    let replicas = (0..arm.replicas).map(Node::Replica);
    replicas
        .map(|node| {
            let all = trials.iter().map(|trial| asked(trial, node));
            (node.to_string(), pooled(all))
        })
        .collect()
}

fn faulted(trials: &[&TrialAnalysis]) -> ReplicaAvailability {
    let all = trials.iter().flat_map(|trial| {
        let down = trial.nodes.outages.iter().map(|outage| outage.node);
        let replicas = down.filter(|node| matches!(node, Node::Replica(_)));
        // One that went twice is one.
        let nodes: BTreeSet<Node> = replicas.collect();
        nodes.into_iter().map(|node| asked(trial, node))
    });
    pooled(all)
}

/// How many of its operations a node served, and failed.
fn asked(trial: &TrialAnalysis, node: Node) -> (u64, u64) {
    let attribution = &trial.attribution;
    let served = attribution.served.get(&Some(node)).copied();
    let failed = attribution.failed_by.get(&node).copied();
    (served.unwrap_or(0), failed.unwrap_or(0))
}

fn pooled(all: impl Iterator<Item = (u64, u64)>) -> ReplicaAvailability {
    let (correct, failed) = all.fold((0, 0), |(correct, failed), (more, worse)| {
        (correct + more, failed + worse)
    });
    let asked = correct + failed;
    ReplicaAvailability {
        correct,
        failed,
        rate: (asked > 0).then(|| correct as f64 / asked as f64),
    }
}
