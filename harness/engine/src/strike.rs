//! The fault: what is done to those that the plan aims at, and that it took effect.

use std::time::Duration;

use comeback_model::event::{EventKind, Phase};
use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::{Action, Signal};
use comeback_model::units::{Elapsed, Span};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::aim::{self, Volley};
use super::context::{Early, Trial, missed};
use super::ends::{self, Ending, address, request};
use super::nodes::{Nodes, Running};
use super::recovery::{self, Fallen};
use super::{EngineError, roll};
use crate::load::Trigger;

/// Between two looks at whether all processes stand still; a look reads all of `/proc`.
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// Does what the plan wants done, and waits until all that it strikes are back; whether they are.
pub(super) async fn run(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    trigger: &Trigger,
) -> Result<bool, Early> {
    let fault = &trial.plan.fault;
    let struck = trial.planned.struck(fault.aim, trial.arm.replicas);
    for node in &struck {
        if nodes.get(*node).is_none() {
            return Err(missed(format!("this arm has no {node}")));
        }
    }
    match fault.action {
        Action::Signal(signal) => {
            let fallen = kill(trial, nodes, (struck, signal), trigger).await?;
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

/// Sends a signal to all of them, and then waits until each is gone.
async fn kill(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    (struck, signal): (Vec<Node>, Signal),
    trigger: &Trigger,
) -> Result<Fallen, Early> {
    let old_boots = nodes.boots_of(&struck);
    let (mut hit, beside) = nodes.split(&struck);
    let mut addressed = Vec::with_capacity(hit.len());
    for running in &hit {
        addressed.push(address(&running.process, trial.plan.fault.reach())?);
    }
    let mut shots = Vec::with_capacity(hit.len());
    for (running, addressed) in hit.iter().zip(&addressed) {
        let process = &running.process;
        let shot = process.shot(addressed, signal);
        shots.push((process.node(), shot.map_err(EngineError::Process)?));
    }
    let clock = trial.site.clock;
    aim::fire(trial, trigger, Volley { clock, shots }).await?;
    let confirming = hit.iter_mut().zip(&mut addressed).map(|(running, its)| {
        let ending = Ending::by_fault(trial, &running.process, signal);
        ends::confirm(trial, &mut running.process, its, ending)
    });
    let ends = beside.alongside(trial, join_all(confirming)).await?;
    let ends: Vec<Elapsed> = ends.into_iter().collect::<Result<_, _>>()?;
    Ok(Fallen {
        at: ends.into_iter().max().unwrap_or(trial.site.clock.now()),
        nodes: struck,
        old_boots,
    })
}

fn deadline(trial: &Trial<'_>) -> Instant {
    Instant::now() + trial.plan.fault.lands_within.into()
}

/// Stops all processes of all of them where they stand, and waits until each thread does.
async fn pause(trial: &Trial<'_>, nodes: &mut Nodes, struck: Vec<Node>) -> Result<Fallen, Early> {
    let deadline = deadline(trial);
    let reach = trial.plan.fault.reach();
    let (mut hit, beside) = nodes.split(&struck);
    for running in &hit {
        request(trial, running.process.node());
        running.process.pause(reach).map_err(EngineError::Process)?;
    }
    let stills = hit
        .iter_mut()
        .map(|running| confirm_still(trial, running, deadline));
    let stills = beside.alongside(trial, join_all(stills)).await?;
    let stills: Vec<Elapsed> = stills.into_iter().collect::<Result<_, _>>()?;
    Ok(Fallen {
        at: stills.into_iter().max().unwrap_or(trial.site.clock.now()),
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
    let (node, reach) = (process.node(), trial.plan.fault.reach());
    loop {
        if process.stands_still(reach).map_err(EngineError::Process)? {
            let at = trial.site.clock.now();
            trial.record(EventKind::TargetPaused { node });
            return Ok(at);
        }
        if Instant::now() >= deadline {
            // The trial ends here; its stop needs them to go on.
            let _ = process.resume(reach);
            return Err(missed(format!(
                "process {} still ran {} after SIGSTOP",
                process.pid(),
                trial.plan.fault.lands_within,
            )));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
        // What was started by one that did not stand still yet.
        process.pause(reach).map_err(EngineError::Process)?;
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
    let pause = tokio::time::sleep_until(until);
    nodes.alongside(trial, pause).await?;
    let mut starts = Vec::with_capacity(fallen.nodes.len());
    for running in nodes.these(&fallen.nodes) {
        let process = &running.process;
        if !process.is_running() {
            let node = process.node();
            return Err(missed(format!("the {node} ended while it stood still")));
        }
        // One may answer before the call has returned.
        let at = trial.site.clock.now();
        process
            .resume(trial.plan.fault.reach())
            .map_err(EngineError::Process)?;
        let node = process.node();
        trial.record_at(at, EventKind::TargetResumed { node });
        starts.push((node, process.incarnation()));
    }
    Ok(starts)
}
