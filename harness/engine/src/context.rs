//! What all of a trial's rooms share: what was planned, where it takes place, how far it has come, and the way to put facts
//! on record.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use comeback_model::event::{EventKind, ExitCause, Phase};
use comeback_model::ids::{BootId, FaultId, Incarnation, Node, TrialId};
use comeback_model::plan::fault::{Effect, Invalid};
use comeback_model::plan::{Arm, Fault, Plan, Target};
use comeback_model::schedule::PlannedTrial;
use comeback_model::units::{Elapsed, Span};

use super::came::Events;
use super::placement::{Placement, PlacementError, Proxied};
use super::seams::{Process, Processes};
use super::words::{called, start_failed};
use super::{EngineError, Site};
use crate::load::probe::Work;
use crate::load::{Trigger, Users};
use crate::supervise::disk::{self, Laying};
use crate::supervise::tag::RunTag;
use comeback_faults::{CutStarts, FaultError};
use tokio::sync::{Mutex, Notify};

/// Users of a trial beside the clients: each try of the recovery probe is one.
const PROBE_USERS: u32 = 20_000;
/// Users of the load beside the clients: newcomers, and who logs in while sessions are looked at. The next trial's begin beyond them.
const FURTHER_USERS: u32 = PROBE_USERS / 2;
/// The numbers of clients' users are below this; those of the probes count down from the largest.
const USERS: u32 = 1 << 30;

/// One trial and its surroundings. `S` are the seams that it stands on.
pub(super) struct Trial<'a, S> {
    pub(super) plan: &'a Plan,
    pub(super) arm: &'a Arm,
    pub(super) planned: &'a PlannedTrial,
    pub(super) site: &'a Site,
    pub(super) seams: &'a S,
    pub(super) placement: Placement,
    /// The trial before ended with a kill of the idle server: its start is the restart after that.
    pub(super) is_after_kill: bool,
    /// The number of the first client's user.
    pub(super) first_user: u32,
    /// How many users the recovery's probes have been.
    pub(super) probe_users: Cell<u32>,
    /// The trigger of faults at a moment of the load, once there is a load.
    pub(super) trigger: OnceCell<Trigger>,
    /// Held by the fault that waits for such a moment.
    pub(super) aiming: Mutex<()>,
    /// Told when a fault took effect on a node, and when it is over.
    pub(super) effects: Notify,
    pub(super) progress: RefCell<Progress>,
}

/// What a trial of a storm takes over from the trial before.
pub(super) struct Former {
    pub(super) placement: Placement,
    /// How many users its probes have been.
    pub(super) probe_users: u32,
    /// It ended with a kill of the idle server.
    pub(super) was_killed: bool,
}

/// The progress of a trial. The loop and the phases write it in turns, and never hold it while waiting.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The phase it is in, if one was entered.
    pub(super) phase: Option<Phase>,
    /// How long each node took to be up for the first time.
    pub(super) started_in: BTreeMap<Node, Span>,
    /// How long logins failed after that.
    pub(super) opened_in: Span,
    /// The boot ids of a node so far.
    pub(super) boots: BTreeMap<Node, Vec<BootId>>,
    /// The work that a probe of a node must do correctly, and how long that took, from the rehearsal.
    pub(super) works: BTreeMap<Node, (Work, Span)>,
    /// Why a node was not up for the first time, where that is its own doing.
    pub(super) start_failed: Option<StartFailed>,
    /// The first node that ended before the load ran, in words.
    pub(super) ended_early: Option<String>,
    /// What became of the nodes that each fault addressed so far.
    pub(super) faulted: BTreeMap<(FaultId, Node), Faulted>,
    /// Events that came, of faults that are not begun yet.
    pub(super) events: Events,
    /// Faults that take no effect any more: all was done, or one missed.
    pub(super) over: BTreeSet<FaultId>,
    /// Nodes that have not served since they were started again after a fault: they are started once more when they end.
    pub(super) retried: BTreeMap<FaultId, BTreeSet<Node>>,
}

/// A server that was started was not up: the harness, another process and this machine have no part in that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartFailed {
    /// It ended.
    Ended,
    /// It took too long.
    TooLate,
}

