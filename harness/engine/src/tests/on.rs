//! Faults that wait for an event: of the load, of a node's output, of a start.

use comeback_model::event::{EventKind, Mark, Met, MetWrite, Phase};
use comeback_model::ids::{ClientId, FaultId, Incarnation};
use comeback_model::plan::Aim;
use comeback_model::plan::fault::{Nth, On, OnEvent};
use comeback_model::units::{Elapsed, Span};
use serde_json::json;

use super::scenario::*;
use crate::trial::Finished;

/// Writes are sent at 2, 16, 30 ms and so on, and acknowledged 7 ms later. The first that is sent after the fault's planned moment is
/// the 44th, at 604 ms.
const WRITES: Span = Span::from_ms(14);

fn nth(nth: u32) -> Nth {
    Nth {
        least: nth,
        most: nth,
    }
}

fn log(text: &str) -> OnEvent {
    OnEvent::Log(text.to_owned())
}

impl Scenario {
    /// A fault waits for an event.
    fn on(self, fault: usize, event: OnEvent) -> Self {
        let comes_within = Span::from_ms(400);
        self.with(|plan| {
            let on = On {
                event,
                comes_within,
            };
            plan.faults[fault] = plan.faults[fault].clone().waiting_for(on);
        })
    }

    fn that_writes(self) -> Self {
        self.mock(|mock| mock.writes_every = WRITES)
    }
}

/// The event that a fault had waited for, its mark, and the lag in µs.
fn met(told: &Told, wanted: u32) -> (Elapsed, Option<Mark>, Option<u64>, Met) {
    let mut met = told.events.iter().filter_map(|event| match &event.kind {
        EventKind::FaultAimed {
            fault: FaultId(fault),
            mark,
            after_us,
            met: Some(met),
            ..
        } if *fault == wanted => Some((event.at, *mark, *after_us, met.clone())),
        _ => None,
    });
    let only = met.next().unwrap();
    assert!(met.next().is_none(), "it waits once");
    only
}

