//! A trial that comes to its end: what happens in which phase.

use comeback_model::event::{EventKind, ExitCause, Phase};
use comeback_model::ids::{FaultId, Node};
use comeback_model::plan::{External, IdentifiedBy, Request, Within, Workload};
use comeback_model::units::Span;

use super::scenario::*;
use crate::trial::{Finished, Started};

#[tokio::test(start_paused = true)]
async fn a_whole_trial_goes_from_start_to_stop_and_leaves_nothing() {
    let told = one_replica().run().await;
    assert_eq!(
        told.phases(),
        [
            Phase::Start,
            Phase::Open,
            Phase::WarmUp,
            Phase::Baseline,
            Phase::Fault,
            Phase::Recovery,
            Phase::Settle,
            Phase::ReadBack,
            Phase::Stop
        ]
    );
    assert_eq!(told.entered(Phase::Baseline), [ms(202)]);
    assert_eq!(told.requested(REPLICA_0), [FAULT_AT]);
    assert_eq!(told.confirmed(REPLICA_0), [ms(603)]);
    assert_eq!(told.starts(REPLICA_0), [(ms(0), 0), (ms(603), 1)]);
    assert_eq!(told.returned(REPLICA_0), [ms(703)]);
    assert_eq!(told.first_correct(), [ms(703)]);
    let exits = told.exits(REPLICA_0);
    assert_eq!(exits[0], (ms(603), ExitCause::Injected(FaultId::FIRST)));
    assert_eq!(exits[1].1, ExitCause::Stopped);
    assert!(told.has_ended());
    assert_eq!(told.aborted(), None);
    assert!(matches!(told.finished, Ok(Finished::Done(Started::Up))));
    assert!(told.deeds("drop running replica-0").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_is_no_recovery_where_the_load_saw_none_before_the_fault() {
    let request = Request::new("GET", "/");
    let told = one_replica()
        .with(|plan| plan.load.workload = Workload::Stateless(Box::new(request)))
        .node(REPLICA_0, |its| its.empty_for = Span::from_ms(40))
        .run()
        .await;
    let served = told.starts(REPLICA_0)[1].0 + Span::from_ms(100);
    assert_eq!(told.first_correct(), [served + Span::from_ms(40)]);
}

#[tokio::test(start_paused = true)]
async fn a_control_trial_settles_without_a_fault() {
    let told = one_replica().control().run().await;
    assert!(told.requested(REPLICA_0).is_empty());
    assert_eq!(told.starts(REPLICA_0).len(), 1);
    assert!(!told.phases().contains(&Phase::Recovery));
    assert_eq!(told.entered(Phase::Settle), told.entered(Phase::Fault));
    assert!(told.has_ended());
}

#[tokio::test(start_paused = true)]
async fn nodes_are_started_one_after_the_other_and_stopped_the_other_way_round() {
    let slow = |behaviour: &mut super::mock::Behaviour| {
        behaviour.ready_after = Some(Span::from_ms(20));
    };
    let told = two_replicas()
        .with_balancer()
        .node(REPLICA_0, slow)
        .node(REPLICA_1, slow)
        .run()
        .await;
    assert_eq!(told.starts(REPLICA_0)[0], (ms(0), 0));
    assert_eq!(told.starts(REPLICA_1), [(ms(20), 0)]);
    assert_eq!(told.starts(Node::Balancer), [(ms(40), 0)]);
    let stops = ["stop balancer", "stop replica-1", "stop replica-0"].map(|deed| told.deeds(deed));
    let stops: Vec<_> = stops.into_iter().flatten().collect();
    assert_eq!(stops.len(), 3);
    assert!(stops.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn the_restart_comes_when_the_plans_pause_is_over() {
    let told = one_replica().restart_after(Span::from_ms(500)).run().await;
    assert_eq!(told.confirmed(REPLICA_0), [ms(603)]);
    assert_eq!(told.starts(REPLICA_0)[1], (ms(1_103), 1));
    assert_eq!(told.first_correct(), [ms(1_203)]);
}

#[tokio::test(start_paused = true)]
async fn another_nodes_exit_during_the_restart_delay_is_recorded_when_it_happens() {
    let told = two_replicas()
        .restart_after(Span::from_ms(500))
        .node(REPLICA_1, |its| {
            its.exits = vec![(0, Span::from_ms(700), exit(1))]
        })
        .run()
        .await;
    assert_eq!(told.exits(REPLICA_1), [(ms(700), ExitCause::Unexpected)]);
    assert_eq!(told.starts(REPLICA_1).len(), 1);
    assert_eq!(told.starts(REPLICA_0)[1], (ms(1_103), 1));
    assert_eq!(told.first_correct(), [ms(1_203)]);
    // One that is gone for good cannot be asked what it knows.
    assert!(told.entered(Phase::ReadBack).is_empty());
    assert!(told.has_ended());
}

#[tokio::test(start_paused = true)]
async fn another_nodes_exit_while_a_write_is_waited_for_is_recorded_when_it_happens() {
    // No client of this load ever writes, so the fault waits as long as it may.
    let told = two_replicas()
        .with(|plan| plan.faults[0].within = Within::Request)
        .node(REPLICA_1, |its| {
            its.exits = vec![(0, Span::from_ms(620), exit(1))]
        })
        .run()
        .await;
    let requested = told.requested(REPLICA_0);
    assert!(requested[0] > ms(640), "{requested:?}");
    assert_eq!(told.exits(REPLICA_1), [(ms(620), ExitCause::Unexpected)]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_while_another_is_started_is_recorded_when_it_happens() {
    let told = two_replicas()
        .node(REPLICA_0, |its| {
            its.exits = vec![(0, Span::from_ms(10), exit(1))]
        })
        .node(REPLICA_1, |its| its.ready_after = Some(Span::from_ms(50)))
        .run()
        .await;
    assert_eq!(told.exits(REPLICA_0), [(ms(10), ExitCause::Unexpected)]);
    assert_eq!(told.starts(REPLICA_1), [(ms(0), 0)]);
    assert_eq!(
        told.aborted(),
        Some("replica-0 exited with status 1 by itself")
    );
    assert!(told.entered(Phase::Baseline).is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_before_it_serves_is_started_once_more() {
    let told = one_replica()
        .with(|plan| plan.arms[0].target.attempts.most = 3)
        .node(REPLICA_0, |its| {
            its.exits = vec![(1, Span::from_ms(20), exit(1))]
        })
        .run()
        .await;
    // It ends 20 ms after its start; the second attempt comes 200 ms later.
    assert_eq!(
        told.starts(REPLICA_0),
        [(ms(0), 0), (ms(603), 1), (ms(823), 2)]
    );
    assert_eq!(told.exits(REPLICA_0)[1], (ms(623), ExitCause::Unexpected));
    assert_eq!(told.first_correct(), [ms(923)]);
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_after_it_served_is_not_started_again() {
    let told = one_replica()
        .with(|plan| plan.arms[0].target.attempts.most = 3)
        .node(REPLICA_0, |its| {
            its.exits = vec![(1, Span::from_ms(150), exit(1))]
        })
        .run()
        .await;
    assert_eq!(told.first_correct(), [ms(703)]);
    assert_eq!(told.exits(REPLICA_0)[1], (ms(753), ExitCause::Unexpected));
    assert_eq!(told.starts(REPLICA_0).len(), 2);
    assert!(told.entered(Phase::ReadBack).is_empty());
    assert!(told.has_ended());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_back_is_waited_for_until_the_horizon() {
    let told = one_replica()
        .node(REPLICA_0, |its| its.serves_after = None)
        .run()
        .await;
    assert!(told.first_correct().is_empty());
    let missing = told.events.iter().find_map(|event| match event.kind {
        EventKind::NotRecovered { probes, .. } => Some((event.at, probes)),
        _ => None,
    });
    let (at, probes) = missing.unwrap();
    assert_eq!(at, ms(2_603));
    assert!(probes > 0);
    assert!(told.entered(Phase::Settle).is_empty());
    assert!(told.entered(Phase::ReadBack).is_empty());
    assert_eq!(told.deeds("load ends").len(), 1);
    assert!(told.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_new_boot_id_is_no_recovery_of_a_server_that_others_start_while_its_process_is_not_found()
{
    let hidden = || {
        one_replica().node(REPLICA_0, |its| {
            its.is_named = true;
            its.is_hidden = true;
        })
    };
    let told = hidden().run().await;
    assert_eq!(told.first_correct().len(), 1);
    let told = hidden()
        .with(|plan| {
            plan.arms[0].target.external = Some(External {
                by: IdentifiedBy::Port,
                port: 8080,
                restart: None,
                kill: None,
            });
        })
        .run()
        .await;
    assert!(told.first_correct().is_empty());
    let is_missing = |kind: &EventKind| matches!(kind, EventKind::NotRecovered { .. });
    let missing = told.events.iter().filter(|event| is_missing(&event.kind));
    assert_eq!(missing.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_others_start_and_that_cannot_be_seen_is_neither_back_nor_failed() {
    let unseen = |until: Span| {
        one_replica()
            .with(|plan| {
                plan.arms[0].target.external = Some(External {
                    by: IdentifiedBy::Port,
                    port: 8080,
                    restart: None,
                    kill: None,
                });
            })
            .node(REPLICA_0, |its| its.is_unseen = Some(until))
    };
    // It serves after 100 ms.
    let told = unseen(Span::from_ms(150)).run().await;
    let started = told.starts(REPLICA_0)[1].0;
    assert_eq!(told.first_correct(), [started + Span::from_ms(150)]);
    let told = unseen(Span::from_secs(60)).run().await;
    let is_missing = |kind: &EventKind| matches!(kind, EventKind::NotRecovered { .. });
    assert!(!told.events.iter().any(|event| is_missing(&event.kind)));
    let why = "after the fault the replies were correct, but whose they were cannot be told: it cannot be seen whose process that is";
    let aborted = told.events.iter().find_map(|event| match &event.kind {
        EventKind::TrialAborted { reason } => Some(reason.as_str()),
        _ => None,
    });
    assert_eq!(aborted, Some(why));
    // Whoever cannot be seen, and answers nobody, has not come back.
    let silent = unseen(Span::from_secs(60)).node(REPLICA_0, |its| its.serves_after = None);
    let told = silent.run().await;
    assert!(told.events.iter().any(|event| is_missing(&event.kind)));
}

#[tokio::test(start_paused = true)]
async fn untouched_nodes_are_asked_who_they_are_at_the_end() {
    let told = two_replicas()
        .node(REPLICA_0, |its| its.is_named = true)
        .node(REPLICA_1, |its| its.is_named = true)
        .run()
        .await;
    let seen = told.events.iter().filter_map(|event| match event.kind {
        EventKind::TargetSeen { node, .. } => Some(node),
        _ => None,
    });
    assert_eq!(seen.collect::<Vec<_>>(), [REPLICA_1]);
}

#[tokio::test(start_paused = true)]
async fn what_a_trial_leaves_behind_is_named() {
    let told = one_replica().mock(|mock| mock.leaves = vec![7]).run().await;
    let left = told.events.iter().any(
        |event| matches!(&event.kind, EventKind::LeftBehind { pids } if pids.as_slice() == [7]),
    );
    assert!(left);
    assert!(told.has_ended());
}

#[tokio::test(start_paused = true)]
async fn starts_are_tried_no_more_often_than_the_plan_says() {
    let told = one_replica()
        .with(|plan| plan.arms[0].target.attempts.most = 2)
        .node(REPLICA_0, |its| {
            let soon = Span::from_ms(20);
            its.exits = vec![(1, soon, exit(1)), (2, soon, exit(1))];
        })
        .run()
        .await;
    assert_eq!(told.starts(REPLICA_0).len(), 3);
    assert_eq!(told.exits(REPLICA_0).len(), 3);
    assert!(told.first_correct().is_empty());
    assert!(told.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_load_without_sessions_needs_no_rehearsal() {
    let told = one_replica()
        .mock(|mock| mock.rehearsal_fails = Some("nobody asks".to_owned()))
        .with(|plan| {
            let Workload::Sessions(flow) = &plan.load.workload else {
                return;
            };
            plan.load.workload = Workload::Stateless(Box::new(flow.check.clone()));
        })
        .run()
        .await;
    assert_eq!(told.aborted(), None);
    assert_eq!(told.first_correct().len(), 1);
}
