//! One good answer is not a recovery: the load after it must be served to its end.

use ErrorClass::{ResponseTimeout, ServerError, SessionRejected};
use comeback_model::shard::{HeldShard, Shards};
use comeback_model::units::Span;

use super::busy::cores;
use super::*;
use crate::measure::{Doing, NotBack, Return, Shortfall, Spoils, Time, Unclear};

/// A baseline of an operation every 10 ms, and a recovery.
fn back() -> Story {
    Story::faulted().serves(BASELINE, FAULT, 10)
}

fn slowed(op: Op, ms: u64) -> Op {
    let finished = op.0.intended + Span::from_ms(ms);
    Op(Operation { finished, ..op.0 })
}

#[track_caller]
fn is_not_back(story: &Story, said: &str) {
    let trial = story.trial();
    let finding = trial.findings.iter().find(|text| text.contains("for good"));
    assert!(finding.unwrap().contains(said), "{:?}", trial.findings);
    assert!(trial.not_back().is_some());
    let (ready, steady) = (trial.chain.ready, trial.time_to_steady);
    assert!(matches!(ready, Some(Time::Beyond { .. })), "{ready:?}");
    assert!(matches!(steady, Some(Time::Beyond { .. })), "{steady:?}");
    assert_eq!(trial.longest_gap(), Some(f64::INFINITY));
    assert_eq!(trial.outage_area(), Some(f64::INFINITY));
}

#[track_caller]
fn is_back(story: &Story) {
    let trial = story.trial();
    assert_eq!(
        trial.returned,
        Some(Return::ForGood),
        "{:?}",
        trial.findings
    );
    assert_eq!(trial.not_back(), None);
}

#[test]
fn a_server_that_is_served_to_the_end_is_back_for_good() {
    is_back(&back().serves(RECOVERED, SETTLED, 10));
}

#[test]
fn refuted_replies_count_where_nothing_is_lost_that_would_explain_them() {
    let told = |found: u64| {
        let began = (0..10).flat_map(|client| [login(client, 500), act(client, 1_500)]);
        let looks = (RECOVERED + 10..SETTLED).step_by(10).enumerate();
        let looks = looks.map(|(place, at)| look(place as u32 % 10, at).value(0).refuted());
        let story = back().serves(RECOVERED, RECOVERED + 10, 10);
        let story = story.does(began).does(looks);
        story
            .does((0..10).map(|client| finds(client, found)))
            .trial()
    };
    assert!(told(1).not_back().is_some());
    assert_eq!(told(0).not_back(), None);
}

#[test]
fn a_server_that_answers_once_and_then_fails_is_not_back() {
    let failing = steadily(RECOVERED + 10, SETTLED, 10).map(|op| op.rejected(ServerError));
    is_not_back(
        &back().serves(RECOVERED, RECOVERED + 10, 10).does(failing),
        "the service is not back for good: 100 of 100 operations failed in the last 1.0 s of the load (100 %), most of them: server error",
    );
}

#[test]
fn a_server_that_answers_once_and_then_hangs_is_not_back() {
    let hanging = steadily(RECOVERED + 10, SETTLED, 10).map(|op| {
        let until = op.0.intended.as_us() / 1_000 + 1_000;
        op.unanswered(until)
            .fails(Outcome::Indeterminate, ResponseTimeout)
    });
    is_not_back(
        &back().serves(RECOVERED, RECOVERED + 10, 10).does(hanging),
        "most of them: response timeout",
    );
}

#[test]
fn a_server_that_flaps_is_not_back() {
    let flapping =
        steadily(RECOVERED, SETTLED, 10).map(|op| match op.0.intended.as_us() / 200_000 % 2 {
            0 => op,
            _ => op.rejected(ServerError),
        });
    is_not_back(
        &back().does(flapping),
        "operations failed in the last 1.0 s",
    );
}

