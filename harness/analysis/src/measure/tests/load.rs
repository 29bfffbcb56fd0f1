//! What the clients saw of the load.

use ErrorClass::{Refused, ResponseTimeout, ServerError};
use comeback_model::plan::fault::{Effect, Ending};
use comeback_model::units::Span;

use super::nodes::behind_a_balancer;
use super::*;
use crate::measure::{Availability, Course, Time, TrialAnalysis};

fn refused(client: u32, at: u64) -> Op {
    look(client, at).unsent(Refused)
}

#[test]
fn operations_belong_to_before_during_or_after_the_outage() {
    let trial = Story::faulted()
        .does([
            login(0, 500),
            look(0, BASELINE - 1),
            look(0, BASELINE),
            look(1, 2_900).rejected(ServerError),
            look(2, 2_998).finished(FAULT),
            refused(3, 3_050),
            look(4, 3_099),
            look(5, RECOVERED),
            refused(5, 4_000),
            finds(0, 0),
        ])
        .trial();
    let seen = |tally: &crate::measure::ErrorTally| (tally.scheduled, tally.failures());
    let errors = &trial.errors;
    assert_eq!(
        [&errors.before, &errors.during, &errors.after].map(seen),
        [(2, 1), (3, 1), (2, 1)]
    );
    assert_eq!(trial.latency.during.quantile_ms(0.5), Some(2.0));
    assert_eq!(trial.latency.during.quantile_ms(0.99), Some(f64::INFINITY));
}

#[test]
fn in_a_control_trial_everything_is_before() {
    let trial = Story::control().serves(500, 5_000, 100).trial();
    assert_eq!(trial.errors.before.scheduled, 40);
    assert_eq!(
        trial.errors.during.scheduled + trial.errors.after.scheduled,
        0
    );
    assert_eq!(trial.timeline.len(), 40);
    assert_eq!(trial.timeline[0].start_ms, -2_000.0);
    let absent = (
        trial.time_to_detect,
        trial.outage_area_s,
        trial.time_to_steady,
    );
    assert_eq!(absent, (None, None, None));
    assert_eq!(trial.void, None);
}

#[test]
fn latency_counts_from_the_intended_start_and_beyond_two_milliseconds() {
    let trial = Story::faulted()
        .does([look(0, 1_500).finished(3_000 - 1), look(1, 1_500)])
        .trial();
    let slow = trial.latency.before.quantile_ms(1.0).unwrap();
    assert!((slow / 1_499.0 - 1.0).abs() < 0.001, "{slow}");
}

#[test]
fn the_first_failure_of_the_fault_is_when_a_client_noticed_it() {
    let failures = [
        look(0, 2_000).rejected(ServerError),
        look(1, 2_999).unanswered(3_001),
        refused(2, 3_050),
    ];
    let trial = Story::faulted().does(failures).trial();
    assert_eq!(trial.time_to_detect, Some(-1.0));
    assert_eq!(
        Story::faulted()
            .serves(1_000, 5_000, 50)
            .trial()
            .time_to_detect,
        None
    );
}

#[test]
fn the_longest_gap_is_between_correct_replies_of_the_load() {
    let trial = Story::faulted()
        .serves(1_000, 2_990, 10)
        .does([refused(1, 3_050)])
        .serves(3_120, SETTLED, 10)
        .trial();
    assert_eq!(trial.longest_gap_ms, Some(3_121.0 - 2_981.0));
}

#[test]
fn the_gap_of_a_server_that_never_came_back_lasts_until_the_load_ended() {
    let trial = Story::never_recovered()
        .serves(1_000, 2_990, 10)
        .does([refused(1, 5_000)])
        .trial();
    assert_eq!(trial.longest_gap_ms, Some(5_200.0 - 2_981.0));
}

#[test]
fn without_a_correct_reply_there_is_no_gap() {
    assert_eq!(
        Story::faulted()
            .does([refused(1, 2_000)])
            .trial()
            .longest_gap_ms,
        None
    );
}

#[test]
fn the_generators_own_lateness_is_measured_in_the_baseline_and_told() {
    let late = |at, by| {
        let mut op = look(at as u32, at);
        op.0.dispatched = ms(at + by);
        op
    };
    let story = Story::faulted().does((1_000..1_100).map(|at| late(at, 0)));
    let punctual = story
        .clone()
        .does([late(2_000, 5), late(3_500, 900)])
        .trial();
    assert_eq!(punctual.send_lag.quantile_ms(0.99), Some(0.0));
    assert_eq!(punctual.findings, [""; 0]);
    assert_eq!(punctual.about_harness, [""; 0]);
    let tardy = story.does([late(2_000, 5), late(2_001, 5)]).trial();
    // It says nothing of the server.
    assert_eq!(tardy.findings, [""; 0]);
    assert!(
        tardy.about_harness[0].contains("up to 5.0 ms late"),
        "{:?}",
        tardy.about_harness
    );
}

