//! What all of a trial's rooms share: what was planned, where it takes place, how far it has come, and the way to put facts
//! on record.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use comeback_model::event::{EventKind, ExitCause, Phase};
use comeback_model::ids::{BootId, FaultId, Incarnation, Node};
use comeback_model::plan::{Arm, Plan};
use comeback_model::schedule::PlannedTrial;
use comeback_model::units::Elapsed;

use super::placement::Placement;
use super::seams::Process;
use super::{EngineError, Site};
use crate::load::Trigger;
use crate::load::probe::Work;
use comeback_faults::FaultError;

/// One trial and its surroundings. `S` are the seams that it stands on.
pub(super) struct Trial<'a, S> {
    pub(super) plan: &'a Plan,
    pub(super) arm: &'a Arm,
    pub(super) planned: &'a PlannedTrial,
    pub(super) site: &'a Site,
    pub(super) seams: &'a S,
    pub(super) placement: Placement,
    /// How many users the recovery's probes have been.
    pub(super) probe_users: Cell<u32>,
    /// By what a fault comes at a moment of the load's, once there is a load.
    pub(super) trigger: OnceCell<Trigger>,
    pub(super) progress: RefCell<Progress>,
}

/// How far a trial has come. The loop and the phases write it by turns; nobody holds it while he waits.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The phase it is in, if one was entered.
    pub(super) phase: Option<Phase>,
    /// What the first start of a node called itself, where it said so.
    pub(super) boots: BTreeMap<Node, BootId>,
    /// What a probe that asks a node must be answered correctly, as was learnt by rehearsing.
    pub(super) works: BTreeMap<Node, Work>,
    /// The first node that ended before the load ran, in words.
    pub(super) ended_early: Option<String>,
    /// What became of the faulted nodes so far.
    pub(super) faulted: BTreeMap<Node, Faulted>,
    /// Nodes that have not served since they were started again: they are started once more when they end.
    pub(super) retried: BTreeSet<Node>,
}

/// What became of a node that the fault addressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faulted {
    /// When the effect was confirmed, if it was.
    pub(super) at: Option<Elapsed>,
    /// Whether the effect was that it ended.
    pub(super) has_ended: bool,
    /// Whether it came back, where the fault itself waited for that.
    pub(super) returned: Option<bool>,
}

/// The fault took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Injected {
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
    /// The run shall end.
    Interrupted,
}

impl<E: Into<EngineError>> From<E> for Early {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

impl From<FaultError> for Early {
    fn from(error: FaultError) -> Self {
        match error {
            FaultError::Missed(reason) => Self::Target(EventKind::FaultMissed {
                fault: FaultId::FIRST,
                reason,
            }),
            FaultError::Abandoned => {
                let ended = "the trial's loop ended before the fault was over";
                Self::Engine(EngineError::Process(std::io::Error::other(ended)))
            }
        }
    }
}

/// The trial cannot go on.
pub(super) fn aborted(reason: String) -> Early {
    Early::Target(EventKind::TrialAborted { reason })
}

impl<S> Trial<'_, S> {
    /// The nodes that the fault addresses; none in a control trial.
    pub(super) fn faulted(&self) -> Vec<Node> {
        self.planned.faulted().into_iter().collect()
    }

    /// How a node is named where there may be only one.
    pub(super) fn name_of(&self, node: Node) -> String {
        match self.placement.is_alone() {
            true => "target".to_owned(),
            false => node.to_string(),
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

    /// Records how a process ended, if it has.
    pub(super) fn record_exit(&self, process: &impl Process, cause: ExitCause) {
        let Some((exit, at)) = process.exit() else {
            return;
        };
        let tail = match cause {
            ExitCause::Injected(_) | ExitCause::Stopped => Vec::new(),
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
    pub(super) fn faulted(&mut self, node: Node) -> &mut Faulted {
        self.faulted.entry(node).or_default()
    }

    /// Whether the effect on each of these nodes was confirmed.
    pub(super) fn is_confirmed(&self, nodes: &[Node]) -> bool {
        let at = |node: &Node| self.faulted.get(node).and_then(|one| one.at);
        nodes.iter().all(|node| at(node).is_some())
    }

    /// The confirmed effect on these nodes.
    pub(super) fn injected(&self, nodes: &[Node]) -> Injected {
        let of = |node: &Node| self.faulted.get(node).copied().unwrap_or_default();
        // Whoever only stood still may answer again.
        let ended = nodes.iter().filter(|node| of(node).has_ended);
        Injected {
            at: nodes
                .iter()
                .filter_map(|node| of(node).at)
                .max()
                .unwrap_or_default(),
            nodes: nodes.to_vec(),
            old_boots: ended
                .filter_map(|node| self.boots.get(node).copied())
                .collect(),
        }
    }
}

/// In debug builds a test can ask for a panic in a phase, to see that nothing is left behind.
fn force_panic(phase: Phase) {
    if cfg!(debug_assertions) && std::env::var("COMEBACK_PANIC_IN").as_deref() == Ok(phase.name()) {
        panic!("forced in phase {}", phase.name());
    }
}
