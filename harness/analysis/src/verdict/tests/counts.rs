//! Gates on counts.

use Fate::{Anothers, Finds, LoggedOut, Lost, Phantom, Undecided, Zombie};
use Outcome::{Fail, Inconclusive, Measured, Pass};

use super::*;
use crate::history::PastArm;
use crate::summary::{Summary, summarize};

const SURVIVED: Fate = Finds(1);

/// Three sound trials, and one of these sessions.
fn four(fates: &[Fate]) -> Vec<Told> {
    let mut trials = vec![faulted(); 3];
    trials.push(faulted().with(fates));
    trials
}

#[test]
fn one_counterexample_fails_at_once() {
    for (fate, gate, said) in [
        (Lost, "lost_sessions == 0", "1 of 10"),
        (Lost, "lost_writes == 0", "1 of 10"),
        (Finds(0), "reset_sessions == 0", "1 of 10"),
        (Finds(0), "lost_writes == 0", "1 of 10"),
        (Anothers, "wrong_identity == 0", "1 of 10"),
        (
            Finds(2),
            "duplicated_writes == 0",
            "1 beside 10 acknowledged",
        ),
        (Phantom, "phantom_writes == 0", "1 beside 10 acknowledged"),
    ] {
        check_gate(&four(&[fate]), gate, Fail, said);
        check_gate(&four(&[SURVIVED]), gate, Pass, "");
        for relation in ["<= 0", "< 1"] {
            check_gate(&four(&[fate]), &gate.replace("== 0", relation), Fail, said);
        }
        for relation in ["== 1", "<= 1", ">= 1", "> 0", "< 2"] {
            check_gate(&four(&[fate]), &gate.replace("== 0", relation), Pass, "");
        }
    }
}

#[test]
fn zombies_are_counted_among_those_who_logged_out() {
    let gate = "zombie_sessions == 0";
    check_gate(&four(&[Zombie, LoggedOut]), gate, Fail, "1 of 2");
    check_gate(&four(&[SURVIVED, LoggedOut]), gate, Pass, "");
    // Nobody logged out: nothing is known of what would have become of it.
    let said = "there was nothing to count: zero samples";
    check_gate(&four(&[SURVIVED]), gate, Inconclusive, said);
}

/// No look shows what became of a session that its user had ended, and of its writes.
#[test]
fn writes_of_sessions_that_had_ended_are_not_called_kept() {
    let gate = "lost_writes == 0";
    let ended = vec![faulted().with(&[LoggedOut, LoggedOut]); 4];
    let said = "no write could be verified: 8 writes were acknowledged before the fault, in sessions that had ended by then; let \
                fewer users log out";
    check_gate(&ended, gate, Inconclusive, said);
    let some = four(&[SURVIVED, LoggedOut]);
    check_gate(&some, gate, Pass, "");
    let said = "none of 10 writes that can be verified (1 cannot)";
    let trials = [some, vec![control()]].concat();
    let headline = verdict_on(&journal(&trials), &[gate]).headline;
    assert!(headline.contains(said), "{headline}");
}

#[test]
fn at_most_is_not_read_as_less() {
    let trials = [faulted().with(&[Lost; 5])];
    check_gate(&trials, "lost_sessions <= 5", Pass, "");
    check_gate(&trials, "lost_sessions < 5", Fail, "5 of 5");
    check_gate(&trials, "lost_sessions >= 5", Pass, "");
    check_gate(&trials, "lost_sessions > 5", Fail, "5 of 5");
}

#[test]
fn undecided_sessions_leave_open_only_what_they_could_change() {
    let trials = [
        faulted(),
        faulted().with(&[Lost, Lost, Undecided, Undecided]),
    ];
    for (demand, outcome) in [
        ("<= 1", Fail),
        ("<= 2", Inconclusive),
        ("<= 3", Inconclusive),
        ("<= 4", Pass),
        ("< 5", Pass),
        ("< 4", Inconclusive),
        (">= 2", Pass),
        (">= 3", Inconclusive),
        (">= 5", Fail),
        ("> 1", Pass),
        ("> 4", Fail),
        ("== 1", Fail),
        ("== 2", Inconclusive),
        ("== 3", Inconclusive),
        ("== 4", Inconclusive),
        ("== 5", Fail),
    ] {
        let said = match outcome {
            Inconclusive => "2 of 7 for certain, 2 undecided",
            Pass | Fail | Measured => "2 of 7",
        };
        check_gate(&trials, &format!("lost_sessions {demand}"), outcome, said);
    }
}

#[test]
fn a_counterexample_needs_no_decision_on_the_others() {
    let trials = [faulted().with(&[Lost, Undecided, Undecided])];
    check_gate(&trials, "lost_sessions == 0", Fail, "1 of 3");
}

