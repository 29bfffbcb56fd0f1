//! A machine that is too busy to judge times.

use comeback_model::plan::Storm;
use comeback_model::units::Span;

use super::*;

/// The cores from the baseline's begin to the end of the load: this share of them was stolen, and some task waited for one for this
/// share of the time.
pub(super) fn cores(story: Story, stolen: f64, waited: Option<f64>) -> Story {
    const BEGUN: u64 = 1_000;
    let lasted_us = (STOPPED - BEGUN) * 1_000;
    let kind = EventKind::CoresShared {
        since_us: ms(BEGUN),
        wanted_us: lasted_us * 2,
        stolen_us: (lasted_us as f64 * 2.0 * stolen) as u64,
        waited_us: waited.map(|waited| (lasted_us as f64 * waited) as u64),
    };
    story.event(STOPPED, kind)
}

/// Operations of which the harness began one in so many this much too late.
fn begun_late(from: u64, until: u64, each: usize, by_ms: u64) -> impl Iterator<Item = Op> {
    let all = steadily(from, until, 10).enumerate();
    all.map(move |(place, mut op)| {
        if place % each == 0 {
            op.0.dispatched = op.0.intended + Span::from_ms(by_ms);
        }
        op
    })
}

/// A trial in which the harness began one operation in so many this much too late.
fn late(each: usize, by_ms: u64) -> Story {
    Story::faulted()
        .does(begun_late(1_000, FAULT, each, by_ms))
        .does(begun_late(RECOVERED, SETTLED, each, by_ms))
}

#[test]
fn a_machine_is_too_busy_whose_cores_were_stolen_or_that_let_the_harness_wait_for_one() {
    let stolen = "this machine was too busy to judge times: 12 % of what was wanted of its cores was stolen by the machine below it (steal)";
    let waited = "this machine was too busy to judge times: some task waited for a core for 60 % of the time, and the harness itself \
                  was more than 10 ms late with 10 % of its operations";
    for (story, share, waiting, told) in [
        (late(10, 0), 0.0, Some(0.0), None),
        (late(10, 0), 0.12, Some(0.0), Some(stolen)),
        (late(10, 0), 0.12, None, Some(stolen)),
        (late(10, 0), 0.099, Some(0.0), None),
        (late(10, 20), 0.0, Some(0.6), Some(waited)),
        // The server's own threads wait for each other.
        (late(10, 0), 0.0, Some(0.99), None),
        (late(10, 9), 0.0, Some(0.6), None),
        (late(25, 20), 0.0, Some(0.6), None),
        // It was not for a core that the harness waited.
        (late(10, 20), 0.0, Some(0.4), None),
    ] {
        let trial = cores(story, share, waiting).trial();
        let told = told.map(str::to_owned);
        assert_eq!(trial.busy, told, "{share} {waiting:?}");
        assert_eq!(
            trial
                .about_harness
                .iter()
                .find(|one| one.contains("too busy")),
            told.as_ref()
        );
        // It counts all the same.
        assert_eq!(trial.void, None);
    }
}

/// What is told of a machine whose kernel keeps no account of waiting.
fn told_without_account(story: Story) -> Option<String> {
    cores(story, 0.0, None).trial().busy
}

#[test]
fn where_the_kernel_keeps_no_account_of_waiting_the_harness_being_late_is_enough() {
    let told = "this machine was too busy to judge times: the harness itself was more than 10 ms late with 10 % of its operations \
                before the fault, and this kernel does not tell how long tasks waited for a core (/proc/pressure/cpu)";
    assert_eq!(told_without_account(late(10, 20)), Some(told.to_owned()));
    // A trial without a fault has nothing that could be the fault's making.
    let control = Story::control()
        .does(begun_late(1_000, FAULT, 20, 0))
        .does(begun_late(FAULT, SETTLED, 4, 20));
    let told = told.replace(
        "10 % of its operations before the fault",
        "13 % of its operations",
    );
    assert_eq!(told_without_account(control), Some(told));
    // Few, or by little.
    assert_eq!(told_without_account(late(25, 20)), None);
    assert_eq!(told_without_account(late(10, 9)), None);
}

#[test]
fn where_the_kernel_keeps_no_account_of_waiting_a_lag_behind_the_fault_may_be_its_own() {
    let story = Story::faulted()
        .does(begun_late(1_000, FAULT, 20, 0))
        .does(begun_late(FAULT, RECOVERED, 1, 80))
        .does(begun_late(RECOVERED, SETTLED, 2, 20));
    assert_eq!(told_without_account(story), None);
}

#[test]
fn a_journal_that_says_nothing_of_the_cores_and_a_storm_have_no_busy_machine() {
    assert_eq!(late(1, 20).trial().busy, None);
    let storm = |story: Story| {
        story.planned(|plan| {
            plan.storm = Some(Storm {
                until_failure: false,
            });
        })
    };
    assert_eq!(storm(cores(late(10, 0), 0.5, None)).trial().busy, None);
}
