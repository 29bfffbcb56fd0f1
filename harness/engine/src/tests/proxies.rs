//! Proxies in front of nodes: in every trial of a plan that needs them, and in no other.

use comeback_model::event::{EventKind, ExitCause};
use comeback_model::plan::Aim;
use comeback_model::units::Span;
use serde_json::json;

use super::mock::Behaviour;
use super::scenario::*;

/// The number of a proxy's start.
const BESIDE: u32 = u32::MAX;

fn slowed(aim: Aim) -> Scenario {
    let slow = json!({ "delay": "10ms", "lasts": "300ms" });
    two_replicas().fault("connections", &slow, aim)
}

/// Who was started, in order.
fn started(told: &Told) -> Vec<&str> {
    let deeds = told.deeds.iter();
    let started = deeds.filter_map(|(_, deed)| deed.strip_prefix("run "));
    started.collect()
}

const ALL_PROXIED: [&str; 4] = [
    "{comeback} replica-0",
    "./server replica-0",
    "{comeback} replica-1",
    "./server replica-1",
];

#[tokio::test(start_paused = true)]
async fn a_proxy_stands_before_each_node_that_a_fault_may_be_for_in_control_trials_too() {
    for aim in [Aim::AnyReplica, Aim::AllReplicas] {
        let told = slowed(aim).run().await;
        assert_eq!(started(&told), ALL_PROXIED);
        assert!(told.analyzed().landed);
        let told = slowed(aim).control().run().await;
        assert_eq!(started(&told), ALL_PROXIED);
    }
    let told = slowed(Aim::Replica(1)).run().await;
    let one = [
        "./server replica-0",
        "{comeback} replica-1",
        "./server replica-1",
    ];
    assert_eq!(started(&told), one);
    let told = two_replicas()
        .with_surrounding("connections", &json!({ "delay": "10ms" }), Aim::AllReplicas)
        .run()
        .await;
    // The killed node is started again, and its proxy is not.
    assert_eq!(started(&told)[..4], ALL_PROXIED);
    assert_eq!(started(&told)[4..], ["./server replica-0"]);
    assert!(told.all_missed().is_empty(), "{:?}", told.all_missed());
    let told = two_replicas().run().await;
    assert!(started(&told).iter().all(|one| !one.contains("{comeback}")));
}

/// Clients go through the proxy, and a health check past it: what clients alone meet is no server's mistake about itself.
#[tokio::test(start_paused = true)]
async fn no_health_is_watched_where_a_proxy_stands() {
    let watched = |told: &Told| {
        let mut deeds = told.deeds.iter();
        deeds.any(|(_, deed)| deed.starts_with("watch the health of"))
    };
    assert!(watched(&two_replicas().run().await));
    for aim in [Aim::AllReplicas, Aim::Replica(1)] {
        assert!(!watched(&slowed(aim).run().await), "{aim:?}");
        assert!(!watched(&slowed(aim).control().run().await), "{aim:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_is_no_node_and_is_ended_with_the_trial() {
    let told = slowed(Aim::AllReplicas).run().await;
    for replica in [REPLICA_0, REPLICA_1] {
        assert_eq!(told.starts(replica).len(), 1);
        let exits = told.exits(replica);
        assert_eq!(exits.len(), 1, "{exits:?}");
        assert_eq!(exits[0].1, ExitCause::Stopped);
    }
    let left = told
        .deeds
        .iter()
        .any(|(_, deed)| deed.starts_with("drop running"));
    assert!(!left, "{:?}", told.deeds);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_ends_by_itself_voids_the_trial() {
    let ends = |its: &mut Behaviour| its.exits = vec![(BESIDE, Span::from_ms(700), exit(1))];
    let told = slowed(Aim::AllReplicas).node(REPLICA_1, ends).run().await;
    let reason = "the proxy in front of replica-1 ended by itself";
    let aborted =
        |kind: &EventKind| matches!(kind, EventKind::TrialAborted { reason: its } if its == reason);
    assert!(
        told.events.iter().any(|event| aborted(&event.kind)),
        "{:?}",
        told.events
    );
    assert!(told.analyzed().void.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_does_not_start_fails_the_start_of_its_node() {
    let fails = |its: &mut Behaviour| its.cannot_start = vec![BESIDE];
    let told = slowed(Aim::AllReplicas).node(REPLICA_0, fails).run().await;
    let failed = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::TargetStartFailed {
                node: REPLICA_0,
                ..
            }
        )
    };
    assert!(
        told.events.iter().any(|event| failed(&event.kind)),
        "{:?}",
        told.events
    );
    assert_eq!(started(&told), ["{comeback} replica-0"]);
}
