//! The loop of a trial: it owns the processes, and puts exits, calls of faults, their effects and what is due in one order.
//!
//! Exits come before calls: a fault cannot signal a process that has just ended, and claim its exit. The phases, the fault and
//! the probes are futures that the loop polls; they touch no process, but call.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use comeback_model::event::{EventKind, ExitCause, Phase};
use comeback_model::ids::{FaultId, Incarnation, Node};
use comeback_model::plan::Drain;
use comeback_model::units::{Elapsed, Span};
use tokio::sync::mpsc;

use super::aim::{self, Fired, Volley};
use super::attribution::Start;
use super::context::{Early, Trial, aborted, failed};
use super::interrupt::Interrupt;
use super::nodes::{self, Hold, Nodes, Running, launch, reply};
use super::proxies::{self, Proxies};
use super::seams::{End, Process, Seams};
use super::{EngineError, effects, on, recovery};
use crate::clock::Clock;
use crate::supervise::one_shot::OneShotCommand;
use comeback_faults::{
    Answer, Call, Calls, FaultError, Injectable, Injection, Sighting, SignalTo, Watch,
};

/// So long an end that is not told yet is waited for at a time.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long the balancer may take to send a replica requests again; its health checks come first.
const RETURN_WITHIN: Span = Span::from_secs(10);

/// The loop and its own state.
pub(super) struct TrialLoop<'t, S: Seams> {
    trial: &'t Trial<'t, S>,
    nodes: Nodes<S::Process>,
    proxies: Proxies<S::Process>,
    interrupt: &'t mut Interrupt,
    calls: mpsc::UnboundedReceiver<(FaultId, Call)>,
    /// By which surroundings call.
    hands: Calls,
    /// Calls that take their time.
    works: Vec<Pin<Box<dyn Future<Output = Done> + 't>>>,
    /// Nodes that are to be started again.
    due: BTreeMap<Node, Due>,
    /// Nodes that are watched.
    watches: Vec<(Node, Watch)>,
    /// The first start of a node after the latest fault that ended it.
    first_starts: BTreeMap<Node, Incarnation>,
}

/// A start that is due.
struct Due {
    at: Elapsed,
    /// The caller. None if a start is only retried.
    answer: Option<Answer<()>>,
}

/// A call that took its time is done.
enum Done {
    /// The signal was sent, or could not be.
    Signalled {
        fault: FaultId,
        nodes: Vec<Node>,
        fired: Result<Result<Fired, FaultError>, EngineError>,
        answer: Answer<Vec<Node>>,
    },
    /// The balancer got an order about a replica.
    Told {
        event: EventKind,
        answer: Answer<()>,
    },
    /// A surrounding was applied to a node that was started again, or could not be.
    Surrounded {
        id: FaultId,
        start: Start,
        applied: Result<(), FaultError>,
    },
    /// It is known whether a node came back.
    Returned {
        fault: FaultId,
        node: Node,
        back: Result<bool, Early>,
        answer: Answer<bool>,
    },
}

impl<'t, S: Seams> TrialLoop<'t, S> {
    /// A loop that takes these calls; nothing is started yet.
    pub(super) fn new(
        trial: &'t Trial<'t, S>,
        interrupt: &'t mut Interrupt,
        (hands, calls): (Calls, mpsc::UnboundedReceiver<(FaultId, Call)>),
    ) -> Self {
        Self {
            hands,
            trial,
            nodes: Nodes::default(),
            proxies: Proxies::default(),
            interrupt,
            calls,
            works: Vec::new(),
            due: BTreeMap::new(),
            watches: Vec::new(),
            first_starts: BTreeMap::new(),
        }
    }

    /// Starts every node, each when the one before is up, and before it the proxy in front of it.
    pub(super) async fn start_all(&mut self) -> Result<(), Early> {
        let trial = self.trial;
        for node in trial.placement.nodes() {
            if let Some(proxy) = self.run(proxies::start(trial, node)).await?? {
                self.proxies.push(proxy);
            }
            let running = self.start_first(node).await?;
            self.nodes.push(running);
            for id in trial.surroundings_of(node) {
                let (surrounding, on) = self.surrounding(id, node)?;
                let applied = async move { surrounding.inject(&on).await };
                let applied = self.run(applied).await?;
                applied.map_err(|error| failed(id, error))?;
            }
        }
        Ok(())
    }