/// What became of a node that a fault addressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Faulted {
    /// When the fault was begun with it, if it was: its drain, else the signal.
    pub(super) begun: Option<Elapsed>,
    /// When the effect was confirmed, if it was. Of worse conditions that are over: when they were.
    pub(super) at: Option<Elapsed>,
    /// Conditions are worse: it is not known yet until when.
    pub(super) is_degraded: bool,
    /// Whether the effect was that it ended.
    pub(super) has_ended: bool,
    /// The boot ids of the node until then.
    pub(super) old_boots: Vec<BootId>,
    /// Whether it came back, where the fault itself waited for that.
    pub(super) returned: Option<bool>,
}

/// A fault took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Injected {
    /// Which.
    pub(super) fault: FaultId,
    /// T0: the last of its effects was confirmed.
    pub(super) at: Elapsed,
    /// The faulted nodes.
    pub(super) nodes: Vec<Node>,
    /// What those called themselves that must not answer again.
    pub(super) old_boots: Vec<BootId>,
}

/// Why a trial ended before its time.
#[derive(Debug)]
pub(super) enum Early {
    /// The target is the reason, and this tells of it.
    Target(EventKind),
    /// The harness is.
    Engine(EngineError),
    /// The run must end.
    Interrupted,
}

impl<E: Into<EngineError>> From<E> for Early {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

/// A fault failed.
pub(super) fn failed(fault: FaultId, error: FaultError) -> Early {
    match error {
        FaultError::Missed(reason) => Early::Target(EventKind::FaultMissed { fault, reason }),
        FaultError::Abandoned => {
            let ended = "the trial's loop ended before the fault was over";
            Early::Engine(EngineError::Process(std::io::Error::other(ended)))
        }
    }
}

/// The trial cannot go on.
pub(super) fn aborted(reason: String) -> Early {
    Early::Target(EventKind::TrialAborted { reason })
}

impl<'a, S: Processes> Trial<'a, S> {
    /// Finds a place for a trial's arm, or goes on at that of a former trial; nothing is started yet.
    pub(super) fn prepare(
        (plan, planned): (&'a Plan, &'a PlannedTrial),
        (site, seams): (&'a Site, &'a S),
        data: &Path,
        former: Option<Former>,
    ) -> Result<Self, Early> {
        let arm = &plan.arms[planned.arm.0 as usize];
        let (trial, backing) = (planned.id, disk::backing_of(data));
        let lay_disk = |node, data: &Path| {
            let lay = |model| {
                let record = site.disk_file_of(trial, node, "record");
                seams.lay_disk(&Laying {
                    tag: &site.tag,
                    trial,
                    node,
                    data,
                    backing: &backing.join(Node::to_string(&node)),
                    model,
                    log: &site.disk_file_of(trial, node, "log"),
                    record: site.records_disks.then_some(record.as_path()),
                })
            };
            plan.disk_of(node).map(lay).transpose()
        };
        let proxied = Proxied {
            nodes: plan.proxied(arm),
            names: format!("comeback-{}-{}", site.tag, planned.id.0),
        };
        let prepare = || {
            Placement::prepare(arm, &proxied, data, seams, lay_disk).map_err(|error| match error {
                PlacementError::Target(node, error) => {
                    Early::Target(start_failed(node, Incarnation(0), &error))
                }
                PlacementError::Engine(error) => Early::Engine(error),
            })
        };
        let Former {
            placement,
            probe_users,
            was_killed,
        } = match former {
            Some(former) => former,
            None => Former {
                placement: prepare()?,
                probe_users: 0,
                was_killed: false,
            },
        };
        let first_user = match arm.target.external {
            Some(_) => first_user(&site.tag, planned.id, plan.load.clients),
            None => 0,
        };
        Ok(Self {
            first_user,
            plan,
            arm,
            planned,
            site,
            seams,
            placement,
            is_after_kill: was_killed,
            probe_users: Cell::new(first_user.wrapping_add(probe_users)),
            trigger: OnceCell::new(),
            aiming: Mutex::default(),
            effects: Notify::new(),
            progress: RefCell::default(),
        })
    }
}

impl<S> Trial<'_, S> {
    /// The nodes that any fault addresses; none in a control trial.
    pub(super) fn faulted(&self) -> Vec<Node> {
        self.planned.faulted().into_iter().collect()
    }

    /// The nodes that a fault addresses.
    pub(super) fn faulted_by(&self, fault: FaultId) -> &[Node] {
        let mut faults = self.planned.faults.iter();
        let planned = faults.find(|planned| planned.fault == fault);
        planned.map_or(&[], |planned| &planned.nodes)
    }

