//! Whatever the journal says: the ledgers add up, and the analysis has an answer.

use comeback_model::event::Doubts;
use comeback_model::ids::{FaultId, Node};
use comeback_model::journal::{self, Sealer, write_line};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::measure::{Course, LaidLoss, Time, analyze_stored};
use crate::summary::summarize;
use crate::verdict::{self, Verdict};

const STEPS: [Step; 6] = [
    Step::Login,
    Step::Act,
    Step::Check,
    Step::Logout,
    Step::Get,
    Step::ReadBack,
];
const OUTCOMES: [Outcome; 3] = [
    Outcome::Acknowledged,
    Outcome::Rejected,
    Outcome::Indeterminate,
];

/// Mostly moments of the story, at times one that cannot be.
fn moment() -> impl Strategy<Value = Elapsed> {
    prop_oneof![
        30 => (0..6_500_000_u64).prop_map(Elapsed::from_us),
        1 => any::<u64>().prop_map(Elapsed::from_us),
        1 => Just(Elapsed::from_us(u64::MAX)),
    ]
}

fn counter() -> impl Strategy<Value = u64> {
    prop_oneof![9 => 0..6_u64, 1 => any::<u64>()]
}

prop_compose! {
    fn operation()(
        (client, generation, trial) in (0..4_u32, 0..3_u32, prop_oneof![20 => Just(0_u32), 1 => 0..3_u32]),
        step in select(STEPS.to_vec()),
        (intended, dispatched, finished) in (moment(), moment(), moment()),
        sent in option::weighted(0.9, moment()),
        outcome in select(OUTCOMES.to_vec()),
        error in option::weighted(0.4, select(ErrorClass::ALL.to_vec())),
        status in option::of(100..600_u16),
        value in option::weighted(0.7, counter()),
        write in option::weighted(0.7, 0..9_u32),
        found in option::weighted(0.5, (vec(0..9_u32, 0..9), prop_oneof![3 => Just(0), 1 => any::<u32>()])),
        boot in option::weighted(0.8, select(vec![old_boot(), new_boot()])),
        replica in option::of(0..4_u32),
        failed_replica in option::weighted(0.2, 0..4_u32),
    ) -> Op {
        Op(Operation {
            trial: TrialId(trial),
            client: ClientId(client),
            generation,
            step,
            intended,
            dispatched,
            sent,
            finished,
            outcome,
            error,
            status,
            value,
            write,
            found: found.map(|(writes, foreign)| Box::new(ShownWrites { writes, foreign })),
            boot,
            replica,
            failed_replica,
            unframed: false,
            cache: None,
            age_s: None,
            tries: 1,
            resent: None,
        })
    }
}