#[test]
fn a_server_that_stops_answering_just_before_the_end_is_not_back() {
    let story = back()
        .serves(RECOVERED, SETTLED - 50, 10)
        .does(steadily(SETTLED - 50, SETTLED, 10).map(|op| op.unanswered(SETTLED + 900)));
    is_not_back(&story, "5 of 20 operations failed in the last 0.2 s");
}

#[test]
fn a_server_that_is_ten_times_slower_to_the_end_is_not_back() {
    let slow = steadily(RECOVERED, SETTLED, 10).map(|op| slowed(op, 150));
    is_not_back(
        &back().does(slow),
        "three quarters of the correct replies in the last 1.0 s of the load took 150.0 ms or longer; without a fault the median is 1.0 ms",
    );
    // That much is the machine's as well as the server's.
    let slower = steadily(RECOVERED, SETTLED, 10).map(|op| slowed(op, 90));
    is_back(&back().does(slower));
}

#[test]
fn a_server_that_fails_at_first_and_then_serves_is_back() {
    let failing = steadily(RECOVERED, 3_900, 10).map(|op| op.rejected(ServerError));
    is_back(&back().does(failing).serves(3_900, SETTLED, 10));
}

#[test]
fn a_few_failures_of_a_shared_machine_are_no_failed_recovery() {
    let some = steadily(RECOVERED, SETTLED, 10).map(|op| match op.0.intended.as_us() % 250_000 {
        0 => op.rejected(ServerError),
        _ => op,
    });
    is_back(&back().does(some));
}

#[test]
fn failures_that_are_usual_are_no_failed_recovery() {
    let story = Story::faulted()
        .does(flaky(BASELINE, FAULT))
        .does(flaky(RECOVERED, SETTLED));
    is_back(&story);
}

/// Every third operation fails.
fn flaky(from: u64, to: u64) -> impl Iterator<Item = Op> {
    steadily(from, to, 10).map(|op| match op.0.intended.as_us() % 30_000 {
        0 => op.rejected(ServerError),
        _ => op,
    })
}

/// A trial that fails as often after the fault as its control does always. The control has this number.
fn flaky_as_its_control(number: u32) -> Story {
    let story = back().does(flaky(RECOVERED, SETTLED));
    assert!(story.trial().not_back().is_some());
    let control = Story::control().does(flaky(BASELINE, SETTLED));
    beside(story, control, number)
}

/// A trial and its control trial in one run. The control has this number.
fn beside(mut story: Story, control: Story, number: u32) -> Story {
    story
        .events
        .retain(|event| event.kind != EventKind::RunEnded);
    story
        .events
        .extend(control.events.into_iter().map(|event| Event {
            trial: event.trial.map(|_| TrialId(number)),
            ..event
        }));
    story
        .operations
        .extend(control.operations.into_iter().map(|operation| Operation {
            trial: TrialId(number),
            ..operation
        }));
    story
}

#[test]
fn what_a_control_trial_shows_is_usual_as_well() {
    assert_eq!(
        flaky_as_its_control(1).trial().returned,
        Some(Return::ForGood)
    );
}

#[test]
fn what_is_usual_on_one_machine_is_not_on_another() {
    // In the second round, which is the second shard's.
    let round = test_plan().in_each_round() as u32;
    let mut journal = flaky_as_its_control(round + 1).journal();
    assert_eq!(journal.header.plan.in_each_round(), round as usize);
    let held = [1, 2].map(|index| HeldShard {
        index,
        started: String::new(),
        machine: Machine::default(),
    });
    journal.header.shards = Shards::new(2, held.to_vec()).ok();
    let trial = analyze(&journal).arms.remove(0).trials.remove(0);
    assert_eq!(trial.shard, Some(1));
    assert!(trial.not_back().is_some(), "{:?}", trial.returned);
}

#[test]
fn sessions_that_are_lost_are_no_failed_recovery() {
    // Each user is turned away and logs in again, until the end.
    let turned_away = (0..100_u32).flat_map(|client| {
        let at = RECOVERED + u64::from(client) * 20;
        [
            look(client, at).rejected(SessionRejected),
            login(client, at + 1).generation(1),
        ]
    });
    is_back(&back().does(turned_away));
    // Sessions that do not last once begun anew are another matter.
    let forgets = (0..100_u32).flat_map(|client| {
        let at = RECOVERED + u64::from(client) * 20;
        [
            login(client, at).generation(1),
            look(client, at + 1).generation(1).rejected(SessionRejected),
        ]
    });
    is_not_back(&back().does(forgets), "most of them: session rejected");
}

