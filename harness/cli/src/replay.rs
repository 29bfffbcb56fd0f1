//! `comeback replay`: runs a stored plan again, with its seed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use comeback_analysis::verdict::Outcome;
use comeback_model::journal::Header;
use comeback_model::plan::Plan;
use comeback_model::shard::Shard;

use super::baseline::{self, BaselineArgs};
use super::campaign::RunOptions;
use super::experiment::parse_variable;
use super::options::{Consent, Output, Watch};
use super::{CliError, campaign};
use comeback_runs::finish::kept;

/// Run a stored run's plan again, with the same seed.
///
/// Takes the resolved plan from the journal: the same commands, trials, faults and operations, in the same order. The
/// results go to a new folder. If the run was compared with a baseline, the new one is, too.
///
/// No run stores its secrets: the values of environment variables, of headers that authenticate, and everything marked
/// as secret. Give them again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback replay\n  comeback replay main-run --out again\n  comeback replay main-run --env API_KEY=secret"
)]
pub(super) struct Args {
    /// The run's folder
    #[arg(value_name = "RUN", default_value = "comeback-runs/latest")]
    run: PathBuf,
    #[command(flatten)]
    secrets: Secrets,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    watch: Watch,
}

/// What a stored plan lacks: no run stores its secrets.
#[derive(Debug, clap::Args)]
pub(super) struct Secrets {
    /// Environment variable of the server; without a value, that of this process
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = parse_or_take)]
    environment: Vec<(String, String)>,
    /// Value of a header or form field that was not stored
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    secret: Vec<(String, String)>,
}

impl Secrets {
    /// The stored plan with its secrets.
    pub(super) fn fill_in(&self, stored: &Plan) -> Result<Plan, CliError> {
        let mut plan = stored.clone();
        let variables: BTreeMap<_, _> = self.environment.iter().cloned().collect();
        let lower = |(name, value): &(String, String)| (name.to_lowercase(), value.clone());
        let others: BTreeMap<_, _> = self.secret.iter().map(lower).collect();
        plan.reveal(&variables, &others).map_err(CliError::Usage)?;
        Ok(plan)
    }
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (folder, recorded) = baseline::open("RUN", &args.run)?;
    let header = recorded.header();
    let baseline = BaselineArgs {
        baseline: kept(&folder),
        remeasure: false,
    };
    let options = RunOptions {
        output: &args.output,
        baseline: &baseline,
        shard: shard_of(header)?,
        preflight: false,
        file: None,
        remotes: args.consent.remotes(),
        addresses: args.watch.addresses(),
    };
    let plan = args.secrets.fill_in(&header.plan)?;
    campaign::run(plan, header.seed, &options)
}

/// The shard that a run was, if it was one.
fn shard_of(header: &Header) -> Result<Option<Shard>, CliError> {
    let Some(shards) = &header.shards else {
        return Ok(None);
    };
    // All shards together are a run.
    if shards.missing().is_empty() {
        return Ok(None);
    }
    shards.only().map(Some).ok_or_else(|| {
        CliError::Usage(
            "RUN: it holds several shards of a run, and not all: name the folder of one shard, or merge all of them first"
                .to_owned(),
        )
    })
}

fn parse_or_take(text: &str) -> Result<(String, String), String> {
    if text.contains('=') || text.is_empty() {
        return parse_variable(text);
    }
    let value = std::env::var(text);
    let value = value.map_err(|error| {
        format!(
            "{text} cannot be taken from the environment: {error}: set it, or write {text}=VALUE"
        )
    })?;
    Ok((text.to_owned(), value))
}
