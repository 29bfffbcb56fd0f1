//! The analysis against small made-up journals, told with a clock of their own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod balancing;
mod blind;
mod busy;
mod caching;
mod causes;
mod degrade;
mod dots;
mod downtime;
mod errors;
mod injection;
mod journeys;
mod load;
mod looks;
mod nodes;
mod on;
mod own;
mod random;
mod recovery;
mod served;
mod sessions;
mod several;
mod sight;
mod steady;
mod storm;
mod summary;
mod void;
mod writes;

use comeback_model::event::{Event, EventKind, Evidence, Exit, ExitCause, Phase};
use comeback_model::ids::{ArmId, BootId, ClientId, FaultId, Incarnation, Node, Seed, TrialId};
use comeback_model::journal::{Header, Journal, Machine, VERSION};
use comeback_model::operation::{
    ErrorClass, Operation, Outcome, ShownWrites, Step, test_operation,
};
use comeback_model::plan::{Plan, Workload, Writes, test_plan};
use comeback_model::schedule::expand;
use comeback_model::units::Elapsed;

use super::{Analysis, Doing, Spoils, TrialAnalysis, Void, analyze};

/// The story of a trial, in ms, unless a test tells it otherwise.
const BASELINE: u64 = 1_000;
const FAULT: u64 = 3_000;
const CUT: u64 = 3_002;
const EXECUTED: u64 = 3_010;
const ACCEPTED: u64 = 3_090;
const RECOVERED: u64 = 3_100;
const SETTLED: u64 = 5_100;
const STOPPED: u64 = 5_200;
const READ_BACK: u64 = 5_300;

/// A point of the run.
fn ms(at: u64) -> Elapsed {
    Elapsed::from_us(at * 1_000)
}

fn old_boot() -> BootId {
    BootId::from_header(b"old")
}

fn new_boot() -> BootId {
    BootId::from_header(b"new")
}

/// A run of one trial, told and retold.
#[derive(Clone, Debug)]
struct Story {
    plan: Plan,
    events: Vec<Event>,
    operations: Vec<Operation>,
    torn: bool,
}

impl Story {
    fn new(control: bool) -> Self {
        let mut plan = test_plan();
        plan.windows.settle = comeback_model::units::Span::from_ms(SETTLED - RECOVERED);
        let story = Self {
            plan,
            events: Vec::new(),
            operations: Vec::new(),
            torn: false,
        };
        story
            .event(
                0,
                EventKind::TrialStarted {
                    arm: ArmId(0),
                    control,
                },
            )
            .event(300, executed(0, 300))
            .event(
                400,
                EventKind::TargetReady {
                    node: Node::default(),
                    boot: Some(old_boot()),
                },
            )
            .enters(BASELINE, Phase::Baseline)
            .enters(FAULT, Phase::Fault)
    }

    fn ends(self) -> Self {
        self.event(
            STOPPED,
            EventKind::LoadStopped {
                scheduled: 9,
                sent: 8,
                dropped: 1,
            },
        )
        .event(6_000, EventKind::TrialEnded)
        .event(6_001, EventKind::RunEnded)
    }

    /// A trial with a fault, killed at [`FAULT`] and recovered at [`RECOVERED`].
    fn faulted() -> Self {
        Self::killed()
            .event(EXECUTED, restart())
            .event(
                ACCEPTED,
                EventKind::FirstAccept {
                    fault: FaultId::FIRST,
                    last_failed_us: Some(ms(ACCEPTED - 3)),
                },
            )
            .event(RECOVERED, returned(Node::default(), new_boot()))
            .event(RECOVERED, first_correct(Some(ms(RECOVERED - 5))))
            .enters(RECOVERED, Phase::Settle)
            .ends()
    }