#[test]
fn sessions_that_are_known_and_refused_whatever_they_ask_are_not_served() {
    let refused = |client| {
        let at = RECOVERED + u64::from(client) * 20;
        act(client, at).rejected(ErrorClass::ClientError)
    };
    let known = (0..100).flat_map(|client| [refused(client), finds(client, 0)]);
    is_not_back(&back().does(known), "most of them: client error");
    // That is told with the sessions.
    let lost = (0..100).flat_map(|client| [refused(client), meets(client, SessionRejected)]);
    assert_eq!(
        back().does(lost).trial().returned,
        Some(Return::ByProbeOnly {
            operations: 0,
            unclear: None
        })
    );
}

#[test]
fn what_the_harness_began_late_says_nothing_of_the_server() {
    let late = steadily(RECOVERED, SETTLED, 10).map(|op| {
        let mut op = op.unsent(ErrorClass::Unsent);
        op.0.dispatched = op.0.intended + Span::from_ms(900);
        op
    });
    assert_eq!(
        back().does(late).trial().returned,
        Some(Return::ByProbeOnly {
            operations: 0,
            unclear: None
        })
    );
}

#[test]
fn on_a_machine_that_has_no_time_for_the_harness_slowness_says_nothing_of_the_server() {
    let slow = |late_ms: u64, each: usize| {
        let slow = steadily(RECOVERED, SETTLED, 10).enumerate();
        slow.map(move |(place, op)| {
            let mut op = slowed(op, 150);
            if place % each == 0 {
                op.0.dispatched = op.0.intended + Span::from_ms(late_ms);
            }
            op
        })
    };
    let returned = |late_ms, each| back().does(slow(late_ms, each)).trial().returned;
    let unknown = Return::ByProbeOnly {
        operations: 0,
        unclear: Some(Unclear::Busy(
            "this machine was too busy: the harness itself was more than 10 ms late with 10 % of its operations".to_owned(),
        )),
    };
    assert_eq!(returned(20, 10), Some(unknown));
    assert!(matches!(returned(20, 40), Some(Return::Not(_))));
    assert!(matches!(returned(5, 1), Some(Return::Not(_))));
    // What it answers wrong is its own doing.
    let failing = slow(20, 10).map(|op| op.rejected(ServerError));
    assert!(matches!(
        back().does(failing).trial().returned,
        Some(Return::Not(_))
    ));
}

/// A control trial that is as it should be.
fn good_control() -> Story {
    Story::control().serves(BASELINE, SETTLED, 10)
}

/// A trial after whose fault each reply takes 150 ms.
fn slow_since() -> Story {
    back().does(steadily(RECOVERED, SETTLED, 10).map(|op| slowed(op, 150)))
}

fn is_metastable(story: &Story) -> bool {
    let returned = story.trial().returned;
    assert!(matches!(returned, Some(Return::Not(_))), "{returned:?}");
    matches!(returned, Some(Return::Not(NotBack::Metastable(_))))
}

#[test]
fn a_service_that_is_up_and_bad_throughout_beside_a_good_control_is_metastable() {
    let failing =
        || back().does(steadily(RECOVERED, SETTLED, 10).map(|op| op.rejected(ServerError)));
    for story in [slow_since(), failing()] {
        assert!(is_metastable(&beside(story.clone(), good_control(), 1)));
        is_not_back(
            &beside(story.clone(), good_control(), 1),
            "METASTABLE: the fault is undone and every process is up, yet ",
        );
        // Nothing shows how it does without a fault.
        assert!(!is_metastable(&story));
    }
    // On a machine that was busy, what it answers wrong is its own doing, be it the fault's or the machine's.
    let busy = cores(failing(), 0.5, None);
    assert!(!is_metastable(&beside(busy, good_control(), 1)));
    let busy = cores(good_control(), 0.5, None);
    assert!(!is_metastable(&beside(failing(), busy, 1)));
    // It was served at first, and failed in the end.
    let middle = RECOVERED + (SETTLED - RECOVERED) * 8 / 10;
    let fails_at_last = steadily(middle, SETTLED, 10).map(|op| op.rejected(ServerError));
    let fails_at_last = back().serves(RECOVERED, middle, 10).does(fails_at_last);
    assert!(!is_metastable(&beside(fails_at_last, good_control(), 1)));
}

