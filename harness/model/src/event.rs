//! Events: facts in the past tense, without derived values, appended as they happen.

mod parts;

pub use crate::plan::fault::{Mark, Met, MetWrite};
pub use parts::{Doubts, ELSEWHERE, Evidence, Exit, ExitCause, OldProcess, Phase, Survivor};

use serde::{Deserialize, Serialize};

use crate::ids::{ArmId, BootId, FaultId, Incarnation, Node, TrialId};
use crate::plan::fault::read_begun;
use crate::plan::secret::Secrets;
use crate::said::Line;
use crate::units::Elapsed;

/// Something that happened at a point of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    #[serde(rename = "at_us")]
    pub at: Elapsed,
    /// In which trial, if in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialId>,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// An arm cannot run here.
    ArmSkipped {
        /// Which.
        arm: ArmId,
        /// Why, and the mend.
        reason: String,
    },
    /// A trial began.
    TrialStarted {
        /// Of which arm.
        arm: ArmId,
        /// Without a fault.
        control: bool,
    },
    /// A part of the trial began.
    PhaseEntered {
        /// Which.
        phase: Phase,
    },
    /// A process of the target was started; the event's time is when its program was executed.
    TargetExecuted {
        /// Which part of the topology.
        #[serde(default)]
        node: Node,
        /// Which start.
        incarnation: Incarnation,
        /// Its process and process group.
        pid: i32,
        /// When the start was begun, before the program was executed.
        requested_us: Elapsed,
        /// When the launcher was executed that then executed the program, where the listening socket is held.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        launched_us: Option<Elapsed>,
    },
    /// A target could not be started, or ended before it was ready.
    TargetStartFailed {
        /// Which part of the topology.
        #[serde(default)]
        node: Node,
        /// Which start.
        incarnation: Incarnation,
        /// What went wrong, in one line.
        problem: String,
        /// The last lines of its output.
        tail: Vec<Line>,
        /// A process that is older than the harness, and has taken the port.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port_taken_by: Option<Survivor>,
    },
    /// The first start of a target was answered by the readiness probe.
    TargetReady {
        /// Which part of the topology.
        #[serde(default)]
        node: Node,
        /// Which process answers, if it says so.
        boot: Option<BootId>,
    },
    /// A process of the target ended; the event's time is when that was confirmed (reaped).
    TargetExited {
        /// Which part of the topology.
        #[serde(default)]
        node: Node,
        /// Which start.
        incarnation: Incarnation,
        /// How.
        exit: Exit,
        /// Why.
        cause: ExitCause,
        /// The last lines of its output, unless it was stopped by us.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tail: Vec<Line>,
    },
    /// All clients tried to begin their sessions.
    SessionsOpened {
        /// Clients that have one.
        opened: u32,
        /// Clients whose login failed.
        failed: u32,
    },
    /// Before the fault only the login of the probe's own session worked: after it no more is asked for.
    ProbeLimited {
        /// Whom the probe asked.
        node: Node,
        /// What the rest of the session's work met.
        problem: String,
    },
    /// Before the load or after the last look a check by somebody who never logged in was answered as one within a known
    /// session: no check tells who is known.
    #[serde(rename = "stranger_known")]
    AnonymousKnown {
        /// Who was asked.
        node: Node,
    },
    /// The fault had waited for the load, so that it hits inside a write, or right after its acknowledgement was read.
    FaultAimed {
        /// Which fault.
        #[serde(default)]
        fault: FaultId,
        /// For what; absent when no write came, and it was sent nevertheless.
        mark: Option<Mark>,
        /// How long it had waited beyond its planned moment.
        waited_us: u64,
        /// How long after a client had passed the mark the signal was sent.
        after_us: Option<u64>,
        /// How long before the signal the acknowledgement had surely not come yet: it was sent later than that. Absent where
        /// that is not known, or the mark is none.
        #[serde(default)]
        quiet_us: Option<u64>,
        /// The event that the plan has it wait for; absent where it waits for none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        met: Option<Met>,
    },
    /// The fault was begun with one of those that it hits: the signal was sent.
    FaultRequested {
        /// Which fault.
        #[serde(default)]
        fault: FaultId,
        /// To which part of the topology.
        #[serde(default)]
        node: Node,
        /// What was done to it; `action` in journals up to version 4.
        #[serde(alias = "action", deserialize_with = "read_begun")]
        begun: String,
    },
    /// All that the fault addressed of a node has ended, or is known to stay; the event's time is the last of those
    /// ends. The end of the process that was started is a [`Self::TargetExited`].
    FaultConfirmed {
        /// Which fault.
        #[serde(default)]
        fault: FaultId,
        /// Which part of the topology.
        node: Node,
        /// What proved it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        evidence: String,
        /// Processes that did not heed the signal of a stop in their time of grace, and were killed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        took_kill: Vec<i32>,
        /// Processes of that start that live on, and are left alone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<Survivor>,
        /// When it was last known to be there, where its end is seen from outside only: it ended between then and the event's time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alive_us: Option<Elapsed>,
    },
    /// A fault did something to a node other than by signals, and its effect was seen.
    FaultActed {
        /// Which fault.
        fault: FaultId,
        /// To which part of the topology.
        node: Node,
        /// What shows it.
        evidence: String,
        /// The fault has its effect only with this: what counts from the effect counts from here.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        completes: bool,
    },
    /// A fault is over: it does nothing more to its nodes. They may have to come back from it.
    FaultEnded {
        /// Which.
        fault: FaultId,
    },
    /// A surrounding holds on a node from now on, as it does for every later start of it.
    SurroundingApplied {
        /// Which, by its place in the plan behind the faults.
        fault: FaultId,
        /// Which part of the topology.
        node: Node,
        /// What shows it.
        evidence: String,
    },
    /// A surrounding held until now, and was undone.
    SurroundingRemoved {
        /// Which.
        fault: FaultId,
        /// Which part of the topology.
        node: Node,
    },
    /// All processes of a node stand still; the event's time is when that was confirmed.
    TargetPaused {
        /// By which fault.
        #[serde(default)]
        fault: FaultId,
        /// Which part of the topology.
        node: Node,
        /// What proved it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        evidence: String,
    },
    /// They may go on: SIGCONT was sent.
    TargetResumed {
        /// By which fault they had stood still.
        #[serde(default)]
        fault: FaultId,
        /// Which part of the topology.
        node: Node,
    },
    /// A node goes on under worse conditions from now on.
    TargetDegraded {
        /// By which fault.
        fault: FaultId,
        /// Which part of the topology.
        node: Node,
        /// What shows it.
        evidence: String,
    },
    /// The conditions were worse until now, and are as before.
    TargetRestored {
        /// By which fault they were worse.
        fault: FaultId,
        /// Which part of the topology.
        node: Node,
        /// What shows that they were.
        evidence: String,
    },
    /// The balancer was told to send a replica no more requests.
    DrainBegun {
        /// For which fault.
        #[serde(default)]
        fault: FaultId,
        /// Which.
        node: Node,
    },
    /// The balancer said that a replica has no request left, or it could not be had to.
    Drained {
        /// For which fault.
        #[serde(default)]
        fault: FaultId,
        /// Which.
        node: Node,
        /// Why the replica is stopped although it is not known to be without requests.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// The balancer was told to send a replica requests again, and said that it does.
    DrainEnded {
        /// For which fault.
        #[serde(default)]
        fault: FaultId,
        /// Which.
        node: Node,
        /// Why that is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// What was faulted answers correctly again, itself, for the first time.
    TargetReturned {
        /// From which fault.
        #[serde(default)]
        fault: FaultId,
        /// Which part of the topology.
        node: Node,
        /// When the last failed probe of it was begun; absent when none failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_failed_us: Option<Elapsed>,
        /// How the reply is known to come from its new process, or from the one that stood still.
        evidence: Evidence,
        /// Why the owner of the listening socket could not be asked beside the boot id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unowned: Option<String>,
    },
    /// After everything, a node that was not faulted was asked who it is.
    TargetSeen {
        /// Which part of the topology.
        node: Node,
        /// Which process answers.
        boot: BootId,
    },
    /// The fault's effect was not seen.
    FaultMissed {
        /// Which fault.
        #[serde(default)]
        fault: FaultId,
        /// What was seen instead.
        reason: String,
    },
    /// Processes of the old incarnation outlived the fault.
    SurvivorsFound {
        /// Which fault.
        #[serde(default)]
        fault: FaultId,
        /// Their process ids.
        pids: Vec<i32>,
    },
    /// Right before or after the final look at the sessions, processes of earlier starts of a restarted node were alive.
    OldProcessesAlive {
        /// Which part of the topology.
        node: Node,
        /// They.
        processes: Vec<OldProcess>,
    },
    /// Right before or after the final look, a restarted node's listening socket was held by a process of no new start.
    OldOwnerSeen {
        /// Which part of the topology.
        node: Node,
        /// Who holds it.
        problem: String,
    },
    /// A target's own health check, which is asked all through the load, says something else than before, or something
    /// for the first time; the event's time is when that answer was read.
    HealthChanged {
        /// Whose.
        node: Node,
        /// Whether it says that it is ready; no answer in time says that it is not.
        ready: bool,
        /// When the last answer before was read, which said the contrary; absent at the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_us: Option<Elapsed>,
    },
    /// It is not asked any more.
    HealthWatched {
        /// Whose.
        node: Node,
        /// How often it was asked.
        polls: u64,
        /// How much time lay between two questions at least.
        interval_us: u64,
        /// When the last answer was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_us: Option<Elapsed>,
    },
    /// Somebody on this machine waited for its disk during most of a stretch of the load; the event's time is its end.
    DiskStalled {
        /// When it began.
        since_us: Elapsed,
        /// For how long of it somebody waited.
        stalled_us: u64,
    },
    /// How this machine's cores were shared from the load's begin to the final looks; the event's time is the end.
    CoresShared {
        /// When that began.
        since_us: Elapsed,
        /// How much of the cores' time somebody on this machine wanted.
        wanted_us: u64,
        /// How much of it the machine below this one gave to others.
        stolen_us: u64,
        /// For how long at least one task waited for a core, where the kernel tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waited_us: Option<u64>,
    },
    /// The new incarnation's port accepted a connection for the first time.
    FirstAccept {
        /// After which fault.
        #[serde(default)]
        fault: FaultId,
        /// When the last refused attempt was begun; absent when none was.
        last_failed_us: Option<Elapsed>,
    },
    /// The first correct reply of the new process, on a fresh connection.
    FirstCorrect {
        /// After which fault.
        #[serde(default)]
        fault: FaultId,
        /// When the last failed probe was begun; absent when none failed.
        last_failed_us: Option<Elapsed>,
        /// How the reply is known to come from the new process.
        evidence: Evidence,
        /// Why the owner of the listening socket could not be asked beside the boot id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unowned: Option<String>,
        /// How many probes were made.
        probes: u64,
    },
    /// No correct reply of a new process within the horizon.
    NotRecovered {
        /// From which fault.
        #[serde(default)]
        fault: FaultId,
        /// What the last probe saw.
        last_failure: String,
        /// How many probes were made.
        probes: u64,
    },
    /// The load ended; what the schedule wanted and what became of it.
    LoadStopped {
        /// Operations the schedule wanted until now.
        scheduled: u64,
        /// Operations whose first byte was written.
        sent: u64,
        /// Operations that could not start in time.
        dropped: u64,
    },
    /// Replies that no rule of the user judges, and that only what came before the fault calls wrong.
    RepliesDoubted {
        /// Examples.
        doubts: Doubts,
    },
    /// In a storm: what the users found when they looked at their sessions after the recovery, or without one in a trial without a
    /// fault.
    SessionsLooked {
        /// Sessions that are known, with all that was acknowledged.
        whole: u32,
        /// Sessions that are not known, or lack something.
        lacking: u32,
        /// Sessions of which nothing was learned.
        unknown: u32,
    },
    /// In a storm: a trial goes on with the data and the sessions of the one before, and each user looked at his session.
    SessionsResumed {
        /// The idle server of the trial before was killed, not stopped.
        after_kill: bool,
        /// Sessions that are as they were at the last look.
        whole: u32,
        /// Sessions that are not known.
        refused: u32,
        /// Sessions that are known, and lack something that the last look showed.
        older: u32,
        /// Sessions that are another user's.
        anothers: u32,
        /// Sessions of which something else was learned, as that they show more than the last look did.
        odd: u32,
        /// Sessions of which nothing was learned.
        unknown: u32,
    },
    /// Processes of the trial outlived its end, and were killed.
    LeftBehind {
        /// Their process ids.
        pids: Vec<i32>,
    },
    /// A trial ended early; what it measured until then is kept, but it does not count.
    TrialAborted {
        /// Why.
        reason: String,
    },
    /// A trial ended, and nothing of it is left.
    TrialEnded,
    /// The run was interrupted by a signal.
    RunInterrupted,
    /// The run ends before its other trials: the first start of an arm failed, and all others would.
    RunGivenUp {
        /// Which arm.
        arm: ArmId,
    },
    /// The run ended by itself.
    RunEnded,
    /// It goes on after its end: what is demanded could not be judged, for lack of trials only.
    RunExtended {
        /// The further trials, in their order.
        trials: Vec<TrialId>,
        /// The void trials whose places they take, one each; empty where they are added to those that count.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        replaces: Vec<TrialId>,
        /// Whether each of them has the very faults of the trial whose place it takes, as drawn ones have. In older journals
        /// none has.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        same_faults: bool,
        /// What could not be judged, and why; or why those are void.
        reasons: Vec<String>,
    },
}

impl EventKind {
    /// Whether it is about the whole run; every other event belongs to a trial.
    pub const fn is_of_the_run(&self) -> bool {
        matches!(
            self,
            Self::ArmSkipped { .. }
                | Self::RunInterrupted
                | Self::RunGivenUp { .. }
                | Self::RunExtended { .. }
                | Self::RunEnded
        )
    }

    /// Each text in it that may quote anything. A new kind of event is to be put on one side or the other.
    pub fn each_quote(&mut self, mut visit: impl FnMut(&mut String)) {
        match self {
            Self::TargetStartFailed { problem, tail, .. } => {
                visit(problem);
                tail.iter_mut().map(Line::text_mut).for_each(visit);
            }
            Self::TargetExited { tail, .. } => tail.iter_mut().map(Line::text_mut).for_each(visit),
            Self::ArmSkipped { reason, .. }
            | Self::FaultMissed { reason, .. }
            | Self::TrialAborted { reason } => visit(reason),
            Self::ProbeLimited { problem, .. } | Self::OldOwnerSeen { problem, .. } => {
                visit(problem);
            }
            Self::NotRecovered { last_failure, .. } => visit(last_failure),
            Self::FaultAimed { met, .. } => {
                met.iter_mut().for_each(|met| met.each_quote(&mut visit))
            }
            // It may name a file, or show bytes of it.
            Self::FaultActed { evidence, .. } => visit(evidence),
            Self::Drained { problem: said, .. }
            | Self::DrainEnded { problem: said, .. }
            | Self::TargetReturned { unowned: said, .. }
            | Self::FirstCorrect { unowned: said, .. } => said.iter_mut().for_each(visit),
            Self::FaultConfirmed { left, .. } => {
                (left.iter_mut().map(|process| &mut process.command)).for_each(visit);
            }
            Self::OldProcessesAlive { processes, .. } => {
                (processes
                    .iter_mut()
                    .map(|process| &mut process.survivor.command))
                .for_each(visit);
            }
            Self::RunExtended { reasons, .. } => reasons.iter_mut().for_each(visit),
            Self::RepliesDoubted { doubts } => {
                let Doubts { pages, names } = doubts;
                pages.iter_mut().chain(names).for_each(visit);
            }
            Self::TrialStarted { .. }
            | Self::PhaseEntered { .. }
            | Self::TargetExecuted { .. }
            | Self::TargetReady { .. }
            | Self::SessionsOpened { .. }
            | Self::AnonymousKnown { .. }
            | Self::FaultRequested { .. }
            | Self::FaultEnded { .. }
            | Self::SurroundingApplied { .. }
            | Self::SurroundingRemoved { .. }
            | Self::TargetPaused { .. }
            | Self::TargetResumed { .. }
            | Self::TargetDegraded { .. }
            | Self::TargetRestored { .. }
            | Self::DrainBegun { .. }
            | Self::TargetSeen { .. }
            | Self::SurvivorsFound { .. }
            | Self::HealthChanged { .. }
            | Self::HealthWatched { .. }
            | Self::DiskStalled { .. }
            | Self::CoresShared { .. }
            | Self::FirstAccept { .. }
            | Self::LoadStopped { .. }
            | Self::SessionsLooked { .. }
            | Self::SessionsResumed { .. }
            | Self::LeftBehind { .. }
            | Self::TrialEnded
            | Self::RunInterrupted
            | Self::RunGivenUp { .. }
            | Self::RunEnded => {}
        }
    }
}

impl Secrets {
    /// Masks them in what an event quotes.
    pub fn hide_in(&self, event: &mut Event) {
        event.kind.each_quote(|text| self.hide(text));
    }
}
