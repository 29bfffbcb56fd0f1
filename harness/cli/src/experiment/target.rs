//! The flags that describe a server: of `run` and its like, and of `init`. Most are keys of the document.

use comeback_model::units::Span;
use toml::Table;

use super::parse_variable;
use comeback_experiment::document::{ReadyPart, RestartPart, TargetPart, Text};

/// How a server is started, and known to be up.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct TargetArgs {
    /// When the server is up: http:PATH, tcp, or log:TEXT
    ///
    /// Default: the path of --get over HTTP; with --login, an accepted connection.
    #[arg(long, value_name = "PROBE", value_parser = parse_ready)]
    ready: Option<ReadyPart>,
    /// How long the first start may take [default: 10s]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    ready_within: Option<Span>,
    #[command(flatten)]
    restart: Option<RestartPart>,
    /// Environment variable for the server, such as PORT={port}
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = parse_variable)]
    environment: Vec<(String, String)>,
    #[command(flatten)]
    part: TargetPart,
}

impl TargetArgs {
    /// What was said of the server.
    pub(crate) fn to_part(&self) -> TargetPart {
        let ready = match (&self.ready, self.ready_within) {
            (None, None) => None,
            (ready, within) => Some(ReadyPart {
                within,
                ..ready.clone().unwrap_or_default()
            }),
        };
        let variables = self.environment.iter().cloned();
        let variables = variables.map(|(name, value)| (name, Text::new(value)));
        TargetPart {
            ready,
            restart: self.restart.clone(),
            environment: variables.collect(),
            ..self.part.clone()
        }
    }

    /// The name of a flag that was given, if one was.
    pub(crate) fn given(&self) -> Option<String> {
        let own = [
            ("ready", self.ready.is_some()),
            ("ready-within", self.ready_within.is_some()),
            ("env", !self.environment.is_empty()),
        ];
        let own = own.into_iter().filter(|(_, is_given)| *is_given);
        let own = own.map(|(name, _)| name.to_owned());
        // The others are called as their keys.
        let keys = |part: Result<Table, _>| part.unwrap_or_default().into_iter();
        let restart = keys(Table::try_from(self.restart.clone().unwrap_or_default()));
        let restart = restart.map(|(key, _)| format!("restart-{key}"));
        let part = keys(Table::try_from(&self.part)).map(|(key, _)| key.replace('_', "-"));
        let name = own.chain(restart).chain(part).next();
        name.map(|name| format!("--{name}"))
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
