//! A run of several trials, each told by what came of it.

use comeback_model::event::{Event, EventKind, Evidence, Exit, ExitCause, Phase};
use comeback_model::ids::{ArmId, BootId, ClientId, FaultId, Incarnation, Node, Seed, TrialId};
use comeback_model::journal::{Header, Journal, Machine, VERSION};
use comeback_model::operation::{ErrorClass, Operation, Outcome, Step, test_operation};
use comeback_model::plan::test_plan;
use comeback_model::schedule::expand;
use comeback_model::units::Elapsed;

/// The moments of a trial, in ms; every trial has a clock of its own.
const BASELINE: u64 = 1_000;
const FAULT: u64 = 3_000;
/// T0.
const CUT: u64 = 3_002;
const HORIZON: u64 = CUT + 2_000;
const SETTLE_MS: u64 = 1_000;

/// What becomes of a session with one acknowledged write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is read back with this counter.
    Finds(u64),
    /// It is not known any more.
    Lost,
    /// It is another user's.
    Anothers,
    /// Its read-back gets no definite answer.
    Undecided,
    /// Its user logged out before the fault, and it is known afterwards.
    Zombie,
    /// Its user logged out before the fault, and it is not known afterwards.
    LoggedOut,
    /// A write that was rejected is there.
    Phantom,
    /// Its user logged out after the fault, and it is known afterwards.
    LateZombie,
}

/// A trial.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) arm: u32,
    pub(super) control: bool,
    pub(super) landed: bool,
    /// When it recovered, in ms after T0, if it did.
    pub(super) ready: Option<u64>,
    /// The restart was executed.
    pub(super) restarted: bool,
    pub(super) fates: Vec<Fate>,
    /// Operations of the baseline that could not start, and all.
    pub(super) unsent: (u64, u64),
    /// Operations after recovery that failed, the first ones, and all; one every 10 ms.
    pub(super) failed: (u64, u64),
    /// How they failed.
    pub(super) class: ErrorClass,
    /// An operation is faulted by the fault.
    pub(super) noticed: bool,
}

/// A sound trial with a fault: three sessions with a write each survive.
pub(super) fn faulted() -> Told {
    Told {
        arm: 0,
        control: false,
        landed: true,
        ready: Some(98),
        restarted: true,
        fates: vec![Fate::Finds(1); 3],
        unsent: (0, 100),
        failed: (0, 100),
        class: ErrorClass::ServerError,
        noticed: true,
    }
}

/// A sound trial without a fault.
pub(super) fn control() -> Told {
    Told {
        control: true,
        ..faulted()
    }
}

impl Told {
    pub(super) fn with(self, fates: &[Fate]) -> Self {
        Self {
            fates: fates.to_vec(),
            ..self
        }
    }

    pub(super) fn ready(self, ready: Option<u64>) -> Self {
        Self { ready, ..self }
    }

    pub(super) fn fails_after(self, failed: u64, all: u64) -> Self {
        Self {
            failed: (failed, all),
            ..self
        }
    }

    pub(super) fn fails_by(self, class: ErrorClass) -> Self {
        Self { class, ..self }
    }

    fn recovered(&self) -> Option<u64> {
        Some(CUT + self.ready?)
    }

    fn events(&self) -> Vec<(u64, EventKind)> {
        let enters = |at, phase| (at, EventKind::PhaseEntered { phase });
        let started = EventKind::TrialStarted {
            arm: ArmId(self.arm),
            control: self.control,
        };
        let mut events = vec![
            (0, started),
            (
                400,
                EventKind::TargetReady {
                    node: Node::default(),
                    boot: Some(boot(0)),
                },
            ),
            enters(BASELINE, Phase::Baseline),
            enters(FAULT, Phase::Fault),
        ];
        if !self.control {
            events.extend(self.fault());
        }
        if let Some(recovered) = self.recovered() {
            events.push(enters(recovered, Phase::Settle));
        }
        let stopped = self.recovered().unwrap_or(HORIZON) + SETTLE_MS + 100;
        let tally = EventKind::LoadStopped {
            scheduled: 0,
            sent: 0,
            dropped: 0,
        };
        events.extend([(stopped, tally), (stopped + 1_000, EventKind::TrialEnded)]);
        events
    }

    fn fault(&self) -> Vec<(u64, EventKind)> {
        let mut events = vec![(
            FAULT,
            EventKind::FaultRequested {
                fault: FaultId::FIRST,
                node: Node::default(),
                begun: "SIGKILL sent".to_owned(),
            },
        )];
        if !self.landed {
            let reason = "it ran on".to_owned();
            events.push((
                CUT,
                EventKind::FaultMissed {
                    fault: FaultId::FIRST,
                    reason,
                },
            ));
            return events;
        }
        let exited = EventKind::TargetExited {
            node: Node::default(),
            incarnation: Incarnation(0),
            exit: Exit::Signal(9),
            cause: ExitCause::Injected(FaultId::FIRST),
            tail: Vec::new(),
        };
        events.push((CUT, exited));
        if self.restarted {
            let executed = EventKind::TargetExecuted {
                node: Node::default(),
                incarnation: Incarnation(1),
                pid: 4242,
                requested_us: ms(CUT + 6),
                launched_us: None,
            };
            events.push((CUT + 8, executed));
        }
        match self.recovered() {
            Some(recovered) => {
                let last_failed_us = None;
                let first_correct = EventKind::FirstCorrect {
                    fault: FaultId::FIRST,
                    last_failed_us,
                    evidence: Evidence::BootId(boot(1)),
                    unowned: None,
                    probes: 7,
                };
                events.push((
                    recovered - 10,
                    EventKind::FirstAccept {
                        fault: FaultId::FIRST,
                        last_failed_us,
                    },
                ));
                events.push((recovered, first_correct));
            }
            None => {
                let given_up = EventKind::NotRecovered {
                    fault: FaultId::FIRST,
                    last_failure: "connection refused".to_owned(),
                    probes: 9,
                };
                events.push((HORIZON, given_up));
            }
        }
        events
    }

