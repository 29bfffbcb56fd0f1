//! The engine's seams: small traits for processes and for the load.
//!
//! [`super::real`] fills them with real processes and sockets; tests of the engine fill them with mocks, and need neither.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;

use comeback_model::event::{EventKind, Exit, OldProcess, Survivor};
use comeback_model::ids::{BootId, Incarnation, Node, Seed, TrialId};
use comeback_model::plan::{Reach, Readiness, ReadyProbe, Signal, Stop};
use comeback_model::said::Line;
use comeback_model::schedule::Draws;
use comeback_model::units::{Elapsed, Span};

use super::EngineError;
use super::readiness::{NotReady, Ready};
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::load::probe::{self, ProbeError, ProbeSetup, Recovered, Rehearsed, Seen};
use crate::load::{LoadError, Looked, Opened, Setup, Tally, Trigger};
use crate::record::Recorder;
use crate::supervise::disk::Laying;
use crate::supervise::external::SeenOutside;
use crate::supervise::one_shot::OneShotCommand;
use crate::supervise::output::OnLine;
use crate::supervise::ownership::Owner;
use crate::supervise::process::{Launch, StartError};
use crate::supervise::shot::Sent;
use comeback_faults::{Act, ActError, ActMethod, Disk};

/// A start of a node in a trial.
pub(super) type Place = (TrialId, Node, Incarnation);

/// A signal that is ready to be sent to all that it addresses, from any thread. It says when it was.
pub(super) type Shot = Box<dyn FnOnce() -> io::Result<Sent> + Send>;

/// All that the engine stands on.
pub(super) trait Seams: Processes + Traffic {}

impl<S: Processes + Traffic> Seams for S {}

/// Starts processes, and knows which there are.
pub(super) trait Processes {
    /// A started one.
    type Process: Process;

    /// A port without a listener.
    fn free_port(&self) -> io::Result<u16>;
    /// Listens in a node's place, for a socket that all of its starts are passed.
    fn hold(&self, endpoint: &Endpoint) -> io::Result<OwnedFd>;
    /// Lays a disk that forgets below a node's data.
    fn lay_disk(&self, laying: &Laying<'_>) -> Result<Box<dyn Disk>, EngineError>;
    /// Starts a node.
    fn start(&self, launch: Launch<'_>) -> Result<Self::Process, StartError>;
    /// Waits until a started node is up for the first time.
    fn wait_until_ready(
        &self,
        process: &mut Self::Process,
        readiness: &Readiness,
        endpoint: &Endpoint,
        boot_header: Option<&str>,
    ) -> impl Future<Output = Result<Ready, NotReady>>;
    /// Runs a command to its end. Returns its problem, in one line.
    fn run_command(
        &self,
        command: OneShotCommand<'_>,
        within: Span,
    ) -> impl Future<Output = Result<(), String>>;
    /// Who holds the listening socket of an endpoint.
    fn owners(&self, endpoint: &Endpoint) -> io::Result<Vec<Owner>>;
    /// A process that listens there and was there before the harness.
    fn older_than_us(&self, endpoint: &Endpoint) -> Option<Survivor>;
    /// The begin of a start, in clock ticks.
    fn start_time_of(&self, place: Place) -> Option<u64>;
    /// Whether the listening socket of an earlier start was open after that one's end: who connected then was not accepted by this one.
    fn held_on(&self, place: Place) -> bool;
    /// Why it cannot be told whether this start is there, of a server that somebody else starts, if somebody is there who may be it.
    fn unseen(&self, place: Place) -> Option<String>;
    /// Why the restart command of this start was not begun, of a server that somebody else starts, if it waits for another command.
    fn unbegun(&self, _place: Place) -> Option<String> {
        None
    }
    /// The living processes that are older than this start.
    fn members_before(&self, place: Place) -> Vec<i32>;
    /// The same, with what each could answer by; those of an unknown start where `strays` are wanted.
    fn old_processes(&self, place: Place, strays: bool) -> Vec<OldProcess>;
    /// Notes every process that there is, for the time when it cannot be recognised any more.
    fn take_census(&self);
    /// Kills the remaining processes of the run. Returns their ids.
    fn kill_all(&self) -> Vec<i32>;
    /// Undoes what was done to the machine outside of them and of the run's folder.
    fn undo_all(&self) -> Result<(), EngineError>;
}

/// What an act may know of its node beside the processes.
#[derive(Clone, Debug)]
pub(super) struct On<'a> {
    /// Which of the processes it reaches.
    pub(super) reach: Reach,
    /// The data folder.
    pub(super) data: &'a Path,
    /// The disk that this lies on, where that is one of ours.
    pub(super) disk: Option<&'a dyn Disk>,
    /// The port that it listens on.
    pub(super) port: Option<u16>,
    /// Where the proxy in front of it takes orders.
    pub(super) proxy: Option<&'a str>,
    /// Its draws.
    pub(super) draws: Draws,
}

/// What becomes of a process, which the loop waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was awaited, and its process was found.
    Executed,
    /// It ended so, and was reaped then.
    Exited(Exit, Elapsed),
    /// All others that a fault addresses with it have ended.
    Others,
}

