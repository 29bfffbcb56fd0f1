//! The processes of a trial: what the replicas share, the replicas, what stands in front of them and in front of that. Started in
//! that order and stopped in the other. The trial's loop owns them.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use comeback_model::event::{EventKind, ExitCause, Survivor};
use comeback_model::ids::{FaultId, Incarnation, Node};
use comeback_model::plan::{Listener, Readiness, Signal};
use comeback_model::units::Span;
use tokio::sync::oneshot;

use super::EngineError;
use super::attribution::owner_of;
use super::context::{Early, StartFailed, Trial, aborted};
use super::readiness::{NotReady, Ready};
use super::seams::{End, Process, Processes, Seams};
use super::words::{called, start_failed};
use crate::load::probe::Owner;
use crate::supervise::process::Launch;
use comeback_faults::{Act, Answer, Ended, FaultError};

/// A node under way.
#[derive(Debug)]
pub(super) struct Running<P> {
    pub(super) process: P,
    /// Its earlier starts of which something lives on: dropping one would kill that.
    former: Vec<P>,
    /// The fault's effect on it.
    pub(super) hold: Hold,
    /// What faults did to it, and may undo.
    pub(super) acts: Vec<(FaultId, Box<dyn Act>)>,
    /// Who waits for an end.
    waiting: Vec<(Ended, Answer<()>)>,
}

/// What a fault does to a node just now. A node is in the hands of one fault at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// No fault: only an unexpected exit is possible.
    Free,
    /// A signal of this fault is ready to be sent: it must not be reaped.
    Armed(FaultId),
    /// It was sent the signal of this fault, and ends by it.
    Signalled(FaultId),
    /// This fault has stopped it where it is, or has it go on under worse conditions; it ends that, too.
    Held(FaultId),
}

impl Hold {
    /// The fault that the node is in the hands of.
    pub(super) const fn by(self) -> Option<FaultId> {
        match self {
            Self::Free => None,
            Self::Armed(fault) | Self::Signalled(fault) | Self::Held(fault) => Some(fault),
        }
    }
}

/// The running processes, in the order they were started.
#[derive(Debug)]
pub(super) struct Nodes<P>(Vec<Running<P>>);

impl<P> Default for Nodes<P> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<P: Process> Nodes<P> {
    pub(super) fn push(&mut self, running: Running<P>) {
        self.0.push(running);
    }

    pub(super) fn get_mut(&mut self, node: Node) -> Option<&mut Running<P>> {
        let mut nodes = self.0.iter_mut();
        nodes.find(|running| running.process.node() == node)
    }

    /// Those of them, in the order they were started.
    pub(super) fn select_mut(&mut self, wanted: &[Node]) -> impl Iterator<Item = &mut Running<P>> {
        let nodes = self.0.iter_mut();
        nodes.filter(move |running| wanted.contains(&running.process.node()))
    }

    /// Whether all of them run.
    pub(super) fn are_running(&self) -> bool {
        self.0.iter().all(|running| running.process.is_running())
    }

    /// Whether an end was seen that is not told yet.
    pub(super) fn have_untold_end(&self) -> bool {
        let is_armed = |running: &Running<P>| matches!(running.hold, Hold::Armed(_));
        let mut free = self.0.iter().filter(|running| !is_armed(running));
        free.any(|running| running.process.has_untold_end())
    }

    pub(super) fn at_mut(&mut self, place: usize) -> &mut Running<P> {
        &mut self.0[place]
    }

    /// The last started first.
    pub(super) fn in_stopping_order(&mut self) -> impl Iterator<Item = &mut Running<P>> {
        self.0.iter_mut().rev()
    }

