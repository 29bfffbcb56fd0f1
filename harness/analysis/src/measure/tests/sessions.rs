//! What becomes of sessions.

use ErrorClass::{Reset, SessionRecreated, SessionRejected, WrongAnswer, WrongIdentity};
use comeback_model::plan::{Request, Workload, Writes};

use super::*;
use crate::measure::{SessionCounts, WriteCounts};

/// The parts of the session ledger that are not 0.
pub(super) fn counts(change: impl FnOnce(&mut SessionCounts)) -> SessionCounts {
    let mut counts = SessionCounts::default();
    change(&mut counts);
    counts.lost = counts.rejected + counts.recreated + counts.broken;
    counts
}

pub(super) fn one(change: impl FnOnce(&mut SessionCounts)) -> SessionCounts {
    counts(|counts| {
        counts.acknowledged = 1;
        change(counts);
    })
}

/// Acknowledged and lost writes; the rest follows, or is 0.
pub(super) fn writes(acknowledged: u64, lost: u64) -> WriteCounts {
    WriteCounts {
        acknowledged,
        lost,
        kept: acknowledged - lost,
        ..WriteCounts::default()
    }
}

/// The same where the counter of each session shows too much.
pub(super) fn unverifiable_writes(acknowledged: u64) -> WriteCounts {
    WriteCounts {
        unverifiable: acknowledged,
        ..writes(acknowledged, 0)
    }
}

/// Acknowledged in sessions that had ended before the fault.
pub(super) fn unverified_writes(acknowledged: u64) -> WriteCounts {
    WriteCounts {
        unverified: acknowledged,
        ..WriteCounts::default()
    }
}

#[track_caller]
pub(super) fn check(story: Story, sessions: SessionCounts, writes: WriteCounts) -> TrialAnalysis {
    let trial = story.trial();
    assert_eq!(trial.sessions, sessions);
    assert_eq!(trial.writes, writes);
    trial
}

#[track_caller]
pub(super) fn check_faulted<const N: usize>(
    operations: [Op; N],
    sessions: SessionCounts,
    writes: WriteCounts,
) -> TrialAnalysis {
    check(Story::faulted().does(operations), sessions, writes)
}

#[test]
fn a_session_found_with_its_counter_survived() {
    let trial = check_faulted(
        [login(0, 500), act(0, 1_500), act(0, 2_000), finds(0, 2)],
        one(|n| n.survived = 1),
        writes(2, 0),
    );
    assert_eq!((trial.loss_window_ms, trial.findings.len()), (None, 0));
}

#[test]
fn unanswered_write_is_not_a_lost_session() {
    for found in [1, 2] {
        check_faulted(
            [
                login(0, 500),
                act(0, 1_500),
                act(0, 2_999).unanswered(3_003),
                finds(0, found),
            ],
            one(|n| n.survived = 1),
            WriteCounts {
                indeterminate: 1,
                ..writes(1, 0)
            },
        );
    }
}

#[test]
fn a_session_rejected_after_the_crash_is_lost_with_its_writes() {
    let trial = check_faulted(
        [
            login(0, 500),
            act(0, 1_500),
            act(0, 2_500),
            look(0, 3_200).rejected(SessionRejected),
        ],
        one(|n| n.rejected = 1),
        writes(2, 2),
    );
    assert_eq!(trial.loss_window_ms, Some(3_002.0 - 1_501.0));
}

#[test]
fn a_session_rejected_or_made_anew_at_the_read_back_is_lost() {
    check_faulted(
        [login(0, 500), act(0, 1_500), meets(0, SessionRejected)],
        one(|n| n.rejected = 1),
        writes(1, 1),
    );
    check_faulted(
        [login(0, 500), act(0, 1_500), meets(0, SessionRecreated)],
        one(|n| n.recreated = 1),
        writes(1, 1),
    );
}

#[test]
fn a_session_stays_lost_when_its_client_logs_in_again() {
    check_faulted(
        [
            login(0, 500),
            look(0, 3_200).rejected(SessionRejected),
            login(0, 3_300).generation(1),
            meets(0, SessionRejected),
            finds(0, 0).generation(1),
        ],
        one(|n| n.rejected = 1),
        writes(0, 0),
    );
}

