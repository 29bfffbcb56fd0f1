//! Trials with several faults (METHOD §10): which recovery and which loss belongs to which of them.

mod drawn;
mod long;

use comeback_model::plan::Fault;
use comeback_model::units::Span;

use super::nodes::{behind_a_balancer, boot_of};
use super::*;
use crate::measure::{LaidLoss, NotBack, Return, Time, Unclear};

/// The story of the second fault, in ms, unless a test tells it otherwise.
const AGAIN: u64 = 4_000;
const CUT_AGAIN: u64 = 4_002;
const BACK_AGAIN: u64 = 4_200;

/// A second fault that leaves a calm of 4 s.
const LATE: u64 = RECOVERED + 4_000;

const FIRST: FaultId = FaultId(0);
const SECOND: FaultId = FaultId(1);
const ONLY: Node = Node::Replica(0);

fn third_boot() -> BootId {
    BootId::from_header(b"third")
}

impl Story {
    /// The plan has a second fault, like its first but of a kind of that name.
    pub(super) fn with_a_second_fault(self, name: &str) -> Self {
        self.planned(|plan| {
            let again = Fault {
                kind: name.to_owned(),
                ..plan.faults[0].clone()
            };
            plan.faults.push(again);
        })
    }

    fn kills(self, fault: FaultId, node: Node, (sent, exit): (u64, u64), incarnation: u32) -> Self {
        let begun = "SIGKILL sent".to_owned();
        let cause = ExitCause::Injected(fault);
        let ended = EventKind::TargetExited {
            node,
            incarnation: Incarnation(incarnation),
            exit: Exit::Signal(9),
            cause,
            tail: Vec::new(),
        };
        self.event(sent, EventKind::FaultRequested { fault, node, begun })
            .event(exit, ended)
    }

    fn starts(self, node: Node, incarnation: u32, at: u64) -> Self {
        let executed = EventKind::TargetExecuted {
            node,
            incarnation: Incarnation(incarnation),
            pid: 4242,
            requested_us: ms(at - 2),
            launched_us: None,
        };
        self.event(at, executed)
    }

    /// The node answers, and with it all that the fault hit.
    fn comes_back(self, fault: FaultId, node: Node, at: u64, boot: BootId) -> Self {
        let evidence = Evidence::BootId(boot);
        let returned = EventKind::TargetReturned {
            fault,
            node,
            last_failed_us: None,
            evidence,
            unowned: None,
        };
        let correct = EventKind::FirstCorrect {
            fault,
            last_failed_us: None,
            evidence,
            unowned: None,
            probes: 7,
        };
        self.event(at, returned).event(at, correct)
    }

    fn gives_up_on(self, fault: FaultId, at: u64) -> Self {
        let last_failure = "connection refused".to_owned();
        let kind = EventKind::NotRecovered {
            fault,
            last_failure,
            probes: 9,
        };
        self.event(at, kind)
    }

    /// Killed at [`FAULT`] and back at [`RECOVERED`]; what comes then is told by the test.
    pub(super) fn back_once() -> Self {
        Self::new(false)
            .with_a_second_fault("again")
            .kills(FIRST, ONLY, (FAULT, CUT), 0)
            .starts(ONLY, 1, EXECUTED)
            .comes_back(FIRST, ONLY, RECOVERED, new_boot())
            .does([look(99, 2_000)])
    }

    /// Killed twice, one kill after the other.
    pub(super) fn killed_twice() -> Self {
        Self::back_once()
            .kills(SECOND, ONLY, (AGAIN, CUT_AGAIN), 1)
            .starts(ONLY, 2, AGAIN + 10)
            .comes_back(SECOND, ONLY, BACK_AGAIN, third_boot())
            .enters(BACK_AGAIN, Phase::Settle)
            .ends()
    }

    /// Killed, and killed again at 3,050 ms while it starts again; back at 3,300 ms, as the probe of the second kill saw.
    pub(super) fn overtaken() -> Self {
        Self::new(false)
            .with_a_second_fault("again")
            .kills(FIRST, ONLY, (FAULT, CUT), 0)
            .starts(ONLY, 1, EXECUTED)
            .kills(SECOND, ONLY, (3_050, 3_052), 1)
            .starts(ONLY, 2, 3_060)
            .comes_back(SECOND, ONLY, 3_300, third_boot())
            .enters(3_300, Phase::Settle)
            .ends()
            .does([look(99, 2_000)])
    }
}

/// Killed again 4 s after the first recovery; served before the first kill and after the second.
fn killed_late(calm: impl IntoIterator<Item = Op>) -> TrialAnalysis {
    let story = hit_late().serves(BASELINE, FAULT, 10);
    story.does(calm).trial()
}

/// The same, without a load before the second kill.
fn hit_late() -> Story {
    let stopped = EventKind::LoadStopped {
        scheduled: 9,
        sent: 9,
        dropped: 0,
    };
    Story::back_once()
        .kills(SECOND, ONLY, (LATE, LATE + 2), 1)
        .starts(ONLY, 2, LATE + 10)
        .comes_back(SECOND, ONLY, LATE + 100, third_boot())
        .enters(LATE + 100, Phase::Settle)
        .event(LATE + 2_200, stopped)
        .event(LATE + 2_300, EventKind::TrialEnded)
        .event(LATE + 2_301, EventKind::RunEnded)
        .does(steadily(LATE + 100, LATE + 2_100, 10).map(third))
}

/// An operation of the load after the second kill, answered by the process of its time.
fn third(op: Op) -> Op {
    op.boot(Some(third_boot()))
}

/// The final look that knows a session with this counter, after the second kill.
fn known(client: u32, value: u64) -> Op {
    third(finds(client, value))
}

/// The final look that does not know it any more.
fn gone(client: u32) -> Op {
    third(meets(client, ErrorClass::SessionRejected))
}

fn at(time: Option<Time>) -> Option<f64> {
    match time? {
        Time::At { ms, .. } => Some(ms),
        Time::Beyond { .. } => None,
    }
}

fn laid(faults: &[FaultId], sessions: u64, writes: u64) -> LaidLoss {
    LaidLoss {
        faults: faults.to_vec(),
        sessions,
        writes,
    }
}

