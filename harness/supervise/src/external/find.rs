//! Who a server is that somebody else starts: the process that listens, or that a pid file names and that listens.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use comeback_model::endpoint::Endpoint;
use comeback_model::plan::{External, IdentifiedBy};

use super::kinds::{Kind, kind_of};
use super::{Identity, NotFound};
use crate::ownership::{self, Holders};
use crate::proc::{self, Stat};

/// How the daemon of PM2 calls itself, which listens for all of its applications; what it runs is node.
const PM2: [&str; 2] = ["PM2 ", "God Daemon"];
/// A process that was found, and the listening sockets that reach it.
#[derive(Clone, Debug)]
pub(super) struct ServerProcess {
    pub(super) identity: Identity,
    /// By their inodes.
    pub(super) sockets: HashSet<u64>,
    pub(super) program: Program,
}

/// What a process runs, and as whom; each only if it can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    user: Option<u32>,
    executable: Option<PathBuf>,
}

impl Program {
    fn of(pid: i32) -> Self {
        Self {
            user: proc::owner(pid),
            executable: proc::executable(pid),
        }
    }

    /// Whether it is certainly another one. The folder may be another at each start, as that of an AppImage is.
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        differ(self.user.as_ref(), other.user.as_ref()) || differ(self.name(), other.name())
    }

    fn name(&self) -> Option<&str> {
        self.executable
            .as_deref()
            .and_then(Path::file_name)?
            .to_str()
    }
}

pub(super) fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

/// A process, in words.
pub(super) fn told(pid: i32) -> String {
    format!("process {pid} ({})", proc::command(pid))
}

/// Finds the process of a server: it listens at the address, and nobody listens there beside it but processes that it started.
///
/// `main_pid` says which the main process of a unit is.
pub(super) fn find(
    external: &External,
    main_pid: impl FnOnce(&str) -> Result<i32, NotFound>,
) -> Result<ServerProcess, NotFound> {
    let port = external.port;
    let address = format!("127.0.0.1:{port}");
    let unreadable = |error: io::Error| NotFound::unseen(format!("/proc cannot be read: {error}"));
    let endpoint = Endpoint::at(port);
    let holders = ownership::holders(&endpoint).map_err(unreadable)?;
    let named = match &external.by {
        IdentifiedBy::Port | IdentifiedBy::Address(_) => None,
        IdentifiedBy::PidFile(path) => Some((path.display().to_string(), pid_in(path)?)),
        // Nothing is asked while nobody listens: to ask takes its time.
        IdentifiedBy::Unit(_) if holders.sockets.is_empty() => None,
        IdentifiedBy::Unit(unit) => Some((format!("the systemd unit {unit}"), main_pid(unit)?)),
    };
    if holders.sockets.is_empty() {
        return Err(NotFound::because(match named {
            None => format!("nobody listens on {address}"),
            Some((path, pid)) => {
                format!(
                    "{path} names {}, but nobody listens on {address}",
                    told(pid)
                )
            }
        }));
    }
    let Some(first) = holders.processes.first().filter(|_| !holders.has_unseen) else {
        return Err(NotFound::unseen(format!(
            "somebody listens on {address}, but it cannot be seen whose process that is: run Comeback as the server's user, or as root"
        )));
    };
    let found = match &named {
        Some((path, pid)) => {
            let own = holders.processes.iter().find(|holder| holder.pid == *pid);
            own.ok_or_else(|| {
                NotFound::because(format!(
                    "{path} names {}, but {address} is held by {}",
                    told(*pid),
                    told(first.pid)
                ))
            })?
        }
        None => root_of(&holders).unwrap_or(first),
    };
    check_alone(found, &holders, &address)?;
    let program = Program::of(found.pid);
    check_kind(found, &program, (&address, named.is_some()))?;
    check_handed_down(found, &holders, &address)?;
    if named.is_none() {
        check_one_program(found, &program, &holders, &address)?;
    }
    Ok(ServerProcess {
        identity: Identity::of(found),
        sockets: holders.sockets,
        program,
    })
}

