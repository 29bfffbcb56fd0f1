//! Recovery: what was struck is started again, and probed until a correct answer comes from its new process.

use comeback_core::event::EventKind;
use comeback_core::ids::{Incarnation, Node};
use comeback_core::plan::Listener;
use comeback_core::units::{Elapsed, Span};

use super::EngineError;
use super::nodes::{Nodes, launch};
use super::trial::{Early, Trial, aborted};
use crate::load::probe::{Probe, ProbeError, ProbeSetup, Recovered, Seen};
use crate::supervise::ownership;

/// Why a held listening socket tells nothing.
const HELD: &str = "the harness itself holds the listening socket";

/// The fault landed.
pub(super) struct Fallen {
    /// T0: the last exit was confirmed.
    pub(super) at: Elapsed,
    /// What it struck.
    pub(super) nodes: Vec<Node>,
}

/// Starts again what was struck and waits for its first correct reply; whether there was one in time.
pub(super) async fn run(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    fallen: &Fallen,
) -> Result<bool, Early> {
    let old_boots = fallen
        .nodes
        .iter()
        .filter_map(|node| nodes.get(*node)?.boot);
    let old_boots = old_boots.collect();
    let mut starts = Vec::with_capacity(fallen.nodes.len());
    for node in &fallen.nodes {
        starts.push(start_again(trial, nodes, *node, fallen.at).await?);
    }
    let load = &trial.plan.load;
    let probe = Probe::new(ProbeSetup {
        load,
        endpoint: trial.seats.endpoint(asked(trial, &fallen.nodes)),
        boot_header: trial.arm.target.boot_header.as_deref(),
        old_boots,
        since: fallen.at,
        clock: trial.site.clock,
    })
    .map_err(EngineError::Probe)?;
    let watched = watch(trial, nodes, &probe, &starts, fallen.at).await?;
    let seen = probe.seen();
    let tag = &trial.site.tag;
    let before = |(node, incarnation): &(Node, Incarnation)| {
        tag.members_before((trial.planned.id, *node, *incarnation))
    };
    let survivors: Vec<i32> = starts.iter().flat_map(before).collect();
    if !survivors.is_empty() {
        trial.record(EventKind::SurvivorsFound { pids: survivors });
    }
    let recovered = match watched {
        Some(Recovered { at, evidence }) => {
            if !is_held(trial, &fallen.nodes) {
                record_accept(trial, &seen);
            }
            let kind = EventKind::FirstCorrect {
                last_failed_us: seen.last_failed,
                evidence,
                probes: seen.probes,
            };
            trial
                .site
                .recorder
                .event_at(at, Some(trial.planned.id), kind);
            true
        }
        None => {
            // Nobody answered: who accepted is known only by who holds the port.
            if owners_of(trial, &starts).is_ok() {
                record_accept(trial, &seen);
            }
            trial.record(EventKind::NotRecovered {
                last_failure: seen.last_failure.clone().unwrap_or_default(),
                probes: seen.probes,
            });
            false
        }
    };
    Ok(recovered)
}

/// Whom to ask whether what was struck is back: one replica itself, since others may answer in its place; for
/// everything else what the clients ask.
fn asked(trial: &Trial<'_>, struck: &[Node]) -> Node {
    match struck {
        [replica @ Node::Replica(_)] => *replica,
        _ => trial.arm.front(),
    }
}

/// Whether the kernel takes connections for what is asked, be it dead or alive.
fn is_held(trial: &Trial<'_>, struck: &[Node]) -> bool {
    let asked = trial.arm.target_of(asked(trial, struck));
    asked.listener == Listener::Held
}

async fn start_again(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    node: Node,
    since: Elapsed,
) -> Result<(Node, Incarnation), Early> {
    let pause = trial.arm.target_of(node).restart_after;
    if pause > Span::ZERO {
        let at = trial.site.clock.instant(since + pause);
        tokio::time::sleep_until(at.into()).await;
    }
    let mut first = Incarnation(0);
    if let Some(running) = nodes.get_mut(node) {
        first = Incarnation(running.process.incarnation().0 + 1);
        running.process = launch(trial, node, first).map_err(Early::Target)?;
    }
    Ok((node, first))
}

/// Probes until the horizon, and records it when a process ends meanwhile. The horizon is waited for even then:
/// a process that detached itself may still come up.
async fn watch(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
    probe: &Probe<'_>,
    starts: &[(Node, Incarnation)],
    since: Elapsed,
) -> Result<Option<Recovered>, Early> {
    let horizon = trial.site.clock.instant(since + trial.plan.windows.horizon);
    let probing = probe.run(|| owners_of(trial, starts));
    let probing = tokio::time::timeout_at(horizon.into(), probing);
    match nodes.alongside(trial, probing).await? {
        Ok(Ok(recovered)) => Ok(Some(recovered)),
        Ok(Err(ProbeError::Harness(cause))) => Err(EngineError::Probe(cause).into()),
        Ok(Err(ProbeError::Unattributable(reason))) => Err(aborted(reason)),
        Err(_) => Ok(None),
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
    if trial.arm.target_of(node).listener == Listener::Held {
        return Err(HELD.to_owned());
    }
    let endpoint = trial.seats.endpoint(node);
    let owners = ownership::listeners(endpoint, &trial.site.tag)
        .map_err(|error| format!("the owner of {endpoint} is unknown: {error}"))?;
    let place = Some((trial.planned.id, node, incarnation));
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

fn record_accept(trial: &Trial<'_>, seen: &Seen) {
    if let Some(accepted) = seen.accepted {
        let kind = EventKind::FirstAccept {
            last_failed_us: accepted.last_failed,
        };
        trial
            .site
            .recorder
            .event_at(accepted.at, Some(trial.planned.id), kind);
    }
}