#[test]
fn each_fault_has_its_own_recovery_and_the_trial_is_out_from_the_first_kill_to_the_last_return() {
    let trial = Story::killed_twice().trial();
    let outages: Vec<_> = trial.faults.iter().map(|fault| at(fault.outage)).collect();
    assert_eq!(outages, [Some(100.0), Some(200.0)]);
    let sent: Vec<_> = trial.faults.iter().map(|fault| fault.sent_ms).collect();
    assert_eq!(sent, [Some(0.0), Some(1_000.0)]);
    assert_eq!(at(trial.outage), Some(1_200.0));
    assert!(trial.landed && trial.void.is_none(), "{:?}", trial.void);
    assert!(trial.faults.iter().all(|fault| fault.landed));
}

#[test]
fn faults_are_called_by_their_kinds_and_several_of_a_kind_by_their_numbers() {
    let names = |second: &str| {
        let trial = Story::killed_twice().planned(|plan| {
            plan.faults[1].kind = second.to_owned();
        });
        let faults = trial.trial().faults.into_iter();
        faults.map(|fault| fault.name).collect::<Vec<_>>()
    };
    assert_eq!(names("pause"), ["kill", "pause"]);
    assert_eq!(names("kill"), ["kill 1", "kill 2"]);
}

#[test]
fn a_quick_second_recovery_hides_no_slow_first_one() {
    let trial = Story::new(false)
        .with_a_second_fault("again")
        .kills(FIRST, ONLY, (FAULT, CUT), 0)
        .starts(ONLY, 1, 3_500)
        .comes_back(FIRST, ONLY, 3_902, new_boot())
        .kills(SECOND, ONLY, (AGAIN, CUT_AGAIN), 1)
        .starts(ONLY, 2, 4_010)
        .comes_back(SECOND, ONLY, 4_032, third_boot())
        .ends()
        .trial();
    assert_eq!(at(trial.chain.ready), Some(900.0));
    assert_eq!(at(trial.chain.executed), Some(498.0));
    assert_eq!(at(trial.outage), Some(1_032.0));
}

#[test]
fn the_calm_between_two_faults_belongs_to_neither() {
    let during = [
        look(1, 3_050).unanswered(3_060),
        look(2, 4_100).unanswered(4_110),
    ];
    let calm = [look(3, 3_500), look(4, 3_600)];
    let trial = Story::killed_twice()
        .does([third(look(6, 4_500))])
        .does(during)
        .does(calm)
        .trial();
    let scheduled = &trial.errors;
    assert_eq!(
        (
            scheduled.before.scheduled,
            scheduled.during.scheduled,
            scheduled.after.scheduled
        ),
        (1, 2, 3)
    );
    assert_eq!(trial.errors.during.rate(), Some(1.0));
    let own: Vec<u64> = trial
        .faults
        .iter()
        .map(|fault| fault.errors.failures())
        .collect();
    assert_eq!(own, [1, 1]);
    let detected: Vec<_> = trial
        .faults
        .iter()
        .map(|fault| fault.time_to_detect)
        .collect();
    assert_eq!(detected, [Some(58.0), Some(108.0)]);
    assert_eq!(trial.time_to_detect, Some(108.0));
}

#[test]
fn faults_that_overlap_on_different_nodes_are_recovered_from_each_by_itself() {
    let mut story = behind_a_balancer().with_a_second_fault("again");
    // The first replica's kill and return are those of the story; the second's are told here.
    let place = story.events.len() - 3;
    let rest = story.events.split_off(place);
    let mut story = story
        .kills(SECOND, Node::Replica(1), (3_050, 3_052), 0)
        .starts(Node::Replica(1), 1, 3_060)
        .comes_back(
            SECOND,
            Node::Replica(1),
            3_400,
            BootId::from_header(b"one again"),
        );
    story.events.extend(rest);
    let trial = story.trial();
    let outages: Vec<_> = trial.faults.iter().map(|fault| at(fault.outage)).collect();
    assert_eq!(outages, [Some(100.0), Some(350.0)]);
    assert_eq!(at(trial.outage), Some(400.0));
    assert!(
        trial
            .faults
            .iter()
            .all(|fault| fault.overtaken_by.is_none())
    );
    let executed: Vec<_> = trial
        .faults
        .iter()
        .map(|fault| at(fault.chain.executed))
        .collect();
    assert_eq!(executed, [Some(8.0), Some(8.0)]);
    assert_eq!(boot_of(0), old_boot());
}

#[test]
fn a_node_that_is_killed_while_it_starts_again_is_recovered_from_both_with_one_reply() {
    let trial = Story::overtaken().trial();
    let [first, second] = &trial.faults[..] else {
        panic!("{:?}", trial.faults);
    };
    assert_eq!(first.overtaken_by, Some(SECOND));
    assert_eq!(first.chain.ready, Some(Time::Beyond { ms: 50.0 }));
    assert_eq!(first.outage, Some(Time::Beyond { ms: 52.0 }));
    assert_eq!(
        (second.overtaken_by, at(second.outage)),
        (None, Some(250.0))
    );
    assert_eq!(
        (first.hit_what_was_down, second.hit_what_was_down),
        (false, true)
    );
    // The trial knows when the service was back, and counts the whole of it.
    assert_eq!(
        (at(trial.outage), at(trial.chain.ready)),
        (Some(300.0), Some(298.0))
    );
    let said = "fault 'kill': it had not been recovered from when 'again' hit the same node; both are over with one recovery";
    assert!(
        trial.findings.iter().any(|found| found == said),
        "{:?}",
        trial.findings
    );
    assert!(trial.void.is_none(), "{:?}", trial.void);
}

