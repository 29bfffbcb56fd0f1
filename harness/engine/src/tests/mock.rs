//! Processes and load that are none: they do what a test says, at moments of the paused clock.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use comeback_model::event::{Evidence, Exit, OldProcess, Survivor};
use comeback_model::ids::{BootId, Incarnation, Node};
use comeback_model::plan::{Reach, Readiness, Signal, Stop};
use comeback_model::said::Line;
use comeback_model::units::{Elapsed, Span};
use tokio::sync::Notify;
use tokio::time::sleep_until;

use crate::EngineError;
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::load::probe::{self, ProbeError, ProbeSetup, Recovered, Rehearsed, Seen, Work};
use crate::load::{LoadError, Opened, Setup, Tally, Trigger};
use crate::readiness::{NotReady, Ready};
use crate::record::Recorder;
use crate::seams::{Book, Checkup, End, Load, Place, Probe, Process, Processes, Shot, Traffic};
use crate::supervise::errand::Errand;
use crate::supervise::ownership::Owner;
use crate::supervise::process::{Launch, StartError, Stopped};

/// How a node behaves.
#[derive(Clone, Debug)]
pub(super) struct Behaviour {
    /// From its execution until it is ready; it never is without.
    pub(super) ready_after: Option<Span>,
    /// From its execution until a probe is answered correctly, from its second start on; never without.
    pub(super) serves_after: Option<Span>,
    /// From a signal until the process ends by it; it does not without.
    pub(super) ends_after: Option<Span>,
    /// With which exit it ends then, where not by the signal.
    pub(super) ends_with: Option<Exit>,
    /// The same of its other processes.
    pub(super) others_end_after: Vec<Option<Span>>,
    /// From SIGSTOP until it stands still; it never does without.
    pub(super) still_after: Option<Span>,
    /// Starts that end by themselves: which, when after their execution, and how.
    pub(super) exits: Vec<(u32, Span, Exit)>,
    /// Starts that fail.
    pub(super) cannot_start: Vec<u32>,
    /// What each start calls itself, if it does.
    pub(super) is_named: bool,
    /// How often others are found that it started since.
    pub(super) newcomers: u32,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            ready_after: Some(Span::ZERO),
            serves_after: Some(Span::from_ms(100)),
            ends_after: Some(Span::from_ms(1)),
            ends_with: None,
            others_end_after: Vec::new(),
            still_after: Some(Span::from_ms(2)),
            exits: Vec::new(),
            cannot_start: Vec::new(),
            is_named: false,
            newcomers: 0,
        }
    }
}

/// What was done, and when.
pub(super) type Deeds = Rc<RefCell<Vec<(Elapsed, String)>>>;

/// All that a trial stands on.
#[derive(Debug)]
pub(super) struct Mock {
    pub(super) clock: Clock,
    pub(super) nodes: BTreeMap<Node, Behaviour>,
    /// From how many rounds of logins on all users have a session.
    pub(super) opens_after: u32,
    /// Why the probe's rehearsal fails.
    pub(super) rehearsal_fails: Option<String>,
    /// How long a command to the balancer takes, and what is wrong with it.
    pub(super) command_takes: Span,
    pub(super) command_fails: Option<String>,
    /// What is left of the run after a trial.
    pub(super) leaves: Vec<i32>,
    pub(super) deeds: Deeds,
    ports: Cell<u16>,
    pids: Cell<i32>,
    places: RefCell<BTreeMap<u16, Node>>,
    latest: RefCell<BTreeMap<Node, Latest>>,
}

/// The latest start of a node.
#[derive(Clone, Debug)]
struct Latest {
    place: Place,
    pid: i32,
    executed: Elapsed,
    life: Arc<Life>,
}

#[derive(Debug, Default)]
struct Life {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// When and how it will end.
    end: Option<(Elapsed, Exit)>,
    /// It was reaped.
    exit: Option<(Exit, Elapsed)>,
    others: Vec<Other>,
    paused: Option<Elapsed>,
}

#[derive(Clone, Copy, Debug)]
struct Other {
    end: Option<Elapsed>,
    is_over: bool,
}

