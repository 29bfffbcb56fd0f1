//! Runs whose trials have two faults: neither may pass for the other, and neither may be blamed for it.

use Fate::{Finds, Lost};
use comeback_model::event::{Event, EventKind, Evidence, Exit, ExitCause};
use comeback_model::ids::{BootId, ClientId, FaultId, Incarnation, Node, TrialId};
use comeback_model::operation::{ErrorClass, Operation, Outcome as Effect, Step};
use comeback_model::plan::fault::{Effect as FaultEffect, Ending};
use comeback_model::units::{Elapsed, Span};

use super::baseline::machine;
use super::*;

/// What `run` demands of users with sessions where nobody says anything.
const USUAL: [&str; 3] = ["unrecovered == 0", "lost_sessions == 0", "lost_writes == 0"];

/// The second fault, in ms: the first one's recovery is at 3,100.
const AGAIN: u64 = 3_300;
const CUT_AGAIN: u64 = 3_302;
const BACK_AGAIN: u64 = 3_400;

const FIRST: FaultId = FaultId(0);
const SECOND: FaultId = FaultId(1);

fn ms(at: u64) -> Elapsed {
    Elapsed::from_us(at * 1_000)
}

fn third_boot() -> BootId {
    BootId::from_header(b"third")
}

/// A run of a trial in which the server is killed twice, and of a control.
#[derive(Clone)]
struct Twice(Journal);

fn twice(fates: &[Fate]) -> Twice {
    let mut journal = journal(&[faulted().with(fates), control()]);
    let again = comeback_model::plan::Fault {
        kind: "again".to_owned(),
        ..journal.header.plan.faults[0].clone()
    };
    journal.header.plan.faults.push(again);
    for operation in &mut journal.operations {
        let sent = operation.sent.unwrap_or(operation.intended);
        if operation.trial != TrialId(0) || sent < ms(AGAIN) {
            continue;
        }
        operation.boot = Some(third_boot());
        if sent < ms(BACK_AGAIN) {
            fail(operation);
        }
    }
    let mut met = journal.operations[0].clone();
    met.client = ClientId(5_000);
    met.step = Step::Act;
    (met.intended, met.dispatched, met.sent) = (ms(AGAIN), ms(AGAIN), Some(ms(AGAIN)));
    met.finished = ms(CUT_AGAIN + 2);
    fail(&mut met);
    journal.operations.push(met);
    let twice = Twice(journal);
    twice
        .event(AGAIN, requested())
        .event(CUT_AGAIN, exited())
        .event(AGAIN + 10, executed())
        .event(BACK_AGAIN, back(third_boot()))
}

fn fail(operation: &mut Operation) {
    operation.outcome = Effect::Indeterminate;
    operation.error = Some(ErrorClass::Reset);
    operation.status = None;
    operation.boot = None;
}

fn requested() -> EventKind {
    EventKind::FaultRequested {
        fault: SECOND,
        node: Node::default(),
        begun: "SIGKILL sent".to_owned(),
    }
}

fn exited() -> EventKind {
    EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(1),
        exit: Exit::Signal(9),
        cause: ExitCause::Injected(SECOND),
        tail: Vec::new(),
    }
}

fn executed() -> EventKind {
    EventKind::TargetExecuted {
        node: Node::default(),
        incarnation: Incarnation(2),
        pid: 4243,
        requested_us: ms(AGAIN + 8),
        launched_us: None,
    }
}

fn back(boot: BootId) -> EventKind {
    EventKind::FirstCorrect {
        fault: SECOND,
        last_failed_us: None,
        evidence: Evidence::BootId(boot),
        unowned: None,
        probes: 7,
    }
}

impl Twice {
    /// In the first trial.
    fn event(mut self, at: u64, kind: EventKind) -> Self {
        let place = self
            .0
            .events
            .iter()
            .position(|event| event.trial == Some(TrialId(1)));
        let event = Event {
            at: ms(at),
            trial: Some(TrialId(0)),
            kind,
        };
        self.0.events.insert(place.unwrap(), event);
        self
    }

