//! Servers that somebody else starts.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Arm;

/// Stands for the server's name in a command.
const SERVER: &str = "{server}";

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

impl Arm {
    /// Whether a command ends its server that does the same to the other's: both have none, or they differ in no more than by which name
    /// they call the server. That may be its port, unit, pid file or arm.
    pub fn ends_as(&self, other: &Self) -> bool {
        self.nameless_kill() == other.nameless_kill()
    }

    fn nameless_kill(&self) -> Option<Vec<String>> {
        let external = self.target.external.as_ref()?;
        let identity = match &external.by {
            IdentifiedBy::PidFile(path) => path.to_str().map(str::to_owned),
            IdentifiedBy::Unit(unit) => Some(unit.clone()),
            IdentifiedBy::Port => None,
        };
        let names: Vec<String> = identity
            .into_iter()
            .chain([external.port.to_string()])
            .collect();
        let nameless = |word: &String| match *word == self.name {
            true => SERVER.to_owned(),
            false => names
                .iter()
                .fold(word.clone(), |word, name| word.replace(name, SERVER)),
        };
        Some(external.kill.as_ref()?.iter().map(nameless).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::test_plan;

    fn arm(name: &str, port: u16, kill: Option<&str>) -> Arm {
        let mut arm = test_plan().arms.remove(0);
        arm.name = name.to_owned();
        arm.target.external = Some(External {
            by: IdentifiedBy::Unit(format!("shop-{port}.service")),
            port,
            restart: None,
            kill: kill.map(|words| words.split(' ').map(str::to_owned).collect()),
        });
        arm
    }

    #[test]
    fn commands_that_end_servers_are_alike_but_for_the_servers_names() {
        let old = |kill| arm("old", 8_080, Some(kill));
        let new = |kill| arm("new", 8_081, Some(kill));
        let unit = "systemctl kill -s KILL shop-8080.service";
        let others = "systemctl kill -s KILL shop-8081.service";
        assert!(old(unit).ends_as(&new(others)));
        assert!(old("docker kill old").ends_as(&new("docker kill new")));
        assert!(old("./end --port=8080").ends_as(&new("./end --port=8081")));
        assert!(!old("docker kill old").ends_as(&new("docker stop new")));
        assert!(!old("./end 8080 hard").ends_as(&new("./end 8081 soft")));
        assert!(!old(unit).ends_as(&arm("new", 8_081, None)));
        assert!(arm("old", 8_080, None).ends_as(&arm("new", 8_081, None)));
    }
}
