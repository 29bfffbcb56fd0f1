//! What becomes of writes that each carry a value of their own, and of looks at them.

use ErrorClass::{ClientError, SessionRejected, Unsent, WrongIdentity};

use super::sessions::{check, counts, one, writes};
use super::*;
use crate::measure::{SessionCounts, WriteCounts, WritesBeside};

/// A trial with a fault, judged alike whether its writes go into a set or into a list.
#[track_caller]
fn check_own(
    operations: impl IntoIterator<Item = Op, IntoIter: Clone>,
    sessions: SessionCounts,
    writes: WriteCounts,
) -> TrialAnalysis {
    let operations = operations.into_iter();
    let told = |kind| Story::faulted().writing(kind).does(operations.clone());
    check(told(Writes::Set), sessions, writes);
    check(told(Writes::List), sessions, writes)
}

/// A session of client 0 with writes 1 to 4, acknowledged at 1.5 s, 1.8 s, 2.1 s and 2.4 s.
fn four() -> Vec<Op> {
    let mut told = vec![login(0, 500)];
    told.extend((1..=4).map(|number| write(0, 1_201 + 300 * u64::from(number), number)));
    for act in &mut told[1..] {
        act.0.finished = act.0.intended;
    }
    told
}

fn four_and(more: impl IntoIterator<Item = Op>) -> Vec<Op> {
    let mut told = four();
    told.extend(more);
    told
}

fn survived() -> SessionCounts {
    one(|n| n.survived = 1)
}

fn reset() -> SessionCounts {
    one(|n| n.reset = 1)
}

#[test]
fn writes_that_are_all_shown_in_any_order_are_kept() {
    let trial = check_own(
        four_and([shows(0, &[4, 2, 1, 3])]),
        survived(),
        writes(4, 0),
    );
    assert_eq!((trial.loss_window_ms, trial.findings.len()), (None, 0));
}

#[test]
fn acknowledged_writes_that_are_not_shown_are_lost_and_the_oldest_of_them_dates_the_loss() {
    let trial = check_own(four_and([shows(0, &[1, 2])]), reset(), writes(4, 2));
    assert_eq!(trial.loss_window_ms, Some(3_002.0 - 2_101.0));
    let trial = check_own(four_and([shows(0, &[])]), reset(), writes(4, 4));
    assert_eq!(trial.loss_window_ms, Some(3_002.0 - 1_501.0));
}

#[test]
fn a_lost_write_below_a_kept_one_is_a_hole_and_the_loss_is_dated_by_it() {
    let trial = check_own(
        four_and([shows(0, &[1, 3])]),
        reset(),
        WriteCounts {
            holes: 1,
            ..writes(4, 2)
        },
    );
    assert_eq!(trial.loss_window_ms, Some(3_002.0 - 1_801.0));
    check_own(
        four_and([shows(0, &[4])]),
        reset(),
        WriteCounts {
            holes: 3,
            ..writes(4, 3)
        },
    );
}

#[test]
fn a_write_kept_after_the_fault_makes_no_hole_of_what_was_lost_at_it() {
    check_own(
        four_and([write(0, 3_200, 5), shows(0, &[1, 2, 5])]),
        reset(),
        writes(4, 2),
    );
}

#[test]
fn a_counter_cannot_tell_a_hole() {
    let told = [login(0, 500), act(0, 1_500), act(0, 2_000), finds(0, 1)];
    check(Story::faulted().does(told), reset(), writes(2, 1));
}

#[test]
fn a_write_shown_twice_is_duplicated_each_time_but_one() {
    check_own(
        four_and([shows(0, &[1, 2, 2, 3, 4, 4, 4])]),
        survived(),
        WriteCounts {
            duplicated: 3,
            ..writes(4, 0)
        },
    );
}

