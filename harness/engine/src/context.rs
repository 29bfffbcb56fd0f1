//! What all of a trial's rooms share: what was planned, where it takes place, and the way to put facts on record.

use std::cell::Cell;
use std::path::PathBuf;

use comeback_model::event::{EventKind, Exit, ExitCause, Phase};
use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::{Arm, Plan};
use comeback_model::schedule::PlannedTrial;
use comeback_model::units::Elapsed;

use super::seats::Seats;
use super::{EngineError, Site};
use crate::supervise::process::Process;

/// One trial and its surroundings.
pub(super) struct Trial<'a> {
    pub(super) plan: &'a Plan,
    pub(super) arm: &'a Arm,
    pub(super) planned: PlannedTrial,
    pub(super) site: &'a Site,
    pub(super) seats: Seats,
    /// How many users the recovery's probes have been.
    pub(super) probe_users: Cell<u32>,
}

/// Why a trial ended before its time.
pub(super) enum Early {
    /// The target is the reason, and this tells of it.
    Target(EventKind),
    /// The harness is.
    Engine(EngineError),
}

impl<E: Into<EngineError>> From<E> for Early {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

/// The trial cannot go on.
pub(super) fn aborted(reason: String) -> Early {
    Early::Target(EventKind::TrialAborted { reason })
}

/// The fault did not do what it should.
pub(super) fn missed(reason: String) -> Early {
    Early::Target(EventKind::FaultMissed { reason })
}

impl Trial<'_> {
    /// `trial-003-NAME-1.log` is the first restart's; with several nodes the node stands before the number.
    pub(super) fn log_of(&self, node: Node, incarnation: Incarnation) -> PathBuf {
        let (trial, arm, start) = (self.planned.id.0, &self.arm.name, incarnation.0);
        let node = match self.seats.is_alone() {
            true => String::new(),
            false => format!("-{node}"),
        };
        let name = format!("trial-{trial:03}-{arm}{node}-{start}.log");
        self.site.logs.join(name)
    }

    pub(super) fn record_exit(
        &self,
        process: &Process,
        (exit, at): (Exit, Elapsed),
        cause: ExitCause,
    ) {
        let tail = match cause {
            ExitCause::Injected | ExitCause::Stopped => Vec::new(),
            ExitCause::Unasked => process.tail(),
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
        self.record(EventKind::PhaseEntered { phase });
        force_panic(phase);
    }
}

/// In debug builds a test can ask for a panic in a phase, to see that nothing is left behind.
fn force_panic(phase: Phase) {
    if cfg!(debug_assertions) && std::env::var("COMEBACK_PANIC_IN").as_deref() == Ok(phase.name()) {
        panic!("forced in phase {}", phase.name());
    }
}
