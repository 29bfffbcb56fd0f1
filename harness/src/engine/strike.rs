//! The fault: what is done to those that the plan aims at, and that it took effect.

use std::time::Duration;

use comeback_core::event::{EventKind, Exit, ExitCause, Phase};
use comeback_core::ids::{Incarnation, Node};
use comeback_core::plan::{Action, Signal};
use comeback_core::units::{Elapsed, Span};
use tokio::time::Instant;

use super::nodes::{Nodes, Running};
use super::recovery::{self, Fallen};
use super::trial::{Early, Trial};
use super::{EngineError, roll};
use crate::supervise::process::Process;

/// Between two looks at whether all processes stand still; a look reads all of `/proc`.
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// Does what the plan wants done, and waits until all that it strikes are back; whether they are.
pub(super) async fn run(trial: &Trial<'_>, nodes: &mut Nodes) -> Result<bool, Early> {
    let fault = &trial.plan.fault;
    let struck = trial.planned.struck(fault.aim, trial.arm.replicas);
    for node in &struck {
        if nodes.get(*node).is_none() {
            return Err(missed(format!("this arm has no {node}")));
        }
    }
    match fault.action {
        Action::Signal(signal) => {
            let fallen = kill(trial, nodes, struck, signal).await?;
            trial.enter(Phase::Recovery);
            let starts = recovery::start_again(trial, nodes, &fallen).await?;
            recovery::run(trial, nodes, &fallen, &starts).await
        }
        Action::Pause(lasts) => {
            let fallen = pause(trial, nodes, struck).await?;
            trial.enter(Phase::Recovery);
            let starts = resume(trial, nodes, &fallen, lasts).await?;
            recovery::run(trial, nodes, &fallen, &starts).await
        }
        Action::Roll { drain, .. } => roll::run(trial, nodes, &struck, drain).await,
    }
}

/// The fault did not do what it should.
pub(super) fn missed(reason: String) -> Early {
    Early::Target(EventKind::FaultMissed { reason })
}

/// Sends a signal to all of them, and then waits until each is gone.
async fn kill(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    struck: Vec<Node>,
    signal: Signal,
) -> Result<Fallen, Early> {
    let old_boots = nodes.boots_of(&struck);
    for running in nodes.these(&struck) {
        request(trial, running.process.node());
        let sent = running.process.signal_group(signal);
        sent.map_err(EngineError::Process)?;
    }
    let deadline = deadline(trial);
    let mut at = trial.site.clock.now();
    for running in nodes.these(&struck) {
        at = confirm_end(trial, &mut running.process, signal, deadline).await?;
    }
    Ok(Fallen {
        at,
        nodes: struck,
        old_boots,
    })
}

fn request(trial: &Trial<'_>, node: Node) {
    let action = trial.plan.fault.action;
    trial.record(EventKind::FaultRequested { node, action });
}

fn deadline(trial: &Trial<'_>) -> Instant {
    Instant::now() + trial.plan.fault.lands_within.into()
}

/// Waits until a struck process is gone.
async fn confirm_end(
    trial: &Trial<'_>,
    process: &mut Process,
    signal: Signal,
    deadline: Instant,
) -> Result<Elapsed, Early> {
    let Ok(exited) = tokio::time::timeout_at(deadline, process.exited()).await else {
        return Err(missed(format!(
            "process {} was still running {} after {signal}",
            process.pid(),
            trial.plan.fault.lands_within,
        )));
    };
    let (exit, at) = exited.map_err(EngineError::Process)?;
    trial.record_exit(process, (exit, at), ExitCause::Injected);
    if signal == Signal::Kill && exit != Exit::Signal(Signal::Kill.number()) {
        return Err(missed(format!(
            "the process {exit} before SIGKILL reached it"
        )));
    }
    process.clear_group().await.map_err(EngineError::Process)?;
    Ok(at)
}

/// Stops all processes of all of them where they stand, and waits until each thread does.
async fn pause(trial: &Trial<'_>, nodes: &mut Nodes, struck: Vec<Node>) -> Result<Fallen, Early> {
    let deadline = deadline(trial);
    for running in nodes.these(&struck) {
        request(trial, running.process.node());
        running.process.pause().map_err(EngineError::Process)?;
    }
    let mut at = trial.site.clock.now();
    for running in nodes.these(&struck) {
        at = confirm_still(trial, running, deadline).await?;
    }
    Ok(Fallen {
        at,
        nodes: struck,
        // Whoever stood still may answer again.
        old_boots: Vec::new(),
    })
}

async fn confirm_still(
    trial: &Trial<'_>,
    running: &mut Running,
    deadline: Instant,
) -> Result<Elapsed, Early> {
    let process = &mut running.process;
    let node = process.node();
    loop {
        if process.stands_still().map_err(EngineError::Process)? {
            let at = trial.site.clock.now();
            trial.record(EventKind::TargetPaused { node });
            return Ok(at);
        }
        if Instant::now() >= deadline {
            // The trial ends here; its stop needs them to go on.
            let _ = process.resume();
            return Err(missed(format!(
                "process {} still ran {} after SIGSTOP",
                process.pid(),
                trial.plan.fault.lands_within,
            )));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
        // What was started by one that did not stand still yet.
        process.pause().map_err(EngineError::Process)?;
    }
}

/// Lets all of them go on when they have stood still for so long.
async fn resume(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    fallen: &Fallen,
    lasts: Span,
) -> Result<Vec<(Node, Incarnation)>, Early> {
    let until = trial.site.clock.instant(fallen.at + lasts);
    let pause = tokio::time::sleep_until(until.into());
    nodes.alongside(trial, pause).await?;
    let mut starts = Vec::with_capacity(fallen.nodes.len());
    for running in nodes.these(&fallen.nodes) {
        let process = &running.process;
        if !process.is_running() {
            let node = process.node();
            return Err(missed(format!("the {node} ended while it stood still")));
        }
        process.resume().map_err(EngineError::Process)?;
        let node = process.node();
        trial.record(EventKind::TargetResumed { node });
        starts.push((node, process.incarnation()));
    }
    Ok(starts)
}
