//! What the events say of each trial, gathered; where the journal says a thing twice, the first holds.

use std::collections::{BTreeMap, BTreeSet};

use super::LoadTally;
use crate::event::{Event, EventKind, Evidence, Exit, ExitCause, Phase};
use crate::ids::{ArmId, BootId, Incarnation, Node, TrialId};
use crate::operation::Operation;
use crate::summary::Extension;
use crate::units::Elapsed;

/// What the events say of a run.
#[derive(Debug, Default)]
pub(super) struct RunFacts {
    /// Each trial that started, in that order.
    pub(super) trials: Vec<Facts>,
    /// Arms that could not run, and why.
    pub(super) skipped: BTreeMap<ArmId, String>,
    /// A signal ended the run.
    pub(super) interrupted: bool,
    /// The run ended by itself.
    pub(super) ended: bool,
    /// How it went on after its end.
    pub(super) extensions: Vec<Extension>,
}

/// What the events say of a trial.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) id: TrialId,
    pub(super) arm: ArmId,
    pub(super) control: bool,
    /// When each phase was entered.
    pub(super) phases: BTreeMap<Phase, Elapsed>,
    /// The nodes that were started.
    nodes: BTreeSet<Node>,
    /// What each node called itself before the fault, where it said so.
    pub(super) boots: BTreeMap<Node, BootId>,
    /// The fault was sent.
    pub(super) requested: Option<Elapsed>,
    /// The fault's effect was confirmed, on each node that it struck.
    struck: BTreeMap<Node, (Elapsed, Exit)>,
    /// Why the fault is taken not to have landed.
    pub(super) missed: Option<String>,
    /// Processes of the old server that outlived the fault.
    pub(super) survivors: Vec<i32>,
    /// The first restart: when it was executed, and when that was begun.
    pub(super) restarted: Option<(Elapsed, Elapsed)>,
    /// When that restart's launcher was executed, if there was one.
    pub(super) launched: Option<Elapsed>,
    /// The first accepted connection, and the last refused one.
    pub(super) accepted: Option<(Elapsed, Option<Elapsed>)>,
    /// The first correct reply of the new process.
    pub(super) correct: Option<Correct>,
    /// The recovery was given up, and what the last probe saw.
    pub(super) given_up: Option<(Elapsed, String)>,
    /// The load ended.
    pub(super) stopped: Option<(Elapsed, LoadTally)>,
    /// Processes that outlived the trial.
    pub(super) left_behind: Vec<i32>,
    /// A start that failed: which, why, and the last line of its output.
    pub(super) start_failed: Option<(Start, String, Option<String>)>,
    /// How each node ended when it was asked to, after the load.
    pub(super) stopped_as: BTreeMap<Node, Exit>,
    /// Ends nobody asked for, with the last line of output.
    pub(super) unasked: Vec<(Start, Exit, Option<String>)>,
    /// A process ended unasked after the recovery.
    pub(super) died_again: bool,
    /// Why it ended early.
    pub(super) aborted: Option<String>,
    /// It came to its end.
    pub(super) ended: bool,
}

/// Which start of which node.
pub(super) type Start = (Node, Incarnation);

/// The first correct reply of the new process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Correct {
    pub(super) at: Elapsed,
    pub(super) last_failed: Option<Elapsed>,
    pub(super) evidence: Evidence,
}

/// Gathers what the events say.
pub(super) fn gather(events: &[Event]) -> RunFacts {
    let mut run = RunFacts::default();
    let mut places: BTreeMap<TrialId, usize> = BTreeMap::new();
    for event in events {
        match &event.kind {
            EventKind::ArmSkipped { arm, reason } => {
                run.skipped.entry(*arm).or_insert_with(|| reason.clone());
            }
            EventKind::RunInterrupted => run.interrupted = true,
            EventKind::RunEnded => run.ended = true,
            EventKind::RunExtended { trials, reasons } => {
                run.ended = false;
                run.extensions.push(Extension {
                    trials: trials.len() as u32,
                    reasons: reasons.clone(),
                });
            }
            EventKind::TrialStarted { arm, control } => {
                if let Some(id) = event.trial {
                    places.entry(id).or_insert_with(|| {
                        run.trials.push(Facts::new(id, *arm, *control));
                        run.trials.len() - 1
                    });
                }
            }
            EventKind::PhaseEntered { .. }
            | EventKind::TargetExecuted { .. }
            | EventKind::TargetStartFailed { .. }
            | EventKind::TargetReady { .. }
            | EventKind::TargetExited { .. }
            | EventKind::SessionsOpened { .. }
            | EventKind::FaultRequested { .. }
            | EventKind::FaultMissed { .. }
            | EventKind::SurvivorsFound { .. }
            | EventKind::FirstAccept { .. }
            | EventKind::FirstCorrect { .. }
            | EventKind::NotRecovered { .. }
            | EventKind::LoadStopped { .. }
            | EventKind::LeftBehind { .. }
            | EventKind::TrialAborted { .. }
            | EventKind::TrialEnded => {
                let place = event.trial.and_then(|id| places.get(&id));
                if let Some(trial) = place.and_then(|place| run.trials.get_mut(*place)) {
                    trial.learn(event.at, &event.kind);
                }
            }
        }
    }
    run
}

