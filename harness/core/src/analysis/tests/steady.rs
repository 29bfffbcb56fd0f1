//! How long the service was worse than its baseline.

use super::*;
use crate::analysis::Time;
use crate::units::Span;
use ErrorClass::{Refused, ServerError};

/// A baseline and settle time of an operation every 10 ms, refused while the server was away.
fn outage() -> Story {
    Story::faulted()
        .serves(1_000, 3_000, 10)
        .does(steadily(3_000, RECOVERED, 10).map(|op| op.unsent(Refused)))
}

/// An operation answered after `ms`.
fn slowed(op: Op, ms: u64) -> Op {
    let finished = op.0.intended + Span::from_ms(ms);
    Op(Operation { finished, ..op.0 })
}

fn at(ms: f64) -> Option<Time> {
    Some(Time::At {
        ms,
        error_ms: 100.0,
    })
}

#[test]
fn a_server_that_is_back_at_once_is_steady_when_it_is_ready() {
    let trial = outage().serves(RECOVERED, SETTLED, 10).trial();
    assert_eq!(trial.time_to_steady, at(98.0));
    // Window 3,000–3,100 failed wholly.
    let area = trial.outage_area_s.unwrap();
    assert!((area - 0.1).abs() < 1e-12, "{area}");
}

#[test]
fn steady_is_later_than_ready_while_operations_fail_or_are_slow() {
    let failing = steadily(RECOVERED, 3_600, 10).map(|op| op.rejected(ServerError));
    let trial = outage().does(failing).serves(3_600, SETTLED, 10).trial();
    assert_eq!(trial.time_to_steady, at(598.0));
    let area = trial.outage_area_s.unwrap();
    assert!((area - 0.6).abs() < 1e-12, "{area}");

    let slow = steadily(RECOVERED, 3_600, 10).map(|op| slowed(op, 7));
    let trial = outage().does(slow).serves(3_600, SETTLED, 10).trial();
    assert_eq!(trial.time_to_steady, at(598.0));
}

#[test]
fn a_p99_a_few_milliseconds_off_is_the_machines_not_the_servers() {
    let slower = steadily(RECOVERED, SETTLED, 10).map(|op| slowed(op, 6));
    assert_eq!(outage().does(slower).trial().time_to_steady, at(98.0));
}

#[test]
fn a_relapse_starts_the_wait_again() {
    let trial = outage()
        .serves(RECOVERED, 3_500, 10)
        .does(steadily(3_500, 3_520, 10).map(|op| op.rejected(ServerError)))
        .serves(3_520, SETTLED, 10)
        .trial();
    assert_eq!(trial.time_to_steady, at(598.0));
}

#[test]
fn one_bad_window_in_twenty_is_let_pass() {
    let trial = outage()
        .planned(|plan| plan.windows.steady_for = Span::from_ms(2_000))
        .serves(RECOVERED, 3_500, 10)
        .does([look(0, 3_500).rejected(ServerError)])
        .serves(3_510, SETTLED, 10)
        .trial();
    assert_eq!(trial.time_to_steady, at(98.0));
}

#[test]
fn a_service_never_steady_within_the_load_is_censored() {
    let trial = outage()
        .does(steadily(RECOVERED, SETTLED, 10).map(|op| op.rejected(ServerError)))
        .trial();
    assert_eq!(
        trial.time_to_steady,
        Some(Time::Beyond {
            ms: (SETTLED - CUT) as f64
        })
    );
}

#[test]
fn the_silence_while_the_last_operations_time_out_is_not_steadiness() {
    // The load is recorded as stopped 900 ms after the last operation was wanted, and was all failures.
    let trial = outage()
        .does(steadily(RECOVERED, SETTLED, 10).map(|op| op.rejected(ServerError)))
        .without(|kind| matches!(kind, EventKind::LoadStopped { .. }))
        .event(
            6_000,
            EventKind::LoadStopped {
                scheduled: 1,
                sent: 1,
                dropped: 0,
            },
        )
        .trial();
    assert_eq!(
        trial.time_to_steady,
        Some(Time::Beyond {
            ms: (SETTLED - CUT) as f64
        })
    );
    assert_eq!(trial.timeline.last().unwrap().start_ms, 2_000.0);
}

#[test]
fn failures_that_the_baseline_has_too_do_not_count_as_an_outage() {
    let flaky = |from, to| {
        steadily(from, to, 10).map(|op| {
            if op.0.intended.as_us() % 50_000 == 0 {
                op.rejected(ServerError)
            } else {
                op
            }
        })
    };
    let trial = Story::faulted()
        .does(flaky(1_000, 3_000))
        .does(flaky(3_000, SETTLED))
        .trial();
    assert_eq!(trial.time_to_steady, at(98.0));
    let area = trial.outage_area_s.unwrap();
    assert!(area.abs() < 1e-9, "{area}");
}

#[test]
fn without_a_baseline_there_is_no_band_to_return_to() {
    let trial = Story::faulted().serves(RECOVERED, SETTLED, 10).trial();
    assert_eq!((trial.time_to_steady, trial.outage_area_s), (None, None));
}

#[test]
fn operations_in_flight_at_the_fault_are_no_part_of_the_baselines_band() {
    let trial = outage()
        .does([look(0, 2_999).unanswered(3_003)])
        .does(steadily(RECOVERED, 3_600, 10).map(|op| slowed(op, 50)))
        .serves(3_600, SETTLED, 10)
        .trial();
    assert_eq!(trial.time_to_steady, at(598.0));
}

#[test]
fn more_failures_than_any_baseline_window_had_are_not_steady_however_few() {
    let crowd = |from, to| (0..20).flat_map(move |_| steadily(from, to, 10));
    let trial = Story::faulted()
        .does(crowd(1_000, 3_000))
        .does(crowd(RECOVERED, SETTLED))
        .does([look(0, 3_250).rejected(ServerError)])
        .trial();
    assert_eq!(trial.time_to_steady, at(298.0));
}

#[test]
fn a_baseline_with_one_bad_window_does_not_excuse_a_bad_service() {
    let failing = |from, to| steadily(from, to, 50).map(|op| op.rejected(ServerError));
    let trial = outage()
        .does(failing(2_000, 2_200))
        .serves(RECOVERED, SETTLED, 10)
        .does(failing(RECOVERED, 3_600))
        .trial();
    assert_eq!(trial.time_to_steady, at(598.0));
}

#[test]
fn a_service_nobody_asked_anything_is_not_steady() {
    let beyond = Some(Time::Beyond {
        ms: (SETTLED - CUT) as f64,
    });
    assert_eq!(outage().trial().time_to_steady, beyond);
}
