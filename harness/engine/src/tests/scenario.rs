//! A trial of mock processes under mock load, and what its journal says afterwards.

use comeback_analysis::measure::{TrialAnalysis, analyze};
use comeback_faults::Faults;
use comeback_model::event::{Event, EventKind, ExitCause, Phase};
use comeback_model::ids::{ArmId, FaultId, Incarnation, Node, Seed, TrialId};
use comeback_model::journal::{Header, Journal, Machine, VERSION};
use comeback_model::plan::fault::{Catalogue, Said};
use comeback_model::plan::{
    Aim, Arm, Calibration, Drain, Fault, Load, Mix, Plan, Readiness, ReadyProbe, SessionFlow,
    Signal, Stop, Target, Windows, Within, Workload,
};
use comeback_model::schedule::{
    PlannedInjection, PlannedSurrounding, PlannedTrial, Schedule, expand,
};
use comeback_model::units::{Elapsed, Span};
use serde_json::{Value, json};

use super::mock::{Behaviour, Mock};
use crate::clock::Clock;
use crate::interrupt::Interrupt;
use crate::life::Life;
use crate::record::{Recorded, Recorder};
use crate::supervise::tag::RunTag;
use crate::trial::{self, Finished};
use crate::trials::{self, Ended, Extension};
use crate::{EngineError, Site};

/// The fault comes so long after the trial's begin: a rehearsal takes 1 ms for each that is asked, the load is begun 1 ms before
/// its first arrival, and its windows end there.
pub(super) const FAULT_AT: Elapsed = Elapsed::from_us(602_000);

/// A fault of this kind, at once and whatever is under way.
fn fault(kind: &str, parameters: &Value, aim: Aim) -> Fault {
    let said = Said {
        aim: Some(aim),
        within: Some(Within::Any),
        jitter: Some(Span::ZERO),
        lands_within: Some(Span::from_ms(400)),
        reach: None,
    };
    let parameters = parameters.as_object().cloned().unwrap_or_default();
    let planned = Faults.plan(kind, &parameters, said);
    planned.expect("there is such a fault")
}

pub(super) const fn ms(ms: u64) -> Elapsed {
    Elapsed::from_us(ms * 1_000)
}

pub(super) const REPLICA_0: Node = Node::Replica(0);
pub(super) const REPLICA_1: Node = Node::Replica(1);

/// What is to happen.
pub(super) struct Scenario {
    pub(super) plan: Plan,
    pub(super) mock: Mock,
    control: bool,
    interrupt_at: Option<Elapsed>,
    folder: tempfile::TempDir,
}

/// What happened.
pub(super) struct Told {
    pub(super) events: Vec<Event>,
    pub(super) deeds: Vec<(Elapsed, String)>,
    pub(super) finished: Result<Finished, EngineError>,
    plan: Plan,
    planned: PlannedTrial,
}

fn target() -> Target {
    Target {
        ready: Readiness {
            probe: ReadyProbe::Http("/health".to_owned()),
            within: Span::from_ms(200),
        },
        stop: Stop {
            signal: Signal::Term,
            grace: Span::from_ms(300),
        },
        ..Target::of(["./server"])
    }
}

fn plan() -> Plan {
    let flow = SessionFlow {
        mix: Mix {
            act: 70,
            check: 30,
            logout: 0,
            browse: 0,
        },
        ..SessionFlow::reference()
    };
    Plan {
        name: "test".to_owned(),
        arms: vec![Arm::alone("server".to_owned(), String::new(), target())],
        trials: 1,
        extend_to: 1,
        replacements: 0,
        controls: 0,
        faults: vec![fault("kill", &json!({}), Aim::Replica(0))],
        chaos: None,
        surroundings: Vec::new(),
        load: Load {
            clients: 10,
            rate: 100.0,
            ..Load::of(Workload::Sessions(Box::new(flow)))
        },
        calibration: Calibration::Given,
        windows: Windows {
            warm_up: Span::from_ms(200),
            baseline: Span::from_ms(300),
            settle: Span::from_ms(100),
            horizon: Span::from_secs(2),
            steady_for: Span::from_ms(50),
            ..Windows::default()
        },
        gates: Vec::new(),
        storm: None,
        marked: std::collections::BTreeSet::new(),
    }
}

/// One replica, which is killed.
pub(super) fn one_replica() -> Scenario {
    Scenario {
        plan: plan(),
        mock: Mock::new(Clock::start()),
        control: false,
        interrupt_at: None,
        folder: tempfile::tempdir().unwrap(),
    }
}

