//! Trials of several nodes.

use std::collections::BTreeMap;

use comeback_model::plan::{Arm, Target};

use super::*;
use crate::measure::{Culprit, Time};

pub(super) fn boot_of(replica: u32) -> BootId {
    match replica {
        // The one that is faulted.
        0 => old_boot(),
        other => BootId::from_header(format!("replica {other}").as_bytes()),
    }
}

/// Three replicas behind a balancer, beside a store; the first replica is killed and comes back.
pub(super) fn behind_a_balancer() -> Story {
    let mut story = Story::faulted().planned(|plan| {
        let arm: &mut Arm = &mut plan.arms[0];
        let other: Target = arm.target.clone();
        arm.replicas = 3;
        arm.balancer = Some(other.clone());
        arm.store = Some(other);
    });
    for (node, boot) in [
        (Node::Store, None),
        (Node::Replica(1), Some(boot_of(1))),
        (Node::Replica(2), Some(boot_of(2))),
        (Node::Balancer, None),
    ] {
        let start = Event {
            at: ms(500),
            trial: Some(TrialId(0)),
            kind: EventKind::TargetExecuted {
                node,
                incarnation: Incarnation(0),
                pid: 1,
                requested_us: ms(499),
                launched_us: None,
            },
        };
        let ready = Event {
            at: ms(501),
            trial: Some(TrialId(0)),
            kind: EventKind::TargetReady { node, boot },
        };
        story.events.splice(1..1, [start, ready]);
    }
    story
}

impl Op {
    pub(super) fn by(mut self, replica: u32) -> Self {
        self.0.boot = Some(boot_of(replica));
        self
    }

    pub(super) fn failed(mut self, class: ErrorClass, status: Option<u16>) -> Self {
        self.0.error = Some(class);
        self.0.status = status;
        self.0.boot = None;
        self.0.outcome = Outcome::Indeterminate;
        self
    }

    /// The balancer answered itself: it had asked this replica in vain.
    pub(super) fn in_vain(self, replica: u32) -> Self {
        let mut op = self.failed(ErrorClass::ServerError, Some(502));
        op.0.failed_replica = Some(replica);
        op
    }

    /// The balancer says that this replica gave the reply, which names nobody.
    pub(super) fn relayed(mut self, replica: u32) -> Self {
        self.0.boot = None;
        self.0.replica = Some(replica);
        self
    }
}

#[test]
fn who_served_and_who_failed_is_told_by_the_reply() {
    use ErrorClass::{Reset, ServerError, SessionRejected, Unsent};
    let story = behind_a_balancer().does([
        look(1, 1_500).by(0),
        look(1, 1_600).by(1),
        look(1, 1_700).by(1),
        look(1, 4_000).by(2),
        // The faulted one, back under its new name, and one that nobody knows.
        look(1, 4_100),
        {
            let mut stranger = look(1, 4_200);
            stranger.0.boot = Some(BootId::from_header(b"stranger"));
            stranger
        },
        look(2, 1_500).failed(Unsent, None),
        look(2, 3_050).failed(Reset, None),
        look(2, 3_060).failed(ServerError, Some(503)),
        look(2, 3_070).failed(ServerError, Some(500)).by(1),
        look(2, 1_600).failed(SessionRejected, Some(401)).by(2),
    ]);
    let attribution = story.trial().attribution;
    let served: Vec<(Option<Node>, u64)> = attribution.served.into_iter().collect();
    let replica = |number| Some(Node::Replica(number));
    assert_eq!(
        served,
        [(None, 1), (replica(0), 2), (replica(1), 2), (replica(2), 1)]
    );
    let failed: Vec<(Culprit, u64)> = attribution.failed.into_iter().collect();
    assert_eq!(
        failed,
        [
            (Culprit::Client, 1),
            (Culprit::Balancer, 2),
            (Culprit::Replica, 2)
        ]
    );
}

/// As [`behind_a_balancer`], and the store is killed.
pub(super) fn before_a_killed_store() -> Story {
    let mut story = behind_a_balancer();
    for event in &mut story.events {
        if let EventKind::TargetExited { node, .. } | EventKind::FaultRequested { node, .. } =
            &mut event.kind
        {
            *node = Node::Store;
        }
    }
    story
}

