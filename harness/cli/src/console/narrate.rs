//! The words for each kind of event. For `--verbose`, a trial event by event: the time, the event and, while the server is
//! down, the time since T0. At any volume, the notes behind a trial's line.

use std::fmt;

use comeback_model::event::{ELSEWHERE, Event, EventKind, Evidence, ExitCause, Mark};
use comeback_model::ids::{FaultId, Node};
use comeback_model::plan::Plan;
use comeback_model::units::{Elapsed, Span};

/// Tells the events of one trial after another.
#[derive(Debug, Default)]
pub(super) struct Narrator {
    /// For each arm, whether there is more than one node, so that they must be named.
    several: Vec<bool>,
    /// Whether there is more than one fault, so that they must be named.
    names_faults: bool,
    /// The kinds from which the faults of each trial are drawn, if they are.
    drawn: Vec<String>,
    /// Whether nodes are named in the present trial.
    names_nodes: bool,
    /// When the trial began.
    begun: Option<Elapsed>,
    /// T0: when the old process was confirmed to be gone.
    confirmed: Option<Elapsed>,
}

/// An event in words.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) what: String,
    /// The time since the trial began.
    since_ms: f64,
}

impl fmt::Display for Told {
    /// A line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:9.1} ms  {}", self.since_ms, self.what)
    }
}

