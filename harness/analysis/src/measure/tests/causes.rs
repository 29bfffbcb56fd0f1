//! Why a trial went as it did, and what was wrong before any fault.

use super::*;
use crate::measure::{Cause, causes_of};

fn exits_by_itself(incarnation: u32) -> EventKind {
    EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(incarnation),
        exit: Exit::Status(1),
        cause: ExitCause::Unexpected,
        tail: Vec::new(),
    }
}

#[test]
fn an_old_process_that_lives_on_is_the_cause_only_where_nothing_new_answered() {
    let survivors = || EventKind::SurvivorsFound {
        fault: FaultId::FIRST,
        pids: vec![123],
    };
    let failed = Story::never_recovered().event(5_200, survivors());
    assert_eq!(failed.trial().causes, [Cause::OldProcess]);
    assert_eq!(
        causes_of(&failed.analysis().arms[0]),
        ["an old process kept the port (trial 0)"]
    );
    let recovered = Story::faulted().event(3_100, survivors());
    assert_eq!(recovered.trial().causes, []);
}

#[test]
fn crashes_before_it_served_are_counted() {
    let crashes = Story::never_recovered()
        .event(3_050, exits_by_itself(1))
        .event(3_060, exits_by_itself(2));
    let cause = Cause::Crashed {
        times: 2,
        served: false,
    };
    assert_eq!(crashes.trial().causes, vec![cause.clone()]);
    assert_eq!(
        cause.sentence(),
        "the server crashed 2 times and never served"
    );
    // What ended before the fault, or after it had served, is something else.
    let before = Story::never_recovered().event(2_000, exits_by_itself(0));
    assert_eq!(before.trial().causes, []);
}

#[test]
fn undecided_looks_that_are_all_redirected_ask_for_the_strangers_page() {
    let redirected = |client| {
        let mut look = meets(client, ErrorClass::ClientError);
        look.0.status = Some(302);
        look
    };
    let story = || Story::faulted().does((0..3).map(|client| login(client, 500)));
    let all = story().does([redirected(0), redirected(1), finds(2, 0)]);
    let cause = Cause::Redirected {
        looks: 2,
        status: 302,
    };
    assert_eq!(all.trial().causes, vec![cause.clone()]);
    assert!(cause.sentence().contains("say `logged_out_page`"));
    let some = story().does([
        redirected(0),
        meets(1, ErrorClass::ServerError),
        finds(2, 0),
    ]);
    assert_eq!(some.trial().causes, []);
}

#[test]
fn undecided_sessions_whose_state_no_reply_shows_ask_for_the_value() {
    let known = || {
        let mut look = finds(0, 0);
        look.0.value = None;
        look
    };
    let causes = |looks: Vec<Op>| {
        let story = Story::faulted().does([login(0, 500), act(0, 1_500)]);
        story.does(looks).trial().causes
    };
    let cause = Cause::Stateless { sessions: 1 };
    assert_eq!(causes(vec![known()]), vec![cause.clone()]);
    assert!(cause.sentence().contains("(`value`)"));
    // The state is shown; or the server answers nobody.
    assert_eq!(causes(vec![finds(0, 1)]), []);
    assert_eq!(causes(vec![meets(0, ErrorClass::ServerError)]), []);
}

#[test]
fn sessions_that_are_gone_without_a_fault_are_told() {
    let gone = |story: Story| {
        let gone = look(0, 1_500).rejected(ErrorClass::SessionRejected);
        let trial = story.does([login(0, 500), gone]).trial();
        (trial.causes, trial.before.lost_sessions)
    };
    let evicted = Cause::Evicted { sessions: 1 };
    assert_eq!(gone(Story::faulted()), (vec![evicted.clone()], 1));
    // In a control it is counted as lost.
    assert_eq!(gone(Story::control()), (vec![evicted], 0));
}

#[test]
fn a_state_that_cannot_be_is_quoted_with_what_was_there_before() {
    let before = |story: Story| story.trial().before;
    let constant = || [login(0, 500).value(5), act(0, 1_100).value(5).refuted()];
    let seen = before(Story::faulted().does(constant()));
    assert_eq!(
        (seen.refuted, seen.example.as_deref()),
        (
            1,
            Some("the value at /visits went 5 → 5 after an acknowledged act")
        )
    );
    let looked_at = before(Story::control().does([
        act(0, 1_100),
        act(0, 1_200),
        look(0, 1_300).value(9).refuted(),
    ]));
    assert_eq!(
        looked_at.example.as_deref(),
        Some("the value at /visits was 9 after 2 acknowledged acts")
    );
    // After the fault it is the server's.
    let later = before(Story::faulted().does([act(0, 4_000).value(5).refuted()]));
    assert_eq!(later.refuted, 0);
}