#[test]
fn what_replicas_refuse_while_the_store_is_down_is_the_stores() {
    let story = before_a_killed_store().does([
        look(1, 1_500).by(1),
        look(2, 1_500)
            .failed(ErrorClass::ServerError, Some(503))
            .by(1),
        look(2, 3_050)
            .failed(ErrorClass::ServerError, Some(503))
            .by(1),
        look(2, 4_050)
            .failed(ErrorClass::ServerError, Some(503))
            .by(2),
    ]);
    let failed: Vec<(Culprit, u64)> = story.trial().attribution.failed.into_iter().collect();
    // Before it went down and after it was back it is no excuse.
    assert_eq!(failed, [(Culprit::Replica, 2), (Culprit::Store, 1)]);
}

#[test]
fn what_another_replica_says_after_t0_is_not_from_before_it() {
    let at = CUT - 1;
    let mut late = act(1, at).by(1).value(1).finished(CUT + 50);
    late.0.sent = Some(ms(at));
    let story = |op: Op| {
        behind_a_balancer().serves(BASELINE, FAULT, 10).does([
            login(1, 1_000).by(1).value(0),
            op,
            finds(1, 0),
        ])
    };
    // Acknowledged by one that lived: the fault did not take it from the ledger's side of T0.
    let trial = story(late.clone()).trial();
    assert_eq!((trial.writes.acknowledged, trial.writes.lost), (0, 0));
    // Acknowledged by the faulted one, read after T0: it was said before.
    let trial = story(late.by(0)).trial();
    assert_eq!((trial.writes.acknowledged, trial.writes.lost), (1, 1));
}

#[test]
fn with_several_faulted_t0_is_the_last_exit() {
    let mut second = injected_exit();
    if let EventKind::TargetExited { node, .. } = &mut second {
        *node = Node::Replica(1);
    }
    let mut story = behind_a_balancer();
    let place = story
        .events
        .iter()
        .position(|event| event.kind == injected_exit())
        .unwrap();
    story.events.insert(
        place + 1,
        Event {
            at: ms(CUT + 4),
            trial: Some(TrialId(0)),
            kind: second,
        },
    );
    let chain = story.trial().chain;
    assert_eq!(chain.killed, Some(FAULT as f64 - (CUT + 4) as f64));
}

#[test]
fn with_several_faulted_the_service_is_back_with_the_last_of_them() {
    // The balancer had an answer from the first that was back.
    let other = Node::Replica(1);
    let exited = EventKind::TargetExited {
        node: other,
        incarnation: Incarnation(0),
        exit: Exit::Signal(9),
        cause: ExitCause::Injected(FaultId::FIRST),
        tail: Vec::new(),
    };
    let trial = behind_a_balancer()
        .event(CUT, exited)
        .event(3_900, returned(other, BootId::from_header(b"one again")))
        .trial();
    assert!(
        matches!(trial.chain.ready, Some(Time::At { ms, .. }) if ms == (3_900 - CUT) as f64),
        "{:?}",
        trial.chain
    );
}

#[test]
fn an_untouched_node_that_ends_is_named_and_is_no_failed_recovery() {
    let ended = |node| EventKind::TargetExited {
        node,
        incarnation: Incarnation(0),
        exit: Exit::Status(1),
        cause: ExitCause::Unexpected,
        tail: Vec::new(),
    };
    let trial = |node| {
        let mut story = behind_a_balancer();
        let end = story.events.len() - 2;
        story.events.insert(
            end,
            Event {
                at: ms(SETTLED),
                trial: Some(TrialId(0)),
                kind: ended(node),
            },
        );
        story.trial()
    };
    let untouched = trial(Node::Replica(2));
    assert!(untouched.not_back().is_none());
    assert_eq!(
        untouched.findings,
        ["replica 2 exited with status 1 by itself"]
    );
    assert!(trial(Node::Replica(0)).not_back().is_some());
    let balancer = trial(Node::Balancer);
    assert_eq!(
        balancer.findings,
        ["the balancer exited with status 1 by itself"]
    );
}

