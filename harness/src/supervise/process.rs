//! One start of a target: spawned, signalled, reaped. Running, then exited, and never the other way.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use comeback_core::event::Exit;
use comeback_core::ids::{Incarnation, TrialId};
use comeback_core::plan::{ReadyProbe, Signal, Stop, Target};
use comeback_core::units::Elapsed;
use nix::errno::Errno;
use nix::sys::signal::killpg;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;

use super::output::Output;
use super::tag::{self, RunTag};
use crate::clock::Clock;
use crate::watched::watch;

/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// Between two looks.
const PAUSE: Duration = Duration::from_micros(500);

/// What to start.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The server.
    pub target: &'a Target,
    /// Its port on 127.0.0.1: `{port}`.
    pub port: u16,
    /// Its data folder: `{data}`.
    pub data: &'a Path,
    /// Its number among its like: `{replica}`.
    pub replica: u32,
    /// The trial it belongs to.
    pub trial: TrialId,
    /// Which start of it this is.
    pub incarnation: Incarnation,
    /// The run it belongs to.
    pub tag: &'a RunTag,
    /// Where its output goes.
    pub log: PathBuf,
    /// The run's clock.
    pub clock: Clock,
}

/// A target that could not be started.
#[derive(Debug)]
pub struct StartError {
    program: String,
    cause: io::Error,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = &self.program;
        match self.cause.kind() {
            io::ErrorKind::NotFound if program.contains('/') => {
                write!(f, "failed to start: {program} was not found; a relative path counts from the current folder")
            }
            io::ErrorKind::NotFound => {
                write!(f, "failed to start: {program} was not found on PATH; to start ./{program}, write the ./")
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "failed to start: no permission to execute {program}; is it executable (chmod +x)?")
            }
            _ => write!(f, "failed to start {program}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// A started target.
#[derive(Debug)]
pub struct Process {
    child: Child,
    descriptor: AsyncFd<OwnedFd>,
    output: Output,
    state: State,
    incarnation: Incarnation,
    requested: Elapsed,
    executed: Elapsed,
    clock: Clock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Exited { exit: Exit, at: Elapsed },
}

/// How a target was stopped.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    /// How it ended.
    pub exit: Exit,
    /// When that was confirmed.
    pub at: Elapsed,
}

/// Has orphans of targets handed to this process, so that they can be found and reaped.
///
/// # Errors
/// When the kernel refuses.
pub fn adopt_orphans() -> io::Result<()> {
    let own = rustix::process::getpid();
    Ok(rustix::process::set_child_subreaper(Some(own))?)
}

impl Process {
    /// Starts a target in a process group of its own.
    ///
    /// Nothing of ours runs between fork and exec, so that the library can use `posix_spawn`; it returns
    /// when the program was executed.
    ///
    /// # Errors
    /// When the program cannot be executed.
    pub fn spawn(launch: Launch) -> Result<Self, StartError> {
        let fill = |text: &str| {
            text.replace("{port}", &launch.port.to_string())
                .replace("{data}", &launch.data.to_string_lossy())
                .replace("{replica}", &launch.replica.to_string())
        };
        let mut words = launch.target.command.iter().map(|word| fill(word));
        let program = words.next().unwrap_or_default();
        let failed = |cause| StartError {
            program: program.clone(),
            cause,
        };
        let requested = launch.clock.now();
        let mut child = Command::new(&program)
            .args(words)
            .envs(launch.target.environment.iter().map(|(name, value)| (name, fill(value))))
            .env(tag::RUN, launch.tag.to_string())
            .env(tag::TRIAL, launch.trial.0.to_string())
            .env(tag::INCARNATION, launch.incarnation.0.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let executed = launch.clock.now();
        let wanted = match &launch.target.ready.probe {
            ReadyProbe::Log(text) => Some(text.clone()),
            ReadyProbe::Http(_) | ReadyProbe::Tcp => None,
        };
        match follow(&mut child, launch.log, wanted) {
            Ok((descriptor, output)) => Ok(Self {
                child,
                descriptor,
                output,
                state: State::Running,
                incarnation: launch.incarnation,
                requested,
                executed,
                clock: launch.clock,
            }),
            Err(cause) => {
                end_group(&mut child);
                Err(failed(cause))
            }
        }
    }

    /// Its process id, which is its process group's as well.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Which start of its target it is.
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// When its start was begun.
    pub const fn requested(&self) -> Elapsed {
        self.requested
    }

    /// When its program was executed.
    pub const fn executed(&self) -> Elapsed {
        self.executed
    }

    /// Whether its end has not been seen yet.
    pub fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Waits for its end, and reaps it; how it ended, and when that was confirmed. May be given up and
    /// asked again.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub async fn exited(&mut self) -> io::Result<(Exit, Elapsed)> {
        loop {
            if let State::Exited { exit, at } = self.state {
                return Ok((exit, at));
            }
            let mut ready = self.descriptor.readable().await?;
            match self.child.try_wait()? {
                Some(status) => {
                    let at = self.clock.now();
                    let exit = exit_of(status);
                    self.state = State::Exited { exit, at };
                }
                None => ready.clear_ready(),
            }
        }
    }

