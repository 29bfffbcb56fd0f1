//! A trial from close by.

use super::*;
use crate::measure::{Ending, SessionFate};

#[test]
fn sessions_that_lost_something_come_first_and_show_what_their_users_did() {
    let trial = Story::faulted()
        .does([
            login(0, 500),
            look(0, 1_500).finished(1_512),
            login(1, 600),
            look(1, 2_990).unanswered(3_004),
            finds(0, 0),
            meets(1, ErrorClass::SessionRejected),
        ])
        .trial();
    let sight = &trial.sight;
    let fates: Vec<(u32, SessionFate)> = sight
        .sessions
        .iter()
        .map(|line| (line.id.client.0, line.fate))
        .collect();
    assert_eq!(fates, [(1, SessionFate::Lost), (0, SessionFate::Kept)]);
    assert_eq!(sight.sessions_in_all, 2);
    let marks = &sight.sessions[0].marks;
    let endings: Vec<Ending> = marks.iter().map(|mark| mark.ending).collect();
    assert_eq!(endings, [Ending::Correct, Ending::Cut, Ending::Failed]);
    assert_eq!(marks[1].at_ms, 4.0);
}

#[test]
fn operations_in_flight_are_those_that_the_fault_met() {
    let trial = Story::faulted()
        .does([
            login(0, 500),
            look(0, 2_980).finished(2_985),
            look(1, 2_990).unanswered(3_004),
            look(0, 3_500),
            finds(0, 0),
        ])
        .trial();
    let met = &trial.sight.met;
    assert_eq!(trial.sight.met_in_all, trial.in_flight.scheduled);
    assert_eq!(met.len(), 1, "{met:?}");
    assert_eq!((met[0].session.client.0, met[0].finished_ms), (1, 4.0));
    assert!(met[0].sent_ms < 0.0 && met[0].error.is_some());
}
