//! How long some and all of the replicas were down.

use super::nodes::behind_a_balancer;
use super::*;
use crate::measure::{Downtime, NodeOutage, Time};

/// A trial whose load is wanted until [`SETTLED`].
fn loaded(story: Story) -> Story {
    story.does([look(1, 1_500).by(1), look(1, SETTLED - 1).by(1)])
}

fn exit_of(node: Node, cause: ExitCause) -> EventKind {
    EventKind::TargetExited {
        node,
        incarnation: Incarnation(0),
        exit: Exit::Signal(9),
        cause,
        tail: Vec::new(),
    }
}

fn is_return(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::TargetReturned { .. } | EventKind::FirstCorrect { .. }
    )
}

/// The same, with these exits in place of the one of the first replica.
fn faulted(exits: &[(u64, Node)]) -> Story {
    let mut story =
        behind_a_balancer().without(|kind| matches!(kind, EventKind::TargetReturned { .. }));
    let place = story
        .events
        .iter()
        .position(|event| event.kind == injected_exit());
    let place = place.unwrap();
    story.events.remove(place);
    for (at, node) in exits.iter().rev() {
        let kind = exit_of(*node, ExitCause::Injected(FaultId::FIRST));
        let (at, trial) = (ms(*at), Some(TrialId(0)));
        story.events.insert(place, Event { at, trial, kind });
    }
    story
}

/// Ends that nobody asked for, in order, before the load ends.
fn and_ends(mut story: Story, at: u64, node: Node) -> Story {
    let place = story.events.len() - 3;
    let (at, trial, kind) = (
        ms(at),
        Some(TrialId(0)),
        exit_of(node, ExitCause::Unexpected),
    );
    story.events.insert(place, Event { at, trial, kind });
    story
}

fn at(ms: u64, error_ms: u64) -> Time {
    Time::At {
        ms: ms as f64,
        error_ms: error_ms as f64,
    }
}

fn beyond(ms: u64) -> Time {
    Time::Beyond { ms: ms as f64 }
}

#[track_caller]
fn check(story: Story, partial: Time, total: Time) {
    let seen = loaded(story).trial().nodes.downtime;
    assert_eq!(seen, Some(Downtime { partial, total }));
}

#[test]
fn one_of_three_is_partly_down_until_its_own_first_reply() {
    check(behind_a_balancer(), at(RECOVERED - CUT, 5), at(0, 0));
    let outages = loaded(behind_a_balancer()).trial().nodes.outages;
    let outage = NodeOutage {
        node: Node::Replica(0),
        from_ms: 2.0,
        to_ms: Some(100.0),
    };
    assert_eq!(outages, [outage]);
}

#[test]
fn the_only_one_is_all_of_them_and_so_is_what_stands_in_front() {
    let single = behind_a_balancer().planned(|plan| plan.arms[0].replicas = 1);
    check(single, at(0, 0), at(RECOVERED - CUT, 5));
    check(
        faulted(&[(CUT, Node::Balancer)]),
        at(0, 0),
        at(RECOVERED - CUT, 5),
    );
}

#[test]
fn a_store_is_no_replica() {
    check(faulted(&[(CUT, Node::Store)]), at(0, 0), at(0, 0));
}

#[test]
fn one_that_never_came_back_is_down_beyond_the_end() {
    let story = behind_a_balancer().without(is_return);
    check(story, beyond(SETTLED - CUT), at(0, 0));
}

#[test]
fn one_that_died_again_is_down_again() {
    // 98 ms, and from 4,100 to the end at 5,100.
    let story = and_ends(behind_a_balancer(), 4_100, Node::Replica(0));
    check(story, beyond(RECOVERED - CUT + 1_000), at(0, 0));
}

#[test]
fn an_untouched_node_that_ends_is_down_too() {
    let story = and_ends(behind_a_balancer(), 4_100, Node::Replica(2));
    check(story, beyond(RECOVERED - CUT + 1_000), at(0, 0));
    // With all of them gone in the end it is the total that is open.
    let story = [0, 1, 2]
        .into_iter()
        .fold(behind_a_balancer(), |story, number| {
            and_ends(
                story,
                4_000 + 100 * u64::from(number),
                Node::Replica(number),
            )
        });
    check(story, at(RECOVERED - CUT + 200, 5), beyond(SETTLED - 4_200));
}

/// It answers the probe itself, for the first time again.
fn and_returns(mut story: Story, at: u64, node: Node, boot: BootId) -> Story {
    let place = story.events.len() - 3;
    let kind = EventKind::TargetReturned {
        fault: FaultId::FIRST,
        node,
        last_failed_us: Some(ms(at - 2)),
        evidence: Evidence::BootId(boot),
        unowned: None,
    };
    let (at, trial) = (ms(at), Some(TrialId(0)));
    story.events.insert(place, Event { at, trial, kind });
    story
}

#[test]
fn of_several_faulted_each_is_down_for_itself() {
    let all = [0, 1, 2].map(|number| (CUT + u64::from(number), Node::Replica(number)));
    let returns = [(1, RECOVERED), (0, 3_141), (2, 3_181)];
    let told = returns.iter().fold(faulted(&all), |story, (number, at)| {
        and_returns(story, *at, Node::Replica(*number), new_boot())
    });
    let seen = loaded(told).trial().nodes.downtime.unwrap();
    // The first that is back ends the total; then they come one by one.
    let (partial, total) = (3_181 - RECOVERED + 2, RECOVERED - (CUT + 2));
    assert_eq!(seen.total.or_infinite(), total as f64);
    assert_eq!(seen.partial.or_infinite(), partial as f64);
    // That the service answers says of no replica that it is back.
    check(faulted(&all), at(2, 0), beyond(SETTLED - (CUT + 2)));
}

#[test]
fn one_that_stands_still_is_down_until_it_answers_again() {
    let mut story = behind_a_balancer().without(is_return);
    for event in &mut story.events {
        if event.kind == injected_exit() {
            let node = Node::Replica(0);
            event.kind = EventKind::TargetPaused {
                evidence: String::new(),
                fault: FaultId::FIRST,
                node,
            };
        }
    }
    let story = and_returns(story, RECOVERED, Node::Replica(0), old_boot());
    check(story, at(RECOVERED - CUT, 2), at(0, 0));
}

#[test]
fn without_a_fault_nothing_is_down_unless_it_ends() {
    let control = |story: Story| {
        let mut story = story.without(|kind| matches!(kind, EventKind::TargetExited { .. }));
        for event in &mut story.events {
            if let EventKind::TrialStarted { control, .. } = &mut event.kind {
                *control = true;
            }
        }
        story
    };
    check(control(behind_a_balancer()), at(0, 0), at(0, 0));
    let story = and_ends(control(behind_a_balancer()), 4_100, Node::Replica(1));
    check(story, beyond(1_000), at(0, 0));
}