fn kind() -> impl Strategy<Value = EventKind> {
    let incarnation = (0..3_u32).prop_map(Incarnation);
    let lines = vec("[a-z ]{0,8}", 0..3).prop_map(|lines: Vec<String>| {
        lines
            .into_iter()
            .map(comeback_model::said::Line::Out)
            .collect::<Vec<_>>()
    });
    let causes = select(vec![
        ExitCause::Injected(FaultId::FIRST),
        ExitCause::Stopped,
        ExitCause::Unexpected,
    ]);
    prop_oneof![
        (0..4_u32, any::<bool>()).prop_map(|(arm, control)| EventKind::TrialStarted {
            arm: ArmId(arm),
            control
        }),
        select(Phase::ALL.to_vec()).prop_map(|phase| EventKind::PhaseEntered { phase }),
        (incarnation.clone(), moment()).prop_map(|(incarnation, requested_us)| {
            EventKind::TargetExecuted {
                node: Node::default(),
                incarnation,
                pid: 1,
                requested_us,
                launched_us: None,
            }
        }),
        (incarnation.clone(), lines.clone()).prop_map(|(incarnation, tail)| {
            EventKind::TargetStartFailed {
                node: Node::default(),
                incarnation,
                problem: String::new(),
                tail,
                port_taken_by: None,
            }
        }),
        (incarnation, causes, lines).prop_map(|(incarnation, cause, tail)| {
            EventKind::TargetExited {
                node: Node::default(),
                incarnation,
                exit: Exit::Status(1),
                cause,
                tail,
            }
        }),
        option::of(moment()).prop_map(|last_failed_us| EventKind::FirstAccept {
            fault: FaultId::FIRST,
            last_failed_us
        }),
        option::of(moment()).prop_map(first_correct),
        Just(EventKind::TargetReady {
            node: Node::default(),
            boot: Some(old_boot())
        }),
        Just(EventKind::FaultRequested {
            fault: FaultId::FIRST,
            node: Node::default(),
            begun: "SIGKILL sent".to_owned()
        }),
        Just(EventKind::FaultMissed {
            fault: FaultId::FIRST,
            reason: "it ran on".to_owned()
        }),
        vec(any::<i32>(), 0..3).prop_map(|pids| EventKind::SurvivorsFound {
            fault: FaultId::FIRST,
            pids
        }),
        vec(any::<i32>(), 0..3).prop_map(|pids| EventKind::LeftBehind { pids }),
        Just(EventKind::NotRecovered {
            fault: FaultId::FIRST,
            last_failure: String::new(),
            probes: 0
        }),
        Just(EventKind::LoadStopped {
            scheduled: 0,
            sent: u64::MAX,
            dropped: 1
        }),
        Just(EventKind::RepliesDoubted {
            doubts: Doubts {
                pages: vec!["GET /".to_owned()],
                names: Vec::new(),
            }
        }),
        Just(EventKind::SessionsLooked {
            whole: 1,
            lacking: 0,
            unknown: u32::MAX
        }),
        any::<(bool, u32)>().prop_map(|(after_kill, number)| EventKind::SessionsResumed {
            after_kill,
            whole: 1,
            refused: number,
            older: number,
            anothers: 0,
            odd: 1,
            unknown: number
        }),
        Just(EventKind::TrialAborted {
            reason: "why not".to_owned()
        }),
        Just(EventKind::TrialEnded),
        Just(EventKind::SessionsOpened {
            opened: 1,
            failed: 1
        }),
        Just(EventKind::ArmSkipped {
            arm: ArmId(9),
            reason: String::new()
        }),
        Just(EventKind::RunInterrupted),
        Just(EventKind::RunEnded),
        Just(EventKind::RunExtended {
            trials: vec![TrialId(u32::MAX)],
            replaces: vec![TrialId(u32::MAX)],
            same_faults: true,
            reasons: Vec::new()
        }),
    ]
}

fn stories() -> impl Strategy<Value = Story> {
    let told = select(vec![
        Story::faulted(),
        Story::never_recovered(),
        Story::control(),
    ]);
    let writes = select(vec![Writes::Counter, Writes::Set, Writes::List]);
    (told, writes).prop_map(|(story, writes)| story.writing(writes))
}

/// What must hold of any trial.
fn check(trial: &TrialAnalysis) -> Result<(), TestCaseError> {
    let (sessions, writes) = (&trial.sessions, &trial.writes);
    prop_assert_eq!(
        sessions.lost,
        sessions.rejected + sessions.recreated + sessions.broken
    );
    prop_assert!(sessions.known_later <= sessions.survived + sessions.reset);
    prop_assert_eq!(
        sessions.acknowledged,
        sessions.survived
            + sessions.lost
            + sessions.reset
            + sessions.wrong_identity
            + sessions.undecided
    );
    prop_assert_eq!(writes.kept + writes.lost, writes.acknowledged);
    // A hole is a lost write below a kept one.
    prop_assert!(writes.holes <= writes.lost && (writes.holes == 0 || writes.kept > 0));
    prop_assert!(trial.availability.met <= trial.availability.scheduled);
    let scheduled = &trial.errors;
    let scheduled =
        scheduled.before.scheduled + scheduled.during.scheduled + scheduled.after.scheduled;
    prop_assert_eq!(trial.availability.scheduled, scheduled);
    for (censored, measured) in [
        (trial.longest_gap(), trial.longest_gap_ms),
        (trial.outage_area(), trial.outage_area_s),
    ] {
        prop_assert_eq!(censored.is_some(), measured.is_some());
        prop_assert!(censored.is_none_or(
            |figure| figure.is_infinite() || trial.not_back().is_none() && censored == measured
        ));
    }
    if trial.faults.is_empty() {
        prop_assert_eq!(
            trial.loss_window_ms.is_some(),
            writes.lost > 0 && !trial.control && trial.chain.exit.is_some()
        );
    }
    check_faults(trial)?;
    if let Some(area) = trial.outage_area_s {
        prop_assert!(area.is_finite() && area >= 0.0, "{}", area);
    }
    for window in &trial.timeline {
        prop_assert!(
            window.start_ms.is_finite() && window.errors.failures() <= window.errors.scheduled
        );
    }
    Ok(())
}