#[test]
fn a_definite_refusal_is_not_undone_by_a_later_read_back() {
    let trial = check_faulted(
        [
            login(0, 500),
            look(0, 3_200).rejected(SessionRecreated),
            finds(0, 0),
        ],
        one(|n| n.recreated = 1),
        writes(0, 0),
    );
    assert_eq!(
        trial.findings,
        ["1 session was refused once, and known at a final look"]
    );
}

#[test]
fn login_in_flight_at_the_kill_is_ambiguous() {
    for at in [2_999, 3_001] {
        check_faulted(
            [login(0, at).unanswered(3_003)],
            counts(|n| n.ambiguous = 1),
            writes(0, 0),
        );
    }
}

#[test]
fn a_login_that_failed_before_or_was_sent_after_is_not_ambiguous() {
    let none = SessionCounts::default();
    check_faulted([login(0, 1_500).unanswered(1_600)], none, writes(0, 0));
    check_faulted([login(0, 3_050).unanswered(3_060)], none, writes(0, 0));
    check_faulted(
        [login(0, 2_999).unsent(ErrorClass::Refused).finished(3_003)],
        none,
        writes(0, 0),
    );
}

#[test]
fn a_refuted_look_with_a_counter_is_judged_by_it_and_one_without_says_nothing() {
    let opened = [login(0, 500), act(0, 1_500)];
    let refuted = finds(0, 0).refuted();
    check_faulted(
        [opened[0].clone(), opened[1].clone(), refuted],
        one(|n| n.reset = 1),
        writes(1, 1),
    );
    let blank = meets(0, WrongAnswer);
    check_faulted(
        [opened[0].clone(), opened[1].clone(), blank],
        one(|n| n.undecided = 1),
        writes(0, 0),
    );
}

#[test]
fn a_known_session_without_a_counter_survived_only_if_it_had_no_writes() {
    let known = op(Step::ReadBack, 0, READ_BACK);
    check_faulted(
        [login(0, 500), known.clone()],
        one(|n| n.survived = 1),
        writes(0, 0),
    );
    check_faulted(
        [login(0, 500), act(0, 1_500), known],
        one(|n| n.undecided = 1),
        writes(0, 0),
    );
}

#[test]
fn a_session_without_a_definite_answer_is_undecided_and_its_writes_are_left_out() {
    for last in [
        None,
        Some(op(Step::ReadBack, 0, READ_BACK).unanswered(6_000)),
    ] {
        let story = Story::faulted()
            .does([login(0, 500), act(0, 1_500)])
            .does(last);
        check(story, one(|n| n.undecided = 1), writes(0, 0));
    }
}

#[test]
fn without_recovery_every_session_is_undecided() {
    let story = Story::never_recovered().does([
        login(0, 500),
        login(1, 500),
        look(1, 3_500).rejected(SessionRejected),
    ]);
    check(
        story,
        counts(|n| (n.acknowledged, n.undecided) = (2, 2)),
        writes(0, 0),
    );
}

#[test]
fn a_session_logged_out_before_the_fault_is_gone_or_a_zombie() {
    let ended = [login(0, 500), act(0, 1_500), logout(0, 2_000)];
    let gone = meets(0, SessionRejected);
    check_faulted(
        [ended[0].clone(), ended[1].clone(), ended[2].clone(), gone],
        counts(|n| n.logged_out = 1),
        unverified_writes(1),
    );
    check_faulted(
        [
            ended[0].clone(),
            ended[1].clone(),
            ended[2].clone(),
            finds(0, 1),
        ],
        counts(|n| (n.zombie, n.logged_out) = (1, 1)),
        unverified_writes(1),
    );
    let anothers = meets(0, WrongIdentity);
    let trial = check_faulted(
        [
            ended[0].clone(),
            ended[1].clone(),
            ended[2].clone(),
            anothers,
        ],
        counts(|n| (n.logged_out, n.wrong_identity_later) = (1, 1)),
        unverified_writes(1),
    );
    assert_eq!(
        trial.findings,
        ["1 session was logged out, and named another user later"]
    );
}

