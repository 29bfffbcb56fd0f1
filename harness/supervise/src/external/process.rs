//! One start of a server that somebody else starts: awaited, seen, ended.
//!
//! ```text
//! awaited → seen (a descriptor holds it) → ended (the descriptor is readable: this is T0)
//! ```
//! Dropping it leaves the server as it is, and lets go on what stood still.

mod succession;

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use comeback_host::clock::Clock;
use comeback_host::undo::Undo;
use comeback_host::watched;
use comeback_model::event::{Exit, Survivor};
use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::{External, Reach, Signal};
use comeback_model::said::Line;
use comeback_model::units::Elapsed;
use futures_util::future::join_all;
use tokio::io::unix::AsyncFd;

use super::restart::Restart;
use super::shot::{COMMAND, ExternalShot, KillCommand, NONE, send, send_raw};
use super::{Identity, NotFound, Sighting, Watch, descendants};
use crate::proc;
use crate::reach::unless_gone;
use crate::roster::Place;
use crate::shot::{Sent, Sight, has_ended};
use crate::tag::RunTag;

/// Between two looks for an awaited start: at least this, and so many times as long as a look takes.
const LOOK_PAUSE: Duration = Duration::from_millis(2);
const LOOKS_SHARE: u32 = 4;
/// The next thing to be seen of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Its process was found.
    Executed,
    /// It ended so, and then.
    Exited(Exit, Elapsed),
    /// All others that a fault addressed with it have ended.
    Others,
}

/// One start of a server that somebody else starts.
#[derive(Debug)]
pub struct ExternalProcess {
    place: Place,
    requested: Elapsed,
    clock: Clock,
    tag: RunTag,
    watch: Watch,
    restart: Option<Restart>,
    /// The restart command that is not begun yet: a kill command is under way, and might end or hinder what it starts.
    due: Option<Vec<String>>,
    /// Where the output of commands goes.
    log: PathBuf,
    /// While it is awaited: when it is looked for again.
    next_look: Instant,
    held: Option<Held>,
    exit: Option<(Exit, Elapsed)>,
    /// Why its end says nothing of it, if that is so.
    displaced: Option<String>,
    tail: Vec<Line>,
}

/// The process, held by a descriptor.
#[derive(Debug)]
struct Held {
    identity: Identity,
    executed: Elapsed,
    descriptor: AsyncFd<OwnedFd>,
    /// The listening sockets that reach it, by their inodes.
    sockets: HashSet<u64>,
    /// The restart command started it, or is it.
    is_of_restart: bool,
    /// When its end was seen.
    ended: Option<Elapsed>,
    /// The signal that was sent to it last while it ran, to end it.
    sent: Arc<AtomicI32>,
    /// Those that a fault addresses with it.
    others: Vec<Other>,
    /// What it had started when a fault addressed it.
    started: Vec<Identity>,
    /// Those that were made to stand still.
    paused: RefCell<Vec<Identity>>,
}

impl Held {
    fn of(sighting: Sighting, restart: Option<&Restart>) -> io::Result<Self> {
        Ok(Self {
            is_of_restart: restart.is_some_and(|restart| restart.started(sighting.identity)),
            identity: sighting.identity,
            executed: sighting.executed,
            descriptor: watched::watch(sighting.descriptor)?,
            sockets: sighting.sockets,
            ended: None,
            sent: Arc::new(AtomicI32::new(NONE)),
            others: Vec::new(),
            started: Vec::new(),
            paused: RefCell::default(),
        })
    }

    /// How it ended: what only its parent knows can be seen for as long as the parent has not asked.
    fn exit(&self, status: Option<i32>) -> Exit {
        let sent = self.sent.load(Ordering::SeqCst);
        match (status.map(ExitStatus::from_raw), sent) {
            // It may end as the command has it end.
            (_, COMMAND) => Exit::AfterCommand,
            (Some(status), _) if status.signal().is_some_and(|signal| signal != sent) => {
                status.signal().map_or(Exit::Unseen, Exit::Signal)
            }
            (Some(status), _) if status.code().is_some() => {
                status.code().map_or(Exit::Unseen, Exit::Status)
            }
            (_, NONE) => Exit::Unseen,
            (_, signal) => Exit::AfterSignal(signal),
        }
    }
}

