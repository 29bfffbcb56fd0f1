//! What a balancer notices of a replica, and when.

use super::nodes::{behind_a_balancer, boot_of};
use super::*;
use crate::measure::{Balancing, LastSent, Time};
use crate::summary::summarize;
use crate::verdict::{self, Verdict};

fn balancing(story: &Story) -> Balancing {
    story.trial().nodes.balancing.unwrap()
}

fn last_sent(ms: u64, error_ms: u64) -> Result<LastSent, &'static str> {
    Ok(LastSent {
        ms: ms as f64,
        error_ms: error_ms as f64,
    })
}

#[test]
fn detect_is_the_last_request_that_went_to_the_dead_replica() {
    let story = behind_a_balancer().does([
        look(1, 2_990).in_vain(0).finished(CUT - 1),
        look(2, CUT + 4).in_vain(0).finished(CUT + 9),
        look(3, CUT + 7).in_vain(0).finished(CUT + 8),
        look(4, CUT + 6).by(1),
        // About one that was not faulted.
        look(5, CUT + 20).in_vain(2),
        // No replica is named: the balancer sent it nowhere.
        look(6, CUT + 30).failed(ErrorClass::ServerError, Some(503)),
        // After the recovery it is no sign that the end was not noticed; before the fault none at all.
        look(7, RECOVERED + 5).in_vain(0),
        look(8, 1_500).in_vain(0),
    ]);
    assert_eq!(balancing(&story).detect, last_sent(7, 1));
}

#[test]
fn what_was_under_way_at_the_kill_may_be_all_that_is_noticed() {
    let story = behind_a_balancer().does([look(1, 2_990).in_vain(0).finished(CUT + 1)]);
    let detect = balancing(&story).detect.unwrap();
    assert_eq!((detect.ms, detect.error_ms), (-12.0, 13.0));
}

#[test]
fn a_balancer_that_names_nobody_has_no_detect_time_and_the_reason_is_said() {
    let silent = behind_a_balancer().serves(BASELINE, FAULT, 10).does([
        look(1, CUT + 5).failed(ErrorClass::ServerError, Some(502)),
        look(2, CUT + 9).failed(ErrorClass::Reset, None),
        look(3, 4_000).by(0).boot(Some(new_boot())),
    ]);
    let seen = balancing(&silent);
    let reason = seen.detect.unwrap_err();
    assert!(reason.contains("it does not say"), "{reason}");
    let verdict = Verdict {
        outcome: verdict::Outcome::Pass,
        headline: String::new(),
        reasons: Vec::new(),
        checks: Vec::new(),
        baseline: None,
    };
    let arm = summarize(&silent.analysis(), &verdict).arms.remove(0);
    let nodes = arm.nodes.unwrap();
    assert_eq!(
        (nodes.balancer_detect_ms.n, nodes.balancer_detect_ms.median),
        (0, None)
    );
    assert_eq!(nodes.balancer_detect_unknown, [reason]);
    assert_eq!(nodes.balancer_return_ms.median, Some(901.0));
}

#[test]
fn it_is_back_with_its_first_reply_through_the_balancer() {
    let story = behind_a_balancer().does([
        look(1, RECOVERED + 50).by(1),
        look(2, RECOVERED + 110).finished(RECOVERED + 114),
        look(3, RECOVERED + 112).finished(RECOVERED + 113),
    ]);
    let time = Time::At {
        ms: 113.0,
        error_ms: 1.0,
    };
    assert_eq!(balancing(&story).back, Ok(time));
    // A user it does not know is an answer of it, too.
    let rejected = look(1, RECOVERED + 4).rejected(ErrorClass::SessionRejected);
    let story = behind_a_balancer().does([rejected]);
    let time = Time::At {
        ms: 5.0,
        error_ms: 1.0,
    };
    assert_eq!(balancing(&story).back, Ok(time));
}

#[test]
fn one_that_gets_nothing_any_more_is_beyond_the_loads_end() {
    let story =
        behind_a_balancer().does([look(1, RECOVERED + 50).by(1), look(1, SETTLED - 1).by(1)]);
    let beyond = Time::Beyond {
        ms: (SETTLED - RECOVERED) as f64,
    };
    assert_eq!(balancing(&story).back, Ok(beyond));
    let mut never = behind_a_balancer().does([look(1, 3_500).by(1)]);
    never.events.retain(|event| {
        !matches!(
            event.kind,
            EventKind::TargetReturned { .. } | EventKind::FirstCorrect { .. }
        )
    });
    let reason = balancing(&never).back.unwrap_err();
    assert_eq!(reason, "what was faulted did not come back");
}