/// Two of them, without a balancer; the first is killed.
pub(super) fn two_replicas() -> Scenario {
    one_replica().with(|plan| plan.arms[0].replicas = 2)
}

impl Scenario {
    pub(super) fn with(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        change(&mut self.plan);
        self
    }

    pub(super) fn fault(self, kind: &str, parameters: &Value, aim: Aim) -> Self {
        self.with(|plan| plan.faults[0] = fault(kind, parameters, aim))
    }

    /// A further fault, so long after the first.
    pub(super) fn then(self, after: Span, kind: &str, parameters: &Value, aim: Aim) -> Self {
        let fault = Fault {
            after,
            ..fault(kind, parameters, aim)
        };
        self.with(|plan| plan.faults.push(fault))
    }

    /// A further fault, so long after the recovery from all before it.
    pub(super) fn then_in_calm(self, quiet: Span, kind: &str, aim: Aim) -> Self {
        let fault = Fault {
            quiet: Some(quiet),
            ..fault(kind, &json!({}), aim)
        };
        self.with(|plan| plan.faults.push(fault))
    }

    /// What holds for the whole trial.
    pub(super) fn with_surrounding(self, kind: &str, parameters: &Value, aim: Aim) -> Self {
        let surrounding = fault(kind, parameters, aim);
        self.with(|plan| plan.surroundings.push(surrounding))
    }

    /// What the replicas share.
    pub(super) fn with_store(self) -> Self {
        self.with(|plan| plan.arms[0].store = Some(target()))
    }

    pub(super) fn restart_after(self, pause: Span) -> Self {
        self.with(|plan| plan.arms[0].target.restart_after = pause)
    }

    /// A balancer that drains.
    pub(super) fn with_balancer(self) -> Self {
        self.with(|plan| {
            let arm = &mut plan.arms[0];
            arm.balancer = Some(target());
            arm.drain = Some(Drain {
                begin: vec!["drain".to_owned()],
                end: vec!["undrain".to_owned()],
            });
        })
    }

    pub(super) fn node(mut self, node: Node, change: impl FnOnce(&mut Behaviour)) -> Self {
        change(self.mock.nodes.entry(node).or_default());
        self
    }

    pub(super) fn mock(mut self, change: impl FnOnce(&mut Mock)) -> Self {
        change(&mut self.mock);
        self
    }

    pub(super) fn control(mut self) -> Self {
        self.control = true;
        self
    }

    pub(super) fn interrupt_at(mut self, at: Elapsed) -> Self {
        self.interrupt_at = Some(at);
        self
    }

    /// Runs three trials of its arm as a run does.
    pub(super) async fn run_trials(self) -> (Vec<EventKind>, Ended) {
        let (events, ended) = self.run_trials_timed().await;
        let events = events.into_iter().map(|event| event.kind);
        (events.collect(), ended)
    }

    /// The same, with the moments.
    pub(super) async fn run_trials_timed(mut self) -> (Vec<Event>, Ended) {
        self.plan.trials = 3;
        let (site, recorded) = self.site();
        let planned = [0, 1, 2].map(|number| PlannedTrial {
            id: TrialId(number),
            ..self.planned()
        });
        let (guard, mut interrupt) = Interrupt::by_hand();
        let at = self.interrupt_at.unwrap_or(Elapsed::from_us(3_600_000_000));
        let until = self.mock.clock.instant(at);
        let raise = async {
            tokio::time::sleep_until(until).await;
            drop(guard);
            std::future::pending::<()>().await;
        };
        let mut untried = [ArmId(0)].into();
        let trials = trials::run_all(
            (&self.plan, &planned),
            &mut untried,
            (&site, &self.mock),
            &mut interrupt,
        );
        let ended = tokio::select! {
            ended = trials => ended.unwrap(),
            () = raise => unreachable!("it is pending for good"),
        };
        (recorded.events(), ended)
    }