#[test]
fn the_timeline_is_aligned_at_the_fault_and_drops_partial_windows() {
    let trial = Story::faulted()
        .planned(|plan| plan.windows.window = Span::from_ms(300))
        .serves(1_000, 2_900, 10)
        .does([
            look(0, 2_990).unanswered(3_003),
            look(1, 2_980).fails(Outcome::Indeterminate, ResponseTimeout),
        ])
        .serves(RECOVERED, SETTLED, 10)
        .trial();
    let starts: Vec<f64> = trial
        .timeline
        .iter()
        .map(|window| window.start_ms)
        .collect();
    assert_eq!((starts[0], starts.len()), (-1_800.0, 6 + 7));
    let last_before = &trial.timeline[5];
    assert_eq!(
        (last_before.errors.scheduled, last_before.errors.failures()),
        (22, 2)
    );
    assert_eq!(
        (last_before.p50_ms, last_before.p99_ms),
        (Some(1.0), Some(f64::INFINITY))
    );
    assert_eq!(last_before.goodput(), 20.0 / 0.3);
}

#[test]
fn a_time_that_cannot_be_leaves_the_timeline_out_and_says_so() {
    let mut far = look(0, 2_000);
    far.0.intended = Elapsed::from_us(u64::MAX);
    let trial = Story::control()
        .without(|kind| matches!(kind, EventKind::LoadStopped { .. }))
        .does([far])
        .trial();
    assert!(trial.timeline.is_empty());
    assert!(
        trial
            .about_harness
            .iter()
            .any(|found| found.contains("left out")),
        "{:?}",
        trial.about_harness
    );
}

#[test]
fn a_body_without_a_length_that_ends_at_the_crash_is_no_reply() {
    let without_length = |at, finished| {
        let mut op = look(0, at).finished(finished);
        op.0.unframed = true;
        op
    };
    let trial = Story::faulted()
        .does([
            without_length(2_000, 2_060),
            without_length(2_990, CUT),
            without_length(4_000, 4_060),
        ])
        .trial();
    let failed = |tally: &crate::measure::ErrorTally| {
        (
            tally.scheduled,
            tally.failed.get(&ErrorClass::Reset).copied(),
        )
    };
    assert_eq!(failed(&trial.errors.before), (1, None));
    assert_eq!(failed(&trial.errors.during), (1, Some(1)));
    assert_eq!(failed(&trial.errors.after), (1, None));
}

#[test]
fn half_a_body_names_nobody_and_shows_nothing() {
    let classes = |op: Op| {
        let trial = Story::faulted().does([unframed(op.finished(CUT))]).trial();
        trial.errors.during.failed.into_keys().collect::<Vec<_>>()
    };
    let met = || look(0, 2_990);
    for class in [ErrorClass::WrongIdentity, ErrorClass::SessionRejected] {
        assert_eq!(
            classes(met().rejected(class)),
            [ErrorClass::Reset],
            "{class:?}"
        );
    }
    assert_eq!(classes(met().refuted()), [ErrorClass::Reset]);
    // The status stands before the body.
    let mut refused = met().rejected(ErrorClass::SessionRejected);
    refused.0.status = Some(401);
    assert_eq!(classes(refused), [ErrorClass::SessionRejected]);
}

fn unframed(op: Op) -> Op {
    let mut op = op;
    op.0.unframed = true;
    op
}

#[test]
fn a_reply_without_a_length_of_a_server_that_goes_on_before_it_stops_is_whole() {
    let resets = |effect| {
        let looks = [(2_990, 3_010), (3_400, 3_500), (4_300, 4_499)];
        let looks = looks.map(|(at, finished)| unframed(look(0, at).boot(None).finished(finished)));
        let trial = ends_late(effect).does(looks).trial();
        trial.errors.during.failures()
    };
    assert_eq!(resets(Effect::Ends(Ending::AsAsked)), 1);
    assert_eq!(resets(Effect::Ends(Ending::BySignal)), 1);
    assert_eq!(resets(Effect::Ends(Ending::AtOnce)), 3);
}