#[test]
fn a_logged_out_session_without_a_definite_answer_tells_nothing_of_zombies() {
    let ended = [login(0, 500), logout(0, 2_000)];
    let silent = op(Step::ReadBack, 0, READ_BACK).unanswered(6_000);
    for last in [None, Some(silent)] {
        let story = Story::faulted().does(ended.clone()).does(last);
        check(story, counts(|n| n.logged_out_unseen = 1), writes(0, 0));
    }
    // Nobody answered as the new process.
    let story = Story::never_recovered()
        .does(ended)
        .does([meets(0, SessionRejected)]);
    check(story, counts(|n| n.logged_out_unseen = 1), writes(0, 0));
}

#[test]
fn a_session_logged_out_after_the_fault_was_known_then() {
    let began = [login(0, 500), act(0, 1_500), act(0, 2_000)];
    let gone = meets(0, SessionRejected);
    for (counter, expected, lost) in [
        (2, one(|n| n.survived = 1), 0),
        (1, one(|n| n.reset = 1), 1),
    ] {
        let ended = logout(0, 3_500).value(counter);
        check_faulted(
            [
                began[0].clone(),
                began[1].clone(),
                began[2].clone(),
                ended,
                gone.clone(),
            ],
            expected,
            writes(2, lost),
        );
    }
    let zombie = one(|n| (n.survived, n.zombie_later) = (1, 1));
    let ended = logout(0, 3_500).value(2);
    check_faulted(
        [
            began[0].clone(),
            began[1].clone(),
            began[2].clone(),
            ended,
            finds(0, 2),
        ],
        zombie,
        writes(2, 0),
    );
}

#[test]
fn a_goodbye_that_shows_the_state_of_a_logged_out_user_refutes_no_look_before_it() {
    let began = [login(0, 500), act(0, 1_500), act(0, 2_000)];
    let gone = meets(0, SessionRejected);
    let survived = || one(|n| n.survived = 1);
    let reset = || one(|n| n.reset = 1);
    for (looked, said, expected, lost) in [
        (2, 0, survived(), 0),
        // A stale look.
        (1, 2, survived(), 0),
        (1, 0, reset(), 1),
    ] {
        let look = look(0, 3_400).value(looked);
        let ended = logout(0, 3_500).value(said);
        let all = began.iter().cloned().chain([look, ended, gone.clone()]);
        let counted = WriteCounts {
            stale_reads: u64::from(said > looked),
            ..writes(2, lost)
        };
        check(Story::faulted().does(all), expected, counted);
    }
    // What was changed after the look the goodbye alone can show.
    let looked = look(0, 3_300).value(2);
    let ended = logout(0, 3_500).value(2);
    let all = began.into_iter();
    let all = all.chain([looked, act(0, 3_400), ended, gone]);
    check(Story::faulted().does(all), reset(), writes(2, 1));
}

#[test]
fn who_logs_in_after_the_fault_and_gets_the_session_of_another_user_counts() {
    let stood = [login(0, 500), finds(0, 0)];
    let later = [login(1, 3_500), look(1, 3_600).rejected(WrongIdentity)];
    let handed_out = || one(|n| (n.survived, n.wrong_identity_later) = (1, 1));
    let operations = [
        stood[0].clone(),
        later[0].clone(),
        later[1].clone(),
        stood[1].clone(),
    ];
    let trial = check_faulted(operations, handed_out(), writes(0, 0));
    assert_eq!(
        trial.findings,
        ["1 session begun after the fault named another user"]
    );
    let anothers = login(1, 3_500).failing_as(WrongIdentity);
    let operations = [stood[0].clone(), anothers, stood[1].clone()];
    let trial = check_faulted(operations, handed_out(), writes(0, 0));
    assert_eq!(
        trial.findings,
        ["1 login was answered in another user's name"]
    );
}