/// The one that started all others.
fn root_of(holders: &Holders) -> Option<&Stat> {
    let all = &holders.processes;
    all.iter().find(|one| {
        let root = Identity::of(one);
        all.iter().all(|other| descends(other, &[root]).is_some())
    })
}

/// Nobody else must hold the socket but what it started.
fn check_alone(found: &Stat, holders: &Holders, address: &str) -> Result<(), NotFound> {
    let identity = Identity::of(found);
    let mut others = holders.processes.iter();
    let Some(other) = others.find(|other| descends(other, &[identity]).is_none()) else {
        return Ok(());
    };
    let (own, its) = (told(found.pid), told(other.pid));
    let problem = match descends(found, &[Identity::of(other)]) {
        Some(_) => format!(
            "{address} is held by {own} and by {its}, which started it and keeps the socket open: replies could come from either, and the \
             socket outlives the server"
        ),
        None => format!(
            "{address} is held by {own} and by {its}, and neither started the other: replies could come from either"
        ),
    };
    Err(NotFound::because(problem))
}

/// It must be none that is never signalled, and no program that is known to be something else than a server.
fn check_kind(
    found: &Stat,
    program: &Program,
    (address, is_named): (&str, bool),
) -> Result<(), NotFound> {
    let own = proc::own_pid();
    let is_above = proc::ancestors(own)
        .iter()
        .any(|(pid, _)| *pid == found.pid);
    let command = proc::command(found.pid);
    let is_pm2 = PM2.iter().all(|part| command.contains(part));
    let kind = program.name().and_then(kind_of);
    let is_manager = found.pid == 1 || is_pm2 || kind == Some(Kind::Manager);
    let why = match kind {
        _ if is_manager || found.pid == own || is_above => {
            "which started Comeback itself or manages the services of this machine (as with socket activation): it is never signalled"
        }
        Some(Kind::Forwarder) => {
            "which passes connections on: the server is another process, perhaps in a container. Let Comeback start the server, or run \
             Comeback where it runs"
        }
        Some(Kind::Proxy) if !is_named => {
            "a proxy: the server behind it is another process, whose end is not the proxy's. Give the port at which the server itself \
             listens; if the proxy is what you test, name its process by external.pid_file"
        }
        Some(_) | None => return Ok(()),
    };
    let held = format!("{address} is held by {}", told(found.pid));
    Err(NotFound::because(format!("{held}, {why}")))
}

/// Nobody who cannot be looked at may hold the socket, too: it would outlive the server.
fn check_handed_down(found: &Stat, holders: &Holders, address: &str) -> Result<(), NotFound> {
    let environment = proc::environment(found.pid).unwrap_or_default();
    if proc::variable(&environment, "LISTEN_FDS").is_some() {
        return Err(NotFound::because(format!(
            "{address} is held by {}, which was handed its socket when it was started (LISTEN_FDS): the socket outlives the server. Have \
             the server open its own",
            told(found.pid)
        )));
    }
    let above: Vec<i32> = proc::ancestors(proc::own_pid())
        .iter()
        .map(|(pid, _)| *pid)
        .collect();
    let is_hidden = |pid: &i32| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
        descriptors.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    let ancestors = proc::ancestors(found.pid).into_iter().map(|(pid, _)| pid);
    let hidden: Vec<i32> = ancestors.filter(is_hidden).collect();
    if let Some(pid) = hidden.iter().find(|pid| !above.contains(pid)) {
        return Err(NotFound::unseen(format!(
            "{address} is held by {}, and what started it, {}, may hold it, too, and cannot be looked at: run Comeback as root",
            told(found.pid),
            told(*pid)
        )));
    }
    let users: Vec<(i32, Vec<u32>)> = (hidden.into_iter())
        .map(|pid| (pid, proc::users(pid)))
        .collect();
    match may_have_handed_down(&environment, &holders.opened_by, &users) {
        None => Ok(()),
        Some(pid) => Err(NotFound::unseen(format!(
            "{address} is held by {}, which does not show the environment that it was started with. So {}, which started it and cannot be \
             looked at, may have handed it the socket: run Comeback as root",
            told(found.pid),
            told(pid)
        ))),
    }
}

