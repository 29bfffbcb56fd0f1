//! Several trials, as a run has them.

use comeback_model::event::{Event, EventKind, ExitCause};
use comeback_model::ids::{ArmId, FaultId};
use comeback_model::plan::{Chaos, Reach, Storm, Target};
use comeback_model::units::{Elapsed, Span};

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

#[tokio::test(start_paused = true)]
async fn a_trial_in_the_place_of_a_void_one_has_the_faults_that_were_drawn_for_that() {
    let scenario = one_replica().with(|plan| {
        let choice = &mut plan.faults[0];
        choice.quiet = Some(Span::from_ms(200));
        choice.jitter = Span::from_ms(100);
        let other = choice.clone();
        plan.faults.push(other);
        plan.chaos = Some(Chaos {
            faults: 3,
            weights: vec![1, 1],
            span: None,
        });
        (plan.trials, plan.replacements) = (3, 1);
    });
    let (events, understood, drawn) = scenario.run_in_place().await;
    let requested = events.iter().filter_map(|event| match event.kind {
        EventKind::FaultRequested { fault, .. } => Some(fault),
        _ => None,
    });
    assert_eq!(requested.collect::<Vec<_>>(), drawn);
    let repeats = |event: &Event| {
        let kind = &event.kind;
        matches!(kind, EventKind::RunExtended { same_faults, .. } if *same_faults)
    };
    assert!(events.iter().any(repeats));
    // It is asked for these, and not for those of its own place in the schedule.
    let asked: Vec<FaultId> = understood.faults.iter().map(|fault| fault.id).collect();
    assert_eq!(asked, drawn);
    assert!(understood.landed);
}

const fn is_idle_kill(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::TargetExited {
            cause: ExitCause::KilledIdle,
            ..
        }
    )
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

/// A storm of a server that after a kill of the idle one ends so many starts at once, and is ready so long after the next.
async fn storm_after_idle_kills(
    behaviour: (u32, Span),
    change: impl FnOnce(&mut Target),
) -> Vec<EventKind> {
    let scenario = one_replica().node(REPLICA_0, |its| its.after_idle_kill = Some(behaviour));
    let scenario = scenario.with(|plan| {
        plan.storm = Some(Storm::default());
        plan.faults[0].reach = Reach::Group;
        plan.load.timeout = Span::from_ms(5);
        change(&mut plan.arms[0].target);
    });
    let (events, ended) = scenario.run_trials().await;
    assert_eq!(ended, Ended::Complete);
    assert_eq!(count(&events, is_idle_kill), 3, "{events:?}");
    events
}

#[tokio::test(start_paused = true)]
async fn a_start_after_a_kill_of_the_idle_server_has_the_attempts_of_one_after_a_fault() {
    let events = storm_after_idle_kills((2, Span::ZERO), |target| {
        target.attempts.most = 3;
    })
    .await;
    let starts = |number| {
        let executed = |kind: &&EventKind| matches!(kind, EventKind::TargetExecuted { incarnation, .. } if incarnation.0 == number);
        events.iter().filter(executed).count()
    };
    // In two of three trials the third start is the first that comes up, and the fourth is that after the fault.
    assert_eq!([0, 1, 2, 3, 4].map(starts), [3, 3, 2, 2, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_start_after_a_kill_of_the_idle_server_has_the_horizon() {
    // The horizon is 2 s, and other starts have 200 ms.
    storm_after_idle_kills((0, Span::from_ms(1_500)), |_| {}).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_after_a_kill_of_the_idle_server_comes_after_the_pause_of_the_plan() {
    let pause = Span::from_ms(700);
    let scenario = one_replica().restart_after(pause).with(|plan| {
        plan.storm = Some(Storm::default());
        plan.faults[0].reach = Reach::Group;
        plan.load.timeout = Span::from_ms(5);
    });
    let (events, _) = scenario.run_trials_timed().await;
    let killed = events.iter().filter(|event| is_idle_kill(&event.kind));
    let killed: Vec<Elapsed> = killed.map(|event| event.at).collect();
    assert_eq!(killed.len(), 3);
    for killed in &killed[..2] {
        let mut after = events.iter().filter(|event| event.at >= *killed);
        let is_start = |event: &&Event| matches!(event.kind, EventKind::TargetExecuted { .. });
        let start = after.find(is_start).unwrap().at;
        assert!(start >= *killed + pause, "{killed:?} {start:?}");
    }
}
