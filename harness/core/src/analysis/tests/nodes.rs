//! Trials of several nodes.

use super::*;
use crate::plan::{Arm, Target};
use crate::summary::Culprit;

fn boot_of(replica: u32) -> BootId {
    match replica {
        // The one that is struck.
        0 => old_boot(),
        other => BootId::from_header(format!("replica {other}").as_bytes()),
    }
}

/// Three replicas behind a balancer, beside a store; the first replica is killed and comes back.
fn behind_a_balancer() -> Story {
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
    fn by(mut self, replica: u32) -> Self {
        self.0.boot = Some(boot_of(replica));
        self
    }

    fn failed(mut self, class: ErrorClass, status: Option<u16>) -> Self {
        self.0.error = Some(class);
        self.0.status = status;
        self.0.boot = None;
        self.0.outcome = Outcome::Indeterminate;
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
        // The struck one, back under its new name, and one that nobody knows.
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

#[test]
fn what_replicas_refuse_while_the_store_is_down_is_the_stores() {
    let struck = |mut story: Story| {
        for event in &mut story.events {
            if let EventKind::TargetExited { node, .. } | EventKind::FaultRequested { node, .. } =
                &mut event.kind
            {
                *node = Node::Store;
            }
        }
        story
    };
    let story = struck(behind_a_balancer()).does([
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
    // Before it fell and after it was back it is no excuse.
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
    // Acknowledged by the struck one, read after T0: it was said before.
    let trial = story(late.by(0)).trial();
    assert_eq!((trial.writes.acknowledged, trial.writes.lost), (1, 1));
}

#[test]
fn with_several_struck_t0_is_the_last_exit() {
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
fn a_bystander_that_ends_is_named_and_is_no_failed_recovery() {
    let ended = |node| EventKind::TargetExited {
        node,
        incarnation: Incarnation(0),
        exit: Exit::Status(1),
        cause: ExitCause::Unasked,
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
    let bystander = trial(Node::Replica(2));
    assert!(!bystander.died_again);
    assert_eq!(
        bystander.findings,
        ["replica 2 exited with status 1 by itself"]
    );
    assert!(trial(Node::Replica(0)).died_again);
    let balancer = trial(Node::Balancer);
    assert_eq!(
        balancer.findings,
        ["the balancer exited with status 1 by itself"]
    );
}