    /// A trial with a fault after which no correct reply came.
    fn never_recovered() -> Self {
        let last_failure = "connection refused".to_owned();
        Self::killed()
            .event(EXECUTED, restart())
            .event(
                STOPPED,
                EventKind::NotRecovered {
                    fault: FaultId::FIRST,
                    last_failure,
                    probes: 9,
                },
            )
            .ends()
    }

    /// A trial without a fault.
    fn control() -> Self {
        Self::new(true).enters(FAULT, Phase::Settle).ends()
    }

    fn killed() -> Self {
        Self::new(false)
            .event(
                FAULT,
                EventKind::FaultRequested {
                    fault: FaultId::FIRST,
                    node: Node::default(),
                    begun: "SIGKILL sent".to_owned(),
                },
            )
            .event(CUT, injected_exit())
    }

    fn event(mut self, at: u64, kind: EventKind) -> Self {
        let trial = match kind {
            EventKind::RunEnded | EventKind::RunInterrupted | EventKind::RunExtended { .. } => None,
            _ => Some(TrialId(0)),
        };
        self.events.push(Event {
            at: ms(at),
            trial,
            kind,
        });
        self
    }

    fn enters(self, at: u64, phase: Phase) -> Self {
        self.event(at, EventKind::PhaseEntered { phase })
    }

    fn without(mut self, unwanted: impl Fn(&EventKind) -> bool) -> Self {
        self.events.retain(|event| !unwanted(&event.kind));
        self
    }

    fn planned(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        change(&mut self.plan);
        self
    }

    /// Each change does this to the state.
    fn writing(self, writes: Writes) -> Self {
        self.planned(|plan| {
            if let Workload::Sessions(flow) = &mut plan.load.workload {
                flow.writes = writes;
            }
        })
    }

    fn does(mut self, operations: impl IntoIterator<Item = Op>) -> Self {
        self.operations
            .extend(operations.into_iter().map(|op| op.0));
        self
    }

    /// Checks every `every` ms from `from` to before `to`, by clients of their own, each correct after 1 ms.
    fn serves(self, from: u64, to: u64, every: u64) -> Self {
        self.does(steadily(from, to, every))
    }

    fn journal(&self) -> Journal {
        let seed = Seed(1);
        Journal {
            header: Header {
                comeback_journal: VERSION,
                written_by: "test".to_owned(),
                started: "2026-01-01T00:00:00Z".to_owned(),
                seed,
                machine: Machine::default(),
                plan: self.plan.clone(),
                schedule: expand(&self.plan, seed),
                shards: None,
                label: None,
                revision: None,
            },
            events: self.events.clone(),
            operations: self.operations.clone(),
            torn: self.torn,
        }
    }

    fn analysis(&self) -> Analysis {
        analyze(&self.journal())
    }

    fn trial(&self) -> TrialAnalysis {
        self.analysis().arms.remove(0).trials.remove(0)
    }
}

fn injected_exit() -> EventKind {
    EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(0),
        exit: Exit::Signal(9),
        cause: ExitCause::Injected(FaultId::FIRST),
        tail: Vec::new(),
    }
}

fn restart() -> EventKind {
    executed(1, EXECUTED)
}

/// A start that took 2 ms until its program was executed.
fn executed(incarnation: u32, at: u64) -> EventKind {
    EventKind::TargetExecuted {
        node: Node::default(),
        incarnation: Incarnation(incarnation),
        pid: 4242,
        requested_us: ms(at - 2),
        launched_us: None,
    }
}

fn returned(node: Node, boot: BootId) -> EventKind {
    EventKind::TargetReturned {
        fault: FaultId::FIRST,
        node,
        last_failed_us: Some(ms(RECOVERED - 5)),
        evidence: Evidence::BootId(boot),
        unowned: None,
    }
}

fn first_correct(last_failed_us: Option<Elapsed>) -> EventKind {
    let evidence = Evidence::BootId(new_boot());
    EventKind::FirstCorrect {
        fault: FaultId::FIRST,
        last_failed_us,
        evidence,
        unowned: None,
        probes: 7,
    }
}

