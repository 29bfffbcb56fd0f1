//! A rolling restart, or a deploy: one replica after the other is drained, stopped, started again, waited for, and given
//! requests again.

use comeback_model::event::{EventKind, Phase};
use comeback_model::ids::Node;
use comeback_model::plan::{Drain, Signal};
use comeback_model::units::Span;

use super::context::{Early, Trial, missed};
use super::ends::{self, Ending};
use super::nodes::Nodes;
use super::recovery::{self, Fallen};
use crate::supervise::errand::Errand;

/// How long the balancer may take to send a replica requests again; its health checks come first.
const RETURN_WITHIN: Span = Span::from_secs(10);

/// Restarts all of them in turn; whether all came back. The first that does not ends the roll, as it would anybody's.
pub(super) async fn run(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    struck: &[Node],
    drain: Option<Span>,
) -> Result<bool, Early> {
    for node in struck {
        let is_last = Some(node) == struck.last();
        if !restart(trial, nodes, *node, drain, is_last).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn restart(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    node: Node,
    drain: Option<Span>,
    is_last: bool,
) -> Result<bool, Early> {
    let told = drain.and_then(|within| Some((trial.arm.drain.as_ref()?, within)));
    if let Some((Drain { begin, .. }, within)) = told {
        trial.record(EventKind::DrainBegun { node });
        let problem = tell(trial, nodes, node, begin, within).await?;
        trial.record(EventKind::Drained { node, problem });
    }
    let fallen = stop(trial, nodes, node).await?;
    if is_last {
        trial.enter(Phase::Recovery);
    }
    let starts = recovery::start_again(trial, nodes, &fallen).await?;
    let back = match is_last {
        true => recovery::run(trial, nodes, &fallen, &starts).await?,
        false => recovery::run_part(trial, nodes, &fallen, &starts).await?,
    };
    if let (true, Some((Drain { end, .. }, _))) = (back, told) {
        let problem = tell(trial, nodes, node, end, RETURN_WITHIN).await?;
        trial.record(EventKind::DrainEnded { node, problem });
    }
    Ok(back)
}

/// Runs a command that tells the balancer something about a replica; what went wrong with it.
async fn tell(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    node: Node,
    command: &[String],
    within: Span,
) -> Result<Option<String>, Early> {
    let errand = Errand {
        command,
        of: Node::Balancer,
        about: node,
        seat: trial.seats.place(Node::Balancer),
        addresses: trial.seats.addresses(),
        trial: trial.planned.id,
        tag: &trial.site.tag,
    };
    let run = nodes.alongside(trial, errand.run(within)).await?;
    Ok(run.err())
}

/// Stops a replica as the plan says how it is stopped, and as a service manager does it.
async fn stop(trial: &Trial<'_>, nodes: &mut Nodes, node: Node) -> Result<Fallen, Early> {
    let old_boots = nodes.boots_of(&[node]);
    let (mut hit, beside) = nodes.split(&[node]);
    let Some(running) = hit.first_mut() else {
        return Err(missed(format!("there is no {node} to be stopped")));
    };
    let process = &mut running.process;
    let stop = &trial.arm.target_at(node, process.incarnation()).stop;
    let ending = Ending {
        signal: stop.signal,
        reach: trial.plan.fault.reach(),
        grace: (stop.signal != Signal::Kill).then_some(stop.grace),
    };
    let mut addressed = ends::address(process, ending.reach)?;
    ends::strike(trial, process, &addressed, ending.signal)?;
    let confirming = ends::confirm(trial, process, &mut addressed, ending);
    Ok(Fallen {
        at: beside.alongside(trial, confirming).await??,
        nodes: vec![node],
        old_boots,
    })
}
