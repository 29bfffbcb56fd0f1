//! Servers that somebody else starts.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A server that somebody else starts: a service manager, a supervisor, a shell, or a person. The harness finds its process,
/// and leaves it running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// How its process is found.
    pub by: IdentifiedBy,
    /// The port of 127.0.0.1 that it listens on.
    pub port: u16,
    /// What starts it again, as a command: program and arguments, no shell. Default: its own supervisor does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Vec<String>>,
    /// What ends it in place of the signal of a kill, as a command: program and arguments, no shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill: Option<Vec<String>>,
}

/// How the process of a server that somebody else starts is found. In either case it must listen at the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifiedBy {
    /// This file names it.
    PidFile(PathBuf),
    /// It is the main process of this unit of systemd.
    Unit(String),
    /// It listens on the port.
    Port,
}

impl External {
    pub(super) fn is_at_place_of(&self, other: &Self) -> bool {
        let is_named_alike = self.by != IdentifiedBy::Port && self.by == other.by;
        self.port == other.port || is_named_alike
    }
}

impl fmt::Display for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            IdentifiedBy::PidFile(path) => write!(
                f,
                "the process that {} names, which listens on 127.0.0.1:{}",
                path.display(),
                self.port
            ),
            IdentifiedBy::Unit(unit) => write!(
                f,
                "the main process of the systemd unit {unit}, which listens on 127.0.0.1:{}",
                self.port
            ),
            IdentifiedBy::Port => write!(f, "the process that listens on 127.0.0.1:{}", self.port),
        }
    }
}

/// That a kind of fault is none for a server that somebody else starts.
pub fn needs_own_start(kind: &str) -> String {
    format!(
        "a {kind} needs a server that Comeback starts itself, and [target] external is started by others: use kill, terminate, \
         abort, segfault, signal, stop or pause, or name the server's command in place of external"
    )
}
