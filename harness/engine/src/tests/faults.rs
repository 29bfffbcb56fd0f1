//! The kinds of faults, under the whole engine.

use comeback_analysis::measure::Time;
use comeback_model::event::{EventKind, Exit, ExitCause, Phase};
use comeback_model::ids::{FaultId, Node};
use comeback_model::plan::Aim;
use comeback_model::units::Span;

use serde_json::json;

use super::mock::{Acts, Behaviour};
use super::scenario::*;

fn took_kill(told: &Told) -> Vec<usize> {
    let taken = told.events.iter().filter_map(|event| match &event.kind {
        EventKind::FaultConfirmed { took_kill, .. } => Some(took_kill.len()),
        _ => None,
    });
    taken.collect()
}

#[tokio::test(start_paused = true)]
async fn the_effect_is_confirmed_when_the_last_of_all_nodes_has_ended() {
    let told = two_replicas()
        .with_balancer()
        .fault("kill", &json!({}), Aim::AllReplicas)
        .node(REPLICA_0, |its| its.ends_after = Some(Span::from_ms(5)))
        .node(REPLICA_1, |its| its.ends_after = Some(Span::from_ms(30)))
        .run()
        .await;
    assert_eq!(told.requested(REPLICA_0), [ms(604)]);
    assert_eq!(told.requested(REPLICA_1), told.requested(REPLICA_0));
    assert_eq!(told.confirmed(REPLICA_0), [ms(609)]);
    assert_eq!(told.confirmed(REPLICA_1), [ms(634)]);
    assert_eq!(told.starts(REPLICA_0)[1].0, ms(634));
    assert_eq!(told.starts(REPLICA_1)[1].0, ms(634));
    assert_eq!(told.returned(REPLICA_0).len(), 1);
    assert_eq!(told.returned(REPLICA_1).len(), 1);
    assert_eq!(told.first_correct().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_service_is_back_with_the_last_of_its_nodes_though_a_balancer_answers_before() {
    let told = two_replicas()
        .with_balancer()
        .fault("kill", &json!({}), Aim::AllReplicas)
        .node(REPLICA_1, |its| its.serves_after = Some(Span::from_ms(900)))
        .run()
        .await;
    let (killed, last) = (told.confirmed(REPLICA_1)[0], told.returned(REPLICA_1)[0]);
    assert_eq!(told.returned(REPLICA_0), [killed + Span::from_ms(100)]);
    assert_eq!(last, killed + Span::from_ms(900));
    assert_eq!(told.first_correct(), [last]);
    // The balancer takes connections all the time.
    assert_eq!(told.first_accept(), [last]);
    let ready = told.analyzed().chain.ready;
    assert!(
        matches!(ready, Some(Time::At { ms: 900.0, .. })),
        "{ready:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_stands_before_a_store_does_not_tell_when_that_listens() {
    let told = two_replicas()
        .with_balancer()
        .with_store()
        .fault("kill", &json!({}), Aim::Store)
        .run()
        .await;
    assert_eq!(told.first_correct().len(), 1);
    assert_eq!(told.first_accept(), []);
    let told = one_replica().run().await;
    assert_eq!(told.first_accept(), told.first_correct());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_looked_at_that_takes_time_while_another_node_may_end() {
    // A look at /proc takes milliseconds, in which the end of another node, or of its worker, would be seen late.
    let told = two_replicas()
        .fault("kill", &json!({}), Aim::AllReplicas)
        .node(REPLICA_1, |its| {
            its.ends_after = Some(Span::from_ms(10));
            its.others_end_after = vec![Some(Span::from_ms(20))];
        })
        .run()
        .await;
    let last = told.confirmed(REPLICA_1)[0];
    assert_eq!(last, told.requested(REPLICA_1)[0] + Span::from_ms(20));
    for deed in ["scan replica-0", "survivors replica-0"] {
        let looks = told.deeds(deed);
        assert!(!looks.is_empty());
        assert!(
            looks.iter().all(|at| *at >= last),
            "{deed} at {looks:?}, before {last:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_started_since_is_waited_for_too() {
    let told = one_replica()
        .node(REPLICA_0, |its| its.newcomers = 2)
        .run()
        .await;
    // Two more were found in turn, and each took 10 ms.
    assert_eq!(told.confirmed(REPLICA_0), [ms(623)]);
    assert_eq!(
        told.exits(REPLICA_0)[0],
        (ms(603), ExitCause::Injected(FaultId::FIRST))
    );
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ended_by_itself_before_the_kill_is_no_kill() {
    let told = one_replica()
        .node(REPLICA_0, |its| its.ends_with = Some(Exit::Status(0)))
        .run()
        .await;
    assert_eq!(
        told.missed(),
        Some("the process exited with status 0 before SIGKILL reached it")
    );
    assert!(told.confirmed(REPLICA_0).is_empty());
    assert!(told.has_ended());
}

#[tokio::test(start_paused = true)]
async fn of_several_nodes_one_that_is_ending_is_not_signalled_and_the_others_are() {
    let told = two_replicas()
        .fault("terminate", &json!({}), Aim::AllReplicas)
        .node(REPLICA_0, |its| {
            its.exits = vec![(0, Span::from_ms(640), Exit::Signal(11))];
            its.ends_slowly = Span::from_ms(100);
        })
        .run()
        .await;
    assert_eq!(told.exits(REPLICA_0)[0].1, ExitCause::Unexpected);
    assert!(told.requested(REPLICA_0).is_empty());
    assert_eq!(told.requested(REPLICA_1).len(), 1);
    let by_the_fault = ExitCause::Injected(FaultId::FIRST);
    assert_eq!(told.exits(REPLICA_1)[0].1, by_the_fault);
    assert_eq!(
        told.missed(),
        Some("the process was ended by signal 11 (SIGSEGV) before SIGTERM reached it")
    );
}

#[tokio::test(start_paused = true)]
async fn a_process_that_takes_longer_to_end_by_itself_than_a_fault_to_land_is_no_kill() {
    let told = one_replica()
        .node(REPLICA_0, |its| {
            its.exits = vec![(0, Span::from_secs(5), Exit::Signal(11))];
            its.ends_slowly = Span::from_secs(10);
        })
        .run()
        .await;
    let reason = told.missed().unwrap();
    assert!(
        reason.contains("was about to end by itself when SIGKILL was to be sent to it"),
        "{reason}"
    );
    assert!(told.confirmed(REPLICA_0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_outlives_a_kill_was_missed() {
    let told = one_replica()
        .node(REPLICA_0, |its| its.ends_after = None)
        .run()
        .await;
    let reason = told.missed().unwrap();
    assert!(reason.contains("was still running 400ms after"), "{reason}");
    assert_eq!(told.events.last().unwrap().at, ms(1_002));
    assert_eq!(told.deeds("drop running replica-0"), [ms(1_002)]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_given_its_time_of_grace_before_the_rest_is_killed() {
    let patient = one_replica()
        .fault("terminate", &json!({}), Aim::Replica(0))
        .node(REPLICA_0, |its| its.ends_after = Some(Span::from_ms(250)))
        .run()
        .await;
    assert_eq!(patient.confirmed(REPLICA_0), [ms(852)]);
    assert_eq!(took_kill(&patient), [0]);
    assert!(patient.deeds("kill rest replica-0").is_empty());
    let stubborn = one_replica()
        .fault("terminate", &json!({}), Aim::Replica(0))
        .node(REPLICA_0, |its| {
            its.ends_after = Some(Span::from_ms(10));
            its.others_end_after = vec![None];
        })
        .run()
        .await;
    assert_eq!(stubborn.deeds("kill rest replica-0"), [ms(902)]);
    assert_eq!(took_kill(&stubborn), [1]);
    assert_eq!(stubborn.confirmed(REPLICA_0), [ms(903)]);
}

#[tokio::test(start_paused = true)]
async fn others_that_do_not_heed_a_signal_are_left_alone_and_named() {
    let told = one_replica()
        .fault("signal", &json!({ "signal": "INT" }), Aim::Replica(0))
        .node(REPLICA_0, |its| its.others_end_after = vec![None])
        .run()
        .await;
    let left = told.events.iter().find_map(|event| match &event.kind {
        EventKind::FaultConfirmed { left, .. } => Some(left.len()),
        _ => None,
    });
    assert_eq!(left, Some(1));
    assert_eq!(told.confirmed(REPLICA_0), [ms(603)]);
    assert_eq!(told.deeds("survivors replica-0"), [ms(1_103)]);
    assert!(told.deeds("kill rest replica-0").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pause_begins_when_the_last_node_stands_still_and_no_process_is_started() {
    let told = two_replicas()
        .fault("pause", &json!({ "lasts": "300ms" }), Aim::AllReplicas)
        .node(REPLICA_1, |its| its.still_after = Some(Span::from_ms(9)))
        .run()
        .await;
    let times = |wanted: fn(&EventKind) -> bool| {
        let events = told.events.iter().filter(|event| wanted(&event.kind));
        events.map(|event| event.at).collect::<Vec<_>>()
    };
    let paused = times(|kind| matches!(kind, EventKind::TargetPaused { .. }));
    let resumed = times(|kind| matches!(kind, EventKind::TargetResumed { .. }));
    assert_eq!(told.requested(REPLICA_0), [ms(603)]);
    assert_eq!(paused, [ms(605), ms(613)]);
    assert_eq!(resumed, [ms(913), ms(913)]);
    assert_eq!(told.entered(Phase::Recovery), [ms(613)]);
    assert_eq!(told.starts(REPLICA_0).len(), 1);
    assert_eq!(told.first_correct().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_never_stands_still_was_missed_and_goes_on() {
    let told = one_replica()
        .fault("pause", &json!({ "lasts": "300ms" }), Aim::Replica(0))
        .node(REPLICA_0, |its| its.still_after = None)
        .run()
        .await;
    let reason = told.missed().unwrap();
    assert!(reason.contains("still ran 400ms after SIGSTOP"), "{reason}");
    assert_eq!(told.deeds("resume replica-0").len(), 1);
    let resumed = |kind: &EventKind| matches!(kind, EventKind::TargetResumed { .. });
    assert!(!told.events.iter().any(|event| resumed(&event.kind)));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_while_it_stands_still_was_missed() {
    let told = one_replica()
        .fault("pause", &json!({ "lasts": "300ms" }), Aim::Replica(0))
        .node(REPLICA_0, |its| {
            its.exits = vec![(0, Span::from_ms(700), exit(9))]
        })
        .run()
        .await;
    assert_eq!(told.exits(REPLICA_0), [(ms(700), ExitCause::Unexpected)]);
    assert_eq!(told.missed(), Some("replica-0 ended while it stood still"));
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_drains_and_restarts_one_replica_after_the_other() {
    let told = two_replicas()
        .with_balancer()
        .fault(
            "rolling_restart",
            &json!({ "drain": "100ms" }),
            Aim::AllReplicas,
        )
        .run()
        .await;
    let order = [
        told.deeds("drain replica-0"),
        told.requested(REPLICA_0),
        told.confirmed(REPLICA_0),
        told.starts(REPLICA_0)[1..]
            .iter()
            .map(|(at, _)| *at)
            .collect(),
        told.returned(REPLICA_0),
        told.deeds("undrain replica-0"),
        told.deeds("drain replica-1"),
        told.requested(REPLICA_1),
        told.confirmed(REPLICA_1),
        told.entered(Phase::Recovery),
        told.returned(REPLICA_1),
        told.deeds("undrain replica-1"),
    ];
    assert!(order.iter().all(|times| times.len() == 1), "{order:?}");
    assert!(order.iter().flatten().is_sorted(), "{order:?}");
    assert_eq!(told.first_correct().len(), 1);
    assert!(told.entered(Phase::Settle) >= told.deeds("undrain replica-1"));
    let drained = told.events.iter().filter(|event| {
        matches!(
            event.kind,
            EventKind::Drained { problem: None, .. } | EventKind::DrainEnded { problem: None, .. }
        )
    });
    assert_eq!(drained.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_drain_is_told_and_the_rolling_restart_goes_on() {
    let told = two_replicas()
        .with_balancer()
        .mock(|mock| mock.command_fails = Some("no such replica".to_owned()))
        .fault(
            "rolling_restart",
            &json!({ "drain": "100ms" }),
            Aim::AllReplicas,
        )
        .run()
        .await;
    let problems = told.events.iter().filter_map(|event| match &event.kind {
        EventKind::Drained { problem, .. } | EventKind::DrainEnded { problem, .. } => {
            problem.as_deref()
        }
        _ => None,
    });
    assert_eq!(problems.collect::<Vec<_>>(), ["no such replica"; 4]);
    assert_eq!(told.first_correct().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_replica_that_does_not_come_back_ends_a_rolling_restart() {
    let told = two_replicas()
        .with_balancer()
        .fault(
            "rolling_restart",
            &json!({ "drain": false }),
            Aim::AllReplicas,
        )
        .node(REPLICA_0, |its| its.serves_after = None)
        .run()
        .await;
    assert!(told.requested(REPLICA_1).is_empty());
    assert!(told.entered(Phase::Recovery).is_empty());
    assert!(told.entered(Phase::Settle).is_empty());
    let missing = |kind: &EventKind| matches!(kind, EventKind::NotRecovered { .. });
    assert!(told.events.iter().any(|event| missing(&event.kind)));
    assert!(told.has_ended());
}

#[tokio::test(start_paused = true)]
async fn the_balancer_can_be_the_faulted_node() {
    let told = two_replicas()
        .with_balancer()
        .fault("kill", &json!({}), Aim::Balancer)
        .run()
        .await;
    assert_eq!(told.starts(Node::Balancer).len(), 2);
    assert_eq!(told.starts(REPLICA_0).len(), 1);
    assert_eq!(told.first_correct().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_misses_one_node_lets_the_others_go_on_at_once() {
    let told = two_replicas()
        .fault("pause", &json!({ "lasts": "300ms" }), Aim::AllReplicas)
        .node(REPLICA_1, |its| its.still_after = None)
        .run()
        .await;
    let reason = told.missed().unwrap();
    assert!(reason.contains("still ran 400ms after SIGSTOP"), "{reason}");
    let missed = told.deeds("resume replica-1");
    assert_eq!(missed.len(), 1);
    assert_eq!(told.deeds("resume replica-0"), missed);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_misses_lets_nobody_go_on_whom_another_fault_holds() {
    let told = two_replicas()
        .fault("pause", &json!({ "lasts": "300ms" }), Aim::Replica(0))
        .then(
            Span::from_ms(100),
            "pause",
            &json!({ "lasts": "500ms" }),
            Aim::AllReplicas,
        )
        .run()
        .await;
    assert_eq!(told.all_missed()[0].0, 1);
    let [resumed] = told.deeds("resume replica-0")[..] else {
        panic!("{:?}", told.deeds);
    };
    assert!(resumed >= FAULT_AT + Span::from_ms(300));
    let [at_once] = told.deeds("resume replica-1")[..] else {
        panic!("{:?}", told.deeds);
    };
    assert!(at_once < FAULT_AT + Span::from_ms(150));
}

fn looped(scenario: Scenario) -> Scenario {
    let parameters = json!({ "kills": 3, "into_start": "20ms" });
    scenario.fault("crash_loop", &parameters, Aim::AllReplicas)
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_over_with_its_last_kill() {
    let told = looped(one_replica()).run().await;
    let killed: Vec<_> = told.exits(REPLICA_0);
    let by_it = |(_, cause): &&(_, ExitCause)| *cause == ExitCause::Injected(FaultId::FIRST);
    assert_eq!(killed.iter().filter(by_it).count(), 3, "{killed:?}");
    let last = told.confirmed(REPLICA_0)[2];
    assert!(last >= told.requested(REPLICA_0)[0] + Span::from_ms(40));
    // The first start and three others.
    let starts = told.starts(REPLICA_0);
    assert_eq!(starts.len(), 4);
    assert!(starts[2].0 < last && starts[3].0 >= last);
    let trial = told.analyzed();
    let ready = told.first_correct()[0].ms_after(last);
    assert!(matches!(trial.chain.ready, Some(Time::At { ms, .. }) if ms == ready));
    let executed = starts[3].0.ms_after(last);
    assert!(
        matches!(trial.chain.executed, Some(Time::At { ms, .. }) if ms == executed),
        "{:?}",
        trial.chain
    );
    let out = told.first_correct()[0].ms_after(told.requested(REPLICA_0)[0]);
    assert!(matches!(trial.outage, Some(Time::At { ms, .. }) if ms == out));
    assert!(trial.landed);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_ends_by_itself_in_a_crash_loop_is_not_laid_to_the_fault_before() {
    let parameters = json!({ "kills": 3, "into_start": "20ms" });
    // The second start is the loop's first, and the third its last.
    for start in [2, 3] {
        let told = one_replica()
            .node(REPLICA_0, |its| {
                its.exits = vec![(start, Span::from_ms(5), exit(1))];
            })
            .then(
                Span::from_secs(1),
                "crash_loop",
                &parameters,
                Aim::Replica(0),
            )
            .run()
            .await;
        assert!(told.all_missed().is_empty(), "{:?}", told.all_missed());
        assert_eq!(told.recoveries().len(), 2, "{:?}", told.events);
        let trial = told.analyzed();
        assert_eq!(trial.not_back(), None, "{start}: {:?}", trial.returned);
        // T0 is the last end, whoever wanted it.
        let (last, _) = *told
            .exits(REPLICA_0)
            .iter()
            .rfind(|(_, cause)| *cause != ExitCause::Stopped)
            .unwrap();
        let ready = told.first_correct()[1].ms_after(last);
        let own = trial.faults[1].chain.ready;
        assert!(
            matches!(own, Some(Time::At { ms, .. }) if ms == ready),
            "{start}: {own:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_ends_by_itself_in_a_crash_loop_is_told_and_the_loop_goes_on() {
    let told = looped(two_replicas())
        .node(REPLICA_1, |its| {
            its.exits = vec![(1, Span::from_ms(5), exit(1))];
        })
        .run()
        .await;
    assert!(told.all_missed().is_empty(), "{:?}", told.all_missed());
    assert_eq!(told.exits(REPLICA_1)[1].1, ExitCause::Unexpected);
    assert_eq!(told.starts(REPLICA_1).len(), 4);
    assert_eq!(told.starts(REPLICA_0).len(), 4);
    let trial = told.analyzed();
    assert!(trial.landed, "{:?}", trial.void);
    let told = trial
        .findings
        .iter()
        .any(|found| found.contains("by itself"));
    assert!(told, "{:?}", trial.findings);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_forgets_lies_below_what_may_lose_its_power_and_nothing_else_in_every_trial() {
    let lossy = || {
        let disk = json!({ "disk": "strict" });
        two_replicas()
            .with_store()
            .fault("power_loss", &disk, Aim::Store)
    };
    for scenario in [lossy(), lossy().control()] {
        let told = scenario.run().await;
        assert_eq!(told.deeds("lay strict store").len(), 1);
        assert!(told.deeds("lay strict replica-0").is_empty());
        assert!(told.has_ended());
    }
    let told = two_replicas()
        .fault("power_loss", &json!({}), Aim::AnyReplica)
        .run()
        .await;
    assert_eq!(told.deeds("lay ext4 replica-1").len(), 1);
    let told = two_replicas().run().await;
    assert!(told.deeds("lay ext4 replica-0").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_power_loss_that_is_not_proved_missed() {
    let scenario = one_replica().fault("power_loss", &json!({}), Aim::AnyReplica);
    let told = scenario
        .node(REPLICA_0, |behaviour| behaviour.acts = Acts::Miss)
        .run()
        .await;
    assert_eq!(told.missed(), Some("it has no effect"));
}

#[tokio::test(start_paused = true)]
async fn what_a_disk_that_failed_at_any_time_does_to_a_trial_is_not_laid_to_the_server() {
    let scenario = || one_replica().fault("power_loss", &json!({}), Aim::AnyReplica);
    // It never came up; it lost all sessions, as it seems.
    let fails_to_start = |its: &mut Behaviour| its.exits = vec![(0, Span::from_ms(5), exit(1))];
    for (deed, change) in [
        ("start replica-0 0", Some(fails_to_start)),
        ("look at sessions", None),
    ] {
        for is_lost in [true, false] {
            let mut scenario = scenario().mock(|mock| {
                mock.disks_fail_after = is_lost.then_some(deed);
            });
            if let Some(change) = change {
                scenario = scenario.node(REPLICA_0, change);
            }
            let told = scenario.run().await;
            let aborted = told.aborted().unwrap_or_default();
            assert!(!told.deeds(deed).is_empty());
            assert_eq!(aborted.contains("does not answer"), is_lost, "{aborted}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_loss_and_no_other_act_completes_its_fault() {
    let told = one_replica()
        .fault("power_loss", &json!({}), Aim::AnyReplica)
        .run()
        .await;
    let acted = told.events.iter().filter_map(|event| match event.kind {
        EventKind::FaultActed { completes, .. } => Some(completes),
        _ => None,
    });
    assert_eq!(acted.collect::<Vec<_>>(), [true]);
}