    fn without(mut self, is: impl Fn(&EventKind) -> bool) -> Self {
        self.0
            .events
            .retain(|event| event.trial != Some(TrialId(0)) || !is(&event.kind));
        self
    }

    /// What the server is asked by this client in the first trial.
    fn asks(mut self, client: u32, step: Step, at: u64, spoil: impl Fn(&mut Operation)) -> Self {
        let mut operation = self.0.operations[0].clone();
        operation.client = ClientId(client);
        operation.step = step;
        (operation.intended, operation.dispatched, operation.sent) = (ms(at), ms(at), Some(ms(at)));
        operation.finished = ms(at + 1);
        operation.boot = Some(match at {
            ..3_002 => BootId::from_header(b"old"),
            3_002..CUT_AGAIN => BootId::from_header(b"new"),
            _ => third_boot(),
        });
        spoil(&mut operation);
        self.0.operations.push(operation);
        self
    }

    fn judged(&self, gates: &[&str]) -> Verdict {
        verdict_on(&self.0, gates)
    }
}

fn is_of_the_second(kind: &EventKind) -> bool {
    match kind {
        EventKind::FaultRequested { fault, .. } | EventKind::FirstCorrect { fault, .. } => {
            *fault == SECOND
        }
        EventKind::TargetExited { incarnation, .. }
        | EventKind::TargetExecuted { incarnation, .. } => *incarnation > Incarnation(1),
        _ => false,
    }
}

#[track_caller]
fn check_twice(run: &Twice, gates: &[&str], outcome: Outcome, said: &str) {
    let verdict = run.judged(gates);
    assert_eq!(verdict.outcome, outcome, "{verdict:?}");
    let has = verdict.reasons.iter().any(|reason| reason.contains(said));
    assert!(has || said.is_empty(), "{verdict:?}");
}

#[test]
fn a_server_that_keeps_all_through_both_faults_passes() {
    check_twice(&twice(&[Finds(1); 3]), &USUAL, Outcome::Pass, "");
}

#[test]
fn a_second_fault_that_missed_is_never_a_pass() {
    let is_second = |kind: &EventKind| is_of_the_second(kind) || *kind == exited();
    let missed = |reason: &str| EventKind::FaultMissed {
        fault: SECOND,
        reason: reason.to_owned(),
    };
    let run = twice(&[Finds(1); 3]).without(is_second);
    let said = "the fault 'again' did not land: it ran on";
    let told = run.clone().event(AGAIN, missed("it ran on"));
    check_twice(&told, &USUAL, Outcome::Inconclusive, said);
    // Nor is one of which there is no word.
    check_twice(
        &run,
        &USUAL,
        Outcome::Inconclusive,
        "the fault 'again' did not land",
    );
    check_twice(
        &run,
        &[],
        Outcome::Inconclusive,
        "the fault 'again' did not land",
    );
}

#[test]
fn what_was_acknowledged_between_the_faults_and_is_gone_breaks_the_gate() {
    let gone = |look: &mut Operation| {
        look.outcome = Effect::Rejected;
        look.error = Some(ErrorClass::SessionRejected);
    };
    let run = twice(&[Finds(1); 3])
        .asks(7_000, Step::Login, 3_150, |_| {})
        .asks(7_000, Step::ReadBack, 4_300, gone);
    check_twice(
        &run,
        &USUAL,
        Outcome::Fail,
        "lost_sessions == 0 is broken: 1 of 4",
    );
    let run = twice(&[Finds(1); 3])
        .asks(7_000, Step::Login, 3_150, |_| {})
        .asks(7_000, Step::Act, 3_200, |_| {})
        .asks(7_000, Step::ReadBack, 4_300, |look| look.value = Some(0));
    check_twice(
        &run,
        &USUAL,
        Outcome::Fail,
        "lost_writes == 0 is broken: 1 of 4",
    );
}

#[test]
fn a_loss_by_the_first_fault_is_not_hidden_by_the_second_recovery() {
    check_twice(
        &twice(&[Finds(1), Lost]),
        &USUAL,
        Outcome::Fail,
        "lost_sessions == 0",
    );
}

