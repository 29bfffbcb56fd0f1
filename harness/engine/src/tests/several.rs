//! Several faults in one trial: one after the other, together, and one within the recovery from another.

use comeback_analysis::measure::{NotBack, Time};
use comeback_model::event::{EventKind, ExitCause, Phase};
use comeback_model::ids::{FaultId, Node};
use comeback_model::plan::Aim;
use comeback_model::units::{Elapsed, Span};
use serde_json::{Value, json};

use super::mock::Behaviour;
use super::scenario::*;
use crate::trial::Finished;

const FIRST: ExitCause = ExitCause::Injected(FaultId(0));
const SECOND: ExitCause = ExitCause::Injected(FaultId(1));

/// When each fault was over.
fn over(told: &Told) -> Vec<(u32, Elapsed)> {
    let over = told.events.iter().filter_map(|event| match event.kind {
        EventKind::FaultEnded { fault } => Some((fault.0, event.at)),
        _ => None,
    });
    over.collect()
}

#[tokio::test(start_paused = true)]
async fn two_kills_of_one_replica_one_after_the_other_are_two_faults() {
    let told = one_replica()
        .then(Span::from_ms(300), "kill", &json!({}), Aim::Replica(0))
        .run()
        .await;
    assert_eq!(
        told.exits(REPLICA_0)[..2],
        [(ms(603), FIRST), (ms(903), SECOND)]
    );
    assert_eq!(over(&told), [(0, ms(603)), (1, ms(903))]);
    let starts: Vec<u32> = told
        .starts(REPLICA_0)
        .iter()
        .map(|(_, number)| *number)
        .collect();
    assert_eq!(starts, [0, 1, 2]);
    assert_eq!(told.recoveries(), [(0, ms(703)), (1, ms(1_003))]);
    let phases = told.phases();
    assert!(phases.is_sorted(), "{phases:?}");
    assert!(phases.contains(&Phase::ReadBack));
    assert!(told.entered(Phase::Settle) >= vec![ms(1_003)]);
}

