//! A server that somebody else started: found by its pid file or its port, watched by a descriptor of the kernel, and signalled by
//! that alone.
//!
//! It is on no roster, and in no control group: whatever ends the run leaves it running. Its processes are known by pid and start
//! time, and by their parents. Its end cannot be reaped, but the kernel tells when it comes: a descriptor of a process is readable
//! from then on.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use comeback_host::clock::Clock;
use comeback_model::event::OldProcess;
use comeback_model::plan::fault::Ending;
use comeback_model::plan::{External, IdentifiedBy};
use comeback_model::units::Elapsed;
use nix::sys::signal;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::ownership;
use super::proc::{self, Stat};
use super::roster::Place;

mod before;
mod commanded;
mod find;
mod kinds;
mod process;
mod remote;
mod restart;
mod shot;
mod systemd;

use self::before::Before;
use self::commanded::Commanded;
use self::find::{Program, descendants, descends, find, told};
pub use process::{Begin, ExternalProcess, Next};
pub use remote::{RemoteProcess, RemoteShot, RemoteWatch, SeenOutside};
pub use restart::check_program;
pub use shot::ExternalShot;

/// A program that keeps a server down which its supervisor starts again else.
struct KeepsDown {
    program: &'static str,
    /// If it is told one of these.
    told: &'static [&'static str],
    /// Its options before that have a value as a word of its own.
    with_value: &'static [&'static str],
}

const KEEP_DOWN: [KeepsDown; 2] = [
    KeepsDown {
        program: "systemctl",
        told: &["stop"],
        with_value: &[
            "-H",
            "--host",
            "-M",
            "--machine",
            "-t",
            "--type",
            "-p",
            "--property",
            "-s",
            "--signal",
        ],
    },
    KeepsDown {
        program: "docker",
        told: &["stop", "kill"],
        with_value: &[
            "-H",
            "--host",
            "-c",
            "--context",
            "--config",
            "-l",
            "--log-level",
            "-f",
            "--file",
            "-p",
            "--project-name",
            "--profile",
            "--env-file",
        ],
    },
];
/// Words before what docker is told to do, which say what of.
const GROUPS: [&str; 2] = ["container", "compose"];

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
pub struct NotFound {
    problem: String,
    /// It may be there: who listens cannot be seen, or told from another.
    is_unseen: bool,
    /// It is being asked who it is.
    is_pending: bool,
}

impl NotFound {
    /// It is not there, or another is.
    fn because(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            is_unseen: false,
            is_pending: false,
        }
    }

    /// Whether it is there cannot be seen.
    fn unseen(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            is_unseen: true,
            is_pending: false,
        }
    }

    /// The answer is not there yet.
    fn pending(unit: &str) -> Self {
        Self {
            is_pending: true,
            ..Self::unseen(format!(
                "systemctl has not answered yet which the main process of the unit {unit} is"
            ))
        }
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for NotFound {}

/// Sees that the process of a server can be found and signalled, before anything is done to it.
///
/// # Errors
/// With the reason why not, and the mend.
pub fn check(external: &External) -> Result<(), NotFound> {
    if external.remote().is_some() {
        return remote::check(external);
    }
    let found = find(external, systemd::main_pid).map_err(|missing| {
        let mend = match &external.by {
            IdentifiedBy::Port | IdentifiedBy::Address(_) => {
                "start the server first, or correct external.port"
            }
            IdentifiedBy::Unit(_) => {
                "start the unit first, or correct external.systemd_unit and external.port; its main process must be the one that listens"
            }
            IdentifiedBy::PidFile(_) => {
                "start the server first, or correct external.pid_file and external.address; the file must name the process that listens"
            }
        };
        NotFound::because(format!("{missing}: {mend}"))
    })?;
    let pid = found.identity.pid;
    check_restarts(external, &[])?;
    let may = signal::kill(nix::unistd::Pid::from_raw(pid), None);
    may.map_err(|error| {
        NotFound::because(format!(
            "{} may not be signalled ({}): run Comeback as its user, or as root",
            told(pid),
            error.desc()
        ))
    })
}

/// Sees that somebody may start a server again after each of these ends, as far as that is known.
///
/// # Errors
/// With the reason why nobody does, and the mend.
pub fn check_restarts(external: &External, endings: &[Ending]) -> Result<(), NotFound> {
    if external.restart.is_some() {
        return Ok(());
    }
    let words = external.kill.as_deref().unwrap_or_default();
    let program = words.first().and_then(|word| word.rsplit('/').next());
    let keeps_down = KEEP_DOWN.iter().find(|one| {
        program == Some(one.program)
            && told_to(words, one.with_value).is_some_and(|told| one.told.contains(&told))
    });
    if let Some(KeepsDown { program: name, .. }) = keeps_down {
        return Err(NotFound::because(format!(
            "kill: after '{}' nobody starts the server again, whatever its policy: add restart = [\"{name}\", \"start\", \"{}\"]",
            words.join(" "),
            words.last().map_or("", String::as_str)
        )));
    }
    match &external.by {
        IdentifiedBy::Unit(unit) => systemd::check_restarts(unit, endings),
        IdentifiedBy::PidFile(_) | IdentifiedBy::Port | IdentifiedBy::Address(_) => Ok(()),
    }
}

/// What a program is told to do: its first word that is no option, no value of one and no group.
fn told_to<'w>(words: &'w [String], with_value: &[&str]) -> Option<&'w str> {
    let mut rest = words.iter().skip(1).map(String::as_str);
    while let Some(word) = rest.next() {
        if with_value.contains(&word) {
            rest.next();
        } else if !word.starts_with('-') && !GROUPS.contains(&word) {
            return Some(word);
        }
    }
    None
}

