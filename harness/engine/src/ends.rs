//! That what a fault addressed has ended: seen as it happens, of all nodes at once, and nothing else is signalled.

use comeback_model::event::{EventKind, Exit, ExitCause};
use comeback_model::ids::Node;
use comeback_model::plan::{Reach, Signal};
use comeback_model::units::{Elapsed, Span};
use tokio::time::timeout;

use super::EngineError;
use super::context::{Early, Trial, missed};
use crate::supervise::addressed::Addressed;
use crate::supervise::process::Process;

/// How long the others may take to end after the process that was started, where the signal is neither a kill nor a
/// stop: what it ends is gone by then, and what is there does not heed it.
const OTHERS_TAKE: Span = Span::from_ms(500);

/// How a node is ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) signal: Signal,
    pub(super) reach: Reach,
    /// A stop, as a service manager does it: how long they may take before they are killed.
    pub(super) grace: Option<Span>,
}

impl Ending {
    /// What a signal of the plan's fault does: SIGTERM is a service manager's stop.
    pub(super) fn by_fault(trial: &Trial<'_>, process: &Process, signal: Signal) -> Self {
        let stop = &trial
            .arm
            .target_at(process.node(), process.incarnation())
            .stop;
        Self {
            signal,
            reach: trial.plan.fault.reach(),
            grace: (signal == Signal::Term).then_some(stop.grace),
        }
    }
}

/// Finds whom a node's fault addresses. It takes milliseconds, and comes before the moment that counts.
pub(super) fn address(process: &Process, reach: Reach) -> Result<Addressed, Early> {
    if !process.is_running() {
        let node = process.node();
        return Err(missed(format!("the {node} had ended before the fault")));
    }
    Ok(process.address(reach).map_err(EngineError::Process)?)
}

/// The moment of the fault with one node: K is recorded, and the signal sent.
pub(super) fn strike(
    trial: &Trial<'_>,
    process: &Process,
    addressed: &Addressed,
    signal: Signal,
) -> Result<(), EngineError> {
    request(trial, process.node());
    process
        .send(addressed, signal)
        .map_err(EngineError::Process)
}

pub(super) fn request(trial: &Trial<'_>, node: Node) {
    let action = trial.plan.fault.action;
    trial.record(EventKind::FaultRequested { node, action });
}

/// Waits until what was sent a signal has ended, and records it; when the last of it did.
pub(super) async fn confirm(
    trial: &Trial<'_>,
    process: &mut Process,
    addressed: &mut Addressed,
    ending: Ending,
) -> Result<Elapsed, Early> {
    let within = trial.plan.fault.lands_within;
    let mut took_kill = Vec::new();
    match ending.grace {
        Some(grace) => match timeout(grace.into(), gone(trial, process, addressed)).await {
            Ok(gone) => gone?,
            Err(_) => {
                took_kill = process.kill_rest(addressed).map_err(EngineError::Process)?;
                in_time(within, gone(trial, process, addressed)).await?;
            }
        },
        None if ending.signal == Signal::Kill => {
            in_time(within, gone(trial, process, addressed)).await?;
        }
        None => {
            in_time(within, leader_gone(trial, process)).await?;
            in_time(OTHERS_TAKE, gone(trial, process, addressed)).await?;
        }
    }
    if process.is_running() {
        let pid = process.pid();
        let signal = ending.signal;
        return Err(missed(format!(
            "process {pid} was still running {within} after {signal}"
        )));
    }
    land(trial, process, addressed, took_kill, ending).await
}

/// Gives up when it takes longer; who is there is seen then.
async fn in_time(
    within: Span,
    work: impl Future<Output = Result<(), EngineError>>,
) -> Result<(), EngineError> {
    timeout(within.into(), work).await.unwrap_or(Ok(()))
}

/// Waits until each of them has ended, those included that they started since.
async fn gone(
    trial: &Trial<'_>,
    process: &mut Process,
    addressed: &mut Addressed,
) -> Result<(), EngineError> {
    loop {
        let (leader, others) = tokio::join!(leader_gone(trial, process), addressed.others_gone());
        leader?;
        others.map_err(EngineError::Process)?;
        if !addressed.take_newcomers().map_err(EngineError::Process)? {
            return Ok(());
        }
    }
}

async fn leader_gone(trial: &Trial<'_>, process: &mut Process) -> Result<(), EngineError> {
    if process.is_running() {
        let ended = process.exited().await.map_err(EngineError::Process)?;
        trial.record_exit(process, ended, ExitCause::Injected);
    }
    Ok(())
}

/// Records that the fault took effect, and what lives on in spite of it.
async fn land(
    trial: &Trial<'_>,
    process: &mut Process,
    addressed: &Addressed,
    took_kill: Vec<i32>,
    ending: Ending,
) -> Result<Elapsed, Early> {
    // It has ended: this waits for nothing.
    let (exit, at) = process.exited().await.map_err(EngineError::Process)?;
    if ending.signal == Signal::Kill && exit != Exit::Signal(Signal::Kill.number()) {
        return Err(missed(format!(
            "the process {exit} before SIGKILL reached it"
        )));
    }
    let left = process.survivors().map_err(EngineError::Process)?;
    let at = addressed.last_end().map_or(at, |last| last.max(at));
    let node = process.node();
    let confirmed = EventKind::FaultConfirmed {
        node,
        took_kill,
        left,
    };
    trial.record_at(at, confirmed);
    Ok(at)
}
