//! The processes of a trial: what the replicas share, the replicas, what stands in front of them and in front of that. Started in
//! that order and stopped in the other; whichever ends unasked is seen.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::Poll;

use comeback_model::event::{EventKind, Exit, ExitCause, Survivor};
use comeback_model::ids::{BootId, Incarnation, Node};
use comeback_model::plan::Listener;
use comeback_model::units::Elapsed;

use super::EngineError;
use super::attribution::owner_of;
use super::context::{Early, Trial, aborted};
use super::readiness::{boot_of, wait_until_ready};
use crate::load::probe::{Owner, Work};
use crate::supervise::ownership;
use crate::supervise::process::{Launch, Process, StartError};

/// A node under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) process: Process,
    /// Its earlier starts of which something lives on: dropping one would kill that.
    former: Vec<Process>,
    /// What its first start called itself, if it said so.
    pub(super) boot: Option<BootId>,
    /// What a probe that asks it must be answered correctly.
    pub(super) work: Option<Work>,
}

/// The running processes, in the order they were started.
#[derive(Debug, Default)]
pub(super) struct Nodes(Vec<Running>);

impl Nodes {
    /// Starts every node, each when the one before is up.
    pub(super) async fn start(trial: &Trial<'_>) -> Result<Self, Early> {
        let mut nodes = Self::default();
        for node in trial.seats.nodes() {
            let running = start_first(trial, node).await?;
            nodes.0.push(running);
        }
        Ok(nodes)
    }

    pub(super) fn get(&self, node: Node) -> Option<&Running> {
        self.0.iter().find(|running| running.process.node() == node)
    }

    pub(super) fn get_mut(&mut self, node: Node) -> Option<&mut Running> {
        let mut nodes = self.0.iter_mut();
        nodes.find(|running| running.process.node() == node)
    }

    /// Those of them, in the order they were started.
    pub(super) fn these(&mut self, wanted: &[Node]) -> impl Iterator<Item = &mut Running> {
        let nodes = self.0.iter_mut();
        nodes.filter(move |running| wanted.contains(&running.process.node()))
    }

    /// What those of them that said so called themselves.
    pub(super) fn boots_of(&self, wanted: &[Node]) -> Vec<BootId> {
        let boots = wanted.iter().filter_map(|node| self.get(*node)?.boot);
        boots.collect()
    }

    /// Asks each that was not struck, and said who it is before, who it is now.
    pub(super) async fn see_bystanders(&self, trial: &Trial<'_>) -> Result<(), EngineError> {
        let struck = trial
            .planned
            .struck(trial.plan.fault.aim, trial.arm.replicas);
        for running in &self.0 {
            let node = running.process.node();
            if running.boot.is_none() || struck.contains(&node) {
                continue;
            }
            let target = trial.arm.target_of(node);
            let seat = trial.seats.endpoint(node);
            let boot_header = target.boot_header.as_deref();
            let boot = boot_of(&target.ready, seat, boot_header).await;
            if let Some(boot) = boot.map_err(EngineError::Probe)? {
                trial.record(EventKind::TargetSeen { node, boot });
            }
        }
        Ok(())
    }

    pub(super) fn all(&mut self) -> &mut [Running] {
        &mut self.0
    }

    /// Whether all of them run.
    pub(super) fn are_running(&self) -> bool {
        self.0.iter().all(|running| running.process.is_running())
    }

    /// The next of them to end, how and when. Pending for good when none runs.
    pub(super) async fn next_exit(&mut self) -> (usize, io::Result<(Exit, Elapsed)>) {
        next_exit(self.0.iter_mut()).await
    }

    /// Those of them, and all others.
    pub(super) fn split(&mut self, wanted: &[Node]) -> (Vec<&mut Running>, Beside<'_>) {
        let all = self.0.iter_mut();
        let (those, others) = all.partition(|running| wanted.contains(&running.process.node()));
        (those, Beside(others))
    }

    /// Records every end that nobody asked for until `work` is done.
    pub(super) async fn alongside<T>(
        &mut self,
        trial: &Trial<'_>,
        work: impl Future<Output = T>,
    ) -> Result<T, EngineError> {
        self.split(&[]).1.alongside(trial, work).await
    }