#[test]
fn a_pause_inside_the_recovery_from_a_kill_overtakes_it() {
    let pause = |kind: fn(FaultId, Node) -> EventKind| kind(SECOND, ONLY);
    let trial = Story::new(false)
        .with_a_second_fault("pause")
        .kills(FIRST, ONLY, (FAULT, CUT), 0)
        .starts(ONLY, 1, EXECUTED)
        .event(
            3_050,
            pause(|fault, node| EventKind::TargetPaused {
                evidence: String::new(),
                fault,
                node,
            }),
        )
        .event(
            3_250,
            pause(|fault, node| EventKind::TargetResumed { fault, node }),
        )
        .comes_back(FIRST, ONLY, 3_300, new_boot())
        .comes_back(SECOND, ONLY, 3_300, new_boot())
        .ends()
        .trial();
    assert_eq!(trial.faults[0].overtaken_by, Some(SECOND));
    assert_eq!(trial.faults[0].chain.ready, Some(Time::Beyond { ms: 48.0 }));
    assert_eq!(at(trial.faults[1].chain.ready), Some(250.0));
    assert_eq!(at(trial.outage), Some(300.0));
}

#[test]
fn a_kill_while_all_stands_still_overtakes_the_pause() {
    let trial = Story::new(false)
        .with_a_second_fault("kill")
        .event(
            CUT,
            EventKind::TargetPaused {
                evidence: String::new(),
                fault: FIRST,
                node: ONLY,
            },
        )
        .kills(SECOND, ONLY, (3_050, 3_052), 0)
        .starts(ONLY, 1, 3_060)
        .comes_back(FIRST, ONLY, 3_200, new_boot())
        .comes_back(SECOND, ONLY, 3_200, new_boot())
        .ends()
        .trial();
    assert_eq!(trial.faults[0].overtaken_by, Some(SECOND));
    assert_eq!(at(trial.outage), Some(198.0));
}

#[test]
fn a_first_fault_that_was_given_up_stays_unrecovered_though_the_second_brought_the_service_back() {
    let trial = Story::new(false)
        .with_a_second_fault("again")
        .kills(FIRST, ONLY, (FAULT, CUT), 0)
        .starts(ONLY, 1, EXECUTED)
        .gives_up_on(FIRST, 3_900)
        .kills(SECOND, ONLY, (AGAIN, CUT_AGAIN), 1)
        .starts(ONLY, 2, AGAIN + 10)
        .comes_back(SECOND, ONLY, BACK_AGAIN, third_boot())
        .ends()
        .trial();
    assert!(
        matches!(trial.chain.ready, Some(Time::Beyond { .. })),
        "{:?}",
        trial.chain
    );
    assert!(matches!(trial.outage, Some(Time::Beyond { .. })));
    let said = "fault 'kill': no correct reply of a new process within 0.9 s; the last probe saw: connection refused";
    assert!(
        trial.findings.iter().any(|found| found == said),
        "{:?}",
        trial.findings
    );
}

#[test]
fn a_fault_that_was_given_up_after_another_overtook_it_is_unrecovered_too() {
    let trial = Story::new(false)
        .with_a_second_fault("again")
        .kills(FIRST, ONLY, (FAULT, CUT), 0)
        .starts(ONLY, 1, EXECUTED)
        .kills(SECOND, ONLY, (AGAIN, CUT_AGAIN), 1)
        .starts(ONLY, 2, AGAIN + 10)
        .gives_up_on(FIRST, CUT_AGAIN + 5)
        .comes_back(SECOND, ONLY, BACK_AGAIN, third_boot())
        .ends()
        .trial();
    assert_eq!(trial.faults[0].overtaken_by, Some(SECOND));
    let ready = trial.chain.ready;
    assert!(matches!(ready, Some(Time::Beyond { .. })), "{ready:?}");
    let told = |found: &String| found.contains("no correct reply of a new process");
    assert!(trial.findings.iter().any(told), "{:?}", trial.findings);
}

#[test]
fn a_first_that_is_back_says_nothing_for_a_second_that_is_not() {
    let trial = Story::back_once()
        .kills(SECOND, ONLY, (AGAIN, CUT_AGAIN), 1)
        .starts(ONLY, 2, AGAIN + 10)
        .gives_up_on(SECOND, STOPPED)
        .ends()
        .trial();
    assert!(
        matches!(trial.chain.ready, Some(Time::Beyond { .. })),
        "{:?}",
        trial.chain
    );
    assert_eq!(at(trial.faults[0].outage), Some(100.0));
    assert!(matches!(trial.faults[1].outage, Some(Time::Beyond { .. })));
}

#[test]
fn a_recovery_is_laid_to_no_fault_that_came_after_it_nor_to_a_process_that_the_fault_ended() {
    let back_at = |at, boot| {
        Story::back_once()
            .kills(SECOND, ONLY, (AGAIN, CUT_AGAIN), 1)
            .comes_back(SECOND, ONLY, at, boot)
            .ends()
            .trial()
    };
    // The probe of the first kill saw the process that the second one ended; once before its end, once read late.
    for (at, boot) in [(CUT_AGAIN - 1, new_boot()), (CUT_AGAIN + 1, new_boot())] {
        let trial = back_at(at, boot);
        assert_eq!(trial.faults[1].chain.ready, None, "{at}");
        assert_eq!((trial.outage, trial.chain.ready), (None, None), "{at}");
    }
    assert_eq!(
        at(back_at(CUT_AGAIN + 1, third_boot()).outage),
        Some(1_003.0)
    );
}

#[test]
fn a_second_fault_that_missed_voids_the_trial_whatever_the_first_showed() {
    let missed = |reason: &str| EventKind::FaultMissed {
        fault: SECOND,
        reason: reason.to_owned(),
    };
    let trial = Story::back_once()
        .event(AGAIN, missed("it ran on"))
        .ends()
        .trial();
    let void = trial.void.unwrap();
    assert_eq!(void.reason, "the fault 'again' did not land: it ran on");
    assert_eq!(
        (void.spoils, void.doing),
        (Spoils::Everything, Doing::Servers)
    );
    assert!(!trial.landed);
    // One of which there is no word at all.
    let void = Story::back_once().ends().trial().void.unwrap();
    assert_eq!(
        void.reason,
        "the fault 'again' did not land: no exit of the target was seen"
    );
}

