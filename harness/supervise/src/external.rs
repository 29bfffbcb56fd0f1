//! A server that somebody else started: found by its pid file or its port, watched by a descriptor of the kernel, and signalled by
//! that alone.
//!
//! It is on no roster, and in no control group: whatever ends the run leaves it running. Its processes are known by pid and start
//! time, and by their parents. Its end cannot be reaped, but the kernel tells when it comes: a descriptor of a process is readable
//! from then on.

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use comeback_host::clock::Clock;
use comeback_model::endpoint::Endpoint;
use comeback_model::plan::{External, FoundBy};
use comeback_model::units::Elapsed;
use nix::sys::signal;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::ownership;
use super::proc::{self, Stat};
use super::roster::Place;

mod process;
mod restart;

pub use process::{Begin, ExternalProcess, ExternalShot, Next};
pub use restart::check_restart;

/// A process, for good: its number may come to name another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) pid: i32,
    /// In clock ticks since the machine's start.
    pub(super) start_time: u64,
}

impl Identity {
    const fn of(stat: &Stat) -> Self {
        Self {
            pid: stat.pid,
            start_time: stat.start_time,
        }
    }

    /// Whether it is there, and has not ended.
    fn lives(self) -> bool {
        proc::stat(self.pid).is_ok_and(|stat| stat.start_time == self.start_time && !stat.is_zombie)
    }

    /// Its descriptor; none if it is gone.
    fn open(self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(None);
        };
        let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            opened => opened?,
        };
        // Compared when the descriptor is open: it is the same process, or was none.
        Ok(self.lives().then_some(descriptor))
    }
}

/// Why the process of a server is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound(String);

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotFound {}

/// Finds the process of a server: it listens at the address, and nobody listens there beside it but processes that it started.
fn find(external: &External) -> Result<Identity, NotFound> {
    let port = external.port;
    let address = format!("127.0.0.1:{port}");
    let endpoint = Endpoint::tcp(comeback_model::plan::Protocol::Http, port);
    let unreadable = |error: io::Error| NotFound(format!("/proc cannot be read: {error}"));
    let holders = ownership::holders(&endpoint).map_err(unreadable)?;
    let named = match &external.by {
        FoundBy::Port => None,
        FoundBy::PidFile(path) => Some((path.display(), pid_in(path)?)),
    };
    let Some(holders) = holders else {
        return Err(NotFound(match named {
            None => format!("nobody listens on {address}"),
            Some((path, pid)) => format!(
                "{path} names process {pid} ({}), but nobody listens on {address}",
                proc::command(pid)
            ),
        }));
    };
    let told = |stat: &Stat| format!("process {} ({})", stat.pid, proc::command(stat.pid));
    let Some(first) = holders.first() else {
        return Err(NotFound(format!(
            "somebody listens on {address}, but it cannot be seen whose process that is: run Comeback as the server's user, or as root"
        )));
    };
    let found = match named {
        Some((path, pid)) => {
            let Some(own) = holders.iter().find(|holder| holder.pid == pid) else {
                return Err(NotFound(format!(
                    "{path} names process {pid} ({}), but {address} is held by {}",
                    proc::command(pid),
                    told(first)
                )));
            };
            own
        }
        None => {
            let is_root = |one: &&Stat| {
                let root = Identity::of(one);
                holders
                    .iter()
                    .all(|other| descends(other, &[root]).is_some())
            };
            holders.iter().find(is_root).unwrap_or(first)
        }
    };
    let identity = Identity::of(found);
    if let Some(other) = holders
        .iter()
        .find(|other| descends(other, &[identity]).is_none())
    {
        return Err(NotFound(format!(
            "{address} is held by {} and by {}, and neither started the other: replies could come from either",
            told(found),
            told(other)
        )));
    }
    let own = proc::own_pid();
    let is_above = proc::ancestors(own)
        .iter()
        .any(|(pid, _)| *pid == found.pid);
    if found.pid == 1 || found.pid == own || is_above {
        return Err(NotFound(format!(
            "{address} is held by {}, which started Comeback itself or all of this machine (as with socket activation): it is never \
             signalled",
            told(found)
        )));
    }
    Ok(identity)
}

/// The process that a pid file names.
fn pid_in(path: &std::path::Path) -> Result<i32, NotFound> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| NotFound(format!("the pid file {shown} cannot be read: {error}")))?;
    // Some servers write more lines below it.
    let first = text.split_whitespace().next().unwrap_or_default();
    let pid = first.parse().ok().filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| {
        NotFound(format!(
            "the pid file {shown} holds no process id, but {first:?}"
        ))
    })?;
    match proc::stat(pid) {
        Ok(stat) if !stat.is_zombie => Ok(pid),
        Ok(_) | Err(_) => Err(NotFound(format!(
            "the pid file {shown} names process {pid}, which does not run"
        ))),
    }
}

/// Which of these processes this one is, or was started by.
fn descends(stat: &Stat, from: &[Identity]) -> Option<Identity> {
    let mut stat = *stat;
    loop {
        let own = Identity::of(&stat);
        if from.contains(&own) {
            return Some(own);
        }
        stat = proc::stat(stat.parent).ok()?;
    }
}

/// The living descendants of a process.
fn descendants(of: Identity) -> io::Result<Vec<Stat>> {
    let all = proc::all()?;
    let mut found: Vec<Stat> = Vec::new();
    let mut parents = vec![of.pid];
    while let Some(parent) = parents.pop() {
        let children = all.iter().filter(|stat| {
            stat.parent == parent && stat.start_time >= of.start_time && !stat.is_zombie
        });
        for child in children {
            parents.push(child.pid);
            found.push(*child);
        }
    }
    Ok(found)
}

