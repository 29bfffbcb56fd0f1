//! The events, taken up one by one.

use std::collections::{BTreeMap, BTreeSet};

use comeback_model::event::{
    Doubts, Event, EventKind, Exit, ExitCause, Mark, OldProcess, Phase, Survivor,
};
use comeback_model::ids::{ArmId, BootId, FaultId, Incarnation, Node, TrialId};
use comeback_model::journal::Header;
use comeback_model::said;
use comeback_model::schedule::{PlannedTrial, Schedule};
use comeback_model::units::{Elapsed, Span};

use super::{Cores, Correct, Drained, Ended, FaultFacts, Health, Restart, RunFacts, Start};
use crate::measure::{Extension, LoadTally, SessionCounts};

/// The events that tell how a trial went on and ended. Each event of a trial is in one of these groups; the function that
/// learns of a group handles each of its events by name, so that a new one is not forgotten.
macro_rules! of_the_course {
    () => {
        EventKind::PhaseEntered { .. }
            | EventKind::LoadStopped { .. }
            | EventKind::SessionsLooked { .. }
            | EventKind::RepliesDoubted { .. }
            | EventKind::SessionsResumed { .. }
            | EventKind::SessionsOpened { .. }
            | EventKind::DiskStalled { .. }
            | EventKind::CoresShared { .. }
            | EventKind::TrialAborted { .. }
            | EventKind::TrialEnded
    };
}

/// The events that tell of processes.
macro_rules! of_processes {
    () => {
        EventKind::TargetReady { .. }
            | EventKind::TargetExecuted { .. }
            | EventKind::TargetStartFailed { .. }
            | EventKind::TargetExited { .. }
            | EventKind::TargetSeen { .. }
            | EventKind::SurvivorsFound { .. }
            | EventKind::OldProcessesAlive { .. }
            | EventKind::OldOwnerSeen { .. }
            | EventKind::LeftBehind { .. }
    };
}

/// The events that tell what became of the fault.
macro_rules! of_the_fault {
    () => {
        EventKind::FaultAimed { .. }
            | EventKind::FaultRequested { .. }
            | EventKind::FaultConfirmed { .. }
            | EventKind::FaultActed { .. }
            | EventKind::FaultEnded { .. }
            | EventKind::SurroundingApplied { .. }
            | EventKind::SurroundingRemoved { .. }
            | EventKind::TargetPaused { .. }
            | EventKind::TargetResumed { .. }
            | EventKind::TargetDegraded { .. }
            | EventKind::TargetRestored { .. }
            | EventKind::DrainBegun { .. }
            | EventKind::Drained { .. }
            | EventKind::DrainEnded { .. }
            | EventKind::FaultMissed { .. }
    };
}

/// The events that tell what the probe and the health check met.
macro_rules! of_the_recovery {
    () => {
        EventKind::ProbeLimited { .. }
            | EventKind::AnonymousKnown { .. }
            | EventKind::TargetReturned { .. }
            | EventKind::HealthChanged { .. }
            | EventKind::HealthWatched { .. }
            | EventKind::FirstAccept { .. }
            | EventKind::FirstCorrect { .. }
            | EventKind::NotRecovered { .. }
    };
}

/// The events that tell of the run, or begin a trial.
macro_rules! of_the_run {
    () => {
        EventKind::ArmSkipped { .. }
            | EventKind::RunInterrupted
            | EventKind::RunGivenUp { .. }
            | EventKind::RunEnded
            | EventKind::RunExtended { .. }
            | EventKind::TrialStarted { .. }
    };
}

