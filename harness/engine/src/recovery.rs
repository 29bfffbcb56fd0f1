//! Recovery: what was started again is probed until a correct answer comes from its new process. The probes are rehearsed
//! before the fault, and what may answer in a new process's place is looked for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use comeback_model::event::{EventKind, Evidence};
use comeback_model::ids::{FaultId, Incarnation, Node};
use comeback_model::plan::Workload;
use comeback_model::schedule::PlannedInjection;
use comeback_model::units::{Elapsed, Span};
use futures_util::future::join_all;

use super::EngineError;
use super::attribution::{Start, is_held, owner_of, owners_of};
use super::context::{Early, Faulted, Injected, Trial, aborted};
use super::seams::{Probe, Seams};
use crate::load::Known;
use crate::load::probe::{Accepted, Owner, ProbeError, ProbeSetup, Recovered, Rehearsed, Seen};
use comeback_faults::CutStarts;

/// How often the probe rehearses; what differs from time to time is not required later.
const REHEARSALS: u32 = 2;
/// The same behind a balancer, which may send one session to the same server by chance.
const BALANCED_REHEARSALS: u32 = 4;
/// How long the anonymous check at the trial's end may take.
const ANONYMOUS_WITHIN: Duration = Duration::from_secs(2);

/// Waits until one node that the fault itself started again answers correctly; with the last of all, until the service does.
pub(super) async fn run_part<S: Seams>(
    trial: &Trial<'_, S>,
    fault: FaultId,
    node: Node,
) -> Result<bool, Early> {
    let (injected, is_whole) = {
        let progress = trial.progress.borrow();
        let is_whole = progress.is_confirmed(fault, trial.faulted_by(fault));
        (progress.injected(fault, &[node]), is_whole)
    };
    if is_whole {
        return run(trial, &injected).await;
    }
    let watched = watch(trial, &injected).await?;
    let missing = missing(&watched);
    if let Some(missing) = missing {
        record_missing(trial, fault, &watched, missing);
    }
    Ok(missing.is_none())
}

/// Waits until all faulted nodes answer correctly, and the service with them; whether that was in time.
pub(super) async fn run<S: Seams>(
    trial: &Trial<'_, S>,
    injected: &Injected,
) -> Result<bool, Early> {
    let fault = injected.fault;
    let watched = watch(trial, injected).await?;
    if let Some(missing) = missing(&watched) {
        // Without a reply, only the owner of the port tells which process accepted.
        if matches!(owners_of(trial, &starts_of(trial, injected)), Owner::New(_)) {
            record_accept(trial, injected, &watched);
        }
        record_missing(trial, fault, &watched, missing);
        return Ok(false);
    }
    record_accept(trial, injected, &watched);
    // A balancer answers as soon as one replica does: all is back with the last. The service stands first.
    let back = watched.iter().rev();
    let back = back.filter_map(|watched| Some((&watched.seen, watched.back.clone()?)));
    if let Some((seen, last)) = back.max_by_key(|(_, back)| back.at) {
        let kind = EventKind::FirstCorrect {
            fault,
            last_failed_us: seen.last_failed,
            evidence: last.evidence,
            unowned: last.unowned,
            probes: seen.probes,
        };
        trial.record_at(last.at, kind);
    }
    Ok(true)
}

/// The first that was given up. Another may be waited for longer, where one more fault overtakes.
fn missing(watched: &[Watched]) -> Option<&Watched> {
    let missing = watched.iter().filter(|watched| watched.back.is_none());
    missing.min_by_key(|watched| watched.ended)
}

fn record_missing<S>(trial: &Trial<'_, S>, fault: FaultId, all: &[Watched], missing: &Watched) {
    let saw = missing.seen.last_failure.clone().unwrap_or_default();
    let last_failure = match all {
        [_] => saw,
        _ => format!("{}: {saw}", missing.node),
    };
    let kind = EventKind::NotRecovered {
        fault,
        last_failure,
        probes: missing.seen.probes,
    };
    trial.record_at(missing.ended, kind);
}