/// What must hold of a trial with several faults: nothing is laid to nobody, and no fault took longer than the trial says.
fn check_faults(trial: &TrialAnalysis) -> Result<(), TestCaseError> {
    if !trial.laid.is_empty() {
        let sum = |of: fn(&LaidLoss) -> u64| trial.laid.iter().map(of).sum::<u64>();
        prop_assert_eq!(sum(|loss| loss.sessions), trial.sessions.lost);
        prop_assert_eq!(sum(|loss| loss.writes), trial.writes.lost);
    }
    let longest = trial.chain.ready.map_or(f64::INFINITY, Time::or_infinite);
    for fault in &trial.faults {
        if let Some(Time::At { ms, .. }) = fault.chain.ready {
            prop_assert!(ms <= longest, "{:?}: {} of {}", fault.id, ms, longest);
        }
        prop_assert!(fault.landed || !trial.landed);
    }
    Ok(())
}

fn check_all(analysis: &Analysis) -> Result<(), TestCaseError> {
    for trial in analysis.arms.iter().flat_map(|arm| &arm.trials) {
        check(trial)?;
    }
    let verdict = Verdict {
        outcome: verdict::Outcome::Fail,
        headline: String::new(),
        reasons: Vec::new(),
        checks: Vec::new(),
        baseline: None,
    };
    let document = serde_json::to_string(&summarize(analysis, &verdict));
    prop_assert!(document.is_ok());
    Ok(())
}

/// Makes the times of an operation such that can be: one after the other, while its trial lasts.
fn put_in_order(operation: &mut Operation, events: &[Event]) {
    let own = || {
        let trial = Some(operation.trial);
        events.iter().filter(move |event| event.trial == trial)
    };
    let began = own().find(|event| matches!(event.kind, EventKind::TrialStarted { .. }));
    let ended = own().find(|event| matches!(event.kind, EventKind::TrialEnded));
    let from = began.map_or_else(Elapsed::default, |event| event.at);
    let until = ended.map_or(Elapsed::from_us(u64::MAX), |event| event.at);
    let mut times = [
        operation.intended,
        operation.dispatched,
        operation.sent.unwrap_or_default(),
        operation.finished,
    ];
    times.sort_unstable();
    let times = times.map(|at| at.max(from).min(until));
    [
        operation.intended,
        operation.dispatched,
        _,
        operation.finished,
    ] = times;
    operation.sent = operation.sent.map(|_| times[2]);
}

/// A journal that is written, with its end torn off, is understood trial by trial as it is at once.
fn check_by_trial(journal: &Journal, torn: usize) -> Result<(), TestCaseError> {
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    let mut sealer = Sealer::default();
    let written = write_line(&mut lines, &journal.header)
        .and_then(|()| sealer.write_operations(&mut rows, &journal.operations))
        .and_then(|()| {
            let mut events = journal.events.iter();
            events.try_for_each(|event| sealer.write_event(&mut lines, event))
        });
    prop_assert!(written.is_ok());
    rows.truncate(rows.len().saturating_sub(torn));
    let whole = match journal::read(&lines[..], &rows[..]) {
        Ok(whole) => whole,
        Err(error) => {
            // A row of a trial that has ended.
            prop_assert!(torn > 0, "{}", error);
            return Ok(());
        }
    };
    let mut course = Course::default();
    let outline = journal::outline(&lines[..], &rows[..], |event| course.note(&event));
    let outline = outline.map_err(|error| TestCaseError::fail(error.to_string()))?;
    let by_trial = analyze_stored(&outline, course, |pending| {
        let mut file = std::io::Cursor::new(&rows);
        let pending = pending.iter().rev();
        let understood = pending.map(|trial| {
            let operations = outline.read_trial(&mut file, trial.id());
            operations.map(|operations| trial.analyze(operations))
        });
        understood.collect()
    });
    let by_trial = by_trial.map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(format!("{by_trial:?}"), format!("{:?}", analyze(&whole)));
    Ok(())
}