#[derive(Debug)]
struct Other {
    identity: Identity,
    descriptor: AsyncFd<OwnedFd>,
    ended: Option<Elapsed>,
}

impl Other {
    async fn end(&mut self, clock: Clock) -> io::Result<()> {
        if self.ended.is_none() {
            drop(self.descriptor.readable().await?);
            self.ended = Some(clock.now());
        }
        Ok(())
    }
}

/// Which start it is, and how it is begun.
#[derive(Debug)]
pub struct Begin<'a> {
    /// Which start of which node of which trial.
    pub place: Place,
    /// The server.
    pub external: &'a External,
    /// Where a restart command's output goes.
    pub log: PathBuf,
    /// The run.
    pub tag: &'a RunTag,
    /// The run's clock.
    pub clock: Clock,
}

impl ExternalProcess {
    /// Begins to wait for a start. One after a fault is asked for by the restart command, where there is one, and so is the first of a
    /// trial that finds the server down. It is begun when no kill command is under way any more.
    ///
    /// # Errors
    /// If the restart command cannot be begun.
    pub fn begin(watch: &Watch, begin: Begin<'_>) -> io::Result<Self> {
        let Begin {
            place,
            external,
            log,
            tag,
            clock,
        } = begin;
        let requested = clock.now();
        watch.await_start(place);
        let (.., start) = place;
        // An earlier trial may have left it dead.
        let is_asked = start > Incarnation(0) || watch.is_down()?;
        let mut process = Self {
            place,
            requested,
            clock,
            tag: tag.clone(),
            watch: watch.clone(),
            restart: None,
            due: external.restart.clone().filter(|_| is_asked),
            log,
            next_look: Instant::now(),
            held: None,
            exit: None,
            displaced: None,
            tail: Vec::new(),
        };
        process.begin_restart()?;
        Ok(process)
    }

    /// Begins the restart command if there is one to be begun, and no kill command is under way: an engine that still works on the kill
    /// would take the start for done.
    fn begin_restart(&mut self) -> io::Result<()> {
        if self.due.is_some() && self.watch.kill_under_way().is_under_way() {
            self.watch.note_unbegun(self.place);
        } else if let Some(words) = self.due.take() {
            self.requested = self.clock.now();
            self.restart = Some(Restart::begin(&words, self.log.clone())?);
            self.watch.note_restart(true);
        }
        Ok(())
    }

    /// Which node it is.
    pub const fn node(&self) -> Node {
        self.place.1
    }

    /// Which start of it.
    pub const fn incarnation(&self) -> Incarnation {
        self.place.2
    }

    /// Its process id; 0 while it is awaited.
    pub fn pid(&self) -> i32 {
        self.held.as_ref().map_or(0, |held| held.identity.pid)
    }

    /// When it began to be waited for.
    pub const fn requested(&self) -> Elapsed {
        self.requested
    }

    /// When its process had begun; while it is awaited, when that began.
    pub fn executed(&self) -> Elapsed {
        self.held
            .as_ref()
            .map_or(self.requested, |held| held.executed)
    }

    /// How and when it ended, if it has.
    pub const fn exit(&self) -> Option<(Exit, Elapsed)> {
        self.exit
    }

    /// Whether its end was seen, and it is not told yet whose doing that was.
    pub fn has_untold_end(&self) -> bool {
        let held = self.held.as_ref().filter(|_| self.exit.is_none());
        held.is_some_and(|held| held.ended.is_some())
    }

    /// Why its end says nothing of it, if that is so: the run itself may have ended it.
    pub fn displaced(&self) -> Option<&str> {
        self.displaced.as_deref()
    }

    /// Whether its process was not seen yet.
    pub const fn is_awaited(&self) -> bool {
        self.held.is_none() && self.exit.is_none()
    }

    /// Whether it was seen, and has not ended.
    pub const fn is_running(&self) -> bool {
        self.held.is_some() && self.exit.is_none()
    }

    /// The last lines of the restart command that failed.
    pub fn tail(&self) -> Vec<Line> {
        self.tail.clone()
    }