#[test]
fn a_service_that_is_not_back_from_the_second_fault_has_not_recovered() {
    let given_up = |fault, at| {
        let kind = EventKind::NotRecovered {
            fault,
            last_failure: "connection refused".to_owned(),
            probes: 9,
        };
        (at, kind)
    };
    let (at, kind) = given_up(SECOND, 4_000);
    let run = twice(&[Finds(1); 3]).without(|kind| *kind == back(third_boot()));
    check_twice(
        &run.clone().event(at, kind),
        &USUAL,
        Outcome::Fail,
        "unrecovered == 0",
    );
    // Where nobody says how it ended, it is no pass.
    check_twice(&run, &USUAL, Outcome::Inconclusive, "unrecovered == 0");
    // Nor has one that was given up after the first fault, and came back by the second.
    let is_first = |kind: &EventKind| matches!(kind, EventKind::FirstCorrect { fault: FIRST, .. });
    let (at, kind) = given_up(FIRST, 3_200);
    let run = twice(&[Finds(1); 3]).without(is_first).event(at, kind);
    check_twice(&run, &USUAL, Outcome::Fail, "unrecovered == 0");
}

#[test]
fn a_recovery_by_the_process_that_the_second_fault_ended_is_none() {
    let run = twice(&[Finds(1); 3])
        .without(|kind| *kind == back(third_boot()))
        .event(CUT_AGAIN + 1, back(BootId::from_header(b"new")));
    check_twice(&run, &USUAL, Outcome::Inconclusive, "unrecovered == 0");
}

#[test]
fn a_gate_on_a_time_asks_the_slowest_recovery() {
    let slow = |kind: &EventKind| matches!(kind, EventKind::FirstAccept { .. });
    let run = twice(&[Finds(1); 3]).without(slow);
    // 98 ms after the first kill, and 98 ms after the second; clients were out for 400 ms from the first to the last.
    let all = ["unrecovered == 0"];
    let ready = |gate| [&all[..], &[gate]].concat();
    check_twice(&run, &ready("time_to_ready.max <= 98ms"), Outcome::Pass, "");
    check_twice(
        &run,
        &ready("time_to_ready.max < 98ms"),
        Outcome::Fail,
        "time_to_ready.max",
    );
    check_twice(&run, &ready("outage.max <= 400ms"), Outcome::Pass, "");
    check_twice(
        &run,
        &ready("outage.max < 400ms"),
        Outcome::Fail,
        "outage.max",
    );
}

#[test]
fn a_second_fault_that_met_no_write_says_nothing_of_losses() {
    let mut run = twice(&[Finds(1); 3]);
    run.0
        .operations
        .retain(|operation| operation.client != ClientId(5_000));
    let said = "no write was in flight at the fault 'again' in any trial";
    check_twice(&run, &USUAL, Outcome::Inconclusive, said);
    // What was lost is lost all the same.
    let mut run = twice(&[Finds(1), Lost]);
    run.0
        .operations
        .retain(|operation| operation.client != ClientId(5_000));
    check_twice(&run, &USUAL, Outcome::Fail, "lost_sessions == 0");
    // And says nothing of what the fault would have added to it.
    let few = [USUAL[0], "lost_sessions <= 2"];
    check_twice(&run, &few, Outcome::Inconclusive, said);
    check_twice(&run, &["lost_sessions >= 1", USUAL[0]], Outcome::Pass, "");
}

#[test]
fn a_second_fault_within_the_first_recovery_can_meet_no_write_and_need_not() {
    let mut run = twice(&[Finds(1); 3]).without(|kind| {
        let is_first = |fault: &FaultId| *fault == FIRST;
        match kind {
            EventKind::FirstCorrect { fault, .. } | EventKind::FirstAccept { fault, .. } => {
                is_first(fault)
            }
            _ => false,
        }
    });
    for operation in &mut run.0.operations {
        let sent = operation.sent.unwrap_or(operation.intended);
        if operation.trial == TrialId(0) && (ms(3_002)..ms(BACK_AGAIN)).contains(&sent) {
            fail(operation);
        }
    }
    run.0
        .operations
        .retain(|operation| operation.client != ClientId(5_000));
    check_twice(&run, &USUAL, Outcome::Pass, "");
    check_twice(
        &run,
        &["unrecovered == 0", "time_to_ready.max < 398ms"],
        Outcome::Fail,
        "time_to_ready",
    );
}

