//! The servers of a document as those of a plan, with every default.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use comeback_model::plan::{
    Attempts, Drain, External, IdentifiedBy, Listener, Readiness, ReadyProbe, Signal, Stop, Target,
};
use comeback_model::units::Span;

use super::document::{DeployPart, DrainPart, ExternalPart, RestartPart, TargetPart};
use super::problem::PartProblem;
use super::scalar::Words;

/// More starts than that say nothing more within any horizon.
const ATTEMPTS_MAX: u32 = 100;

impl TargetPart {
    /// This part with everything that `over` says put over it.
    pub(super) fn overridden_by(&self, over: &Self) -> Self {
        let mut environment = self.environment.clone();
        environment.extend(over.environment.clone());
        // Both say when it is up; how long that may take is a thing of its own.
        let ready = match (&self.ready, &over.ready) {
            (Some(common), Some(over)) => {
                let mut ready = over.clone();
                ready.within = over.within.or(common.within);
                if (&ready.http, ready.tcp, &ready.log) == (&None, None, &None) {
                    let within = ready.within;
                    ready = common.clone();
                    ready.within = within;
                }
                Some(ready)
            }
            (common, over) => over.clone().or_else(|| common.clone()),
        };
        Self {
            external: over.external.clone().or_else(|| self.external.clone()),
            command: over.command.clone().or_else(|| self.command.clone()),
            build: over.build.clone().or_else(|| self.build.clone()),
            protocol: over.protocol.or(self.protocol),
            socket: over.socket.clone().or_else(|| self.socket.clone()),
            environment,
            ready,
            stop: over.stop.clone().or_else(|| self.stop.clone()),
            restart: match (&self.restart, &over.restart) {
                (Some(common), Some(over)) => Some(RestartPart {
                    after: over.after.or(common.after),
                    attempts: over.attempts.or(common.attempts),
                    backoff: over.backoff.or(common.backoff),
                }),
                (common, over) => over.clone().or_else(|| common.clone()),
            },
            replicas: over.replicas.or(self.replicas),
            listener: over.listener.or(self.listener),
            boot_header: over
                .boot_header
                .clone()
                .or_else(|| self.boot_header.clone()),
        }
    }

    /// The target. `asked` is the path of the load's requests if there are no sessions.
    pub(super) fn to_target(
        &self,
        here: Option<&Path>,
        asked: Option<&str>,
    ) -> Result<Target, PartProblem> {
        let external = self.external.as_ref();
        let external = external.map(|part| part.to_external(here)).transpose()?;
        let nothing = Words::default();
        let Some(command) = self
            .command
            .as_ref()
            .or(external.as_ref().map(|_| &nothing))
        else {
            let what = "there is no command: name the program to start, such as \
                        command = [\"./server\", \"--port\", \"{port}\"]";
            return Err((vec!["command"], what.to_owned()));
        };
        let place = |part: &'static str, text: &str| {
            fill_here(text, here).map_err(|what| (vec![part], what))
        };
        let command = command.0.iter().map(|word| place("command", word));
        let environment = self.environment.iter().map(|(name, value)| {
            place("environment", &value.text).map(|value| (name.clone(), value))
        });
        let socket = self.socket.as_deref().map(|path| place("socket", path));
        let restart = self.restart.clone().unwrap_or_default();
        let attempts = match &external {
            Some(external) => attempts_of_others(&restart, external)?,
            None => attempts(&restart)?,
        };
        let target = Target {
            external,
            command: command.collect::<Result<_, _>>()?,
            folder: None,
            protocol: self.protocol.unwrap_or_default(),
            socket: socket.transpose()?,
            environment: environment.collect::<Result<_, _>>()?,
            ready: self.readiness(asked)?,
            stop: self.stop(),
            restart_after: restart.after.unwrap_or(Span::ZERO),
            attempts,
            boot_header: self.boot_header.clone(),
            listener: self.listener.unwrap_or_default(),
        };
        if target.external.is_none() {
            knows_its_address(&target)?;
        }
        Ok(target)
    }

    fn readiness(&self, asked: Option<&str>) -> Result<Readiness, PartProblem> {
        let said = self.ready.clone().unwrap_or_default();
        // With sessions, whether it can work is seen when they are opened.
        let by_itself = || match asked {
            Some(path) => ReadyProbe::Http(path.to_owned()),
            None => ReadyProbe::Tcp,
        };
        let probe = match (said.http, said.tcp, said.log) {
            (None, None, None) => by_itself(),
            (Some(path), None, None) => ReadyProbe::Http(path),
            (None, Some(true), None) => ReadyProbe::Tcp,
            (None, None, Some(line)) if !line.is_empty() => ReadyProbe::Log(line),
            (None, None, Some(_)) => {
                return Err((
                    vec!["ready", "log"],
                    "is empty: write a text that the server prints when it is up".to_owned(),
                ));
            }
            (None, Some(false), None) => {
                let what = "remove it, or use http or log instead";
                return Err((vec!["ready", "tcp"], what.to_owned()));
            }
            (_, _, _) => {
                let what = "use one of http, tcp and log";
                return Err((vec!["ready"], what.to_owned()));
            }
        };
        Ok(Readiness {
            probe,
            within: said.within.unwrap_or(Span::from_secs(10)),
        })
    }

    fn stop(&self) -> Stop {
        let said = self.stop.clone().unwrap_or_default();
        Stop {
            signal: said.signal.unwrap_or(Signal::Term),
            grace: said.grace.unwrap_or(Span::from_secs(5)),
        }
    }
}

