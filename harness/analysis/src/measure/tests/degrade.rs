//! Faults that end nothing: conditions are worse for a while.

use comeback_model::plan::fault::Effect;
use comeback_model::units::Span;

use super::nodes::behind_a_balancer;
use super::*;
use crate::measure::{Return, Time};

/// When the conditions are as before.
const OVER: u64 = 4_000;
/// The first correct reply after that.
const BACK: u64 = 4_040;

fn worse() -> EventKind {
    EventKind::TargetDegraded {
        fault: FaultId::FIRST,
        node: Node::default(),
        evidence: "it holds".to_owned(),
    }
}

fn over() -> EventKind {
    EventKind::TargetRestored {
        fault: FaultId::FIRST,
        node: Node::default(),
        evidence: "it was reached".to_owned(),
    }
}

fn ends_by_itself() -> EventKind {
    EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(0),
        exit: Exit::Signal(9),
        cause: ExitCause::Unexpected,
        tail: Vec::new(),
    }
}

fn begun() -> Story {
    let lasts = Span::from_ms(OVER - CUT);
    Story::new(false)
        .planned(|plan| plan.faults[0].effect = Effect::Degrades(lasts))
        .event(
            FAULT,
            EventKind::FaultRequested {
                fault: FaultId::FIRST,
                node: Node::default(),
                begun: "limited".to_owned(),
            },
        )
        .event(CUT, worse())
}

fn ended(story: Story) -> Story {
    let fault = FaultId::FIRST;
    story.event(OVER + 1, EventKind::FaultEnded { fault })
}

/// Conditions are worse until [`OVER`], and the same process answers at [`BACK`].
fn degraded() -> Story {
    ended(begun().event(OVER, over()))
        .event(BACK, returned(Node::default(), old_boot()))
        .event(BACK, first_correct(None))
        .enters(BACK, Phase::Settle)
        .ends()
}

/// Looks that fail from soon after the fault until then.
fn failing(until: u64, class: ErrorClass) -> impl Iterator<Item = Op> {
    let looks = (FAULT + 50..until).step_by(10);
    looks.map(move |at| look(1, at).fails(Outcome::Indeterminate, class))
}

/// A service that answers all the time.
fn served(story: Story) -> Story {
    story.serves(BASELINE, STOPPED, 10)
}

#[test]
fn times_count_from_when_conditions_are_as_before_and_nothing_is_out() {
    let trial = served(degraded()).trial();
    assert_eq!(trial.void, None);
    assert!(trial.landed);
    // The probe has not failed: it may have been ready since the conditions were as before.
    let ready = Time::At {
        ms: 40.0,
        error_ms: 40.0,
    };
    assert_eq!(trial.chain.ready, Some(ready));
    assert_eq!((trial.chain.killed, trial.outage), (None, None));
    assert_eq!((trial.met, trial.returned), (None, Some(Return::ForGood)));
    let gap = trial.client_outage;
    assert!(
        matches!(gap, Some(Time::At { ms, .. }) if ms <= 10.0),
        "{gap:?}"
    );
}

#[test]
fn a_logout_while_conditions_are_worse_hides_nothing_that_they_took() {
    let gone = |client| op(Step::ReadBack, client, READ_BACK).rejected(ErrorClass::SessionRejected);
    let refused = look(0, 3_490).rejected(ErrorClass::SessionRejected);
    let trial = served(degraded())
        .does([login(0, 1_500), refused, logout(0, 3_500), gone(0)])
        .does([login(1, 1_500), look(1, 3_490), logout(1, 3_500), gone(1)])
        .trial();
    let sessions = trial.sessions;
    assert_eq!((sessions.lost, sessions.logged_out), (1, 1), "{sessions:?}");
}

#[test]
fn what_fails_while_conditions_are_worse_is_told_as_errors_during_the_fault() {
    let failing = failing(OVER, ErrorClass::ResponseTimeout);
    let trial = degraded()
        .serves(BASELINE, FAULT, 10)
        .does(failing)
        .serves(BACK, STOPPED, 10)
        .trial();
    assert_eq!(trial.void, None);
    let errors = trial.errors;
    let failed =
        [errors.before, errors.during, errors.after].map(|part| part.failed.values().sum::<u64>());
    assert_eq!(failed, [0, 95, 0]);
    assert_eq!(trial.returned, Some(Return::ForGood));
    // From when they became worse, though times to ready count from when they were over.
    let detected = trial.time_to_detect;
    assert!(
        detected.is_some_and(|ms| (50.0..70.0).contains(&ms)),
        "{detected:?}"
    );
}