/// The latest starts of the faulted nodes.
fn starts_of<S>(trial: &Trial<'_, S>, injected: &Injected) -> Vec<Start> {
    let nodes = injected.nodes.iter();
    nodes
        .map(|node| (*node, trial.placement.start(*node)))
        .collect()
}

/// The observation of a node's probe.
struct Watched {
    node: Node,
    seen: Seen,
    /// Its first correct reply, if there was one in time.
    back: Option<Recovered>,
    /// When the wait for that ended.
    ended: Elapsed,
}

/// When each node that was probed itself was back.
type Back = RefCell<BTreeMap<Node, Elapsed>>;

/// The result of a probe that asks for these starts, if it comes before their horizon ends.
async fn within_horizon<T, S>(
    trial: &Trial<'_, S>,
    injected: &Injected,
    (starts, back): (&[Start], &Back),
    probing: impl Future<Output = T>,
) -> Option<T> {
    let mut probing = pin!(probing);
    loop {
        // It sees each effect from here on, so that none is missed between the look at the horizon and the wait.
        let effect = trial.effects.notified();
        let until = horizon_of(trial, injected, starts, &back.borrow());
        let waiting = async {
            match until {
                Some(until) => tokio::time::sleep_until(trial.site.clock.instant(until)).await,
                None => effect.await,
            }
        };
        tokio::select! {
            biased;
            done = probing.as_mut() => {
                if let [(node, _)] = starts {
                    back.borrow_mut().insert(*node, trial.site.clock.now());
                }
                return Some(done);
            }
            () = waiting => {}
        }
        let later = horizon_of(trial, injected, starts, &back.borrow());
        if let (Some(until), Some(later)) = (until, later)
            && later <= until
        {
            return None;
        }
    }
}

/// Until when these starts may be waited for. A node that another fault hits before it is back has that one's horizon: both
/// are over with the same reply (METHOD §10). Not known while another fault that was sent to one of them may yet take effect
/// on it: a stop takes its grace, and more.
fn horizon_of<S>(
    trial: &Trial<'_, S>,
    injected: &Injected,
    starts: &[Start],
    back: &BTreeMap<Node, Elapsed>,
) -> Option<Elapsed> {
    let progress = trial.progress.borrow();
    let horizon = trial.plan.windows.horizon;
    let until_by_other = |((fault, node), other): (&(FaultId, Node), &Faulted)| {
        let own = progress.of(injected.fault, *node).at?;
        // One that ends what it starts has further effects to come.
        let ends_again = |fault| trial.cut_starts_of(fault) != CutStarts::default();
        let is_loop = trial.plan.fault(*fault).is_some_and(ends_again);
        let goes_on = other.is_degraded || is_loop && !progress.over.contains(fault);
        let effect = other.at.filter(|_| !goes_on);
        let begun = effect.or(other.begun)?;
        let was_back = back.get(node).is_some_and(|back| *back < begun);
        let is_asked = starts.iter().any(|(start, _)| start == node);
        let overtakes = *fault != injected.fault && is_asked && begun >= own && !was_back;
        let missed = effect.is_none() && progress.over.contains(fault);
        (overtakes && !missed).then(|| effect.map(|at| at + horizon))
    };
    let mut others = progress.faulted.iter().filter_map(until_by_other);
    others.try_fold(injected.at + horizon, |until, other| {
        Some(until.max(other?))
    })
}

/// Who holds the sockets of those that were not back yet. One that was may be down again, by another fault: where all were, one
/// is enough.
fn owners_awaited<S: Seams>(
    trial: &Trial<'_, S>,
    starts: &[Start],
    back: &BTreeMap<Node, Elapsed>,
) -> Owner {
    let awaited = starts.iter().filter(|(node, _)| !back.contains_key(node));
    let awaited: Vec<Start> = awaited.copied().collect();
    if !awaited.is_empty() {
        return owners_of(trial, &awaited);
    }
    let mut owners = starts.iter().map(|start| owner_of(trial, *start));
    let new = owners.find(|owner| matches!(owner, Owner::New(_)));
    new.unwrap_or_else(|| owners_of(trial, starts))
}

