//! What only the replies before the fault call wrong breaks no gate, and holds none up that it bears on.

use ErrorClass::{ServerError, WrongAnswer};
use Outcome::{Fail, Inconclusive, Pass};
use comeback_model::event::{Doubts, Event, EventKind};
use comeback_model::ids::TrialId;
use comeback_model::operation::ErrorClass;

use super::*;

/// Puts doubts on record in a trial.
fn doubt(journal: &mut Journal, trial: u32, pages: &[&str], names: &[&str]) {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let doubts = Doubts {
        pages: owned(pages),
        names: owned(names),
    };
    let place = journal.events.iter().position(|event| {
        event.trial == Some(TrialId(trial)) && event.kind == EventKind::TrialEnded
    });
    let place = place.expect("the trial ends");
    let kind = EventKind::RepliesDoubted { doubts };
    let event = Event {
        kind,
        ..journal.events[place].clone()
    };
    journal.events.insert(place, event);
}

fn outcome(journal: &Journal, gate: &str) -> (Outcome, String) {
    let verdict = verdict_on(journal, &[gate]);
    let detail = verdict.checks[0].detail.clone().unwrap_or_default();
    (verdict.outcome, detail)
}

/// Eight such trials, each with an empty page, and a control trial.
fn doubted(told: &Told) -> Journal {
    let mut run = with_control(&vec![told.clone(); 8]);
    for trial in 0..8 {
        doubt(&mut run, trial, &["GET /offers"], &[]);
    }
    run
}

const AFTER: &str = "error_rate.after <= 1%";
const LATENCY: &str = "latency.after.p99 < 1s";
const UNRECOVERED: &str = "unrecovered == 0";

#[test]
fn empty_pages_break_no_gate_and_hold_none_up() {
    let never = faulted().ready(None);
    let wrong = faulted().fails_after(50, 100).fails_by(WrongAnswer);
    for (gate, told) in [(UNRECOVERED, &never), (AFTER, &wrong), (LATENCY, &wrong)] {
        assert_eq!(
            outcome(&with_control(&vec![told.clone(); 8]), gate).0,
            Fail,
            "{gate}"
        );
        let (judged, why) = outcome(&doubted(told), gate);
        assert_eq!(judged, Inconclusive, "{gate}: {why}");
        assert!(why.contains("(GET /offers)"), "{why}");
        // They count as wrong answers: what holds in spite of them holds.
        let sound = doubted(&faulted());
        assert_eq!(outcome(&sound, gate), (Pass, String::new()), "{gate}");
    }
    // Nor may a gate that demands more hold by them.
    let (judged, why) = outcome(&doubted(&wrong), "error_rate.after >= 10%");
    assert_eq!(judged, Inconclusive, "{why}");
    let plain = with_control(&vec![wrong; 8]);
    assert_eq!(outcome(&plain, "error_rate.after >= 10%").0, Pass);
    // Where a service was not back without any such page, it was not.
    let mut both = with_control(&[never.clone(), never]);
    doubt(&mut both, 0, &["GET /offers"], &[]);
    assert_eq!(outcome(&both, UNRECOVERED).0, Fail);
    assert_eq!(outcome(&both, "lost_sessions == 0").0, Fail);
}

#[test]
fn an_empty_page_excuses_nothing_else() {
    // One page was empty, and all operations that are judged are answered by a 503.
    let dead = faulted().fails_after(100, 100).fails_by(ServerError);
    for gate in [UNRECOVERED, AFTER, LATENCY] {
        assert_eq!(outcome(&doubted(&dead), gate).0, Fail, "{gate}");
        let never = doubted(&dead.clone().ready(None));
        assert_eq!(outcome(&never, UNRECOVERED).0, Fail);
    }
    // No reply is part of this time.
    let slow = doubted(&faulted());
    assert_eq!(outcome(&slow, "time_to_restart.median < 0.001ms").0, Fail);
}

#[test]
fn a_name_that_two_users_were_shown_is_no_proof_of_a_wrong_identity_nor_of_none() {
    let gate = "wrong_identity == 0";
    let mut run = with_control(&vec![faulted(); 3]);
    assert_eq!(outcome(&run, gate), (Pass, String::new()));
    doubt(&mut run, 1, &[], &["Guest-17"]);
    let (judged, why) = outcome(&run, gate);
    assert_eq!(judged, Inconclusive, "{why}");
    assert!(why.contains("(Guest-17)"), "{why}");
    assert_eq!(outcome(&run, "lost_sessions == 0").0, Pass);
    let anothers = faulted().with(&[Fate::Anothers]);
    let mut run = with_control(&vec![anothers; 3]);
    doubt(&mut run, 1, &[], &["Guest-17"]);
    assert_eq!(outcome(&run, gate).0, Fail);
}