    /// Starts a node for the first time in its trial, and waits until it is up. After a kill of the idle server this is a restart as
    /// after any fault: after the plan's pause, with its attempts, for as long as the horizon.
    async fn start_first(&mut self, node: Node) -> Result<Running<S::Process>, Early> {
        let (trial, clock) = (self.trial, self.trial.site.clock);
        let target = trial.arm.target_of(node);
        if trial.is_after_kill {
            self.run(tokio::time::sleep(target.restart_after.into()))
                .await?;
        }
        let mut within = trial.start_within(node);
        let begun = clock.now();
        let until = begun + within;
        let mut number = Incarnation(0);
        let mut running = Running::new(launch(trial, node, number).map_err(Early::Target)?);
        loop {
            let up = nodes::await_first_start(trial, &mut running.process, within);
            let Err(early) = self.run(up).await? else {
                let took = clock.now().since(begun);
                let started_in = &mut trial.progress.borrow_mut().started_in;
                started_in.insert(node, took);
                return Ok(running);
            };
            number = Incarnation(number.0 + 1);
            let pause = target.attempts.pause_after(number);
            let pause = pause.filter(|_| trial.is_after_kill && !running.process.is_running());
            match pause {
                Some(pause) if clock.now() + pause < until => {
                    self.run(tokio::time::sleep(pause.into())).await?;
                }
                Some(_) | None => return Err(early),
            }
            within = until.since(clock.now());
            running.replace(launch(trial, node, number).map_err(Early::Target)?);
        }
    }

    /// A surrounding, and its hands on a node.
    fn surrounding(
        &self,
        id: FaultId,
        node: Node,
    ) -> Result<(Box<dyn Injectable>, Injection), Early> {
        let fault = self.trial.fault(id)?;
        let hands = (self.trial.site.clock, self.hands.clone());
        let on = Injection::new((id, vec![node]), fault.reach, fault.lands_within, hands);
        let surrounding = comeback_faults::load(fault).map_err(EngineError::Fault)?;
        Ok((surrounding, on))
    }

    /// Undoes the surroundings of all nodes that run, if they held.
    pub(super) async fn release_all(&mut self) -> Result<(), Early> {
        let trial = self.trial;
        for node in trial.placement.nodes() {
            for id in trial.surroundings_of(node) {
                let is_there = |running: &mut Running<S::Process>| running.process.is_running();
                if !self.nodes.get_mut(node).is_some_and(is_there) {
                    continue;
                }
                let (surrounding, on) = self.surrounding(id, node)?;
                let released = async move { surrounding.release(&on).await };
                let released = self.run(released).await?;
                released.map_err(|error| failed(id, error))?;
            }
        }
        Ok(())
    }

    /// Stops every node, and what stands in front of them.
    pub(super) async fn stop_all(&mut self) -> Result<(), Early> {
        self.end_all(false).await
    }

    /// Stops them so, or kills every node.
    pub(super) async fn end_all(&mut self, by_kill: bool) -> Result<(), Early> {
        self.see_ends().await?;
        tokio::select! {
            biased;
            () = self.interrupt.raised() => Err(Early::Interrupted),
            stopped = async {
                nodes::stop_all(self.trial, &mut self.nodes, by_kill).await?;
                self.proxies.stop().await
            } => Ok(stopped?),
        }
    }