/// Probes what the clients ask and, where several were faulted, each of those itself, until all answer correctly or the
/// horizon is reached; the first of the result stands for the service. The horizon is waited for even when a process
/// ends meanwhile, which is recorded: one that detached itself may still come up.
async fn watch<S: Seams>(trial: &Trial<'_, S>, injected: &Injected) -> Result<Vec<Watched>, Early> {
    let starts = starts_of(trial, injected);
    let whole = asked(trial, &injected.nodes);
    let mut asked = vec![(whole, starts.as_slice())];
    if starts.len() > 1 {
        asked.extend(starts.chunks(1).map(|start| (start[0].0, start)));
    }
    let probes = asked
        .iter()
        .map(|(node, _)| probe_of(trial, injected, *node));
    let probes: Vec<S::Probe<'_>> = probes.collect::<Result<_, _>>()?;
    let back = RefCell::default();
    let probing = probes.iter().zip(&asked).map(|(probe, (_, starts))| {
        let probing = probe.run(|| owners_awaited(trial, starts, &back.borrow()));
        let waiting = within_horizon(trial, injected, (starts, &back), probing);
        async move { (waiting.await, trial.site.clock.now()) }
    });
    // They have not served yet: those that end are started once more.
    let retried = injected.nodes.iter().copied().collect();
    let fault = injected.fault;
    trial.progress.borrow_mut().retried.insert(fault, retried);
    let results = join_all(probing).await;
    trial.progress.borrow_mut().retried.remove(&fault);
    record_survivors(trial, fault, &starts);
    let mut watched = Vec::with_capacity(asked.len());
    for ((probe, (node, _)), (result, ended)) in probes.iter().zip(asked).zip(results) {
        let back = match result {
            Some(Ok(recovered)) => Some(recovered),
            Some(Err(ProbeError::Harness(cause))) => return Err(EngineError::Probe(cause).into()),
            Some(Err(ProbeError::Unattributable(reason))) => return Err(aborted(reason)),
            // Nobody knows whether it is back.
            None => match probe.seen().unseen {
                Some(why) => return Err(aborted(unattributed(&why))),
                // It was not even asked to come back.
                None => match unbegun(trial, &starts) {
                    Some(why) => return Err(aborted(why)),
                    None => None,
                },
            },
        };
        let seen = probe.seen();
        // The store and the balancer are not asked themselves.
        if let (Some(back), true) = (&back, injected.nodes.contains(&node)) {
            record_return(trial, (injected.fault, node), &seen, back);
        }
        watched.push(Watched {
            node,
            seen,
            back,
            ended,
        });
    }
    Ok(watched)
}

/// Why one of these starts was not begun yet, if that is so.
fn unbegun<S: Seams>(trial: &Trial<'_, S>, starts: &[Start]) -> Option<String> {
    let mut starts = starts.iter();
    starts.find_map(|(node, start)| trial.seams.unbegun((trial.planned.id, *node, *start)))
}

fn unattributed(why: &str) -> String {
    format!("after the fault the replies were correct, but whose they were cannot be told: {why}")
}

/// Before the load: the probe does what it will do after the fault, with each that it will ask then. What the replies
/// show is required of it again.
pub(super) async fn rehearse<S: Seams>(trial: &Trial<'_, S>) -> Result<(), Early> {
    for node in to_rehearse(trial) {
        let setup = ProbeSetup {
            since: trial.site.clock.now(),
            ..setup_of(trial, node)
        };
        let probe = trial.seams.probe(setup).map_err(EngineError::Probe)?;
        let shares = trial.arm.replicas > 1 && !matches!(node, Node::Replica(_));
        let wanted = if shares {
            BALANCED_REHEARSALS
        } else {
            REHEARSALS
        };
        let rehearsed = match probe.rehearse(wanted).await {
            Ok(rehearsed) => rehearsed,
            Err(ProbeError::Harness(cause)) => return Err(EngineError::Probe(cause).into()),
            Err(ProbeError::Unattributable(reason)) => return Err(aborted(reason)),
        };
        let Rehearsed {
            work,
            usual,
            limit,
            anonymous_known,
        } = rehearsed.map_err(|problem| {
            aborted(format!(
                "the recovery probe's own user, whose number is above those of all clients, was not served before \
                 the fault: {problem}"
            ))
        })?;
        if let Some(problem) = limit {
            trial.record(EventKind::ProbeLimited { node, problem });
        }
        if anonymous_known {
            trial.record(EventKind::AnonymousKnown { node });
        }
        trial
            .progress
            .borrow_mut()
            .works
            .insert(node, (work, usual));
    }
    Ok(())
}

