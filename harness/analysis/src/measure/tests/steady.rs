//! How long the service was worse than its baseline.

use ErrorClass::{Refused, ServerError};
use comeback_model::units::Span;

use super::*;
use crate::measure::Time;

/// A baseline and settle time of an operation every 10 ms, refused while the server was away.
fn outage() -> Story {
    Story::faulted()
        .serves(1_000, 3_000, 5)
        .does(steadily(3_000, RECOVERED, 5).map(|op| op.unsent(Refused)))
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
    let trial = outage().serves(RECOVERED, SETTLED, 5).trial();
    assert_eq!(trial.time_to_steady, at(98.0));
    // Window 3,000–3,100 failed wholly.
    let area = trial.outage_area_s.unwrap();
    assert!((area - 0.1).abs() < 1e-12, "{area}");
}

#[test]
fn steady_is_later_than_ready_while_operations_fail_or_are_slow() {
    let failing = steadily(RECOVERED, 3_600, 5).map(|op| op.rejected(ServerError));
    let trial = outage().does(failing).serves(3_600, SETTLED, 5).trial();
    assert_eq!(trial.time_to_steady, at(598.0));
    let area = trial.outage_area_s.unwrap();
    assert!((area - 0.6).abs() < 1e-12, "{area}");

    let slow = steadily(RECOVERED, 3_600, 5).map(|op| slowed(op, 7));
    let trial = outage().does(slow).serves(3_600, SETTLED, 5).trial();
    assert_eq!(trial.time_to_steady, at(598.0));
}

#[test]
fn how_slow_is_steady_goes_by_the_baseline() {
    let slowed_to = |ms| {
        let slower = steadily(RECOVERED, SETTLED, 5).map(|op| slowed(op, ms));
        outage().does(slower).trial().time_to_steady
    };
    assert_eq!(slowed_to(3), at(98.0));
    // Four times, or fourteen times, as slow as before is not as before, however few milliseconds that is.
    for ms in [4, 14] {
        assert!(matches!(slowed_to(ms), Some(Time::Beyond { .. })), "{ms}");
    }
}

#[test]
fn a_few_slow_operations_of_a_window_do_not_decide() {
    let some = steadily(RECOVERED, SETTLED, 5).map(|op| match op.0.intended.as_us() % 25_000 {
        0 => slowed(op, 30),
        _ => op,
    });
    assert_eq!(outage().does(some).trial().time_to_steady, at(98.0));
}

#[test]
fn steady_is_steady_to_the_end() {
    // Good for the plan's time and more, then slow.
    let late = steadily(4_600, SETTLED, 5).map(|op| slowed(op, 20));
    let trial = outage().serves(RECOVERED, 4_600, 5).does(late).trial();
    let beyond = Some(Time::Beyond {
        ms: (SETTLED - CUT) as f64,
    });
    assert_eq!(trial.time_to_steady, beyond);
}

#[test]
fn windows_are_put_together_until_each_tells_something() {
    // One operation in 50 ms: ten windows hold twenty of them.
    let sparse = Story::faulted()
        .serves(BASELINE, FAULT, 50)
        .does([look(0, RECOVERED).rejected(ServerError)])
        .serves(RECOVERED + 50, SETTLED, 50)
        .planned(|plan| plan.windows.steady_for = Span::from_ms(1_000));
    let steady = Some(Time::At {
        ms: (RECOVERED + 1_000 - CUT) as f64,
        error_ms: 1_000.0,
    });
    assert_eq!(sparse.trial().time_to_steady, steady);
}

#[test]
fn waiting_is_a_part_of_the_outage_area() {
    // For half a second everything is answered correctly, and late; then some fail.
    let slow = steadily(RECOVERED, 3_600, 5).map(|op| slowed(op, 50));
    let failing = steadily(3_600, 3_700, 5).map(|op| op.rejected(ServerError));
    let story = outage().does(slow).does(failing).serves(3_700, SETTLED, 5);
    let close = |figure: Option<f64>, expected: f64| (figure.unwrap() - expected).abs() < 1e-9;
    let trial = story.trial();
    assert!(
        close(trial.outage_area_slow(), 0.5),
        "{:?}",
        trial.outage_area_slow()
    );
    assert!(
        close(trial.outage_area_failed(), 0.2),
        "{:?}",
        trial.outage_area_failed()
    );
    assert!(close(trial.outage_area(), 0.7), "{:?}", trial.outage_area());
    // An objective says how long one may wait.
    let trial = story
        .planned(|plan| plan.load.objective = Some(Span::from_ms(60)))
        .trial();
    assert!(
        close(trial.outage_area_slow(), 0.0),
        "{:?}",
        trial.outage_area_slow()
    );
}

#[test]
fn the_rule_is_asked_of_control_trials_too() {
    let control = Story::control().serves(BASELINE, SETTLED, 5);
    let sound = control.trial();
    let at_once = Some(Time::At {
        ms: 0.0,
        error_ms: 100.0,
    });
    assert_eq!(sound.false_time_to_steady, at_once);
    let slow = steadily(FAULT, 3_300, 5).map(|op| slowed(op, 20));
    let late = Story::control()
        .serves(BASELINE, FAULT, 5)
        .does(slow)
        .serves(3_300, SETTLED, 5);
    let late = late.trial().false_time_to_steady;
    assert_eq!(late.map(Time::or_infinite), Some(300.0));
    assert_eq!(
        outage()
            .serves(RECOVERED, SETTLED, 5)
            .trial()
            .false_time_to_steady,
        None
    );
}