    /// Sends a signal to its whole process group.
    ///
    /// # Errors
    /// When the kernel refuses.
    ///
    /// # Panics
    /// When its end was seen before: its id may be somebody else's by now.
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        assert!(self.is_running(), "process {} was reaped before", self.pid());
        let signal = nix::sys::signal::Signal::try_from(signal.number())?;
        Ok(killpg(Pid::from_raw(self.pid()), signal)?)
    }

    /// Asks it to end, and kills its group when the grace is over.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn stop(&mut self, stop: &Stop) -> io::Result<Stopped> {
        if self.is_running() {
            self.signal_group(stop.signal)?;
            let grace = Duration::from(stop.grace);
            if tokio::time::timeout(grace, self.exited()).await.is_err() {
                self.signal_group(Signal::Kill)?;
            }
        }
        let (exit, at) = self.exited().await?;
        Ok(Stopped { exit, at })
    }

    /// Kills what is left of its process group once it has ended itself, and waits until nothing is.
    ///
    /// # Errors
    /// When something does not end.
    pub async fn clear_group(&self) -> io::Result<()> {
        let deadline = Instant::now() + GONE_WITHIN;
        let group = Pid::from_raw(self.pid());
        while killpg(group, nix::sys::signal::Signal::SIGKILL) != Err(Errno::ESRCH) {
            // As their subreaper we inherit them; those that have ended must be taken leave of.
            while let Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) =
                waitid(Id::PGid(group), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG)
            {}
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("process group {group} does not end")));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// The last lines of its output; all of it that matters, once it has ended.
    pub async fn tail(&mut self) -> Vec<String> {
        if self.is_running() {
            self.output.tail()
        } else {
            self.output.tail_after_end().await
        }
    }

    /// Returns when it printed the line its readiness waits for.
    pub(super) async fn wanted_line(&mut self) {
        self.output.wanted_line().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            end_group(&mut self.child);
        }
    }
}

fn follow(
    child: &mut Child,
    log: PathBuf,
    wanted: Option<String>,
) -> io::Result<(AsyncFd<OwnedFd>, Output)> {
    let pid = rustix::process::Pid::from_child(child);
    let descriptor = watch(pidfd_open(pid, PidfdFlags::empty())?)?;
    let pipes = [child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from)];
    let output = Output::follow(pipes.into_iter().flatten().collect(), log, wanted)?;
    Ok((descriptor, output))
}

/// Kills a group whose leader has not been reaped, and reaps the leader: the way out of every error.
fn end_group(child: &mut Child) {
    // Its leader is not reaped, so the id is still its own; it may all have ended already.
    let _ = killpg(Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGKILL);
    let deadline = Instant::now() + GONE_WITHIN;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        std::thread::sleep(PAUSE);
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Status(code),
        (None, Some(signal)) => Exit::Signal(signal),
        // Neither happens only for a status that is no end, which try_wait does not return.
        (None, None) => Exit::Status(-1),
    }
}
