//! A server: its keys, its flags, and how they become part of a plan. The defaults are those of [`Target::of`].

use std::collections::BTreeMap;
use std::path::Path;

use comeback_model::plan::{
    Attempts, External, Listener, Protocol, Readiness, ReadyProbe, Signal, Stop, Target,
};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

#[cfg(feature = "flags")]
use super::choice::parser;
use super::external::ExternalPart;
use super::faults::DeployPart;
use super::fill::fill_here;
use super::problem::PartProblem;
use super::scalar::{Text, Words};

/// A server: a `command` to start, or an `external` one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "flags", derive(clap::Args), command(next_help_heading = "Server"))]
#[serde(deny_unknown_fields)]
#[rustfmt::skip] // A line for each flag.
pub struct TargetPart {
    /// A server that something else starts, in place of `command`. Faults end or pause it. Comeback never stops it otherwise.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub external: Option<ExternalPart>,
    /// Program and arguments, without a shell. `{port}`, `{data}`, `{replica}`, `{comeback}` (this program) and
    /// `{here}` (the folder of the experiment file) are filled in. With several replicas, so are `{shared}` (a folder that
    /// they share) and `{store}` (the port of the store).
    #[cfg_attr(feature = "flags", arg(skip))]
    pub command: Option<Words>,
    /// Program and arguments that build it, without a shell. `comeback run --against REV` runs this in the working tree and in the
    /// revision, where the server is started. `{here}` is filled in. Default: nothing is built.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub build: Option<Words>,
    /// The protocol it speaks. Default: `http`, which is HTTP/1.1.
    #[cfg_attr(feature = "flags", arg(long, value_parser = parser::<Protocol>(), hide_short_help = true, help = "Protocol of the server [default: http]", long_help = "Protocol of the server [default: http]\n\nCertificates are not verified."))]
    pub protocol: Option<Protocol>,
    /// The Unix socket it listens on, such as `{data}/app.sock`. Default: 127.0.0.1 and `{port}`.
    #[cfg_attr(feature = "flags", arg(long, value_name = "PATH", hide_short_help = true, help = "Unix socket the server listens on, such as {data}/app.sock, instead of 127.0.0.1:{port}"))]
    pub socket: Option<String>,
    /// Who binds its listening socket: the server (`own`) or the harness (`held`). A held socket stays open while the server
    /// is dead, so that connections wait and are not refused. Each start gets it as under socket activation (`LISTEN_FDS`).
    /// `held` needs `boot_header` and `ready.http`. Default: `own`.
    #[cfg_attr(feature = "flags", arg(long, value_parser = parser::<Listener>(), hide_short_help = true, help = "Who holds the listening socket [default: own]"))]
    pub listener: Option<Listener>,
    /// Environment variables. The same placeholders are filled in.
    #[serde(default, serialize_with = "unmarked", skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "flags", arg(skip))]
    pub environment: BTreeMap<String, Text>,
    /// How its first start is known to be complete. Default: `http` with the path of the load; with sessions, `tcp`.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub ready: Option<ReadyPart>,
    /// How it is stopped, at the end of a trial and by a planned stop.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub stop: Option<StopPart>,
    /// How it is started again.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub restart: Option<RestartPart>,
    /// The number of replicas. More than one need a balancer. Default: 1.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub replicas: Option<u32>,
    /// A response header that changes with each start of the server. Default: the owner of the listening socket tells the
    /// new process from the old one.
    #[cfg_attr(feature = "flags", arg(long, value_name = "HEADER", hide_short_help = true, help = "Response header that changes with each start of the server [default: the owner of the listening socket tells the new process from the old one]"))]
    pub boot_header: Option<String>,
}

/// How a start is known to be complete: one of `http`, `tcp` and `log`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadyPart {
    /// A `GET` of this path is answered with a 2xx.
    pub http: Option<String>,
    /// A connection is accepted.
    pub tcp: Option<bool>,
    /// A line of its output contains this text.
    pub log: Option<String>,
    /// How long the first start may take. Default: 10s.
    pub within: Option<Span>,
}

/// How a server is stopped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopPart {
    /// The first signal. Default: TERM.
    pub signal: Option<Signal>,
    /// The time until SIGKILL follows. Default: 5s.
    pub grace: Option<Span>,
}

/// How a server is started again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "flags", derive(clap::Args), command(next_help_heading = "Server"))]
#[serde(deny_unknown_fields)]
#[rustfmt::skip] // A line for each flag.
pub struct RestartPart {
    /// The pause after its confirmed exit. Default: 0s.
    #[cfg_attr(feature = "flags", arg(id = "restart_after", long = "restart-after", value_name = "TIME", hide_short_help = true, help = "Pause between the confirmed exit and the restart [default: 0s]"))]
    pub after: Option<Span>,
    /// The most starts after one fault, if the server ends before it is ready. Default: 1.
    #[cfg_attr(feature = "flags", arg(id = "restart_attempts", long = "restart-attempts", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100), hide_short_help = true, help = "The most starts after one fault, if the server ends before it is ready [default: 1]"))]
    pub attempts: Option<u32>,
    /// The pause before the second start. It doubles with each further start. Default: 200ms.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub backoff: Option<Span>,
}

/// More starts than that say nothing more within any horizon.
const ATTEMPTS_MAX: u32 = 100;