    /// The next end to be seen, and whose by its place. Pending for good when none is left.
    pub(super) async fn next_end(&mut self) -> (usize, io::Result<End>) {
        type Ending<'a> = Pin<Box<dyn Future<Output = (usize, io::Result<End>)> + 'a>>;
        let mut ends: Vec<Ending<'_>> = Vec::with_capacity(self.0.len());
        for (place, running) in self.0.iter_mut().enumerate() {
            let process = &mut running.process;
            let has_end = process.is_running() || process.is_awaited() || process.has_others();
            if has_end && !matches!(running.hold, Hold::Armed(_)) {
                ends.push(Box::pin(async move { (place, process.next_end().await) }));
            }
        }
        poll_fn(|context| {
            for end in &mut ends {
                if let Poll::Ready(ended) = end.as_mut().poll(context) {
                    return Poll::Ready(ended);
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl<P: Process> Running<P> {
    /// The first start of a node, in the hands of no fault.
    pub(super) const fn new(process: P) -> Self {
        Self {
            process,
            former: Vec::new(),
            hold: Hold::Free,
            acts: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Takes a further start in place of the last. What that left is left alone until the trial's end.
    pub(super) fn replace(&mut self, next: P) {
        let last = std::mem::replace(&mut self.process, next);
        self.hold = Hold::Free;
        self.acts.clear();
        if !last.is_running() && !last.is_cleared() {
            self.former.push(last);
        }
    }

    /// Whether a fault may begin with it: it runs, and no other fault has it in its hands.
    pub(super) fn check_free_for(&self, fault: FaultId) -> Result<(), FaultError> {
        let node = self.process.node();
        match self.hold.by() {
            Some(other) if other != fault => Err(FaultError::Missed(format!(
                "{} was still under fault {}",
                called(node),
                other.0 + 1
            ))),
            _ if !self.process.is_running() => Err(FaultError::Missed(format!(
                "{} had ended before the fault",
                called(node)
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// By whom its end was wanted.
    pub(super) const fn cause(&self) -> ExitCause {
        match self.hold {
            Hold::Free | Hold::Held(_) => ExitCause::Unexpected,
            Hold::Armed(fault) | Hold::Signalled(fault) => ExitCause::Injected(fault),
        }
    }

    /// Answers when that has ended.
    pub(super) fn answer_when_ended(&mut self, of: Ended, answer: Answer<()>) {
        self.waiting.push((of, answer));
        self.answer_waiting();
    }

    /// Answers those that wait for an end which has come.
    pub(super) fn answer_waiting(&mut self) {
        for (of, answer) in std::mem::take(&mut self.waiting) {
            let has_ended = match of {
                Ended::Leader => !self.process.is_running(),
                Ended::All => !self.process.is_running() && !self.process.has_others(),
            };
            match has_ended {
                true => reply(answer, Ok(())),
                false => self.waiting.push((of, answer)),
            }
        }
    }
}

/// The caller may have given up.
pub(super) fn reply<T>(
    answer: oneshot::Sender<Result<T, FaultError>>,
    result: Result<T, FaultError>,
) {
    drop(answer.send(result));
}

/// Starts an incarnation and records it; says what to record when that fails.
pub(super) fn launch<S: Processes>(
    trial: &Trial<'_, S>,
    node: Node,
    incarnation: Incarnation,
) -> Result<S::Process, EventKind> {
    let slot = trial.placement.slot(node);
    slot.start.set(incarnation.0);
    let started = trial.seams.start(Launch {
        target: trial.target_now(node),
        port: slot.endpoint.port,
        data: &slot.data,
        node,
        addresses: trial.placement.addresses(),
        trial: trial.planned.id,
        incarnation,
        tag: &trial.site.tag,
        log: trial.log_of(node, incarnation),
        clock: trial.site.clock,
        listener: slot.listener.as_ref(),
    });
    match started {
        Ok(process) => {
            if !process.is_awaited() {
                record_executed(trial, &process);
            }
            Ok(process)
        }
        Err(error) => Err(start_failed(node, incarnation, &error)),
    }
}

/// Records that the program of a start was executed.
pub(super) fn record_executed<S>(trial: &Trial<'_, S>, process: &impl Process) {
    let kind = EventKind::TargetExecuted {
        node: process.node(),
        incarnation: process.incarnation(),
        pid: process.pid(),
        requested_us: process.requested(),
        launched_us: process.launched(),
    };
    trial.record_at(process.executed(), kind);
}

/// Waits so long for a node to be up for the first time, and looks who answers there.
pub(super) async fn await_first_start<S: Seams>(
    trial: &Trial<'_, S>,
    process: &mut S::Process,
    within: Span,
) -> Result<(), Early> {
    let (node, incarnation) = (process.node(), process.incarnation());
    let target = trial.arm.target_of(node);
    let endpoint = trial.placement.endpoint(node);
    let boot_header = target.boot_header.as_deref();
    let readiness = Readiness {
        within,
        ..target.ready.clone()
    };
    let was_awaited = process.is_awaited();
    let ready = trial
        .seams
        .wait_until_ready(process, &readiness, endpoint, boot_header);
    let ready = ready.await;
    let Ready { at, boot } = ready.map_err(|error| not_ready(trial, process, &error))?;
    if was_awaited {
        record_executed(trial, process);
    }
    if boot.is_none() {
        if let Some(other) = taken_by_another(trial, node) {
            return Err(answered_by_another(node, incarnation, other));
        }
        check_attribution(trial, node)?;
    }
    trial.record_at(at, EventKind::TargetReady { node, boot });
    if let Some(boot) = boot {
        trial.note_boot(node, boot);
    }
    Ok(())
}

fn not_ready<S: Processes>(
    trial: &Trial<'_, S>,
    process: &S::Process,
    not_ready: &NotReady,
) -> Early {
    let node = process.node();
    let port_taken_by = taken_by_another(trial, node);
    trial.progress.borrow_mut().start_failed = match not_ready {
        NotReady::Exited { .. } if port_taken_by.is_none() => Some(StartFailed::Ended),
        NotReady::TooLate { .. } if port_taken_by.is_none() => Some(StartFailed::TooLate),
        NotReady::Exited { .. }
        | NotReady::TooLate { .. }
        | NotReady::Another(_)
        | NotReady::Failed(_) => None,
    };
    Early::Target(EventKind::TargetStartFailed {
        node,
        incarnation: process.incarnation(),
        problem: not_ready.to_string(),
        tail: process.tail(),
        port_taken_by,
    })
}

/// A process that listens in a node's place and is older than the harness. It is not part of the server.
fn taken_by_another(trial: &Trial<'_, impl Processes>, node: Node) -> Option<Survivor> {
    if trial.arm.target_of(node).listener == Listener::Held {
        return None;
    }
    trial.seams.older_than_us(trial.placement.endpoint(node))
}

/// The reply that showed a node to be up was such a process's.
fn answered_by_another(node: Node, incarnation: Incarnation, other: Survivor) -> Early {
    let Survivor { pid, command } = &other;
    Early::Target(EventKind::TargetStartFailed {
        node,
        incarnation,
        problem: format!(
            "process {pid} ({command}), which is older than this run, answered on its port"
        ),
        tail: Vec::new(),
        port_taken_by: Some(other),
    })
}

/// A server that does not name its start is known by its listening socket. When that does not work even before
/// the fault, nothing could be said about what answers after it.
fn check_attribution(trial: &Trial<'_, impl Processes>, node: Node) -> Result<(), Early> {
    if trial.arm.target_of(node).listener == Listener::Held {
        return Err(aborted(
            "the readiness reply has no boot header, and a held listener needs one to identify processes: send it, \
             or remove listener = \"held\""
                .to_owned(),
        ));
    }
    match owner_of(trial, (node, Incarnation(0))) {
        Owner::New(_) => Ok(()),
        Owner::Old(problem) | Owner::Unseen(problem) | Owner::Unknown(problem) => {
            Err(aborted(format!(
                "its replies could not be attributed to one process ({problem}): send a response header that changes \
             with each start (--boot-header)"
            )))
        }
    }
}

/// Stops them, the last started first, or kills them. What one that ended by itself left is found by its tag: its group's
/// number may be somebody else's by now.
pub(super) async fn stop_all<S: Processes>(
    trial: &Trial<'_, S>,
    nodes: &mut Nodes<S::Process>,
    by_kill: bool,
) -> Result<(), EngineError> {
    for Running { process, .. } in nodes.in_stopping_order() {
        if process.is_running() {
            let mut stop = trial.target_now(process.node()).stop.clone();
            let mut cause = ExitCause::Stopped;
            if by_kill {
                (stop.signal, cause) = (Signal::Kill, ExitCause::KilledIdle);
            }
            process.stop(&stop).await.map_err(EngineError::Process)?;
            trial.record_exit(process, cause);
            process.clear_group().await.map_err(EngineError::Process)?;
        }
    }
    Ok(())
}
