//! Operations as dots.

use ErrorClass::{ConnectTimeout, Refused, Reset, ResponseTimeout, ServerError, Unsent};

use super::*;
use crate::measure::Ending;

fn told(trial: &TrialAnalysis) -> Vec<(Ending, f32, f32)> {
    let dots = trial.dots.iter();
    dots.map(|dot| (dot.ending, dot.at_ms, dot.took_ms))
        .collect()
}

#[test]
fn each_operation_of_a_small_trial_is_a_dot_at_its_place() {
    let trial = Story::faulted()
        .does([
            login(0, 500),
            look(1, 1_500).finished(1_512),
            look(2, 2_990).unanswered(3_004),
            look(3, 3_010).unsent(Refused),
            look(4, 3_020).rejected(ServerError).finished(3_023),
            look(5, 3_030).failing_as(ResponseTimeout).finished(4_030),
            look(6, 3_040).unsent(ConnectTimeout).finished(4_040),
            look(7, 3_050).unsent(Unsent).finished(5_050),
            look(8, 4_000),
            finds(8, 0),
        ])
        .trial();
    assert_eq!(
        told(&trial),
        [
            (Ending::Correct, -1_500.0, 12.0),
            (Ending::Correct, 1_000.0, 1.0),
            (Ending::Failed, 20.0, 3.0),
            (Ending::Cut, -10.0, 14.0),
            (Ending::Cut, 10.0, 1.0),
            (Ending::TimedOut, 30.0, 1_000.0),
            (Ending::TimedOut, 40.0, 1_000.0),
            (Ending::Unsent, 50.0, 2_000.0),
        ]
    );
}

#[test]
fn a_large_trial_has_few_dots_and_each_peak_is_among_them() {
    let many = || {
        (0..20_000_u64).map(|place| {
            let mut op = look(place as u32, BASELINE);
            let at = Elapsed::from_us(1_000_000 + place * 200);
            let took = 900 + place * 7_919 % 300;
            (op.0.intended, op.0.dispatched, op.0.sent) = (at, at, Some(at));
            op.0.finished = Elapsed::from_us(at.as_us() + took);
            op
        })
    };
    let slow = look(50_000, 2_345).finished(2_345 + 431);
    let cut = look(50_001, 2_400).failing_as(Reset).finished(2_400 + 77);
    let trial = Story::faulted().does(many()).does([slow, cut]).trial();
    assert_eq!(
        trial.errors.before.scheduled
            + trial.errors.during.scheduled
            + trial.errors.after.scheduled,
        20_002
    );
    assert!(trial.dots.len() < 2_500, "{}", trial.dots.len());
    let told = told(&trial);
    assert!(told.contains(&(Ending::Correct, -655.0, 431.0)));
    assert!(told.contains(&(Ending::Cut, -600.0, 77.0)));
    // The slowest of all others is there as well, to the microsecond.
    let rest = told.iter().filter(|dot| dot.2 < 10.0);
    let slowest = rest.map(|dot| dot.2).fold(0.0, f32::max);
    assert_eq!(slowest, 1.199);
}

#[test]
fn a_trial_without_a_load_has_none_and_a_control_has_its_own() {
    assert_eq!(Story::faulted().trial().dots, []);
    let control = Story::control().does([look(0, 3_500)]).trial();
    assert_eq!(told(&control), [(Ending::Correct, 500.0, 1.0)]);
}