impl TargetPart {
    /// Whether it says nothing. The schema has no default for such a part.
    pub(super) fn says_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// This part with everything that `over` says put over it.
    #[must_use]
    pub fn overridden_by(&self, over: &Self) -> Self {
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
        let usual = Target::of(command.collect::<Result<Vec<_>, _>>()?);
        let target = Target {
            external,
            command: usual.command,
            folder: usual.folder,
            protocol: self.protocol.unwrap_or(usual.protocol),
            socket: socket.transpose()?,
            environment: environment.collect::<Result<_, _>>()?,
            ready: self.readiness(asked, usual.ready.within)?,
            stop: self.stop(usual.stop),
            restart_after: restart.after.unwrap_or(usual.restart_after),
            attempts,
            boot_header: self.boot_header.clone(),
            listener: self.listener.unwrap_or(usual.listener),
        };
        if target.external.is_none() {
            knows_its_address(&target)?;
        }
        Ok(target)
    }

    fn readiness(&self, asked: Option<&str>, within: Span) -> Result<Readiness, PartProblem> {
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
            within: said.within.unwrap_or(within),
        })
    }

    fn stop(&self, usual: Stop) -> Stop {
        let said = self.stop.clone().unwrap_or_default();
        Stop {
            signal: said.signal.unwrap_or(usual.signal),
            grace: said.grace.unwrap_or(usual.grace),
        }
    }
}

/// The way back from a plan.
impl TargetPart {
    /// The server of an arm, so many times.
    pub(super) fn of_arm(target: &Target, replicas: u32) -> Self {
        let Target {
            // Of all servers.
            external: _,
            command: _,
            environment: _,
            ready: _,
            stop: _,
            restart_after: _,
            attempts: _,
            // Of a revision that is measured beside it.
            folder: _,
            protocol,
            socket,
            listener,
            boot_header,
        } = target;
        Self {
            protocol: Some(*protocol),
            socket: socket.clone(),
            listener: Some(*listener),
            replicas: Some(replicas),
            boot_header: boot_header.clone(),
            ..Self::of_any(target)
        }
    }

    /// What is said of all servers, also of balancers, caches and stores.
    pub(super) fn of_any(target: &Target) -> Self {
        let external = target.external.as_ref();
        let attempts = target.attempts;
        let restart = || RestartPart {
            after: Some(target.restart_after),
            attempts: Some(attempts.most),
            backoff: (attempts.most > 1).then_some(attempts.backoff),
        };
        let texts = target.environment.iter();
        let texts = texts.map(|(name, value)| (name.clone(), Text::new(value)));
        Self {
            external: external.map(ExternalPart::from),
            command: external.is_none().then(|| Words(target.command.clone())),
            environment: texts.collect(),
            ready: Some(ReadyPart::from(&target.ready)),
            stop: Some(StopPart {
                signal: Some(target.stop.signal),
                grace: Some(target.stop.grace),
            }),
            // Of other servers their supervisor decides.
            restart: external
                .is_none_or(|external| external.restart.is_some())
                .then(restart),
            ..Self::default()
        }
    }
}

impl From<&Readiness> for ReadyPart {
    fn from(ready: &Readiness) -> Self {
        let within = Self {
            within: Some(ready.within),
            ..Self::default()
        };
        match &ready.probe {
            ReadyProbe::Http(path) => Self {
                http: Some(path.clone()),
                ..within
            },
            ReadyProbe::Tcp => Self {
                tcp: Some(true),
                ..within
            },
            ReadyProbe::Log(line) => Self {
                log: Some(line.clone()),
                ..within
            },
        }
    }
}

/// Writes texts, none of which is marked as secret: flags mark none, and a plan does not say which were.
fn unmarked<S: Serializer>(texts: &BTreeMap<String, Text>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(texts.iter().map(|(name, text)| (name, &text.text)))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key of a server that Comeback starts, but for `build`, which no plan has.
    const SAID: &str = "command = [\"./server\", \"{port}\"]\nprotocol = \"h2c\"\nsocket = \"{port}.sock\"\n\
                        listener = \"held\"\nreplicas = 2\nboot_header = \"x-boot-id\"\n\n\
                        [environment]\nA = \"b\"\n\n[ready]\nhttp = \"/health\"\nwithin = \"3s\"\n\n\
                        [stop]\nsignal = \"INT\"\ngrace = \"1s\"\n\n\
                        [restart]\nafter = \"1s\"\nattempts = 3\nbackoff = \"100ms\"\n";

    #[test]
    fn a_server_that_was_resolved_is_written_as_it_was_said() {
        let external = "[external]\nport = 8080\nkill = [\"./kill\"]\n";
        for said in [SAID, external] {
            let part: TargetPart = toml::from_str(said).expect("every key");
            let target = part.to_target(None, None).expect("a server");
            let back = TargetPart::of_arm(&target, part.replicas.unwrap_or(1));
            // What was not said has its default by now.
            assert_eq!(back.overridden_by(&part), back);
        }
        let part: TargetPart = toml::from_str(SAID).expect("every key");
        assert_eq!(toml::to_string(&part), Ok(SAID.to_owned()));
    }

    #[test]
    fn each_key_that_is_given_overrides_and_no_other_does() {
        let given: TargetPart = toml::from_str(SAID).expect("every key");
        let server = TargetPart::default().overridden_by(&given);
        assert_eq!(server, given);
        assert_eq!(server.overridden_by(&TargetPart::default()), given);
    }
}
