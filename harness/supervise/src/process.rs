//! One started incarnation of a target, from its start to the end of its process group.
//!
//! ```text
//! spawn → Running → Exited (reaped: this is T0) → Cleared (its group is empty)
//! ```
//! Knows pids and signals, not HTTP. It lives inside a tokio runtime with time and I/O enabled.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use comeback_model::event::Exit;
use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::{ReadyProbe, Signal, Stop};
use comeback_model::said::Line;
use comeback_model::units::Elapsed;
use nix::errno::Errno;
use nix::sys::signal::{self, killpg};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;

pub use super::launch::{Addresses, Launch, StartError, resolve_endpoint};
use super::launch::{Prepared, explain_spawn};
use super::members::Member;
pub use super::orphans::adopt_orphans;
use super::output::Output;
use super::roster::{Leader, Place};
use super::socket_activation::{Failed, SocketActivation};
use super::tag::RunTag;
use super::{group, proc};
use comeback_host::clock::Clock;
use comeback_host::watched;

/// How long a process may take to end after SIGKILL; only one that waits for a disk takes longer.
const KILL_TAKES: Duration = Duration::from_secs(10);
/// The same in a drop, where everybody waits.
const DROP_TAKES: Timespec = Timespec {
    tv_sec: 2,
    tv_nsec: 0,
};
/// Between two looks at a process that is ending.
const PAUSE: Duration = Duration::from_millis(1);

/// A started process and its group. Dropping it while it runs kills it and its descendants.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pub(super) pid: Pid,
    pub(super) descriptor: AsyncFd<OwnedFd>,
    state: State,
    output: Output,
    pub(super) tag: RunTag,
    pub(super) place: Place,
    requested: Elapsed,
    launched: Option<Elapsed>,
    executed: Elapsed,
    pub(super) clock: Clock,
    is_held: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not reaped: its pid is its own.
    Running,
    /// Reaped; others of its group may be left.
    Exited { exit: Exit, at: Elapsed },
    /// Nothing of its group is left, and its pid may name another process.
    Cleared { exit: Exit, at: Elapsed },
}

/// How a process was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How it ended.
    pub exit: Exit,
    /// When it was reaped.
    pub at: Elapsed,
    /// It did not end in its time of grace, and was killed.
    pub took_kill: bool,
}