    /// The surroundings of a node.
    pub(super) fn surroundings_of(&self, node: Node) -> Vec<FaultId> {
        let all = self.planned.surroundings.iter();
        let own = all.filter(|surrounding| surrounding.nodes.contains(&node));
        own.map(|surrounding| surrounding.fault).collect()
    }

    /// A fault or surrounding of the plan.
    pub(super) fn fault(&self, id: FaultId) -> Result<&Fault, EngineError> {
        self.plan.fault(id).ok_or_else(|| {
            EngineError::Fault(Invalid {
                field: None,
                problem: "the schedule names a fault that the plan does not have".to_owned(),
            })
        })
    }

    /// The begin of a fault at a node, in words.
    pub(super) fn begun_by(&self, fault: FaultId) -> String {
        let fault = self.plan.fault(fault);
        fault.map_or_else(String::new, |fault| fault.words.begun.clone())
    }

    /// How long a node may take until it is up for the first time. After a kill of the idle server no less than after any fault.
    pub(super) fn start_within(&self, node: Node) -> Span {
        let within = self.arm.target_of(node).ready.within;
        match self.is_after_kill {
            true => within.max(self.plan.windows.horizon),
            false => within,
        }
    }

    /// How long it may take to be back from a fault, by what the nodes took to be up for the first time. A start after a crash has
    /// more to read, and what was there is not measured to the millisecond. Starts that the fault ends again come before it, each after
    /// a pause of its own.
    pub(super) fn recovery_from(&self, fault: &Fault) -> Span {
        let progress = self.progress.borrow();
        let horizon = self.plan.windows.horizon;
        let CutStarts { count, each } = self.cut_starts_of(fault);
        let back_in = |node: Node| {
            let pause = self.arm.target_of(node).restart_after;
            let cut = Span::from_us((pause + each).as_us().saturating_mul(u64::from(count)));
            let started_in = progress.started_in.get(&node).copied();
            let start = started_in.unwrap_or_default() + progress.opened_in;
            let start = Span::from_us(start.as_us() / 4 * 5).min(horizon);
            cut + pause + start
        };
        let nodes = fault.aim.candidates(self.arm.replicas).into_iter();
        let nodes = nodes.filter(|node| progress.started_in.contains_key(node));
        match fault.effect {
            Effect::Ends(_) => nodes.map(back_in).max().unwrap_or_default(),
            Effect::Replaces => {
                let drain = fault.needs.drain.unwrap_or_default();
                let turns = nodes.map(|node| drain + back_in(node));
                turns.fold(Span::ZERO, |sum, turn| sum + turn)
            }
            Effect::StandsStill(_) | Effect::Degrades(_) | Effect::Surrounds => Span::ZERO,
        }
    }

    /// The starts of its nodes that a fault ends again itself.
    pub(super) fn cut_starts_of(&self, fault: &Fault) -> CutStarts {
        let loaded = comeback_faults::load(fault);
        loaded.map_or_else(|_unknown| CutStarts::default(), |one| one.cut_starts())
    }

    /// The target of a node's latest or next start: its own, or the deployed version.
    pub(super) fn target_now(&self, node: Node) -> &Target {
        match (&self.arm.next, node) {
            (Some(next), Node::Replica(_)) if self.placement.slot(node).is_deployed.get() => next,
            _ => self.arm.target_of(node),
        }
    }

    /// A node has called itself so.
    pub(super) fn note_boot(&self, node: Node, boot: BootId) {
        let mut progress = self.progress.borrow_mut();
        progress.boots.entry(node).or_default().push(boot);
    }

    /// How a node is called in a sentence, where there may be only one.
    pub(super) fn name_of(&self, node: Node) -> String {
        match self.placement.is_alone() {
            true => "the target".to_owned(),
            false => called(node),
        }
    }

    /// `trial-003-NAME-1.log` is the first restart's; with several nodes the node stands before the number.
    pub(super) fn log_of(&self, node: Node, incarnation: Incarnation) -> PathBuf {
        let (trial, arm, start) = (self.planned.id.0, &self.arm.name, incarnation.0);
        let node = match self.placement.is_alone() {
            true => String::new(),
            false => format!("-{node}"),
        };
        let name = format!("trial-{trial:03}-{arm}{node}-{start}.log");
        self.site.logs.join(name)
    }