/// A process that was seen in the place of an awaited start.
#[derive(Debug)]
struct Sighting {
    identity: Identity,
    executed: Elapsed,
    descriptor: OwnedFd,
    /// The listening sockets that reach it, by their inodes.
    sockets: HashSet<u64>,
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
    /// It says so by an answer of systemctl.
    is_missing_by_answer: bool,
    asked: systemd::Asked,
    before: Before,
    /// What the first of them ran.
    program: Option<Program>,
    /// The restart command was begun since the last end, and did not fail.
    is_on_its_way: bool,
    /// The latest start that was asked for as the sender of a reply.
    answered: Option<Place>,
    kill_under_way: Commanded,
    /// The start whose restart command was not begun yet: a kill command is under way.
    unbegun: Option<Place>,
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
            is_missing_by_answer: false,
            asked: systemd::Asked::default(),
            before: Before::default(),
            program: None,
            is_on_its_way: false,
            answered: None,
            kill_under_way: Commanded::default(),
            unbegun: None,
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

    /// Notes that a reply was this start's.
    pub fn note_answer(&self, place: Place) {
        self.0.borrow_mut().answered = Some(place);
    }

    /// Whether it is the server of this node in this trial.
    pub fn is_of(&self, (trial, node, _): Place) -> bool {
        let seen = self.0.borrow();
        let mut known = seen.known.iter().rev();
        known.any(|(_, (of, its, _))| (*of, *its) == (trial, node))
    }

    /// Whether the server's socket was open after its end.
    pub fn held_on(&self) -> bool {
        self.0.borrow().before.held_on
    }

    /// The living processes that were the server's before this start.
    pub fn members_before(&self, place: Place) -> Vec<i32> {
        let old = self.0.borrow().known_before(place).into_iter();
        let old = old.filter(|identity| identity.lives());
        old.map(|identity| identity.pid).collect()
    }

    /// The same with what each could answer by, and with whom else could answer a client that is not of this start.
    pub fn old_processes(&self, place: Place) -> Vec<OldProcess> {
        let mut pids = self.members_before(place);
        let seen = self.0.borrow();
        let own = seen.identity_of(place);
        // Without a look at the connections nobody is known beside them: the caller sees the owner of the address, too.
        let others = ownership::who_could_answer(seen.external.port).unwrap_or_default();
        for other in others {
            let is_own = own.is_some_and(|own| descends(&other, &[own]).is_some());
            if !is_own && !pids.contains(&other.pid) {
                pids.push(other.pid);
            }
        }
        pids.into_iter().map(ownership::old_process).collect()
    }