#[test]
fn a_second_fault_that_was_never_sent_since_the_first_was_not_recovered_from_voids_nothing() {
    let story = || {
        Story::new(false)
            .with_a_second_fault("again")
            .kills(FIRST, ONLY, (FAULT, CUT), 0)
            .starts(ONLY, 1, EXECUTED)
            .gives_up_on(FIRST, STOPPED)
            .ends()
            .does([look(1, 2_000)])
    };
    let missed = EventKind::FaultMissed {
        fault: SECOND,
        reason: "the target was still under fault 1".to_owned(),
    };
    for story in [story(), story().event(AGAIN, missed.clone())] {
        let trial = story.trial();
        assert_eq!(trial.void, None);
        assert!(matches!(trial.chain.ready, Some(Time::Beyond { .. })));
    }
    // One that was sent and had no effect may be why.
    let sent = EventKind::FaultRequested {
        fault: SECOND,
        node: ONLY,
        begun: "SIGKILL sent".to_owned(),
    };
    let trial = story().event(AGAIN, sent).event(AGAIN + 1, missed).trial();
    assert!(trial.void.is_some());
}

#[test]
fn a_second_fault_that_found_a_process_ended_by_itself_is_the_firsts_failed_recovery() {
    let story = |signalled: bool| {
        let ended = EventKind::TargetExited {
            node: ONLY,
            incarnation: Incarnation(1),
            exit: Exit::Status(1),
            cause: ExitCause::Unexpected,
            tail: Vec::new(),
        };
        let (fault, node) = (SECOND, ONLY);
        let sent = match signalled {
            true => EventKind::FaultRequested {
                fault,
                node,
                begun: "SIGKILL sent".to_owned(),
            },
            false => EventKind::DrainBegun { fault, node },
        };
        let missed = EventKind::FaultMissed {
            fault,
            reason: "replica-0 had ended before the fault".to_owned(),
        };
        let begun = Story::back_once().event(3_500, ended);
        begun.event(AGAIN, sent).event(AGAIN + 5, missed)
    };
    let drained_only = story(false);
    let never_sent = drained_only
        .clone()
        .without(|kind| matches!(kind, EventKind::DrainBegun { .. }));
    for story in [never_sent, drained_only] {
        let trial = story.event(AGAIN + 6, EventKind::TrialEnded).trial();
        assert_eq!(trial.void, None);
        assert_eq!(trial.not_back(), Some(&NotBack::Ended));
        assert!(matches!(trial.chain.ready, Some(Time::Beyond { .. })));
    }
    assert!(story(true).ends().trial().void.is_some());
}

#[test]
fn what_was_acknowledged_between_two_faults_and_is_gone_is_lost_by_the_second() {
    let trial = Story::killed_twice()
        .does([login(0, 3_400), act(0, 3_500).value(1), gone(0)])
        .does([login(1, 3_400), act(1, 3_500).value(1), known(1, 0)])
        .trial();
    assert_eq!((trial.sessions.acknowledged, trial.sessions.lost), (2, 1));
    assert_eq!((trial.writes.acknowledged, trial.writes.lost), (2, 2));
    assert_eq!(trial.laid, [laid(&[SECOND], 1, 2)]);
    assert_eq!(trial.loss_window_ms, Some((CUT_AGAIN - 3_501) as f64));
}

#[test]
fn a_loss_is_laid_to_the_faults_between_the_last_look_that_knew_and_the_first_that_did_not() {
    let refused = |op: Op| op.rejected(ErrorClass::SessionRejected);
    let trial = Story::killed_twice()
        // Told between the faults that it is gone.
        .does([login(0, 1_500), refused(look(0, 3_300)), gone(0)])
        // Known between them.
        .does([login(1, 1_500), look(1, 3_300), gone(1)])
        // Not seen between them: nobody can tell.
        .does([login(2, 1_500), gone(2)])
        // Known after the second, and gone at last: as in a trial with one fault, to the last before.
        .does([login(3, 1_500), third(look(3, 4_500)), gone(3)])
        .trial();
    assert_eq!(trial.sessions.lost, 4);
    assert_eq!(
        trial.laid,
        [
            laid(&[FIRST], 1, 0),
            laid(&[FIRST, SECOND], 1, 0),
            laid(&[SECOND], 2, 0)
        ]
    );
}

#[test]
fn where_faults_overlap_a_loss_is_laid_to_both() {
    let trial = Story::overtaken()
        .does([login(0, 1_500), act(0, 1_600).value(1), gone(0)])
        .does([login(1, 1_500), act(1, 1_600).value(1), known(1, 1)])
        .trial();
    assert_eq!(trial.laid, [laid(&[FIRST, SECOND], 1, 1)]);
}

#[test]
fn a_lost_write_is_laid_by_its_acknowledgement_and_by_the_checks_that_held_it() {
    let lost = |client, ops: Vec<Op>| {
        let logged_in = [login(client, 1_500), act(client, 1_600).value(1)];
        let last = [known(client, 0)];
        let ops = logged_in.into_iter().chain(ops).chain(last);
        Story::killed_twice().does(ops).trial()
    };
    let shared = [laid(&[FIRST, SECOND], 0, 1)];
    assert_eq!(lost(0, Vec::new()).laid, shared);
    // A check after the first recovery showed it.
    let shown = lost(0, vec![look(0, 3_300).value(1)]);
    assert_eq!(shown.laid, [laid(&[SECOND], 0, 1)]);
    assert_eq!(shown.loss_window_ms, Some((CUT_AGAIN - 1_601) as f64));
    // A write that was never answered may stand in the counter for it.
    let hidden = vec![act(0, 2_000).unanswered(2_010), look(0, 3_300).value(1)];
    assert_eq!(lost(0, hidden).laid, shared);
}

#[test]
fn a_write_with_a_value_of_its_own_is_laid_by_itself() {
    let trial = Story::killed_twice()
        .writing(Writes::Set)
        .does([
            login(0, 1_500),
            write(0, 1_600, 1),
            write(0, 3_500, 2),
            write(0, 3_600, 3),
        ])
        .does([third(shows(0, &[3]))])
        .trial();
    assert_eq!((trial.writes.lost, trial.writes.holes), (2, 2));
    assert_eq!(
        trial.laid,
        [laid(&[FIRST, SECOND], 0, 1), laid(&[SECOND], 0, 1)]
    );
}