impl Mock {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            nodes: BTreeMap::new(),
            opens_after: 1,
            rehearsal_fails: None,
            command_takes: Span::from_ms(5),
            command_fails: None,
            leaves: Vec::new(),
            deeds: Deeds::default(),
            ports: Cell::new(40_000),
            pids: Cell::new(100),
            places: RefCell::default(),
            latest: RefCell::default(),
        }
    }

    fn note(&self, deed: String) {
        self.deeds.borrow_mut().push((self.clock.now(), deed));
    }

    fn behaviour(&self, node: Node) -> Behaviour {
        self.nodes.get(&node).cloned().unwrap_or_default()
    }

    fn node_at(&self, endpoint: &Endpoint) -> Option<Node> {
        self.places.borrow().get(&endpoint.port).copied()
    }

    fn latest(&self, node: Node) -> Option<Latest> {
        self.latest.borrow().get(&node).cloned()
    }
}

impl Latest {
    fn is_there(&self, now: Elapsed) -> bool {
        let state = self.life.state.lock().unwrap();
        state.exit.is_none() && state.end.is_none_or(|(at, _)| at > now) && state.paused.is_none()
    }
}

impl Processes for Mock {
    type Process = MockProcess;

    fn free_port(&self) -> io::Result<u16> {
        self.ports.set(self.ports.get() + 1);
        Ok(self.ports.get())
    }

    fn hold(&self, _endpoint: &Endpoint) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn start(&self, launch: Launch<'_>) -> Result<MockProcess, StartError> {
        let (node, incarnation) = (launch.node, launch.incarnation);
        let behaviour = self.behaviour(node);
        self.note(format!("start {node} {}", incarnation.0));
        if behaviour.cannot_start.contains(&incarnation.0) {
            let program = launch.target.command[0].clone();
            return Err(StartError::NotFound { program });
        }
        let now = self.clock.now();
        let life = Arc::new(Life::default());
        for (start, after, exit) in &behaviour.exits {
            if *start == incarnation.0 {
                life.state.lock().unwrap().end = Some((now + *after, *exit));
            }
        }
        self.pids.set(self.pids.get() + 1);
        let latest = Latest {
            place: (launch.trial, node, incarnation),
            pid: self.pids.get(),
            executed: now,
            life,
        };
        self.places.borrow_mut().insert(launch.port, node);
        self.latest.borrow_mut().insert(node, latest.clone());
        Ok(MockProcess {
            newcomers: Cell::new(behaviour.newcomers),
            clock: self.clock,
            deeds: Rc::clone(&self.deeds),
            behaviour,
            start: latest,
        })
    }

    async fn wait_until_ready(
        &self,
        process: &mut MockProcess,
        readiness: &Readiness,
        _endpoint: &Endpoint,
        _boot_header: Option<&str>,
    ) -> Result<Ready, NotReady> {
        let executed = process.start.executed;
        let ready = process.behaviour.ready_after.map(|after| executed + after);
        let until = ready.unwrap_or(executed + readiness.within);
        tokio::select! {
            biased;
            end = process.next_end() => match end.unwrap() {
                End::Exited(exit, at) => Err(NotReady::Exited { exit, after: at.since(executed), hint: None }),
                End::Others => unreachable!("nobody was addressed"),
            },
            () = sleep_until(self.clock.instant(until)) => match ready {
                Some(at) => Ok(Ready { at, boot: process.boot() }),
                None => Err(NotReady::TooLate {
                    within: readiness.within,
                    asked: "a question".to_owned(),
                    last: "no answer".to_owned(),
                    hint: None,
                }),
            }
        }
    }

    async fn run_command(&self, command: Errand<'_>, _within: Span) -> Result<(), String> {
        self.note(format!("{} {}", command.command.join(" "), command.about));
        tokio::time::sleep(self.command_takes.into()).await;
        self.command_fails.clone().map_or(Ok(()), Err)
    }

    fn owners(&self, endpoint: &Endpoint) -> io::Result<Vec<Owner>> {
        let latest = self.node_at(endpoint).and_then(|node| self.latest(node));
        let holds = latest.filter(|latest| latest.life.state.lock().unwrap().exit.is_none());
        let owner = |latest: Latest| Owner {
            pid: latest.pid,
            start_time: 1 + u64::from(latest.place.2.0),
            is_member: true,
            place: Some(latest.place),
        };
        Ok(holds.map(owner).into_iter().collect())
    }