fn attempts(restart: &RestartPart) -> Result<Attempts, PartProblem> {
    let usual = Attempts::default();
    let most = restart.attempts.unwrap_or(usual.most);
    let invalid = |part, what: &str| Err((vec!["restart", part], what.to_owned()));
    if most == 0 {
        return invalid(
            "attempts",
            "the server is started at least once: write 1 or more",
        );
    }
    if most > ATTEMPTS_MAX {
        return invalid("attempts", "at most 100 are supported: lower it");
    }
    if most == 1 && restart.backoff.is_some() {
        return invalid(
            "backoff",
            "it is the pause before the second start: set attempts to 2 or more",
        );
    }
    Ok(Attempts {
        most,
        backoff: restart.backoff.unwrap_or(usual.backoff),
    })
}

/// What a supervisor does is its own affair: it may start the server again and again.
fn attempts_of_others(restart: &RestartPart, external: &External) -> Result<Attempts, PartProblem> {
    if external.restart.is_some() {
        return attempts(restart);
    }
    let said = [
        ("after", restart.after.is_some()),
        ("attempts", restart.attempts.is_some()),
        ("backoff", restart.backoff.is_some()),
    ];
    match said.into_iter().find(|(_, is_said)| *is_said) {
        Some((part, _)) => Err((
            vec!["restart", part],
            "an external server without a restart command is started again by its own supervisor, which decides this: remove it, or \
             say external.restart"
                .to_owned(),
        )),
        None => Ok(Attempts {
            most: u32::MAX,
            backoff: Span::ZERO,
        }),
    }
}

pub(super) fn fill_here(text: &str, here: Option<&Path>) -> Result<String, String> {
    match (text.contains("{here}"), here) {
        (false, _) => Ok(text.to_owned()),
        (true, Some(folder)) => Ok(text.replace("{here}", &folder.to_string_lossy())),
        (true, None) => Err(
            "{here} is the folder of an experiment file, and there is no file: write the path"
                .to_owned(),
        ),
    }
}

/// A server that cannot know where to listen is not worth starting.
fn knows_its_address(target: &Target) -> Result<(), PartProblem> {
    let mentions = |text: &str| {
        let mut texts = target.command.iter().chain(target.environment.values());
        texts.any(|part| part.contains(text))
    };
    match &target.socket {
        // The server learns it from the passed socket.
        _ if target.listener == Listener::Held => Ok(()),
        Some(socket) if !mentions(socket) => Err((
            vec!["socket"],
            format!(
                "the server would not know its socket: write {socket} in the command or in the environment too"
            ),
        )),
        None if !mentions("{port}") => Err((
            vec!["command"],
            "the server would not know its port: write {port} in the command (--port {port}) or in the \
             environment (environment = { PORT = \"{port}\" }, or --env PORT={port})"
                .to_owned(),
        )),
        Some(_) | None => Ok(()),
    }
}