/// Any event of any fault, of any node.
fn of_a_fault() -> impl Strategy<Value = EventKind> {
    let fault = (0..4_u32).prop_map(FaultId);
    let nodes = vec![Node::Replica(0), Node::Replica(1), Node::Store];
    let boots = ["old", "new", "third"].map(|name| BootId::from_header(name.as_bytes()));
    let exit = option::of(select(vec![Exit::Signal(9), Exit::Status(1)]));
    let parts = (
        fault,
        select(nodes),
        select(boots.to_vec()),
        exit,
        0..11_u32,
        0..4_u32,
    );
    parts.prop_map(|(fault, node, boot, exit, which, incarnation)| {
        let (last_failed_us, unowned) = (None, None);
        let evidence = Evidence::BootId(boot);
        let incarnation = Incarnation(incarnation);
        match which {
            0 => EventKind::FaultRequested {
                fault,
                node,
                begun: String::new(),
            },
            1 => EventKind::TargetPaused {
                evidence: String::new(),
                fault,
                node,
            },
            2 => EventKind::TargetResumed { fault, node },
            3 => EventKind::FaultMissed {
                fault,
                reason: String::new(),
            },
            4 => EventKind::TargetReturned {
                fault,
                node,
                last_failed_us,
                evidence,
                unowned,
            },
            5 => EventKind::FirstCorrect {
                fault,
                last_failed_us,
                evidence,
                unowned,
                probes: 1,
            },
            6 => EventKind::NotRecovered {
                fault,
                last_failure: String::new(),
                probes: 1,
            },
            7 => EventKind::FaultConfirmed {
                evidence: String::new(),
                fault,
                node,
                took_kill: Vec::new(),
                left: Vec::new(),
                alive_us: None,
            },
            8 => EventKind::TargetExecuted {
                node,
                incarnation,
                pid: 1,
                requested_us: ms(1),
                launched_us: None,
            },
            9 => EventKind::DrainBegun { fault, node },
            _ => EventKind::TargetExited {
                node,
                incarnation,
                exit: exit.unwrap_or(Exit::Status(1)),
                cause: match exit {
                    Some(_) => ExitCause::Injected(fault),
                    None => ExitCause::Unexpected,
                },
                tail: Vec::new(),
            },
        }
    })
}

