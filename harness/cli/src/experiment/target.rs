//! The flags that describe a server: of `run` and its like, and of `init`.

use comeback_model::plan::{Listener, Protocol};
use comeback_model::units::Span;

use super::parse_variable;
use crate::choice::choice;
use comeback_experiment::document::{ReadyPart, TargetPart, Text};

/// How a server is started, and known to be up.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct TargetArgs {
    /// When the server is up: http:PATH, tcp, or log:TEXT
    ///
    /// Default: the path of --get over HTTP; with --login, an accepted connection.
    #[arg(long, value_name = "PROBE", value_parser = parse_ready)]
    pub(crate) ready: Option<ReadyPart>,
    /// How long the first start may take [default: 10s]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub(crate) ready_within: Option<Span>,
    /// Pause between the confirmed exit and the restart [default: 0s]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub(crate) restart_after: Option<Span>,
    /// The most starts after one fault, if the server ends before it is ready [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100), hide_short_help = true)]
    pub(crate) restart_attempts: Option<u32>,
    /// Environment variable for the server, such as PORT={port}
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub(crate) environment: Vec<(String, String)>,
    /// Protocol of the server [default: http]
    ///
    /// Certificates are not verified.
    #[arg(long, value_parser = choice::<Protocol>(), hide_short_help = true)]
    pub(crate) protocol: Option<Protocol>,
    /// Unix socket the server listens on, such as {data}/app.sock, instead of 127.0.0.1:{port}
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    pub(crate) socket: Option<String>,
    /// Who holds the listening socket [default: own]
    #[arg(long, value_parser = choice::<Listener>(), hide_short_help = true)]
    pub(crate) listener: Option<Listener>,
    /// Response header that changes with each start of the server [default: the owner of the listening
    /// socket tells the new process from the old one]
    #[arg(long, value_name = "HEADER", hide_short_help = true)]
    pub(crate) boot_header: Option<String>,
}

impl TargetArgs {
    /// Overrides what the target has by the flags that were given.
    pub(crate) fn apply_to(&self, target: &mut TargetPart) {
        if let Some(ready) = &self.ready {
            target.ready = Some(ready.clone());
        }
        if let Some(within) = self.ready_within {
            target.ready.get_or_insert_default().within = Some(within);
        }
        if let Some(pause) = self.restart_after {
            target.restart.get_or_insert_default().after = Some(pause);
        }
        if let Some(attempts) = self.restart_attempts {
            target.restart.get_or_insert_default().attempts = Some(attempts);
        }
        let variables = self.environment.iter().cloned();
        target
            .environment
            .extend(variables.map(|(name, value)| (name, Text::new(value))));
        if let Some(protocol) = self.protocol {
            target.protocol = Some(protocol);
        }
        if let Some(socket) = &self.socket {
            target.socket = Some(socket.clone());
        }
        if let Some(listener) = self.listener {
            target.listener = Some(listener);
        }
        if let Some(header) = &self.boot_header {
            target.boot_header = Some(header.clone());
        }
    }

    /// The name of a flag that was given, if one was.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--ready", self.ready.is_some()),
            ("--ready-within", self.ready_within.is_some()),
            ("--restart-after", self.restart_after.is_some()),
            ("--restart-attempts", self.restart_attempts.is_some()),
            ("--env", !self.environment.is_empty()),
            ("--protocol", self.protocol.is_some()),
            ("--socket", self.socket.is_some()),
            ("--listener", self.listener.is_some()),
            ("--boot-header", self.boot_header.is_some()),
        ];
        let given = given.into_iter().find(|(_, is_given)| *is_given);
        given.map(|(name, _)| name)
    }
}

fn parse_ready(text: &str) -> Result<ReadyPart, String> {
    let ready = ReadyPart::default();
    match text.split_once(':') {
        None if text == "tcp" => Ok(ReadyPart {
            tcp: Some(true),
            ..ready
        }),
        Some(("http", path)) if path.starts_with('/') => Ok(ReadyPart {
            http: Some(path.to_owned()),
            ..ready
        }),
        Some(("log", line)) if !line.is_empty() => Ok(ReadyPart {
            log: Some(line.to_owned()),
            ..ready
        }),
        _ => Err("use http:/path, tcp, or log:TEXT".to_owned()),
    }
}