/// Is done when a process has ended, which it leaves to be reaped.
pub(super) type SeenEnd = Pin<Box<dyn Future<Output = io::Result<()>>>>;

/// A started process with its descendants. Dropping it kills them, unless somebody else started it.
pub(super) trait Process {
    fn node(&self) -> Node;
    fn incarnation(&self) -> Incarnation;
    fn pid(&self) -> i32;
    /// The begin of its start.
    fn requested(&self) -> Elapsed;
    /// When its launcher had been executed, where there is one.
    fn launched(&self) -> Option<Elapsed>;
    /// When its program had been executed.
    fn executed(&self) -> Elapsed;
    /// How and when it ended, if it has been reaped.
    fn exit(&self) -> Option<(Exit, Elapsed)>;
    /// Whether nothing of its group is left after its end.
    fn is_cleared(&self) -> bool;
    /// The last lines of its output.
    fn tail(&self) -> Vec<Line>;
    /// Tells of the next line of its output that contains this text.
    fn on_line(&self, text: String, found: OnLine);

    /// Whether it is there: its end was not seen.
    fn is_running(&self) -> bool {
        self.exit().is_none() && !self.is_awaited()
    }

    /// Whether somebody else starts it, and its process was not found yet.
    fn is_awaited(&self) -> bool {
        false
    }

    /// Whether its end was seen, and is not among the next ends yet, since it takes a while to tell whose doing it was.
    fn has_untold_end(&self) -> bool {
        false
    }

    /// Why its end, which nobody asked for, says nothing of it, if that is so: the run itself may have caused it.
    fn displaced(&self) -> Option<&str> {
        None
    }

    /// How its end was seen, where only its connections told.
    fn seen_outside(&self) -> Option<SeenOutside> {
        None
    }

    /// Why its end was not seen although something was to end it, where that is more than that its process runs.
    fn why_not_ended(&self) -> Option<String> {
        None
    }

    /// The next of the ends that are left to be seen; it may be given up and asked again. Pending for good when none is.
    fn next_end(&mut self) -> impl Future<Output = io::Result<End>>;

    /// Sees its end without reaping it.
    fn seen_end(&self) -> io::Result<SeenEnd>;

    /// Finds whom a fault addresses. It reads all of `/proc`, so it comes before the moment that counts.
    fn address(&mut self, reach: Reach) -> io::Result<()>;
    /// Makes a signal to them ready. Until it was sent nobody may wait for the process's end: its number is its own only
    /// as long as it is not reaped.
    fn shot(&self, signal: Signal) -> io::Result<Shot>;
    /// Whether some of the others that are addressed have not ended.
    fn has_others(&self) -> bool;
    /// When the last of the others ended, if one has.
    fn last_end_of_others(&self) -> Option<Elapsed>;
    /// Addresses those, too, that were started since; whether there are any. It reads all of `/proc`.
    fn take_newcomers(&mut self) -> io::Result<bool>;
    /// Kills those addressed that have not ended; their ids.
    fn kill_rest(&self) -> io::Result<Vec<i32>>;
    /// Its processes after its end. It reads all of `/proc`.
    fn survivors(&mut self) -> io::Result<Vec<Survivor>>;