#[test]
fn writes_and_logouts_of_undecided_sessions_were_counted_by_nobody() {
    for (metric, said) in [
        ("lost_writes", "0 of 4 for certain, 1 undecided"),
        (
            "duplicated_writes",
            "0 beside 4 acknowledged for certain, 1 undecided",
        ),
        (
            "phantom_writes",
            "0 beside 4 acknowledged for certain, 1 undecided",
        ),
    ] {
        let trials = [faulted(), faulted().with(&[SURVIVED, Undecided])];
        check_gate(&trials, &format!("{metric} == 0"), Inconclusive, said);
        check_gate(&trials, &format!("{metric} <= 1000"), Inconclusive, said);
    }
    let dead = [
        faulted().with(&[LoggedOut, SURVIVED]),
        faulted().with(&[Zombie, SURVIVED]).ready(None),
    ];
    let said = "0 of 1 for certain, 1 undecided";
    check_gate(&dead, "zombie_sessions == 0", Inconclusive, said);
}

#[test]
fn a_counter_that_shows_too_much_hides_what_is_lost() {
    let trials = [faulted(), faulted().with(&[SURVIVED, Finds(5)])];
    let said = "0 of 5 for certain, 0 undecided, 1 unverifiable: the counters of their sessions show more than was \
                ever sent, which hides what they lack";
    check_gate(&trials, "lost_writes == 0", Inconclusive, said);
    check_gate(&trials, "lost_sessions == 0", Pass, "");
    // A loss that is certain needs no decision on the others.
    let lost = [faulted().with(&[Lost, Finds(5)])];
    check_gate(&lost, "lost_writes == 0", Fail, "1 of 2");
}

#[test]
fn a_loss_that_nobody_knows_to_have_been_acknowledged_leaves_the_gate_open() {
    let mut analysis = analyze(&with_control(&[faulted(), faulted()]));
    analysis.arms[0].trials[0].writes.lost_doubted = 1;
    let said = "0 of 6 for certain, 0 undecided, 1 more if each reply was whole that a fault may have cut off";
    check_gate_on(&analysis, "lost_writes == 0", Inconclusive, said);
    check_gate_on(&analysis, "lost_writes < 2", Pass, "");
    check_gate_on(&analysis, "lost_sessions == 0", Pass, "");
}

#[test]
fn what_is_doubted_stands_beside_the_losses_in_the_summary_and_nothing_is_said_to_be_kept() {
    let mut analysis = analyze(&with_control(&[faulted(), faulted()]));
    let sums = |analysis: &Analysis| summarize(analysis, &judge(analysis, &[], None));
    let sure = sums(&analysis);
    let text = serde_json::to_string(&sure).expect("serializes");
    assert!(!text.contains("doubted"), "{text}");
    assert!(
        sure.headline.contains("lost none of 6"),
        "{}",
        sure.headline
    );

    let trials = &mut analysis.arms[0].trials;
    trials[0].writes.lost_doubted = 1;
    trials[0].sessions.reset_doubted = 1;
    trials[1].writes.lost_doubted = 2;
    trials[1].sessions.lost_doubted = 2;
    trials[1].sessions.zombie_doubted = 4;
    let summary = sums(&analysis);
    let (sessions, writes) = (&summary.arms[0].sessions, &summary.arms[0].writes);
    let doubted = [
        sessions.lost_doubted,
        sessions.reset_doubted,
        sessions.zombie_doubted,
        writes.lost_doubted,
    ];
    assert_eq!(doubted, [2, 1, 4, 3]);
    assert_eq!((sessions.lost, writes.lost), (0, 0));
    assert!(
        summary
            .headline
            .contains("lost nothing for certain, and, if each reply was whole that a fault may have cut off, lost")
            && summary.headline.contains("lost 2 sessions") && summary.headline.contains("lost 3 writes"),
        "{}",
        summary.headline
    );
    let past = PastArm::from(&summary.arms[0]);
    assert_eq!((&past.sessions, &past.writes), (sessions, writes));
    // An older summary has no such key.
    let mut json = serde_json::to_value(&summary).expect("serializes");
    for counts in ["sessions", "writes"] {
        let counts = json["arms"][0][counts].as_object_mut().expect("an object");
        counts.retain(|key, _| !key.ends_with("_doubted"));
    }
    let older = Summary::from_json(&json.to_string()).expect("is read");
    assert_eq!(older.arms[0].sessions.doubted(), 0);
}

#[test]
fn nothing_to_count_is_never_a_pass() {
    let said = "there was nothing to count: zero samples";
    for metric in [
        "lost_sessions",
        "reset_sessions",
        "wrong_identity",
        "zombie_sessions",
    ] {
        for demand in ["== 0", "<= 5", ">= 0", ">= 1"] {
            check_gate(
                &[faulted().with(&[])],
                &format!("{metric} {demand}"),
                Inconclusive,
                said,
            );
        }
    }
    // A session of which only a logout is known counts as nobody's.
    let only_logged_out = [faulted().with(&[Zombie])];
    for metric in ["lost_sessions", "duplicated_writes", "phantom_writes"] {
        check_gate(
            &only_logged_out,
            &format!("{metric} == 0"),
            Inconclusive,
            said,
        );
    }
    let unseen = "no write could be verified: 1 write was acknowledged before the fault, in sessions that had ended by then; let \
                  fewer users log out";
    check_gate(&only_logged_out, "lost_writes == 0", Inconclusive, unseen);
}

