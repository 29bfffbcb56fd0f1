//! From a target's description to a command: its placeholders filled in, its program found.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use comeback_model::ids::{Incarnation, Node, TrialId};
use comeback_model::plan::{External, Target};

use super::roster::Place;
use super::tag::RunTag;
use super::variables::{INCARNATION_VARIABLE, NODE_VARIABLE, RUN_VARIABLE, TRIAL_VARIABLE};
use comeback_host::clock::Clock;
use comeback_host::program;
use comeback_model::endpoint::Endpoint;

/// The longest path a Unix socket can have: the kernel's `sun_path`, less its final zero.
const SOCKET_PATH_MAX: usize = 107;

/// The command, and the values of its placeholders.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// The target.
    pub target: &'a Target,
    /// Fills in `{port}`.
    pub port: u16,
    /// Fills in `{data}`, as an absolute path.
    pub data: &'a Path,
    /// The part of the topology it is; fills in `{replica}`.
    pub node: Node,
    /// Where the other parts are: fills in `{store}`, `{replicas}` and `{origin}`.
    pub addresses: &'a Addresses,
    /// The trial it belongs to.
    pub trial: TrialId,
    /// Which start within the trial it is.
    pub incarnation: Incarnation,
    /// The run it belongs to.
    pub tag: &'a RunTag,
    /// The file its output is appended to.
    pub log: PathBuf,
    /// The run's clock.
    pub clock: Clock,
    /// The listening socket that is passed to it, where the harness holds that.
    pub listener: Option<&'a OwnedFd>,
}

/// Where the parts of a topology are that others must know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The store's port.
    pub store: Option<u16>,
    /// The replicas' ports, in their order.
    pub replicas: Vec<u16>,
    /// The port of the balancer or server behind a cache.
    pub origin: Option<u16>,
    /// A folder that is the same for all replicas; `{shared}`. Without one it is a node's own.
    pub shared: Option<PathBuf>,
}

/// A target that could not be started.
#[derive(Debug)]
pub enum StartError {
    /// The plan names no program.
    Empty,
    /// The Unix socket's path is longer than the kernel takes.
    SocketPath {
        /// The path.
        path: PathBuf,
    },
    /// The folder it is to be started in does not exist.
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The program does not exist.
    NotFound {
        /// As the plan names it.
        program: String,
    },
    /// It is there, but the interpreter it names in its first line, or its loader, is not.
    NoInterpreter {
        /// Where it was found.
        program: PathBuf,
    },
    /// It is there, but may not or cannot be executed.
    NotExecutable {
        /// Where it was found.
        program: PathBuf,
        /// The problem and its correction.
        problem: &'static str,
    },
    /// The file for its output could not be opened.
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The system did not start it.
    Spawn {
        /// Where it was found.
        program: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The listening socket could not be opened.
    Listener {
        /// Where.
        endpoint: Endpoint,
        /// Why.
        cause: io::Error,
    },
    /// The program that passes on a held listening socket is missing.
    NoLauncher,
    /// The program that passes a held listening socket on failed.
    Launcher {
        /// Where it was found.
        program: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Somebody else starts it, and its restart could not be begun.
    External {
        /// Why.
        cause: io::Error,
    },
    /// It was started but could not be watched, and was killed again.
    Watch {
        /// Where it was found.
        program: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the target's command is empty: give a program to start"),
            Self::SocketPath { path } => write!(
                f,
                "the path of its Unix socket has {} bytes, and the kernel takes {SOCKET_PATH_MAX}: shorten \
                 {}, for example by a run folder (--out) with a shorter path",
                path.as_os_str().len(),
                path.display()
            ),
            Self::NoFolder { folder } => write!(
                f,
                "its folder {} does not exist: if a run with --against made it, that run removed it at its end; give the \
                 command of that run again",
                folder.display()
            ),
            Self::NotFound { program } if program.contains('/') => {
                let here = std::env::current_dir().unwrap_or_default();
                write!(
                    f,
                    "{program} was not found (from {}): build it, or correct its path",
                    here.display()
                )
            }
            Self::NotFound { program } => write!(
                f,
                "{program} was not found in PATH: install it, or give its path, such as ./{program}"
            ),
            Self::NoInterpreter { program } => write!(
                f,
                "{} exists, but the interpreter that its first line names (or its loader) does not: install it",
                program.display()
            ),
            Self::NotExecutable { program, problem } => {
                write!(f, "{} {problem}", program.display())
            }
            Self::Log { path, .. } => {
                write!(f, "the target's log {} cannot be written", path.display())
            }
            Self::Spawn { program, .. } => write!(f, "failed to start {}", program.display()),
            Self::Listener { endpoint, .. } => {
                write!(f, "the listening socket {endpoint} cannot be opened")
            }
            Self::NoLauncher => write!(
                f,
                "a held listener needs the comeback program, and it is not in PATH: install it, or set {} to its path",
                program::PROGRAM_VARIABLE
            ),
            Self::Launcher { program, .. } => write!(
                f,
                "{} failed to pass the held listener on",
                program.display()
            ),
            Self::External { .. } => f.write_str("its restart could not be begun"),
            Self::Watch { program, .. } => write!(
                f,
                "{} was started but cannot be watched, and was ended again",
                program.display()
            ),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Log { cause, .. }
            | Self::Spawn { cause, .. }
            | Self::Listener { cause, .. }
            | Self::Launcher { cause, .. }
            | Self::External { cause }
            | Self::Watch { cause, .. } => Some(cause),
            Self::Empty
            | Self::NoLauncher
            | Self::SocketPath { .. }
            | Self::NoFolder { .. }
            | Self::NotFound { .. }
            | Self::NoInterpreter { .. }
            | Self::NotExecutable { .. } => None,
        }
    }
}

impl Launch<'_> {
    pub(super) const fn place(&self) -> Place {
        (self.trial, self.node, self.incarnation)
    }

