//! `comeback disk`: the process of a disk that forgets. Started by a run, never by hand.

use std::path::PathBuf;

use comeback_analysis::verdict::Outcome;
use comeback_disk::Options;
use comeback_infrastructure::balancer;
use comeback_model::plan::DiskModel;

use super::CliError;

/// A disk that forgets what was not synced; started by the run itself.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where it is mounted
    #[arg(long, value_name = "DIR")]
    mount: PathBuf,
    /// Where its contents lie
    #[arg(long, value_name = "DIR")]
    backing: PathBuf,
    /// By which rule things become durable
    #[arg(long, value_parser = parse_model)]
    model: DiskModel,
    /// Where its calls are put on record
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

pub(super) fn parse_model(text: &str) -> Result<DiskModel, String> {
    let found = DiskModel::ALL
        .into_iter()
        .find(|model| model.name() == text);
    found.ok_or_else(|| {
        let names = DiskModel::ALL.map(DiskModel::name).join(", ");
        format!("there is no disk '{text}': choose one of {names}")
    })
}

pub(super) fn run(args: Args) -> Result<Outcome, CliError> {
    balancer::raise_file_limit()?;
    comeback_disk::run(&Options {
        mount: args.mount,
        backing: args.backing,
        model: args.model,
        record: args.record,
    })?;
    Ok(Outcome::Pass)
}