    fn older_than_us(&self, _endpoint: &Endpoint) -> Option<Survivor> {
        None
    }

    fn start_time_of(&self, (_, _, incarnation): Place) -> Option<u64> {
        Some(1 + u64::from(incarnation.0))
    }

    fn members_before(&self, _place: Place) -> Vec<i32> {
        Vec::new()
    }

    fn old_processes(&self, _place: Place, _strays: bool) -> Vec<OldProcess> {
        Vec::new()
    }

    fn take_census(&self) {}

    fn kill_all(&self) -> Vec<i32> {
        self.note("kill all".to_owned());
        self.leaves.clone()
    }
}

/// A start of a node.
#[derive(Debug)]
pub(super) struct MockProcess {
    clock: Clock,
    deeds: Deeds,
    behaviour: Behaviour,
    start: Latest,
    newcomers: Cell<u32>,
}

impl MockProcess {
    fn note(&self, what: &str) {
        let deed = format!("{what} {}", self.node());
        self.deeds.borrow_mut().push((self.clock.now(), deed));
    }

    fn boot(&self) -> Option<BootId> {
        let name = format!("{} {}", self.node(), self.incarnation().0);
        let named = self.behaviour.is_named;
        named.then(|| BootId::from_header(name.as_bytes()))
    }

    fn end_in(&self, after: Span, exit: Exit) {
        let end = (self.clock.now() + after, exit);
        self.start.life.state.lock().unwrap().end = Some(end);
        self.start.life.changed.notify_waiters();
    }
}

impl Drop for MockProcess {
    fn drop(&mut self) {
        if self.is_running() {
            self.note("drop running");
        }
    }
}

impl Process for MockProcess {
    fn node(&self) -> Node {
        self.start.place.1
    }

    fn incarnation(&self) -> Incarnation {
        self.start.place.2
    }

    fn pid(&self) -> i32 {
        self.start.pid
    }

    fn requested(&self) -> Elapsed {
        self.start.executed
    }

    fn launched(&self) -> Option<Elapsed> {
        None
    }

    fn executed(&self) -> Elapsed {
        self.start.executed
    }

    fn exit(&self) -> Option<(Exit, Elapsed)> {
        self.start.life.state.lock().unwrap().exit
    }

    fn is_cleared(&self) -> bool {
        true
    }

    fn tail(&self) -> Vec<Line> {
        vec![Line::Out("the last line".to_owned())]
    }

