//! How a server is started, known to be ready, and stopped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::External;
use super::Protocol;
use super::Signal;
use crate::ids::Incarnation;
use crate::units::Span;

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
    /// What runs, for people: its command, or how it is found.
    pub fn told(&self) -> String {
        match &self.external {
            Some(external) => external.to_string(),
            None => self.command.join(" "),
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