#[test]
fn a_service_that_goes_on_failing_when_conditions_are_as_before_is_not_back() {
    let failing = failing(STOPPED, ErrorClass::ServerError);
    let trial = degraded().serves(BASELINE, FAULT, 10).does(failing).trial();
    assert!(
        matches!(trial.returned, Some(Return::Not(_))),
        "{:?}",
        trial.returned
    );
    assert!(matches!(trial.chain.ready, Some(Time::Beyond { .. })));
}

#[test]
fn without_an_end_or_without_load_no_fault_has_landed() {
    let fault = FaultId::FIRST;
    let reason = "the limit was never reached".to_owned();
    let missed = begun().event(OVER, EventKind::FaultMissed { fault, reason });
    let silent = degraded().serves(BASELINE, FAULT - 10, 10);
    for (story, told) in [
        (served(missed.ends()), "the limit was never reached"),
        (
            silent.serves(OVER + 10, STOPPED, 10),
            "the load sent nothing while it held",
        ),
    ] {
        let void = story.trial().void.expect(told);
        assert!(void.reason.contains(told), "{}", void.reason);
    }
}

#[test]
fn a_node_that_ends_meanwhile_and_is_started_again_counts_from_the_faults_end() {
    let trial = ended(begun().event(3_500, ends_by_itself()))
        .event(OVER + 10, executed(1, OVER + 10))
        .event(OVER + 100, returned(Node::default(), new_boot()))
        .event(OVER + 100, first_correct(Some(ms(OVER + 90))))
        .enters(OVER + 100, Phase::Settle)
        .ends()
        .serves(BASELINE, 3_490, 10)
        .serves(OVER + 100, STOPPED, 10)
        .trial();
    let ready = trial.chain.ready;
    assert!(
        matches!(ready, Some(Time::At { ms, .. }) if ms == 99.0),
        "{ready:?}"
    );
    assert_eq!(
        (trial.landed, trial.returned),
        (true, Some(Return::ForGood))
    );
    let told = trial
        .findings
        .iter()
        .any(|found| found.contains("by itself"));
    assert!(told, "{:?}", trial.findings);
}

#[test]
fn load_of_other_replicas_does_not_make_a_fault_land() {
    let worse = |story: Story| {
        let sent = EventKind::FaultRequested {
            fault: FaultId::FIRST,
            node: Node::default(),
            begun: "limited".to_owned(),
        };
        let fault = FaultId::FIRST;
        let story = story.without(|kind| {
            use EventKind::{FaultRequested, FirstCorrect, TargetExited, TargetReturned};
            matches!(
                kind,
                FaultRequested { .. }
                    | TargetExited { .. }
                    | TargetReturned { .. }
                    | FirstCorrect { .. }
            )
        });
        story
            .planned(|plan| plan.faults[0].effect = Effect::Degrades(Span::from_ms(OVER - CUT)))
            .meanwhile(FAULT, sent)
            .meanwhile(CUT, worse())
            .meanwhile(OVER, over())
            .meanwhile(OVER, EventKind::FaultEnded { fault })
            .meanwhile(BACK, returned(Node::default(), old_boot()))
            .meanwhile(BACK, first_correct(None))
    };
    let of_replica = |replica: u32| {
        let load = steadily(BASELINE, STOPPED, 10).map(|op| op.by(replica));
        worse(behind_a_balancer()).does(load).trial()
    };
    assert_eq!(of_replica(0).void, None);
    let void = of_replica(1).void.map(|void| void.reason);
    let told = "the load sent nothing while it held";
    assert!(
        void.as_ref().is_some_and(|why| why.contains(told)),
        "{void:?}"
    );
}

#[test]
fn half_a_body_that_a_proxy_closed_proves_nothing() {
    let of = |closes: bool, unframed: bool| {
        let mut other = look(0, 3_500)
            .rejected(ErrorClass::WrongIdentity)
            .finished(3_510);
        other.0.unframed = unframed;
        let story = degraded().planned(|plan| plan.faults[0].holds_back.closes = closes);
        let trial = story.does([login(0, 500), act(0, 600), other]).trial();
        let failed = trial.errors.during.failed;
        let class = failed.into_keys().next();
        (trial.sessions.wrong_identity, class)
    };
    assert_eq!(of(true, true), (0, Some(ErrorClass::Reset)));
    let anothers = (1, Some(ErrorClass::WrongIdentity));
    assert_eq!((of(true, false), of(false, true)), (anothers, anothers));
}