    async fn next_end(&mut self) -> io::Result<End> {
        loop {
            let changed = self.start.life.changed.notified();
            let now = self.clock.now();
            let next = {
                let mut state = self.start.life.state.lock().unwrap();
                let leader = state.end.filter(|_| state.exit.is_none());
                if let Some((_, exit)) = leader.filter(|(at, _)| *at <= now) {
                    // As with a real one, it has ended when that is seen.
                    state.exit = Some((exit, now));
                    return Ok(End::Exited(exit, now));
                }
                let left = state.others.iter().filter(|other| !other.is_over);
                let others = left.map(|other| other.end).max_by_key(|end| match end {
                    None => Elapsed::from_us(u64::MAX),
                    Some(at) => *at,
                });
                let others = others.flatten();
                if others.is_some_and(|at| at <= now) {
                    for other in &mut state.others {
                        other.is_over = true;
                    }
                    return Ok(End::Others);
                }
                leader.map(|(at, _)| at).into_iter().chain(others).min()
            };
            match next {
                None => changed.await,
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(self.clock.instant(at)) => {}
                },
            }
        }
    }

    fn address(&mut self, reach: Reach) -> io::Result<()> {
        self.note("address");
        let others = self.behaviour.others_end_after.len();
        let others = if reach == Reach::Process { 0 } else { others };
        let (end, is_over) = (None, false);
        self.start.life.state.lock().unwrap().others = vec![Other { end, is_over }; others];
        Ok(())
    }

    fn shot(&self, signal: Signal) -> io::Result<Shot> {
        let (life, clock) = (Arc::clone(&self.start.life), self.clock);
        let behaviour = self.behaviour.clone();
        Ok(Box::new(move || {
            let now = clock.now();
            let mut state = life.state.lock().unwrap();
            let exit = behaviour.ends_with.unwrap_or(Exit::Signal(signal.number()));
            if state.end.is_none_or(|(at, _)| at > now) {
                state.end = behaviour.ends_after.map(|after| (now + after, exit));
            }
            for (other, after) in state.others.iter_mut().zip(behaviour.others_end_after) {
                other.end = after.map(|after| now + after);
            }
            life.changed.notify_waiters();
            Ok(())
        }))
    }

    fn has_others(&self) -> bool {
        let state = self.start.life.state.lock().unwrap();
        state.others.iter().any(|other| !other.is_over)
    }

    fn last_end_of_others(&self) -> Option<Elapsed> {
        let state = self.start.life.state.lock().unwrap();
        let over = state.others.iter().filter(|other| other.is_over);
        over.filter_map(|other| other.end).max()
    }

    fn take_newcomers(&mut self) -> io::Result<bool> {
        self.note("scan");
        let Some(left) = self.newcomers.get().checked_sub(1) else {
            return Ok(false);
        };
        self.newcomers.set(left);
        let end = Some(self.clock.now() + Span::from_ms(10));
        let mut state = self.start.life.state.lock().unwrap();
        state.others.push(Other {
            end,
            is_over: false,
        });
        Ok(true)
    }

    fn kill_rest(&self) -> io::Result<Vec<i32>> {
        self.note("kill rest");
        let mut killed = Vec::new();
        if self.is_running() {
            self.end_in(Span::from_ms(1), Exit::Signal(Signal::Kill.number()));
            killed.push(self.pid());
        }
        let now = self.clock.now();
        let mut state = self.start.life.state.lock().unwrap();
        for (other, number) in state.others.iter_mut().zip(1..) {
            if !other.is_over {
                other.end = Some(now + Span::from_ms(1));
                killed.push(self.pid() * 1_000 + number);
            }
        }
        self.start.life.changed.notify_waiters();
        Ok(killed)
    }

    fn survivors(&mut self) -> io::Result<Vec<Survivor>> {
        self.note("survivors");
        let state = self.start.life.state.lock().unwrap();
        let left = state.others.iter().zip(1..);
        let left = left.filter(|(other, _)| !other.is_over);
        let named = left.map(|(_, number)| Survivor {
            pid: self.start.pid * 1_000 + number,
            command: "worker".to_owned(),
        });
        Ok(named.collect())
    }

    fn pause(&self, _reach: Reach) -> io::Result<()> {
        let mut state = self.start.life.state.lock().unwrap();
        state.paused.get_or_insert(self.clock.now());
        Ok(())
    }

    fn stands_still(&self, _reach: Reach) -> io::Result<bool> {
        let paused = self.start.life.state.lock().unwrap().paused;
        let still = paused.and_then(|at| Some(at + self.behaviour.still_after?));
        Ok(still.is_some_and(|at| at <= self.clock.now()))
    }

    fn resume(&self, _reach: Reach) -> io::Result<()> {
        self.note("resume");
        self.start.life.state.lock().unwrap().paused = None;
        Ok(())
    }

    async fn stop(&mut self, stop: &Stop) -> io::Result<Stopped> {
        self.note("stop");
        let took_kill = self.behaviour.ends_after.is_none();
        let (after, signal) = match self.behaviour.ends_after {
            Some(after) => (after, stop.signal),
            None => (stop.grace, Signal::Kill),
        };
        self.end_in(after, Exit::Signal(signal.number()));
        loop {
            if let End::Exited(exit, at) = self.next_end().await? {
                return Ok(Stopped {
                    exit,
                    at,
                    took_kill,
                });
            }
        }
    }

    async fn clear_group(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Traffic for Mock {
    type Load = MockLoad;
    type Probe<'a> = MockProbe<'a>;
    type Health = ();

    fn start_load(&self, setup: &Setup, _recorder: Recorder) -> Result<MockLoad, LoadError> {
        Ok(MockLoad {
            deeds: Rc::clone(&self.deeds),
            clock: self.clock,
            trigger: Trigger::default(),
            users: setup.load.clients,
            rounds: self.opens_after,
        })
    }

    fn probe<'a>(&'a self, setup: ProbeSetup<'a>) -> io::Result<MockProbe<'a>> {
        Ok(MockProbe {
            mock: self,
            setup,
            seen: RefCell::default(),
        })
    }

    fn watch_health(&self, _checkups: Vec<Checkup>, _book: Book) -> Result<(), EngineError> {
        Ok(())
    }

    async fn boot_of(
        &self,
        _readiness: &Readiness,
        endpoint: &Endpoint,
        _boot_header: Option<&str>,
    ) -> io::Result<Option<BootId>> {
        let node = self.node_at(endpoint);
        let latest = node.and_then(|node| self.latest(node));
        let name = |latest: Latest| format!("{} {}", latest.place.1, latest.place.2.0);
        Ok(latest.map(|latest| BootId::from_header(name(latest).as_bytes())))
    }
}

/// A load that sends nothing.
#[derive(Debug)]
pub(super) struct MockLoad {
    deeds: Deeds,
    clock: Clock,
    trigger: Trigger,
    users: u32,
    rounds: u32,
}

impl MockLoad {
    fn note(&self, deed: &str) {
        let deed = (self.clock.now(), deed.to_owned());
        self.deeds.borrow_mut().push(deed);
    }
}

impl Load for MockLoad {
    fn trigger(&self) -> &Trigger {
        &self.trigger
    }

    async fn open(&mut self) -> Result<Opened, LoadError> {
        self.rounds = self.rounds.saturating_sub(1);
        Ok(Opened {
            open: if self.rounds == 0 { self.users } else { 0 },
            wanted: self.users,
            refusal: None,
        })
    }

    fn run(&self, _start: Elapsed) {
        self.note("load runs");
    }

    async fn stop(&mut self) -> Result<Tally, LoadError> {
        self.note("load stops");
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        Ok(Tally::default())
    }

    async fn look_at_sessions(&mut self, _looks: u32, _until: Elapsed) -> Result<(), LoadError> {
        self.note("look at sessions");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        Ok(())
    }

    fn finish(self) -> Result<(), LoadError> {
        self.note("load ends");
        Ok(())
    }
}

/// A probe that is answered when the latest start of its node serves.
#[derive(Debug)]
pub(super) struct MockProbe<'a> {
    mock: &'a Mock,
    setup: ProbeSetup<'a>,
    seen: RefCell<Seen>,
}