impl Process {
    /// Starts a process in a group of its own, with the run's tag in its environment.
    ///
    /// There is no code of ours between fork and exec, so that the standard library uses `posix_spawn`.
    ///
    /// # Errors
    /// If it cannot be started or watched; nothing is left running then.
    pub fn spawn(launch: Launch<'_>) -> Result<Self, StartError> {
        let Prepared {
            mut command,
            program,
            launcher,
        } = launch.command()?;
        let log = Output::open_log(&launch.log).map_err(|cause| StartError::Log {
            path: launch.log.clone(),
            cause,
        })?;
        let clock = launch.clock;
        let activation = match launch.listener {
            None => None,
            Some(listener) => {
                let (activation, stdin) =
                    SocketActivation::begin(listener).map_err(|cause| StartError::Launcher {
                        program: launcher.clone().unwrap_or_default(),
                        cause,
                    })?;
                command.stdin(stdin);
                Some(activation)
            }
        };
        let first = launcher.unwrap_or_else(|| program.clone());
        let requested = clock.now();
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(cause) => return Err(explain_spawn(first.clone(), cause)),
        };
        // The standard library returns when the exec has succeeded.
        let executed = clock.now();
        // It holds the child's end of the activation, whose end of file is waited for.
        drop(command);
        let started = match Self::watch(&mut child, &launch, log) {
            Ok((pid, descriptor, output)) => Self {
                child,
                pid,
                descriptor,
                state: State::Running,
                output,
                tag: launch.tag.clone(),
                place: launch.place(),
                requested,
                launched: None,
                executed,
                clock,
                is_held: launch.listener.is_some(),
            },
            Err(cause) => return Err(give_up(child, first.clone(), cause)),
        };
        match activation {
            None => Ok(started),
            Some(activation) => started.await_execution(activation, program, &first),
        }
    }

    /// Waits until the launcher has executed the target; where it has not, nothing is left of it.
    fn await_execution(
        mut self,
        activation: SocketActivation,
        program: PathBuf,
        launcher: &Path,
    ) -> Result<Self, StartError> {
        let handed = activation.wait();
        let executed = self.clock.now();
        match handed {
            Ok(()) => {
                self.launched = Some(self.executed);
                self.executed = executed;
                Ok(self)
            }
            Err(Failed::Program(cause)) => Err(explain_spawn(program, cause)),
            Err(Failed::Launcher(cause)) => Err(StartError::Launcher {
                program: launcher.to_owned(),
                cause,
            }),
        }
    }

    fn watch(
        child: &mut Child,
        launch: &Launch<'_>,
        log: std::fs::File,
    ) -> io::Result<(Pid, AsyncFd<OwnedFd>, Output)> {
        let pid = Pid::from_child(child);
        launch.tag.roster().start(Leader {
            pid: pid.as_raw_pid(),
            start_time: proc::stat(pid.as_raw_pid())?.start_time,
            place: launch.place(),
            is_cleared: false,
        });
        let descriptor = watched::watch(pidfd_open(pid, PidfdFlags::empty())?)?;
        let wanted = match &launch.target.ready.probe {
            ReadyProbe::Log(text) => Some(text.clone()),
            ReadyProbe::Http(_) | ReadyProbe::Tcp => None,
        };
        let output = Output::capture(child, log, wanted)?;
        Ok((pid, descriptor, output))
    }

    /// Its process id, which is also its group's.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// Which node of its trial it is.
    pub fn node(&self) -> Node {
        self.place.1
    }

    /// Which start of its node it is.
    pub fn incarnation(&self) -> Incarnation {
        self.place.2
    }

    /// The begin of its start.
    pub fn requested(&self) -> Elapsed {
        self.requested
    }

    /// When the launcher had been executed that executed its program, where its listening socket is held.
    pub fn launched(&self) -> Option<Elapsed> {
        self.launched
    }

    /// Whether its listening socket is held by the harness, and was passed to it.
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// When its program had been executed.
    pub fn executed(&self) -> Elapsed {
        self.executed
    }

    /// Its output.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// The last lines of its output. Waits for nothing, least of all for the end of a pipe.
    pub fn tail(&self) -> Vec<Line> {
        self.output.tail()
    }

    /// The living processes of this incarnation, as far as they are known to be of it.
    pub fn members(&self) -> Vec<Member> {
        let mut members = self.tag.members();
        members.retain(|member| member.place == Some(self.place));
        members
    }

    /// Its resident memory in bytes, without its children.
    ///
    /// # Errors
    /// If it is gone.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        proc::resident_bytes(self.pid())
    }

    /// Whether it has not been reaped yet.
    pub fn is_running(&self) -> bool {
        self.exit().is_none()
    }

    /// How it ended and when it was reaped, if it has been.
    pub fn exit(&self) -> Option<(Exit, Elapsed)> {
        match self.state {
            State::Running => None,
            State::Exited { exit, at } | State::Cleared { exit, at } => Some((exit, at)),
        }
    }

    /// Waits for its end: how it ended, and when that was confirmed by reaping it. May be given up and
    /// asked again; after the end it answers at once.
    ///
    /// # Errors
    /// If it cannot be watched or reaped.
    pub async fn exited(&mut self) -> io::Result<(Exit, Elapsed)> {
        loop {
            if let Some(ended) = self.exit() {
                return Ok(ended);
            }
            // Left set: the descriptor of a process stays readable once it has ended.
            drop(self.descriptor.readable().await?);
            if self.try_reap()?.is_none() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Sees its end without reaping it: its number stays its own.
    ///
    /// # Errors
    /// If it cannot be watched.
    pub fn seen_end(&self) -> io::Result<impl Future<Output = io::Result<()>> + use<>> {
        let descriptor = watched::watch(self.descriptor.get_ref().try_clone()?)?;
        Ok(async move { descriptor.readable().await.map(drop) })
    }

    /// Reaps it if it has ended.
    fn try_reap(&mut self) -> io::Result<Option<(Exit, Elapsed)>> {
        assert_eq!(self.state, State::Running, "a process is reaped once");
        let Some(status) = self.child.try_wait()? else {
            return Ok(None);
        };
        let at = self.clock.now();
        let exit = into_exit(status)?;
        self.state = State::Exited { exit, at };
        Ok(Some((exit, at)))
    }

    /// Sends a signal to its whole group.
    ///
    /// # Errors
    /// If it has been reaped, because its number may then be another's, or the system refuses.
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        self.send_to_group(signal::Signal::try_from(signal.number())?)
    }

    /// Sends a signal to the started process alone.
    pub(super) fn send_to_leader(&self, signal: signal::Signal) -> io::Result<()> {
        self.refuse_when_ended(signal)?;
        // Not reaped, so the number is its own.
        Ok(signal::kill(
            nix::unistd::Pid::from_raw(self.pid()),
            signal,
        )?)
    }

    pub(super) fn refuse_when_ended(&self, signal: signal::Signal) -> io::Result<()> {
        if self.is_running() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "process {} has ended: {signal} is no longer sent",
                self.pid()
            ),
        ))
    }

    pub(super) fn send_to_group(&self, signal: signal::Signal) -> io::Result<()> {
        self.refuse_when_ended(signal)?;
        Ok(to_group(nix::unistd::Pid::from_raw(self.pid()), signal)?)
    }

    /// Asks its group to end, and kills it when it does not in its time of grace.
    ///
    /// # Errors
    /// If it cannot be signalled or watched, or is there even ten seconds after SIGKILL.
    pub async fn stop(&mut self, stop: &Stop) -> io::Result<Stopped> {
        if let Some((exit, at)) = self.exit() {
            let took_kill = false;
            return Ok(Stopped {
                exit,
                at,
                took_kill,
            });
        }
        self.signal_group(stop.signal)?;
        let mut took_kill = false;
        let (exit, at) = match tokio::time::timeout(stop.grace.into(), self.exited()).await {
            Ok(ended) => ended?,
            Err(_) => {
                took_kill = true;
                self.signal_group(Signal::Kill)?;
                tokio::time::timeout(KILL_TAKES, self.exited())
                    .await
                    .map_err(|_| group::survived(self.pid, &[self.pid()], KILL_TAKES))??
            }
        };
        Ok(Stopped {
            exit,
            at,
            took_kill,
        })
    }

    /// Kills what is left of its group, and waits until nothing is. What has left the group is not
    /// touched: whether that outlives a fault is a finding.
    ///
    /// # Errors
    /// If something is there even five seconds after SIGKILL, or may not be killed.
    ///
    /// # Panics
    /// If it still runs: its status would be lost.
    pub async fn clear_group(&mut self) -> io::Result<()> {
        match self.state {
            State::Running => panic!("a group is cleared after its leader has been reaped"),
            State::Cleared { .. } => return Ok(()),
            State::Exited { .. } => {}
        }
        group::clear(self.pid).await?;
        self.note_cleared();
        Ok(())
    }

    /// Its group was seen to be empty after its end: from now on its number may name another.
    pub(super) fn note_cleared(&mut self) {
        if let State::Exited { exit, at } = self.state {
            self.state = State::Cleared { exit, at };
            self.tag.roster().clear(self.pid());
        }
    }

    /// Whether it has ended, and nothing of its group is left.
    pub fn is_cleared(&self) -> bool {
        matches!(self.state, State::Cleared { .. })
    }

    /// Kills it and its group, and waits for its end without a runtime.
    fn end_at_once(&mut self) {
        // Best effort: there is no caller left for errors.
        let _ = self.signal_group(Signal::Kill);
        let mut end = [PollFd::new(&self.descriptor, PollFlags::IN)];
        let _ = poll(&mut end, Some(&DROP_TAKES));
        let _ = self.try_reap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let (place, group) = (self.place, self.pid());
        match self.state {
            // What detached itself goes too.
            State::Running => {
                self.end_at_once();
                self.tag.sweep(|member| member.place == Some(place));
            }
            // Another group may have its number by now, so only known members are killed.
            State::Exited { .. } => {
                self.tag
                    .sweep(|member| member.place == Some(place) && member.group == group);
            }
            State::Cleared { .. } => return,
        }
        self.tag.roster().clear(group);
    }
}

/// Kills a started process that cannot be watched.
fn give_up(mut child: Child, program: PathBuf, cause: io::Error) -> StartError {
    let pid = Pid::from_child(&child);
    let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    let _ = child.wait();
    StartError::Watch { program, cause }
}

fn into_exit(status: ExitStatus) -> io::Result<Exit> {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(Exit::Status(code)),
        (None, Some(signal)) => Ok(Exit::Signal(signal)),
        (None, None) => Err(io::Error::other(format!(
            "a process ended in an unknown way: {status}"
        ))),
    }
}

/// Sends a signal to the group that this process, which was not reaped yet, was started with.
pub(super) fn to_group(leader: nix::unistd::Pid, signal: signal::Signal) -> nix::Result<()> {
    match killpg(leader, signal) {
        // In one step, so that none of the group can start another unseen. It has moved to another group: it can be
        // reached by itself.
        Err(Errno::ESRCH) => signal::kill(leader, signal),
        sent => sent,
    }
}