#[test]
fn writes_that_are_wrong_and_that_no_fault_took_are_counted_beside_the_loss() {
    let beside = |told: Vec<Op>| Story::faulted().writing(Writes::List).does(told).trial();
    let beside = |told| {
        let WritesBeside { lost_later, excess } = beside(told).writes_beside;
        (lost_later, excess)
    };
    assert_eq!(beside(four_and([shows(0, &[1, 2, 3, 4])])), (0, 0));
    // Acknowledged after the fault, and thrown away, of a session that stood at it and of a later one.
    let later = |client| write(client, 3_400, 5);
    assert_eq!(
        beside(four_and([later(0), shows(0, &[1, 2, 3, 4])])),
        (1, 0)
    );
    let begun_later = [login(1, 3_300), later(1), shows(1, &[])];
    assert_eq!(beside(begun_later.to_vec()), (1, 0));
    // Shown again is kept; never sent, or another user's, is made up.
    assert_eq!(beside(four_and([shows(0, &[1, 2, 3, 4, 4])])), (0, 0));
    assert_eq!(beside(four_and([shows(0, &[1, 2, 3, 4, 9])])), (0, 1));
    assert_eq!(
        beside(four_and([shows(0, &[1, 2, 3, 4]).foreign(2)])),
        (0, 2)
    );
    // One that was tried again may have been stored twice.
    let mut told = four();
    told[4].0.tries = 2;
    told.push(shows(0, &[1, 2, 3, 4, 4]));
    assert_eq!(beside(told), (0, 0));
}

#[test]
fn a_server_that_carries_writes_out_twice_loses_none() {
    let story = Story::faulted().writing(Writes::List);
    let analysis = story
        .does(four_and([shows(0, &[1, 2, 3, 4, 4])]))
        .analysis();
    let outcome = |text: &str| {
        let gate = crate::verdict::Gate::try_from(text.to_owned()).unwrap();
        let verdict = crate::verdict::judge(&analysis, &[gate], None);
        let said = format!("{:?}", verdict.reasons);
        (said.contains("too many are shown"), said)
    };
    assert!(
        !outcome("lost_writes == 0").0,
        "{}",
        outcome("lost_writes == 0").1
    );
    let twice = outcome("duplicated_writes == 0").1;
    assert!(twice.contains("1 beside 4 acknowledged"), "{twice}");
}

#[test]
fn one_lost_and_one_duplicated_write_do_not_make_up_for_each_other() {
    check_own(
        four_and([shows(0, &[1, 2, 3, 3])]),
        reset(),
        WriteCounts {
            duplicated: 1,
            ..writes(4, 1)
        },
    );
}

#[test]
fn a_write_that_was_rejected_or_never_sent_is_a_phantom_where_it_is_shown() {
    let more = [
        write(0, 2_600, 5).rejected(ClientError),
        write(0, 2_650, 6).unsent(Unsent),
    ];
    // Number 9 was never given to any write.
    let shown = shows(0, &[1, 2, 3, 4, 5, 6, 6, 9]);
    check_own(
        four_and(more.clone()).into_iter().chain([shown]),
        survived(),
        WriteCounts {
            phantom: 3,
            duplicated: 1,
            ..writes(4, 0)
        },
    );
    let shown = shows(0, &[1, 2, 3, 4]);
    check_own(
        four_and(more).into_iter().chain([shown]),
        survived(),
        writes(4, 0),
    );
}

#[test]
fn foreign_values_are_phantoms_unless_the_session_began_with_them() {
    let all = shows(0, &[1, 2, 3, 4]);
    check_own(
        four_and([all.clone().foreign(2)]),
        survived(),
        WriteCounts {
            phantom: 2,
            ..writes(4, 0)
        },
    );
    let mut told = four_and([all.foreign(2)]);
    told[0] = told[0].clone().showing(&[]).foreign(2);
    check_own(told, survived(), writes(4, 0));
}

#[test]
fn an_unanswered_write_may_be_there_or_not_but_not_twice() {
    let in_flight = || write(0, 2_999, 5).unanswered(3_003);
    let expected = WriteCounts {
        indeterminate: 1,
        ..writes(4, 0)
    };
    for shown in [&[1, 2, 3, 4][..], &[1, 2, 3, 4, 5]] {
        check_own(
            four_and([in_flight(), shows(0, shown)]),
            survived(),
            expected,
        );
    }
    check_own(
        four_and([in_flight(), shows(0, &[1, 2, 3, 4, 5, 5])]),
        survived(),
        WriteCounts {
            duplicated: 1,
            ..expected
        },
    );
    // It does not make up for an acknowledged one, and is no newer one that was kept.
    check_own(
        four_and([in_flight(), shows(0, &[1, 2, 3, 5])]),
        reset(),
        WriteCounts {
            lost: 1,
            kept: 3,
            ..expected
        },
    );
}