proptest! {
    #[test]
    fn no_order_of_several_faults_makes_the_analysis_panic_or_lose_a_loss(
        story in select(vec![
            Story::killed_twice(),
            Story::overtaken(),
            Story::back_once().ends(),
            Story::faulted().with_a_second_fault("again"),
            Story::control().with_a_second_fault("again"),
        ]),
        writes in select(vec![Writes::Counter, Writes::Set, Writes::List]),
        keeps: u64,
        events in vec((moment(), of_a_fault()), 0..20),
        operations in vec(operation(), 0..60),
    ) {
        let logins = (0..4).map(|client| login(client, 500 + u64::from(client) * 900));
        let mut story = story.writing(writes).does(logins).does(operations);
        let mut place = 0;
        story.events.retain(|event| {
            place += 1;
            matches!(event.kind, EventKind::TrialStarted { .. }) || keeps >> (place % 64) & 7 != 0
        });
        story.events.extend(events.into_iter().map(|(at, kind)| Event {
            at,
            trial: Some(TrialId(0)),
            kind,
        }));
        check_all(&story.analysis())?;
    }

    #[test]
    fn the_parts_of_the_ledgers_add_up(story in stories(), operations in vec(operation(), 0..60)) {
        let logins = (0..4).map(|client| login(client, 500));
        check_all(&story.does(logins).does(operations).analysis())?;
    }

    #[test]
    fn a_run_is_understood_trial_by_trial_as_at_once(
        story in stories(),
        operations in vec((operation(), 0..3_u32), 0..60),
        events in vec((moment(), 0..3_u32, kind()), 0..12),
        torn in 0..120_usize,
    ) {
        let mut story = story;
        for (at, trial, kind) in events {
            // What ends a trial or the run would say when its operations had to be over.
            if !matches!(kind, EventKind::TrialEnded | EventKind::RunEnded) {
                let trial = (!kind.is_of_the_run()).then_some(TrialId(trial));
                story.events.push(Event { at, trial, kind });
            }
        }
        let operations = operations.into_iter().map(|(op, trial)| {
            let mut op = op.0;
            op.trial = TrialId(trial);
            op
        });
        story.operations.extend(operations);
        for operation in &mut story.operations {
            put_in_order(operation, &story.events);
        }
        check_by_trial(&story.journal(), torn)?;
    }

    #[test]
    fn operations_are_put_into_the_order_of_their_clients(operations in vec(operation(), 0..60)) {
        let mut sorted: Vec<Operation> = operations.into_iter().zip(0..).map(|(op, place)| {
            // Several are equal but for this.
            let finished = Elapsed::from_us(op.0.finished.as_us() % 3);
            Operation { finished, sent: None, value: Some(place), ..op.0 }
        }).collect();
        let mut expected = sorted.clone();
        expected.sort_by_key(|op| (op.client, op.finished, op.sent));
        crate::measure::trial::sort_by_client(&mut sorted);
        prop_assert_eq!(sorted, expected);
    }

    #[test]
    fn no_journal_makes_the_analysis_panic(
        story in stories(),
        keeps: u64,
        events in vec((moment(), option::weighted(0.9, 0..3_u32), kind()), 0..30),
        operations in vec(operation(), 0..40),
        width in select(vec![0, 1, 100_000, u64::MAX]),
        steady_for in select(vec![0, 1, 500_000, u64::MAX]),
    ) {
        let mut story = story.does(operations).planned(|plan| {
            plan.windows.window = comeback_model::units::Span::from_us(width);
            plan.windows.steady_for = comeback_model::units::Span::from_us(steady_for);
        });
        let mut place = 0;
        story.events.retain(|_| {
            place += 1;
            keeps >> (place % 64) & 1 == 1
        });
        story.events.extend(events.into_iter().map(|(at, trial, kind)| Event {
            at,
            trial: trial.map(TrialId),
            kind,
        }));
        check_all(&story.analysis())?;
    }

    #[test]
    fn what_a_look_shows_is_all_accounted_for(
        fates in vec((0..4_u32, 0..3_usize), 0..10), foreign in 0..3_u32,
    ) {
        // Each write by what became of it, and by how often it is shown.
        let mut story = Story::faulted().writing(Writes::List).does([login(0, 500)]);
        let mut shown = Vec::new();
        for ((fate, times), number) in fates.iter().zip(1..) {
            let act = write(0, 1_000 + u64::from(number) * 100, number);
            story = story.does([match fate {
                0 => act,
                1 => act.fails(Outcome::Indeterminate, ErrorClass::ServerError),
                2 => act.rejected(ErrorClass::ClientError),
                _ => act.unsent(ErrorClass::Unsent),
            }]);
            shown.extend(std::iter::repeat_n(number, *times));
        }
        let of = |wanted: fn(u32) -> bool, least: usize| {
            fates.iter().filter(|(fate, times)| wanted(*fate) && *times >= least).count() as u64
        };
        let trial = story.does([shows(0, &shown).foreign(foreign)]).trial();
        let writes = trial.writes;
        prop_assert_eq!(writes.acknowledged, of(|fate| fate == 0, 0));
        prop_assert_eq!(writes.kept, of(|fate| fate == 0, 1));
        prop_assert_eq!(writes.indeterminate, of(|fate| fate == 1, 0));
        prop_assert_eq!(writes.phantom, of(|fate| fate > 1, 1) + u64::from(foreign));
        prop_assert_eq!(
            shown.len() as u64 + u64::from(foreign),
            writes.kept + of(|fate| fate == 1, 1) + writes.phantom + writes.duplicated
        );
    }

    #[test]
    fn the_order_of_the_rows_means_nothing(
        story in stories(),
        operations in vec(operation(), 0..40),
    ) {
        let mut story = story.does((0..4).map(|client| login(client, 500))).does(operations);
        // No client does two things at once; without a tie the order of its doing is known.
        for (operation, place) in story.operations.iter_mut().zip(1..) {
            operation.finished = ms(place * 150);
        }
        let mut turned = story.clone();
        turned.operations.sort_by_key(|operation| (operation.value, operation.intended));
        let (one, other) = (story.trial(), turned.trial());
        prop_assert_eq!(one.sessions, other.sessions);
        prop_assert_eq!(one.writes, other.writes);
        prop_assert_eq!(one.timeline, other.timeline);
        prop_assert_eq!(one.void, other.void);
    }
}
