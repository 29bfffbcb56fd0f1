//! Users' journeys, and which of them the fault tore.

use comeback_model::plan::Request;

use super::*;
use crate::measure::Windowed;
use crate::measure::{JourneyOperations, Journeys};

/// What became of the journeys of a story, as `(all, torn, undecided)` and the operations.
fn journeys(story: Story) -> Journeys {
    story.trial().journeys.unwrap()
}

fn counts(journeys: &Journeys) -> (u64, u64, u64) {
    (journeys.all, journeys.torn, journeys.undecided)
}

fn operations(scheduled: u64, torn: u64) -> JourneyOperations {
    JourneyOperations {
        scheduled,
        torn,
        undecided: 0,
    }
}

/// A login and so many writes after it, one every 100 ms, each showing the counter.
fn visits(client: u32, from: u64, writes: u64) -> impl Iterator<Item = Op> {
    let written = (1..=writes).map(move |number| act(client, from + 100 * number).value(number));
    std::iter::once(login(client, from)).chain(written)
}

#[test]
fn one_failed_operation_tears_all_ten_of_its_journey() {
    let story = Story::faulted()
        .does(visits(0, 2_000, 8))
        .does([act(0, FAULT + 20).unsent(ErrorClass::Refused)])
        .does([finds(0, 8)])
        .does(visits(1, 2_000, 4))
        .does([finds(1, 4)]);
    let journeys = journeys(story);
    assert_eq!(counts(&journeys), (2, 1, 0));
    let expected = Windowed {
        before: operations(9 + 5, 9),
        during: operations(1, 1),
        after: operations(0, 0),
    };
    assert_eq!(journeys.operations, expected);
    assert_eq!(journeys.total().goodput(), Some(5.0 / 15.0));
}

#[test]
fn a_failure_before_the_fault_is_not_laid_to_it() {
    let story = Story::faulted()
        .does(visits(0, 2_000, 4))
        .does([look(0, 2_600).rejected(ErrorClass::ServerError)])
        .does([finds(0, 4)]);
    assert_eq!(counts(&journeys(story)), (1, 0, 0));
}

#[test]
fn what_was_under_way_at_the_fault_and_failed_is_laid_to_it() {
    let story = Story::faulted()
        .does(visits(0, 2_000, 4))
        .does([act(0, FAULT - 1).unanswered(FAULT + 1)])
        .does([finds(0, 4)]);
    assert_eq!(counts(&journeys(story)), (1, 1, 0));
}

#[test]
fn who_logged_out_before_the_fault_has_a_whole_journey_whatever_becomes_of_the_server() {
    let done = |story: Story| {
        let story = story.does(visits(0, 2_000, 4)).does([logout(0, 2_600)]);
        counts(&journeys(story))
    };
    assert_eq!(done(Story::faulted()), (1, 0, 0));
    assert_eq!(done(Story::never_recovered()), (1, 0, 0));
}

#[test]
fn a_login_under_way_at_the_fault_is_a_journey_that_the_fault_tore() {
    let unanswered = login(0, FAULT - 1).unanswered(FAULT + 1);
    let again = login(0, FAULT + 20)
        .unsent(ErrorClass::Refused)
        .generation(1);
    let at_last = login(0, RECOVERED + 10).generation(2);
    let journeys = journeys(Story::faulted().does([unanswered, again, at_last]));
    assert_eq!(counts(&journeys), (3, 2, 0));
    assert_eq!(journeys.operations.during, operations(2, 2));
    assert_eq!(journeys.operations.after, operations(1, 0));
}

#[test]
fn a_lost_session_tears_the_journey_of_a_user_who_does_not_come_back() {
    let lost = Story::faulted()
        .does(visits(0, 2_000, 4))
        .does([meets(0, ErrorClass::SessionRejected)]);
    assert_eq!(counts(&journeys(lost)), (1, 1, 0));
    let set_back = Story::faulted()
        .does(visits(0, 2_000, 4))
        .does([finds(0, 3)]);
    assert_eq!(counts(&journeys(set_back)), (1, 1, 0));
}

#[test]
fn a_session_without_a_definite_answer_leaves_its_journey_undecided() {
    let story = |end: Op| Story::faulted().does(visits(0, 2_000, 4)).does([end]);
    let open = journeys(story(meets(0, ErrorClass::ResponseTimeout)));
    assert_eq!(counts(&open), (1, 0, 1));
    assert_eq!(open.total().goodput(), None);
    // What failed for certain needs no look at the end.
    let failed = story(meets(0, ErrorClass::ResponseTimeout));
    let failed = failed.does([act(0, FAULT + 5).unsent(ErrorClass::Refused)]);
    assert_eq!(counts(&journeys(failed)), (1, 1, 0));
    // Who has logged out comes to the end of it, and nothing failed.
    let goodbye = story(logout(0, RECOVERED + 50));
    assert_eq!(counts(&journeys(goodbye)), (1, 0, 0));
}

#[test]
fn without_a_fault_a_journey_is_torn_by_whatever_fails() {
    let clean = Story::control()
        .does(visits(0, 2_000, 4))
        .does([finds(0, 4)]);
    assert_eq!(counts(&journeys(clean)), (1, 0, 0));
    let unclean = Story::control()
        .does(visits(0, 2_000, 4))
        .does([look(0, 2_600).rejected(ErrorClass::ServerError)])
        .does([finds(0, 4)]);
    assert_eq!(counts(&journeys(unclean)), (1, 1, 0));
}

#[test]
fn requests_beside_sessions_belong_to_no_journey_and_without_sessions_there_is_none() {
    let beside = Story::faulted().does(visits(0, 2_000, 4)).does([
        op(Step::Get, 0, FAULT + 5).unsent(ErrorClass::Refused),
        finds(0, 4),
    ]);
    assert_eq!(counts(&journeys(beside)), (1, 0, 0));
    let story = Story::faulted().planned(|plan| {
        plan.load.workload = Workload::Stateless(Box::new(Request::new("GET", "/")));
    });
    assert_eq!(story.trial().journeys, None);
}