    /// Waits for the next thing to be seen of it; it may be given up and asked again.
    ///
    /// # Errors
    /// If it cannot be watched.
    pub async fn next(&mut self) -> io::Result<Next> {
        loop {
            if self.is_awaited() {
                // It is asked again and again by a loop that has more to do.
                tokio::time::sleep_until(self.next_look.into()).await;
                let begun = Instant::now();
                let is_seen = self.look()?;
                let took = begun.elapsed();
                self.next_look = begun + took + LOOK_PAUSE.max(took * LOOKS_SHARE);
                if is_seen {
                    return Ok(Next::Executed);
                }
                if let Some((exit, at)) = self.exit {
                    return Ok(Next::Exited(exit, at));
                }
                continue;
            }
            let clock = self.clock;
            let is_running = self.is_running();
            let Some(held) = &mut self.held else {
                return std::future::pending().await;
            };
            let has_others = held.others.iter().any(|other| other.ended.is_none());
            let Held {
                identity,
                descriptor,
                others,
                ended,
                ..
            } = held;
            let others_gone = async {
                if !has_others {
                    std::future::pending::<()>().await;
                }
                let ends = others.iter_mut().map(|other| other.end(clock));
                join_all(ends).await.into_iter().collect::<io::Result<()>>()
            };
            let restart = &self.restart;
            let restarted = async {
                match restart {
                    Some(restart) => restart.end().await,
                    None => std::future::pending().await,
                }
            };
            return tokio::select! {
                biased;
                // Left set: the descriptor of a process stays readable once it has ended.
                ready = descriptor.readable(), if is_running => {
                    drop(ready?);
                    let at = *ended.get_or_insert_with(|| clock.now());
                    let status = proc::wait_status(identity.pid, identity.start_time);
                    // A launcher ends well. A status is seen of those alone that do not.
                    if status.is_none() && self.is_succeeded().await? {
                        continue;
                    }
                    self.displaced = match self.displaced_by_kill_command() {
                        Some(why) => Some(why),
                        None => self.displaced_by_restart().await?,
                    };
                    let exit = self.held.as_ref().map_or(Exit::Unseen, |held| held.exit(status));
                    self.exit = Some((exit, at));
                    self.watch.note_end(at);
                    Ok(Next::Exited(exit, at))
                }
                over = restarted, if is_running => {
                    over?;
                    // If both have ended, nobody knows which did first, and the command counts as under way.
                    if has_ended(descriptor.get_ref())? {
                        ended.get_or_insert_with(|| clock.now());
                    } else if let Some(restart) = &mut self.restart {
                        restart.note_over();
                    }
                    continue;
                }
                gone = others_gone => gone.map(|()| Next::Others),
            };
        }
    }

    /// Looks for its process; whether it was found.
    fn look(&mut self) -> io::Result<bool> {
        self.watch.look();
        if let Some(sighting) = self.watch.take_sighting(self.place) {
            self.held = Some(Held::of(sighting, self.restart.as_ref())?);
            return Ok(true);
        }
        if let Err(error) = self.begin_restart() {
            self.watch.note_restart(false);
            self.exit = Some((Exit::Unseen, self.clock.now()));
            let why = format!("the restart command cannot be begun: {error}");
            self.tail = vec![Line::Out(why)];
        }
        let failed = match &mut self.restart {
            Some(restart) => restart.failure()?,
            None => None,
        };
        if let Some((exit, tail)) = failed {
            self.watch.note_restart(false);
            self.exit = Some((exit, self.clock.now()));
            self.tail = tail;
        }
        Ok(false)
    }