/// That nobody can tell, for this reason.
#[track_caller]
fn is_unclear(story: &Story, said: &str) {
    let trial = story.trial();
    let Some(Return::ByProbeOnly {
        unclear: Some(why), ..
    }) = &trial.returned
    else {
        panic!("{:?}", trial.returned);
    };
    assert!(why.to_string().contains(said), "{why}");
    assert_eq!(trial.not_back(), None);
    let void = trial.void.unwrap();
    assert!(void.reason.contains(said), "{}", void.reason);
    assert_eq!((void.spoils, void.doing), (Spoils::Times, Doing::Servers));
}

#[test]
fn time_that_is_lost_on_a_busy_machine_is_not_judged() {
    is_unclear(
        &beside(cores(slow_since(), 0.2, None), good_control(), 1),
        "20 % of what was wanted of its cores was stolen",
    );
    // Time-outs, too.
    let hangs = || {
        let lost = steadily(RECOVERED + 10, SETTLED, 10).map(|op| op.unsent(ErrorClass::Unsent));
        back().serves(RECOVERED, RECOVERED + 10, 10).does(lost)
    };
    is_unclear(
        &beside(cores(hangs(), 0.2, None), good_control(), 1),
        "stolen",
    );
    assert!(is_metastable(&beside(hangs(), good_control(), 1)));
}

#[test]
fn a_harness_that_was_late_before_the_fault_hides_no_service_that_may_not_be_back() {
    let late = |at| {
        let begun = ms(at + 900);
        let op = look(0, at).unsent(ErrorClass::Unsent).finished(at + 900);
        Op(Operation {
            dispatched: begun,
            ..op.0
        })
    };
    let lags = |story: Story| story.does((2_100..2_999).step_by(5).map(late));
    let story = beside(cores(lags(slow_since()), 0.2, None), good_control(), 1);
    let story = story.planned(|plan| plan.replacements = 2);
    is_unclear(&story, "stolen");
    let analysis = story.analysis();
    let verdict = crate::verdict::judge(&analysis, &[], None);
    assert!(crate::verdict::replacements(&analysis, &verdict).is_empty());
}

#[test]
fn a_server_whose_threads_wait_for_each_other_is_judged_unless_the_control_was_on_a_busy_machine() {
    let waits = |story, share| cores(story, 0.0, Some(share));
    // The harness was never late, so it was not the machine: a server with more threads than cores has that in each trial.
    for control in [0.4, 0.6].map(|share| waits(good_control(), share)) {
        assert!(is_metastable(&beside(
            waits(slow_since(), 0.99),
            control,
            1
        )));
    }
    is_unclear(
        &beside(slow_since(), cores(good_control(), 0.3, None), 1),
        "too busy in the control trials",
    );
}

#[test]
fn what_gathered_in_the_outage_and_is_worked_off_says_nothing_of_a_server_that_is_as_quick_as_before()
 {
    // The first one waits for 2.5 s, each further one 9 ms less: the server does ten operations while one is wanted.
    let waits = |shorter: u64| {
        let operations = steadily(RECOVERED, SETTLED, 10).enumerate();
        let waits = move |(place, op)| slowed(op, 2_500 - shorter * place as u64);
        beside(back().does(operations.map(waits)), good_control(), 1)
    };
    is_unclear(&waits(9), "make windows.settle longer");
    // That is what slow servers do. An outage of 100 ms is not worked off in 25 s; but what becomes better is not stuck.
    assert!(is_metastable(&waits(0)));
    assert!(!is_metastable(&waits(1)));
    is_not_back(&waits(1), "not back for good");
    let varies = steadily(RECOVERED, SETTLED, 10).map(|op| {
        let ms = 150 + op.0.intended.as_us() / 1_000 * 7_919 % 2_000;
        slowed(op, ms)
    });
    assert!(is_metastable(&beside(
        back().does(varies),
        good_control(),
        1
    )));
}