#[test]
fn a_session_begun_after_one_fault_and_gone_before_the_next_was_taken_by_neither() {
    let trial = Story::killed_twice()
        .does([
            login(0, 3_300),
            look(0, 3_500).rejected(ErrorClass::SessionRejected),
            gone(0),
        ])
        .does([login(1, 1_500), known(1, 0)])
        .trial();
    assert_eq!((trial.sessions.acknowledged, trial.sessions.lost), (1, 0));
    assert!(trial.laid.is_empty());
    let said = "1 session begun after the fault was lost";
    assert!(
        trial.findings.iter().any(|found| found == said),
        "{:?}",
        trial.findings
    );
}

#[test]
fn the_process_between_the_faults_is_old_after_the_second() {
    let story = || Story::killed_twice().does([login(1, 1_500), known(1, 0)]);
    // Asked before the second kill took effect, and read after it.
    let late = login(0, AGAIN - 1).finished(CUT_AGAIN + 1);
    let trial = story().does([late, gone(0)]).trial();
    assert_eq!((trial.sessions.lost, trial.void), (1, None));
    // Asked after it.
    let void = story()
        .does([look(2, CUT_AGAIN + 100)])
        .trial()
        .void
        .unwrap();
    assert!(
        void.reason.starts_with("an old process still answers"),
        "{}",
        void.reason
    );
}

#[test]
fn what_each_fault_met_is_told_for_each() {
    let trial = Story::killed_twice()
        .does([act(1, FAULT - 1).finished(FAULT + 1)])
        .does([
            act(2, AGAIN - 1).unanswered(AGAIN + 1),
            look(3, AGAIN - 1).unanswered(AGAIN + 1),
        ])
        .trial();
    let met: Vec<u64> = trial
        .faults
        .iter()
        .map(|fault| fault.met.unwrap().in_flight)
        .collect();
    let in_flight: Vec<u64> = trial
        .faults
        .iter()
        .map(|fault| fault.in_flight.scheduled)
        .collect();
    assert_eq!((met, in_flight), (vec![1, 1], vec![1, 2]));
    assert_eq!(
        (trial.met.unwrap().in_flight, trial.in_flight.scheduled),
        (2, 3)
    );
}

#[test]
fn a_start_that_fails_after_the_second_kill_is_no_end_after_the_recovery_from_the_first() {
    let ends = |at, incarnation| {
        let exited = EventKind::TargetExited {
            node: ONLY,
            incarnation: Incarnation(incarnation),
            exit: Exit::Status(1),
            cause: ExitCause::Unexpected,
            tail: Vec::new(),
        };
        (at, exited)
    };
    let story = |(at, exited): (u64, EventKind)| {
        Story::back_once()
            .kills(SECOND, ONLY, (AGAIN, CUT_AGAIN), 1)
            .starts(ONLY, 2, AGAIN + 10)
            .event(at, exited)
            .starts(ONLY, 3, AGAIN + 100)
            .comes_back(SECOND, ONLY, BACK_AGAIN, third_boot())
            .ends()
            .trial()
    };
    let failed_start = story(ends(AGAIN + 50, 2));
    assert_eq!(
        (failed_start.failed_starts, failed_start.not_back()),
        (1, None)
    );
    // One that ends by itself between the faults was not back for good.
    let mut died = Story::killed_twice();
    let (at, exited) = ends(3_500, 1);
    let died_between = Event {
        at: ms(at),
        trial: Some(TrialId(0)),
        kind: exited,
    };
    died.events.push(died_between);
    let died = died.trial();
    assert!(died.not_back().is_some());
    // It is the first fault that was not recovered from, and that is known until the second came.
    let (first, second) = (died.faults[0].chain.ready, died.faults[1].chain.ready);
    let ms = (AGAIN - CUT) as f64;
    assert_eq!(first, Some(Time::Beyond { ms }));
    assert_eq!(self::at(second), Some((BACK_AGAIN - CUT_AGAIN) as f64));
}

#[test]
fn what_a_node_leaves_undone_that_ended_before_the_second_fault_is_not_the_second_faults() {
    const OTHER: Node = Node::Replica(1);
    let ends_by_itself = |node, incarnation| EventKind::TargetExited {
        node,
        incarnation: Incarnation(incarnation),
        exit: Exit::Status(1),
        cause: ExitCause::Unexpected,
        tail: Vec::new(),
    };
    let story = |ends: (u64, EventKind)| {
        let fails = |op: Op| op.fails(Outcome::Indeterminate, ErrorClass::ServerError);
        let mut story = behind_a_balancer().with_a_second_fault("again");
        // The load's end, and all that comes after it.
        let rest = story.events.split_off(story.events.len() - 3);
        let mut story = story
            .event(ends.0, ends.1)
            .kills(SECOND, OTHER, (AGAIN, CUT_AGAIN), 0)
            .starts(OTHER, 1, AGAIN + 10)
            .comes_back(SECOND, OTHER, BACK_AGAIN, third_boot());
        story.events.extend(rest);
        let before = (BASELINE..FAULT).step_by(20);
        let after = (BACK_AGAIN..STOPPED).step_by(20);
        story
            .does(before.map(|at| look(2_000 + at as u32, at).by(1)))
            .does(after.map(|at| fails(third(look(2_000 + at as u32, at)))))
            .trial()
    };
    // The first replica was back from the first fault, and is gone when the second comes.
    let gone = story((3_500, ends_by_itself(ONLY, 1)));
    let readies: Vec<_> = gone.faults.iter().map(|own| own.chain.ready).collect();
    let (first, second) = ((AGAIN - CUT) as f64, (BACK_AGAIN - CUT_AGAIN) as f64);
    assert_eq!(readies[0], Some(Time::Beyond { ms: first }));
    assert_eq!(at(readies[1]), Some(second), "{readies:?}");
    assert!(matches!(gone.chain.ready, Some(Time::Beyond { .. })));
    // What ends after it leaves the second fault as it was: nobody can tell whose the failures are.
    let later = story((BACK_AGAIN + 100, ends_by_itself(Node::Replica(2), 0)));
    let readies: Vec<_> = later.faults.iter().map(|own| own.chain.ready).collect();
    assert_eq!(at(readies[0]), Some((RECOVERED - CUT) as f64));
    assert!(
        matches!(readies[1], Some(Time::Beyond { .. })),
        "{readies:?}"
    );
}