/// After the last look: whether a check still distinguishes a known user from somebody who never logged in. A server may accept everybody by then.
pub(super) async fn ask_anonymously<S: Seams>(trial: &Trial<'_, S>) -> Result<(), EngineError> {
    for node in to_rehearse(trial) {
        let since = trial.site.clock.now();
        let setup = setup_of(trial, node);
        let setup = ProbeSetup { since, ..setup };
        let probe = trial.seams.probe(setup).map_err(EngineError::Probe)?;
        let asked = tokio::time::timeout(ANONYMOUS_WITHIN, probe.rehearse(1));
        // One that does not answer well says nothing of it: that is seen elsewhere.
        if let Ok(Ok(Ok(rehearsed))) = asked.await
            && rehearsed.anonymous_known
        {
            trial.record(EventKind::AnonymousKnown { node });
        }
    }
    Ok(())
}

/// Whom the probe will ask after the fault.
fn to_rehearse<S>(trial: &Trial<'_, S>) -> BTreeSet<Node> {
    if matches!(trial.plan.load.workload, Workload::Stateless(_)) {
        return BTreeSet::new();
    }
    if trial.planned.is_control() {
        return [asked(trial, &[])].into();
    }
    let faults = trial.planned.faults.iter();
    let asked_after = |planned: &PlannedInjection| {
        let nodes = &planned.nodes;
        let fault = trial.plan.fault(planned.fault);
        // Each in turn, by itself.
        let whole = match fault.is_some_and(|fault| fault.effect.replaces()) {
            true => None,
            false => Some(asked(trial, nodes)),
        };
        let are_asked = nodes.len() > 1 || whole.is_none();
        let themselves = nodes.iter().copied().filter(move |_| are_asked);
        themselves.chain(whole).collect::<Vec<_>>()
    };
    faults.flat_map(asked_after).collect()
}

/// The setup of a probe of this node, before any fault.
pub(super) fn setup_of<'a, S>(trial: &'a Trial<'_, S>, node: Node) -> ProbeSetup<'a> {
    ProbeSetup {
        load: &trial.plan.load,
        endpoint: trial.placement.endpoint(node),
        boot_header: trial.arm.target.boot_header.as_deref(),
        old_boots: Vec::new(),
        work: None,
        usual: Span::ZERO,
        known: trial
            .trigger
            .get()
            .map_or_else(Known::default, |load| load.known().clone()),
        users: &trial.probe_users,
        since: Elapsed::default(),
        clock: trial.site.clock,
    }
}

fn probe_of<'a, S: Seams>(
    trial: &'a Trial<'_, S>,
    injected: &Injected,
    node: Node,
) -> Result<S::Probe<'a>, EngineError> {
    let rehearsed = trial.progress.borrow().works.get(&node).cloned();
    let (work, usual) = rehearsed.unzip();
    let setup = ProbeSetup {
        old_boots: injected.old_boots.clone(),
        work,
        usual: usual.unwrap_or(Span::ZERO),
        since: injected.at,
        ..setup_of(trial, node)
    };
    trial.seams.probe(setup).map_err(EngineError::Probe)
}