    /// The begin of this start, in clock ticks; not known while it is awaited.
    pub fn start_time_of(&self, place: Place) -> Option<u64> {
        let identity = self.0.borrow().identity_of(place)?;
        Some(identity.start_time)
    }

    /// Why nothing was found at the last look, if nothing was.
    pub fn missing(&self) -> Option<NotFound> {
        self.0.borrow().missing.clone()
    }

    /// Whether somebody is asked, and the next look may find what the last one did not.
    fn is_asking(&self) -> bool {
        self.0.borrow().asked.is_under_way()
    }

    /// Asks anew: what was asked before may tell of what is no more.
    fn ask_anew(&self) {
        self.0.borrow_mut().asked.forget();
    }

    /// Why it cannot be told whether the awaited start is there, if somebody listens who may be it.
    pub fn unseen(&self) -> Option<String> {
        let missing = self.missing().filter(|missing| missing.is_unseen)?;
        Some(missing.to_string())
    }

    /// Why the restart command of this start was not begun, if it waits.
    pub fn unbegun(&self, place: Place) -> Option<String> {
        let seen = self.0.borrow();
        let words = seen.external.kill.as_ref()?;
        (seen.unbegun == Some(place)).then(|| {
            format!(
                "the kill command '{}' did not end though the server had, so that the restart command was not begun: have the command \
                 be over when the server has ended",
                words.join(" ")
            )
        })
    }

    /// A fault addresses these processes of the server.
    fn note_before(&self, processes: &[Identity]) -> io::Result<()> {
        let mut seen = self.0.borrow_mut();
        let port = seen.external.port;
        seen.before.note(port, processes)
    }

    /// The command that ends it in place of a signal, if there is one.
    fn kill_under_way(&self) -> Commanded {
        self.0.borrow().kill_under_way.clone()
    }

    fn kill_command(&self) -> Option<Vec<String>> {
        self.0.borrow().external.kill.clone()
    }

    fn shot(&self) -> Arc<AtomicU64> {
        self.0.borrow().before.shot()
    }

    /// Who took the place of a start that has ended by itself: the launcher of a daemon ends while the daemon listens on its socket.
    fn find_successor(&self, place: Place, sockets: &HashSet<u64>) -> Option<Sighting> {
        let mut seen = self.0.borrow_mut();
        let sighting = seen.sight(place).ok().flatten()?;
        if sighting.sockets.is_disjoint(sockets) {
            return None;
        }
        seen.known.push((sighting.identity, place));
        Some(sighting)
    }

    /// Whether another new process listens that may be this start.
    fn sees_another(&self, place: Place) -> bool {
        let sighted = self.0.borrow_mut().sight(place);
        sighted.is_ok_and(|sighting| sighting.is_some())
    }

    fn has_answered(&self, place: Place) -> bool {
        self.0.borrow().answered == Some(place)
    }

    /// The restart command of this start waits.
    fn note_unbegun(&self, place: Place) {
        self.0.borrow_mut().unbegun = Some(place);
    }

    /// The restart command was begun, or has failed.
    fn note_restart(&self, is_on_its_way: bool) {
        let mut seen = self.0.borrow_mut();
        seen.is_on_its_way = is_on_its_way;
        seen.unbegun = None;
    }

    /// Whether the server was seen, nobody listens now, and no restart is on its way.
    fn is_down(&self) -> io::Result<bool> {
        let seen = self.0.borrow();
        Ok(!seen.is_on_its_way
            && !seen.known.is_empty()
            && ownership::listening_on(seen.external.port)?.is_empty())
    }

    fn note_end(&self, at: Elapsed) {
        let mut seen = self.0.borrow_mut();
        seen.last_end = Some(at);
        seen.is_on_its_way = false;
    }