    /// The command and its programs. With a held listener, it is the launcher's command.
    ///
    /// The program is looked up here and not at its start, so that a `PATH` of the target's own does not
    /// keep the standard library from `posix_spawn`: `fork` takes 75 ms in a process with 1 GiB of heap.
    pub(super) fn command(&self) -> Result<Prepared, StartError> {
        let values = Values::new(self.port, self.data, self.node).knowing(self.addresses);
        let mut words = self.target.command.iter().map(|word| values.fill_in(word));
        let name = words
            .next()
            .filter(|name| !name.is_empty())
            .ok_or(StartError::Empty)?;
        let environment: Vec<_> = self
            .target
            .environment
            .iter()
            .map(|(name, value)| (name, values.fill_in(value)))
            .collect();
        let own_path = environment.iter().find(|(name, _)| *name == "PATH");
        let path = own_path.map_or_else(
            || std::env::var_os("PATH").unwrap_or_default(),
            |(_, value)| value.clone(),
        );
        let folder = folder_of(self.target)?;
        let program = find_program(&name, &path, folder)?;
        let (mut command, launcher) = match self.listener {
            None => {
                let mut command = Command::new(&program);
                command.arg0(&name);
                (command, None)
            }
            Some(_) => {
                let launcher = program::find().ok_or(StartError::NoLauncher)?;
                let mut command = Command::new(&launcher);
                command.args(["launch", "--name"]).arg(&name).arg("--");
                command.arg(&program);
                (command, Some(launcher))
            }
        };
        if !folder.as_os_str().is_empty() {
            command.current_dir(folder);
        }
        command
            .args(words)
            .envs(environment)
            .env(RUN_VARIABLE, self.tag.as_str())
            .env(TRIAL_VARIABLE, self.trial.0.to_string())
            .env(NODE_VARIABLE, self.node.to_string())
            .env(INCARNATION_VARIABLE, self.incarnation.0.to_string())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(Prepared {
            command,
            program,
            launcher,
        })
    }
}

/// A command ready to be started.
pub(super) struct Prepared {
    pub(super) command: Command,
    /// The target's program.
    pub(super) program: PathBuf,
    /// The program that executes it, where another does.
    pub(super) launcher: Option<PathBuf>,
}

/// Sees that the program of a target can be started, as far as that can be known before: one in its data
/// folder may come to be there.
///
/// # Errors
/// If there is none, or it cannot be executed.
pub fn check_program(target: &Target) -> Result<(), StartError> {
    let name = target.command.first().ok_or(StartError::Empty)?;
    if ["{data}", "{port}", "{replica}"]
        .iter()
        .any(|value| name.contains(value))
    {
        return Ok(());
    }
    find_target(target).map(drop)
}

