//! What flags say of the users, the trials, the faults and the gates of a first file, as the parts of a file.

use comeback_experiment::choice::whole;
use comeback_experiment::document::{FaultPart, TargetPart, Words};
use comeback_experiment::{Document, Origin, resolve, write_plan};
use comeback_faults::Faults;
use comeback_model::gate::Gate;
use comeback_model::ids::Seed;
use toml::{Table, Value};

use super::Server;
use super::draft::EXAMPLE;
use crate::CliError;
use crate::experiment::{SessionArgs, usage};
use crate::options::parse_gate;

/// The flags of `run` that say more than how the server is started.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Asked {
    /// Trials with a fault for each arm [default: 6]
    #[arg(long, value_name = "N", value_parser = whole, help_heading = "Load and trials", hide_short_help = true)]
    trials: Option<u32>,
    /// Number of users, each with a session and a connection [default: 50]
    #[arg(long, value_name = "N", value_parser = whole, help_heading = "Load and trials", hide_short_help = true)]
    sessions: Option<u32>,
    /// The fault of each trial (`comeback faults` lists them)
    ///
    /// As of `run`. Repeat the flag for several faults.
    #[arg(
        long = "fault",
        value_name = "FAULT",
        help_heading = "Fault",
        hide_short_help = true
    )]
    faults: Vec<FaultPart>,
    /// Add a gate, such as 'outage.median < 2s'
    #[arg(long = "gate", value_name = "GATE", value_parser = parse_gate, help_heading = "Gates")]
    gates: Vec<Gate>,
    #[command(flatten)]
    session: SessionArgs,
}

/// Parts of a file that were asked for. What is absent was not.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) trials: Option<u32>,
    pub(super) sessions: Option<u32>,
    /// The part `session`, as text.
    pub(super) session: Option<String>,
    /// Each `fault`, as text.
    pub(super) faults: Option<String>,
    /// The part `gate`, as text.
    pub(super) gates: Option<String>,
}

impl Asked {
    /// The parts of the file of this server.
    pub(super) fn to_parts(&self, server: Server<'_>) -> Result<Parts, CliError> {
        let session = self.session.to_part();
        let (has_session, has_faults) = (session.is_some(), !self.faults.is_empty());
        if !has_session && !has_faults && self.gates.is_empty() {
            return Ok(Parts {
                trials: self.trials,
                sessions: self.sessions,
                ..Parts::default()
            });
        }
        let mut document = Document {
            trials: self.trials,
            fault: self.faults.clone(),
            demands: self.gates.clone(),
            session,
            ..Document::default()
        };
        document.load.sessions = self.sessions;
        let command = match server.command {
            [] => EXAMPLE.map(str::to_owned).to_vec(),
            command => command.to_vec(),
        };
        document.target = TargetPart {
            command: Some(Words(command)),
            ..server.target.clone()
        };
        let origin = Origin {
            name: "init".to_owned(),
            here: None,
        };
        let plan = resolve(&document, &origin, &Faults).map_err(usage)?.plan;
        // The same plan follows from what is written.
        let written =
            write_plan(&plan, Seed(0), &Faults).map_err(|why| CliError::Usage(why.to_string()))?;
        let mut whole: Table = written
            .text
            .parse()
            .map_err(|why: toml::de::Error| CliError::Usage(why.to_string()))?;
        if let Some(Value::Table(gates)) = whole.get_mut("gate") {
            // The default gates apply to any file.
            gates.retain(|metric, _| self.gates.iter().any(|own| is_of(own, metric)));
        }
        let part = |is_asked: bool, name: &str| match whole.get(name) {
            Some(part) if is_asked => {
                let alone: Table = [(name.to_owned(), part.clone())].into_iter().collect();
                let text = toml::to_string(&alone);
                text.map(Some)
                    .map_err(|why| CliError::Usage(why.to_string()))
            }
            Some(_) | None => Ok(None),
        };
        Ok(Parts {
            trials: self.trials,
            sessions: self.sessions,
            session: part(has_session, "session")?,
            faults: part(has_faults, "fault")?,
            gates: part(!self.gates.is_empty(), "gate")?,
        })
    }
}

/// Whether a gate is one of this metric.
fn is_of(gate: &Gate, metric: &str) -> bool {
    let text = gate.to_string();
    let at = text.find(['<', '>', '=', '!']).unwrap_or(text.len());
    text[..at].trim() == metric
}
