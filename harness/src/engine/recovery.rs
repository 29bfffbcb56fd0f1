//! Recovery: what was struck is started again, and probed until a correct answer comes from its new process.

use comeback_core::event::EventKind;
use comeback_core::ids::{BootId, Incarnation, Node};
use comeback_core::plan::Listener;
use comeback_core::units::{Elapsed, Span};
use futures_util::future::join_all;

use super::EngineError;
use super::nodes::Nodes;
use super::trial::{Early, Trial, aborted};
use crate::load::probe::{Probe, ProbeError, ProbeSetup, Recovered, Seen};
use crate::supervise::ownership;

/// Why a held listening socket tells nothing.
const HELD: &str = "the harness itself holds the listening socket";

/// The fault landed.
pub(super) struct Fallen {
    /// T0: the last of its effects was confirmed.
    pub(super) at: Elapsed,
    /// What it struck.
    pub(super) nodes: Vec<Node>,
    /// What those called themselves that must not answer again.
    pub(super) old_boots: Vec<BootId>,
}

/// A start of a node.
type Start = (Node, Incarnation);

/// Starts again what was struck.
pub(super) async fn start_again(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    fallen: &Fallen,
) -> Result<Vec<Start>, Early> {
    let mut starts = Vec::with_capacity(fallen.nodes.len());
    for node in fallen.nodes.iter().copied() {
        let pause = trial.arm.target_of(node).restart_after;
        if pause > Span::ZERO {
            let at = trial.site.clock.instant(fallen.at + pause);
            let pause = tokio::time::sleep_until(at.into());
            nodes.alongside(trial, pause).await?;
        }
        let start = nodes.start_again(trial, node)?;
        starts.extend(start.map(|start| (node, start)));
    }
    Ok(starts)
}

/// Waits until all that was struck answers correctly, and the service with it; whether that was in time.
pub(super) async fn run(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    fallen: &Fallen,
    starts: &[Start],
) -> Result<bool, Early> {
    let watched = watch(trial, nodes, fallen, starts).await?;
    if let Some(missing) = missing(&watched) {
        // Nobody answered: who accepted is known only by who holds the port.
        if owners_of(trial, starts).is_ok() {
            record_accept(trial, &watched[0].seen);
        }
        record_missing(trial, &watched, missing);
        return Ok(false);
    }
    let whole = &watched[0];
    if let Some(Recovered { at, evidence }) = whole.back {
        if !is_held(trial, whole.node) {
            record_accept(trial, &whole.seen);
        }
        let kind = EventKind::FirstCorrect {
            last_failed_us: whole.seen.last_failed,
            evidence,
            probes: whole.seen.probes,
        };
        trial.record_at(at, kind);
    }
    Ok(true)
}

/// The same of one of several that are struck in turn: the others are still to be.
pub(super) async fn run_part(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    fallen: &Fallen,
    starts: &[Start],
) -> Result<bool, Early> {
    let watched = watch(trial, nodes, fallen, starts).await?;
    let missing = missing(&watched);
    if let Some(missing) = missing {
        record_missing(trial, &watched, missing);
    }
    Ok(missing.is_none())
}

fn missing(watched: &[Watched]) -> Option<&Watched> {
    watched.iter().find(|watched| watched.back.is_none())
}

fn record_missing(trial: &Trial<'_>, all: &[Watched], missing: &Watched) {
    let saw = missing.seen.last_failure.clone().unwrap_or_default();
    let last_failure = match all {
        [_] => saw,
        _ => format!("{}: {saw}", missing.node),
    };
    trial.record(EventKind::NotRecovered {
        last_failure,
        probes: missing.seen.probes,
    });
}

/// What the probe of a node saw.
struct Watched {
    node: Node,
    seen: Seen,
    /// Its first correct reply, if there was one in time.
    back: Option<Recovered>,
}