#[test]
fn what_lost_sessions_might_have_shown_too_much_nobody_saw() {
    let said = "there was nothing to count: zero samples";
    let gone = [faulted().with(&[Lost, Lost])];
    for metric in ["duplicated_writes", "phantom_writes"] {
        check_gate(&gone, &format!("{metric} == 0"), Inconclusive, said);
        let some = [faulted().with(&[Lost, SURVIVED])];
        check_gate(&some, &format!("{metric} == 0"), Pass, "");
    }
}

#[test]
fn a_zombie_is_a_counterexample_even_where_no_session_was_alive() {
    let trials = [faulted().with(&[Zombie])];
    check_gate(&trials, "zombie_sessions == 0", Fail, "1 of 1");
}

#[test]
fn counters_beyond_all_counting_do_not_wrap_around_to_none() {
    let absurd = [
        faulted().with(&[Finds(u64::MAX)]),
        faulted().with(&[Finds(3)]),
    ];
    let said = "more than 1000000000000 beside 2 acknowledged";
    check_gate(&absurd, "duplicated_writes == 0", Fail, said);
}

#[test]
fn a_trial_that_never_recovered_is_counted() {
    let trials = [faulted(), faulted().ready(None)];
    check_gate(&trials, "unrecovered == 0", Fail, "1 of 2");
    check_gate(&trials, "unrecovered <= 1", Pass, "");
    check_gate(&[faulted()], "unrecovered == 0", Pass, "");
}

#[test]
fn a_server_that_never_came_back_breaks_whatever_is_demanded() {
    let always = "first: unrecovered == 0, which every run with gates demands, is broken: 1 of 1";
    for gate in [
        "time_to_detect.max < 1s",
        "in_flight_failed <= 9",
        "control.error_rate <= 1%",
    ] {
        let verdict = verdict(&[faulted().ready(None)], &[gate]);
        assert_eq!(verdict.outcome, Fail, "{verdict:?}");
        assert!(
            verdict.reasons.iter().any(|reason| reason == always),
            "{verdict:?}"
        );
    }
}

#[test]
fn a_recovery_neither_seen_nor_given_up_is_undecided() {
    let mut journal = journal(&[faulted(), control()]);
    let unseen = |kind: &comeback_model::event::EventKind| {
        !matches!(kind, comeback_model::event::EventKind::FirstCorrect { .. })
    };
    journal.events.retain(|event| unseen(&event.kind));
    let open = "cannot be judged: 0 of 1 for certain, 1 undecided: too little was seen after the restart to tell";
    check(
        &verdict_on(&journal, &["unrecovered == 0"]),
        Inconclusive,
        &[
            "first: all 3 sessions are undecided",
            &format!("first: unrecovered == 0 {open}"),
        ],
    );
    // No other demand leaves that out.
    let always = format!("first: unrecovered == 0, which every run with gates demands, {open}");
    let run = verdict_on(&journal, &["control.error_rate <= 1%"]);
    check(
        &run,
        Inconclusive,
        &["first: all 3 sessions are undecided", &always],
    );
    let by_the_probe_only = [faulted().fails_after(0, 4)];
    for gate in ["time_to_ready.max < 10s", "wrong_identity == 0"] {
        check(
            &verdict(&by_the_probe_only, &[gate]),
            Inconclusive,
            &[&always],
        );
        check_gate(&by_the_probe_only, gate, Pass, "");
    }
}

#[test]
fn a_server_that_fails_after_its_first_answer_breaks_whatever_is_demanded() {
    let failing = [faulted().fails_after(100, 100)];
    let why = "METASTABLE: the fault is undone and every process is up, yet 50 of 50 operations failed in the last 0.5 s \
               of the load (100 %), most of them: server error";
    let always = format!(
        "first: unrecovered == 0, which every run with gates demands, is broken: 1 of 1; in trial 0: {why}"
    );
    check(
        &verdict(&failing, &["lost_sessions == 0"]),
        Fail,
        &[&always],
    );
    // A demand of one's own stands in its place.
    check_gate(
        &failing,
        "unrecovered == 0",
        Fail,
        &format!("1 of 1; in trial 0: {why}"),
    );
    check_gate(&failing, "unrecovered <= 1", Pass, "");
    check(
        &verdict(&failing, &["unrecovered <= 1", "time_to_ready.max < 1h"]),
        Fail,
        &["first: time_to_ready.max < 1h is broken: beyond the horizon"],
    );
}
