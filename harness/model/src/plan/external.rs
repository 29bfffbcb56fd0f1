//! Servers that somebody else starts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Arm;

/// Stands for the server's name in a command, and stands in no command itself.
const SERVER: &str = "\0";
/// The first words of a command are its program and what that does: neither is the name of an arm.
const VERBS: usize = 2;
/// And wherever they stand, these say how a server is ended, though an arm may be called so. Numbers do, too: of a signal, or of seconds.
const HOW: [&str; 34] = [
    "stop",
    "kill",
    "start",
    "restart",
    "down",
    "up",
    "rm",
    "remove",
    "delete",
    "pause",
    "terminate",
    "shutdown",
    "halt",
    "reload",
    "abort",
    "force",
    "hard",
    "soft",
    "fast",
    "slow",
    "smart",
    "immediate",
    "graceful",
    "now",
    "term",
    "int",
    "hup",
    "quit",
    "abrt",
    "segv",
    "usr1",
    "usr2",
    "true",
    "false",
];

/// A server that somebody else starts: a service manager, a supervisor, a shell, or a person. The harness finds its process,
/// and leaves it running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// How its process is found.
    pub by: IdentifiedBy,
    /// The port that it listens on: of 127.0.0.1, or of its address on another machine.
    pub port: u16,
    /// What starts it again, as a command: program and arguments, no shell. Default: its own supervisor does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Vec<String>>,
    /// What ends it in place of the signal of a kill, as a command: program and arguments, no shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill: Option<Vec<String>>,
}

/// How the process of a server that somebody else starts is found. In each case it must listen at the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifiedBy {
    /// This file names it.
    PidFile(PathBuf),
    /// It is the main process of this unit of systemd.
    Unit(String),
    /// It listens on the port.
    Port,
    /// It is on another machine, where no process of it is seen: it is whoever listens at this address.
    Address(IpAddr),
}

impl External {
    /// Its address, where that is one of another machine.
    pub const fn remote(&self) -> Option<IpAddr> {
        match self.by {
            IdentifiedBy::Address(address) => Some(address),
            IdentifiedBy::PidFile(_) | IdentifiedBy::Unit(_) | IdentifiedBy::Port => None,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        SocketAddr::new(self.remote().unwrap_or(here), self.port)
    }

    pub(super) fn is_at_place_of(&self, other: &Self) -> bool {
        let is_named = matches!(self.by, IdentifiedBy::PidFile(_) | IdentifiedBy::Unit(_));
        self.address() == other.address() || (is_named && self.by == other.by)
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
        let (identity, short) = match &external.by {
            IdentifiedBy::PidFile(path) => (path.to_str(), None),
            // systemctl takes a name without a suffix for a service's.
            IdentifiedBy::Unit(unit) => (Some(unit.as_str()), unit.strip_suffix(".service")),
            IdentifiedBy::Port | IdentifiedBy::Address(_) => (None, None),
        };
        let address = external.remote().map(|address| address.to_string());
        let port = external.port.to_string();
        let nameless = |(place, word): (usize, &String)| {
            let mut word = word.clone();
            if let Some(identity) = identity {
                word = word.replace(identity, SERVER);
            }
            if let Some(address) = &address {
                let is_of_an_address = |c: char| c.is_ascii_hexdigit() || c == '.';
                word = without(&word, address, is_of_an_address);
            }
            word = without(&word, &port, |c| c.is_ascii_digit());
            if place >= VERBS {
                let is_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
                for name in short.into_iter().chain([self.name.as_str()]) {
                    if !says_how(&word, name) {
                        word = without(&word, name, is_of_a_word);
                    }
                }
            }
            word
        };
        let kill = external.kill.as_ref()?.iter().enumerate();
        Some(kill.map(nameless).collect())
    }
}

/// Whether this word of a command is a name that says how the server is ended: alone, or as an option or the value of one.
fn says_how(word: &str, name: &str) -> bool {
    let value = word.rsplit('=').next().unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let signal = lower.strip_prefix("sig").unwrap_or(&lower);
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    value.trim_start_matches('-') == name && (is_number || HOW.contains(&signal))
}

/// The text without a name, where no character that would belong to a longer one stands beside it.
fn without(text: &str, name: &str, belongs: impl Fn(char) -> bool) -> String {
    if name.is_empty() {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, from) = rest.split_at(at);
        let (found, after) = from.split_at(name.len());
        out.push_str(before);
        let is_longer = out.chars().next_back().is_some_and(&belongs)
            || after.chars().next().is_some_and(&belongs);
        out.push_str(if is_longer { found } else { SERVER });
        rest = after;
    }
    out + rest
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
            IdentifiedBy::Address(_) => write!(
                f,
                "the server at {}, on another machine: its end is seen by its connections",
                self.address()
            ),
        }
    }
}