#[test]
fn an_old_process_that_answers_after_the_second_fault_voids_the_trial() {
    let old = |look: &mut Operation| look.boot = Some(BootId::from_header(b"new"));
    let run = twice(&[Finds(1); 3]).asks(8_000, Step::Check, 3_900, old);
    check_twice(
        &run,
        &USUAL,
        Outcome::Inconclusive,
        "an old process still answers",
    );
}

#[test]
fn without_a_control_two_faults_are_not_judged_either() {
    let mut run = twice(&[Finds(1); 3]);
    run.0.events.retain(|event| event.trial != Some(TrialId(1)));
    run.0
        .operations
        .retain(|operation| operation.trial != TrialId(1));
    let events = &mut run.0.events;
    let ended = events.iter().any(|event| event.kind == EventKind::RunEnded);
    assert!(ended);
    check_twice(
        &run,
        &USUAL,
        Outcome::Inconclusive,
        "there is no control trial to compare with",
    );
}

/// A run of a trial with one fault, a kill, that was drawn from that and from these.
fn drawn_from(fates: &[Fate], others: &[(&str, FaultEffect)]) -> Twice {
    let mut journal = journal(&[faulted().with(fates), control()]);
    let plan = &mut journal.header.plan;
    let kill = plan.faults[0].clone();
    plan.faults.truncate(1);
    plan.faults.extend(
        others
            .iter()
            .map(|(kind, effect)| comeback_model::plan::Fault {
                kind: (*kind).to_owned(),
                effect: *effect,
                ..kill.clone()
            }),
    );
    plan.chaos = Some(comeback_model::plan::Chaos {
        faults: 1,
        weights: vec![1; plan.faults.len()],
        span: None,
    });
    let trials = &mut journal.header.schedule.trials;
    trials.sort_by_key(|trial| trial.is_control());
    for (id, trial) in (0..).zip(trials) {
        trial.id = TrialId(id);
    }
    Twice(journal)
}

/// A fault of each effect that may be drawn.
const EFFECTS: [FaultEffect; 4] = [
    FaultEffect::Ends(Ending::AsAsked),
    FaultEffect::Replaces,
    FaultEffect::StandsStill(Span::from_ms(300)),
    FaultEffect::Degrades(Span::from_ms(300)),
];

#[test]
fn of_a_choice_that_came_in_no_trial_nothing_holds_whatever_it_does() {
    let fates = [Finds(1), Finds(1), Fate::LoggedOut];
    let gates = [
        "unrecovered == 0",
        "lost_sessions == 0",
        "lost_writes == 0",
        "wrong_identity == 0",
        "zombie_sessions == 0",
        "duplicated_writes == 0",
        "phantom_writes == 0",
        "in_flight_failed <= 5",
        "time_to_ready.max < 2s",
        "outage.max < 2s",
        "availability >= 1%",
        "latency.after.p50 < 1s",
    ];
    // Each trial has the only choice that there is.
    let judged = |gate: &str, others: &[(&str, FaultEffect)]| {
        let run = drawn_from(&fates, others);
        let verdict = verdict_on(&run.0, &[gate]);
        (verdict.outcome, verdict.reasons.join("\n"))
    };
    for gate in gates {
        // Some need several trials for an interval.
        if judged(gate, &[]) != (Outcome::Pass, String::new()) {
            let why = judged(gate, &[]).1;
            assert!(why.contains("trials, there are 1"), "{gate}: {why}");
        }
        for effect in EFFECTS {
            let (outcome, why) = judged(gate, &[("again", effect)]);
            assert_eq!(outcome, Outcome::Inconclusive, "{gate} {effect:?}");
            let said = "the choice 'again' came in no trial that counts: raise trials to 6 ";
            assert!(why.contains(said), "{gate}: {why}");
        }
    }
    // What went on before any fault is as it is, and one of those that are lost is one.
    let again = [("again", EFFECTS[0])];
    for gate in ["control.error_rate == 0", "latency.before.p50 < 1s"] {
        let verdict = verdict_on(&drawn_from(&fates, &again).0, &[gate]);
        let said = format!("first: {gate} cannot be judged");
        let bears = |reason: &String| reason.starts_with(&said) && reason.contains("again");
        assert!(!verdict.reasons.iter().any(bears), "{:?}", verdict.reasons);
        assert_eq!(verdict.outcome, Outcome::Inconclusive);
    }
    let lost = drawn_from(&[Lost, Finds(1)], &again);
    let found = ["lost_sessions >= 1", "unrecovered >= 0"];
    check_twice(&lost, &found, Outcome::Pass, "");
    let within = ["lost_sessions <= 1", "unrecovered >= 0"];
    check_twice(&lost, &within, Outcome::Inconclusive, "'again'");
}