/// Whom to ask whether what was faulted is back: one replica itself, since others may answer in its place; for
/// everything else what the clients ask, but for a cache, which may answer for what is gone.
fn asked<S>(trial: &Trial<'_, S>, faulted: &[Node]) -> Node {
    match faulted {
        [alone @ (Node::Replica(_) | Node::Cache)] => *alone,
        _ => trial.arm.origin(),
    }
}

/// Right before and right after the final look: who but the new starts may answer it.
pub(super) fn look_around<S: Seams>(trial: &Trial<'_, S>) {
    let faulted = trial.faulted().into_iter();
    let starts = faulted.map(|node| (node, trial.placement.start(node)));
    // What only stood still is asked again, and is to answer.
    for (node, incarnation) in starts.filter(|(_, incarnation)| *incarnation > Incarnation(0)) {
        let place = (trial.planned.id, node, incarnation);
        // A daemon of an unknown start may be another node's.
        let strays = trial.placement.is_alone();
        let processes = trial.seams.old_processes(place, strays);
        if !processes.is_empty() {
            trial.record(EventKind::OldProcessesAlive { node, processes });
        }
        if let Owner::Old(problem) | Owner::Unseen(problem) = owner_of(trial, (node, incarnation)) {
            trial.record(EventKind::OldOwnerSeen { node, problem });
        }
    }
}

/// Asks each node that was not faulted, and said who it is before, who it is now.
pub(super) async fn check_untouched_nodes<S: Seams>(
    trial: &Trial<'_, S>,
) -> Result<(), EngineError> {
    let faulted = trial.faulted();
    for node in trial
        .placement
        .nodes()
        .filter(|node| !faulted.contains(node))
    {
        if !trial.progress.borrow().boots.contains_key(&node) {
            continue;
        }
        let target = trial.arm.target_of(node);
        let endpoint = trial.placement.endpoint(node);
        let boot_header = target.boot_header.as_deref();
        let boot = trial.seams.boot_of(&target.ready, endpoint, boot_header);
        if let Some(boot) = boot.await.map_err(EngineError::Probe)? {
            trial.record(EventKind::TargetSeen { node, boot });
        }
    }
    Ok(())
}

fn record_survivors<S: Seams>(trial: &Trial<'_, S>, fault: FaultId, starts: &[Start]) {
    let before = |(node, incarnation): &Start| {
        let place = (trial.planned.id, *node, *incarnation);
        trial.seams.members_before(place)
    };
    let pids: Vec<i32> = starts.iter().flat_map(before).collect();
    if !pids.is_empty() {
        trial.record(EventKind::SurvivorsFound { fault, pids });
    }
}

fn record_return<S>(
    trial: &Trial<'_, S>,
    (fault, node): (FaultId, Node),
    seen: &Seen,
    back: &Recovered,
) {
    if let Evidence::BootId(boot) = back.evidence {
        trial.note_boot(node, boot);
    }
    let kind = EventKind::TargetReturned {
        fault,
        node,
        last_failed_us: seen.last_failed,
        evidence: back.evidence,
        unowned: back.unowned.clone(),
    };
    trial.record_at(back.at, kind);
}

/// When the last of the faulted nodes took a connection. What stands before them takes some, whatever became of them; and so
/// does the kernel, where their sockets are held, or outlived them.
fn record_accept<S: Seams>(trial: &Trial<'_, S>, injected: &Injected, watched: &[Watched]) {
    let is_open_anyway = |node: &Node| {
        let place = (trial.planned.id, *node, trial.placement.start(*node));
        is_held(trial, *node) || trial.seams.held_on(place)
    };
    if injected.nodes.iter().any(is_open_anyway) {
        return;
    }
    let faulted = watched
        .iter()
        .filter(|watched| injected.nodes.contains(&watched.node));
    let accepted: Option<Vec<Accepted>> = faulted.map(|watched| watched.seen.accepted).collect();
    let last = accepted.into_iter().flatten().max_by_key(|one| one.at);
    if let Some(last) = last {
        let kind = EventKind::FirstAccept {
            fault: injected.fault,
            last_failed_us: last.last_failed,
        };
        trial.record_at(last.at, kind);
    }
}