    /// Records every end that nobody asked for until `work` is done, and starts those of `struck` again that end: they
    /// have not served yet. What such a start left is left alone.
    pub(super) async fn alongside_starts<T>(
        &mut self,
        trial: &Trial<'_>,
        struck: &[Node],
        work: impl Future<Output = T>,
    ) -> Result<T, Early> {
        let mut work = std::pin::pin!(work);
        let mut due: BTreeMap<Node, Elapsed> = BTreeMap::new();
        loop {
            let next = due.iter().min_by_key(|(_, at)| **at);
            let next = next.map(|(node, at)| (*node, trial.site.clock.instant(*at)));
            let starting = async {
                match next {
                    Some((node, at)) => {
                        tokio::time::sleep_until(at).await;
                        node
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                (place, exited) = self.next_exit() => {
                    let (exit, at) = exited.map_err(EngineError::Process)?;
                    let process = &self.0[place].process;
                    trial.record_exit(process, (exit, at), ExitCause::Unasked);
                    let (node, start) = (process.node(), process.incarnation());
                    let attempts = trial.arm.target_at(node, start).attempts;
                    let pause = attempts.pause_after(start).filter(|_| struck.contains(&node));
                    due.extend(pause.map(|pause| (node, at + pause)));
                }
                node = starting => {
                    due.remove(&node);
                    self.start_again(trial, node)?;
                }
            }
        }
    }

    /// Starts a node again that has ended; which start that is.
    pub(super) fn start_again(
        &mut self,
        trial: &Trial<'_>,
        node: Node,
    ) -> Result<Option<Incarnation>, Early> {
        let Some(running) = self.get_mut(node) else {
            return Ok(None);
        };
        let next = Incarnation(running.process.incarnation().0 + 1);
        running.replace(launch(trial, node, next).map_err(Early::Target)?);
        Ok(Some(next))
    }

    /// Stops them, the last started first. What one that ended by itself left is found by its tag: its group's
    /// number may be somebody else's by now.
    pub(super) async fn stop(&mut self, trial: &Trial<'_>) -> Result<(), EngineError> {
        // One may have ended unasked in this very moment.
        self.alongside(trial, std::future::ready(())).await?;
        for running in self.0.iter_mut().rev() {
            let process = &mut running.process;
            if process.is_running() {
                let place = (process.node(), process.incarnation());
                let stop = &trial.arm.target_at(place.0, place.1).stop;
                let stopped = process.stop(stop).await.map_err(EngineError::Process)?;
                trial.record_exit(process, (stopped.exit, stopped.at), ExitCause::Stopped);
                process.clear_group().await.map_err(EngineError::Process)?;
            }
        }
        Ok(())
    }
}

/// Nodes that are watched while something is done to others.
pub(super) struct Beside<'a>(Vec<&'a mut Running>);

impl Beside<'_> {
    /// Records every end that nobody asked for until `work` is done.
    pub(super) async fn alongside<T>(
        mut self,
        trial: &Trial<'_>,
        work: impl Future<Output = T>,
    ) -> Result<T, EngineError> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                (place, exited) = next_exit(self.0.iter_mut().map(|running| &mut **running)) => {
                    let exited = exited.map_err(EngineError::Process)?;
                    trial.record_exit(&self.0[place].process, exited, ExitCause::Unasked);
                }
            }
        }
    }
}

/// The next of them to end, by its place. Pending for good when none runs.
async fn next_exit<'a>(
    all: impl Iterator<Item = &'a mut Running>,
) -> (usize, io::Result<(Exit, Elapsed)>) {
    type Exiting<'a> = Pin<Box<dyn Future<Output = (usize, io::Result<(Exit, Elapsed)>)> + 'a>>;
    let mut exits: Vec<Exiting<'_>> = all
        .enumerate()
        .filter(|(_, running)| running.process.is_running())
        .map(|(place, running)| {
            let exit = async move { (place, running.process.exited().await) };
            Box::pin(exit) as Exiting<'_>
        })
        .collect();
    poll_fn(|context| {
        for exit in &mut exits {
            if let Poll::Ready(ended) = exit.as_mut().poll(context) {
                return Poll::Ready(ended);
            }
        }
        Poll::Pending
    })
    .await
}