#[test]
fn a_fault_that_was_given_up_is_unrecovered_though_one_of_its_nodes_was_overtaken_before() {
    // The first fault kills both, and is given up since the second replica hangs; each is killed once more, and is back then.
    const THIRD: FaultId = FaultId(2);
    const OTHER: Node = Node::Replica(1);
    let boot = |name: &str| BootId::from_header(name.as_bytes());
    let trial = Story::new(false)
        .with_a_second_fault("again")
        .with_a_second_fault("once more")
        .planned(|plan| plan.arms[0].replicas = 2)
        .kills(FIRST, ONLY, (FAULT, CUT), 0)
        .kills(FIRST, OTHER, (FAULT, CUT), 0)
        .starts(ONLY, 1, EXECUTED)
        .starts(OTHER, 1, EXECUTED)
        .kills(SECOND, ONLY, (3_400, 3_402), 1)
        .starts(ONLY, 2, 3_410)
        .comes_back(SECOND, ONLY, 3_500, boot("second"))
        .gives_up_on(FIRST, 3_600)
        .kills(THIRD, OTHER, (AGAIN, CUT_AGAIN), 1)
        .starts(OTHER, 2, AGAIN + 10)
        .comes_back(THIRD, OTHER, BACK_AGAIN, third_boot())
        .does(
            (BACK_AGAIN..STOPPED)
                .step_by(20)
                .map(|at| third(look(2_000 + at as u32, at))),
        )
        .ends()
        .trial();
    assert_eq!(trial.faults[0].overtaken_by, Some(SECOND));
    assert!(
        matches!(trial.chain.ready, Some(Time::Beyond { .. })),
        "{:?}",
        trial.chain
    );
    let said = "fault 'kill': no correct reply of a new process within 0.6 s; the last probe saw: connection refused";
    assert!(
        trial.findings.iter().any(|found| found == said),
        "{:?}",
        trial.findings
    );
}

#[test]
fn a_service_that_answers_once_between_the_faults_and_then_fails_is_not_back_for_good() {
    let served = |from, to| (from..to).step_by(20).map(|at| look(2_000 + at as u32, at));
    let fails = |op: Op| op.fails(Outcome::Indeterminate, ErrorClass::ServerError);
    let story = || {
        Story::killed_twice()
            .does(served(BASELINE, FAULT))
            .does(served(BACK_AGAIN, STOPPED).map(third))
    };
    let trial = story().does(served(RECOVERED, AGAIN).map(fails)).trial();
    let said = "the service is not back for good: before the next fault came, 22 of 22 operations failed in the last 0.4 s \
                of that calm (100 %), most of them: server error";
    assert!(trial.not_back().is_some());
    assert!(
        trial.findings.iter().any(|found| found == said),
        "{:?}",
        trial.findings
    );
    assert!(matches!(trial.chain.ready, Some(Time::Beyond { .. })));
    // It is the first fault that was not recovered from, and that is known until the second came.
    let ready = |trial: &TrialAnalysis| trial.faults.iter().map(|own| own.chain.ready).collect();
    let readies: Vec<Option<Time>> = ready(&trial);
    let (first, second) = ((AGAIN - CUT) as f64, (BACK_AGAIN - CUT_AGAIN) as f64);
    assert_eq!(readies[0], Some(Time::Beyond { ms: first }));
    assert!(
        matches!(readies[1], Some(Time::At { ms, .. }) if ms == second),
        "{readies:?}"
    );
    // What fails after the second is the second's.
    let failing_last = Story::killed_twice()
        .does(served(BASELINE, FAULT))
        .does(served(RECOVERED, AGAIN))
        .does(served(BACK_AGAIN, STOPPED).map(third).map(fails));
    let readies: Vec<Option<Time>> = ready(&failing_last.trial());
    assert!(matches!(readies[0], Some(Time::At { .. })), "{readies:?}");
    assert!(
        matches!(readies[1], Some(Time::Beyond { .. })),
        "{readies:?}"
    );
    // Sessions that were begun after the first kill and are not known then: they are no loss, they are not served.
    let unknown = (0..23).flat_map(|client| {
        let at = RECOVERED + 50 + u64::from(client) * 30;
        let refused = look(client, at + 10).rejected(ErrorClass::SessionRejected);
        [login(client, at), refused]
    });
    assert!(story().does(unknown).trial().not_back().is_some());
    let served_well = story().does(served(RECOVERED, AGAIN)).trial();
    assert_eq!(served_well.not_back(), None);
}

#[test]
fn a_session_that_was_logged_out_between_the_faults_and_is_honoured_is_a_zombie() {
    let trial = Story::killed_twice()
        .does([
            login(0, 1_500),
            look(0, 3_490),
            logout(0, 3_500),
            known(0, 0),
        ])
        .does([login(1, 1_500), look(1, 3_490), logout(1, 3_500), gone(1)])
        .trial();
    assert_eq!((trial.sessions.zombie, trial.sessions.logged_out), (1, 2));
}

#[test]
fn a_logout_between_the_faults_hides_nothing_that_the_first_one_took() {
    let refused = look(0, 3_490).rejected(ErrorClass::SessionRejected);
    let older = look(1, 3_490).value(1);
    let whole = look(2, 3_490).value(2);
    let acts = |client| [act(client, 1_600).value(1), act(client, 1_700).value(2)];
    let trial = Story::killed_twice()
        .does([login(0, 1_500), refused, logout(0, 3_500), gone(0)])
        .does([login(1, 1_500)])
        .does(acts(1))
        .does([older, logout(1, 3_500), gone(1)])
        .does([login(2, 1_500)])
        .does(acts(2))
        .does([whole, logout(2, 3_500), gone(2)])
        .trial();
    assert_eq!(trial.sessions.lost, 1, "{:?}", trial.sessions);
    assert_eq!(trial.sessions.reset, 1, "{:?}", trial.sessions);
    assert_eq!(trial.sessions.logged_out, 1, "{:?}", trial.sessions);
    assert_eq!(trial.writes.lost, 1, "{:?}", trial.writes);
    // Of one that nobody looked at after the first kill nothing is known.
    let unseen = Story::killed_twice()
        .does([login(0, 1_500), look(0, 2_500), logout(0, 3_500), gone(0)])
        .trial();
    assert_eq!(unseen.sessions.undecided, 1, "{:?}", unseen.sessions);
    // One that was begun after it is ended by its user alone.
    let begun_later = Story::killed_twice()
        .does([login(0, 3_300), logout(0, 3_500), gone(0)])
        .trial();
    assert_eq!(
        begun_later.sessions.logged_out, 1,
        "{:?}",
        begun_later.sessions
    );
}

