//! Sessions that are gone on with, and what a storm came to.

use comeback_model::plan::Storm;

use super::sessions::{check, one, writes};
use super::*;
use crate::measure::StormTally;

/// A trial of a storm, whose users look at their sessions before the load.
fn cycle(operations: impl IntoIterator<Item = Op>) -> Story {
    let story = Story::faulted().planned(|plan| {
        plan.arms.truncate(1);
        plan.storm = Some(Storm::default());
    });
    story.enters(900, Phase::WarmUp).does(operations)
}

/// The look at the begin of a cycle.
fn goes_on(client: u32) -> Op {
    op(Step::ReadBack, client, 500)
}

#[test]
fn a_session_of_an_earlier_cycle_that_is_set_back_is_a_loss() {
    // It has 40 writes of earlier cycles.
    let begin = || goes_on(0).value(40);
    check(
        cycle([begin(), act(0, 1_500), finds(0, 41)]),
        one(|n| n.survived = 1),
        writes(1, 0),
    );
    let lost = cycle([begin(), act(0, 1_500), finds(0, 40)]);
    let trial = check(lost, one(|n| n.reset = 1), writes(1, 1));
    let what = trial.counterexample.unwrap();
    assert!(
        what.contains(
            "the counter was 40 when the cycle began, must be at least 41 with all acknowledged writes of the cycle, and was read back as 40"
        ),
        "{what}"
    );
    // Nothing of this cycle is lacking, and it is older than what was there.
    let set_back = cycle([begin(), finds(0, 12)]);
    let trial = check(set_back, one(|n| n.reset = 1), writes(0, 0));
    assert!(trial.counterexample.is_some());
    let gone = cycle([
        begin(),
        act(0, 1_500),
        meets(0, ErrorClass::SessionRejected),
    ]);
    let trial = check(gone, one(|n| n.rejected = 1), writes(1, 1));
    assert!(trial.counterexample.unwrap().contains("is refused"));
}

#[test]
fn each_write_of_an_earlier_cycle_must_be_there() {
    let cycle = |found: &[u32]| {
        let begin = goes_on(0).showing(&[1, 2]);
        cycle([begin, write(0, 1_500, 3), shows(0, found)]).writing(Writes::Set)
    };
    check(cycle(&[1, 2, 3]), one(|n| n.survived = 1), writes(3, 0));
    let trial = cycle(&[1, 3]).trial();
    assert_eq!(
        (
            trial.sessions.reset,
            trial.writes.lost,
            trial.writes.phantom
        ),
        (1, 1, 0)
    );
    assert!(
        trial
            .counterexample
            .unwrap()
            .contains("write 2 was not read back")
    );
}

#[test]
fn a_session_that_is_not_whole_when_a_cycle_begins_is_not_gone_on_with() {
    for begin in [
        goes_on(0).rejected(ErrorClass::SessionRejected),
        goes_on(0).value(3).refuted(),
    ] {
        let trial = cycle([begin, finds(0, 3)]).trial();
        assert_eq!(trial.sessions, Default::default());
    }
}

#[test]
fn a_look_within_the_load_stands_for_no_login() {
    let trial = cycle([op(Step::ReadBack, 0, 1_500).value(3), finds(0, 3)]).trial();
    assert_eq!(trial.sessions, Default::default());
}

#[test]
fn a_storm_counts_its_kills_and_names_the_first_loss() {
    let tally = |story: Story| story.analysis().arms.remove(0).storm_tally().unwrap();
    let served = || {
        steadily(BASELINE, STOPPED, 20)
            .filter(|op| op.0.sent < Some(ms(FAULT)) || op.0.sent > Some(ms(RECOVERED)))
    };
    let own = |value| {
        [
            goes_on(0).value(1),
            act(0, 2_999).finished(3_003).unanswered(3_003),
            finds(0, value),
        ]
    };
    let kept = tally(cycle(own(1)).does(served()));
    let expected = StormTally {
        kills: 1,
        met: 1,
        sessions: 1,
        seconds: 6.0,
        ..StormTally::default()
    };
    assert_eq!(kept, expected);
    let lost = tally(cycle(own(0)).does(served()));
    assert_eq!(
        (
            lost.with_loss,
            lost.undecided,
            lost.first.clone().unwrap().0
        ),
        (1, 0, 1)
    );
    let idle = tally(cycle([goes_on(0).value(1), finds(0, 1)]).does(served()));
    assert_eq!((idle.kills, idle.met), (1, 0));
    let unknown =
        tally(cycle([goes_on(0).value(1), meets(0, ErrorClass::ResponseTimeout)]).does(served()));
    assert_eq!((unknown.with_loss, unknown.undecided), (0, 1));
    assert_eq!(Story::faulted().analysis().arms[0].storm_tally(), None);
}

#[test]
fn a_storm_that_lost_nothing_excludes_what_so_many_kills_would_have_shown() {
    let of = |kills, with_loss, undecided| {
        let tally = StormTally {
            kills,
            with_loss,
            undecided,
            ..StormTally::default()
        };
        tally.share()
    };
    let (share, low, high) = of(1_000, 0, 0).unwrap();
    assert_eq!((share, low), (0.0, 0.0));
    assert!((0.002_9..0.003_1).contains(&high), "{high}");
    let (share, low, high) = of(1_000, 2, 0).unwrap();
    assert!(
        low < share && share < high && low > 0.0,
        "{low} {share} {high}"
    );
    // What is undecided is not among those that lost nothing.
    assert!(of(1_000, 0, 500).unwrap().2 > 0.005);
    assert_eq!(of(3, 0, 3), None);
}

#[test]
fn a_storm_that_ends_before_its_last_kill_is_incomplete() {
    let incomplete = cycle([]).analysis().incomplete.unwrap();
    assert!(
        incomplete.contains("the storm ended after 1 of 3 kills"),
        "{incomplete}"
    );
}