    /// `trial-003-NAME-proxy-replica-0.log` is that of the proxy in front of a node.
    pub(super) fn log_of_proxy(&self, node: Node) -> PathBuf {
        let (trial, arm) = (self.planned.id.0, &self.arm.name);
        let name = format!("trial-{trial:03}-{arm}-proxy-{node}.log");
        self.site.logs.join(name)
    }

    /// Records how a process ended, if it has.
    pub(super) fn record_exit(&self, process: &impl Process, cause: ExitCause) {
        let Some((exit, at)) = process.exit() else {
            return;
        };
        let tail = match cause {
            ExitCause::Injected(_) | ExitCause::Stopped | ExitCause::KilledIdle => Vec::new(),
            ExitCause::Unexpected => process.tail(),
        };
        let kind = EventKind::TargetExited {
            node: process.node(),
            incarnation: process.incarnation(),
            exit,
            cause,
            tail,
        };
        self.record_at(at, kind);
    }

    pub(super) fn record_at(&self, at: Elapsed, kind: EventKind) {
        self.site.recorder.event_at(at, Some(self.planned.id), kind);
    }

    pub(super) fn record(&self, kind: EventKind) {
        self.site.recorder.event(Some(self.planned.id), kind);
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.progress.borrow_mut().phase = Some(phase);
        self.record(EventKind::PhaseEntered { phase });
        force_panic(phase);
    }
}

impl Progress {
    /// What became of a faulted node, to be added to.
    pub(super) fn faulted(&mut self, fault: FaultId, node: Node) -> &mut Faulted {
        self.faulted.entry((fault, node)).or_default()
    }

    /// A fault is begun with a node. What follows its drain begins nothing.
    pub(super) fn begin(&mut self, fault: FaultId, node: Node, at: Elapsed) {
        self.faulted(fault, node).begun.get_or_insert(at);
    }

    /// What became of a node so far by a fault.
    pub(super) fn of(&self, fault: FaultId, node: Node) -> Faulted {
        self.faulted
            .get(&(fault, node))
            .cloned()
            .unwrap_or_default()
    }

    /// Whether the effect of a fault on each of these nodes was confirmed.
    pub(super) fn is_confirmed(&self, fault: FaultId, nodes: &[Node]) -> bool {
        let at = |node: &Node| self.faulted.get(&(fault, *node)).and_then(|one| one.at);
        nodes.iter().all(|node| at(node).is_some())
    }

    /// Whether a node has not served since it was started again.
    pub(super) fn is_retried(&self, node: Node) -> bool {
        self.retried.values().any(|nodes| nodes.contains(&node))
    }

    /// The confirmed effect of a fault on these nodes.
    pub(super) fn injected(&self, fault: FaultId, nodes: &[Node]) -> Injected {
        let all: Vec<Faulted> = nodes.iter().map(|node| self.of(fault, *node)).collect();
        let at = all.iter().filter_map(|one| one.at).max();
        // Whoever only stood still may answer again.
        let ended = all.into_iter().filter(|one| one.has_ended);
        Injected {
            fault,
            at: at.unwrap_or_default(),
            nodes: nodes.to_vec(),
            old_boots: ended.flat_map(|one| one.old_boots).collect(),
        }
    }
}

/// The number of the first user of a trial with a server that outlives it: what the users of other trials, and of other runs, left
/// there is not theirs. Within a run no two trials have a user in common.
fn first_user(tag: &RunTag, trial: TrialId, clients: u32) -> u32 {
    let each = clients.saturating_add(PROBE_USERS);
    tag.random().wrapping_add(trial.0.wrapping_mul(each)) % USERS
}

/// The users that a server may know of a trial: its own, and where the server outlives its trial also those of the trials before. One
/// trial's numbers follow those of the one before.
pub(super) fn users(first: u32, before: u32, clients: u32) -> Users {
    let each = clients.saturating_add(PROBE_USERS);
    let earlier = before.saturating_mul(each).min(first);
    Users {
        first: first - earlier,
        clients: clients.saturating_add(FURTHER_USERS + earlier),
        probes: PROBE_USERS.saturating_add(earlier),
    }
}

/// In debug builds a test can ask for a panic in a phase, to see that nothing is left behind.
fn force_panic(phase: Phase) {
    if cfg!(debug_assertions) && std::env::var("COMEBACK_PANIC_IN").as_deref() == Ok(phase.name()) {
        panic!("forced in phase {}", phase.name());
    }
}