fn write(nth: u32, write: u32, acknowledged_before: u64) -> Met {
    Met::Write(MetWrite {
        nth,
        client: ClientId(0),
        generation: 0,
        write: Some(write),
        sent_us: ms(2) + Span::from_us(WRITES.as_us() * u64::from(write - 1)),
        acknowledged_before,
    })
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_the_third_acknowledgement_comes_with_it_and_names_the_write() {
    let acknowledgement = OnEvent::Acknowledgement(nth(3));
    let told = one_replica().that_writes().on(0, acknowledgement);
    let told = told.run().await;
    assert_eq!(told.requested(REPLICA_0), [ms(639)]);
    let expected = (ms(639), Some(Mark::Reply), Some(0), write(3, 46, 45));
    assert_eq!(met(&told, 0), expected);
    assert_eq!(told.first_correct().len(), 1);
}

/// A login right before the planned moment is old when the event comes at last.
#[tokio::test(start_paused = true)]
async fn newcomers_go_on_logging_in_until_the_fault_comes_that_waits_for_an_event() {
    let acknowledgement = || OnEvent::Acknowledgement(nth(3));
    let newcomers = |told: &Told| {
        ["before", "until"].map(|to| {
            let moments = told.deeds(&format!("newcomers have come {to}"));
            assert_eq!(moments.len(), 1, "{to}");
            moments[0]
        })
    };
    let late = one_replica().that_writes().on(0, acknowledgement());
    let late = late.run().await;
    let [planned, came] = newcomers(&late);
    assert_eq!(late.requested(REPLICA_0), [came]);
    assert!(
        came.since(planned) > ms(20).since(ms(0)),
        "{planned:?} {came:?}"
    );
    // As long without a fault.
    let control = one_replica().that_writes().on(0, acknowledgement());
    let [planned, came] = newcomers(&control.control().run().await);
    assert!(
        came.since(planned) > ms(20).since(ms(0)),
        "{planned:?} {came:?}"
    );
    // A pause takes no login.
    let paused = one_replica().fault("pause", &json!({ "lasts": "50ms" }), Aim::Replica(0));
    let [planned, came] = newcomers(&paused.run().await);
    assert!(came <= planned, "{planned:?} {came:?}");
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_the_second_write_that_is_sent_comes_before_its_reply() {
    let told = one_replica().that_writes().on(0, OnEvent::Sent(nth(2)));
    let told = told.run().await;
    let (at, mark, after, event) = met(&told, 0);
    // A share of the 7 ms that a write takes is drawn.
    let share_us = after.unwrap();
    assert!((1..7_000).contains(&share_us), "{share_us}");
    assert_eq!(at, ms(618) + Span::from_us(share_us));
    assert_eq!(told.requested(REPLICA_0), [at]);
    assert_eq!((mark, event), (Some(Mark::Request), write(2, 45, 44)));
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_sends_no_deadly_signal_waits_for_its_event_too() {
    let acknowledgement = || OnEvent::Acknowledgement(nth(2));
    let pause = one_replica().fault("pause", &json!({ "lasts": "50ms" }), Aim::Replica(0));
    let limit = json!({ "lasts": "50ms", "open": 20 });
    let limit = one_replica().fault("descriptor_limit", &limit, Aim::Replica(0));
    let rolling = two_replicas().with_balancer();
    let rolling = rolling.fault(
        "rolling_restart",
        &json!({ "drain": "1s" }),
        Aim::Replica(0),
    );
    for (scenario, begun) in [(pause, true), (limit, true), (rolling, false)] {
        let told = scenario.that_writes().on(0, acknowledgement()).run().await;
        let (at, mark, lag, _) = met(&told, 0);
        assert_eq!((mark, lag), (Some(Mark::Reply), Some(0)));
        // The second of the acknowledgements that come every 14 ms.
        let waited = at.since(told.entered(Phase::Fault)[0]);
        assert!(WRITES < waited && waited <= WRITES + WRITES, "{waited}");
        if begun {
            assert_eq!(told.requested(REPLICA_0), [at]);
        }
        assert!(told.all_missed().is_empty(), "{:?}", told.all_missed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_of_the_load_that_never_comes_is_a_fault_that_did_not_land() {
    for (kind, parameters) in [("kill", json!({})), ("pause", json!({ "lasts": "50ms" }))] {
        let scenario = one_replica().fault(kind, &parameters, Aim::Replica(0));
        let acknowledgement = OnEvent::Acknowledgement(nth(100));
        let told = scenario.that_writes().on(0, acknowledgement).run().await;
        assert!(told.requested(REPLICA_0).is_empty());
        let missed = told.all_missed();
        // 602 to 1,002 ms.
        let why = "its event never came: of 100 writes that it waited for only 28 were acknowledged in time: raise the rate or \
                   comes_within, or lower nth";
        assert_eq!(missed, [(0, why)], "{kind}");
        assert!(told.analyzed().void.is_some(), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_by_itself_while_an_event_is_waited_for_is_no_kill() {
    let told = one_replica()
        .on(0, OnEvent::Acknowledgement(nth(1)))
        .node(REPLICA_0, |its| {
            its.exits = vec![(
                0,
                Span::from_ms(700),
                comeback_model::event::Exit::Status(1),
            )];
        });
    let told = told.run().await;
    let exits = told.exits(REPLICA_0);
    assert_eq!(exits[0].1, comeback_model::event::ExitCause::Unexpected);
    assert!(told.requested(REPLICA_0).is_empty());
    assert!(told.analyzed().void.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_by_itself_is_not_signalled_by_a_fault_that_waits() {
    let status = comeback_model::event::Exit::Status(1);
    let told = two_replicas()
        .with_balancer()
        .fault("terminate", &json!({}), Aim::Replica(0))
        .that_writes()
        .on(0, OnEvent::Acknowledgement(nth(20)))
        .node(REPLICA_0, |its| {
            its.exits = vec![(0, Span::from_ms(650), status)];
        });
    let told = told.run().await;
    let ended = told.starts(REPLICA_0)[0].0 + Span::from_ms(650);
    let unexpected = comeback_model::event::ExitCause::Unexpected;
    assert_eq!(told.exits(REPLICA_0)[0], (ended, unexpected));
    assert!(told.requested(REPLICA_0).is_empty());
    let why = "replica-0 ended by itself while the event of the fault was waited for";
    assert_eq!(told.all_missed(), [(0, why)]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_ending_at_the_event_is_not_signalled_and_its_end_is_its_own() {
    // It dumps core from 637 to 687 ms; the third acknowledgement comes at 639 ms.
    let crash = comeback_model::event::Exit::Signal(11);
    let told = one_replica()
        .fault("terminate", &json!({}), Aim::Replica(0))
        .that_writes()
        .on(0, OnEvent::Acknowledgement(nth(3)))
        .node(REPLICA_0, |its| {
            its.exits = vec![(0, Span::from_ms(687), crash)];
            its.ends_slowly = Span::from_ms(50);
        });
    let told = told.run().await;
    let unexpected = comeback_model::event::ExitCause::Unexpected;
    assert_eq!(told.exits(REPLICA_0)[0], (ms(687), unexpected));
    assert!(told.requested(REPLICA_0).is_empty());
    assert!(told.confirmed(REPLICA_0).is_empty());
    let why = "the process was ended by signal 11 (SIGSEGV) before SIGTERM reached it";
    assert_eq!(told.all_missed(), [(0, why)]);
    assert!(told.analyzed().void.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_sent_when_its_signal_is_and_not_when_its_process_is_looked_at() {
    let late = Span::from_us(300);
    let told = one_replica()
        .that_writes()
        .on(0, OnEvent::Acknowledgement(nth(3)))
        .node(REPLICA_0, |its| its.sent_after = late);
    let told = told.run().await;
    let sent = ms(639) + late;
    assert_eq!(told.requested(REPLICA_0), [sent]);
    let expected = (sent, Some(Mark::Reply), Some(300), write(3, 46, 45));
    assert_eq!(met(&told, 0), expected);
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_waits_does_not_hold_up_the_restart_after_an_earlier_one() {
    let status = comeback_model::event::Exit::Status(1);
    let told = one_replica()
        .with(|plan| plan.arms[0].target.attempts.most = 3)
        .then(Span::from_ms(100), "kill", &json!({}), Aim::Replica(0))
        .that_writes()
        .on(1, OnEvent::Acknowledgement(nth(20)))
        .node(REPLICA_0, |its| {
            its.exits = vec![(1, Span::from_ms(150), status)];
            its.serves_after = Some(Span::from_ms(180));
        });
    let told = told.run().await;
    let starts = told.starts(REPLICA_0);
    // It ends 150 ms after its start; the second attempt comes 200 ms later.
    assert_eq!(starts.len(), 3, "{starts:?}");
    assert_eq!(starts[2].0, starts[1].0 + Span::from_ms(350));
    let served = starts[2].0 + Span::from_ms(180);
    assert_eq!(told.first_correct(), [served]);
    let why = "replica-0 ended by itself while the event of the fault was waited for";
    assert_eq!(told.all_missed(), [(1, why)]);
}

#[tokio::test(start_paused = true)]
async fn the_first_line_after_the_planned_moment_counts() {
    let says = |at: u64| (0, Span::from_ms(at), format!("checkpoint at {at}"));
    let told = one_replica()
        .on(0, log("checkpoint"))
        .node(REPLICA_0, |its| {
            its.says = vec![says(100), says(650), says(700)]
        });
    let told = told.run().await;
    assert_eq!(told.requested(REPLICA_0), [ms(650)]);
    let line = Met::Line {
        node: REPLICA_0,
        incarnation: Incarnation(0),
        line: "checkpoint at 650".to_owned(),
    };
    assert_eq!(met(&told, 0), (ms(650), None, Some(0), line));
}

#[tokio::test(start_paused = true)]
async fn a_second_kill_comes_at_a_line_of_the_start_after_the_first() {
    let told = one_replica()
        .then(Span::ZERO, "kill", &json!({}), Aim::Replica(0))
        .on(1, log("replaying"))
        .node(REPLICA_0, |its| {
            its.says = vec![(1, Span::from_ms(20), "replaying 3 entries".to_owned())];
        });
    let told = told.run().await;
    let starts = told.starts(REPLICA_0);
    assert_eq!(starts.len(), 3, "{starts:?}");
    let line_at = starts[1].0 + Span::from_ms(20);
    assert_eq!(told.requested(REPLICA_0), [FAULT_AT, line_at]);
    let (_, _, _, event) = met(&told, 1);
    let is_of_second = |event: &Met| matches!(event, Met::Line { incarnation, .. } if *incarnation == Incarnation(1));
    assert!(is_of_second(&event), "{event:?}");
}

#[tokio::test(start_paused = true)]
async fn a_second_kill_comes_so_long_into_the_recovery_from_the_first() {
    let told = one_replica()
        .then(Span::ZERO, "kill", &json!({}), Aim::Replica(0))
        .on(1, OnEvent::Start(Span::from_ms(30)));
    let told = told.run().await;
    let starts = told.starts(REPLICA_0);
    assert_eq!(starts.len(), 3, "{starts:?}");
    let due = starts[1].0 + Span::from_ms(30);
    assert_eq!(told.requested(REPLICA_0), [FAULT_AT, due]);
    let start = Met::Start {
        node: REPLICA_0,
        incarnation: Incarnation(1),
    };
    assert_eq!(met(&told, 1), (due, None, Some(0), start));
}

#[tokio::test(start_paused = true)]
async fn the_time_into_a_start_begins_anew_with_the_next_attempt() {
    let status = comeback_model::event::Exit::Status(1);
    let told = one_replica()
        .with(|plan| {
            let attempts = &mut plan.arms[0].target.attempts;
            (attempts.most, attempts.backoff) = (3, Span::from_ms(5));
        })
        .then(Span::ZERO, "kill", &json!({}), Aim::Replica(0))
        .on(1, OnEvent::Start(Span::from_ms(30)))
        .node(REPLICA_0, |its| {
            its.exits = vec![(1, Span::from_ms(20), status)];
        });
    let told = told.run().await;
    let starts = told.starts(REPLICA_0);
    let due = starts[2].0 + Span::from_ms(30);
    assert_eq!(starts[2].0, starts[1].0 + Span::from_ms(25));
    assert_eq!(told.requested(REPLICA_0), [FAULT_AT, due]);
    let start = Met::Start {
        node: REPLICA_0,
        incarnation: Incarnation(2),
    };
    assert_eq!(met(&told, 1), (due, None, Some(0), start));
}

#[tokio::test(start_paused = true)]
async fn a_line_or_a_start_that_never_comes_says_what_to_change() {
    let told = one_replica().on(0, log("x\u{1b}[2J")).run().await;
    let why = "its event never came: no line of the output of replica-0 contained \"x\\u{1b}[2J\" within 400ms: compare matches with the \
               logs of the run, or raise comes_within";
    assert_eq!(told.all_missed(), [(0, why)]);
    let told = two_replicas()
        .then(Span::ZERO, "kill", &json!({}), Aim::Replica(1))
        .on(1, OnEvent::Start(Span::ZERO));
    let told = told.run().await;
    let why = "its event never came: replica-1 was not started again within 400ms: have an earlier fault end it, or raise comes_within";
    assert_eq!(told.all_missed(), [(1, why)]);
}

#[tokio::test(start_paused = true)]
async fn a_trial_without_a_fault_waits_for_the_same_events() {
    let length_of_settle = async |scenario: Scenario| {
        let told = scenario.that_writes().control().run().await;
        assert!(told.requested(REPLICA_0).is_empty());
        told.entered(Phase::Settle)[0]
    };
    let plain = length_of_settle(one_replica()).await;
    assert_eq!(plain, ms(502));
    // The third that is acknowledged after 502 ms.
    let counted = one_replica().on(0, OnEvent::Acknowledgement(nth(3)));
    assert_eq!(length_of_settle(counted).await, ms(541));
    // What is drawn from a range may be as much as its end in a trial with a fault.
    let range = Nth { least: 1, most: 20 };
    let counted = one_replica().on(0, OnEvent::Acknowledgement(range));
    assert_eq!(length_of_settle(counted).await, ms(541 + 17 * 14));
    // Whether a line comes or not.
    assert_eq!(
        length_of_settle(one_replica().on(0, log("x"))).await,
        ms(902)
    );
    let says = one_replica().on(0, log("x"));
    let says = says.node(REPLICA_0, |its| {
        its.says = vec![(0, Span::from_ms(552), "x".to_owned())];
    });
    assert_eq!(length_of_settle(says).await, ms(902));
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_while_an_event_is_waited_for_signals_nobody() {
    let told = one_replica()
        .on(0, OnEvent::Acknowledgement(nth(1)))
        .interrupt_at(ms(620))
        .run()
        .await;
    assert!(matches!(told.finished, Ok(Finished::Interrupted)));
    assert!(told.requested(REPLICA_0).is_empty());
    assert_eq!(told.deeds("drop running replica-0"), [ms(620)]);
}
