//! Faults that come at an event of the load.

use comeback_model::event::{Mark, Met, MetWrite};
use comeback_model::plan::fault::{Nth, On, OnEvent};
use comeback_model::units::Span;

use super::sessions::{one, writes};
use super::*;
use crate::measure::WriteCounts;

/// A kill that waits for this event, and what is on record of the write that it waited for.
fn killed_on(event: OnEvent, mark: Mark) -> Story {
    seen_after(Some(200), event, mark)
}

/// The same, when its client had last seen no reply for so long before.
fn seen_after(quiet_us: Option<u64>, event: OnEvent, mark: Mark) -> Story {
    let mut story = Story::faulted();
    let on = On {
        event,
        comes_within: Span::from_secs(10),
    };
    story.plan.faults[0] = story.plan.faults[0].clone().waiting_for(on);
    let met = Met::Write(MetWrite {
        nth: 1,
        client: ClientId(0),
        generation: 0,
        write: None,
        sent_us: ms(2_999),
        acknowledged_before: 1,
    });
    let aimed = EventKind::FaultAimed {
        fault: FaultId::FIRST,
        mark: Some(mark),
        waited_us: 100_000,
        after_us: Some(0),
        quiet_us,
        met: Some(met),
    };
    story.meanwhile(FAULT, aimed)
}

#[test]
fn the_write_at_whose_acknowledgement_a_kill_came_was_acknowledged_before_it() {
    let story = || killed_on(OnEvent::Acknowledgement(Nth::FIRST), Mark::Reply);
    // It is read in the very microsecond of the signal.
    let told = |seen| {
        let operations = [
            login(0, 500),
            act(0, 1_500),
            act(0, 2_999).finished(FAULT),
            finds(0, seen),
        ];
        story().does(operations).trial()
    };
    let lost = told(1);
    assert_eq!(lost.sessions, one(|n| n.reset = 1));
    assert_eq!(lost.writes, writes(2, 1));
    assert_eq!(lost.met.unwrap().aimed_after_us, Some(0));
    let kept = told(2);
    assert_eq!(kept.writes, writes(2, 0));
}

#[test]
fn the_write_that_a_kill_met_unanswered_is_indeterminate_there_or_not() {
    let story = || killed_on(OnEvent::Sent(Nth::FIRST), Mark::Request);
    for seen in [1, 2] {
        let operations = [
            login(0, 500),
            act(0, 1_500),
            act(0, 2_999).unanswered(3_003),
            finds(0, seen),
        ];
        let trial = story().does(operations).trial();
        let WriteCounts {
            acknowledged,
            lost,
            indeterminate,
            ..
        } = trial.writes;
        assert_eq!((acknowledged, lost, indeterminate), (1, 0, 1), "{seen}");
        assert_eq!(trial.met.unwrap().tested, 1);
    }
}

#[test]
fn only_a_kill_that_is_to_come_at_an_acknowledgement_tests_what_was_acknowledged() {
    let tested = |story: Story, finished| {
        let write = act(0, 2_990).finished(finished);
        let met = story.does([write]).trial().met.unwrap();
        assert_eq!(met.in_flight, 0);
        met.tested
    };
    let at_acknowledgement = || killed_on(OnEvent::Acknowledgement(Nth::FIRST), Mark::Reply);
    assert_eq!(tested(at_acknowledgement(), FAULT), 1);
    assert_eq!(tested(at_acknowledgement(), FAULT - 5), 0);
    assert_eq!(tested(Story::faulted(), FAULT), 0);
    // It may have come long before it was read.
    for quiet in [None, Some(20_000)] {
        let late = seen_after(quiet, OnEvent::Acknowledgement(Nth::FIRST), Mark::Reply);
        assert_eq!(tested(late, FAULT), 0);
    }
}