/// Each of three replicas is killed in turn, from [`FAULT`] on every half second, and is back 100 ms later.
fn rolled() -> Story {
    let mut story = Story::new(false).planned(|plan| plan.arms[0].replicas = 3);
    for replica in 0..3 {
        let node = Node::Replica(replica);
        let sent = FAULT + 500 * u64::from(replica);
        let evidence = Evidence::BootId(match replica {
            0 => new_boot(),
            other => BootId::from_header(format!("new {other}").as_bytes()),
        });
        let returned = EventKind::TargetReturned {
            fault: FIRST,
            node,
            last_failed_us: None,
            evidence,
            unowned: None,
        };
        story = story
            .kills(FIRST, node, (sent, sent + 2), 0)
            .starts(node, 1, sent + 10)
            .event(sent + 100, returned);
    }
    let back = FAULT + 1_100;
    story
        .event(back, first_correct(None))
        .enters(back, Phase::Settle)
        .ends()
}

#[test]
fn a_logout_in_a_rolling_restart_hides_nothing_that_an_earlier_exit_took() {
    let acts = |client| [act(client, 1_600).value(1), act(client, 1_700).value(2)];
    let counted = |looked: Op| {
        let client = looked.0.client.0;
        let trial = rolled()
            .does([login(client, 1_500)])
            .does(acts(client))
            .does([looked, logout(client, 3_500), gone(client)])
            .trial();
        let sessions = trial.sessions;
        (
            sessions.lost,
            sessions.reset,
            sessions.logged_out,
            trial.writes.lost,
        )
    };
    let refused = look(0, 3_490).rejected(ErrorClass::SessionRejected);
    assert_eq!(counted(refused), (1, 0, 0, 2));
    assert_eq!(counted(look(0, 3_490).value(1)), (0, 1, 0, 1));
    // Whole at the last look, or not looked at, or before the first exit: its user ended it.
    assert_eq!(counted(look(0, 3_490).value(2)), (0, 0, 1, 0));
    assert_eq!(counted(look(0, 2_990).value(2)), (0, 0, 1, 0));
    assert_eq!(counted(look(0, 2_990).value(1)), (0, 0, 1, 0));
    assert_eq!(
        counted(look(0, 3_490).failing_as(ErrorClass::ResponseTimeout)),
        (0, 0, 1, 0)
    );
}

#[test]
fn a_reply_without_a_length_is_whole_when_it_came_between_the_faults() {
    let mut calm = look(1, 3_500);
    calm.0.unframed = true;
    let mut cut_off = look(2, AGAIN - 1).finished(AGAIN + 1);
    cut_off.0.unframed = true;
    let trial = Story::killed_twice().does([calm, cut_off]).trial();
    assert_eq!(trial.errors.after.failures(), 0);
    assert_eq!(trial.errors.during.failures(), 1);
}

#[test]
fn a_surrounding_is_no_fault_and_one_that_did_not_hold_voids_the_trial_be_it_a_control() {
    const SURROUNDING: FaultId = FaultId(1);
    let surrounded = |story: Story| story.planned(|plan| plan.surroundings = plan.faults.clone());
    let node = ONLY;
    let applied = EventKind::SurroundingApplied {
        fault: SURROUNDING,
        node,
        evidence: "max open files 64".to_owned(),
    };
    let ended = EventKind::SurroundingRemoved {
        fault: SURROUNDING,
        node,
    };
    let of = |story: Story, events: &[(u64, &EventKind)]| {
        let mut story = surrounded(story).does([look(1, 2_000)]);
        for (at, kind) in events {
            story = story.event(*at, (*kind).clone());
        }
        story.trial()
    };
    let over = STOPPED + 1;
    for story in [Story::faulted(), Story::control()] {
        // To the first start, and to the next one.
        let applied_to_each = [(500, &applied), (EXECUTED + 1, &applied), (over, &ended)];
        let held = of(story.clone(), &applied_to_each);
        assert_eq!(held.void, None);
        assert!(held.faults.is_empty() && held.nodes.outages.is_empty());
        for (events, why) in [
            (vec![], "it was not seen to be applied"),
            (
                vec![(500, &applied), (EXECUTED + 1, &applied), (4_000, &ended)],
                "it ended before the load did",
            ),
        ] {
            let void = of(story.clone(), &events).void.unwrap();
            assert_eq!(
                void.reason,
                format!("the surrounding 'kill' did not hold: {why}")
            );
            assert_eq!(
                (void.spoils, void.doing),
                (Spoils::Everything, Doing::Servers)
            );
        }
    }
    let bare = of(Story::faulted(), &[(500, &applied), (over, &ended)])
        .void
        .unwrap();
    let why = "it was not applied to replica-0 when that was started again";
    assert_eq!(
        bare.reason,
        format!("the surrounding 'kill' did not hold: {why}")
    );
}

#[test]
fn a_control_trial_has_no_faults_and_one_fault_needs_no_telling_apart() {
    let control = Story::control().with_a_second_fault("again");
    let control = control.does([look(1, 2_000)]).trial();
    assert!(control.faults.is_empty() && control.laid.is_empty());
    assert!(control.void.is_none() && !control.landed);
    let one = Story::faulted().does([login(0, 1_500), meets(0, ErrorClass::SessionRejected)]);
    let one = one.trial();
    assert_eq!(
        (one.sessions.lost, one.faults.len(), one.laid.len()),
        (1, 0, 0)
    );
}

