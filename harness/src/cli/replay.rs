//! `comeback replay`: a stored run's plan and seed, once more.

use std::path::PathBuf;

use comeback_core::verdict::Outcome;

use super::baseline::{BaselineArgs, Stored};
use super::campaign::Wishes;
use super::options::Output;
use super::{CliError, campaign};
use crate::finish::kept;

/// Run a stored run's plan again, with the same seed.
///
/// The plan is taken from the journal as it was resolved: the same commands, trials, faults and operations, in
/// the same order, into a new folder. Where the run was compared with a baseline, the new one is too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  comeback replay\n  comeback replay main-run --out again")]
pub(super) struct Args {
    /// The run's folder
    #[arg(value_name = "RUN", default_value = "comeback-runs/latest")]
    run: PathBuf,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let stored = Stored::read("RUN", &args.run)?;
    let header = &stored.journal().header;
    let baseline = BaselineArgs {
        baseline: kept(stored.folder()),
        remeasure: false,
    };
    let wishes = Wishes {
        output: &args.output,
        baseline: &baseline,
        file: None,
    };
    campaign::run(header.plan.clone(), header.seed, &wishes)
}
