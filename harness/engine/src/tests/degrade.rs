//! Worse conditions for a while: the node goes on, and is asked when they are over.

use comeback_analysis::measure::Time;
use comeback_model::event::{EventKind, ExitCause, Phase};
use comeback_model::plan::Aim;
use comeback_model::units::{Elapsed, Span};
use serde_json::json;

use super::mock::{Acts, Behaviour};
use super::scenario::*;

fn limited(scenario: Scenario) -> Scenario {
    let lasts = json!({ "open": 16, "lasts": "300ms" });
    scenario.fault("descriptor_limit", &lasts, Aim::AllReplicas)
}

/// When conditions became worse, and when they were as before.
fn conditions(told: &Told) -> (Vec<Elapsed>, Vec<Elapsed>) {
    let (mut worse, mut over) = (Vec::new(), Vec::new());
    for event in &told.events {
        match &event.kind {
            EventKind::TargetDegraded { evidence, .. } => {
                assert_eq!(evidence, "the mock says so");
                worse.push(event.at);
            }
            EventKind::TargetRestored { evidence, .. } => {
                assert_eq!(evidence, "the mock says so");
                over.push(event.at);
            }
            _ => {}
        }
    }
    (worse, over)
}

#[tokio::test(start_paused = true)]
async fn conditions_are_worse_for_a_while_and_the_service_is_asked_when_they_are_over() {
    let told = limited(two_replicas()).run().await;
    let (worse, over) = conditions(&told);
    assert_eq!((worse.len(), over.len()), (2, 2));
    assert_eq!(told.entered(Phase::Recovery), [worse[1]]);
    assert!(over.iter().all(|at| *at == worse[1] + Span::from_ms(300)));
    assert_eq!(told.requested(REPLICA_0).len(), 1);
    assert_eq!(told.starts(REPLICA_0).len(), 1);
    assert!(told.first_correct()[0] >= over[1]);
    assert!(told.all_missed().is_empty(), "{:?}", told.all_missed());
}

#[tokio::test(start_paused = true)]
async fn times_are_counted_from_the_moment_when_conditions_are_as_before() {
    let told = limited(one_replica()).run().await;
    let (_, over) = conditions(&told);
    let trial = told.analyzed();
    let back = told.first_correct()[0].ms_after(over[0]);
    assert!(back < 300.0, "{back}");
    assert!(matches!(trial.chain.ready, Some(Time::At { ms, .. }) if ms == back));
    assert_eq!(trial.chain.killed, None);
    assert_eq!((trial.landed, trial.outage), (true, None));
}

#[tokio::test(start_paused = true)]
async fn one_node_without_the_effect_is_missed_and_all_are_as_before() {
    let told = limited(two_replicas())
        .node(REPLICA_1, |its| its.acts = Acts::Miss)
        .run()
        .await;
    assert_eq!(told.all_missed(), [(0, "it has no effect")]);
    assert_eq!(told.deeds("undo replica-0").len(), 1);
    assert!(!told.analyzed().landed);
}