#[test]
fn whom_the_balancer_asked_in_vain_failed() {
    let story = behind_a_balancer().does([
        look(1, 1_500).by(1),
        look(2, 3_050).in_vain(0),
        look(3, 3_060).in_vain(0),
        // The balancer's own words: no replica is up.
        look(4, 3_070).failed(ErrorClass::ServerError, Some(503)),
        look(5, 1_700)
            .failed(ErrorClass::SessionRejected, Some(401))
            .by(2),
        // There is no such replica: the balancer's word alone makes none.
        look(6, 3_050).in_vain(7),
    ]);
    let attribution = story.trial().attribution;
    let failed: Vec<(Culprit, u64)> = attribution.failed.into_iter().collect();
    assert_eq!(failed, [(Culprit::Balancer, 1), (Culprit::Replica, 4)]);
    let by: Vec<(Node, u64)> = attribution.failed_by.into_iter().collect();
    assert_eq!(by, [(Node::Replica(0), 2), (Node::Replica(2), 1)]);
}

#[test]
fn where_replicas_name_nobody_the_balancer_does() {
    let nameless = |story: Story| story.planned(|plan| plan.arms[0].target.boot_header = None);
    let story = nameless(behind_a_balancer()).does([
        look(1, 1_500).relayed(2),
        look(2, 1_500).relayed(2),
        look(3, 1_500).relayed(9),
        look(4, 3_050).failed(ErrorClass::ServerError, Some(503)),
    ]);
    let attribution = story.trial().attribution;
    let served: Vec<(Option<Node>, u64)> = attribution.served.into_iter().collect();
    assert_eq!(served, [(None, 1), (Some(Node::Replica(2)), 2)]);
    let failed: Vec<(Culprit, u64)> = attribution.failed.into_iter().collect();
    assert_eq!(failed, [(Culprit::Balancer, 1)]);
    // Where nobody is named at all, a reply is the replicas'.
    let silent = nameless(behind_a_balancer()).does([
        look(1, 1_500).boot(None),
        look(4, 3_050).failed(ErrorClass::ServerError, Some(503)),
    ]);
    let attribution = silent.trial().attribution;
    let failed: Vec<(Culprit, u64)> = attribution.failed.into_iter().collect();
    assert_eq!(failed, [(Culprit::Replica, 1)]);
}

#[test]
fn each_window_of_the_timeline_knows_its_own_culprits() {
    let story = behind_a_balancer().does([
        look(1, 1_550).by(1),
        look(2, 3_010).in_vain(0),
        look(3, 3_020).by(2),
        look(4, 3_120).by(1),
        look(5, 5_050).by(1),
    ]);
    let trial = story.trial();
    let mut sum = crate::measure::Attribution::default();
    for window in &trial.timeline {
        sum.merge(&window.attribution);
        let counted: u64 = window.attribution.failed.values().sum();
        assert_eq!(counted, window.errors.failures(), "{}", window.start_ms);
        let served: u64 = window.attribution.served.values().sum();
        assert_eq!(served, window.errors.correct(), "{}", window.start_ms);
    }
    assert_eq!(sum.failed_by, BTreeMap::from([(Node::Replica(0), 1)]));
    let at_fault = trial.timeline.iter().find(|window| window.start_ms == 0.0);
    let at_fault = &at_fault.unwrap().attribution;
    assert_eq!(at_fault.failed, BTreeMap::from([(Culprit::Replica, 1)]));
    let served = BTreeMap::from([(Some(Node::Replica(2)), 1)]);
    assert_eq!(at_fault.served, served);
}

#[test]
fn continuity_is_what_follows_a_login_and_finds_its_session() {
    let story = behind_a_balancer().does([
        login(1, 1_100).by(1),
        act(1, 1_200).by(1),
        look(1, 1_300)
            .failed(ErrorClass::SessionRejected, Some(401))
            .by(2),
        login(1, 1_400).by(2),
        act(1, 1_500).by(2),
        // Never sent, or after the fault: no evidence of continuity without one.
        act(2, 1_600).unsent(ErrorClass::Unsent),
        look(3, 3_050).in_vain(0),
        look(3, 4_050).by(1),
    ]);
    let continuity = story.trial().continuity;
    assert_eq!((continuity.kept, continuity.sent), (2, 3));
    assert_eq!(Story::control().trial().continuity.rate(), None);
}