#[test]
fn a_write_acknowledged_after_the_fault_is_not_lost_by_it() {
    let trial = check_own(
        four_and([write(0, 3_200, 5), shows(0, &[1, 2, 3, 4])]),
        reset(),
        writes(4, 0),
    );
    assert_eq!(
        trial.findings,
        ["1 write acknowledged after the fault was absent"]
    );
}

#[test]
fn all_acknowledged_writes_of_a_lost_session_are_lost_and_none_of_an_undecided_one() {
    for (class, seen) in [
        (SessionRejected, one(|n| n.rejected = 1)),
        (WrongIdentity, one(|n| n.wrong_identity = 1)),
    ] {
        let trial = check_own(four_and([meets(0, class)]), seen, writes(4, 4));
        assert_eq!(trial.loss_window_ms, Some(3_002.0 - 1_501.0));
    }
    let silent = op(Step::ReadBack, 0, READ_BACK);
    for last in [silent.clone().unanswered(6_000), silent] {
        check_own(four_and([last]), one(|n| n.undecided = 1), writes(0, 0));
    }
}

#[test]
fn a_known_session_that_shows_nothing_survived_only_if_nothing_was_acknowledged() {
    let known = op(Step::ReadBack, 0, READ_BACK);
    check_own([login(0, 500), known], survived(), writes(0, 0));
    check_own([login(0, 500), shows(0, &[])], survived(), writes(0, 0));
}

#[test]
fn a_refuted_look_is_judged_by_what_it_shows() {
    check_own(
        four_and([shows(0, &[1, 2, 3]).refuted()]),
        reset(),
        writes(4, 1),
    );
}

#[test]
fn the_counter_of_a_reply_means_nothing_where_writes_have_values_of_their_own() {
    let counted = op(Step::ReadBack, 0, READ_BACK).value(4);
    check_own(four_and([counted]), one(|n| n.undecided = 1), writes(0, 0));
    let found = shows(0, &[]);
    let told = [login(0, 500), act(0, 1_500), found.value(1)];
    check(Story::faulted().does(told), survived(), writes(1, 0));
}

#[test]
fn a_session_logged_out_after_the_fault_is_judged_by_the_last_check_of_the_new_process() {
    let gone = meets(0, SessionRejected);
    let ended = [
        look(0, 3_200).showing(&[1, 2, 3]),
        write(0, 3_300, 5),
        logout(0, 3_400),
        gone.clone(),
    ];
    // The check cannot have shown what was written after it.
    let trial = check_own(four_and(ended), reset(), writes(4, 1));
    assert_eq!(trial.findings, [""; 0]);
    // Before the fault it says nothing of what became of them.
    let early = look(0, 2_800).showing(&[1, 2, 3, 4]);
    check_own(
        four_and([early, logout(0, 3_400), gone]),
        one(|n| n.undecided = 1),
        writes(0, 0),
    );
}

#[test]
fn a_sent_write_without_a_number_leaves_its_session_undecided_and_is_told() {
    let trial = check_own(
        four_and([act(0, 2_600), shows(0, &[1, 2, 3, 4])]),
        one(|n| n.undecided = 1),
        writes(0, 0),
    );
    assert_eq!(trial.findings, ["1 write carried no number to be told by"]);
    check_own(
        four_and([act(0, 2_600).unsent(Unsent), shows(0, &[1, 2, 3, 4])]),
        survived(),
        writes(4, 0),
    );
}

#[test]
fn writes_of_sessions_begun_after_the_fault_are_only_told() {
    let trial = check_own(
        [
            login(0, 3_200),
            write(0, 3_300, 1),
            write(0, 3_400, 2),
            look(0, 3_500).showing(&[1]),
            shows(0, &[2, 2]).foreign(1),
        ],
        counts(|_| ()),
        writes(0, 0),
    );
    assert_eq!(
        trial.findings,
        [
            "1 write acknowledged after the fault was absent",
            "2 writes of sessions begun after the fault were there without having been sent",
            "1 check of sessions begun after the fault lacked a write that had been acknowledged, and was there later"
        ]
    );
}