impl ExternalPart {
    fn to_external(&self, here: Option<&Path>) -> Result<External, PartProblem> {
        let invalid = |part: Option<&'static str>, what: String| {
            let at = std::iter::once("external").chain(part).collect();
            Err((at, what))
        };
        let of_address = match &self.address {
            None => None,
            Some(address) => match port_of(address) {
                Ok((host, port)) => Some((host, port)),
                Err(what) => return invalid(Some("address"), what),
            },
        };
        let (remote, of_address) = (
            of_address.and_then(|(remote, _)| remote),
            of_address.map(|(_, port)| port),
        );
        let port = match (self.port, of_address) {
            (Some(port), Some(other)) if port != other => {
                return invalid(
                    Some("address"),
                    format!("its port is {other}, but port = {port}: remove one of the two keys"),
                );
            }
            (port, other) => port.or(other),
        };
        let named = match (&self.pid_file, &self.systemd_unit) {
            (Some(_), Some(_)) => {
                let what = "pid_file and systemd_unit both name its process: write one of the two";
                return invalid(Some("systemd_unit"), what.to_owned());
            }
            (None, Some(unit)) if unit.is_empty() || unit.starts_with('-') => {
                let what = format!(
                    "{unit:?} is not the name of a unit: write it as systemctl shows it, such as \"shop.service\""
                );
                return invalid(Some("systemd_unit"), what);
            }
            (pid_file, unit) => pid_file.as_ref().or(unit.as_ref()),
        };
        if let (Some(address), Some(_)) = (remote, named) {
            let what = format!(
                "{address} is another machine, where no process is seen from here: the server is known by its address alone. Remove \
                 pid_file and systemd_unit, or run Comeback on that machine"
            );
            return invalid(Some("address"), what);
        }
        let port = match (port, named) {
            (Some(0), _) => {
                return invalid(
                    Some("port"),
                    "a server listens on a port from 1 to 65535".to_owned(),
                );
            }
            (Some(port), _) => port,
            (None, Some(_)) => {
                let what =
                    "where does it listen? Add address, such as address = \"127.0.0.1:8080\"";
                return invalid(None, what.to_owned());
            }
            (None, None) => {
                let what = "how is its process found? Write port = 8080 (the process that listens there), or, with the port, systemd_unit = \"app.service\" \
                            or pid_file = \"/run/app.pid\"";
                return invalid(None, what.to_owned());
            }
        };
        let fill = |part: &'static str, text: &str| {
            fill_here(text, here).map_err(|what| (vec!["external", part], what))
        };
        let by = match (&self.pid_file, &self.systemd_unit) {
            (None, None) => remote.map_or(IdentifiedBy::Port, IdentifiedBy::Address),
            (None, Some(unit)) => IdentifiedBy::Unit(unit.clone()),
            (Some(path), _) => match PathBuf::from(fill("pid_file", path)?) {
                path if path.is_absolute() => IdentifiedBy::PidFile(path),
                path => {
                    let what = format!(
                        "{} is relative: write an absolute path, or {{here}}/{} for one beside the experiment file",
                        path.display(),
                        path.display()
                    );
                    return invalid(Some("pid_file"), what);
                }
            },
        };
        let command = |key: &'static str, words: &Option<Words>, otherwise: &str| match words {
            Some(Words(words)) if words.first().is_none_or(String::is_empty) => Err((
                vec!["external", key],
                format!("it is empty: name a program, or remove the key, and {otherwise}"),
            )),
            Some(Words(words)) => {
                let words = words.iter().map(|word| fill(key, word));
                Ok(Some(words.collect::<Result<Vec<_>, _>>()?))
            }
            None => Ok(None),
        };
        Ok(External {
            by,
            port,
            restart: command("restart", &self.restart, "its supervisor restarts it")?,
            kill: command("kill", &self.kill, "SIGKILL ends it")?,
        })
    }
}

/// The port of an address, and the address itself if it is none of this machine.
fn port_of(address: &str) -> Result<(Option<IpAddr>, u16), String> {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let Ok(port) = port.parse() else {
        return Err(format!(
            "{address:?} has no port: write 127.0.0.1 and a port, such as 127.0.0.1:8080, or of another machine 10.0.0.5:8080 or [fd00::5]:8080"
        ));
    };
    if host == "localhost" {
        return Ok((None, port));
    }
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let literal = match bare {
        Some(bare) => bare.parse().map(IpAddr::V6).ok(),
        None => host.parse().map(IpAddr::V4).ok(),
    };
    let Some(literal) = literal.map(|literal: IpAddr| literal.to_canonical()) else {
        return Err(format!(
            "{host:?} is no address: write an IPv4 address, or an IPv6 address in brackets, such as 10.0.0.5:8080 or [fd00::5]:8080; a \
             name may lead to another server at each look"
        ));
    };
    if literal == Ipv4Addr::LOCALHOST {
        return Ok((None, port));
    }
    let what = match literal {
        _ if literal.is_loopback() => {
            "is this machine's own, and the only address of this machine at which a server is found is 127.0.0.1: have the server listen \
             there (or on 0.0.0.0), and write that"
        }
        _ if literal.is_unspecified() => {
            "stands for every address of a machine: write one at which the server is reached, such as 127.0.0.1"
        }
        _ if literal.is_multicast() || literal == Ipv4Addr::BROADCAST => {
            "is the address of many machines: write that of one server"
        }
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            "leads nowhere without the name of an interface: write another address of that machine"
        }
        _ => return Ok((Some(literal), port)),
    };
    Err(format!("{host} {what}"))
}

impl DeployPart {
    /// The target that takes the place of `old`.
    pub(super) fn to_target(
        &self,
        old: &TargetPart,
        here: Option<&Path>,
        asked: Option<&str>,
    ) -> Result<Target, PartProblem> {
        if self.command.is_none() && self.environment.is_empty() {
            let what = "give the new version: a command, or an environment";
            return Err((Vec::new(), what.to_owned()));
        }
        let new = TargetPart {
            command: self.command.clone(),
            environment: self.environment.clone(),
            ..Default::default()
        };
        old.overridden_by(&new).to_target(here, asked)
    }
}

impl DrainPart {
    /// The commands, `{here}` filled in.
    pub(super) fn to_drain(&self, here: Option<&Path>) -> Result<Drain, PartProblem> {
        let words = |part: &'static str, words: &Words| {
            if words.0.first().is_none_or(String::is_empty) {
                let what = "it is empty: give a program to run".to_owned();
                return Err((vec!["drain", part], what));
            }
            let filled = words.0.iter().map(|word| fill_here(word, here));
            let filled: Result<Vec<String>, String> = filled.collect();
            filled.map_err(|what| (vec!["drain", part], what))
        };
        Ok(Drain {
            begin: words("begin", &self.begin)?,
            end: words("end", &self.end)?,
        })
    }
}
