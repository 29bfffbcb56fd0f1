//! The truth of the measure: servers whose recovery is known beforehand.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use comeback_core::statistics::median;
use serde_json::Value;
use support::{Run, run};

fn at(event: &Value) -> f64 {
    event["at_us"].as_f64().unwrap() / 1_000.0
}

/// For each trial with a fault: ms from the execution of the new program to its first accepted connection,
/// as the journal has it.
fn executed_to_listening(run: &Run) -> Vec<f64> {
    let events = run.events();
    let of = |kind: &str, trial: &Value| {
        events
            .iter()
            .filter(|event| event["kind"]["type"] == kind && &event["trial"] == trial)
            .map(at)
            .next_back()
    };
    let faulted = events
        .iter()
        .filter(|event| event["kind"]["type"] == "fault_requested");
    faulted
        .map(|event| {
            let trial = &event["trial"];
            of("first_accept", trial).unwrap() - of("target_executed", trial).unwrap()
        })
        .collect()
}

/// The one timed assertion of the tests: here the time is the thing under test. The server sleeps 300 ms
/// before it binds; its own start (measured by the same program without the sleep) is taken off.
#[test]
fn three_hundred_ms_of_sleep_are_measured_within_three_at_the_median() {
    let measured = |target: &str| {
        let run = run(&[
            "compare",
            target,
            "--quick",
            "--trials",
            "20",
            "--sessions",
            "10",
            "--rate",
            "100",
            "--seed",
            "5",
            "--out",
            "out",
            "--quiet",
        ]);
        assert_eq!(run.code(), 0, "{}", run.printed());
        let times = executed_to_listening(&run);
        assert_eq!(times.len(), 20);
        median(&times).unwrap()
    };
    let slept = measured("late-listener") - measured("token");
    assert!(
        (slept - 300.0).abs() <= 3.0,
        "300 ms measured as {slept:.2} ms"
    );
}
