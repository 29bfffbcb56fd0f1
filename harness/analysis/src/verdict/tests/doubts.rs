//! What only the replies before the fault call wrong breaks no gate, and holds none up that it bears on.

use Outcome::{Fail, Inconclusive, Pass};
use comeback_model::event::{Doubts, Event, EventKind};
use comeback_model::ids::TrialId;

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

#[test]
fn empty_pages_break_no_gate_and_hold_none_up() {
    let never = faulted().ready(None);
    for gate in ["unrecovered == 0", "error_rate.after <= 1%"] {
        let failing = match gate {
            "unrecovered == 0" => never.clone(),
            _ => faulted().fails_after(50, 100),
        };
        let mut run = with_control(&vec![failing; 8]);
        assert_eq!(outcome(&run, gate).0, Fail, "{gate}");
        for trial in 0..8 {
            doubt(&mut run, trial, &["GET /offers"], &[]);
        }
        let (judged, why) = outcome(&run, gate);
        assert_eq!(judged, Inconclusive, "{gate}: {why}");
        assert!(why.contains("(GET /offers)"), "{why}");
        // They count as wrong answers: what holds in spite of them holds.
        let mut sound = with_control(&vec![faulted(); 8]);
        doubt(&mut sound, 0, &["GET /offers"], &[]);
        assert_eq!(outcome(&sound, gate), (Pass, String::new()), "{gate}");
    }
    // Where a service was not back without any such page, it was not.
    let mut both = with_control(&[never.clone(), never]);
    doubt(&mut both, 0, &["GET /offers"], &[]);
    assert_eq!(outcome(&both, "unrecovered == 0").0, Fail);
    assert_eq!(outcome(&both, "lost_sessions == 0").0, Fail);
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