/// Which of these hidden ancestors, each with its users, may have opened the socket and keep it, by what the server shows: what a service
/// manager hands down, it says in the environment. Where the server has written over that (as PostgreSQL, nginx and Redis do), the socket
/// still tells whose it is.
fn may_have_handed_down(
    environment: &[u8],
    opened_by: &HashSet<u32>,
    hidden: &[(i32, Vec<u32>)],
) -> Option<i32> {
    if proc::is_intact(environment) {
        return None;
    }
    let mut hidden = hidden.iter();
    // Of one whose user is not known nothing is known.
    let opened =
        |users: &[u32]| users.is_empty() || users.iter().any(|user| opened_by.contains(user));
    hidden.find(|(_, users)| opened(users)).map(|(pid, _)| *pid)
}

/// Workers are copies of what started them. A supervisor that holds the socket executes its server, be it by the same interpreter.
fn check_one_program(
    found: &Stat,
    program: &Program,
    holders: &Holders,
    address: &str,
) -> Result<(), NotFound> {
    let executable = program.executable.as_ref();
    let stack = proc::stack_start(found.pid);
    let is_another = |other: &&Stat| {
        differ(executable, proc::executable(other.pid).as_ref())
            || differ(stack, proc::stack_start(other.pid))
    };
    match holders.processes.iter().find(is_another) {
        None => Ok(()),
        Some(other) => Err(NotFound::unseen(format!(
            "{address} is held by {} and by {}, which run different programs, or the same one twice: it cannot be told whether the first is \
             the server or its supervisor. Name the server's process by external.pid_file",
            told(found.pid),
            told(other.pid)
        ))),
    }
}

/// The process that a pid file names.
fn pid_in(path: &Path) -> Result<i32, NotFound> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        NotFound::because(format!("the pid file {shown} cannot be read: {error}"))
    })?;
    // Some servers write more lines below it.
    let first = text.split_whitespace().next().unwrap_or_default();
    let pid = first.parse().ok().filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| {
        NotFound::because(format!(
            "the pid file {shown} holds no process id, but {first:?}"
        ))
    })?;
    match proc::stat(pid) {
        Ok(stat) if !stat.is_zombie => Ok(pid),
        Ok(_) | Err(_) => Err(NotFound::because(format!(
            "the pid file {shown} names process {pid}, which does not run"
        ))),
    }
}

/// Which of these processes this one is, or was started by.
pub(super) fn descends(stat: &Stat, from: &[Identity]) -> Option<Identity> {
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
pub(super) fn descendants(of: Identity) -> io::Result<Vec<Stat>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_wrote_over_its_environment_may_hold_a_socket_of_whoever_has_its_user_and_is_hidden()
     {
        let intact = b"PATH=/bin\0HOME=/\0".as_slice();
        let written_over = b"server: ready\0\0\0\0\0".as_slice();
        let by = |user: u32| HashSet::from([user]);
        let root = (1, vec![0, 0, 0, 0]);
        let manager = (70, vec![1_000, 1_000, 1_000, 1_000]);
        let both = [manager, root];
        let found = |environment, user, hidden: &[(i32, Vec<u32>)]| {
            may_have_handed_down(environment, &by(user), hidden)
        };
        assert_eq!(found(intact, 0, &both), None);
        assert_eq!(found(written_over, 0, &both), Some(1));
        assert_eq!(found(b"", 0, &both), Some(1));
        assert_eq!(found(written_over, 1_000, &both), Some(70));
        // The server itself opened it.
        assert_eq!(found(written_over, 1_000, &both[1..]), None);
        assert_eq!(found(written_over, 0, &[]), None);
        assert_eq!(found(written_over, 0, &[(9, Vec::new())]), Some(9));
    }
}
