//! Recovery: what was struck is started again, and probed until a correct answer comes from its new process.

use std::collections::BTreeSet;
use std::time::Duration;

use comeback_model::event::EventKind;
use comeback_model::ids::{BootId, Incarnation, Node};
use comeback_model::plan::{Action, Workload};
use comeback_model::units::{Elapsed, Span};
use futures_util::future::join_all;

use super::EngineError;
use super::attribution::{Start, is_held, owner_of, owners_of};
use super::context::{Early, Trial, aborted};
use super::nodes::Nodes;
use crate::load::probe::{Owner, Probe, ProbeError, ProbeSetup, Recovered, Rehearsed, Seen};
use crate::supervise::ownership;

/// How often the probe rehearses; what differs from time to time is not required later.
const REHEARSALS: u32 = 2;
/// The same behind a balancer, which may send one session to the same server by chance.
const BALANCED_REHEARSALS: u32 = 4;
/// How long the stranger of the trial's end may take.
const STRANGER_WITHIN: Duration = Duration::from_secs(2);

/// The fault landed.
pub(super) struct Fallen {
    /// T0: the last of its effects was confirmed.
    pub(super) at: Elapsed,
    /// What it struck.
    pub(super) nodes: Vec<Node>,
    /// What those called themselves that must not answer again.
    pub(super) old_boots: Vec<BootId>,
}

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
            let pause = tokio::time::sleep_until(at);
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
        if matches!(owners_of(trial, starts), Owner::New(_)) {
            record_accept(trial, &watched[0].seen);
        }
        record_missing(trial, &watched, missing);
        return Ok(false);
    }
    let whole = &watched[0];
    if let Some(Recovered {
        at,
        evidence,
        unowned,
    }) = whole.back.clone()
    {
        if !is_held(trial, whole.node) {
            record_accept(trial, &whole.seen);
        }
        let kind = EventKind::FirstCorrect {
            last_failed_us: whole.seen.last_failed,
            evidence,
            unowned,
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
    let probes = asked
        .iter()
        .map(|(node, _)| probe_of(trial, nodes, fallen, *node));
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
        if let (Some(back), true) = (&back, fallen.nodes.contains(&node)) {
            record_return(trial, node, &seen, back);
        }
        watched.push(Watched { node, seen, back });
    }
    Ok(watched)
}

/// Before the load: the probe does what it will do after the fault, with each that it will ask then. What the replies
/// show is required of it again.
pub(super) async fn rehearse(trial: &Trial<'_>, nodes: &mut Nodes) -> Result<(), Early> {
    for node in to_rehearse(trial) {
        let probe = Probe::new(ProbeSetup {
            since: trial.site.clock.now(),
            ..setup_of(trial, node)
        })
        .map_err(EngineError::Probe)?;
        let shares = trial.arm.replicas > 1 && !matches!(node, Node::Replica(_));
        let wanted = if shares {
            BALANCED_REHEARSALS
        } else {
            REHEARSALS
        };
        let rehearsed = match nodes.alongside(trial, probe.rehearse(wanted)).await? {
            Ok(rehearsed) => rehearsed,
            Err(ProbeError::Harness(cause)) => return Err(EngineError::Probe(cause).into()),
            Err(ProbeError::Unattributable(reason)) => return Err(aborted(reason)),
        };
        let Rehearsed {
            work,
            limit,
            stranger_known,
        } = rehearsed.map_err(|problem| {
            aborted(format!(
                "the recovery probe's own user, whose number is beyond all clients', was not served before the fault: \
                 {problem}"
            ))
        })?;
        if let Some(problem) = limit {
            trial.record(EventKind::ProbeLimited { node, problem });
        }
        if stranger_known {
            trial.record(EventKind::StrangerKnown { node });
        }
        if let Some(running) = nodes.get_mut(node) {
            running.work = Some(work);
        }
    }
    Ok(())
}

