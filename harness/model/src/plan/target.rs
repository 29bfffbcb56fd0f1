//! How a server is started, known to be ready, and stopped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Broken, Field, PlanError, invalid};
use super::path::validate_path;
use super::{External, Protocol, Signal, Windows, is_token};
use crate::ids::Incarnation;
use crate::units::Span;

/// The longest path a Unix socket can have: the kernel's `sun_path`, less its final zero.
const SOCKET_PATH_MAX: usize = 107;

/// How a balancer is told to send a replica no more requests, and to do so again. Both are commands that end when
/// that is so, with the exit code 0; `{replica}`, `{data}` (the balancer's folder), `{port}` (its port), `{replicas}`
/// and `{comeback}` are filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Ends when the replica has no request in flight and gets no more.
    pub begin: Vec<String>,
    /// Ends when the replica gets requests again.
    pub end: Vec<String>,
}

/// A server: one to start, or one that somebody else starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Who it is, where somebody else starts it. There is no command then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// Program and arguments, no shell; `{port}`, `{data}`, `{replica}`, `{comeback}` (this very program,
    /// which holds the reference servers), `{store}` (the store's port), `{replicas}` (the replicas'
    /// addresses, separated by commas), `{origin}` (the address of what a cache stands in front of) and `{shared}` (a folder that the replicas share) are filled in at each start.
    pub command: Vec<String>,
    /// The folder it is started in; its relative paths begin there. Default: the harness's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Its protocol.
    pub protocol: Protocol,
    /// The Unix socket it listens on, with the same placeholders; without one, 127.0.0.1 and `{port}`.
    pub socket: Option<String>,
    /// Who binds its listening socket.
    #[serde(default)]
    pub listener: Listener,
    /// Additional environment variables; the same placeholders are filled in.
    pub environment: BTreeMap<String, String>,
    /// When it counts as up for the first time.
    pub ready: Readiness,
    /// How it is stopped at a trial's end.
    pub stop: Stop,
    /// How long after its confirmed exit it is started again.
    pub restart_after: Span,
    /// How often it is started, where it ends before it serves.
    #[serde(default)]
    pub attempts: Attempts,
    /// The response header that names the answering process's start, if the server has one.
    pub boot_header: Option<String>,
}

/// Who binds a target's listening socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Listener {
    /// The target: while it is dead, connections are refused.
    #[default]
    Own,
    /// The harness. It keeps the socket open while the target is dead, and passes it to each start by socket activation
    /// (`LISTEN_FDS`, descriptor 3). Connections wait meanwhile.
    Held,
}

/// When a started target counts as up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Readiness {
    /// The readiness probe.
    pub probe: ReadyProbe,
    /// How long it may take before the start has failed.
    pub within: Span,
}

/// The kinds of readiness probes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadyProbe {
    /// A `GET` of this path is answered with a 2xx.
    Http(String),
    /// A TCP connection is accepted.
    Tcp,
    /// A line of its output contains this text.
    Log(String),
}

/// How a target is stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// The signal asked with first.
    pub signal: Signal,
    /// How long it may take before SIGKILL.
    pub grace: Span,
}

impl Target {
    /// A server that is started by this command, with every default.
    pub fn of<W: Into<String>>(command: impl IntoIterator<Item = W>) -> Self {
        Self {
            external: None,
            command: command.into_iter().map(Into::into).collect(),
            folder: None,
            protocol: Protocol::default(),
            socket: None,
            listener: Listener::Own,
            environment: BTreeMap::new(),
            ready: Readiness {
                probe: ReadyProbe::Tcp,
                within: Span::from_secs(10),
            },
            stop: Stop {
                signal: Signal::Term,
                grace: Span::from_secs(5),
            },
            restart_after: Span::ZERO,
            attempts: Attempts::default(),
            boot_header: None,
        }
    }

    /// What runs, for people: its command, or how it is found.
    pub fn told(&self) -> String {
        match &self.external {
            Some(external) => external.to_string(),
            None => self.command.join(" "),
        }
    }

    /// What cannot be so, of any server.
    pub(super) fn validate(&self, windows: &Windows, broken: &mut Broken) {
        if self.external.is_none() && self.command.first().is_none_or(String::is_empty) {
            broken.add(invalid(
                Field::Target("command"),
                "it is empty: give a program to start",
            ));
        }
        if let Some(socket) = &self.socket {
            let placeholders = ["{data}", "{port}", "{replica}"];
            let known = placeholders
                .iter()
                .fold(socket.clone(), |path, name| path.replace(name, ""));
            if socket.is_empty() || known.len() > SOCKET_PATH_MAX {
                broken.add(invalid(
                    Field::Target("socket"),
                    format!(
                        "must be a path of 1 to {SOCKET_PATH_MAX} bytes: shorten it, such as {{data}}/app.sock"
                    ),
                ));
            }
        }
        if let Some(name) = &self.boot_header
            && !is_token(name)
        {
            broken.add(invalid(
                Field::BootHeader,
                format!("{name:?} is not the name of a header: write one such as x-boot-id"),
            ));
        }
        if let ReadyProbe::Http(path) = &self.ready.probe {
            broken.add(validate_path(Field::Ready, path));
        }
        if self.ready.within == Span::ZERO {
            broken.add(invalid(
                Field::ReadyWithin,
                "must be longer than 0s: write a length such as 10s",
            ));
        }
        broken.add(self.validate_listener());
        // A horizon of nothing is told by itself.
        if windows.horizon > Span::ZERO && self.restart_after >= windows.horizon {
            broken.add(invalid(
                Field::Horizon,
                "must be longer than the pause before the restart: raise it, or shorten the pause",
            ));
        }
    }

    /// With a held listener the kernel accepts for a process that is not there, and the socket is the harness's: only a
    /// reply that names its process tells that one is up, and which.
    fn validate_listener(&self) -> Result<(), PlanError> {
        if self.listener == Listener::Own {
            return Ok(());
        }
        if let Some(dialect) = self.protocol.dialect() {
            return invalid(
                Field::Target("listener"),
                format!(
                    "held needs replies that name their process in a header, and {}'s have none: leave it out",
                    dialect.spec().name
                ),
            );
        }
        if self.boot_header.is_none() {
            return invalid(
                Field::Target("listener"),
                "held needs boot_header, a response header that changes with each start of the server: the harness \
                 holds the listening socket, whose owner else tells the new process from the old",
            );
        }
        match self.ready.probe {
            ReadyProbe::Http(_) => Ok(()),
            ReadyProbe::Tcp => invalid(
                Field::Target("listener"),
                "held takes connections whether the server is up or not, so that one proves nothing: say how it is \
                 seen to be up, such as ready = { http = \"/health\" }",
            ),
            ReadyProbe::Log(_) => invalid(
                Field::Target("listener"),
                "held needs a first reply that names its process, and a line of output is none: say ready = { http = \
                 \"/health\" }",
            ),
        }
    }
}

/// How often a server is started after a fault, as a service manager does it: again when it ends before it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// How many starts there are at most; at least 1.
    pub most: u32,
    /// The pause before the second; it doubles with each.
    pub backoff: Span,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            most: 1,
            backoff: Span::from_ms(200),
        }
    }
}

impl Attempts {
    /// The pause after a start that ended before it served, where there is another one. The first start of a trial is
    /// none of these.
    pub fn pause_after(&self, start: Incarnation) -> Option<Span> {
        let ended = start.0.checked_sub(1)?;
        let factor = 1_u64.checked_shl(ended).unwrap_or(u64::MAX);
        (start.0 < self.most).then(|| Span::from_us(self.backoff.as_us().saturating_mul(factor)))
    }
}