impl Narrator {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            several: plan
                .arms
                .iter()
                .map(|arm| arm.nodes().count() > 1)
                .collect(),
            drawn: match &plan.chaos {
                Some(_) => plan.faults.iter().map(|fault| fault.kind.clone()).collect(),
                None => Vec::new(),
            },
            names_faults: plan.count_of_faults() > 1,
            ..Self::default()
        }
    }

    /// The name of the node as a prefix, if there are several nodes.
    fn of(&self, node: Node) -> String {
        match self.names_nodes {
            true => format!("{node}: "),
            false => String::new(),
        }
    }

    /// A fault in a sentence: the one there is, or by its place in the experiment; one that was drawn by that in its trial.
    fn fault(&self, fault: FaultId) -> String {
        match self.names_faults {
            true => {
                let choices = self.drawn.len().max(1);
                let kind = self.drawn.get(fault.place() % choices);
                match kind {
                    Some(kind) => format!("fault {} ({kind})", fault.place() / choices + 1),
                    None => format!("fault {}", fault.place() + 1),
                }
            }
            false => "the fault".to_owned(),
        }
    }

    /// The words for an event. `None` for events that are printed at any volume.
    pub(super) fn tell(&mut self, event: &Event) -> Option<Told> {
        match &event.kind {
            EventKind::TrialStarted { arm, .. } => {
                let several = self.several.get(arm.0 as usize);
                self.names_nodes = several.copied().unwrap_or(false);
                self.begun = Some(event.at);
                self.confirmed = None;
                return None;
            }
            EventKind::TargetExited {
                cause: ExitCause::Injected(_),
                ..
            } => {
                self.confirmed = Some(event.at);
            }
            _ => {}
        }
        Some(Told {
            what: self.what(event)?,
            since_ms: event.at.ms_after(self.begun.unwrap_or(event.at)),
        })
    }

    fn what(&self, event: &Event) -> Option<String> {
        let what = match &event.kind {
            EventKind::PhaseEntered { phase } => format!("phase {}", phase.name()),
            EventKind::TargetExecuted {
                node,
                incarnation,
                pid,
                ..
            } => {
                let seen = match *pid {
                    ELSEWHERE => "accepts connections".to_owned(),
                    pid => format!("executed as process {pid}"),
                };
                format!(
                    "{}start {} {seen}{}",
                    self.of(*node),
                    incarnation.0,
                    self.after(event.at)
                )
            }
            EventKind::TargetReady { node, boot } => match boot {
                Some(_) => format!("{}ready; it names its start", self.of(*node)),
                None => format!("{}ready; known by its socket", self.of(*node)),
            },
            EventKind::TargetExited {
                node,
                incarnation,
                exit,
                cause,
                ..
            } => {
                let why = match cause {
                    ExitCause::Injected(fault) => format!("by {}", self.fault(*fault)),
                    ExitCause::Stopped => "at the end of the trial".to_owned(),
                    ExitCause::KilledIdle => {
                        "at the end of the cycle, while it was idle".to_owned()
                    }
                    ExitCause::Unexpected => "by itself".to_owned(),
                };
                format!(
                    "{}start {} {exit}, {why}{}",
                    self.of(*node),
                    incarnation.0,
                    self.after(event.at)
                )
            }
            EventKind::SessionsOpened { opened, failed } => {
                format!("{opened} sessions opened, {failed} failed")
            }
            EventKind::FaultAimed {
                fault,
                mark,
                waited_us,
                after_us,
                quiet_us: _,
                met,
            } => {
                let what = match (met, mark) {
                    (Some(met), _) => met.words(*mark, |node| self.of(node)),
                    (None, Some(Mark::Request)) => "a write that was just sent".to_owned(),
                    (None, Some(Mark::Reply)) => "a write that was just acknowledged".to_owned(),
                    (None, None) => "a write, and none came".to_owned(),
                };
                let after = after_us.map_or_else(String::new, |us| format!(", {us} µs after it"));
                format!(
                    "{} waited {waited_us} µs for {what}{after}",
                    self.fault(*fault)
                )
            }
            EventKind::FaultRequested {
                fault: _,
                node,
                begun,
            } => format!("{}{begun}", self.of(*node)),
            EventKind::FaultConfirmed {
                evidence,
                fault: _,
                node,
                took_kill,
                left,
                alive_us: _,
            } => {
                let killed = match took_kill.as_slice() {
                    [] => String::new(),
                    pids => format!(", processes {pids:?} by SIGKILL after the grace period"),
                };
                let left = match left.len() {
                    0 => String::new(),
                    count => format!(", {count} of its processes are still alive"),
                };
                format!(
                    "{}the faulted processes have ended{killed}{left}{}",
                    self.of(*node),
                    shown(evidence)
                )
            }
            EventKind::FaultActed {
                fault,
                node,
                evidence,
                completes: _,
            } => format!(
                "{}{} took effect ({evidence})",
                self.of(*node),
                self.fault(*fault)
            ),
            EventKind::SurroundingApplied {
                fault: _,
                node,
                evidence,
            } => format!("{}a surrounding holds ({evidence})", self.of(*node)),
            EventKind::SurroundingRemoved { fault: _, node } => {
                format!("{}a surrounding held, and is undone", self.of(*node))
            }
            EventKind::FaultEnded { fault } => format!("{} is over", self.fault(*fault)),
            EventKind::TargetPaused {
                fault: _,
                node,
                evidence,
            } => format!(
                "{}all its processes stand still{}",
                self.of(*node),
                shown(evidence)
            ),
            EventKind::TargetResumed { fault: _, node } => {
                format!("{}SIGCONT sent", self.of(*node))
            }
            EventKind::TargetDegraded {
                fault,
                node,
                evidence,
            } => format!(
                "{}{} holds ({evidence})",
                self.of(*node),
                self.fault(*fault)
            ),
            EventKind::TargetRestored {
                fault,
                node,
                evidence,
            } => format!(
                "{}{} held, and is undone ({evidence})",
                self.of(*node),
                self.fault(*fault)
            ),
            EventKind::DrainBegun { fault: _, node } => {
                format!("{}the balancer is told to drain it", self.of(*node))
            }
            EventKind::Drained {
                fault: _,
                node,
                problem,
            } => match problem {
                None => format!("{}drained: no request in flight", self.of(*node)),
                Some(problem) => format!("{}not drained: {problem}", self.of(*node)),
            },
            EventKind::DrainEnded {
                fault: _,
                node,
                problem,
            } => match problem {
                None => format!("{}gets requests again", self.of(*node)),
                Some(problem) => format!("{}may get no requests: {problem}", self.of(*node)),
            },
            EventKind::TargetReturned { node, .. } => {
                format!("{}answers correctly again, itself", self.of(*node))
            }
            EventKind::TargetSeen { node, boot } => {
                format!("{}not faulted, calls itself {boot} now", self.of(*node))
            }
            EventKind::SurvivorsFound { fault: _, pids } => {
                format!("processes {pids:?} outlived the fault")
            }
            EventKind::OldProcessesAlive { node, processes } => {
                let shown = processes.iter().map(|old| {
                    let reach = old.reach.as_deref().unwrap_or("holds no socket");
                    format!("{} ({reach})", old.survivor.pid)
                });
                let shown: Vec<String> = shown.collect();
                format!(
                    "{}old processes are alive at the final look: {}",
                    self.of(*node),
                    shown.join(", ")
                )
            }
            EventKind::OldOwnerSeen { node, problem } => {
                format!("{}at the final look {problem}", self.of(*node))
            }
            EventKind::HealthChanged { node, ready, .. } => {
                let says = if *ready { "ready" } else { "not ready" };
                let after = self.after(event.at);
                format!("{}its health check says {says}{after}", self.of(*node))
            }
            EventKind::HealthWatched { node, polls, .. } => {
                format!("{}its health check was asked {polls} times", self.of(*node))
            }
            EventKind::DiskStalled {
                since_us,
                stalled_us,
            } => format!(
                "this machine's disk kept somebody waiting for {:.1} of the last {:.1} s",
                Span::from_us(*stalled_us).as_secs(),
                event.at.since(*since_us).as_secs()
            ),
            EventKind::CoresShared {
                since_us,
                wanted_us,
                stolen_us,
                waited_us,
            } => {
                let lasted = event.at.since(*since_us);
                let share = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
                let waited = waited_us.map_or_else(String::new, |waited| {
                    let waited = share(waited, lasted.as_us());
                    format!("; some task waited for a core for {waited:.0} % of the time")
                });
                format!(
                    "of what was wanted of this machine's cores {:.0} % were stolen by the machine below it in the last {:.1} s{waited}",
                    share(*stolen_us, *wanted_us),
                    lasted.as_secs()
                )
            }
            EventKind::FirstAccept { .. } => {
                format!("first connection accepted{}", self.after(event.at))
            }
            EventKind::ProbeLimited { node, problem } => format!(
                "{}only the login of a session can be asked for after the fault: {problem}",
                self.of(*node)
            ),
            EventKind::AnonymousKnown { node } => format!(
                "{}a check without a login is answered like one within a session",
                self.of(*node)
            ),
            EventKind::FirstCorrect {
                evidence, probes, ..
            } => {
                let by = match evidence {
                    Evidence::BootId(_) => "its boot id".to_owned(),
                    Evidence::SocketOwner(pid) => format!("process {pid}, owner of the socket"),
                    Evidence::AfterEnd => "the seen end of the old one".to_owned(),
                };
                format!(
                    "first correct reply of the new process, known by {by}, probe {probes}{}",
                    self.after(event.at)
                )
            }
            EventKind::LoadStopped {
                scheduled,
                sent,
                dropped,
            } => format!(
                "load over: {scheduled} operations scheduled, {sent} sent, {dropped} dropped"
            ),
            EventKind::RepliesDoubted { doubts } => {
                let kinds = [
                    ("empty pages, and hardly any was before", &doubts.pages),
                    ("names that were shown to two users", &doubts.names),
                ];
                let told = kinds.into_iter().filter(|(_, found)| !found.is_empty());
                let told: Vec<String> = told
                    .map(|(what, found)| format!("{what}: {}", found.join(", ")))
                    .collect();
                format!("in doubt: {}", told.join("; "))
            }
            EventKind::SessionsLooked {
                whole,
                lacking,
                unknown,
            } => format!(
                "final look: {whole} sessions are whole, {lacking} lack something, of {unknown} nothing was learned"
            ),
            EventKind::SessionsResumed {
                after_kill,
                whole,
                refused,
                older,
                anothers,
                odd,
                unknown,
            } => format!(
                "looked again after the idle server {} and started: {whole} sessions are whole, {refused} unknown, {older} older, {anothers} another user's, {odd} show something else, of {unknown} nothing was learned",
                match after_kill {
                    true => "was killed",
                    false => "was stopped",
                }
            ),
            EventKind::ArmSkipped { .. }
            | EventKind::TrialStarted { .. }
            | EventKind::TargetStartFailed { .. }
            | EventKind::FaultMissed { .. }
            | EventKind::NotRecovered { .. }
            | EventKind::LeftBehind { .. }
            | EventKind::TrialAborted { .. }
            | EventKind::TrialEnded
            | EventKind::RunInterrupted
            | EventKind::RunGivenUp { .. }
            | EventKind::RunEnded
            | EventKind::RunExtended { .. } => return None,
        };
        Some(what)
    }

    /// How long after T0, if it is past.
    fn after(&self, at: Elapsed) -> String {
        match self.confirmed {
            Some(confirmed) if at > confirmed => {
                format!(", {:.1} ms after the exit", at.ms_after(confirmed))
            }
            Some(_) | None => String::new(),
        }
    }
}

