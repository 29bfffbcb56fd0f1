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

/// A trial in which the harness began one operation in so many this much too late.
fn late(each: usize, by_ms: u64) -> Story {
    let begun = |(place, mut op): (usize, Op)| {
        if place % each == 0 {
            op.0.dispatched = op.0.intended + Span::from_ms(by_ms);
        }
        op
    };
    let before = steadily(1_000, FAULT, 10).enumerate().map(begun);
    let after = steadily(RECOVERED, SETTLED, 10).enumerate().map(begun);
    Story::faulted().does(before).does(after)
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
        (late(10, 20), 0.0, None, None),
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