/// K at 3,000 ms, T0 at 4,500 ms.
fn ends_late(effect: Effect) -> Story {
    let requested = EventKind::FaultRequested {
        fault: FaultId::FIRST,
        node: Node::default(),
        begun: "SIGTERM sent".to_owned(),
    };
    Story::new(false)
        .event(FAULT, requested)
        .event(4_500, injected_exit())
        .event(4_510, executed(1, 4_510))
        .event(4_600, returned(Node::default(), new_boot()))
        .event(4_600, first_correct(None))
        .enters(4_600, Phase::Settle)
        .ends()
        .planned(|plan| plan.faults[0].effect = effect)
}

/// Sessions that may be lost, reset or honoured after their logout, and writes that may be lost.
fn doubted(trial: &TrialAnalysis) -> [u64; 4] {
    let sessions = &trial.sessions;
    [
        sessions.lost_doubted,
        sessions.reset_doubted,
        sessions.zombie_doubted,
        trial.writes.lost_doubted,
    ]
}

#[test]
fn a_write_acknowledged_by_a_server_that_goes_on_before_it_ends_is_demanded() {
    let trial = |finished| {
        let act = unframed(act(0, FAULT + 450).boot(None).finished(finished));
        let story = ends_late(Effect::Ends(Ending::BySignal));
        story.does([login(0, 500), act, finds(0, 0)]).trial()
    };
    let long_before = trial(FAULT + 500);
    assert_eq!(long_before.writes.lost, 1);
    assert_eq!(doubted(&long_before), [0; 4]);
    // Whether this one was whole nobody knows, nor that it was lost.
    let amid = trial(4_400);
    assert_eq!((amid.writes.lost, amid.writes.acknowledged), (0, 0));
    assert_eq!(doubted(&amid), [0, 1, 0, 1]);
    assert!(
        amid.findings
            .iter()
            .any(|finding| finding.starts_with("1 write was absent, acknowledged by replies")),
        "{:?}",
        amid.findings
    );
}

#[test]
fn a_session_begun_or_ended_by_a_reply_that_may_be_cut_off_is_doubted() {
    let trial = |operations: [Op; 3]| {
        ends_late(Effect::Ends(Ending::AtOnce))
            .does(operations)
            .trial()
    };
    let amid = |op: Op| unframed(op.boot(None).finished(4_400));
    let begun = trial([
        amid(login(0, 4_390)),
        act(1, 2_000),
        meets(0, ErrorClass::SessionRejected),
    ]);
    assert_eq!((begun.sessions.lost, doubted(&begun)), (0, [1, 0, 0, 0]));
    let kept = trial([login(0, 500), amid(act(0, 4_390)), finds(0, 1)]);
    assert_eq!(doubted(&kept), [0; 4]);
    let ended = trial([login(0, 500), amid(logout(0, 4_390)), finds(0, 0)]);
    assert_eq!((ended.sessions.zombie, doubted(&ended)), (0, [0, 0, 1, 0]));
}

#[test]
fn whoever_reads_operations_one_by_one_learns_which_replies_may_be_cut_off() {
    let amid = || act(0, FAULT + 450).boot(None).finished(4_400);
    let acts = [unframed(act(0, 2_000).boot(None)), amid(), unframed(amid())];
    let journal = ends_late(Effect::Ends(Ending::AtOnce)).does(acts).journal();
    let mut course = Course::default();
    for event in &journal.events {
        course.note(event);
    }
    let mut operations = journal.operations;
    let cut_off = course.cut_off(&journal.header);
    cut_off.doubt(operations[0].trial, &mut operations);
    let outcomes: Vec<Outcome> = operations.iter().map(|one| one.outcome).collect();
    let (sure, open) = (Outcome::Acknowledged, Outcome::Indeterminate);
    assert_eq!(outcomes, [sure, sure, open]);
}

#[test]
fn neither_a_pause_nor_the_end_of_another_replica_cuts_a_reply_off() {
    let paused = Story::killed()
        .planned(|plan| plan.faults[0].effect = Effect::StandsStill(Span::from_ms(90)))
        .without(|kind| matches!(kind, EventKind::TargetExited { .. }));
    let stood = EventKind::TargetPaused {
        evidence: String::new(),
        fault: FaultId::FIRST,
        node: Node::default(),
    };
    let over = look(1, FAULT - 5).finished(RECOVERED);
    let paused = paused.event(CUT, stood).does([unframed(over.clone())]);
    assert_eq!(paused.ends().trial().errors.during.failures(), 0);
    let of = |replica| {
        let story = behind_a_balancer().does([unframed(over.clone().by(replica))]);
        story.trial().errors.during.failures()
    };
    assert_eq!((of(0), of(1)), (1, 0));
}