/// An operation; correct and answered after 1 ms by the process of its time, unless told otherwise.
#[derive(Clone, Debug)]
struct Op(Operation);

fn op(step: Step, client: u32, at: u64) -> Op {
    Op(Operation {
        boot: Some(if at < CUT { old_boot() } else { new_boot() }),
        ..test_operation(TrialId(0), ClientId(client), step, ms(at))
    })
}

fn login(client: u32, at: u64) -> Op {
    op(Step::Login, client, at)
}

fn act(client: u32, at: u64) -> Op {
    op(Step::Act, client, at)
}

fn look(client: u32, at: u64) -> Op {
    op(Step::Check, client, at)
}

fn logout(client: u32, at: u64) -> Op {
    op(Step::Logout, client, at)
}

/// The final look at a client's session, which finds this counter.
fn finds(client: u32, value: u64) -> Op {
    op(Step::ReadBack, client, READ_BACK).value(value)
}

/// A change that carries its own value.
fn write(client: u32, at: u64, number: u32) -> Op {
    let mut op = act(client, at);
    op.0.write = Some(number);
    op
}

/// The final look at a client's session, which shows these writes.
fn shows(client: u32, writes: &[u32]) -> Op {
    op(Step::ReadBack, client, READ_BACK).showing(writes)
}

/// The final look at a client's session, which fails in this way.
fn meets(client: u32, class: ErrorClass) -> Op {
    op(Step::ReadBack, client, READ_BACK).rejected(class)
}

fn steadily(from: u64, to: u64, every: u64) -> impl Iterator<Item = Op> {
    (from..to)
        .step_by(every as usize)
        .map(|at| look(1_000 + at as u32, at))
}

impl Op {
    fn finished(mut self, at: u64) -> Self {
        self.0.finished = ms(at);
        self
    }

    fn value(mut self, value: u64) -> Self {
        self.0.value = Some(value);
        self
    }

    fn showing(mut self, writes: &[u32]) -> Self {
        self.0.found = Some(Box::new(ShownWrites {
            writes: writes.to_vec(),
            foreign: 0,
        }));
        self
    }

    /// Beside the writes it shows, so many foreign values.
    fn foreign(mut self, foreign: u32) -> Self {
        self.0.found.get_or_insert_default().foreign = foreign;
        self
    }

    fn generation(mut self, generation: u32) -> Self {
        self.0.generation = generation;
        self
    }

    fn boot(mut self, boot: Option<BootId>) -> Self {
        self.0.boot = boot;
        self
    }

    /// It was sent, and the connection ended at `at` without a reply.
    fn unanswered(mut self, at: u64) -> Self {
        self.0.status = None;
        self.fails(Outcome::Indeterminate, ErrorClass::Reset)
            .boot(None)
            .finished(at)
    }

    /// It may have taken effect, and fails in this way.
    fn failing_as(self, class: ErrorClass) -> Self {
        self.fails(Outcome::Indeterminate, class)
    }

    /// It never left.
    fn unsent(mut self, class: ErrorClass) -> Self {
        self.0.sent = None;
        self.0.status = None;
        self.rejected(class).boot(None)
    }

    /// It was answered by a definite no.
    fn rejected(self, class: ErrorClass) -> Self {
        self.fails(Outcome::Rejected, class)
    }

    /// It was answered, but by something else than what must be.
    fn refuted(self) -> Self {
        let Self(Operation {
            outcome,
            value,
            found,
            ..
        }) = self.clone();
        let mut op = self.fails(outcome, ErrorClass::WrongAnswer);
        op.0.value = value;
        op.0.found = found;
        op
    }

    fn fails(mut self, outcome: Outcome, class: ErrorClass) -> Self {
        self.0.outcome = outcome;
        self.0.error = Some(class);
        self.0.value = None;
        self.0.found = None;
        self
    }
}