/// Sees that the process of a server can be found and signalled, before anything is done to it.
///
/// # Errors
/// With the reason why not, and the mend.
pub fn check(external: &External) -> Result<(), NotFound> {
    let found = find(external).map_err(|NotFound(problem)| {
        let mend = match &external.by {
            FoundBy::Port => "start the server first, or correct external.port",
            FoundBy::PidFile(_) => {
                "start the server first, or correct external.pid_file and external.address; the file must name the process that listens"
            }
        };
        NotFound(format!("{problem}: {mend}"))
    })?;
    let may = signal::kill(nix::unistd::Pid::from_raw(found.pid), None);
    may.map_err(|error| {
        NotFound(format!(
            "process {} ({}) may not be signalled ({}): run Comeback as its user, or as root",
            found.pid,
            proc::command(found.pid),
            error.desc()
        ))
    })
}

/// A process that was seen in the place of an awaited start.
#[derive(Debug)]
struct Sighting {
    identity: Identity,
    executed: Elapsed,
    descriptor: OwnedFd,
}

/// The processes of one server over the trials of a run.
#[derive(Debug)]
struct Seen {
    external: External,
    clock: Clock,
    /// Every process so far, with the start that it was.
    known: Vec<(Identity, Place)>,
    /// The start that is waited for.
    awaited: Option<Place>,
    sighting: Option<(Place, Sighting)>,
    /// When the end of the last process was seen.
    last_end: Option<Elapsed>,
    /// Why nothing was found at the last look.
    missing: Option<NotFound>,
}

/// A server that somebody else starts, watched over the trials of a run. A clone is the same.
#[derive(Clone, Debug)]
pub struct Watch(Rc<RefCell<Seen>>);

impl Watch {
    /// A watch for this server.
    pub fn new(external: &External, clock: Clock) -> Self {
        Self(Rc::new(RefCell::new(Seen {
            external: external.clone(),
            clock,
            known: Vec::new(),
            awaited: None,
            sighting: None,
            last_end: None,
            missing: None,
        })))
    }

    /// Looks for the process of the awaited start, if one is awaited: at the first start of a trial who is there, later a new one.
    pub fn look(&self) {
        self.0.borrow_mut().look();
    }

    /// Which start a process is of: it is one that was found, or was started by one.
    pub fn place_of(&self, pid: i32, start_time: u64) -> Option<Place> {
        let seen = self.0.borrow();
        let stat = proc::stat(pid).ok()?;
        let all: Vec<Identity> = seen.known.iter().map(|(identity, _)| *identity).collect();
        let own = descends(&stat, &all).filter(|_| stat.start_time == start_time)?;
        let mut known = seen.known.iter().rev();
        known
            .find(|(identity, _)| *identity == own)
            .map(|(_, place)| *place)
    }

    /// The begin of this start, in clock ticks; not known while it is awaited.
    pub fn start_time_of(&self, place: Place) -> Option<u64> {
        let seen = self.0.borrow();
        let mut known = seen.known.iter().rev();
        known
            .find(|(_, of)| *of == place)
            .map(|(identity, _)| identity.start_time)
    }

    /// Why nothing was found at the last look, if nothing was.
    pub fn missing(&self) -> Option<NotFound> {
        self.0.borrow().missing.clone()
    }

    fn note_end(&self, at: Elapsed) {
        self.0.borrow_mut().last_end = Some(at);
    }

    fn await_start(&self, place: Place) {
        let mut seen = self.0.borrow_mut();
        seen.awaited = Some(place);
        seen.sighting = None;
    }

    fn take_sighting(&self, place: Place) -> Option<Sighting> {
        let mut seen = self.0.borrow_mut();
        let (_, sighting) = seen.sighting.take_if(|(of, _)| *of == place)?;
        Some(sighting)
    }
}

impl Seen {
    fn look(&mut self) {
        let Some(place) = self.awaited else {
            return;
        };
        let found = match find(&self.external) {
            Ok(found) => found,
            Err(missing) => {
                self.missing = Some(missing);
                return;
            }
        };
        let (.., start) = place;
        if start.0 > 0 && self.known.iter().any(|(known, _)| *known == found) {
            let problem = format!(
                "process {}, which was there before, is still there",
                found.pid
            );
            self.missing = Some(NotFound(problem));
            return;
        }
        // One that is gone already is looked for again.
        let Ok(Some(descriptor)) = found.open() else {
            return;
        };
        let now = self.clock.now();
        let executed = match start.0 {
            0 => now,
            // A supervisor may be told of an end before this process is. It is one moment.
            _ => began_by(found.start_time, now).max(self.last_end.unwrap_or_default()),
        };
        self.known.push((found, place));
        self.sighting = Some((
            place,
            Sighting {
                identity: found,
                executed,
                descriptor,
            },
        ));
        self.awaited = None;
        self.missing = None;
    }
}

/// When a process that began in this clock tick had begun: at the tick's end, so that it is never told too early.
fn began_by(start_time: u64, now: Elapsed) -> Elapsed {
    let per_second = procfs::ticks_per_second().max(1);
    let us = (start_time + 1).saturating_mul(1_000_000) / per_second;
    let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let up_us = u64::try_from(up.tv_sec).unwrap_or(0) * 1_000_000
        + u64::try_from(up.tv_nsec).unwrap_or(0) / 1_000;
    let age = Duration::from_micros(up_us.saturating_sub(us));
    Elapsed::from_us(now.as_us().saturating_sub(age.as_micros() as u64))
}
