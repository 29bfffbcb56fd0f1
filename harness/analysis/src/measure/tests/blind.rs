//! Blind time: clients fail while the health check says ready.

use super::*;
use crate::measure::BlindTime;

/// The health check said so, at this moment for the first time; the answer before was read at `last`.
fn says(story: Story, at: u64, ready: bool, last: Option<u64>) -> Story {
    story.event(
        at,
        EventKind::HealthChanged {
            node: Node::default(),
            ready,
            last_us: last.map(ms),
        },
    )
}

/// It was asked until the load's end.
fn asked(story: Story) -> Story {
    story.event(
        STOPPED,
        EventKind::HealthWatched {
            node: Node::default(),
            polls: 200,
            interval_us: 20_000,
            last_us: Some(ms(STOPPED - 10)),
        },
    )
}

/// It says ready until the fault, and again from `back` on; asked every 20 ms.
fn watched(back: u64) -> Story {
    let story = says(Story::faulted(), 500, true, None);
    let story = says(story, FAULT + 15, false, Some(FAULT - 5));
    asked(says(story, back, true, Some(back - 20)))
}

/// Clients fail every 5 ms, with this error, from `from` to before `to`.
fn failing(from: u64, to: u64, class: ErrorClass) -> impl Iterator<Item = Op> {
    steadily(from, to, 5).map(move |op| op.rejected(class))
}

fn blind(story: Story) -> BlindTime {
    story.trial().blind_time.unwrap()
}

#[test]
fn a_health_check_that_is_good_before_the_work_is_blind_until_then() {
    let story = watched(RECOVERED - 60)
        .serves(1_000, FAULT, 5)
        .does(failing(FAULT, RECOVERED, ErrorClass::ServerError))
        .serves(RECOVERED, SETTLED, 5);
    let trial = story.trial();
    // Failing replies are read until 96 ms after the fault, each 1 ms after it was asked for.
    let last_failed = RECOVERED - 4;
    let certain = (last_failed - (RECOVERED - 60)) as f64;
    let blind = trial.blind_time.unwrap();
    assert_eq!(blind.ms, certain);
    // Before the first bad answer 15 ms may be blind, before the first good one again 20 ms.
    assert_eq!(blind.error_ms, 15.0 + 20.0);
    let told = |text: &String| text.contains("the health check said that the server is ready");
    assert!(trial.findings.iter().any(told), "{:?}", trial.findings);
}

#[test]
fn a_health_check_that_is_as_good_as_the_work_is_not_blind() {
    let story = watched(RECOVERED)
        .serves(1_000, FAULT, 5)
        .does(failing(FAULT, RECOVERED, ErrorClass::Refused))
        .serves(RECOVERED, SETTLED, 5);
    let trial = story.trial();
    assert_eq!(trial.blind_time.unwrap().ms, 0.0);
    let told = |text: &String| text.contains("health check");
    assert!(!trial.findings.iter().any(told), "{:?}", trial.findings);
}

#[test]
fn a_lost_session_is_counted_as_such_and_is_no_blindness() {
    let story = watched(RECOVERED)
        .serves(1_000, FAULT, 5)
        .serves(RECOVERED, SETTLED, 5)
        .does(failing(RECOVERED + 3, SETTLED, ErrorClass::SessionRejected));
    assert_eq!(blind(story).ms, 0.0);
}

#[test]
fn where_one_of_two_operations_fails_half_of_the_time_is_blind() {
    let story = watched(RECOVERED)
        .serves(1_000, FAULT, 4)
        .does(failing(FAULT, RECOVERED, ErrorClass::Refused))
        .serves(RECOVERED, SETTLED, 4)
        .does(
            (RECOVERED + 2..SETTLED)
                .step_by(4)
                .map(|at| look(at as u32, at).rejected(ErrorClass::ServerError)),
        );
    let half = (SETTLED - RECOVERED) as f64 / 2.0;
    let ms = blind(story).ms;
    assert!((ms - half).abs() < 5.0, "{ms} of {half}");
}

#[test]
fn what_failed_before_the_fault_is_not_laid_to_it() {
    let story = watched(RECOVERED)
        .does(failing(1_000, FAULT - 10, ErrorClass::ServerError))
        .serves(RECOVERED, SETTLED, 5);
    assert_eq!(blind(story).ms, 0.0);
}

#[test]
fn a_health_check_is_good_only_while_that_of_every_node_is() {
    let story = watched(RECOVERED - 60)
        .serves(1_000, FAULT, 5)
        .does(failing(FAULT, RECOVERED, ErrorClass::ServerError))
        .serves(RECOVERED, SETTLED, 5)
        .event(
            500,
            EventKind::HealthChanged {
                node: Node::Replica(1),
                ready: false,
                last_us: None,
            },
        )
        .event(
            STOPPED,
            EventKind::HealthWatched {
                node: Node::Replica(1),
                polls: 9,
                interval_us: 20_000,
                last_us: Some(ms(STOPPED)),
            },
        );
    assert_eq!(blind(story), BlindTime::default());
}

#[test]
fn a_journal_without_the_answers_does_not_tell_and_is_never_zero() {
    let story = |story: Story| {
        let story = story.serves(1_000, FAULT, 5);
        story.serves(RECOVERED, SETTLED, 5).trial().blind_time
    };
    assert_eq!(story(Story::faulted()), None);
    // How it went on after the last change is not on record.
    let cut = says(Story::faulted(), 500, true, None);
    assert_eq!(story(cut), None);
}