    /// Sees the ends that have come by now: one may have ended by itself at this moment.
    pub(super) async fn see_ends(&mut self) -> Result<(), Early> {
        self.run(std::future::ready(())).await?;
        while self.nodes.have_untold_end() {
            tokio::select! {
                biased;
                () = self.interrupt.raised() => return Err(Early::Interrupted),
                (place, end) = self.nodes.next_end() => {
                    self.see_end(place, end.map_err(EngineError::Process)?)?;
                }
                // What ended may have been but the launcher of what goes on.
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        Ok(())
    }

    /// Whether all nodes run.
    pub(super) fn are_running(&self) -> bool {
        self.nodes.are_running()
    }

    /// Goes round until `work` is done, or the trial ends early.
    pub(super) async fn run<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Early> {
        let mut work = pin!(work);
        loop {
            let next = self.due.values().map(|due| due.at).min();
            let next = next.map(|at| self.trial.site.clock.instant(at));
            tokio::select! {
                biased;
                () = self.interrupt.raised() => return Err(Early::Interrupted),
                (place, end) = self.nodes.next_end() => {
                    let end = end.map_err(EngineError::Process)?;
                    self.see_end(place, end)?;
                }
                early = self.proxies.next_end() => return Err(early),
                Some((fault, call)) = self.calls.recv() => self.take(fault, call)?,
                done = next_done(&mut self.works) => self.finish(done)?,
                done = &mut work => return Ok(done),
                () = wait_until(next) => self.start_due()?,
            }
        }
    }

    /// A process has ended, or all others that a fault addressed with it.
    fn see_end(&mut self, place: usize, end: End) -> Result<(), Early> {
        let running = self.nodes.at_mut(place);
        if end == End::Executed {
            nodes::record_executed(self.trial, &running.process);
            return Ok(());
        }
        let cause = running.cause();
        if let End::Exited(..) = end {
            self.trial.record_exit(&running.process, cause);
        }
        running.answer_waiting();
        if let (ExitCause::Unexpected, Some(problem)) = (cause, running.process.displaced()) {
            return Err(aborted(problem.to_owned()));
        }
        match (end, cause) {
            (End::Exited(exit, at), ExitCause::Unexpected) => {
                let start = (running.process.node(), running.process.incarnation());
                let problem = format!("{} {exit} by itself", self.trial.name_of(start.0));
                self.see_unexpected(start, at, problem)
            }
            _ => Ok(()),
        }
    }

    /// A node has ended by itself: before the fault that ends the trial, and one that was started again and has not served is
    /// started once more.
    fn see_unexpected(
        &mut self,
        (node, start): (Node, Incarnation),
        at: Elapsed,
        problem: String,
    ) -> Result<(), Early> {
        let is_held = |running: &mut Running<S::Process>| matches!(running.hold, Hold::Held(_));
        let is_held = self.nodes.get_mut(node).is_some_and(is_held);
        let mut progress = self.trial.progress.borrow_mut();
        match progress.phase {
            Some(Phase::WarmUp | Phase::Baseline) => return Err(aborted(problem)),
            None | Some(Phase::Start | Phase::Open) => {
                progress.ended_early.get_or_insert(problem);
            }
            Some(
                Phase::Fault | Phase::Recovery | Phase::Settle | Phase::ReadBack | Phase::Stop,
            ) => {}
        }
        // What ends under worse conditions is started again when they are over.
        if progress.is_retried(node) && !is_held {
            let attempts = self.trial.target_now(node).attempts;
            // Each fault has as many starts.
            let before = self.first_starts.get(&node).map_or(0, |first| first.0 - 1);
            if let Some(pause) = attempts.pause_after(Incarnation(start.0.saturating_sub(before))) {
                let (at, answer) = (at + pause, None);
                self.due.insert(node, Due { at, answer });
            }
        }
        Ok(())
    }

    /// Starts the nodes that are due.
    fn start_due(&mut self) -> Result<(), Early> {
        let now = self.trial.site.clock.now();
        let due: Vec<Node> = self
            .due
            .iter()
            .filter(|(_, due)| due.at <= now)
            .map(|(node, _)| *node)
            .collect();
        for node in due {
            let Some(Due { answer, .. }) = self.due.remove(&node) else {
                continue;
            };
            if answer.is_some() {
                self.note_first_start(node);
            }
            // One that is only tried once more is not when it has served meanwhile, or its time is over.
            if answer.is_some() || self.trial.progress.borrow().is_retried(node) {
                self.start_again(node)?;
            }
            if let Some(answer) = answer {
                reply(answer, Ok(()));
            }
        }
        Ok(())
    }

    /// A fault starts a node again.
    fn note_first_start(&mut self, node: Node) {
        let next = Incarnation(self.trial.placement.start(node).0 + 1);
        self.first_starts.insert(node, next);
    }

    /// Watches a node. What it has written so far does not count.
    fn watch(&mut self, node: Node, watch: Watch) {
        if let Some(running) = self.nodes.get_mut(node) {
            let _so_far = running.process.tail();
            look_for(&running.process, &watch, self.trial.site.clock);
        }
        self.watches.push((node, watch));
    }

    /// A watched node was started again.
    fn tell_of_start(&mut self, node: Node) {
        self.watches.retain(|(_, watch)| !watch.tell.is_closed());
        let Some(running) = self.nodes.get_mut(node) else {
            return;
        };
        let process = &running.process;
        for (_, watch) in self.watches.iter().filter(|(of, _)| *of == node) {
            look_for(process, watch, self.trial.site.clock);
            if watch.text.is_none() {
                // Nobody may listen any more.
                let _ = watch.tell.send(Sighting {
                    at: process.executed(),
                    node,
                    incarnation: process.incarnation(),
                    line: None,
                });
            }
        }
    }

    /// Starts a node again that has ended.
    fn start_again(&mut self, node: Node) -> Result<(), Early> {
        if let Some(running) = self.nodes.get_mut(node) {
            let next = Incarnation(running.process.incarnation().0 + 1);
            running.replace(launch(self.trial, node, next).map_err(Early::Target)?);
        }
        self.tell_of_start(node);
        let start = self.trial.placement.start(node);
        for id in self.trial.surroundings_of(node) {
            let (surrounding, on) = self.surrounding(id, node)?;
            self.works.push(Box::pin(async move {
                let applied = surrounding.inject(&on).await;
                Done::Surrounded {
                    id,
                    start: (node, start),
                    applied,
                }
            }));
        }
        Ok(())
    }

    /// Carries out a fault's call, or begins to.
    fn take(&mut self, fault: FaultId, call: Call) -> Result<(), Early> {
        match call {
            Call::Signal(to, answer) => self.signal(fault, to, answer)?,
            Call::Node(node, call) => {
                // A fault is aimed at nodes that there are.
                if let Some(running) = self.nodes.get_mut(node) {
                    effects::act(self.trial, fault, running, call)?;
                }
            }
            Call::Drain(node, within, answer) => self.drain((fault, node), within, answer),
            Call::Undrain(node, answer) => self.undrain((fault, node), answer),
            Call::Start(node, since, answer) => self.start_later((fault, node), since, answer)?,
            Call::AwaitReturn(node, answer) => self.await_return((fault, node), answer),
            Call::Watch(node, watch) => self.watch(node, watch),
        }
        Ok(())
    }

    /// Finds whom the fault addresses, and sends the signal at its moment. Until it was sent none of the nodes is reaped.
    fn signal(
        &mut self,
        fault: FaultId,
        SignalTo {
            nodes,
            signal,
            reach,
        }: SignalTo,
        answer: Answer<Vec<Node>>,
    ) -> Result<(), Early> {
        for running in self.nodes.select_mut(&nodes) {
            if let Err(missed) = running.check_free_for(fault) {
                reply(answer, Err(missed));
                return Ok(());
            }
        }
        for running in self.nodes.select_mut(&nodes) {
            let addressed = running.process.address(reach);
            addressed.map_err(EngineError::Process)?;
        }
        let (mut shots, mut ends) = (Vec::with_capacity(nodes.len()), Vec::new());
        for running in self.nodes.select_mut(&nodes) {
            let (process, node) = (&running.process, running.process.node());
            shots.push((node, process.shot(signal).map_err(EngineError::Process)?));
            if on::of_load(self.trial, fault).is_some() {
                ends.push((node, process.seen_end().map_err(EngineError::Process)?));
            }
            running.hold = Hold::Armed(fault);
        }
        let trial = self.trial;
        self.works.push(Box::pin(async move {
            let fired = aim::fire(trial, fault, Volley { shots, ends }).await;
            Done::Signalled {
                fault,
                nodes,
                fired,
                answer,
            }
        }));
        Ok(())
    }

    fn drain(&mut self, (fault, node): (FaultId, Node), within: Span, answer: Answer<()>) {
        let Some(Drain { begin, .. }) = &self.trial.arm.drain else {
            return reply(answer, Ok(()));
        };
        let now = self.trial.site.clock.now();
        on::record(self.trial, fault, now);
        self.trial.record(EventKind::DrainBegun { fault, node });
        self.trial.progress.borrow_mut().begin(fault, node, now);
        let done = move |node, problem| EventKind::Drained {
            fault,
            node,
            problem,
        };
        self.tell((node, begin, within), answer, done);
    }

    fn undrain(&mut self, (fault, node): (FaultId, Node), answer: Answer<()>) {
        let Some(Drain { end, .. }) = &self.trial.arm.drain else {
            return reply(answer, Ok(()));
        };
        let done = move |node, problem| EventKind::DrainEnded {
            fault,
            node,
            problem,
        };
        self.tell((node, end, RETURN_WITHIN), answer, done);
    }

    /// Runs a command that tells the balancer something about a replica.
    fn tell(
        &mut self,
        (node, command, within): (Node, &'t [String], Span),
        answer: Answer<()>,
        done: impl FnOnce(Node, Option<String>) -> EventKind + 't,
    ) {
        let trial = self.trial;
        let command = OneShotCommand {
            command,
            of: Node::Balancer,
            about: node,
            slot: trial.placement.place(Node::Balancer),
            addresses: trial.placement.addresses(),
            trial: trial.planned.id,
            tag: &trial.site.tag,
        };
        self.works.push(Box::pin(async move {
            let told = trial.seams.run_command(command, within).await;
            let event = done(node, told.err());
            Done::Told { event, answer }
        }));
    }

    /// Starts a node again when the plan's pause is over; at once where there is none.
    fn start_later(
        &mut self,
        (fault, node): (FaultId, Node),
        since: Option<Elapsed>,
        answer: Answer<()>,
    ) -> Result<(), Early> {
        if self
            .trial
            .plan
            .fault(fault)
            .is_some_and(|fault| fault.needs.next)
        {
            self.trial.placement.slot(node).is_deployed.set(true);
        }
        let pause = self.trial.arm.target_of(node).restart_after;
        if pause == Span::ZERO {
            // A try that was due is this one.
            self.due.remove(&node);
            self.note_first_start(node);
            self.start_again(node)?;
            reply(answer, Ok(()));
            return Ok(());
        }
        let confirmed = self.trial.progress.borrow().of(fault, node).at;
        let since = since.or(confirmed);
        let due = Due {
            at: since.unwrap_or_else(|| self.trial.site.clock.now()) + pause,
            answer: Some(answer),
        };
        self.due.insert(node, due);
        Ok(())
    }

    fn await_return(&mut self, (fault, node): (FaultId, Node), answer: Answer<bool>) {
        let trial = self.trial;
        self.works.push(Box::pin(async move {
            let back = recovery::run_part(trial, fault, node).await;
            Done::Returned {
                fault,
                node,
                back,
                answer,
            }
        }));
    }

    fn finish(&mut self, done: Done) -> Result<(), Early> {
        match done {
            Done::Signalled {
                fault,
                nodes,
                fired,
                answer,
            } => {
                let missed = match fired? {
                    Ok(fired) => Ok(aim::record(self.trial, fired)?),
                    Err(never) => Err(never),
                };
                for running in self.nodes.select_mut(&nodes) {
                    let node = running.process.node();
                    running.hold = match &missed {
                        Ok(missed) if !missed.contains(&node) => Hold::Signalled(fault),
                        Ok(_) | Err(_) => Hold::Free,
                    };
                }
                reply(answer, missed);
            }
            Done::Surrounded {
                id,
                start: (node, start),
                applied,
            } => {
                let mut runs = self.nodes.get_mut(node).into_iter();
                // What has ended again meanwhile has no need of it.
                if runs.any(|running| {
                    running.process.is_running() && running.process.incarnation() == start
                }) {
                    applied.map_err(|error| failed(id, error))?;
                }
            }
            Done::Told { event, answer } => {
                self.trial.record(event);
                reply(answer, Ok(()));
            }
            Done::Returned {
                fault,
                node,
                back,
                answer,
            } => {
                let back = back?;
                self.trial
                    .progress
                    .borrow_mut()
                    .faulted(fault, node)
                    .returned = Some(back);
                reply(answer, Ok(back));
            }
        }
        Ok(())
    }
}

/// Has a process tell of its next line with the text that is looked for, if one is.
fn look_for(process: &impl Process, Watch { text, tell }: &Watch, clock: Clock) {
    let Some(text) = text else {
        return;
    };
    let (node, incarnation, tell) = (process.node(), process.incarnation(), tell.clone());
    let found = move |line| {
        // Nobody may listen any more.
        let _ = tell.send(Sighting {
            at: clock.now(),
            node,
            incarnation,
            line: Some(line),
        });
    };
    process.on_line(text.clone(), Box::new(found));
}

/// The next of the calls that take their time to be done. Pending for good when there is none.
async fn next_done<'t>(works: &mut Vec<Pin<Box<dyn Future<Output = Done> + 't>>>) -> Done {
    poll_fn(|context| {
        for place in 0..works.len() {
            if let Poll::Ready(done) = works[place].as_mut().poll(context) {
                drop(works.remove(place));
                return Poll::Ready(done);
            }
        }
        Poll::Pending
    })
    .await
}

async fn wait_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