#[test]
fn available_is_what_was_correct_within_the_objective_of_all_that_was_scheduled() {
    let story = Story::faulted().does([
        look(0, BASELINE - 1),
        look(1, BASELINE),
        // 20 ms and 21 ms after the intended time, whenever it was sent.
        look(2, 2_000).finished(2_020),
        look(3, 2_000).finished(2_021),
        look(4, 3_050).unsent(Refused),
        look(5, 4_000),
        finds(5, 0),
    ]);
    let met = |objective: Option<u64>| {
        let story = story
            .clone()
            .planned(|plan| plan.load.objective = objective.map(Span::from_ms));
        let Availability { met, scheduled, .. } = story.trial().availability;
        (met, scheduled)
    };
    assert_eq!(met(None), (4, 5));
    assert_eq!(met(Some(20)), (3, 5));
    assert_eq!(met(Some(0)), (0, 5));
    assert_eq!(story.trial().availability.rate(), Some(0.8));
    assert_eq!(Story::faulted().trial().availability.rate(), None);
}

#[test]
fn the_clients_outage_is_from_the_last_reply_before_the_fault_to_the_first_after_it() {
    let story = Story::faulted()
        .serves(BASELINE, FAULT, 10)
        .does(steadily(FAULT, RECOVERED, 10).map(|op| op.unsent(Refused)))
        .serves(RECOVERED, SETTLED, 10);
    let at = |ms| Some(Time::At { ms, error_ms: 0.0 });
    let trial = story.trial();
    // The last reply came at 2,991 ms, the probe had one at 3,100 ms; the service was away from the kill.
    assert_eq!(trial.client_outage, at(109.0));
    let error_ms = 5.0;
    assert_eq!(
        trial.outage,
        Some(Time::At {
            ms: 100.0,
            error_ms
        })
    );
    // Of several nodes others may go on answering, and the probe asks another than the clients.
    let served = Story::faulted().serves(BASELINE, SETTLED, 10);
    assert_eq!(served.trial().client_outage, at(10.0));
}

#[test]
fn the_outage_of_a_command_begins_when_the_server_answers_no_more() {
    // K at 3,000 ms, T0 at 3,400 ms, ready at 3,700 ms.
    let requested = EventKind::FaultRequested {
        fault: FaultId::FIRST,
        node: Node::default(),
        begun: "the kill command begun".to_owned(),
    };
    let story = Story::new(false)
        .event(FAULT, requested)
        .event(3_400, injected_exit())
        .event(3_410, executed(1, 3_410))
        .event(3_700, returned(Node::default(), new_boot()))
        .event(3_700, first_correct(None))
        .enters(3_700, Phase::Settle)
        .ends();
    let outage = |story: Story| story.trial().outage;
    let at = |ms, error_ms| Some(Time::At { ms, error_ms });
    let by_signal = story.clone().serves(BASELINE, 3_390, 10);
    assert_eq!(outage(by_signal), at(700.0, 292.0));
    let story = story.ended_by_command();
    // The last reply came at 3,381 ms; that it was the last of the old server is certain from T0 on.
    let serves = story.clone().serves(BASELINE, 3_390, 10);
    let trial = serves.trial();
    assert_eq!(trial.outage, at(319.0, 311.0));
    assert_eq!(trial.errors.during.scheduled, 1);
    assert_eq!(trial.chain.killed, Some(-400.0));
    // Some users were out before others.
    let refuses = serves
        .clone()
        .does([look(1, 3_099).finished(3_100).rejected(ServerError)]);
    assert_eq!(outage(refuses), at(601.0, 593.0));
    // One waited until the connection was reset behind T0.
    let waits = serves.does([look(1, 3_100).unanswered(3_401)]);
    assert_eq!(outage(waits), at(600.0, 592.0));
    // It served nobody from the begin on.
    let hangs = story.serves(BASELINE, FAULT, 10);
    assert_eq!(outage(hangs), at(700.0, 692.0));
}

#[test]
fn an_outage_that_does_not_end_is_beyond_the_load() {
    let story = Story::never_recovered()
        .serves(BASELINE, FAULT, 10)
        .does(steadily(FAULT, STOPPED, 10).map(|op| op.unsent(Refused)));
    let trial = story.trial();
    assert_eq!(trial.client_outage, Some(Time::Beyond { ms: 2_209.0 }));
    assert_eq!(trial.outage, Some(Time::Beyond { ms: 2_200.0 }));
    assert_eq!(
        Story::control()
            .serves(BASELINE, SETTLED, 10)
            .trial()
            .client_outage,
        None
    );
}