#[test]
fn a_write_that_was_seen_to_be_gone_is_not_laid_to_a_later_fault_alone() {
    // The first kill takes both writes; the server goes on from 0, and the oracle with it after one refuted look.
    let mut refuted = look(0, 3_400).value(0);
    refuted.0.error = Some(ErrorClass::WrongAnswer);
    let trial = Story::killed_twice()
        .does([
            login(0, 1_500),
            act(0, 1_600).value(1),
            act(0, 1_700).value(2),
        ])
        .does([refuted])
        .does([look(0, 3_500).value(0)])
        .does([act(0, 3_600).value(1), act(0, 3_700).value(2), known(0, 2)])
        .trial();
    assert_eq!(trial.writes.lost, 2, "{:?}", trial.writes);
    assert_eq!(trial.laid, [laid(&[FIRST, SECOND], 0, 2)]);
}

#[test]
fn clients_are_out_until_each_recovery_and_not_until_their_next_request() {
    // Nobody asks between the first recovery and 3,900 ms.
    let trial = Story::killed_twice()
        .does([login(0, 1_500), look(0, FAULT - 10), look(0, 3_900)])
        .does([third(look(0, BACK_AGAIN + 10))])
        .trial();
    let out = at(trial.client_outage).unwrap();
    assert!(out < 900.0, "{out}");
}

#[test]
fn a_service_that_hangs_through_the_calm_is_not_back_for_good() {
    use ErrorClass::{Reset, ResponseTimeout};
    // Each has its time-out, or is cut off by the second kill.
    let hangs = |timeout: u64, op: Op| {
        let timed_out = op.0.intended.as_us() / 1_000 + timeout;
        match timed_out < LATE {
            true => op.unanswered(timed_out).failing_as(ResponseTimeout),
            false => op.unanswered(LATE + 2).failing_as(Reset),
        }
    };
    let calm = |from, to| steadily(from, to, 10);
    for timeout in [250, 1_000, 2_000, 30_000] {
        let silent = calm(RECOVERED + 20, LATE).map(|op| hangs(timeout, op));
        let trial = killed_late(silent);
        assert!(
            matches!(trial.not_back(), Some(NotBack::BetweenFaults { .. })),
            "{timeout}: {:?}",
            trial.returned
        );
        let readies = trial.faults.iter().map(|own| own.chain.ready);
        let readies: Vec<_> = readies.collect();
        let ms = (LATE - CUT) as f64;
        assert_eq!(readies[0], Some(Time::Beyond { ms }), "{timeout}");
        assert_eq!(at(readies[1]), Some(98.0), "{timeout}");
    }
    // So it is when it hangs for some of its users, and serves the others.
    for served in [2, 10] {
        for timeout in [250, 2_000, 30_000] {
            let some = calm(RECOVERED + 20, LATE).enumerate();
            let some = some.map(|(place, op)| match place % served {
                0 => op,
                _ => hangs(timeout, op),
            });
            let trial = killed_late(some);
            assert!(
                matches!(trial.not_back(), Some(NotBack::BetweenFaults { .. })),
                "one in {served}, {timeout}: {:?}",
                trial.returned
            );
        }
    }
    // So it is when all of it hangs for less than a second, but for longer than clients wait.
    let briefly = || {
        let served = calm(RECOVERED, LATE - 950);
        let late = calm(LATE - 950, LATE).map(|op| hangs(250, op));
        hit_late()
            .planned(|plan| plan.load.timeout = Span::from_ms(250))
            .serves(BASELINE, FAULT, 10)
            .does(served.chain(late))
    };
    let trial = briefly().trial();
    assert!(
        matches!(trial.not_back(), Some(NotBack::BetweenFaults { .. })),
        "{:?}",
        trial.returned
    );
    // Where the machine's disk stood still meanwhile nobody knows whether it was back, though it is so after the next fault.
    let kind = EventKind::DiskStalled {
        since_us: ms(LATE - 950),
        stalled_us: 950_000,
    };
    let trial = briefly().event(LATE, kind).trial();
    let stalled = |returned: &Option<Return>| {
        matches!(
            returned,
            Some(Return::ByProbeOnly {
                unclear: Some(Unclear::Disk(_)),
                ..
            })
        )
    };
    assert!(stalled(&trial.returned), "{:?}", trial.returned);
    assert!(trial.void.is_some());
    let is_back = |calm: Vec<Op>| assert_eq!(killed_late(calm).not_back(), None);
    // A few time-outs are not the server's alone.
    let few = calm(RECOVERED, LATE).enumerate();
    let few = few.map(|(place, op)| match place % 50 {
        0 => hangs(250, op),
        _ => op,
    });
    is_back(few.collect());
    // A machine that stands still for some hundred ms, at the end or before.
    for still in [LATE - 400, LATE - 1_200] {
        let stands = |op: Op| match op.0.intended.as_us() / 1_000 {
            at if (still..still + 400).contains(&at) => {
                let mut op = hangs(250, op);
                op.0.dispatched = ms(at + 20);
                op
            }
            _ => op,
        };
        is_back(calm(RECOVERED, LATE).map(stands).collect());
    }
    // What hung at first and is served in the end, and what was only just asked for.
    let hung = calm(RECOVERED, LATE - 1_500).map(|op| hangs(1_000, op));
    is_back(hung.chain(calm(LATE - 1_500, LATE)).collect());
    let asked = calm(LATE - 900, LATE).map(|op| hangs(30_000, op));
    is_back(calm(RECOVERED, LATE - 900).chain(asked).collect());
    // What takes as long as usual: a quarter of it 1.6 s.
    let slow = |(place, op): (usize, Op)| {
        let at = op.0.intended.as_us() / 1_000;
        match place % 4 {
            0 if at + 1_600 < LATE => op.finished(at + 1_600),
            0 => hangs(30_000, op),
            _ => op,
        }
    };
    let before = steadily(BASELINE, FAULT, 10).enumerate().map(slow);
    let trial = hit_late()
        .does(before)
        .does(calm(RECOVERED, LATE).enumerate().map(slow))
        .trial();
    assert_eq!(trial.not_back(), None);
    // A calm of which nobody can tell.
    let short = calm(RECOVERED, AGAIN).map(|op| hangs(250, op));
    assert_eq!(Story::killed_twice().does(short).trial().not_back(), None);
}
