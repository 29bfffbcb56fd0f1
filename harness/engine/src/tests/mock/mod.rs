//! Processes and load that are none: they do what a test says, at moments of the paused clock.

mod process;
mod traffic;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use comeback_faults::{ActError, Disk};
use comeback_host::undo::Undo;
use comeback_model::event::{Exit, OldProcess, Survivor};
use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::{DiskModel, Readiness, Signal};
use comeback_model::units::{Elapsed, Span};
use tokio::time::sleep_until;

use crate::EngineError;
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::readiness::{NotReady, Ready};
use crate::seams::{End, Place, Process, Processes};
use crate::supervise::disk::Laying;
use crate::supervise::one_shot::OneShotCommand;
use crate::supervise::ownership::Owner;
use crate::supervise::process::{Launch, StartError};
use process::{Latest, Life, MockProcess};

/// What becomes of what a fault does to a process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Acts {
    /// It has its effect.
    Hold,
    /// Nothing.
    Miss,
    /// It has its effect, and none any more when it is undone.
    Wear,
    /// The system refuses it.
    Fail,
    /// The system refuses to undo it.
    Stay,
}

/// How a node behaves.
#[derive(Clone, Debug)]
pub(super) struct Behaviour {
    /// From its execution until it is ready; it never is without.
    pub(super) ready_after: Option<Span>,
    /// From its execution until a probe is answered correctly, from its second start on; never without.
    pub(super) serves_after: Option<Span>,
    /// From then on, how long each page is empty.
    pub(super) empty_for: Span,
    /// From a signal until the process ends by it; it does not without.
    pub(super) ends_after: Option<Span>,
    /// How long before an end of its own it is seen to end.
    pub(super) ends_slowly: Span,
    /// From the moment at which a signal is asked for until it is sent: the process is looked at first.
    pub(super) sent_after: Span,
    /// With which exit it ends then, where not by the signal.
    pub(super) ends_with: Option<Exit>,
    /// The same of its other processes.
    pub(super) others_end_after: Vec<Option<Span>>,
    /// From SIGSTOP until it stands still; it never does without.
    pub(super) still_after: Option<Span>,
    /// Starts that end by themselves: which, when after their execution, and how.
    pub(super) exits: Vec<(u32, Span, Exit)>,
    /// Starts that hang: they answer no probe, and nothing but SIGKILL ends them.
    pub(super) hangs: Vec<u32>,
    /// Starts that fail.
    pub(super) cannot_start: Vec<u32>,
    /// In a trial whose server was killed at the end of the one before: the starts that end at once, and when the next is ready.
    pub(super) after_idle_kill: Option<(u32, Span)>,
    /// What it writes: at which start, when after its execution, and the line.
    pub(super) says: Vec<(u32, Span, String)>,
    /// What each start calls itself, if it does.
    pub(super) is_named: bool,
    /// The owner of its socket is not known, from its second start on.
    pub(super) is_hidden: bool,
    /// Until when, after its execution, nobody can see whose process it is that somebody else started, from its second start on.
    pub(super) is_unseen: Option<Span>,
    /// How often others are found that it started since.
    pub(super) newcomers: u32,
    /// What becomes of what a fault does to it.
    pub(super) acts: Acts,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            ready_after: Some(Span::ZERO),
            serves_after: Some(Span::from_ms(100)),
            empty_for: Span::ZERO,
            ends_after: Some(Span::from_ms(1)),
            ends_slowly: Span::ZERO,
            sent_after: Span::ZERO,
            ends_with: None,
            others_end_after: Vec::new(),
            still_after: Some(Span::from_ms(2)),
            exits: Vec::new(),
            hangs: Vec::new(),
            cannot_start: Vec::new(),
            after_idle_kill: None,
            says: Vec::new(),
            is_named: false,
            is_hidden: false,
            is_unseen: None,
            newcomers: 0,
            acts: Acts::Hold,
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
    /// How often the load writes, from its begin on; never where that is no time. Each write is answered when half of that is over.
    pub(super) writes_every: Span,
    /// Why the probe's rehearsal fails.
    pub(super) rehearsal_fails: Option<String>,
    /// How long a command to the balancer takes, and what is wrong with it.
    pub(super) command_takes: Span,
    pub(super) command_fails: Option<String>,
    /// What is left of the run after a trial.
    pub(super) leaves: Vec<i32>,
    /// How to undo what cannot be undone of what was done to the machine.
    pub(super) stays: Option<Undo>,
    /// A disk answers no more after this deed.
    pub(super) disks_fail_after: Option<&'static str>,
    pub(super) deeds: Deeds,
    ports: Cell<u16>,
    pids: Cell<i32>,
    /// The trial before ended with a kill.
    is_after_kill: Cell<bool>,
    places: RefCell<BTreeMap<u16, Node>>,
    latest: RefCell<BTreeMap<Node, Latest>>,
}