/// A trial in which the service was out for 3 s.
fn out_for_long() -> Story {
    Story::killed()
        .serves(BASELINE, FAULT, 10)
        .event(LATE_BACK - 90, executed(1, LATE_BACK - 90))
        .event(LATE_BACK, returned(Node::default(), new_boot()))
        .event(LATE_BACK, first_correct(Some(ms(LATE_BACK - 5))))
        .enters(LATE_BACK, Phase::Settle)
        .event(
            LATE_END + 2_500,
            EventKind::LoadStopped {
                scheduled: 9,
                sent: 8,
                dropped: 1,
            },
        )
        .event(LATE_END + 3_000, EventKind::TrialEnded)
        .event(LATE_END + 3_001, EventKind::RunEnded)
}

const LATE_BACK: u64 = FAULT + 3_000;
const LATE_END: u64 = LATE_BACK + 2_000;

/// A server that does one operation after the other works off those of the outage, each of which takes this share of the time between
/// two that are wanted; those that would wait for longer than this time out.
fn works_off(share: f64, timeout: u64) -> Story {
    let operations = steadily(LATE_BACK, LATE_END, 10).map(|op| {
        let since = (op.0.intended.as_us() / 1_000 - FAULT) as f64;
        let wait = 3_000.0 - since * (1.0 - share);
        match wait > timeout as f64 {
            true => slowed(op, timeout).failing_as(ResponseTimeout),
            false => slowed(op, wait as u64),
        }
    });
    beside(out_for_long().does(operations), good_control(), 1)
}

#[test]
fn what_gathered_in_a_long_outage_is_worked_off_though_the_waits_are_long_still_when_the_load_ends()
{
    // They wait for 1.6 s at first and for 1.3 s at last, and for 1 ms again 3.8 s later.
    is_unclear(&works_off(0.66, 3_000), "make windows.settle longer");
    // At first they wait for too long, at last they are answered.
    is_unclear(&works_off(0.66, 1_500), "make windows.settle longer");
    // A plan that asks for all that the server can do is never worked off, one that asks for nearly all not in time.
    assert!(is_metastable(&works_off(1.0, 5_000)));
    assert!(!is_metastable(&works_off(0.95, 5_000)));
    is_not_back(
        &works_off(0.95, 5_000),
        "three quarters of the correct replies",
    );
    // Where nobody is answered in time, nothing tells that it becomes better.
    assert!(is_metastable(&works_off(0.66, 1_000)));
}

#[test]
fn a_start_that_failed_before_the_service_was_back_leaves_what_is_not_known_unknown() {
    let failed = |story: Story, at: u64| {
        let ended = EventKind::TargetExited {
            node: Node::default(),
            incarnation: Incarnation(1),
            exit: Exit::Status(1),
            cause: ExitCause::Unexpected,
            tail: Vec::new(),
        };
        story.event(at, ended).event(at + 10, executed(2, at + 10))
    };
    let story = failed(slow_since(), EXECUTED + 20);
    assert_eq!(story.trial().failed_starts, 1);
    is_unclear(
        &beside(cores(story.clone(), 0.2, None), good_control(), 1),
        "stolen",
    );
    // The processes are up.
    assert!(is_metastable(&beside(story, good_control(), 1)));
    // One that ends after it was back is what it is.
    let ended = failed(cores(slow_since(), 0.2, None), RECOVERED + 500);
    let returned = beside(ended, good_control(), 1).trial().returned;
    assert_eq!(returned, Some(Return::Not(NotBack::Ended)));
}