#[test]
fn without_names_the_balancers_word_must_do() {
    let owned = |mut story: Story| {
        story.plan.arms[0].target.boot_header = None;
        for event in &mut story.events {
            if let EventKind::FirstCorrect { evidence, .. }
            | EventKind::TargetReturned { evidence, .. } = &mut event.kind
            {
                *evidence = Evidence::SocketOwner(1);
            }
        }
        story
    };
    let story = owned(behind_a_balancer()).does([
        // The old process answered it.
        look(1, CUT - 3).relayed(0).finished(CUT + 1),
        look(2, RECOVERED + 30).relayed(2),
        look(3, RECOVERED + 40).relayed(0),
    ]);
    let time = Time::At {
        ms: 41.0,
        error_ms: 1.0,
    };
    assert_eq!(balancing(&story).back, Ok(time));
    let silent = owned(behind_a_balancer()).does([look(1, RECOVERED + 30).boot(None)]);
    let reason = balancing(&silent).back.unwrap_err();
    assert!(reason.contains("say which replica answered"), "{reason}");
}

#[test]
fn there_is_nothing_to_notice_without_a_faulted_replica_or_a_balancer() {
    let faulted = |node: Node| {
        let mut story = behind_a_balancer().does([look(1, 3_050).in_vain(0)]);
        for event in &mut story.events {
            if let EventKind::TargetExited { node: of, .. } = &mut event.kind {
                *of = node;
            }
        }
        story
    };
    assert!(faulted(Node::Store).trial().nodes.balancing.is_none());
    assert!(faulted(Node::Balancer).trial().nodes.balancing.is_none());
    let alone = Story::faulted().does([look(1, 3_050)]);
    assert_eq!(alone.trial().nodes, Default::default());
}

#[test]
fn of_several_faulted_the_last_request_to_any_counts_from_its_own_exit() {
    let mut story = behind_a_balancer().does([
        look(1, CUT + 10).in_vain(0),
        look(2, CUT + 12).in_vain(1),
        look(3, 4_000).boot(Some(boot_of(9))),
    ]);
    let place = story
        .events
        .iter()
        .position(|event| event.kind == injected_exit());
    let EventKind::TargetExited {
        exit,
        cause,
        tail,
        incarnation,
        ..
    } = injected_exit()
    else {
        unreachable!()
    };
    let kind = EventKind::TargetExited {
        node: Node::Replica(1),
        exit,
        cause,
        tail,
        incarnation,
    };
    let (at, trial) = (ms(CUT + 4), Some(TrialId(0)));
    story
        .events
        .insert(place.unwrap() + 1, Event { at, trial, kind });
    let seen = balancing(&story);
    assert_eq!(seen.detect, last_sent(10, 1));
    // The second did not come back itself.
    assert_eq!(seen.back, Err("what was faulted did not come back"));
    let place = story.events.len() - 3;
    for (at, number, boot) in [(RECOVERED, 0, new_boot()), (RECOVERED + 60, 1, boot_of(9))] {
        let kind = EventKind::TargetReturned {
            fault: FaultId::FIRST,
            node: Node::Replica(number),
            last_failed_us: None,
            evidence: Evidence::BootId(boot),
            unowned: None,
        };
        let (at, trial) = (ms(at), Some(TrialId(0)));
        story.events.insert(place, Event { at, trial, kind });
    }
    let story = story.does([look(4, RECOVERED + 9).boot(Some(new_boot()))]);
    // That of the second counts: it took longer.
    let time = Time::At {
        ms: (4_001 - (RECOVERED + 60)) as f64,
        error_ms: 1.0,
    };
    assert_eq!(balancing(&story).back, Ok(time));
}

#[test]
fn what_a_paused_replica_answered_before_is_no_return() {
    let mut story = behind_a_balancer();
    for event in &mut story.events {
        if event.kind == injected_exit() {
            let node = Node::Replica(0);
            event.kind = EventKind::TargetPaused {
                evidence: String::new(),
                fault: FaultId::FIRST,
                node,
            };
        }
        if let EventKind::FirstCorrect { evidence, .. }
        | EventKind::TargetReturned { evidence, .. } = &mut event.kind
        {
            *evidence = Evidence::BootId(old_boot());
        }
    }
    let story = story.does([
        look(1, CUT - 10).by(0),
        look(2, CUT - 1).by(0).finished(CUT + 1),
        look(3, RECOVERED + 20).by(0),
    ]);
    let time = Time::At {
        ms: 21.0,
        error_ms: 1.0,
    };
    assert_eq!(balancing(&story).back, Ok(time));
}