impl Probe for MockProbe<'_> {
    async fn rehearse(&self, _wanted: u32) -> Result<Result<Rehearsed, String>, ProbeError> {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        if let Some(problem) = &self.mock.rehearsal_fails {
            return Ok(Err(problem.clone()));
        }
        Ok(Ok(Rehearsed {
            work: Work::default(),
            limit: None,
            stranger_known: false,
        }))
    }

    async fn run(&self, mut owner: impl FnMut() -> probe::Owner) -> Result<Recovered, ProbeError> {
        let clock = self.setup.clock;
        loop {
            let now = clock.now();
            self.seen.borrow_mut().probes += 1;
            let node = self.mock.node_at(self.setup.endpoint).unwrap();
            let latest = self.mock.latest(node).unwrap();
            let serves = match latest.place.2.0 {
                0 => Some(Elapsed::default()),
                _ => self
                    .mock
                    .behaviour(node)
                    .serves_after
                    .map(|after| latest.executed + after),
            };
            if latest.is_there(now) && serves.is_some_and(|at| at <= now) {
                let (at, unowned) = (now, None);
                match owner() {
                    probe::Owner::New(pid) => {
                        let evidence = Evidence::SocketOwner(pid);
                        return Ok(Recovered {
                            at,
                            evidence,
                            unowned,
                        });
                    }
                    probe::Owner::Old(problem) | probe::Owner::Unknown(problem) => {
                        self.seen.borrow_mut().last_failure = Some(problem);
                    }
                }
            }
            self.seen.borrow_mut().last_failed = Some(now);
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }
}