    /// Goes on after a run's end with a spare trial in the place of a void one: what is on record, what the journal means, and the
    /// faults that were drawn for the void one, which others than this were drawn for.
    pub(super) async fn run_in_place(self) -> (Vec<Event>, TrialAnalysis, Vec<FaultId>) {
        fn faults(planned: &PlannedTrial) -> Vec<FaultId> {
            planned.faults.iter().map(|one| one.fault).collect()
        }
        let schedule = expand(&self.plan, Seed(1));
        let spare = schedule.spares[0].clone();
        let mut trials = schedule.trials.iter();
        let void = trials.find(|planned| faults(planned) != faults(&spare));
        let void = void.unwrap().clone();
        let extension = Extension {
            trials: vec![spare.in_place_of(&void, true)],
            replaces: vec![void.id],
            reasons: vec!["it was late".to_owned()],
        };
        let (site, recorded) = self.site();
        let (guard, mut interrupt) = Interrupt::by_hand();
        let seams = (&site, &self.mock);
        let ended = trials::extend_with(&self.plan, extension, seams, &mut interrupt).await;
        drop(guard);
        assert_eq!(ended.unwrap(), Ended::Complete);
        let events = recorded.events();
        let understood = understood(&self.plan, schedule, events.clone());
        (events, understood, faults(&void))
    }

    fn site(&self) -> (Site, Recorded) {
        let (recorder, recorded) = Recorder::in_memory(self.mock.clock);
        let site = Site {
            tag: RunTag::new().unwrap(),
            clock: self.mock.clock,
            recorder,
            scratch: self.folder.path().to_owned(),
            logs: self.folder.path().to_owned(),
            records_disks: false,
        };
        (site, recorded)
    }

    fn planned(&self) -> PlannedTrial {
        let surroundings = self.plan.named_surroundings();
        let surroundings = surroundings.map(|(id, surrounding)| PlannedSurrounding {
            fault: id,
            nodes: self.injection(id, surrounding).nodes,
        });
        let surroundings = surroundings.collect();
        let mut faults = Vec::new();
        if !self.control {
            faults = self
                .plan
                .named_faults()
                .map(|(id, fault)| self.injection(id, fault))
                .collect();
        }
        PlannedTrial {
            id: TrialId(0),
            arm: ArmId(0),
            faults,
            load_seed: Seed(1),
            surroundings,
            turn: 0,
        }
    }

    /// A fault is injected 100 ms after the baseline, or as long after that as its plan says.
    fn injection(&self, id: FaultId, fault: &Fault) -> PlannedInjection {
        let replicas = self.plan.arms[0].replicas;
        let nodes = match fault.aim {
            Aim::AnyReplica => vec![REPLICA_0],
            Aim::Replica(number) => vec![Node::Replica(number)],
            Aim::AllReplicas => (0..replicas).map(Node::Replica).collect(),
            Aim::Balancer => vec![Node::Balancer],
            Aim::Store => vec![Node::Store],
            Aim::Cache => vec![Node::Cache],
        };
        let after = match fault.quiet {
            Some(quiet) => quiet,
            None => Span::from_ms(100) + fault.after,
        };
        PlannedInjection {
            fault: id,
            after,
            in_calm: fault.quiet.is_some(),
            nodes,
        }
    }

    /// Runs the trial.
    pub(super) async fn run(self) -> Told {
        let clock = self.mock.clock;
        let (site, recorded) = self.site();
        let planned = self.planned();
        let (guard, mut interrupt) = Interrupt::by_hand();
        let mut life = Life::of(&self.plan);
        let mut trial = std::pin::pin!(trial::run(
            (&self.plan, &planned),
            &site,
            &self.mock,
            (&mut interrupt, &mut life)
        ));
        let finished = match self.interrupt_at {
            None => {
                let finished = trial.await;
                drop(guard);
                finished
            }
            Some(at) => {
                let raise = async {
                    tokio::time::sleep_until(clock.instant(at)).await;
                    drop(guard);
                };
                tokio::join!(raise, trial.as_mut()).1
            }
        };
        let deeds = self.mock.deeds.borrow().clone();
        Told {
            events: recorded.events(),
            deeds,
            finished,
            plan: self.plan.clone(),
            planned: planned.clone(),
        }
    }
}

/// What the journal of a trial means.
fn understood(plan: &Plan, schedule: Schedule, events: Vec<Event>) -> TrialAnalysis {
    let header = Header {
        comeback_journal: VERSION,
        written_by: "test".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        seed: schedule.seed,
        machine: Machine::default(),
        plan: plan.clone(),
        schedule,
        shards: None,
        label: None,
        revision: None,
    };
    let journal = Journal {
        header,
        events,
        operations: Vec::new(),
        torn: false,
    };
    analyze(&journal).arms.remove(0).trials.remove(0)
}