/// What the events say of a trial.
#[derive(Debug, Default)]
pub(in crate::measure) struct Facts {
    pub(in crate::measure) id: TrialId,
    pub(in crate::measure) arm: ArmId,
    pub(in crate::measure) control: bool,
    /// Its arm's server was started again in some trial of the run.
    pub(in crate::measure) is_started_again: bool,
    /// When each phase was entered.
    pub(in crate::measure) phases: BTreeMap<Phase, Elapsed>,
    /// The faults that events name.
    pub(super) faults: BTreeMap<FaultId, FaultFacts>,
    /// The faults that were drawn for it, where some were.
    pub(in crate::measure) drawn: Vec<FaultId>,
    /// The surroundings that events name.
    pub(super) surroundings: BTreeMap<FaultId, FaultFacts>,
    /// The nodes that were started.
    pub(super) nodes: BTreeSet<Node>,
    /// What each node called itself before the fault, where it said so.
    pub(in crate::measure) boots: BTreeMap<Node, BootId>,
    /// Processes of what was faulted that lived on when the fault had taken effect.
    pub(in crate::measure) left: Vec<Survivor>,
    /// What each node that was not faulted called itself after everything.
    pub(in crate::measure) seen: BTreeMap<Node, BootId>,
    /// Why the probe asks for a login alone.
    pub(in crate::measure) probe_limit: Option<String>,
    /// A check is answered as within a known session though its sender never logged in.
    pub(in crate::measure) anonymous_known: bool,
    /// Why the recovery is known by a boot id alone.
    pub(in crate::measure) unowned: Option<String>,
    /// Processes of earlier starts that were alive at the final look.
    pub(in crate::measure) old_processes: Vec<OldProcess>,
    /// Who held a restarted node's listening socket at the final look, where that was no new process.
    pub(in crate::measure) old_owner: Option<String>,
    /// Processes of the old server that outlived the fault.
    pub(in crate::measure) survivors: Vec<i32>,
    /// Every restart, in order.
    pub(super) restarts: Vec<(Node, Restart)>,
    /// What the health check of each node said, where it was asked.
    pub(in crate::measure) health: BTreeMap<Node, Health>,
    /// Stretches in which somebody on the machine mostly waited for its disk, and for how long of each.
    pub(super) disk_stalls: Vec<(Elapsed, Elapsed, Span)>,
    /// Replies that only what came before the fault calls wrong.
    pub(in crate::measure) doubts: Doubts,
    /// How the machine's cores were shared while the load ran, where that is known.
    pub(in crate::measure) cores: Option<Cores>,
    /// The load ended.
    pub(in crate::measure) stopped: Option<(Elapsed, LoadTally)>,
    /// Processes that outlived the trial.
    pub(in crate::measure) left_behind: Vec<i32>,
    /// A start that failed: which, why, and what its output says of that.
    pub(in crate::measure) start_failed: Option<(Start, String, Option<String>)>,
    /// It failed since a process that is older than the run had taken the port.
    pub(in crate::measure) port_taken: bool,
    /// How each node ended when it was asked to, after the load.
    pub(in crate::measure) stopped_as: BTreeMap<Node, Exit>,
    /// It ended with a kill of the idle server, as a cycle of a storm may.
    pub(super) killed_idle: bool,
    /// The trial before did, and this one goes on with its data.
    pub(super) after_idle_kill: bool,
    /// What the users found who went on with their sessions of the trial before.
    pub(super) resumed: Option<SessionCounts>,
    /// Ends nobody asked for.
    pub(in crate::measure) unexpected: Vec<Ended>,
    /// When nodes went down, and by which fault: each end of one that was not a stop of ours, and each pause.
    pub(in crate::measure) downs: Vec<(Node, Elapsed, Option<FaultId>)>,
    /// Why it ended early.
    pub(in crate::measure) aborted: Option<String>,
    /// It came to its end.
    pub(in crate::measure) ended: bool,
    /// When it began.
    pub(in crate::measure) begun: Option<Elapsed>,
    /// When it ended.
    pub(in crate::measure) over: Option<Elapsed>,
}

/// Gathers what the events say, one by one.
#[derive(Debug, Default)]
pub(in crate::measure) struct Gatherer {
    run: RunFacts,
    /// Where each trial is among those of the run.
    places: BTreeMap<TrialId, usize>,
}

impl Gatherer {
    /// What all of them say of a run with this plan and schedule.
    pub(in crate::measure) fn finish(mut self, header: &Header) -> RunFacts {
        let plan = &header.plan;
        let schedule = self.run.as_run(&header.schedule);
        let all = schedule.all().filter(|_| plan.chaos.is_some());
        let drawn: BTreeMap<TrialId, &PlannedTrial> =
            all.map(|planned| (planned.id, planned)).collect();
        let first_surrounding = FaultId(plan.count_of_faults() as u32);
        for trial in &mut self.run.trials {
            trial.set_surroundings_apart(first_surrounding);
            let faults = drawn.get(&trial.id).map(|planned| planned.faults.iter());
            let faults = faults.into_iter().flatten();
            trial.drawn = faults.map(|planned| planned.fault).collect();
        }
        let again = self
            .run
            .trials
            .iter()
            .filter(|trial| !trial.restarts.is_empty());
        let again: BTreeSet<ArmId> = again.map(|trial| trial.arm).collect();
        for trial in &mut self.run.trials {
            trial.is_started_again = again.contains(&trial.arm);
        }
        self.run
    }