impl Facts {
    const fn new(id: TrialId, arm: ArmId, control: bool) -> Self {
        Self {
            id,
            arm,
            control,
            phases: BTreeMap::new(),
            nodes: BTreeSet::new(),
            boots: BTreeMap::new(),
            requested: None,
            struck: BTreeMap::new(),
            missed: None,
            survivors: Vec::new(),
            restarted: None,
            launched: None,
            accepted: None,
            correct: None,
            given_up: None,
            stopped: None,
            left_behind: Vec::new(),
            start_failed: None,
            stopped_as: BTreeMap::new(),
            unasked: Vec::new(),
            died_again: false,
            aborted: None,
            ended: false,
        }
    }

    fn learn(&mut self, at: Elapsed, kind: &EventKind) {
        match kind {
            EventKind::PhaseEntered { phase } => {
                self.phases.entry(*phase).or_insert(at);
            }
            EventKind::TargetReady { node, boot } => {
                if let Some(boot) = boot {
                    self.boots.entry(*node).or_insert(*boot);
                }
            }
            EventKind::TargetExecuted {
                node,
                incarnation,
                pid: _,
                requested_us,
                launched_us,
            } => {
                self.nodes.insert(*node);
                if *incarnation > Incarnation(0) && self.restarted.is_none() {
                    self.restarted = Some((at, *requested_us));
                    self.launched = *launched_us;
                }
            }
            EventKind::TargetStartFailed {
                node,
                incarnation,
                problem,
                tail,
            } => {
                let start = (*node, *incarnation);
                let failed = (start, problem.clone(), tail.last().cloned());
                self.start_failed.get_or_insert(failed);
            }
            EventKind::TargetExited {
                node,
                incarnation,
                exit,
                cause,
                tail,
            } => match cause {
                ExitCause::Injected => {
                    self.struck.entry(*node).or_insert((at, *exit));
                }
                ExitCause::Stopped => {
                    self.stopped_as.entry(*node).or_insert(*exit);
                }
                ExitCause::Unasked => {
                    self.died_again |= self.correct.is_some() && self.struck.contains_key(node);
                    self.unasked
                        .push(((*node, *incarnation), *exit, tail.last().cloned()));
                }
            },
            EventKind::FaultRequested { node: _, signal: _ } => {
                self.requested.get_or_insert(at);
            }
            EventKind::FaultMissed { reason } => {
                self.missed.get_or_insert_with(|| reason.clone());
            }
            EventKind::SurvivorsFound { pids } => self.survivors.extend(pids),
            EventKind::FirstAccept { last_failed_us } => {
                self.accepted.get_or_insert((at, *last_failed_us));
            }
            EventKind::FirstCorrect {
                last_failed_us,
                evidence,
                probes: _,
            } => {
                self.correct.get_or_insert(Correct {
                    at,
                    last_failed: *last_failed_us,
                    evidence: *evidence,
                });
            }
            EventKind::NotRecovered {
                last_failure,
                probes: _,
            } => {
                self.given_up
                    .get_or_insert_with(|| (at, last_failure.clone()));
            }
            EventKind::LoadStopped {
                scheduled,
                sent,
                dropped,
            } => {
                let (scheduled, sent, dropped) = (*scheduled, *sent, *dropped);
                self.stopped.get_or_insert((
                    at,
                    LoadTally {
                        scheduled,
                        sent,
                        dropped,
                    },
                ));
            }
            EventKind::LeftBehind { pids } => self.left_behind.extend(pids),
            EventKind::TrialAborted { reason } => {
                self.aborted.get_or_insert_with(|| reason.clone());
            }
            EventKind::TrialEnded => self.ended = true,
            EventKind::SessionsOpened {
                opened: _,
                failed: _,
            }
            | EventKind::ArmSkipped { .. }
            | EventKind::TrialStarted { .. }
            | EventKind::RunInterrupted
            | EventKind::RunEnded
            | EventKind::RunExtended { .. } => {}
        }
    }