#[test]
fn more_trials_are_asked_for_where_choices_did_not_come() {
    let others = ["again", "other", "more", "last"].map(|kind| (kind, EFFECTS[0]));
    let told = |gates: &[&str]| {
        let verdict = verdict_on(&drawn_from(&[Finds(1); 3], &others).0, gates);
        assert_eq!(verdict.outcome, Outcome::Inconclusive);
        // Once for each gate; that nobody asked for the recovery adds nothing.
        assert_eq!(verdict.reasons.len(), gates.len(), "{:?}", verdict.reasons);
        assert!(
            verdict.reasons.iter().all(|reason| reason.ends_with(
                "the choices 'again', 'other', 'more', 'last' came in no trial that counts: raise trials to 21 (all come then \
                 in 95 of 100 runs), its weight, or faults of [chaos]"
            )),
            "{:?}",
            verdict.reasons
        );
        verdict.more_trials()
    };
    // Of five, one has come already: 4 * 0.8^20 is 0.046.
    for gates in [
        &USUAL[..],
        &["time_to_ready.max < 2s"],
        &["time_to_ready.median < 2s"],
    ] {
        assert_eq!(told(gates), Some(20), "{gates:?}");
    }
}

#[test]
fn of_a_fault_that_no_trial_came_to_nothing_holds_though_so_many_may_be_unrecovered() {
    let mut journal = journal(&[faulted().ready(None).with(&[]), control()]);
    let gates = ["unrecovered <= 1"];
    assert_eq!(verdict_on(&journal, &gates).outcome, Outcome::Pass);
    let again = comeback_model::plan::Fault {
        kind: "again".to_owned(),
        ..journal.header.plan.faults[0].clone()
    };
    journal.header.plan.faults.push(again);
    let said = "the fault 'again' came in no trial that counts";
    check_twice(&Twice(journal), &gates, Outcome::Inconclusive, said);
}

impl Twice {
    /// Its second fault meets no write.
    fn idle_at_the_second(mut self) -> Self {
        let operations = &mut self.0.operations;
        operations.retain(|operation| operation.client != ClientId(5_000));
        self
    }

    /// A write that is acknowledged at this moment, in a session of its own, is absent at the end.
    fn forgets_the_write_of(self, at: u64) -> Self {
        let client = 10_000 + at as u32;
        self.asks(client, Step::Login, at - 50, |_| {})
            .asks(client, Step::Act, at, |_| {})
            .asks(client, Step::ReadBack, 4_300, |look| look.value = Some(0))
    }

    #[track_caller]
    fn check_against(&self, base: &Self, text: &str, outcome: Outcome, said: &str) {
        let [mut then, mut now] = [base, self].map(|run| run.0.clone());
        "then".clone_into(&mut then.header.started);
        for run in [&mut then, &mut now] {
            run.header.machine = machine();
        }
        // Twenty such crashes: one decides no difference.
        let [now, then] = [now, then].map(|run| {
            let mut analysis = analyze(&run);
            let arm = &mut analysis.arms[0];
            let crash = arm.faulted().next().unwrap().clone();
            arm.trials.extend(std::iter::repeat_n(crash, 19));
            analysis
        });
        let verdict = judge(&now, &[gate(text)], Some(&then));
        assert_eq!(verdict.outcome, outcome, "{verdict:?}");
        let has = verdict.reasons.iter().any(|reason| reason.contains(said));
        assert!(has || said.is_empty(), "{verdict:?}");
    }
}