    /// Takes up the next event.
    pub(in crate::measure) fn note(&mut self, event: &Event) {
        let run = &mut self.run;
        match &event.kind {
            EventKind::ArmSkipped { arm, reason } => {
                run.skipped.entry(*arm).or_insert_with(|| reason.clone());
            }
            EventKind::RunInterrupted => run.interrupted = true,
            EventKind::RunGivenUp { arm } => {
                run.given_up.get_or_insert(*arm);
            }
            EventKind::RunEnded => run.ended = true,
            EventKind::RunExtended {
                trials,
                replaces,
                same_faults,
                reasons,
            } => {
                run.ended = false;
                let places = replaces.iter().zip(trials);
                let replaced = places.map(|(void, by)| (*void, *by, *same_faults));
                run.replaced.extend(replaced);
                run.extensions.push(Extension {
                    trials: trials.len() as u32,
                    replaces: replaces.iter().map(|trial| trial.0).collect(),
                    reasons: reasons.clone(),
                });
            }
            EventKind::TrialStarted { arm, control } => {
                let Some(id) = event.trial else {
                    run.note_stray(None);
                    return;
                };
                self.places.entry(id).or_insert_with(|| {
                    let after_idle_kill = run.trials.last().is_some_and(|last| last.killed_idle);
                    run.trials.push(Facts {
                        id,
                        arm: *arm,
                        control: *control,
                        begun: Some(event.at),
                        after_idle_kill,
                        ..Facts::default()
                    });
                    run.trials.len() - 1
                });
            }
            of_the_course!() | of_processes!() | of_the_fault!() | of_the_recovery!() => {
                let place = event.trial.and_then(|id| self.places.get(&id));
                match place.and_then(|place| run.trials.get_mut(*place)) {
                    Some(trial) => trial.learn(event.at, &event.kind),
                    None => run.note_stray(event.trial),
                }
            }
        }
    }
}

impl RunFacts {
    /// The schedule with the spare trials as they were run, each in the place of a void one.
    pub(in crate::measure) fn as_run(&self, schedule: &Schedule) -> Schedule {
        let mut schedule = schedule.clone();
        for (void, by, same_faults) in &self.replaced {
            schedule.replace(*void, *by, *same_faults);
        }
        schedule
    }

    fn note_stray(&mut self, trial: Option<TrialId>) {
        self.stray.get_or_insert_with(|| match trial {
            Some(TrialId(trial)) => format!("an event of trial {trial}, which never started"),
            None => "an event of no trial, though it is about one".to_owned(),
        });
    }
}

impl Facts {
    /// What an event of the trial tells.
    fn learn(&mut self, at: Elapsed, kind: &EventKind) {
        self.learn_of_the_course(at, kind);
        self.learn_of_processes(at, kind);
        self.learn_of_the_fault(at, kind);
        self.learn_of_the_recovery(at, kind);
    }