    /// B: the load is measured from here on.
    pub(super) fn baseline(&self) -> Option<Elapsed> {
        self.phases.get(&Phase::Baseline).copied()
    }

    /// When the fault's effect was complete, and the last of the exits that it consists of.
    pub(super) fn injected(&self) -> Option<(Elapsed, Exit)> {
        self.struck.values().copied().max_by_key(|(at, _)| *at)
    }

    /// K: the fault was sent. Never in a control trial.
    pub(super) fn fault(&self) -> Option<Elapsed> {
        let confirmed = self.injected().map(|(at, _)| at);
        self.requested.or(confirmed).filter(|_| !self.control)
    }

    /// T0: the fault's effect was confirmed. Never in a control trial.
    pub(super) fn cut(&self) -> Option<Elapsed> {
        self.injected().map(|(at, _)| at).filter(|_| !self.control)
    }

    /// R: the first correct reply of the new process. Never in a control trial.
    pub(super) fn recovered(&self) -> Option<Elapsed> {
        self.correct
            .map(|correct| correct.at)
            .filter(|_| !self.control)
    }

    /// Where the timeline's windows are aligned: the sending of the fault, or the moment it would have been.
    pub(super) fn origin(&self) -> Option<Elapsed> {
        self.fault()
            .or_else(|| self.phases.get(&Phase::Fault).copied())
            .or_else(|| self.baseline())
    }

    /// Whether the fault took effect on this node.
    pub(super) fn is_struck(&self, node: Node) -> bool {
        self.struck.contains_key(&node)
    }

    /// The node that calls itself so: at its first start, or as the one that was struck and came back.
    pub(super) fn node_called(&self, boot: BootId) -> Option<Node> {
        let mut known = self.boots.iter();
        let first = known.find(|(_, its)| **its == boot).map(|(node, _)| *node);
        first.or_else(|| {
            let back = self.correct?.evidence;
            let mut struck = self.struck.keys();
            let only = struck.next().filter(|_| struck.next().is_none())?;
            (back == Evidence::BootId(boot)).then_some(*only)
        })
    }

    /// Whether the server is all there is.
    pub(super) fn is_alone(&self) -> bool {
        self.nodes.iter().all(|node| *node == Node::default())
    }

    /// A start in a sentence: `the target`, `the restarted replica 2`.
    pub(super) fn name_of(&self, (node, incarnation): Start) -> String {
        let again = if incarnation > Incarnation(0) {
            "restarted "
        } else {
            ""
        };
        match node {
            Node::Replica(_) if self.is_alone() => format!("the {again}target"),
            Node::Replica(number) if again.is_empty() => format!("replica {number}"),
            Node::Replica(number) => format!("the {again}replica {number}"),
            Node::Balancer | Node::Store => format!("the {again}{node}"),
        }
    }

    /// Whether what the client learned from this operation was so before the fault took effect.
    ///
    /// A reply read after T0 may be the old process's: it says so by its boot id, or, from a server
    /// without one, its request left before T0 on a connection that no new process can have answered.
    /// Without a fault everything is before.
    pub(super) fn is_before_cut(&self, operation: &Operation) -> bool {
        let Some(cut) = self.cut() else {
            return true;
        };
        operation.finished <= cut
            || match operation.boot {
                Some(boot) => self
                    .struck
                    .keys()
                    .any(|node| self.boots.get(node) == Some(&boot)),
                None => operation.status.is_some() && was_sent_by(operation, cut),
            }
    }
}

/// Whether the operation's first byte was written by `moment`.
pub(super) fn was_sent_by(operation: &Operation, moment: Elapsed) -> bool {
    operation.sent.is_some_and(|sent| sent <= moment)
}