impl Running {
    /// Takes a further start in place of the last. What that left is left alone until the trial's end.
    fn replace(&mut self, next: Process) {
        let last = std::mem::replace(&mut self.process, next);
        if !last.is_running() && !last.is_cleared() {
            self.former.push(last);
        }
    }
}

async fn start_first(trial: &Trial<'_>, node: Node) -> Result<Running, Early> {
    let incarnation = Incarnation(0);
    let mut process = launch(trial, node, incarnation).map_err(Early::Target)?;
    let target = trial.arm.target_of(node);
    let endpoint = trial.seats.endpoint(node);
    let boot_header = target.boot_header.as_deref();
    let clock = trial.site.clock;
    match wait_until_ready(&mut process, &target.ready, endpoint, boot_header, clock).await {
        Ok(ready) => {
            if ready.boot.is_none() {
                if let Some(other) = taken_by_another(trial, node) {
                    return Err(answered_by_another(node, incarnation, other));
                }
                check_attribution(trial, node)?;
            }
            let kind = EventKind::TargetReady {
                node,
                boot: ready.boot,
            };
            trial.record_at(ready.at, kind);
            Ok(Running {
                process,
                former: Vec::new(),
                boot: ready.boot,
                work: None,
            })
        }
        Err(not_ready) => Err(Early::Target(EventKind::TargetStartFailed {
            node,
            incarnation,
            problem: not_ready.to_string(),
            tail: process.tail(),
            port_taken_by: taken_by_another(trial, node),
        })),
    }
}

/// A process that listens in a node's place, and was there before the harness: no part of the server, whatever that does.
fn taken_by_another(trial: &Trial<'_>, node: Node) -> Option<Survivor> {
    if trial.arm.target_of(node).listener == Listener::Held {
        return None;
    }
    let endpoint = trial.seats.endpoint(node);
    ownership::older_than_us(endpoint, &trial.site.tag)
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
fn check_attribution(trial: &Trial<'_>, node: Node) -> Result<(), Early> {
    if trial.arm.target_of(node).listener == Listener::Held {
        return Err(aborted(
            "the reply that showed it to be up does not carry the boot header, which alone tells processes with a \
             held listener apart: have it there, or leave listener = \"held\" out"
                .to_owned(),
        ));
    }
    match owner_of(trial, (node, Incarnation(0))) {
        Owner::New(_) => Ok(()),
        Owner::Old(problem) | Owner::Unknown(problem) => Err(aborted(format!(
            "its replies could not be told from those of another process ({problem}); a response header that \
             changes with each start would do it (--boot-header)"
        ))),
    }
}

/// Starts an incarnation and records it; says what to record when that fails.
pub(super) fn launch(
    trial: &Trial<'_>,
    node: Node,
    incarnation: Incarnation,
) -> Result<Process, EventKind> {
    let seat = trial.seats.seat(node);
    seat.start.store(incarnation.0, Ordering::Relaxed);
    let started = Process::spawn(Launch {
        target: trial.arm.target_at(node, incarnation),
        port: seat.endpoint.port,
        data: &seat.data,
        node,
        addresses: trial.seats.addresses(),
        trial: trial.planned.id,
        incarnation,
        tag: &trial.site.tag,
        log: trial.log_of(node, incarnation),
        clock: trial.site.clock,
        listener: seat.listener.as_ref(),
    });
    match started {
        Ok(process) => {
            let kind = EventKind::TargetExecuted {
                node,
                incarnation,
                pid: process.pid(),
                requested_us: process.requested(),
                launched_us: process.launched(),
            };
            trial.record_at(process.executed(), kind);
            Ok(process)
        }
        Err(error) => Err(start_failed(node, incarnation, &error)),
    }
}

/// What to record of a target that could not be started at all.
pub(super) fn start_failed(node: Node, incarnation: Incarnation, error: &StartError) -> EventKind {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    EventKind::TargetStartFailed {
        node,
        incarnation,
        problem: text,
        tail: Vec::new(),
        port_taken_by: None,
    }
}