#[test]
fn a_goodbye_that_shows_nothing_tells_nothing_for_it_is_said_to_strangers_too() {
    let undecided = || one(|n| n.undecided = 1);
    let gone = || meets(0, SessionRejected);
    let untouched = [login(0, 500), logout(0, 3_500), gone()];
    check_faulted(untouched, undecided(), writes(0, 0));
    let changed = [login(0, 500), act(0, 1_500), logout(0, 3_500), gone()];
    check_faulted(changed, undecided(), writes(0, 0));
}

#[test]
fn a_logout_in_flight_at_the_fault_makes_its_session_ambiguous() {
    check_faulted(
        [
            login(0, 500),
            act(0, 1_500),
            logout(0, 2_999).unanswered(3_003),
            meets(0, SessionRejected),
        ],
        counts(|n| n.ambiguous = 1),
        unverified_writes(1),
    );
}

#[test]
fn an_unanswered_logout_after_the_fault_leaves_a_missing_session_undecided_and_a_found_one_found() {
    let began = [
        login(0, 500),
        act(0, 1_500),
        logout(0, 3_050).unanswered(3_060),
    ];
    let gone = meets(0, SessionRejected);
    check_faulted(
        [began[0].clone(), began[1].clone(), began[2].clone(), gone],
        one(|n| n.undecided = 1),
        writes(0, 0),
    );
    check_faulted(
        [
            began[0].clone(),
            began[1].clone(),
            began[2].clone(),
            finds(0, 1),
        ],
        one(|n| n.survived = 1),
        writes(1, 0),
    );
}

#[test]
fn a_session_that_names_another_user_is_counted_as_that_whenever_it_was_seen() {
    let seen = one(|n| n.wrong_identity = 1);
    let began = [login(0, 500), act(0, 1_500)];
    check_faulted(
        [
            began[0].clone(),
            began[1].clone(),
            look(0, 3_200).rejected(WrongIdentity),
        ],
        seen,
        writes(1, 1),
    );
    check_faulted(
        [began[0].clone(), began[1].clone(), meets(0, WrongIdentity)],
        seen,
        writes(1, 1),
    );
    let early = look(0, 2_000).rejected(WrongIdentity);
    let trial = check_faulted(
        [began[0].clone(), began[1].clone(), early],
        seen,
        unverified_writes(1),
    );
    assert_eq!(
        trial.findings,
        ["1 session named another user before any fault"]
    );
}

#[test]
fn a_session_lost_before_the_fault_is_a_finding_and_not_the_faults_doing() {
    let trial = check_faulted(
        [
            login(0, 500),
            look(0, 1_500).rejected(SessionRejected),
            login(1, 500),
            look(1, 1_500).rejected(SessionRecreated),
        ],
        counts(|_| ()),
        writes(0, 0),
    );
    assert_eq!(trial.findings, ["2 sessions were lost before any fault"]);
}

#[test]
fn a_session_rejected_between_the_signal_and_the_exit_is_lost_by_the_fault() {
    check_faulted(
        [
            login(0, 500),
            look(0, FAULT).rejected(SessionRejected).finished(FAULT + 1),
        ],
        one(|n| n.rejected = 1),
        writes(0, 0),
    );
}

#[test]
fn sessions_begun_after_the_fault_are_no_part_of_the_ledger_but_their_loss_is_told() {
    let trial = check_faulted(
        [
            login(0, 3_200),
            meets(0, SessionRejected),
            login(1, 3_200),
            look(1, 3_300).rejected(SessionRejected),
            login(2, 3_200),
            act(2, 3_300),
            finds(2, 0),
            login(3, 3_200),
            finds(3, 0),
        ],
        counts(|_| ()),
        writes(0, 0),
    );
    assert_eq!(
        trial.findings,
        [
            "2 sessions begun after the fault were lost",
            "1 write acknowledged after the fault was absent"
        ]
    );
}

#[test]
fn in_a_control_trial_every_session_is_acknowledged_before() {
    let story = Story::control().does([
        login(0, 500),
        act(0, 1_500),
        act(0, 4_500),
        finds(0, 2),
        login(1, 4_000),
        look(1, 4_500).rejected(SessionRejected),
        login(2, 500),
        logout(2, 4_000),
        meets(2, SessionRejected),
    ]);
    let trial = check(
        story,
        counts(|n| {
            (n.acknowledged, n.survived, n.rejected, n.logged_out) = (2, 1, 1, 1);
        }),
        writes(2, 0),
    );
    assert_eq!((trial.findings.len(), trial.loss_window_ms), (0, None));
}