impl Mock {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            nodes: BTreeMap::new(),
            opens_after: 1,
            writes_every: Span::ZERO,
            rehearsal_fails: None,
            command_takes: Span::from_ms(5),
            command_fails: None,
            leaves: Vec::new(),
            stays: None,
            disks_fail_after: None,
            deeds: Deeds::default(),
            ports: Cell::new(40_000),
            pids: Cell::new(100),
            is_after_kill: Cell::new(false),
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

    fn is_unseen(&self, latest: &Latest) -> bool {
        let until = self.behaviour(latest.place.1).is_unseen;
        until.is_some_and(|until| self.clock.now() < latest.executed + until)
    }

    fn latest(&self, node: Node) -> Option<Latest> {
        self.latest.borrow().get(&node).cloned()
    }
}

/// A disk that says that it forgets.
#[derive(Debug)]
struct MockDisk {
    model: DiskModel,
    fails_after: Option<&'static str>,
    deeds: Deeds,
}

impl Disk for MockDisk {
    fn model(&self) -> DiskModel {
        self.model
    }

    fn cut_power(&self, _commits: bool) -> Result<String, ActError> {
        Ok("the mock says so".to_owned())
    }

    fn check(&self) -> io::Result<()> {
        let is_over = |deed: &(Elapsed, String)| Some(deed.1.as_str()) == self.fails_after;
        match self.deeds.borrow().iter().any(is_over) {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(()),
        }
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

    fn lay_disk(&self, laying: &Laying<'_>) -> Result<Box<dyn Disk>, EngineError> {
        self.note(format!("lay {} {}", laying.model, laying.node));
        Ok(Box::new(MockDisk {
            model: laying.model,
            fails_after: self.disks_fail_after,
            deeds: Rc::clone(&self.deeds),
        }))
    }

    fn start(&self, launch: Launch<'_>) -> Result<MockProcess, StartError> {
        let (node, incarnation) = (launch.node, launch.incarnation);
        let mut behaviour = self.behaviour(node);
        if incarnation.0 == 0 {
            let former = self.latest(node);
            let exit = former.and_then(|former| former.life.state.lock().unwrap().exit);
            let killed = Exit::Signal(Signal::Kill.number());
            self.is_after_kill
                .set(exit.is_some_and(|(exit, _)| exit == killed));
        }
        if let Some((exits, ready_after)) = behaviour.after_idle_kill
            && self.is_after_kill.get()
        {
            let exits = (0..exits).map(|start| (start, Span::ZERO, Exit::Status(1)));
            behaviour.exits.extend(exits);
            behaviour.ready_after = Some(ready_after);
        }
        self.note(format!("start {node} {}", incarnation.0));
        self.note(format!("run {} {node}", launch.target.command[0]));
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
                End::Others | End::Executed => unreachable!("nobody was addressed or awaited"),
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

    async fn run_command(&self, command: OneShotCommand<'_>, _within: Span) -> Result<(), String> {
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
        let is_shown = |latest: &Latest| {
            let behaviour = self.behaviour(latest.place.1);
            let is_hidden = behaviour.is_hidden || self.is_unseen(latest);
            latest.place.2 == Incarnation(0) || !is_hidden
        };
        Ok(holds.filter(is_shown).map(owner).into_iter().collect())
    }

    fn older_than_us(&self, _endpoint: &Endpoint) -> Option<Survivor> {
        None
    }

    fn start_time_of(&self, (_, _, incarnation): Place) -> Option<u64> {
        Some(1 + u64::from(incarnation.0))
    }

    fn held_on(&self, _place: Place) -> bool {
        false
    }

    fn unseen(&self, (_, node, _): Place) -> Option<String> {
        let is_unseen = self
            .latest(node)
            .is_some_and(|latest| self.is_unseen(&latest));
        is_unseen.then(|| "it cannot be seen whose process that is".to_owned())
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

    fn undo_all(&self) -> Result<(), EngineError> {
        self.note("undo all".to_owned());
        match self.stays.clone() {
            None => Ok(()),
            Some(undo) => Err(EngineError::NotUndone {
                undo,
                cause: io::ErrorKind::PermissionDenied.into(),
            }),
        }
    }
}