/// A baseline that proves nothing for another reason excuses no arm whose second fault met no write.
#[test]
fn an_arm_is_excused_by_its_baseline_only_where_both_prove_nothing_for_the_same_reason() {
    let gate = "lost_writes <= baseline";
    let said = "no write was in flight at the fault 'again' in any trial";
    let loses = || twice(&[Finds(1); 3]).forgets_the_write_of(3_200);
    let base = loses().forgets_the_write_of(3_600);
    loses().check_against(&base, gate, Outcome::Pass, "");
    let idle = loses().idle_at_the_second();
    idle.check_against(&base, gate, Outcome::Inconclusive, said);
    idle.check_against(&loses(), gate, Outcome::Inconclusive, said);
    // Like is compared with like.
    idle.check_against(&idle, gate, Outcome::Pass, "");
}

/// What an arm lost by a fault is not worse than a baseline where that fault met no write.
#[test]
fn an_arm_is_worse_only_by_a_fault_that_its_baseline_was_tested_by() {
    let gate = "lost_writes <= baseline";
    let whole = || twice(&[Finds(1); 3]);
    let said = "in the baseline no write was in flight at the fault 'again' in any trial";
    // Acknowledged after the recovery from the first fault: the second took it.
    let loses = whole().forgets_the_write_of(3_200);
    loses.check_against(&whole(), gate, Outcome::Fail, "");
    let idle = whole().idle_at_the_second();
    loses.check_against(&idle, gate, Outcome::Inconclusive, said);
    // Whose own second fault met none, either, is worse by what it lost all the same.
    let as_idle = loses.clone().idle_at_the_second();
    as_idle.check_against(&idle, gate, Outcome::Fail, "");
}

/// A run of two trials with one kill each, drawn from two of them, and of a control.
fn one_each(first: &[Fate], second: &[Fate], is_second_idle: bool) -> Twice {
    let mut second_trial = faulted().with(second);
    second_trial.noticed = !is_second_idle;
    let mut journal = journal(&[faulted().with(first), second_trial, control()]);
    let plan = &mut journal.header.plan;
    let kill = plan.faults[0].clone();
    let again = comeback_model::plan::Fault {
        kind: "again".to_owned(),
        ..kill.clone()
    };
    plan.faults = vec![kill, again];
    plan.chaos = Some(comeback_model::plan::Chaos {
        faults: 1,
        weights: vec![1; 2],
        span: None,
    });
    let of_the_second = journal.events.iter_mut();
    for event in of_the_second.filter(|event| event.trial == Some(TrialId(1))) {
        match &mut event.kind {
            EventKind::FaultRequested { fault, .. }
            | EventKind::FirstAccept { fault, .. }
            | EventKind::FirstCorrect { fault, .. }
            | EventKind::TargetExited {
                cause: ExitCause::Injected(fault),
                ..
            } => *fault = SECOND,
            _ => {}
        }
    }
    let trials = &mut journal.header.schedule.trials;
    trials.sort_by_key(|trial| trial.is_control());
    let of_control = trials.iter().find(|trial| trial.is_control()).cloned();
    *trials = vec![trials[0].clone(), trials[0].clone(), of_control.unwrap()];
    for (id, trial) in (0..).zip(trials.iter_mut()) {
        trial.id = TrialId(id);
    }
    trials[0].faults[0].fault = FIRST;
    trials[1].faults[0].fault = SECOND;
    if is_second_idle {
        journal.operations.retain(|operation| {
            let is_of_the_second = operation.trial == TrialId(1) && operation.step == Step::Act;
            !is_of_the_second || operation.intended < ms(2_000)
        });
    }
    Twice(journal)
}