#[test]
fn an_operation_of_no_session_and_a_read_back_alone_begin_none() {
    check_faulted(
        [act(0, 1_500), finds(0, 1), meets(1, Reset)],
        counts(|_| ()),
        writes(0, 0),
    );
}

#[test]
fn a_workload_without_sessions_has_no_ledger() {
    let story = Story::faulted()
        .planned(|plan| {
            plan.load.workload = Workload::Stateless(Box::new(Request::new("GET", "/")))
        })
        .does([login(0, 500), login(1, 2_999).unanswered(3_003)]);
    check(story, counts(|_| ()), writes(0, 0));
}

#[test]
fn where_a_stranger_is_answered_like_a_known_user_an_answer_without_a_write_proves_nothing() {
    let known = EventKind::AnonymousKnown {
        node: Node::default(),
    };
    let told = [
        login(0, 500),
        login(1, 500),
        act(1, 1_500),
        finds(0, 0),
        finds(1, 1),
    ];
    let story = Story::faulted().does(told);
    let both = |change: fn(&mut SessionCounts)| {
        counts(|n| {
            n.acknowledged = 2;
            change(n);
        })
    };
    check(story.clone(), both(|n| n.survived = 2), writes(1, 0));
    let trial = check(
        story.event(1_000, known),
        both(|n| (n.survived, n.undecided) = (1, 1)),
        writes(1, 0),
    );
    assert!(
        trial.findings[0].contains("identity"),
        "{:?}",
        trial.findings
    );
}

#[test]
fn the_first_session_that_lost_something_is_told_with_what_its_user_met() {
    // The first one is whole.
    let whole = [login(0, 500), act(0, 1_500), finds(0, 1)];
    let refused = [
        login(1, 500),
        act(1, 1_500),
        act(1, 2_500),
        look(1, 3_200).rejected(SessionRejected),
    ];
    let trial = Story::faulted().does(whole.clone()).does(refused).trial();
    assert_eq!(
        trial.story,
        [
            "Session 0 of user 1: its login was acknowledged 2.50 s before the fault.",
            "It had 2 acknowledged writes, the last one 499.0 ms before the fault.",
            "Then the fault was sent, 2.00 s into the load.",
            "The service was back 100.0 ms later.",
            "The reply to its check, 201.0 ms after the fault, was a refusal (status 200).",
        ]
    );
    let reset = [
        login(1, 500).value(3),
        act(1, 1_500),
        act(1, 2_500),
        finds(1, 4),
    ];
    let trial = Story::faulted().does(whole.clone()).does(reset).trial();
    assert_eq!(
        trial.story.last().map(String::as_str),
        Some(
            "Its counter was 3 at the login and must be at least 5 with all acknowledged writes; it was read back as 4."
        )
    );
    let made_anew = [login(1, 500), meets(1, SessionRecreated)];
    let trial = Story::faulted().does(whole.clone()).does(made_anew).trial();
    assert!(
        trial
            .story
            .contains(&"It had no acknowledged write.".to_owned()),
        "{:?}",
        trial.story
    );
    let last = trial.story.last().unwrap();
    assert!(
        last.starts_with(
            "The reply to its final look, 2.30 s after the fault, was one to somebody who is not logged in"
        ),
        "{last}"
    );
    assert_eq!(Story::faulted().does(whole).trial().story, [""; 0]);
}

#[test]
fn of_writes_that_carry_values_the_missing_ones_are_named() {
    let lost = [
        login(0, 500),
        write(0, 1_500, 1),
        write(0, 2_500, 2),
        shows(0, &[1]),
    ];
    let trial = Story::faulted().writing(Writes::Set).does(lost).trial();
    assert_eq!(
        trial.story.last().map(String::as_str),
        Some("Of its acknowledged writes, write 2 could not be read back.")
    );
}