/// Client 0's four writes and these checks; what is found at last; and how many of the checks are stale.
#[track_caller]
fn check_stale(checks: &[Op], last: Op, stale: u64) {
    let told = four_and(checks.iter().cloned().chain([last]));
    let trial = Story::faulted().writing(Writes::List).does(told).trial();
    assert_eq!(trial.writes.stale_reads, stale);
}

#[test]
fn a_check_that_lacks_a_write_acknowledged_before_it_was_sent_and_there_at_last_is_stale() {
    let all = || shows(0, &[1, 2, 3, 4]);
    check_stale(&[look(0, 2_500).showing(&[1, 2, 3, 4])], all(), 0);
    check_stale(&[look(0, 2_500).showing(&[1, 2, 3])], all(), 1);
    check_stale(&[look(0, 2_500).showing(&[1, 2, 3]).refuted()], all(), 1);
    // Two that lack three writes, and one that could not show the last one yet.
    let checks = [
        look(0, 2_200).showing(&[1, 2, 3]),
        look(0, 2_500).showing(&[1, 2]),
        look(0, 3_200).showing(&[2, 3, 4]),
    ];
    check_stale(&checks, all(), 2);
}

#[test]
fn a_check_that_lacks_what_is_lost_or_unanswered_is_not_stale_and_neither_is_a_failed_one() {
    let lost = shows(0, &[1, 2, 3]);
    check_stale(&[look(0, 3_200).showing(&[1, 2, 3])], lost.clone(), 0);
    // Of the two it lacks one is lost, the other not.
    check_stale(&[look(0, 3_200).showing(&[1, 2])], lost, 1);
    let late = [
        write(0, 2_999, 5).unanswered(3_003),
        look(0, 3_200).showing(&[1, 2, 3, 4]),
    ];
    check_stale(&late, shows(0, &[1, 2, 3, 4, 5]), 0);
    let failed = look(0, 3_200).rejected(ClientError).showing(&[]);
    let silent = look(0, 3_300);
    check_stale(&[failed, silent], shows(0, &[1, 2, 3, 4]), 0);
}

#[test]
fn looks_at_a_session_that_is_lost_or_undecided_at_last_are_not_judged() {
    let old = look(0, 2_500).showing(&[1]);
    for last in [SessionRejected, ClientError] {
        check_stale(std::slice::from_ref(&old), meets(0, last), 0);
    }
}

/// The same with a counter: two acknowledged writes, then these operations.
#[track_caller]
fn check_stale_counter(more: impl IntoIterator<Item = Op>, stale: u64) {
    let began = [login(0, 500), act(0, 1_500), act(0, 1_800)];
    let trial = Story::faulted().does(began).does(more).trial();
    assert_eq!(trial.writes.stale_reads, stale);
}

#[test]
fn a_counter_below_what_was_acknowledged_is_stale_when_nothing_is_lacking_at_last() {
    check_stale_counter([look(0, 2_500).value(1), finds(0, 2)], 1);
    check_stale_counter([look(0, 2_500).value(1).refuted(), finds(0, 2)], 1);
    check_stale_counter([look(0, 2_500).value(2), finds(0, 2)], 0);
    // It could not show what was acknowledged after it was sent.
    check_stale_counter([look(0, 1_700).value(1), finds(0, 2)], 0);
}

#[test]
fn a_counter_that_lost_a_write_and_was_written_to_since_is_not_stale() {
    let since = [
        look(0, 3_200).value(1),
        act(0, 3_300),
        act(0, 3_400),
        finds(0, 3),
    ];
    check_stale_counter(since, 0);
}

#[test]
fn an_unanswered_write_may_have_made_up_for_a_lost_one_so_the_counter_need_not_have_been_stale() {
    let unanswered = || act(0, 2_600).unanswered(2_700);
    check_stale_counter([unanswered(), look(0, 3_200).value(1), finds(0, 2)], 0);
    check_stale_counter([unanswered(), look(0, 3_200).value(0), finds(0, 2)], 1);
}