#[test]
fn a_relapse_starts_the_wait_again() {
    let trial = outage()
        .serves(RECOVERED, 3_500, 5)
        .does(steadily(3_500, 3_620, 5).map(|op| op.rejected(ServerError)))
        .serves(3_620, SETTLED, 5)
        .trial();
    assert_eq!(trial.time_to_steady, at(698.0));
}

#[test]
fn one_bad_window_in_twenty_is_let_pass() {
    let trial = outage()
        .planned(|plan| plan.windows.steady_for = Span::from_ms(2_000))
        .serves(RECOVERED, 3_500, 5)
        .does([look(0, 3_500).rejected(ServerError)])
        .serves(3_505, SETTLED, 5)
        .trial();
    assert_eq!(trial.time_to_steady, at(98.0));
}

#[test]
fn a_service_never_steady_within_the_load_is_censored() {
    let trial = outage()
        .does(steadily(RECOVERED, SETTLED, 5).map(|op| op.rejected(ServerError)))
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
        .does(steadily(RECOVERED, SETTLED, 5).map(|op| op.rejected(ServerError)))
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
        steadily(from, to, 5).map(|op| {
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
    let trial = Story::faulted().serves(RECOVERED, SETTLED, 5).trial();
    assert_eq!((trial.time_to_steady, trial.outage_area_s), (None, None));
}

#[test]
fn operations_in_flight_at_the_fault_are_no_part_of_the_baselines_band() {
    let trial = outage()
        .does([look(0, 2_999).unanswered(3_003)])
        .does(steadily(RECOVERED, 3_600, 5).map(|op| slowed(op, 50)))
        .serves(3_600, SETTLED, 5)
        .trial();
    assert_eq!(trial.time_to_steady, at(598.0));
}

#[test]
fn more_failures_than_any_baseline_window_had_are_not_steady_however_few() {
    let crowd = |from, to| (0..20).flat_map(move |_| steadily(from, to, 5));
    let trial = Story::faulted()
        .does(crowd(1_000, 3_000))
        .does(crowd(RECOVERED, SETTLED))
        .does([3_250, 3_350].map(|at| look(0, at).rejected(ServerError)))
        .trial();
    assert_eq!(trial.time_to_steady, at(398.0));
}

#[test]
fn a_baseline_with_one_bad_window_does_not_excuse_a_bad_service() {
    let failing = |from, to| steadily(from, to, 50).map(|op| op.rejected(ServerError));
    let trial = outage()
        .does(failing(2_000, 2_200))
        .serves(RECOVERED, SETTLED, 5)
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

/// Of 60 control trials of a service that does not change, how many the rule finds not steady at once: Poisson arrivals
/// at `rate` a second, latencies of 0.3 ms in the median with a long tail, on a machine that stands still `stalls` times a
/// second for 10 ms in the mean, during which all wait.
fn false_alarms(rate: f64, stalls: f64) -> usize {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut unit = move || (f64::from(random.next_u32()) + 0.5) / 2_f64.powi(32);
    let (from, to) = (BASELINE as f64, SETTLED as f64);
    let arrivals = |unit: &mut dyn FnMut() -> f64, per_s: f64| {
        let mut at = from;
        std::iter::from_fn(move || {
            at -= unit().ln() * 1_000.0 / per_s;
            (at < to).then_some(at)
        })
        .collect::<Vec<f64>>()
    };
    let is_late = |_: &usize| {
        let still: Vec<(f64, f64)> = arrivals(&mut unit, stalls)
            .into_iter()
            .map(|at| (at, at - unit().ln() * 10.0))
            .collect();
        let wanted = arrivals(&mut unit, rate);
        let ops = wanted.into_iter().zip(0..).map(|(at, client)| {
            // The logarithm of a latency is a sum of uniform ones, nearly normal, with a deviation of 0.5.
            let noise: f64 = (0..12).map(|_| unit()).sum::<f64>() - 6.0;
            let stands = still
                .iter()
                .find(|(begin, end)| (*begin..*end).contains(&at));
            let ms = 0.3 * (noise * 0.5).exp() + stands.map_or(0.0, |(_, end)| end - at);
            let mut op = look(client, 0);
            op.0.intended = Elapsed::from_us((at * 1_000.0) as u64);
            op.0.dispatched = op.0.intended;
            op.0.sent = Some(op.0.intended);
            op.0.finished = op.0.intended + Span::from_us((ms * 1_000.0) as u64);
            op
        });
        let trial = Story::control().does(ops.collect::<Vec<Op>>()).trial();
        trial.false_time_to_steady.unwrap().or_infinite() > 0.0
    };
    (0..60).filter(is_late).count()
}

#[test]
fn a_service_that_does_not_change_is_steady_at_once() {
    let rates = [(200.0, 0.0), (200.0, 2.0), (1_000.0, 0.0), (1_000.0, 2.0)];
    let alarms = rates.map(|(rate, stalls)| false_alarms(rate, stalls));
    // Of 200 each: none, 4, none and 1.
    for (alarms, most) in alarms.into_iter().zip([0, 3, 0, 1]) {
        assert!(alarms <= most, "{alarms}");
    }
}
