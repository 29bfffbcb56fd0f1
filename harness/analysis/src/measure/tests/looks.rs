//! The final looks at a session, in rounds.

use ErrorClass::{Refused, ServerError, SessionRecreated, SessionRejected, Unsent, WrongIdentity};

use super::sessions::{check, counts, one, writes};
use super::*;
use crate::measure::Cause;

/// The looks of a round come after all those of the round before.
const ROUND: u64 = 100;

/// What a look meets.
#[derive(Clone, Copy)]
enum Met {
    Value(u64),
    Error(ErrorClass),
}
use Met::{Error, Value};

/// The final looks at a client's session, round by round.
fn looks<const N: usize>(client: u32, met: [Met; N]) -> Vec<Op> {
    let rounds = met.into_iter().enumerate();
    rounds
        .map(|(round, met)| {
            let look = op(Step::ReadBack, client, READ_BACK + ROUND * round as u64);
            match met {
                Value(value) => look.value(value),
                Error(class) => look.rejected(class),
            }
        })
        .collect()
}

/// A session with one write before the fault, and the final looks at it.
fn session<const N: usize>(client: u32, met: [Met; N]) -> Vec<Op> {
    let mut all = vec![login(client, 500), act(client, 1_500)];
    all.extend(looks(client, met));
    all
}

#[test]
fn a_session_that_is_known_at_a_later_look_survived_and_is_named() {
    for first in [Error(SessionRejected), Error(SessionRecreated)] {
        let trial = check(
            Story::faulted().does(session(0, [first, Value(1), Value(1)])),
            one(|n| (n.survived, n.known_later) = (1, 1)),
            writes(1, 0),
        );
        assert_eq!(trial.causes, [Cause::FoundAgain { sessions: 1 }]);
    }
}

#[test]
fn one_stale_look_is_no_lost_write() {
    check(
        Story::faulted().does(session(0, [Value(0), Value(1)])),
        one(|n| (n.survived, n.known_later) = (1, 1)),
        writes(1, 0),
    );
    check(
        Story::faulted().does(session(0, [Value(0), Value(0)])),
        one(|n| n.reset = 1),
        writes(1, 1),
    );
}

#[test]
fn a_look_that_failed_and_was_answered_at_the_next_is_no_stale_one() {
    check(
        Story::faulted().does(session(0, [Error(ServerError), Value(1)])),
        one(|n| n.survived = 1),
        writes(1, 0),
    );
}

#[test]
fn a_session_that_is_refused_at_every_look_is_lost() {
    check(
        Story::faulted().does(session(0, [Error(SessionRejected); 8])),
        one(|n| n.rejected = 1),
        writes(1, 1),
    );
    // What failed in between is no better.
    check(
        Story::faulted().does(session(0, [Error(ServerError), Error(SessionRejected)])),
        one(|n| n.rejected = 1),
        writes(1, 1),
    );
}

#[test]
fn what_is_known_at_first_and_not_at_last_is_no_evidence_of_anything() {
    for last in [
        [Error(SessionRejected), Error(SessionRejected)],
        [Error(ServerError), Error(ServerError)],
        [Value(0), Value(0)],
    ] {
        let trial = check(
            Story::faulted().does(session(0, [Value(1), last[0], last[1]])),
            one(|n| n.undecided = 1),
            writes(0, 0),
        );
        assert_eq!(trial.causes, [Cause::FoundAgain { sessions: 1 }]);
    }
}

#[test]
fn another_user_at_one_look_is_never_excused() {
    let trial = Story::faulted()
        .does(session(0, [Value(1), Error(WrongIdentity), Value(1)]))
        .trial();
    assert_eq!(trial.sessions, one(|n| n.wrong_identity = 1));
}

/// A session that fails so at every look, beside another that is answered so.
fn beside(failing: [Met; 8], other: [Met; 8]) -> TrialAnalysis {
    let story = Story::faulted().does(session(0, failing));
    story.does(session(1, other)).trial()
}

