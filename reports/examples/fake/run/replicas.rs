//! An invented sweep over numbers of replicas behind a balancer.

use std::collections::BTreeMap;

use comeback_analysis::measure::{
    Attribution, Balancing, Continuity, Downtime, LastSent, NodeOutage, NodesAnalysis, Time,
    TrialAnalysis,
};
use comeback_analysis::summary::Culprit;
use comeback_model::ids::Node;
use comeback_model::plan::Plan;

use super::{Fake, PLAIN, Spec, fake};

/// How long after its own return a replica is asked again, in ms.
const ASKED_AFTER: f64 = 180.0;

/// An architecture: what share of a session's requests finds it, with so many replicas.
struct Family {
    name: &'static str,
    kept: fn(u32) -> f64,
    /// Name and number of replicas.
    arms: &'static [(&'static str, u32)],
}

const FAMILIES: [Family; 3] = [
    Family {
        name: "round-robin",
        kept: |replicas| 1.0 / f64::from(replicas),
        arms: &[
            ("round-robin-1", 1),
            ("round-robin-2", 2),
            ("round-robin-4", 4),
        ],
    },
    Family {
        name: "a family with a name that is longer than its panel is wide <i>",
        kept: |_| 1.0,
        arms: &[
            ("sticky-1", 1),
            ("sticky-2", 2),
            ("sticky-4", 4),
            ("sticky-12", 12),
        ],
    },
    Family {
        name: "postgres",
        kept: |_| 1.0,
        arms: &[("postgres-2", 2), ("postgres-4", 4)],
    },
];

/// Three architectures with several numbers of replicas, some of which could not run.
pub(crate) fn replicas() -> Fake {
    let specs: Vec<Spec> = FAMILIES.iter().flat_map(specs).collect();
    let mut fake = fake("with more replicas", &specs);
    let families = FAMILIES.iter().flat_map(|family| {
        let arms = family.arms.iter();
        arms.map(move |(_, replicas)| (family, *replicas))
    });
    for (place, (family, replicas)) in families.enumerate() {
        let plan = &mut fake.analysis.header.plan;
        set_up(plan, place, family, replicas);
        for (index, trial) in fake.analysis.arms[place].trials.iter_mut().enumerate() {
            let kept = (family.kept)(replicas);
            attribute(trial, (replicas, index as u32 % replicas), kept);
        }
    }
    fake.summarized()
}

fn specs(family: &'static Family) -> impl Iterator<Item = Spec> {
    let arms = family.arms.iter();
    arms.map(move |(name, replicas)| Spec {
        name,
        about: "behind a balancer",
        trials: 6,
        lost: (1.0 / f64::from(*replicas), 0.2),
        ready: 400.0,
        never: u32::from(*replicas == 12),
        skipped: (*name == "postgres-4").then_some("postgres is not installed"),
        ..PLAIN
    })
}

fn set_up(plan: &mut Plan, place: usize, family: &Family, replicas: u32) {
    let arm = &mut plan.arms[place];
    arm.family = Some(family.name.to_owned());
    arm.replicas = replicas;
    arm.balancer = Some(arm.target.clone());
    if family.name == "postgres" {
        arm.store = Some(arm.target.clone());
    }
}

fn attribute(trial: &mut TrialAnalysis, (replicas, faulted): (u32, u32), kept: f64) {
    let back = trial.chain.ready.map_or(0.0, Time::or_infinite);
    if trial.control {
        // A control of the rest of these runs has no timeline; here its goodput is asked for.
        trial.timeline = vec![window(kept)];
        trial.continuity = Continuity {
            kept: (400.0 * kept) as u64,
            sent: 400,
        };
        return;
    }
    for window in &mut trial.timeline {
        let away = (0.0..back + ASKED_AFTER).contains(&window.start_ms);
        let asked: Vec<u32> = (0..replicas)
            .filter(|number| !away || replicas == 1 || *number != faulted)
            .collect();
        let mut attribution = Attribution::default();
        for operation in 0..window.errors.correct() {
            let number = asked[operation as usize % asked.len()];
            *attribution
                .served
                .entry(Some(Node::Replica(number)))
                .or_default() += 1;
        }
        for failure in 0..window.errors.failures() {
            let culprit = match failure % 8 {
                0..5 => Culprit::Replica,
                5 => Culprit::Store,
                6 => Culprit::Balancer,
                _ => Culprit::Client,
            };
            *attribution.failed.entry(culprit).or_default() += 1;
            if culprit == Culprit::Replica {
                *attribution
                    .failed_by
                    .entry(Node::Replica(faulted))
                    .or_default() += 1;
            }
        }
        trial.attribution.merge(&attribution);
        window.attribution = attribution;
    }
    trial.nodes = nodes(faulted, back);
}

fn window(kept: f64) -> comeback_analysis::measure::TimelineWindow {
    let scheduled = 1_000;
    let failed = (f64::from(scheduled) * (1.0 - kept) * 0.8) as u64;
    comeback_analysis::measure::TimelineWindow {
        start_ms: -5_000.0,
        length_ms: 5_000.0,
        errors: super::trial::tally(u64::from(scheduled as u32), failed),
        attribution: Attribution {
            failed: BTreeMap::from([(Culprit::Replica, failed)]),
            ..Attribution::default()
        },
        p50_ms: Some(1.0),
        p99_ms: Some(4.0),
    }
}

fn nodes(faulted: u32, back: f64) -> NodesAnalysis {
    let is_back = back.is_finite();
    let time = |ms: f64| match is_back {
        true => Time::At { ms, error_ms: 0.4 },
        false => Time::Beyond { ms: 30_000.0 },
    };
    NodesAnalysis {
        balancing: Some(Balancing {
            detect: match faulted {
                0 => Err("no reply names a faulted replica"),
                _ => Ok(LastSent {
                    ms: 0.6 * f64::from(faulted),
                    error_ms: 0.3,
                }),
            },
            back: match is_back {
                true => Ok(time(ASKED_AFTER)),
                false => Err("what was faulted did not come back"),
            },
        }),
        downtime: Some(Downtime {
            partial: time(back),
            total: Time::At {
                ms: 0.0,
                error_ms: 0.0,
            },
        }),
        outages: vec![NodeOutage {
            node: Node::Replica(faulted),
            from_ms: 1.0,
            to_ms: is_back.then_some(back),
        }],
    }
}