    /// Sends SIGSTOP to all that is reached.
    fn pause(&self, reach: Reach) -> io::Result<()>;
    /// Whether all of that stands still.
    fn stands_still(&self, reach: Reach) -> io::Result<bool>;
    /// Sends SIGCONT to it.
    fn resume(&self, reach: Reach) -> io::Result<()>;

    /// Does a step of what a fault does to it. How to undo it is written down before. Returns the evidence, if it is asked for.
    fn carry_out(
        &self,
        method: ActMethod,
        act: &mut dyn Act,
        on: On<'_>,
    ) -> Result<String, ActError>;

    /// Asks its group to end, and kills it when it does not in its time of grace. What the run did not start is left as it is.
    fn stop(&mut self, stop: &Stop) -> impl Future<Output = io::Result<()>>;
    /// Kills the rest of its group, and waits until it is empty.
    fn clear_group(&mut self) -> impl Future<Output = io::Result<()>>;
}

/// A node's declared health check.
#[derive(Clone, Debug)]
pub(super) struct Checkup {
    pub(super) node: Node,
    pub(super) probe: ReadyProbe,
    pub(super) endpoint: Endpoint,
}

/// Where answers go.
#[derive(Clone, Debug)]
pub(super) struct Book {
    pub(super) recorder: Recorder,
    pub(super) clock: Clock,
    pub(super) trial: TrialId,
}

impl Book {
    pub(super) fn record(&self, at: Elapsed, kind: EventKind) {
        self.recorder.event_at(at, Some(self.trial), kind);
    }
}

/// Makes the load and the probes.
pub(super) trait Traffic {
    type Load: Load;
    type Probe<'a>: Probe
    where
        Self: 'a;
    /// What is looked at all through the load, until it is dropped.
    type Watch;

    /// Starts the load's workers; nothing is sent yet. Finished operations are put on record.
    fn start_load(&self, setup: &Setup, recorder: Recorder) -> Result<Self::Load, LoadError>;
    /// A recovery probe; nothing is sent yet.
    fn probe<'a>(&'a self, setup: ProbeSetup<'a>) -> io::Result<Self::Probe<'a>>;
    /// Begins to ask the health checks, and whether the machine keeps anybody waiting for its disk.
    fn watch(&self, checkups: Vec<Checkup>, book: Book) -> Result<Self::Watch, EngineError>;
    /// The boot id of a target that is up.
    fn boot_of(
        &self,
        readiness: &Readiness,
        endpoint: &Endpoint,
        boot_header: Option<&str>,
    ) -> impl Future<Output = io::Result<Option<BootId>>>;
}

/// The load of one trial.
pub(super) trait Load {
    /// The trigger of faults at a moment of the load.
    fn trigger(&self) -> &Trigger;
    /// Every client without a session logs in, once.
    fn open(&mut self) -> impl Future<Output = Result<Opened, LoadError>>;
    /// A new trial of a storm begins: every client goes on with its session.
    fn resume(
        &mut self,
        trial: (TrialId, Seed),
        until: Elapsed,
    ) -> impl Future<Output = Result<Looked, LoadError>>;
    /// The schedule begins.
    fn run(&self, start: Elapsed);
    /// The schedule ends; returns when no operation is in flight.
    fn stop(&mut self) -> impl Future<Output = Result<Tally, LoadError>>;
    /// Looks at every session, in rounds.
    fn look_at_sessions(
        &mut self,
        looks: u32,
        until: Elapsed,
    ) -> impl Future<Output = Result<Looked, LoadError>>;
    /// Ends the workers.
    fn finish(self) -> Result<(), LoadError>;
}

/// The recovery probe.
pub(super) trait Probe {
    /// Before the fault: does the work until it went well `wanted` times.
    fn rehearse(
        &self,
        wanted: u32,
    ) -> impl Future<Output = Result<Result<Rehearsed, String>, ProbeError>>;
    /// Asks until the new process answers correctly.
    fn run(
        &self,
        owner: impl FnMut() -> probe::Owner,
    ) -> impl Future<Output = Result<Recovered, ProbeError>>;
    /// The observations so far.
    fn seen(&self) -> Seen;
}