#[tokio::test(start_paused = true)]
async fn two_replicas_that_are_down_together_each_come_back_from_their_own_fault() {
    let told = two_replicas()
        .with_balancer()
        .then(Span::from_ms(20), "kill", &json!({}), Aim::Replica(1))
        .run()
        .await;
    assert_eq!(told.exits(REPLICA_0)[0].1, FIRST);
    assert_eq!(told.exits(REPLICA_1)[0].1, SECOND);
    let (first, second) = (told.exits(REPLICA_0)[0].0, told.exits(REPLICA_1)[0].0);
    assert_eq!(second, first + Span::from_ms(20));
    let back = told.recoveries();
    assert_eq!(
        back,
        [
            (0, first + Span::from_ms(100)),
            (1, second + Span::from_ms(100))
        ]
    );
    let returned = told.events.iter().filter_map(|event| match event.kind {
        EventKind::TargetReturned { fault, node, .. } => Some((fault.0, node)),
        _ => None,
    });
    assert_eq!(
        returned.collect::<Vec<_>>(),
        [(0, REPLICA_0), (1, REPLICA_1)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_killed_while_the_store_stands_still() {
    let told = one_replica()
        .with_store()
        .fault("pause", &json!({ "lasts": "300ms" }), Aim::Store)
        .then(Span::from_ms(100), "kill", &json!({}), Aim::Replica(0))
        .run()
        .await;
    let of_store = told.events.iter().filter_map(|event| match event.kind {
        EventKind::TargetPaused {
            evidence: _,
            fault,
            node,
        } => Some(("paused", fault.0, node, event.at)),
        EventKind::TargetResumed { fault, node } => Some(("resumed", fault.0, node, event.at)),
        _ => None,
    });
    let of_store: Vec<_> = of_store.collect();
    let [
        ("paused", 0, Node::Store, paused),
        ("resumed", 0, Node::Store, resumed),
    ] = of_store[..]
    else {
        panic!("{of_store:?}");
    };
    assert_eq!(resumed, paused + Span::from_ms(300));
    let (killed, cause) = told.exits(REPLICA_0)[0];
    assert_eq!(cause, SECOND);
    assert!(paused < killed && killed < resumed);
    // The service is back from both when the replica is, and the store goes on.
    assert_eq!(told.recoveries().len(), 2);
    assert_eq!(told.recoveries()[1], (1, killed + Span::from_ms(100)));
    assert!(told.all_missed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_kill_while_the_server_starts_again_is_the_second_faults_and_both_end_with_the_same_reply()
 {
    let told = one_replica()
        .then(Span::from_ms(50), "kill", &json!({}), Aim::Replica(0))
        .run()
        .await;
    assert_eq!(
        told.exits(REPLICA_0)[..2],
        [(ms(603), FIRST), (ms(653), SECOND)]
    );
    assert_eq!(told.starts(REPLICA_0)[1..], [(ms(603), 1), (ms(653), 2)]);
    // Start 1 never served.
    let back = told.recoveries();
    assert_eq!(back.len(), 2);
    assert!(back.iter().all(|(_, at)| *at >= ms(753)), "{back:?}");
    assert!(told.all_missed().is_empty());
    assert!(told.phases().contains(&Phase::Settle));
}

/// The second kill comes 1.9 s into a recovery that may take 2 s; what it hits is back so long after it was started.
fn overtaken_late(serves_after: Span) -> Scenario {
    one_replica()
        .node(REPLICA_0, |its| its.serves_after = Some(serves_after))
        .then(Span::from_ms(1_900), "kill", &json!({}), Aim::Replica(0))
}

/// Which recoveries were given up, and when.
fn given_up(told: &Told) -> Vec<(u32, Elapsed)> {
    let given_up = told.events.iter().filter_map(|event| match event.kind {
        EventKind::NotRecovered { fault, .. } => Some((fault.0, event.at)),
        _ => None,
    });
    given_up.collect()
}

#[tokio::test(start_paused = true)]
async fn an_overtaken_fault_has_the_horizon_of_the_one_that_overtook_it() {
    // The first one's own horizon ends at 2,603 ms, the second's at 4,503 ms.
    let told = overtaken_late(Span::from_ms(1_950)).run().await;
    assert_eq!(told.exits(REPLICA_0)[1], (ms(2_503), SECOND));
    assert_eq!(given_up(&told), []);
    let back = told.recoveries();
    assert_eq!(back.len(), 2);
    assert!(back.iter().all(|(_, at)| *at >= ms(4_453)), "{back:?}");
    assert!(told.phases().contains(&Phase::ReadBack));
    // And no longer than that.
    let told = overtaken_late(Span::from_ms(2_100)).run().await;
    assert_eq!(told.recoveries(), []);
    assert_eq!(given_up(&told), [(0, ms(4_503)), (1, ms(4_503))]);
    assert!(!told.phases().contains(&Phase::ReadBack));
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_was_sent_before_the_horizon_ends_overtakes_though_it_takes_effect_after_it() {
    // The first one's horizon ends at 2,752 ms. The second is sent at 2,652 ms, and confirmed at 2,802 ms.
    let told = one_replica()
        .node(REPLICA_0, |its| {
            its.serves_after = Some(Span::from_ms(1_990));
            its.ends_after = Some(Span::from_ms(150));
            its.still_after = Some(Span::from_ms(150));
        })
        .then(
            Span::from_ms(2_050),
            "pause",
            &json!({ "lasts": "300ms" }),
            Aim::Replica(0),
        )
        .run()
        .await;
    assert_eq!(given_up(&told), [], "{:?}", told.events);
    assert_eq!(told.recoveries().len(), 2);
}

/// The server hangs when it was started again; the second fault is sent 1.9 s into a recovery that may take 2 s, until 2,603 ms.
fn hung_when_hit_again(kind: &str, parameters: &Value) -> Scenario {
    one_replica()
        .with(|plan| plan.arms[0].target.stop.grace = Span::from_ms(700))
        .node(REPLICA_0, |its| its.hangs = vec![1])
        .then(Span::from_ms(1_900), kind, parameters, Aim::Replica(0))
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_was_sent_before_the_horizon_ends_overtakes_though_it_takes_its_grace() {
    // It is sent at 2,502 ms, and the server is killed 700 ms later.
    let told = hung_when_hit_again("stop", &json!({})).run().await;
    assert_eq!(told.exits(REPLICA_0)[1], (ms(3_203), SECOND));
    assert_eq!(given_up(&told), [], "{:?}", told.events);
    let back = told.recoveries();
    assert_eq!(back.len(), 2);
    assert!(back.iter().all(|(_, at)| *at >= ms(3_303)), "{back:?}");
    assert!(told.phases().contains(&Phase::ReadBack));
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_whose_drain_was_begun_before_the_horizon_ends_overtakes() {
    // It is begun 1.9 s after the first one. Its drain takes 700 ms, since nothing at the server ends, and its stop as long.
    let told = hung_when_hit_again("rolling_restart", &json!({ "drain": "10s" }))
        .with_balancer()
        .mock(|mock| mock.command_takes = Span::from_ms(700))
        .run()
        .await;
    let (killed, cause) = told.exits(REPLICA_0)[1];
    assert_eq!(cause, SECOND);
    assert!(killed >= told.exits(REPLICA_0)[0].0 + Span::from_ms(3_300));
    assert_eq!(given_up(&told), [], "{:?}", told.events);
    let back = told.recoveries();
    assert_eq!(back.len(), 2);
    assert!(back.iter().all(|(_, at)| *at > killed), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_overtakes_until_its_last_kill() {
    // Its first kill is at 2,503 ms, and its last 2.5 s later: half a second after the horizon that counts from the first.
    let kills = json!({ "kills": 2, "into_start": "2500ms" });
    let told = hung_when_hit_again("crash_loop", &kills)
        .node(REPLICA_0, |its| its.hangs = vec![1, 2])
        .run()
        .await;
    assert_eq!(given_up(&told), [], "{:?}", told.events);
    let back = told.recoveries();
    assert_eq!(back.len(), 2);
    assert!(back.iter().all(|(_, at)| *at > ms(5_003)), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn an_overtaken_fault_is_waited_for_no_longer_than_the_stop_that_took_its_grace() {
    let told = hung_when_hit_again("stop", &json!({}))
        .node(REPLICA_0, |its| its.hangs = vec![1, 2])
        .run()
        .await;
    assert_eq!(told.recoveries(), []);
    assert_eq!(given_up(&told), [(0, ms(5_203)), (1, ms(5_203))]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_misses_overtakes_nothing() {
    // It is sent at 2,502 ms, and missed 400 ms later.
    let told = hung_when_hit_again("pause", &json!({ "lasts": "300ms" }))
        .node(REPLICA_0, |its| its.still_after = None)
        .run()
        .await;
    assert_eq!(told.all_missed().len(), 1);
    let given_up = given_up(&told);
    assert_eq!(given_up.len(), 1, "{:?}", told.events);
    assert!(given_up[0].1 < ms(3_000), "{given_up:?}");
    assert!(told.has_ended());
}

#[tokio::test(start_paused = true)]
async fn only_the_overtaken_node_has_the_later_horizon() {
    // Replica 1 never comes back from the first fault, which hits both; the second hits replica 0 alone.
    let told = two_replicas()
        .with_balancer()
        .fault("kill", &json!({}), Aim::AllReplicas)
        .node(REPLICA_0, |its| {
            its.serves_after = Some(Span::from_ms(1_950))
        })
        .node(REPLICA_1, |its| {
            its.serves_after = Some(Span::from_ms(2_500))
        })
        .then(Span::from_ms(1_900), "kill", &json!({}), Aim::Replica(0))
        .run()
        .await;
    let first = given_up(&told).into_iter().filter(|(fault, _)| *fault == 0);
    assert_eq!(first.count(), 1);
    assert!(told.recoveries().iter().all(|(fault, _)| *fault == 1));
    assert!(!told.phases().contains(&Phase::ReadBack));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_back_before_it_was_hit_again_lengthens_nothing() {
    // Replica 0 is back from the first fault at once, and hit again; replica 1 would be back after the horizon only.
    let told = two_replicas()
        .with_balancer()
        .fault("kill", &json!({}), Aim::AllReplicas)
        .node(REPLICA_1, |its| {
            its.serves_after = Some(Span::from_ms(2_500))
        })
        .then(Span::from_ms(1_900), "kill", &json!({}), Aim::Replica(0))
        .run()
        .await;
    assert_eq!(given_up(&told), [(0, ms(2_605))], "{:?}", told.events);
}

#[tokio::test(start_paused = true)]
async fn the_service_is_back_when_each_node_was_though_one_is_down_again() {
    // Replica 1 listens from 2,110 ms on. Replica 0 was back long before, and is down again from 2,004 ms until 3,504 ms.
    let told = two_replicas()
        .with_balancer()
        .with(|plan| {
            let attempts = &mut plan.arms[0].target.attempts;
            (attempts.most, attempts.backoff) = (2, Span::from_ms(1_500));
        })
        .fault("kill", &json!({}), Aim::AllReplicas)
        .node(REPLICA_0, |its| {
            its.exits = vec![(2, Span::from_ms(1), exit(1))]
        })
        .node(REPLICA_1, |its| {
            its.exits = vec![(1, Span::from_ms(5), exit(1))]
        })
        .then(Span::from_ms(1_400), "kill", &json!({}), Aim::Replica(0))
        .run()
        .await;
    assert_eq!(given_up(&told), [], "{:?}", told.events);
    let (last, again) = (told.returned(REPLICA_1)[0], told.returned(REPLICA_0)[1]);
    assert!(again > last + Span::from_secs(1), "{last:?}, {again:?}");
    assert_eq!(told.recoveries(), [(0, last), (1, again)]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_given_up_when_its_first_node_is_though_another_is_waited_for() {
    // Replica 1 never comes back. Replica 0 is overtaken by a stop that takes its grace, and is waited for long after that.
    let told = two_replicas()
        .with_balancer()
        .with(|plan| plan.arms[0].target.stop.grace = Span::from_ms(700))
        .fault("kill", &json!({}), Aim::AllReplicas)
        .node(REPLICA_0, |its| its.hangs = vec![1])
        .node(REPLICA_1, |its| its.serves_after = None)
        .then(Span::from_ms(1_900), "stop", &json!({}), Aim::Replica(0))
        .run()
        .await;
    let horizon = told.confirmed(REPLICA_1)[0] + Span::from_secs(2);
    let given_up = given_up(&told);
    let [(0, at)] = given_up[..] else {
        panic!("{given_up:?}");
    };
    assert!(horizon <= at && at <= horizon + Span::from_ms(2), "{at:?}");
}

/// Both replicas are killed and hang; the first is killed again within the horizon, until 2,604 ms, the second after it.
fn killed_and_each_killed_again(second_after: Span) -> Scenario {
    let never = |its: &mut Behaviour| its.hangs = vec![1];
    two_replicas()
        .with_balancer()
        .fault("kill", &json!({}), Aim::AllReplicas)
        .node(REPLICA_0, never)
        .node(REPLICA_1, never)
        .then(Span::from_ms(1_700), "kill", &json!({}), Aim::Replica(0))
        .then(second_after, "kill", &json!({}), Aim::Replica(1))
}

#[tokio::test(start_paused = true)]
async fn the_analysis_finds_a_recovery_where_the_trial_waited_for_one_with_success_and_nowhere_else()
 {
    let kills_replica_0 = |scenario: Scenario| {
        scenario.then(Span::from_ms(1_900), "kill", &json!({}), Aim::Replica(0))
    };
    let hangs_until = |scenario: Scenario, node, ms| {
        scenario.node(node, |its| its.serves_after = Some(Span::from_ms(ms)))
    };
    let both = || {
        let both = two_replicas().with_balancer();
        both.fault("kill", &json!({}), Aim::AllReplicas)
    };
    let stop = || hung_when_hit_again("stop", &json!({}));
    for (what, scenario, is_back) in [
        ("overtaken", overtaken_late(Span::from_ms(1_950)), true),
        ("too late", overtaken_late(Span::from_ms(2_100)), false),
        ("by a stop", stop(), true),
        (
            "by a stop, and hung again",
            stop().node(REPLICA_0, |its| its.hangs = vec![1, 2]),
            false,
        ),
        (
            "each overtaken in time",
            killed_and_each_killed_again(Span::from_ms(1_800)),
            true,
        ),
        (
            "one overtaken in time",
            killed_and_each_killed_again(Span::from_ms(2_600)),
            false,
        ),
        (
            "the other too late",
            kills_replica_0(hangs_until(both(), REPLICA_1, 2_500)),
            false,
        ),
    ] {
        let told = scenario.run().await;
        assert!(told.all_missed().is_empty(), "{what}: {:?}", told.events);
        assert_eq!(
            given_up(&told).is_empty(),
            is_back,
            "{what}: {:?}",
            told.events
        );
        let ready = told.analyzed().chain.ready;
        let is_found = matches!(ready, Some(Time::At { .. }));
        assert_eq!(is_found, is_back, "{what}: {ready:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_fault_has_as_many_starts_as_the_plan_allows() {
    // A start that ends by itself is tried once more, after either fault.
    let told = one_replica()
        .with(|plan| {
            let attempts = &mut plan.arms[0].target.attempts;
            (attempts.most, attempts.backoff) = (2, Span::from_ms(10));
        })
        .node(REPLICA_0, |its| {
            its.exits = vec![
                (1, Span::from_ms(5), exit(1)),
                (3, Span::from_ms(5), exit(1)),
            ];
        })
        .then(Span::from_ms(300), "kill", &json!({}), Aim::Replica(0))
        .run()
        .await;
    let numbers = told.starts(REPLICA_0).into_iter().map(|(_, number)| number);
    assert_eq!(numbers.collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(told.recoveries().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_between_two_faults_leaves_the_second_undone() {
    let told = one_replica()
        .then(Span::from_ms(500), "kill", &json!({}), Aim::Replica(0))
        .interrupt_at(ms(900))
        .run()
        .await;
    assert_eq!(told.finished.as_ref().unwrap(), &Finished::Interrupted);
    assert_eq!(told.recoveries(), [(0, ms(703))]);
    assert_eq!(told.requested(REPLICA_0).len(), 1);
    assert!(told.all_missed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_finds_its_node_down_is_missed_and_the_first_recovery_is_still_seen() {
    let told = one_replica()
        .restart_after(Span::from_ms(200))
        .then(Span::from_ms(100), "kill", &json!({}), Aim::Replica(0))
        .run()
        .await;
    assert_eq!(
        told.all_missed(),
        [(1, "replica-0 was still under fault 1")]
    );
    assert_eq!(told.recoveries(), [(0, ms(903))]);
    assert!(told.has_ended());
    assert!(!told.phases().contains(&Phase::Settle));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_comes_back_is_told_though_the_next_fault_missed_it() {
    let told = one_replica()
        .node(REPLICA_0, |its| {
            its.exits = vec![(1, Span::from_ms(5), exit(1))]
        })
        .then(Span::from_ms(100), "kill", &json!({}), Aim::Replica(0))
        .run()
        .await;
    let given_up = |event: &comeback_model::event::Event| {
        matches!(
            event.kind,
            EventKind::NotRecovered {
                fault: FaultId(0),
                ..
            }
        )
    };
    assert!(told.events.iter().any(given_up));
    assert_eq!(told.all_missed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_by_itself_before_the_next_fault_was_not_back_for_good() {
    let drained = json!({ "drain": "10s" });
    for (kind, parameters) in [("kill", json!({})), ("rolling_restart", drained)] {
        let told = one_replica()
            .with_balancer()
            .node(REPLICA_0, |its| {
                its.exits = vec![(1, Span::from_ms(300), exit(1))]
            })
            .then(Span::from_secs(1), kind, &parameters, Aim::Replica(0))
            .run()
            .await;
        assert_eq!(
            told.all_missed(),
            [(1, "replica-0 had ended before the fault")],
            "{kind}"
        );
        let trial = told.analyzed();
        assert_eq!(trial.not_back(), Some(&NotBack::Ended), "{kind}");
        // There was no load to be measured. It would count with one.
        let void = trial.void.map(|void| void.reason);
        let zero =
            "no operation in the baseline: zero samples. Raise the rate, or lengthen the baseline";
        assert_eq!(void.as_deref(), Some(zero), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_another_fault_has_in_its_hands_is_missed() {
    for kind in ["pause", "kill"] {
        let told = one_replica()
            .fault("pause", &json!({ "lasts": "300ms" }), Aim::Replica(0))
            .then(Span::from_ms(100), kind, &json!({}), Aim::Replica(0))
            .run()
            .await;
        assert_eq!(
            told.all_missed(),
            [(1, "replica-0 was still under fault 1")],
            "{kind}"
        );
        // The first one went on to its end.
        assert_eq!(told.deeds("resume replica-0").len(), 1);
        assert_eq!(told.recoveries().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_killed_before_a_deploy_reached_it_starts_again_as_it_was() {
    let told = two_replicas()
        .with_balancer()
        .with(|plan| {
            let arm = &mut plan.arms[0];
            let mut next = arm.target.clone();
            next.command = vec!["./next".to_owned()];
            arm.next = Some(next);
        })
        .then(
            Span::from_ms(300),
            "deploy",
            &json!({ "drain": false }),
            Aim::AllReplicas,
        )
        .run()
        .await;
    assert_eq!(told.deeds("run ./server replica-0").len(), 2);
    assert_eq!(told.deeds("run ./next replica-0").len(), 1);
    assert_eq!(told.deeds("run ./next replica-1").len(), 1);
    assert!(told.all_missed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_control_trial_lasts_as_long_as_one_that_waits_for_its_last_fault() {
    let length_of_settle = async |scenario: Scenario| {
        let told = scenario.control().run().await;
        told.entered(Phase::ReadBack)[0].since(told.entered(Phase::Settle)[0])
    };
    let one = length_of_settle(one_replica()).await;
    let two = one_replica().then(Span::from_ms(900), "kill", &json!({}), Aim::Replica(0));
    assert_eq!(length_of_settle(two).await, one + Span::from_ms(900));
    // And as one whose fault has a length.
    let lasts = json!({ "lasts": "700ms" });
    let paused = || one_replica().fault("pause", &lasts, Aim::Replica(0));
    assert_eq!(length_of_settle(paused()).await, one + Span::from_ms(700));
    let late = paused().then(Span::from_ms(900), "pause", &lasts, Aim::Replica(0));
    assert_eq!(length_of_settle(late).await, one + Span::from_ms(1_600));
    // And as one that is back from its fault: a quarter more than the first start took, after the plan's pause.
    let starts_in = |ms: u64| move |its: &mut Behaviour| its.ready_after = Some(Span::from_ms(ms));
    let slow = one_replica().node(REPLICA_0, starts_in(80));
    let slow = slow.restart_after(Span::from_ms(500));
    assert_eq!(length_of_settle(slow).await, one + Span::from_ms(600));
    // And as one whose fault ends what it starts, each time after the plan's pause.
    let kills = json!({ "kills": 3, "into_start": "50ms" });
    let looped = one_replica().fault("crash_loop", &kills, Aim::Replica(0));
    let looped = looped.restart_after(Span::from_ms(500));
    assert_eq!(length_of_settle(looped).await, one + Span::from_ms(1_600));
    // Of each replica that is replaced in turn.
    let rolled = |ms| {
        let scenario = two_replicas().with_balancer();
        let scenario = scenario.node(REPLICA_0, starts_in(ms));
        let scenario = scenario.node(REPLICA_1, starts_in(ms));
        let drain = json!({ "drain": false });
        length_of_settle(scenario.fault("rolling_restart", &drain, Aim::AllReplicas))
    };
    assert_eq!(rolled(80).await, rolled(40).await + Span::from_ms(100));
}
