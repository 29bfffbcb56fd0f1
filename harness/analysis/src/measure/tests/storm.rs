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
        counted: 1,
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
    assert_eq!((idle.kills, idle.met, idle.counted), (1, 0, 0));
    // Without a session nothing can be known of any.
    let nobody = tally(cycle([act(7, 2_999).finished(3_003).unanswered(3_003)]).does(served()));
    assert_eq!((nobody.kills, nobody.undecided, nobody.counted), (1, 1, 0));
    let geometric = cycle(own(0)).does(served()).planned(|plan| {
        plan.storm = Some(Storm {
            until_failure: true,
        });
    });
    assert!(tally(geometric).ends_with_loss);
    let unknown =
        tally(cycle([goes_on(0).value(1), meets(0, ErrorClass::ResponseTimeout)]).does(served()));
    assert_eq!((unknown.with_loss, unknown.undecided), (0, 1));
    assert_eq!(Story::faulted().analysis().arms[0].storm_tally(), None);
}

#[test]
fn a_storm_that_lost_nothing_excludes_what_so_many_kills_would_have_shown() {
    let of = |counted, with_loss, ends_with_loss| {
        let tally = StormTally {
            kills: 1_000,
            counted,
            with_loss,
            ends_with_loss,
            ..StormTally::default()
        };
        tally.share()
    };
    let (share, low, high) = of(1_000, 0, false).unwrap();
    assert_eq!((share, low), (0.0, 0.0));
    assert!((0.002_9..0.003_1).contains(&high), "{high}");
    let (share, low, high) = of(1_000, 2, false).unwrap();
    assert!(
        low < share && share < high && low > 0.0,
        "{low} {share} {high}"
    );
    // What is undecided, or met no write, is not among those that lost nothing.
    assert!(of(500, 0, false).unwrap().2 > 0.005);
    assert_eq!(of(0, 0, false), None);
    // The run ended with its only loss: n is no sample of a fixed size.
    let (_, low, high) = of(100, 1, true).unwrap();
    assert!(
        (low - 0.000_253).abs() < 1e-6 && (high - 0.036_6).abs() < 1e-4,
        "{low} {high}"
    );
}

#[test]
fn a_storm_that_ends_before_its_last_kill_is_incomplete() {
    let incomplete = cycle([]).analysis().incomplete.unwrap();
    assert!(
        incomplete.contains("the storm ended after 1 of 3 kills"),
        "{incomplete}"
    );
}

/// How many sessions the next start knows, does not know, and knows with less.
fn resumed([whole, refused, older]: [u32; 3]) -> EventKind {
    EventKind::SessionsResumed {
        after_kill: true,
        whole,
        refused,
        older,
        anothers: 0,
        odd: 0,
        unknown: 0,
    }
}

/// A cycle, and the next one, which ends with what its users find.
fn next(killed: bool, begins: EventKind) -> Story {
    let cause = match killed {
        true => ExitCause::KilledIdle,
        false => ExitCause::Stopped,
    };
    let mut story = cycle([goes_on(0).value(1), finds(0, 1)]);
    let ended = story.events.len() - 1;
    let exit = EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(1),
        exit: Exit::Signal(9),
        cause,
        tail: Vec::new(),
    };
    let of = |trial, at, kind| Event {
        at: ms(at),
        trial: Some(TrialId(trial)),
        kind,
    };
    let arm = ArmId(0);
    let control = false;
    let reason = "something is lacking".to_owned();
    let further = [
        of(0, 6_000, exit),
        of(1, 6_001, EventKind::TrialStarted { arm, control }),
        of(1, 6_002, begins),
        of(1, 6_003, EventKind::TrialAborted { reason }),
        of(1, 6_004, EventKind::TrialEnded),
    ];
    story.events.splice(ended..ended, further);
    story
}