/// What proves it. Journals of before version 6 hold nothing of that.
fn shown(evidence: &str) -> String {
    match evidence {
        "" => String::new(),
        evidence => format!(" ({evidence})"),
    }
}

/// What is noted behind the line of a trial in which it happened.
pub(super) fn note(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::TrialAborted { reason } | EventKind::FaultMissed { reason, .. } => {
            reason.clone()
        }
        EventKind::TargetStartFailed { problem, .. } => problem.clone(),
        EventKind::Drained {
            fault: _,
            node,
            problem: Some(problem),
        } => format!("{node} was not drained: {problem}"),
        EventKind::NotRecovered { last_failure, .. } => format!("never came back: {last_failure}"),
        EventKind::LeftBehind { pids } => {
            format!("left {} processes behind; they were ended", pids.len())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use comeback_model::event::{Exit, Phase};
    use comeback_model::ids::{ArmId, Incarnation, TrialId};

    fn told(events: Vec<(u64, EventKind)>) -> Vec<String> {
        let mut narrator = Narrator::default();
        events
            .into_iter()
            .filter_map(|(us, kind)| {
                let told = narrator.tell(&Event {
                    at: Elapsed::from_us(us),
                    trial: Some(TrialId(0)),
                    kind,
                });
                told.map(|told| told.to_string())
            })
            .collect()
    }

    #[test]
    fn times_count_from_the_trials_start_and_after_the_fault_from_its_effect() {
        let started = || EventKind::TrialStarted {
            arm: ArmId(0),
            control: false,
        };
        let executed = |number| EventKind::TargetExecuted {
            node: Node::default(),
            incarnation: Incarnation(number),
            pid: 77,
            requested_us: Elapsed::from_us(0),
            launched_us: None,
        };
        let lines = told(vec![
            (500, started()),
            (1_500, executed(0)),
            (
                21_500,
                EventKind::TargetExited {
                    node: Node::default(),
                    incarnation: Incarnation(0),
                    exit: Exit::Signal(9),
                    cause: ExitCause::Injected(FaultId::FIRST),
                    tail: Vec::new(),
                },
            ),
            (23_500, executed(1)),
            (30_000, EventKind::TrialEnded),
            (40_000, started()),
            (
                41_000,
                EventKind::PhaseEntered {
                    phase: Phase::Start,
                },
            ),
            (42_000, executed(0)),
        ]);
        assert_eq!(
            lines,
            [
                "        1.0 ms  start 0 executed as process 77",
                "       21.0 ms  start 0 was ended by signal 9 (SIGKILL), by the fault",
                "       23.0 ms  start 1 executed as process 77, 2.0 ms after the exit",
                "        1.0 ms  phase start",
                "        2.0 ms  start 0 executed as process 77",
            ]
        );
    }
}