    /// How the trial went on, and ended.
    fn learn_of_the_course(&mut self, at: Elapsed, kind: &EventKind) {
        match kind {
            EventKind::PhaseEntered { phase } => {
                self.phases.entry(*phase).or_insert(at);
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
            EventKind::TrialAborted { reason } => {
                self.aborted.get_or_insert_with(|| reason.clone());
            }
            EventKind::DiskStalled {
                since_us,
                stalled_us,
            } => {
                let stalled = Span::from_us(*stalled_us);
                self.disk_stalls.push((*since_us, at, stalled));
            }
            EventKind::CoresShared {
                since_us,
                wanted_us,
                stolen_us,
                waited_us,
            } => {
                let of = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
                let lasted = at.since(*since_us).as_us();
                self.cores = Some(Cores {
                    stolen: of(*stolen_us, *wanted_us),
                    stolen_for: Span::from_us(*stolen_us),
                    waited: waited_us.map(|waited| of(waited, lasted)),
                });
            }
            EventKind::TrialEnded => {
                self.ended = true;
                self.over.get_or_insert(at);
            }
            EventKind::SessionsLooked { .. } => {}
            EventKind::RepliesDoubted { doubts } => self.doubts = doubts.clone(),
            EventKind::SessionsResumed {
                after_kill: _,
                whole,
                refused,
                older,
                anothers,
                odd,
                unknown,
            } => {
                let counts = [*whole, *refused, *older, *anothers, *odd, *unknown].map(u64::from);
                let [survived, rejected, reset, wrong_identity, odd, unknown] = counts;
                self.resumed.get_or_insert(SessionCounts {
                    acknowledged: counts.iter().sum(),
                    survived,
                    lost: rejected,
                    rejected,
                    reset,
                    wrong_identity,
                    undecided: odd + unknown,
                    ..SessionCounts::default()
                });
            }
            EventKind::SessionsOpened { .. } => {}
            of_processes!() | of_the_fault!() | of_the_recovery!() | of_the_run!() => {}
        }
    }

    /// What was seen of processes.
    fn learn_of_processes(&mut self, at: Elapsed, kind: &EventKind) {
        match kind {
            EventKind::TargetReady {
                node,
                boot: Some(boot),
            } => {
                self.boots.entry(*node).or_insert(*boot);
            }
            EventKind::TargetReady { boot: None, .. } => {}
            EventKind::TargetExecuted {
                node,
                incarnation,
                pid: _,
                requested_us,
                launched_us,
            } => {
                self.nodes.insert(*node);
                if *incarnation > Incarnation(0) {
                    let restart = Restart {
                        requested: *requested_us,
                        launched: *launched_us,
                        executed: at,
                    };
                    self.restarts.push((*node, restart));
                }
            }
            EventKind::TargetStartFailed {
                node,
                incarnation,
                problem,
                tail,
                port_taken_by,
            } => {
                let start = (*node, *incarnation);
                let failed = (start, problem.clone(), said::quote(tail));
                self.port_taken |= self.start_failed.is_none() && port_taken_by.is_some();
                self.start_failed.get_or_insert(failed);
            }
            EventKind::TargetExited {
                node,
                incarnation,
                exit,
                cause,
                tail,
            } => match cause {
                ExitCause::Injected(fault) => {
                    // A fault may end a node several times: its effect is complete with the last.
                    let own = self.fault_mut(*fault);
                    own.faulted.insert(*node, (at, Some(*exit)));
                    self.downs.push((*node, at, Some(*fault)));
                }
                ExitCause::Stopped => {
                    self.stopped_as.entry(*node).or_insert(*exit);
                }
                ExitCause::KilledIdle => self.killed_idle = true,
                ExitCause::Unexpected => {
                    self.downs.push((*node, at, None));
                    self.unexpected.push(Ended {
                        at,
                        start: (*node, *incarnation),
                        exit: *exit,
                        said: said::quote(tail),
                    });
                }
            },
            EventKind::TargetSeen { node, boot } => {
                self.seen.entry(*node).or_insert(*boot);
            }
            EventKind::SurvivorsFound { fault: _, pids } => self.survivors.extend(pids),
            EventKind::OldProcessesAlive { node: _, processes } => {
                self.old_processes.extend(processes.iter().cloned());
            }
            EventKind::OldOwnerSeen { node: _, problem } => {
                self.old_owner.get_or_insert_with(|| problem.clone());
            }
            EventKind::LeftBehind { pids } => self.left_behind.extend(pids),
            of_the_course!() | of_the_fault!() | of_the_recovery!() | of_the_run!() => {}
        }
    }

    /// What became of the fault.
    fn learn_of_the_fault(&mut self, at: Elapsed, kind: &EventKind) {
        match kind {
            EventKind::FaultAimed {
                fault,
                mark: Some(Mark::Reply),
                after_us,
                quiet_us,
                waited_us: _,
                met: _,
            } => {
                let quiet = quiet_us.map(Span::from_us);
                let aimed = after_us.map(|after| (Span::from_us(after), quiet));
                let own = &mut self.fault_mut(*fault).aimed;
                *own = own.or(aimed);
            }
            // It waited for no acknowledgement.
            EventKind::FaultAimed { .. } => {}
            EventKind::FaultRequested {
                fault,
                node,
                begun: _,
            }
            | EventKind::DrainBegun { fault, node } => {
                let own = self.fault_mut(*fault);
                own.requests.entry(*node).or_insert(at);
                own.signalled |= matches!(kind, EventKind::FaultRequested { .. });
            }
            EventKind::FaultConfirmed {
                evidence: _,
                fault,
                node,
                took_kill,
                left,
                alive_us,
            } => {
                let own = self.fault_mut(*fault);
                own.alive = own.alive.max(*alive_us);
                if let Some((ended, _)) = own.faulted.get_mut(node) {
                    *ended = at.max(*ended);
                }
                if !took_kill.is_empty() {
                    own.took_kill.insert(*node, took_kill.clone());
                }
                self.left.extend(left.iter().cloned());
            }
            EventKind::TargetPaused {
                evidence: _,
                fault,
                node,
            } => {
                let own = self.fault_mut(*fault);
                own.faulted.entry(*node).or_insert((at, None));
                self.downs.push((*node, at, Some(*fault)));
            }
            EventKind::TargetResumed { fault, node: _ } => {
                self.fault_mut(*fault).resumed.get_or_insert(at);
            }
            // It is not down.
            EventKind::TargetDegraded { fault, node, .. } => {
                let own = self.fault_mut(*fault);
                own.degrades = true;
                own.faulted.entry(*node).or_insert((at, None));
            }
            EventKind::TargetRestored { fault, node, .. } => {
                let own = self.fault_mut(*fault);
                own.faulted.insert(*node, (at, None));
                own.restored.insert(*node);
                own.resumed = own.resumed.max(Some(at));
            }
            EventKind::Drained {
                fault,
                node,
                problem,
            }
            | EventKind::DrainEnded {
                fault,
                node,
                problem,
            } => {
                self.fault_mut(*fault).drains.push(Drained {
                    node: *node,
                    is_end: matches!(kind, EventKind::DrainEnded { .. }),
                    problem: problem.clone(),
                });
            }
            EventKind::FaultMissed { fault, reason } => {
                let own = self.fault_mut(*fault);
                own.missed.get_or_insert_with(|| reason.clone());
            }
            EventKind::FaultActed {
                fault,
                node,
                evidence: _,
                completes: true,
            } => {
                if let Some((ended, _)) = self.fault_mut(*fault).faulted.get_mut(node) {
                    *ended = at.max(*ended);
                }
            }
            // What it had for an effect shows in what the service does.
            EventKind::FaultActed { .. } => {}
            EventKind::FaultEnded { fault } | EventKind::SurroundingRemoved { fault, node: _ } => {
                let own = self.fault_mut(*fault);
                own.ended.get_or_insert(at);
                // It is over for those that have ended meanwhile, too.
                if own.degrades {
                    for (node, (over, _)) in &mut own.faulted {
                        if !own.restored.contains(node) {
                            *over = at;
                        }
                    }
                }
            }
            EventKind::SurroundingApplied {
                fault,
                node,
                evidence: _,
            } => {
                self.fault_mut(*fault).applied.insert(*node, at);
            }
            of_the_course!() | of_processes!() | of_the_recovery!() | of_the_run!() => {}
        }
    }

    /// What the probe and the health check met.
    fn learn_of_the_recovery(&mut self, at: Elapsed, kind: &EventKind) {
        match kind {
            EventKind::ProbeLimited { node: _, problem } => {
                self.probe_limit.get_or_insert_with(|| problem.clone());
            }
            EventKind::AnonymousKnown { node: _ } => self.anonymous_known = true,
            EventKind::TargetReturned {
                fault,
                node,
                last_failed_us,
                evidence,
                unowned,
            } => {
                self.note_unowned(unowned.as_deref());
                let own = self.fault_mut(*fault);
                own.returned.entry(*node).or_insert(Correct {
                    at,
                    last_failed: *last_failed_us,
                    evidence: *evidence,
                });
            }
            EventKind::HealthChanged {
                node,
                ready,
                last_us,
            } => {
                let health = self.health.entry(*node).or_default();
                health.changes.push((at, *ready, *last_us));
            }
            EventKind::HealthWatched {
                node,
                polls: _,
                interval_us: _,
                last_us,
            } => {
                self.health.entry(*node).or_default().last = *last_us;
            }
            EventKind::FirstAccept {
                fault,
                last_failed_us,
            } => {
                let own = self.fault_mut(*fault);
                own.accepted.get_or_insert((at, *last_failed_us));
            }
            EventKind::FirstCorrect {
                fault,
                last_failed_us,
                evidence,
                unowned,
                probes: _,
            } => {
                self.note_unowned(unowned.as_deref());
                let own = self.fault_mut(*fault);
                own.correct.get_or_insert(Correct {
                    at,
                    last_failed: *last_failed_us,
                    evidence: *evidence,
                });
            }
            EventKind::NotRecovered {
                fault,
                last_failure,
                probes: _,
            } => {
                let own = self.fault_mut(*fault);
                own.given_up
                    .get_or_insert_with(|| (at, last_failure.clone()));
            }
            of_the_course!() | of_processes!() | of_the_fault!() | of_the_run!() => {}
        }
    }

    fn fault_mut(&mut self, fault: FaultId) -> &mut FaultFacts {
        self.faults.entry(fault).or_default()
    }

    fn note_unowned(&mut self, why: Option<&str>) {
        if self.unowned.is_none() {
            self.unowned = why.map(str::to_owned);
        }
    }
}
