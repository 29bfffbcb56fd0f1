//! A trial that ends before its time: by the target, or by somebody who wants the run to end.

use comeback_model::event::{EventKind, ExitCause, Phase};
use comeback_model::plan::{Aim, Within};
use comeback_model::units::Span;
use serde_json::json;

use super::scenario::*;
use crate::trial::{Finished, Started};

fn start_failed(told: &Told) -> Option<(&str, Option<&str>)> {
    told.events.iter().find_map(|event| match &event.kind {
        EventKind::TargetStartFailed { problem, tail, .. } => {
            Some((problem.as_str(), tail.first().map(|line| line.text())))
        }
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_be_started_ends_the_trial() {
    let told = one_replica()
        .node(REPLICA_0, |its| its.cannot_start = vec![0])
        .run()
        .await;
    let (problem, tail) = start_failed(&told).unwrap();
    assert!(problem.contains("./server"), "{problem}");
    assert_eq!(tail, None);
    assert_eq!(told.phases(), [Phase::Start]);
    assert!(matches!(told.finished, Ok(Finished::Done(Started::Not))));
    assert!(told.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_target_that_ends_before_it_is_ready_is_quoted() {
    let told = one_replica()
        .node(REPLICA_0, |its| {
            its.ready_after = None;
            its.exits = vec![(0, Span::from_ms(40), exit(2))];
        })
        .run()
        .await;
    let (problem, tail) = start_failed(&told).unwrap();
    assert!(problem.contains("after 40 ms"), "{problem}");
    assert_eq!(tail, Some("the last line"));
    assert!(matches!(told.finished, Ok(Finished::Done(Started::Not))));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_not_ready_in_time_is_killed() {
    let told = one_replica()
        .node(REPLICA_0, |its| its.ready_after = None)
        .run()
        .await;
    assert!(start_failed(&told).is_some());
    assert_eq!(told.deeds("drop running replica-0"), [ms(200)]);
}

#[tokio::test(start_paused = true)]
async fn users_that_cannot_log_in_are_tried_again_while_the_start_may_take() {
    let slow = one_replica().mock(|mock| mock.opens_after = 3).run().await;
    assert_eq!(slow.aborted(), None);
    assert_eq!(slow.entered(Phase::WarmUp), [ms(41)]);
    let never = one_replica()
        .mock(|mock| mock.opens_after = u32::MAX)
        .run()
        .await;
    assert_eq!(
        never.aborted(),
        Some("10 of 10 sessions could not be opened before the fault")
    );
    assert!(never.entered(Phase::WarmUp).is_empty());
    assert!(never.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_not_served_before_the_fault_ends_the_trial() {
    let told = one_replica()
        .mock(|mock| mock.rehearsal_fails = Some("it met a wall".to_owned()))
        .run()
        .await;
    let reason = told.aborted().unwrap();
    assert!(reason.ends_with("it met a wall"), "{reason}");
    assert_eq!(told.phases(), [Phase::Start, Phase::Open]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_under_the_load_before_the_fault_ends_the_trial_at_once() {
    for at in [150, 450] {
        let told = one_replica()
            .node(REPLICA_0, |its| {
                its.exits = vec![(0, Span::from_ms(at), exit(3))]
            })
            .run()
            .await;
        assert_eq!(told.exits(REPLICA_0), [(ms(at), ExitCause::Unexpected)]);
        assert_eq!(
            told.aborted(),
            Some("the target exited with status 3 by itself")
        );
        assert!(told.requested(REPLICA_0).is_empty());
        assert!(told.has_ended());
        assert_eq!(told.events.last().unwrap().at, ms(at));
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_in_the_moment_of_the_fault_is_not_the_faults() {
    let told = one_replica()
        .node(REPLICA_0, |its| {
            its.exits = vec![(0, Span::from_ms(602), exit(3))]
        })
        .run()
        .await;
    assert_eq!(told.exits(REPLICA_0), [(FAULT_AT, ExitCause::Unexpected)]);
    assert!(told.requested(REPLICA_0).is_empty());
    assert!(told.confirmed(REPLICA_0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_fault_at_a_node_that_there_is_not_missed() {
    let told = one_replica()
        .fault("kill", &json!({}), Aim::Store)
        .run()
        .await;
    assert_eq!(told.missed(), Some("this arm has no store"));
    assert!(told.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_fails_ends_the_trial() {
    let told = one_replica()
        .node(REPLICA_0, |its| its.cannot_start = vec![1])
        .run()
        .await;
    assert!(start_failed(&told).is_some());
    // The arm came up once: the run goes on.
    assert!(matches!(told.finished, Ok(Finished::Done(Started::Up))));
    assert!(told.entered(Phase::Settle).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_ends_a_trial_in_every_phase_and_leaves_no_process() {
    for (at, phase) in [
        (30, Phase::Start),
        (70, Phase::Open),
        (250, Phase::WarmUp),
        (450, Phase::Baseline),
        (700, Phase::Fault),
        (720, Phase::Recovery),
        (950, Phase::Settle),
        (1_018, Phase::ReadBack),
        (1_030, Phase::Stop),
    ] {
        let told = one_replica()
            .mock(|mock| mock.opens_after = 3)
            .restart_after(Span::from_ms(100))
            .node(REPLICA_0, |its| {
                its.ready_after = Some(Span::from_ms(50));
                its.ends_after = Some(Span::from_ms(20));
            })
            .interrupt_at(ms(at))
            .run()
            .await;
        assert!(
            matches!(told.finished, Ok(Finished::Interrupted)),
            "{at}: {:?}",
            told.phases()
        );
        assert_eq!(told.phases().last(), Some(&phase), "{at}");
        assert!(!told.has_ended(), "{at}: it never came to its end");
        let starts = told.starts(REPLICA_0).len();
        let exits = told.exits(REPLICA_0).len();
        let dropped = told.deeds("drop running replica-0").len();
        assert_eq!(starts, exits + dropped, "{at}: each start ends");
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_while_a_write_is_waited_for_signals_nobody() {
    let told = one_replica()
        .with(|plan| plan.faults[0].within = Within::Request)
        .interrupt_at(ms(620))
        .run()
        .await;
    assert!(matches!(told.finished, Ok(Finished::Interrupted)));
    assert!(told.requested(REPLICA_0).is_empty());
    assert_eq!(told.deeds("drop running replica-0"), [ms(620)]);
}
