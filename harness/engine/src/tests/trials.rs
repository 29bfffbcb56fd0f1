//! Several trials, as a run has them.

use comeback_model::event::EventKind;
use comeback_model::ids::ArmId;

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