/// Judges twenty crashes like the ones of a run, by turns, against twenty of another one.
fn twenty_against(now: &[&Twice], base: &Twice, text: &str) -> Verdict {
    let [mut base, now] = [&[base][..], now].map(|runs| {
        let runs = runs.iter().map(|run| {
            let mut run = run.0.clone();
            run.header.machine = machine();
            analyze(&run)
        });
        let mut runs: Vec<Analysis> = runs.collect();
        let crashes: Vec<_> = runs
            .iter()
            .flat_map(|run| run.arms[0].faulted())
            .cloned()
            .collect();
        let arm = &mut runs[0].arms[0];
        arm.trials.retain(|trial| trial.control);
        arm.trials.extend(crashes.into_iter().cycle().take(20));
        runs.remove(0)
    });
    "then".clone_into(&mut base.header.started);
    judge(&now, &[gate(text), gate("unrecovered >= 0")], Some(&base))
}

/// What a trial with one fault lost, that took; a choice that the baseline was not tested by explains none of it.
#[test]
fn an_arm_is_worse_by_the_fault_of_a_trial_that_has_one() {
    for (text, fate) in [
        ("lost_writes <= baseline", Finds(0)),
        ("lost_sessions <= baseline", Lost),
    ] {
        let whole = [Finds(1); 3];
        let by_first = one_each(&[fate; 3], &whole, false);
        let by_second = one_each(&whole, &[fate; 3], false);
        let idle = one_each(&whole, &whole, true);
        let tested = one_each(&whole, &whole, false);
        let outcome = |now: &Twice, base: &Twice| {
            let verdict = twenty_against(&[now], base, text);
            (verdict.outcome, verdict.reasons.join("; "))
        };
        for base in [&tested, &idle] {
            let (outcome, said) = outcome(&by_first, base);
            assert_eq!(outcome, Outcome::Fail, "{text}: {said}");
        }
        assert_eq!(outcome(&by_second, &tested).0, Outcome::Fail, "{text}");
        let (outcome, said) = outcome(&by_second, &idle);
        assert_eq!(outcome, Outcome::Inconclusive, "{text}: {said}");
        let why = "in the baseline no write was in flight at the fault 'again' in any trial";
        assert!(said.contains(why), "{said}");
    }
}

/// One loss by a fault that the baseline was tested by makes no difference; those by the other fault prove none.
#[test]
fn one_loss_by_a_tested_fault_does_not_make_an_arm_worse_by_the_losses_of_another() {
    let text = "lost_sessions <= baseline";
    let whole = || twice(&[Finds(1); 3]);
    let gone = |look: &mut Operation| {
        look.outcome = Effect::Rejected;
        look.error = Some(ErrorClass::SessionRejected);
        look.value = None;
    };
    let by_first = whole()
        .asks(7_000, Step::Login, 500, |_| {})
        .asks(7_000, Step::Check, 3_150, gone)
        .asks(7_000, Step::ReadBack, 4_300, gone);
    let by_second =
        whole()
            .asks(7_000, Step::Login, 3_150, |_| {})
            .asks(7_000, Step::ReadBack, 4_300, gone);
    let idle = whole().idle_at_the_second();
    let mut now = vec![&by_second; 19];
    now.push(&by_first);
    let verdict = twenty_against(&now, &idle, text);
    assert_eq!(verdict.outcome, Outcome::Inconclusive, "{verdict:?}");
    // Where both were tested, all of them count.
    let verdict = twenty_against(&now, &whole(), text);
    assert_eq!(verdict.outcome, Outcome::Fail, "{verdict:?}");
    // And enough by the first are a difference by themselves.
    let verdict = twenty_against(&[&by_first], &idle, text);
    assert_eq!(verdict.outcome, Outcome::Fail, "{verdict:?}");
}

/// Writes that are lost without a fault are no part of the comparison, so an arm that loses many is no more excused than one that loses a few.
#[test]
fn no_arm_is_excused_by_writes_that_its_baseline_loses_without_a_fault_too() {
    let gate = "lost_writes <= baseline";
    let said = "the server loses writes without another one";
    let base = twice(&[Finds(1); 3]).forgets_the_write_of(3_600);
    let mut arm = base.clone();
    for at in 0..40 {
        arm = arm.forgets_the_write_of(3_500 + at * 7);
    }
    arm.check_against(&base, gate, Outcome::Inconclusive, said);
    base.clone()
        .check_against(&base, gate, Outcome::Inconclusive, said);
    let whole = twice(&[Finds(1); 3]);
    whole.clone().check_against(&whole, gate, Outcome::Pass, "");
}