/// That a kind of fault is none for a server on another machine.
pub fn needs_process_here(kind: &str) -> String {
    format!(
        "a {kind} needs a process on this machine, and the server of external.address is on another one: use kill, with external.kill \
         as the command that ends the server"
    )
}

/// That a kind of fault is none for a server that somebody else starts; `kinds` are some that are.
pub fn needs_own_start(kind: &str, kinds: &[&str]) -> String {
    let instead = match kinds {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        [only] => (*only).to_owned(),
        _ => "a fault that ends or pauses its process".to_owned(),
    };
    format!(
        "a {kind} needs a server that Comeback starts itself, and [target] external is started by others: use {instead}, or name the \
         server's command in place of external"
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
        let short = "systemctl kill shop-8080";
        assert!(old(short).ends_as(&new("systemctl kill shop-8081")));
        assert!(old("docker kill shop-old").ends_as(&new("docker kill shop-new")));
        assert!(!old("docker kill older").ends_as(&new("docker kill newer")));
        // A port is a whole number.
        let waits = |name, port, kill| arm(name, port, Some(kill));
        let base = waits("old", 80, "./end --wait 8000 80");
        assert!(base.ends_as(&waits("new", 81, "./end --wait 8000 81")));
        // What a program does is no arm's name.
        let base = waits("stop", 8_080, "docker stop web-8080");
        assert!(!base.ends_as(&waits("kill", 8_081, "docker kill web-8081")));
        assert!(arm("old", 8_080, None).ends_as(&arm("new", 8_081, None)));
    }

    #[test]
    fn servers_on_other_machines_are_ended_alike_but_for_their_addresses() {
        let at = |name: &str, address: &str, kill: &str| {
            let mut arm = arm(name, 8_080, Some(kill));
            if let Some(external) = &mut arm.target.external {
                external.by = IdentifiedBy::Address(address.parse().expect("an address"));
            }
            arm
        };
        let old = at("old", "10.0.0.1", "ssh 10.0.0.1 pkill -9 shop");
        assert!(old.ends_as(&at("new", "10.0.0.10", "ssh 10.0.0.10 pkill -9 shop")));
        assert!(!old.ends_as(&at("new", "10.0.0.1", "ssh 10.0.0.10 pkill -9 shop")));
        let external = |arm: &Arm| arm.target.external.clone().expect("it is one");
        let there = external(&at("new", "fd00::1", "true"));
        assert_eq!(there.address().to_string(), "[fd00::1]:8080");
        // The port alone is no place.
        assert!(!external(&old).is_at_place_of(&there));
        assert!(external(&old).is_at_place_of(&external(&at("new", "10.0.0.1", "true"))));
    }

    #[test]
    fn an_arm_that_is_called_as_a_command_ends_servers_hides_no_other_end() {
        let alike = |(one, how), (other, as_other)| {
            arm(one, 8_080, Some(how)).ends_as(&arm(other, 8_081, Some(as_other)))
        };
        for (one, other) in [
            (
                ("kill", "env docker kill web-8080"),
                ("stop", "env docker stop web-8081"),
            ),
            (
                ("KILL", "docker kill -s KILL web"),
                ("TERM", "docker kill -s TERM web"),
            ),
            (
                ("SIGKILL", "docker kill --signal=SIGKILL web"),
                ("SIGINT", "docker kill --signal=SIGINT web"),
            ),
            (
                ("fast", "pg_ctl stop -m fast"),
                ("immediate", "pg_ctl stop -m immediate"),
            ),
            (("hard", "./end web --hard"), ("soft", "./end web --soft")),
            (("9", "pkill -f web -9"), ("15", "pkill -f web -15")),
        ] {
            assert!(!alike(one, other), "{one:?} {other:?}");
        }
        // A part of a name is no such word.
        assert!(alike(
            ("kill", "docker kill web-kill"),
            ("stop", "docker kill web-stop")
        ));
    }
}