/// The program a target's command names, found as it will be at its start.
///
/// # Errors
/// If there is none, or it cannot be executed, with a correction.
pub fn find_target(target: &Target) -> Result<PathBuf, StartError> {
    let values = Values::new(0, Path::new("."), Node::default());
    let name = target.command.first().map(|word| values.fill_in(word));
    let name = name.filter(|name| !name.is_empty());
    let path = match target.environment.get("PATH") {
        Some(path) => values.fill_in(path),
        None => std::env::var_os("PATH").unwrap_or_default(),
    };
    find_program(&name.ok_or(StartError::Empty)?, &path, folder_of(target)?)
}

/// The folder a target is started in, as far as it differs from our own.
fn folder_of(target: &Target) -> Result<&Path, StartError> {
    match target.folder.as_deref() {
        None => Ok(Path::new("")),
        Some(folder) if folder.is_dir() => Ok(folder),
        Some(folder) => Err(StartError::NoFolder {
            folder: folder.to_owned(),
        }),
    }
}

/// Where a target of this plan is reached: its socket's placeholders filled in as its command's are.
///
/// # Errors
/// If the socket's path is longer than the kernel takes.
pub fn resolve_endpoint(
    target: &Target,
    port: u16,
    data: &Path,
    node: Node,
) -> Result<Endpoint, StartError> {
    let mut endpoint = Endpoint::tcp(target.protocol, port);
    if let Some(remote) = target.external.as_ref().and_then(External::remote) {
        endpoint = endpoint.on_host(remote);
    }
    let Some(template) = &target.socket else {
        return Ok(endpoint);
    };
    let path = PathBuf::from(Values::new(port, data, node).fill_in(template));
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        return Err(StartError::SocketPath { path });
    }
    Ok(endpoint.on_socket(path))
}

/// The values of a plan's placeholders.
pub(super) struct Values {
    port: String,
    data: PathBuf,
    replica: String,
    store: String,
    replicas: String,
    origin: String,
    shared: Option<PathBuf>,
    program: PathBuf,
}

impl Values {
    pub(super) fn new(port: u16, data: &Path, node: Node) -> Self {
        let replica = match node {
            Node::Replica(number) => number,
            Node::Store | Node::Balancer | Node::Cache => 0,
        };
        Self {
            store: String::new(),
            replicas: String::new(),
            origin: String::new(),
            shared: None,
            port: port.to_string(),
            data: std::path::absolute(data).unwrap_or_else(|_| data.to_owned()),
            replica: replica.to_string(),
            // The reference servers live in this program; where it lies is not the plan's business.
            program: program::find().unwrap_or_else(|| PathBuf::from("comeback")),
        }
    }

    pub(super) fn knowing(self, addresses: &Addresses) -> Self {
        let replicas = addresses.replicas.iter();
        let replicas: Vec<String> = replicas.map(|port| format!("127.0.0.1:{port}")).collect();
        Self {
            store: addresses
                .store
                .map_or_else(String::new, |port| port.to_string()),
            replicas: replicas.join(","),
            origin: addresses
                .origin
                .map_or_else(String::new, |port| format!("127.0.0.1:{port}")),
            shared: addresses.shared.clone(),
            ..self
        }
    }

    pub(super) fn fill_in(&self, text: &str) -> OsString {
        let values = [
            ("port", OsStr::new(&self.port)),
            ("data", self.data.as_os_str()),
            ("replica", OsStr::new(&self.replica)),
            ("store", OsStr::new(&self.store)),
            ("replicas", OsStr::new(&self.replicas)),
            ("origin", OsStr::new(&self.origin)),
            (
                "shared",
                self.shared.as_ref().unwrap_or(&self.data).as_os_str(),
            ),
            ("comeback", self.program.as_os_str()),
        ];
        fill_in(text, &values)
    }
}

/// Fills `{name}` in. An unknown name stays as it is, and so does anything after a doubled brace:
/// `{{port}}` is left alone.
fn fill_in(text: &str, values: &[(&str, &OsStr)]) -> OsString {
    let mut filled = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        filled.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        let known = values.iter().find_map(|(name, value)| {
            let after = rest[1..].strip_prefix(name)?.strip_prefix('}')?;
            Some((value, after))
        });
        if let Some((value, after)) = known {
            filled.extend_from_slice(value.as_bytes());
            rest = after;
        } else {
            let braces = rest.len() - rest.trim_start_matches('{').len();
            filled.extend_from_slice(&rest.as_bytes()[..braces]);
            rest = &rest[braces..];
        }
    }
    filled.extend_from_slice(rest.as_bytes());
    OsString::from_vec(filled)
}