#[tokio::test(start_paused = true)]
async fn conditions_that_were_not_worse_until_their_end_are_missed() {
    let told = limited(one_replica())
        .node(REPLICA_0, |its| its.acts = Acts::Wear)
        .run()
        .await;
    let (worse, over) = conditions(&told);
    assert_eq!((worse.len(), over.len()), (1, 0));
    assert_eq!(told.all_missed().len(), 1);
    assert!(!told.analyzed().landed);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_the_conditions_end_is_started_again_when_they_are_over() {
    let told = limited(one_replica())
        .node(REPLICA_0, |its| {
            its.exits = vec![(0, Span::from_ms(700), exit(9))];
        })
        .run()
        .await;
    assert_eq!(told.exits(REPLICA_0)[0], (ms(700), ExitCause::Unexpected));
    let (worse, over) = conditions(&told);
    assert_eq!((worse.len(), over.len()), (1, 0));
    let started = told.starts(REPLICA_0)[1].0;
    assert_eq!(started, worse[0] + Span::from_ms(300));
    let trial = told.analyzed();
    let back = told.first_correct()[0].ms_after(started);
    assert!(matches!(trial.chain.ready, Some(Time::At { ms, .. }) if ms == back));
    assert!(trial.landed);
    assert!(
        trial
            .findings
            .iter()
            .any(|found| found.contains("by itself")),
        "{:?}",
        trial.findings
    );
}

/// The node ends under conditions that last longer than the horizon of 2 s, and serves so long after its next start.
async fn ended_for_3_s(serves_after: Span) -> Told {
    let lasts = json!({ "open": 16, "lasts": "3s" });
    let scenario = one_replica().fault("descriptor_limit", &lasts, Aim::AllReplicas);
    let ends = |its: &mut Behaviour| {
        its.exits = vec![(0, Span::from_ms(700), exit(9))];
        its.serves_after = Some(serves_after);
    };
    scenario.node(REPLICA_0, ends).run().await
}

#[tokio::test(start_paused = true)]
async fn the_horizon_and_the_restart_count_from_the_moment_when_conditions_are_as_before() {
    let told = ended_for_3_s(Span::from_ms(1_900)).await;
    assert_eq!(told.recoveries().len(), 1, "{:?}", told.events);
    let told = ended_for_3_s(Span::from_ms(2_100)).await;
    assert_eq!(told.recoveries(), []);
    let over = conditions(&told).0[0] + Span::from_secs(3);
    let given_up = told.events.iter().find_map(|event| match event.kind {
        EventKind::NotRecovered { .. } => Some(event.at),
        _ => None,
    });
    let waited = given_up.unwrap().since(over);
    let horizon = Span::from_secs(2);
    assert!(waited >= horizon && waited <= horizon + Span::from_ms(2));
    let pause = Span::from_ms(400);
    let told = limited(one_replica().restart_after(pause))
        .node(REPLICA_0, |its| {
            its.exits = vec![(0, Span::from_ms(700), exit(9))];
        })
        .run()
        .await;
    let over = conditions(&told).0[0] + Span::from_ms(300);
    assert_eq!(told.starts(REPLICA_0)[1].0, over + pause);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_waits_for_its_recovery_under_worse_conditions_has_the_horizon_of_these() {
    // The kill's own horizon ends at 2,603 ms; conditions are worse from 2,502 ms to 5,502 ms.
    let lasts = json!({ "open": 16, "lasts": "3s" });
    let told = one_replica()
        .node(REPLICA_0, |its| {
            its.serves_after = Some(Span::from_ms(5_900));
        })
        .then(
            Span::from_ms(1_900),
            "descriptor_limit",
            &lasts,
            Aim::Replica(0),
        )
        .run()
        .await;
    assert!(told.all_missed().is_empty(), "{:?}", told.all_missed());
    assert_eq!(told.recoveries().len(), 2, "{:?}", told.events);
}

/// Killed, and under worse conditions from 902 ms to 3,902 ms; the start in between ends at once, and may be tried again `backoff`
/// later.
async fn tried_again_under_a_limit(backoff: Span) -> Told {
    let lasts = json!({ "open": 16, "lasts": "3s" });
    one_replica()
        .with(|plan| {
            let attempts = &mut plan.arms[0].target.attempts;
            (attempts.most, attempts.backoff) = (3, backoff);
        })
        .node(REPLICA_0, |its| {
            its.exits = vec![(1, Span::from_ms(500), exit(9))];
            its.serves_after = Some(Span::from_ms(1_500));
        })
        .then(
            Span::from_ms(300),
            "descriptor_limit",
            &lasts,
            Aim::Replica(0),
        )
        .run()
        .await
}

#[tokio::test(start_paused = true)]
async fn a_start_that_ends_under_worse_conditions_is_tried_again_once_when_they_are_over() {
    for backoff in [Span::from_ms(10), Span::from_secs(4)] {
        let told = tried_again_under_a_limit(backoff).await;
        let starts: Vec<u32> = told
            .starts(REPLICA_0)
            .iter()
            .map(|(_, start)| *start)
            .collect();
        assert_eq!(starts, [0, 1, 2], "{backoff}");
        assert_eq!(told.deeds("undo replica-0").len(), 1, "{backoff}");
        assert_eq!(told.recoveries().len(), 2, "{backoff}: {:?}", told.events);
        assert!(told.has_ended());
    }
}

#[tokio::test(start_paused = true)]
async fn another_fault_of_the_same_node_is_missed_meanwhile() {
    let told = limited(one_replica())
        .then(Span::from_ms(100), "kill", &json!({}), Aim::Replica(0))
        .run()
        .await;
    assert_eq!(
        told.all_missed(),
        [(1, "replica-0 was still under fault 1")]
    );
    assert_eq!(conditions(&told).1.len(), 1);
}