#[test]
fn a_session_at_which_the_server_fails_while_it_answers_others_is_broken() {
    let trial = beside([Error(ServerError); 8], [Value(1); 8]);
    let expected = counts(|n| {
        (n.acknowledged, n.survived, n.broken) = (2, 1, 1);
    });
    assert_eq!(trial.sessions, expected);
    assert_eq!((trial.sessions.lost, trial.writes), (1, writes(2, 1)));
    assert!(trial.loss_window_ms.is_some());
}

#[test]
fn a_session_that_fails_while_nobody_is_answered_is_undecided() {
    for (failing, other) in [
        ([Error(ServerError); 8], [Error(ServerError); 8]),
        // In too few rounds.
        (
            [Error(ServerError); 8],
            [
                Value(1),
                Value(1),
                Error(ServerError),
                Error(ServerError),
                Error(ServerError),
                Error(ServerError),
                Error(ServerError),
                Error(ServerError),
            ],
        ),
        // It could not be asked.
        ([Error(Refused); 8], [Value(1); 8]),
        ([Error(Unsent); 8], [Value(1); 8]),
    ] {
        let trial = beside(failing, other);
        assert_eq!((trial.sessions.broken, trial.sessions.lost), (0, 0));
        assert!(trial.sessions.undecided > 0);
    }
}

#[test]
fn a_session_begun_after_the_load_bears_witness_that_the_server_answers() {
    let story = Story::faulted().does(session(0, [Error(ServerError); 8]));
    let witness = login(1, READ_BACK + 50);
    let seen = looks(1, [Value(0); 8]);
    let trial = story.does([witness]).does(seen).trial();
    assert_eq!(trial.sessions, one(|n| n.broken = 1));
    assert_eq!(trial.availability.scheduled, 1, "it is no part of the load");
}

#[test]
fn two_failures_break_no_session() {
    let story = Story::faulted().does(session(0, [Error(ServerError); 2]));
    let trial = story.does(session(1, [Value(1); 2])).trial();
    assert_eq!((trial.sessions.broken, trial.sessions.undecided), (0, 1));
}

#[test]
fn a_logged_out_session_that_is_known_at_one_look_is_a_zombie() {
    let ended = [login(0, 500), act(0, 1_000), logout(0, 1_500)];
    let story = Story::faulted().does(ended);
    let trial = story
        .does(looks(
            0,
            [Error(SessionRejected), Value(1), Error(SessionRejected)],
        ))
        .trial();
    assert_eq!(
        trial.sessions,
        counts(|n| (n.logged_out, n.zombie) = (1, 1))
    );
}

/// A session that is looked at right before its user logs out, after the recovery; the goodbye shows nothing.
fn looked_at_before_logout(look: Op, later: &[Op]) -> Story {
    let begun = [login(0, 500), act(0, 1_500), look];
    let story = Story::faulted().does(begun).does(later.to_vec());
    story
        .does([logout(0, 4_200)])
        .does(looks(0, [Error(SessionRejected); 2]))
}

fn early(at: u64) -> Op {
    op(Step::ReadBack, 0, at)
}

#[test]
fn a_look_before_a_logout_decides_its_session() {
    check(
        looked_at_before_logout(early(4_100).value(1), &[]),
        one(|n| n.survived = 1),
        writes(1, 0),
    );
    check(
        looked_at_before_logout(early(4_100).value(0), &[]),
        one(|n| n.reset = 1),
        writes(1, 1),
    );
    check(
        looked_at_before_logout(early(4_100).rejected(SessionRejected), &[]),
        one(|n| n.rejected = 1),
        writes(1, 1),
    );
}

#[test]
fn a_look_that_failed_or_came_before_a_change_does_not_decide_a_session_that_was_logged_out() {
    for story in [
        looked_at_before_logout(early(4_100).rejected(ServerError), &[]),
        looked_at_before_logout(early(3_900).value(1), &[act(0, 4_000)]),
        // It was the old process that was asked.
        looked_at_before_logout(early(2_900).value(1), &[]),
    ] {
        check(story, one(|n| n.undecided = 1), writes(0, 0));
    }
}

#[test]
fn a_check_of_the_new_process_decides_a_session_that_was_logged_out_later() {
    check(
        looked_at_before_logout(look(0, 4_100).value(1), &[]),
        one(|n| n.survived = 1),
        writes(1, 0),
    );
}