#[test]
fn what_a_kill_of_the_idle_server_took_is_lost() {
    let story = next(true, resumed([5, 2, 1]));
    let arm = story.analysis().arms.remove(0);
    let tally = arm.storm_tally().unwrap();
    assert_eq!((tally.kills, tally.idle, tally.idle_with_loss), (1, 1, 1));
    let last = arm.trials.last().unwrap();
    assert_eq!(
        (
            last.sessions.acknowledged,
            last.sessions.lost,
            last.sessions.reset
        ),
        (8, 2, 1)
    );
    assert_eq!(arm.faulted_aside().count(), 1);
    let (kill, trial, what) = tally.first.unwrap();
    assert_eq!((kill, trial), (1, 1));
    assert!(what.contains("3 of 8 sessions"), "{what}");
    // After a graceful stop it is no kill's doing.
    let arm = next(false, resumed([5, 2, 1])).analysis().arms.remove(0);
    let tally = arm.storm_tally().unwrap();
    assert_eq!(
        (tally.idle, tally.idle_with_loss, tally.first),
        (0, 0, None)
    );
    assert_eq!(arm.faulted_aside().count(), 0);
    let whole = next(true, resumed([8, 0, 0])).analysis().arms.remove(0);
    let tally = whole.storm_tally().unwrap();
    assert_eq!((tally.idle, tally.idle_with_loss), (1, 0));
}

#[test]
fn a_server_that_cannot_be_started_after_a_kill_while_it_was_idle_is_not_back() {
    let failed = EventKind::TargetStartFailed {
        node: Node::default(),
        incarnation: Incarnation(0),
        problem: "it exited".to_owned(),
        tail: Vec::new(),
        port_taken_by: None,
    };
    let arm = next(true, failed).analysis().arms.remove(0);
    assert!(arm.trials.last().unwrap().idle_kill.unwrap().not_started);
    assert_eq!(arm.faulted_aside().count(), 1);
}

#[test]
fn a_session_that_is_left_behind_before_the_load_is_in_no_ledger_and_the_new_one_is() {
    let mut anew = login(0, 600);
    anew.0.generation = 1;
    let mut found = finds(0, 0);
    found.0.generation = 1;
    let story = cycle([goes_on(0).value(40), anew, found]);
    let trial = check(story, one(|n| n.survived = 1), writes(0, 0));
    let begun = |trial: &TrialAnalysis| trial.logins_at_stake.map(|logins| logins.count);
    assert_eq!(begun(&trial), Some(0));
    let mut late = login(0, FAULT - 9);
    late.0.generation = 1;
    let story = cycle([goes_on(0).value(40), late]);
    assert_eq!(begun(&story.trial()), Some(1));
    let none = cycle([goes_on(0).value(1), finds(0, 1)]);
    assert_eq!(begun(&none.trial()), None);
}

#[test]
fn a_refusal_before_a_session_is_gone_on_with_is_none_of_this_cycle() {
    let early = op(Step::ReadBack, 0, 400).rejected(ErrorClass::SessionRejected);
    let story = cycle([early, goes_on(0).value(1), finds(0, 1)]);
    check(story, one(|n| n.survived = 1), writes(0, 0));
}

#[test]
fn what_is_acknowledged_after_a_recovery_and_gone_no_kill_took() {
    let story = cycle([goes_on(0).value(40), act(0, RECOVERED + 100), finds(0, 40)]);
    let trial = check(story, one(|n| n.undecided = 1), writes(0, 0));
    assert_eq!(trial.counterexample, None);
    // In another run it counts as set back.
    let other = Story::faulted().does([
        login(0, 500).value(40),
        act(0, RECOVERED + 100),
        finds(0, 40),
    ]);
    assert_eq!(other.trial().sessions.reset, 1);
}

#[test]
fn writes_of_earlier_cycles_are_in_no_loss_window_and_not_among_those_of_this_cycle() {
    let begin = goes_on(0).showing(&[1, 2]);
    let trial = cycle([begin, write(0, 1_500, 3), shows(0, &[1, 3])])
        .writing(Writes::Set)
        .trial();
    assert_eq!((trial.writes.lost, trial.loss_window_ms), (1, None));
    let what = trial.counterexample.unwrap();
    assert!(
        what.contains("lost 1 of 1 acknowledged write of this cycle"),
        "{what}"
    );
    assert!(
        what.contains("what was there when the cycle began"),
        "{what}"
    );
}

#[test]
fn a_loss_before_its_kill_leaves_a_trial_of_a_storm_out() {
    let gone = look(0, 1_500).rejected(ErrorClass::SessionRejected);
    let trial = cycle([goes_on(0).value(1), gone])
        .serves(BASELINE, STOPPED, 20)
        .trial();
    let void = trial.void.unwrap();
    assert!(
        void.reason.contains("1 session was lost before its kill"),
        "{}",
        void.reason
    );
}