    fn operations(&self, trial: TrialId) -> Vec<Operation> {
        let mut told = Vec::new();
        let (unsent, all) = self.unsent;
        for place in 0..all {
            // The fault hits right after the last of them, a write, and within the next.
            let mut look = match place + 1 < all {
                true => op(trial, Step::Check, BASELINE + place * 20),
                false => Operation {
                    finished: Elapsed::from_us(FAULT * 1_000 - 500),
                    ..op(trial, Step::Act, FAULT - 1)
                },
            };
            if place < unsent {
                look.sent = None;
                fail(&mut look, Outcome::Rejected, ErrorClass::Unsent);
            }
            told.push(look);
        }
        if self.noticed && !self.control {
            let mut faulted = op(trial, Step::Act, FAULT);
            fail(&mut faulted, Outcome::Indeterminate, ErrorClass::Reset);
            faulted.finished = ms(CUT + 2);
            told.push(faulted);
        }
        let (failed, all) = self.failed;
        let is_asked = self.ready.is_some() || failed > 0;
        for place in (0..all).filter(|_| is_asked) {
            let at = self.recovered().unwrap_or(CUT + 98) + place * 10;
            let mut look = op(trial, Step::Check, at);
            if place < failed {
                fail(&mut look, Outcome::Indeterminate, self.class);
            }
            told.push(look);
        }
        // Each of these has a client of its own, beyond those with sessions.
        for (client, operation) in (1_000..).zip(&mut told) {
            operation.client = ClientId(client);
        }
        for (client, fate) in (0..).zip(&self.fates) {
            for mut operation in self.session(trial, *fate) {
                operation.client = ClientId(client);
                told.push(operation);
            }
        }
        told
    }

    fn session(&self, trial: TrialId, fate: Fate) -> Vec<Operation> {
        let mut told = vec![op(trial, Step::Login, 500), op(trial, Step::Act, 600)];
        if fate == Fate::Phantom {
            let mut refused = op(trial, Step::Act, 650);
            fail(&mut refused, Outcome::Rejected, ErrorClass::ClientError);
            told.push(refused);
        }
        if matches!(fate, Fate::Zombie | Fate::LoggedOut) {
            told.push(op(trial, Step::Logout, 700));
        }
        let Some(recovered) = self.recovered() else {
            return told;
        };
        if fate == Fate::LateZombie {
            let mut seen = op(trial, Step::Check, recovered + 300);
            seen.value = Some(1);
            told.push(seen);
            told.push(op(trial, Step::Logout, recovered + 500));
        }
        let mut look = op(trial, Step::ReadBack, recovered + SETTLE_MS + 200);
        match fate {
            Fate::Finds(counter) => look.value = Some(counter),
            Fate::Zombie | Fate::LateZombie => look.value = Some(1),
            Fate::Phantom => look.value = Some(2),
            Fate::Lost | Fate::LoggedOut => {
                fail(&mut look, Outcome::Rejected, ErrorClass::SessionRejected)
            }
            Fate::Anothers => fail(&mut look, Outcome::Acknowledged, ErrorClass::WrongIdentity),
            Fate::Undecided => fail(&mut look, Outcome::Indeterminate, ErrorClass::ServerError),
        }
        told.push(look);
        told
    }
}

/// A run of the plan's first arms, as many as the trials are of.
pub(super) fn journal(trials: &[Told]) -> Journal {
    let mut plan = test_plan();
    let arms = trials.iter().map(|trial| trial.arm as usize + 1).max();
    plan.arms.truncate(arms.unwrap_or(1));
    let mut events = Vec::new();
    let mut operations = Vec::new();
    for (id, told) in (0..).map(TrialId).zip(trials) {
        events.extend(told.events().into_iter().map(|(at, kind)| Event {
            at: ms(at),
            trial: Some(id),
            kind,
        }));
        operations.extend(told.operations(id));
    }
    events.push(Event {
        at: ms(9_000),
        trial: None,
        kind: EventKind::RunEnded,
    });
    let seed = Seed(1);
    Journal {
        header: Header {
            comeback_journal: VERSION,
            written_by: "test".to_owned(),
            started: "2026-01-01T00:00:00Z".to_owned(),
            seed,
            machine: Machine::default(),
            schedule: expand(&plan, seed),
            plan,
            shards: None,
            label: None,
            revision: None,
        },
        events,
        operations,
        torn: false,
    }
}

fn ms(at: u64) -> Elapsed {
    Elapsed::from_us(at * 1_000)
}

/// Which start of the target answers.
fn boot(start: usize) -> BootId {
    BootId::from_header([b"old", b"new"][start])
}

/// A correct operation of 1 ms, answered by the process of its time.
fn op(trial: TrialId, step: Step, at: u64) -> Operation {
    Operation {
        boot: Some(boot(usize::from(at > CUT))),
        ..test_operation(trial, ClientId(0), step, ms(at))
    }
}

fn fail(operation: &mut Operation, outcome: Outcome, class: ErrorClass) {
    operation.outcome = outcome;
    operation.error = Some(class);
}
