//! Several trials, as a run has them.

use comeback_model::event::{EventKind, ExitCause};
use comeback_model::ids::ArmId;
use comeback_model::plan::{Reach, Storm};
use comeback_model::units::Span;

use super::scenario::*;
use crate::trials::Ended;

fn count(events: &[EventKind], wanted: fn(&EventKind) -> bool) -> usize {
    events.iter().filter(|kind| wanted(kind)).count()
}

const fn is_start(kind: &EventKind) -> bool {
    matches!(kind, EventKind::TrialStarted { .. })
}

#[tokio::test(start_paused = true)]
async fn all_trials_are_run_one_after_the_other() {
    let (events, ended) = one_replica().run_trials().await;
    assert_eq!(ended, Ended::Complete);
    assert_eq!(count(&events, is_start), 3);
    assert_eq!(count(&events, |kind| *kind == EventKind::TrialEnded), 3);
    assert_eq!(events.last(), Some(&EventKind::RunEnded));
}

#[tokio::test(start_paused = true)]
async fn a_run_is_given_up_when_the_first_start_of_an_arm_fails() {
    let scenario = one_replica().node(REPLICA_0, |its| its.cannot_start = vec![0]);
    let (events, ended) = scenario.run_trials().await;
    assert_eq!(ended, Ended::Complete);
    assert_eq!(count(&events, is_start), 1);
    let given_up = EventKind::RunGivenUp { arm: ArmId(0) };
    assert!(events.ends_with(&[EventKind::TrialEnded, given_up, EventKind::RunEnded]));
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_is_void_does_not_end_the_run() {
    let scenario = one_replica().node(REPLICA_0, |its| its.ends_after = None);
    let (events, ended) = scenario.run_trials().await;
    assert_eq!(ended, Ended::Complete);
    let missed = |kind: &EventKind| matches!(kind, EventKind::FaultMissed { .. });
    assert_eq!(count(&events, missed), 3);
    assert_eq!(count(&events, |kind| *kind == EventKind::TrialEnded), 3);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_begins_no_further_trial() {
    let (events, ended) = one_replica().interrupt_at(ms(900)).run_trials().await;
    assert_eq!(ended, Ended::Interrupted);
    assert_eq!(count(&events, is_start), 2);
    assert_eq!(count(&events, |kind| *kind == EventKind::TrialEnded), 1);
    assert_eq!(events.last(), Some(&EventKind::RunInterrupted));
}

/// How often the idle server was killed, in a storm whose kills reach this.
async fn idle_kills(reach: Reach) -> usize {
    let scenario = one_replica().with(|plan| {
        plan.storm = Some(Storm::default());
        plan.faults[0].reach = reach;
        plan.load.timeout = Span::from_ms(5);
    });
    let (events, ended) = scenario.run_trials().await;
    assert_eq!(ended, Ended::Complete);
    assert_eq!(count(&events, is_start), 3);
    let is_idle_kill = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::TargetExited {
                cause: ExitCause::KilledIdle,
                ..
            }
        )
    };
    let resumed = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::SessionsResumed {
                after_kill: true,
                ..
            }
        )
    };
    let killed = count(&events, is_idle_kill);
    // The last one has no next start.
    assert_eq!(count(&events, resumed), killed.saturating_sub(1));
    killed
}

#[tokio::test(start_paused = true)]
async fn a_storm_kills_the_idle_server_too_where_its_kills_reach_all_processes() {
    assert_eq!(idle_kills(Reach::Group).await, 3);
    assert_eq!(idle_kills(Reach::Process).await, 0);
}