/// Finds a program as a shell in `folder` does: a name with a slash is a path, any other is looked for in `PATH`.
pub(super) fn find_program(
    name: &OsStr,
    path: &OsStr,
    folder: &Path,
) -> Result<PathBuf, StartError> {
    if name.as_bytes().contains(&b'/') {
        let program = folder.join(name);
        return match problem_of(&program) {
            None => Ok(program),
            Some(Problem::Absent) => Err(not_found(program.as_os_str())),
            Some(Problem::Unusable(problem)) => Err(StartError::NotExecutable { program, problem }),
        };
    }
    let mut unusable = None;
    for place in std::env::split_paths(path) {
        let program = folder.join(place).join(name);
        match problem_of(&program) {
            None => return Ok(program),
            Some(Problem::Absent) => {}
            Some(Problem::Unusable(problem)) => {
                unusable.get_or_insert(StartError::NotExecutable { program, problem });
            }
        }
    }
    Err(unusable.unwrap_or_else(|| not_found(name)))
}

fn not_found(name: &OsStr) -> StartError {
    StartError::NotFound {
        program: name.to_string_lossy().into_owned(),
    }
}

enum Problem {
    Absent,
    Unusable(&'static str),
}

fn problem_of(program: &Path) -> Option<Problem> {
    match fs::metadata(program) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(Problem::Unusable(
            "is in a folder that this user may not enter: allow it, or run as its owner",
        )),
        Err(_) => Some(Problem::Absent),
        Ok(metadata) if metadata.is_dir() => Some(Problem::Unusable(
            "is a folder: name the program to start in it",
        )),
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => Some(Problem::Unusable(
            "is not executable: run `chmod +x` on it, or name its interpreter first",
        )),
        Ok(_) => None,
    }
}

/// Says what kept a program that was found from being executed.
pub(super) fn explain_spawn(program: PathBuf, cause: io::Error) -> StartError {
    if cause.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) {
        return StartError::NotExecutable {
            program,
            problem: "is not a program that this machine can execute: if it is a script, begin it with a `#!` line",
        };
    }
    match cause.kind() {
        io::ErrorKind::NotFound if program.exists() => StartError::NoInterpreter { program },
        io::ErrorKind::PermissionDenied => StartError::NotExecutable {
            program,
            problem: "may not be executed: check its permissions, and whether its file system is mounted noexec",
        },
        _ => StartError::Spawn { program, cause },
    }
}

#[cfg(test)]
mod tests {
    use comeback_model::plan::Protocol;

    use super::*;

    #[test]
    fn placeholders_are_filled_in_and_all_else_stays() {
        let values = [
            ("port", OsStr::new("80")),
            ("data", OsStr::new("/d/{port}")),
        ];
        for (text, filled) in [
            ("--port={port}", "--port=80"),
            ("{port}{port}", "8080"),
            ("{data}/{port}", "/d/{port}/80"),
            ("{foo}", "{foo}"),
            ("{{port}}", "{{port}}"),
            ("{\"a\":{port}}", "{\"a\":80}"),
            ("{por", "{por"),
            ("", ""),
            ("{", "{"),
        ] {
            assert_eq!(fill_in(text, &values), OsStr::new(filled), "{text}");
        }
    }

    #[test]
    fn a_socket_path_is_filled_in_and_must_fit_the_kernel() {
        let target = |socket: &str| Target {
            protocol: Protocol::Redis,
            socket: Some(socket.to_owned()),
            ..Target::of(["./server"])
        };
        let resolve =
            |socket: &str| resolve_endpoint(&target(socket), 80, Path::new("/d"), Node::Replica(3));
        let expected = Endpoint::tcp(Protocol::Redis, 80).on_socket(PathBuf::from("/d/80-3.sock"));
        assert_eq!(
            resolve("{data}/{port}-{replica}.sock").expect("it fits"),
            expected
        );
        let fits = "x".repeat(SOCKET_PATH_MAX);
        assert!(resolve(&fits).is_ok());
        let error = resolve(&format!("{fits}x")).expect_err("it does not fit");
        assert!(error.to_string().contains("108 bytes"), "{error}");
    }
}