    fn await_start(&self, place: Place) {
        let mut seen = self.0.borrow_mut();
        let (.., start) = place;
        seen.before.held_on &= start.0 > 0;
        seen.awaited = Some(place);
        seen.sighting = None;
        seen.asked.forget();
        seen.is_missing_by_answer = false;
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
        let (.., start) = place;
        if start.0 > 0
            && let Err(error) = self.before.look(self.external.port)
        {
            self.missing = Some(NotFound::unseen(format!("/proc cannot be read: {error}")));
            return;
        }
        // That of an earlier look.
        self.asked.take_answered();
        match self.sight(place) {
            Ok(Some(sighting)) => {
                self.known.push((sighting.identity, place));
                self.sighting = Some((place, sighting));
                self.awaited = None;
                self.missing = None;
            }
            // One that is gone already is looked for again.
            Ok(None) => {}
            // Until there is another answer the last one holds.
            Err(missing) if missing.is_pending && self.is_missing_by_answer => {}
            Err(missing) => {
                self.missing = Some(missing);
                self.is_missing_by_answer = self.asked.take_answered();
            }
        }
    }

    /// Who is there now and may be this start.
    fn sight(&mut self, place: Place) -> Result<Option<Sighting>, NotFound> {
        let asked = &mut self.asked;
        let found = find(&self.external, |unit| asked.main_pid(unit))?;
        let identity = found.identity;
        let (.., start) = place;
        if start.0 > 0 {
            if self.known.iter().any(|(known, _)| *known == identity) {
                return Err(NotFound::because(format!(
                    "process {}, which was there before, is still there",
                    identity.pid
                )));
            }
            self.before.check_new(&found)?;
        }
        let program = self.program.get_or_insert_with(|| found.program.clone());
        if found.program.differs_from(program) {
            return Err(NotFound::because(format!(
                "{} listens on 127.0.0.1:{}, and runs another program, or as another user, than the server did",
                told(identity.pid),
                self.external.port
            )));
        }
        let Ok(Some(descriptor)) = identity.open() else {
            return Ok(None);
        };
        let now = self.clock.now();
        let executed = match start.0 {
            0 => now,
            // A supervisor may be told of an end before this process is. It is one moment.
            _ => began_by(identity.start_time, now).max(self.last_end.unwrap_or_default()),
        };
        Ok(Some(Sighting {
            identity,
            executed,
            descriptor,
            sockets: found.sockets,
        }))
    }

    fn identity_of(&self, place: Place) -> Option<Identity> {
        let mut known = self.known.iter().rev();
        let (identity, _) = known.find(|(_, of)| *of == place)?;
        Some(*identity)
    }

    /// The server's processes of earlier starts and trials, and what they had started, dead and alive.
    fn known_before(&self, place: Place) -> Vec<Identity> {
        let own = self.identity_of(place);
        let (trial, _, start) = place;
        let is_before = |(of, _, its): Place| of < trial || (of == trial && its < start);
        let known = self.known.iter().filter(|(_, of)| is_before(*of));
        let known = known.map(|(identity, _)| *identity);
        let mut all: Vec<Identity> = Vec::new();
        for identity in known.chain(self.before.processes().iter().copied()) {
            if Some(identity) != own && !all.contains(&identity) {
                all.push(identity);
            }
        }
        all
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_kept_down_by_what_its_supervisor_is_told_and_not_by_what_is_done_in_it() {
        let is_kept_down = |kill: &str| {
            let external = External {
                by: IdentifiedBy::Port,
                port: 8_080,
                restart: None,
                kill: Some(kill.split(' ').map(str::to_owned).collect()),
            };
            check_restarts(&external, &[]).is_err()
        };
        for kill in [
            "docker kill web",
            "/usr/bin/docker --context far kill -s KILL web",
            "docker container stop web",
            "docker compose -f shop.yaml --profile=all kill web",
            "systemctl --user -f stop shop.service",
        ] {
            assert!(is_kept_down(kill), "{kill}");
        }
        for kill in [
            "docker exec web kill -9 1",
            "docker exec stop kill 1",
            "systemctl kill -s KILL stop.service",
            "./stop web",
        ] {
            assert!(!is_kept_down(kill), "{kill}");
        }
    }
}