/// Somebody waited for the disk for this share of the time.
fn disk_stalls(story: Story, (from, until): (u64, u64), share: f64) -> Story {
    let stalled = (until - from) as f64 * share * 1_000.0;
    let kind = EventKind::DiskStalled {
        since_us: ms(from),
        stalled_us: stalled as u64,
    };
    story.event(until, kind)
}

#[test]
fn what_clients_lose_while_the_disk_stands_still_says_nothing_of_the_server() {
    const HANGS: u64 = SETTLED - 1_200;
    let unsent = |op: Op| op.unsent(ErrorClass::Unsent);
    let hangs = || {
        let lost = steadily(HANGS, SETTLED, 10).map(unsent);
        back().serves(RECOVERED, HANGS, 10).does(lost)
    };
    is_not_back(&hangs(), "most of them: unsent");
    let excused = disk_stalls(hangs(), (HANGS, SETTLED), 0.75);
    let trial = excused.trial();
    assert!(matches!(
        trial.returned,
        Some(Return::ByProbeOnly {
            unclear: Some(Unclear::Disk(_)),
            ..
        })
    ));
    let void = trial.void.unwrap();
    assert_eq!(
        void.reason,
        "whether the service is back for good is not known: meanwhile this machine's disk kept somebody waiting for 0.9 s"
    );
    // Nothing takes its place: the server may have made the disk stand still.
    assert_eq!((void.spoils, void.doing), (Spoils::Times, Doing::Servers));
    // What is lost beside the stall is lost by the server.
    is_not_back(
        &disk_stalls(hangs(), (SETTLED - 200, SETTLED), 1.0),
        "unsent",
    );
    is_not_back(
        &disk_stalls(hangs(), (RECOVERED - 600, RECOVERED), 1.0),
        "unsent",
    );
    // So is what waited long before it.
    let waited = steadily(HANGS, SETTLED - 200, 10).map(|op| unsent(op).finished(SETTLED));
    let waited = back().serves(RECOVERED, HANGS, 10).does(waited);
    is_not_back(&disk_stalls(waited, (SETTLED - 20, SETTLED), 1.0), "unsent");
    // The disk is as slow without a fault.
    is_not_back(&disk_stalls(excused, (500, FAULT), 0.75), "unsent");
    // What it answers wrong is its own doing.
    let wrong = steadily(HANGS, SETTLED, 10).map(|op| op.rejected(ServerError));
    let wrong = back().serves(RECOVERED, HANGS, 10).does(wrong);
    is_not_back(&disk_stalls(wrong, (HANGS, SETTLED), 1.0), "server error");
}

#[test]
fn too_few_operations_leave_it_to_the_probe() {
    let trial = back().serves(RECOVERED, RECOVERED + 40, 10).trial();
    assert_eq!(
        trial.returned,
        Some(Return::ByProbeOnly {
            operations: 4,
            unclear: None
        })
    );
    // Unless all of them fail.
    let trial = back()
        .does(steadily(RECOVERED, RECOVERED + 40, 10).map(|op| op.rejected(ServerError)))
        .trial();
    let Some(Return::Not(NotBack::Unserved(Shortfall::Failing { failed, .. }))) = trial.returned
    else {
        panic!("{:?}", trial.returned);
    };
    assert_eq!(failed, 4);
}

#[test]
fn a_machine_that_stands_still_at_the_end_is_no_failed_recovery() {
    // For 400 ms nothing moves; whoever waits for less than that runs out of time.
    let story = back()
        .serves(RECOVERED, SETTLED - 400, 10)
        .does(steadily(SETTLED - 400, SETTLED, 10).map(|op| slowed(op, 350)));
    is_back(&story);
    let story = back()
        .serves(RECOVERED, SETTLED - 200, 10)
        .does(steadily(SETTLED - 200, SETTLED - 150, 10).map(|op| op.unsent(ErrorClass::Unsent)))
        .serves(SETTLED - 150, SETTLED, 10);
    is_back(&story);
}