impl Told {
    /// What the journal means.
    pub(super) fn analyzed(&self) -> TrialAnalysis {
        let schedule = Schedule {
            seed: Seed(1),
            trials: vec![self.planned.clone()],
            further: Vec::new(),
            spares: Vec::new(),
        };
        understood(&self.plan, schedule, self.events.clone())
    }

    /// When something of this kind is on record.
    fn times(&self, wanted: impl Fn(&EventKind) -> bool) -> Vec<Elapsed> {
        let events = self.events.iter().filter(|event| wanted(&event.kind));
        events.map(|event| event.at).collect()
    }

    pub(super) fn exits(&self, wanted: Node) -> Vec<(Elapsed, ExitCause)> {
        let exit = |event: &Event| match &event.kind {
            EventKind::TargetExited { node, cause, .. } if *node == wanted => {
                Some((event.at, *cause))
            }
            _ => None,
        };
        self.events.iter().filter_map(exit).collect()
    }

    pub(super) fn starts(&self, wanted: Node) -> Vec<(Elapsed, u32)> {
        let start = |event: &Event| match &event.kind {
            EventKind::TargetExecuted {
                node, incarnation, ..
            } if *node == wanted => {
                let Incarnation(number) = incarnation;
                Some((event.at, *number))
            }
            _ => None,
        };
        self.events.iter().filter_map(start).collect()
    }

    pub(super) fn confirmed(&self, wanted: Node) -> Vec<Elapsed> {
        self.times(|kind| matches!(kind, EventKind::FaultConfirmed { node, .. } if *node == wanted))
    }

    pub(super) fn requested(&self, wanted: Node) -> Vec<Elapsed> {
        self.times(|kind| matches!(kind, EventKind::FaultRequested { node, .. } if *node == wanted))
    }

    pub(super) fn first_correct(&self) -> Vec<Elapsed> {
        self.times(|kind| matches!(kind, EventKind::FirstCorrect { .. }))
    }

    pub(super) fn first_accept(&self) -> Vec<Elapsed> {
        self.times(|kind| matches!(kind, EventKind::FirstAccept { .. }))
    }

    pub(super) fn returned(&self, wanted: Node) -> Vec<Elapsed> {
        self.times(|kind| matches!(kind, EventKind::TargetReturned { node, .. } if *node == wanted))
    }

    pub(super) fn phases(&self) -> Vec<Phase> {
        let phase = |event: &Event| match event.kind {
            EventKind::PhaseEntered { phase } => Some(phase),
            _ => None,
        };
        self.events.iter().filter_map(phase).collect()
    }

    pub(super) fn entered(&self, wanted: Phase) -> Vec<Elapsed> {
        self.times(|kind| matches!(kind, EventKind::PhaseEntered { phase } if *phase == wanted))
    }

    /// When the first correct reply after each fault came.
    pub(super) fn recoveries(&self) -> Vec<(u32, Elapsed)> {
        let recovery = |event: &Event| match event.kind {
            EventKind::FirstCorrect { fault, .. } => Some((fault.0, event.at)),
            _ => None,
        };
        let mut recoveries: Vec<_> = self.events.iter().filter_map(recovery).collect();
        recoveries.sort_unstable();
        recoveries
    }

    /// Which faults missed, and why.
    pub(super) fn all_missed(&self) -> Vec<(u32, &str)> {
        let missed = |event| match event {
            &Event {
                kind: EventKind::FaultMissed { fault, ref reason },
                ..
            } => Some((fault.0, reason.as_str())),
            _ => None,
        };
        self.events.iter().filter_map(missed).collect()
    }

    /// Why the trial ended early, if it did.
    pub(super) fn aborted(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match &event.kind {
            EventKind::TrialAborted { reason } => Some(reason.as_str()),
            _ => None,
        })
    }

    /// Why the fault missed, if it did.
    pub(super) fn missed(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match &event.kind {
            EventKind::FaultMissed { fault: _, reason } => Some(reason.as_str()),
            _ => None,
        })
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(
            self.events.last(),
            Some(Event {
                kind: EventKind::TrialEnded,
                ..
            })
        )
    }

    /// When each deed of this name was done.
    pub(super) fn deeds(&self, name: &str) -> Vec<Elapsed> {
        let deeds = self.deeds.iter().filter(|(_, deed)| deed == name);
        deeds.map(|(at, _)| *at).collect()
    }
}

pub(super) const fn exit(code: i32) -> comeback_model::event::Exit {
    comeback_model::event::Exit::Status(code)
}