    /// Whether its process was found and listens: whoever answers is it.
    ///
    /// # Errors
    /// With what was found in its place.
    pub async fn confirm(&mut self) -> Result<(), NotFound> {
        let unwatched = |error: io::Error| NotFound::unseen(error.to_string());
        self.watch.ask_anew();
        while self.is_awaited() && !self.look().map_err(unwatched)? {
            if !self.is_awaited() || !self.watch.is_asking() {
                let missing = self.watch.missing();
                return Err(
                    missing.unwrap_or_else(|| NotFound::because("its process was not found"))
                );
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        Ok(())
    }

    /// Why its process is not known yet, if it is not.
    pub fn missing(&self) -> Option<NotFound> {
        self.watch.missing().filter(|_| self.is_awaited())
    }

    fn held(&self) -> io::Result<&Held> {
        match &self.held {
            Some(held) if self.exit.is_none() => Ok(held),
            Some(held) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("process {} has ended", held.identity.pid),
            )),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no process of the server is there",
            )),
        }
    }

    /// Finds whom a fault addresses.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn address(&mut self, reach: Reach) -> io::Result<()> {
        let Some(held) = &mut self.held else {
            return Ok(());
        };
        let below = descendants(held.identity)?;
        held.started = below.iter().map(Identity::of).collect();
        let mut all = held.started.clone();
        all.push(held.identity);
        self.watch.note_before(&all)?;
        held.others.clear();
        if reach == Reach::Process {
            return Ok(());
        }
        for identity in held.started.iter().copied() {
            if let Some(descriptor) = identity.open()? {
                held.others.push(Other {
                    identity,
                    descriptor: watched::watch(descriptor)?,
                    ended: None,
                });
            }
        }
        Ok(())
    }

    /// Is done when the process has ended.
    ///
    /// # Errors
    /// If it has not been found, or cannot be watched.
    pub fn seen_end(&self) -> io::Result<impl Future<Output = io::Result<()>> + use<>> {
        let descriptor = watched::watch(self.held()?.descriptor.get_ref().try_clone()?)?;
        Ok(async move { descriptor.readable().await.map(drop) })
    }

    /// Makes a signal to them ready.
    ///
    /// # Errors
    /// If it has ended.
    pub fn shot(&self, signal: Signal) -> io::Result<ExternalShot> {
        let held = self.held()?;
        let others = held.others.iter().filter(|other| other.ended.is_none());
        let others = others.map(|other| other.descriptor.get_ref().try_clone());
        let descriptor = held.descriptor.get_ref().try_clone()?;
        let command = self.watch.kill_command();
        let command = command
            .map(|words| KillCommand::prepare(&words, &self.log, self.watch.kill_under_way()));
        Ok(ExternalShot {
            command: command.transpose()?,
            sight: Sight::of(held.identity.pid, descriptor, self.clock),
            at: self.watch.shot(),
            others: others.collect::<io::Result<_>>()?,
            sent: Arc::clone(&held.sent),
            signal,
        })
    }

    /// Whether some of the others that are addressed have not ended.
    pub fn has_others(&self) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| held.others.iter().any(|other| other.ended.is_none()))
    }

    /// When the last of the others ended, if one has.
    pub fn last_end_of_others(&self) -> Option<Elapsed> {
        let others = self.held.iter().flat_map(|held| &held.others);
        others.filter_map(|other| other.ended).max()
    }

    /// Kills those addressed that have not ended; their ids.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn kill_rest(&self) -> io::Result<Vec<i32>> {
        let mut killed = Vec::new();
        if let Ok(held) = self.held()
            && self.shot(Signal::Kill)?.fire()? != Sent::Not
        {
            killed.push(held.identity.pid);
        }
        if let Some(held) = &self.held {
            for other in held.others.iter().filter(|other| other.ended.is_none()) {
                send(other.descriptor.get_ref(), Signal::Kill)?;
                killed.push(other.identity.pid);
            }
        }
        Ok(killed)
    }

    /// What it had started when a fault addressed it, and is still there.
    pub fn survivors(&self) -> Vec<Survivor> {
        let started = self.held.iter().flat_map(|held| &held.started);
        let left = started.filter(|identity| self.exit.is_some() && identity.lives());
        left.map(|identity| Survivor {
            pid: identity.pid,
            command: proc::command(identity.pid),
        })
        .collect()
    }

    /// Stops it where it is. How to let it go on is written down before.
    ///
    /// # Errors
    /// If it has ended, the way back cannot be written down, or the system refuses.
    pub fn pause(&self, reach: Reach) -> io::Result<()> {
        let held = self.held()?;
        for identity in reached(held, reach)? {
            self.halt(held, identity)?;
        }
        Ok(())
    }

    fn halt(&self, held: &Held, identity: Identity) -> io::Result<()> {
        if !held.paused.borrow().contains(&identity) {
            self.tag
                .lease(Undo::resume(identity.pid, identity.start_time)?)?;
            held.paused.borrow_mut().push(identity);
        }
        match identity.open()? {
            Some(descriptor) => send_raw(&descriptor, rustix::process::Signal::STOP).map(drop),
            None => Ok(()),
        }
    }

    /// Whether all that is reached stands still. What does not is sent SIGSTOP: ask again.
    ///
    /// # Errors
    /// If it has ended, `/proc` cannot be read, or the system refuses.
    pub fn stands_still(&self, reach: Reach) -> io::Result<bool> {
        let held = self.held()?;
        let mut is_still = true;
        for identity in reached(held, reach)? {
            if identity.lives() && !unless_gone(proc::is_stopped(identity.pid), true)? {
                is_still = false;
                self.halt(held, identity)?;
            }
        }
        Ok(is_still)
    }

    /// Lets go on all that was made to stand still.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn resume(&self) -> io::Result<()> {
        if let Some(held) = &self.held {
            for identity in held.paused.take() {
                if let Some(descriptor) = identity.open()? {
                    send_raw(&descriptor, rustix::process::Signal::CONT)?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for ExternalProcess {
    fn drop(&mut self) {
        // It is on record how to do it, should this fail.
        let _ = self.resume();
    }
}

/// It, and what it started where that is reached.
fn reached(held: &Held, reach: Reach) -> io::Result<Vec<Identity>> {
    let mut all = vec![held.identity];
    if reach != Reach::Process {
        all.extend(descendants(held.identity)?.iter().map(Identity::of));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;
    use comeback_model::ids::TrialId;
    use comeback_model::plan::IdentifiedBy;

    /// One whose number is no process's.
    fn down(port_of: &std::path::Path) -> External {
        External {
            by: IdentifiedBy::PidFile(port_of.join("no.pid")),
            port: 1,
            restart: Some(vec!["true".to_owned()]),
            kill: Some(vec!["end-it".to_owned()]),
        }
    }

    #[tokio::test]
    async fn a_restart_command_is_begun_when_the_kill_command_has_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let external = down(folder.path());
        let clock = Clock::start();
        let tag = RunTag::new().expect("/proc is there");
        let watch = Watch::new(&external, clock);
        let place = (TrialId(0), Node::Replica(0), Incarnation(1));
        let begin = || Begin {
            place,
            external: &external,
            log: folder.path().join("log"),
            tag: &tag,
            clock,
        };
        let kill = watch.kill_under_way();
        kill.begin();
        let mut process = ExternalProcess::begin(&watch, begin()).expect("it waits");
        process.look().expect("/proc is there");
        assert!(process.restart.is_none(), "the kill command is under way");
        let why = watch.unbegun(place).expect("it waits");
        assert!(why.contains("'end-it'"), "{why}");
        let waited = clock.now();
        kill.end();
        process.look().expect("/proc is there");
        assert!(process.restart.is_some());
        assert!(process.requested() >= waited, "it counts from its begin");
        assert_eq!(watch.unbegun(place), None);
        // Without such a command it is begun at once.
        let process = ExternalProcess::begin(&watch, begin()).expect("it begins");
        assert!(process.restart.is_some());
    }

    #[test]
    fn how_a_process_ended_is_seen_until_its_parent_asks() {
        let mut child = Command::new("sh")
            .args(["-c", "exit 7"])
            .spawn()
            .expect("it is there");
        let pid = Pid::from_child(&child);
        let begun = proc::stat(pid.as_raw_pid()).expect("it runs").start_time;
        let process = pidfd_open(pid, PidfdFlags::empty()).expect("it runs");
        let mut end = [PollFd::new(&process, PollFlags::IN)];
        poll(&mut end, None).expect("it ends");
        let status = proc::wait_status(pid.as_raw_pid(), begun).map(ExitStatus::from_raw);
        assert_eq!(status.and_then(|status| status.code()), Some(7));
        assert_eq!(proc::wait_status(pid.as_raw_pid(), begun + 1), None);
        child.wait().expect("it ends");
        assert_eq!(proc::wait_status(pid.as_raw_pid(), begun), None);
    }
}