/// After the last look: whether a check still tells a known user from a stranger. A server may have begun to know everybody.
pub(super) async fn ask_as_a_stranger(
    trial: &Trial<'_>,
    nodes: &mut Nodes,
) -> Result<(), EngineError> {
    for node in to_rehearse(trial) {
        let since = trial.site.clock.now();
        let setup = setup_of(trial, node);
        let probe = Probe::new(ProbeSetup { since, ..setup }).map_err(EngineError::Probe)?;
        let asked = tokio::time::timeout(STRANGER_WITHIN, probe.rehearse(1));
        // One that does not answer well says nothing of it: that is seen elsewhere.
        if let Ok(Ok(Ok(rehearsed))) = nodes.alongside(trial, asked).await?
            && rehearsed.stranger_known
        {
            trial.record(EventKind::StrangerKnown { node });
        }
    }
    Ok(())
}

/// Whom the probe will ask after the fault.
fn to_rehearse(trial: &Trial<'_>) -> BTreeSet<Node> {
    if matches!(trial.plan.load.workload, Workload::Stateless(_)) {
        return BTreeSet::new();
    }
    let struck = trial
        .planned
        .struck(trial.plan.fault.aim, trial.arm.replicas);
    let whole = match trial.plan.fault.action {
        // Each in turn, by itself.
        Action::Roll { .. } if !struck.is_empty() => None,
        Action::Roll { .. } | Action::Signal(_) | Action::Pause(_) => Some(asked(trial, &struck)),
    };
    let themselves = struck
        .iter()
        .filter(|_| struck.len() > 1 || whole.is_none());
    themselves.copied().chain(whole).collect()
}

/// What a probe needs that asks this node, before anything was struck.
fn setup_of<'a>(trial: &'a Trial<'_>, node: Node) -> ProbeSetup<'a> {
    ProbeSetup {
        load: &trial.plan.load,
        endpoint: trial.seats.endpoint(node),
        boot_header: trial.arm.target.boot_header.as_deref(),
        old_boots: Vec::new(),
        work: None,
        users: &trial.probe_users,
        since: Elapsed::default(),
        clock: trial.site.clock,
    }
}

fn probe_of<'a>(
    trial: &'a Trial<'_>,
    nodes: &Nodes,
    fallen: &Fallen,
    node: Node,
) -> Result<Probe<'a>, EngineError> {
    Probe::new(ProbeSetup {
        old_boots: fallen.old_boots.clone(),
        work: nodes.get(node).and_then(|running| running.work.clone()),
        since: fallen.at,
        ..setup_of(trial, node)
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

/// Right before and right after the final look: who but the new starts may answer it.
pub(super) fn look_around(trial: &Trial<'_>, nodes: &Nodes) {
    let struck = trial
        .planned
        .struck(trial.plan.fault.aim, trial.arm.replicas);
    let running = struck.iter().filter_map(|node| nodes.get(*node));
    let starts = running.map(|running| (running.process.node(), running.process.incarnation()));
    // What only stood still is asked again, and is to answer.
    for (node, incarnation) in starts.filter(|(_, incarnation)| *incarnation > Incarnation(0)) {
        let place = (trial.planned.id, node, incarnation);
        // A daemon of an unknown start may be another node's.
        let strays = trial.seats.is_alone();
        let processes = ownership::old_processes(&trial.site.tag, place, strays);
        if !processes.is_empty() {
            trial.record(EventKind::OldProcessesAlive { node, processes });
        }
        if let Owner::Old(problem) = owner_of(trial, (node, incarnation)) {
            trial.record(EventKind::OldOwnerSeen { node, problem });
        }
    }
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

fn record_return(trial: &Trial<'_>, node: Node, seen: &Seen, back: &Recovered) {
    let kind = EventKind::TargetReturned {
        node,
        last_failed_us: seen.last_failed,
        evidence: back.evidence,
        unowned: back.unowned.clone(),
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