/// Probes what the clients ask and, where several were struck, each of those itself, until all answer correctly or the
/// horizon is reached; the first of the result stands for the service. The horizon is waited for even when a process
/// ends meanwhile, which is recorded: one that detached itself may still come up.
async fn watch(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    fallen: &Fallen,
    starts: &[Start],
) -> Result<Vec<Watched>, Early> {
    let whole = asked(trial, &fallen.nodes);
    let mut asked = vec![(whole, starts)];
    if starts.len() > 1 {
        asked.extend(starts.chunks(1).map(|start| (start[0].0, start)));
    }
    let probes = asked.iter().map(|(node, _)| probe_of(trial, fallen, *node));
    let probes: Vec<Probe<'_>> = probes.collect::<Result<_, _>>()?;
    let horizon = trial
        .site
        .clock
        .instant(fallen.at + trial.plan.windows.horizon);
    let probing = probes.iter().zip(&asked).map(|(probe, (_, starts))| {
        tokio::time::timeout_at(horizon.into(), probe.run(|| owners_of(trial, starts)))
    });
    let ended = nodes
        .alongside_starts(trial, &fallen.nodes, join_all(probing))
        .await?;
    record_survivors(trial, starts);
    let mut watched = Vec::with_capacity(asked.len());
    for ((probe, (node, _)), ended) in probes.iter().zip(asked).zip(ended) {
        let back = match ended {
            Ok(Ok(recovered)) => Some(recovered),
            Ok(Err(ProbeError::Harness(cause))) => return Err(EngineError::Probe(cause).into()),
            Ok(Err(ProbeError::Unattributable(reason))) => return Err(aborted(reason)),
            Err(_) => None,
        };
        let seen = probe.seen();
        // The store and the balancer are not asked themselves.
        if let (Some(back), true) = (back, fallen.nodes.contains(&node)) {
            record_return(trial, node, &seen, back);
        }
        watched.push(Watched { node, seen, back });
    }
    Ok(watched)
}

fn probe_of<'a>(
    trial: &'a Trial<'_>,
    fallen: &Fallen,
    node: Node,
) -> Result<Probe<'a>, EngineError> {
    Probe::new(ProbeSetup {
        load: &trial.plan.load,
        endpoint: trial.seats.endpoint(node),
        boot_header: trial.arm.target.boot_header.as_deref(),
        old_boots: fallen.old_boots.clone(),
        since: fallen.at,
        clock: trial.site.clock,
    })
    .map_err(EngineError::Probe)
}

/// Whom to ask whether what was struck is back: one replica itself, since others may answer in its place; for
/// everything else what the clients ask, but for a cache, which may answer for what is gone.
fn asked(trial: &Trial<'_>, struck: &[Node]) -> Node {
    match struck {
        [alone @ (Node::Replica(_) | Node::Cache)] => *alone,
        _ => trial.arm.origin(),
    }
}

/// Whether the kernel takes connections for this node, be it dead or alive.
fn is_held(trial: &Trial<'_>, node: Node) -> bool {
    trial.arm.target_of(node).listener == Listener::Held
}

fn record_survivors(trial: &Trial<'_>, starts: &[Start]) {
    let tag = &trial.site.tag;
    let before =
        |(node, incarnation): &Start| tag.members_before((trial.planned.id, *node, *incarnation));
    let pids: Vec<i32> = starts.iter().flat_map(before).collect();
    if !pids.is_empty() {
        trial.record(EventKind::SurvivorsFound { pids });
    }
}

fn record_return(trial: &Trial<'_>, node: Node, seen: &Seen, back: Recovered) {
    let kind = EventKind::TargetReturned {
        node,
        last_failed_us: seen.last_failed,
        evidence: back.evidence,
    };
    trial.record_at(back.at, kind);
}

fn record_accept(trial: &Trial<'_>, seen: &Seen) {
    if let Some(accepted) = seen.accepted {
        let kind = EventKind::FirstAccept {
            last_failed_us: accepted.last_failed,
        };
        trial.record_at(accepted.at, kind);
    }
}

/// The process that holds the last of these nodes' listening sockets, when each is held by its start, or why one
/// is not (only) that.
fn owners_of(trial: &Trial<'_>, starts: &[(Node, Incarnation)]) -> Result<i32, String> {
    let mut owner = Err("nothing was started again".to_owned());
    for (node, incarnation) in starts {
        owner = Ok(owner_of(trial, *node, *incarnation)?);
    }
    owner
}

/// The process of this start that holds its node's listening socket, or why it is not (only) that.
pub(super) fn owner_of(
    trial: &Trial<'_>,
    node: Node,
    incarnation: Incarnation,
) -> Result<i32, String> {
    if is_held(trial, node) {
        return Err(HELD.to_owned());
    }
    let endpoint = trial.seats.endpoint(node);
    let owners = ownership::listeners(endpoint, &trial.site.tag)
        .map_err(|error| format!("the owner of {endpoint} is unknown: {error}"))?;
    // One that ended before it served may have been started again meanwhile.
    let latest = incarnation.max(trial.seats.start(node));
    let place = Some((trial.planned.id, node, latest));
    let own = |owner: &&ownership::Owner| owner.place == place;
    if let Some(other) = owners.iter().find(|owner| !own(owner)) {
        return Err(format!(
            "{endpoint} is held by process {}, not a new one",
            other.pid
        ));
    }
    match owners.first() {
        Some(owner) => Ok(owner.pid),
        None => Err(format!("nobody holds {endpoint}")),
    }
}
