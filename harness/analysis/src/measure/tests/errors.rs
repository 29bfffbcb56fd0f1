//! The share of operations that failed before, during and after the outage, over trials.

use ErrorClass::{Refused, Unsent};
use comeback_statistics::{Part, rate_interval};

use super::*;
use crate::summary::{ArmSummary, ErrorRate, summarize};
use crate::verdict::{Outcome, Verdict};

/// The first arm's figures, with these trials in the place of its own.
fn arm_of(trials: impl IntoIterator<Item = TrialAnalysis>) -> ArmSummary {
    let mut analysis = Story::faulted().analysis();
    analysis.arms[0].trials = trials.into_iter().collect();
    let verdict = Verdict {
        outcome: Outcome::Measured,
        headline: String::new(),
        reasons: Vec::new(),
        checks: Vec::new(),
        baseline: None,
    };
    summarize(&analysis, &verdict).arms.remove(0)
}

fn seen(rate: &ErrorRate) -> (u32, u64, u64) {
    (rate.trials, rate.failed, rate.scheduled)
}

/// A trial that counts: served before and after its outage, in which `refused` of ten operations failed.
fn outage(refused: u64) -> TrialAnalysis {
    let wanted = (0..10).map(|place| {
        let op = look(place as u32, FAULT + 5 + place);
        match place < refused {
            true => op.unsent(Refused),
            false => op,
        }
    });
    Story::faulted()
        .serves(BASELINE, FAULT, 10)
        .does(wanted)
        .serves(RECOVERED, SETTLED, 10)
        .trial()
}

#[test]
fn each_phase_has_its_share_and_the_interval_of_six_trials_that_differ() {
    let arm = arm_of([10, 9, 10, 8, 10, 10].map(outage));
    assert_eq!(arm.reason, None);
    let during = &arm.errors.during;
    assert_eq!(seen(during), (6, 57, 60));
    assert_eq!(during.rate, Some(0.95));
    let parts = [10.0, 9.0, 10.0, 8.0, 10.0, 10.0].map(|part| Part { part, whole: 10.0 });
    let interval = rate_interval(&parts).unwrap();
    assert_eq!(
        (during.low, during.high),
        (Some(interval.low), Some(interval.high))
    );
    assert!(interval.low < 0.95 && 0.95 < interval.high);
    assert_eq!(
        (during.failure_not_excluded, during.success_not_excluded),
        (None, None)
    );
    for quiet in [&arm.errors.before, &arm.errors.after] {
        assert_eq!((quiet.trials, quiet.failed), (6, 0));
        assert_eq!((quiet.rate, quiet.low, quiet.high), (Some(0.0), None, None));
        let bound = 1.0 - 0.05_f64.powf(1.0 / 6.0);
        assert!((quiet.failure_not_excluded.unwrap() - bound).abs() < 1e-12);
    }
}

#[test]
fn five_trials_have_no_interval_and_neither_have_trials_that_are_alike() {
    for trials in [&[10, 9, 10, 8, 10][..], &[5; 6]] {
        let during = arm_of(trials.iter().copied().map(outage)).errors.during;
        assert_eq!((during.low, during.high), (None, None), "{trials:?}");
        assert!(during.rate.is_some_and(|rate| rate > 0.0 && rate < 1.0));
    }
    let all = arm_of([10; 6].map(outage)).errors.during;
    assert_eq!((all.rate, all.low, all.high), (Some(1.0), None, None));
    assert!(all.success_not_excluded.is_some());
}

#[test]
fn a_phase_in_which_nothing_was_asked_has_no_rate_and_adds_no_trial() {
    let silent = || {
        Story::faulted()
            .serves(BASELINE, FAULT - 10, 10)
            .serves(RECOVERED, SETTLED, 10)
            .trial()
    };
    let none = arm_of([silent()]).errors.during;
    assert_eq!(none, ErrorRate::default());
    let arm = arm_of([silent(), outage(9)]);
    assert_eq!(seen(&arm.errors.during), (1, 9, 10));
    assert_eq!(arm.errors.after.trials, 2);
    // Five trials that were asked something are too few, however many others there are.
    let asked = [10, 9, 10, 8, 10].map(outage);
    let during = arm_of(asked.into_iter().chain([silent(), silent()]));
    assert_eq!(during.errors.during.trials, 5);
    assert_eq!(during.errors.during.low, None);
}

#[test]
fn a_void_trial_is_in_no_phase() {
    let mut void = outage(10);
    void.void = Some(Void::new(
        Spoils::Times,
        Doing::Servers,
        "the load missed its floor",
    ));
    let arm = arm_of([outage(4), void]);
    assert_eq!(seen(&arm.errors.during), (1, 4, 10));
    assert_eq!((arm.errors.before.trials, arm.errors.after.trials), (1, 1));
}

#[test]
fn without_a_recovery_all_that_comes_is_of_the_outage_and_nothing_was_asked_after_it() {
    let refused = steadily(FAULT, SETTLED, 10).map(|op| op.unsent(Refused));
    let trial = Story::never_recovered()
        .serves(BASELINE, FAULT, 10)
        .does(refused)
        .trial();
    let arm = arm_of([trial, outage(10)]);
    assert_eq!(seen(&arm.errors.during), (2, 220, 220));
    assert_eq!(seen(&arm.errors.after), (1, 0, 200));
}

#[test]
fn the_calm_between_two_faults_is_no_outage() {
    let trial = Story::killed_twice()
        .serves(BASELINE, FAULT - 10, 10)
        .does([
            look(1, 3_050).unanswered(3_060),
            look(2, 3_500),
            look(3, 4_100).unsent(Refused),
        ])
        .trial();
    assert_eq!(trial.void, None);
    let errors = arm_of([trial]).errors;
    assert_eq!(seen(&errors.during), (1, 2, 2));
    assert_eq!(seen(&errors.after), (1, 0, 1));
}

#[test]
fn what_could_not_be_sent_failed_and_counts_where_it_was_wanted() {
    let late = look(1, FAULT + 50).unsent(Unsent).finished(SETTLED);
    let trial = Story::faulted()
        .serves(BASELINE, FAULT, 10)
        .does([late])
        .serves(RECOVERED, SETTLED, 10)
        .trial();
    let errors = arm_of([trial]).errors;
    assert_eq!(seen(&errors.during), (1, 1, 1));
    assert_eq!(errors.during.by_class["unsent"], 1.0);
    assert_eq!(errors.after.failed, 0);
}

#[test]
fn the_control_has_its_rate_over_its_own_trials() {
    let control = |failed: u32| {
        let failures = (0..failed).map(|client| look(client, 2_000).unsent(Refused));
        let quiet = Story::control().serves(BASELINE, SETTLED, 10);
        quiet.does(failures).trial()
    };
    let arm = arm_of([outage(10), control(0), control(10)]);
    assert_eq!(seen(&arm.control.errors), (2, 10, 830));
    assert_eq!(seen(&arm.errors.before), (1, 0, 200));
}
