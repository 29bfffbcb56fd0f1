//! `comeback cleanup`: end what a killed run left behind.

use comeback_core::verdict::Outcome;

use super::{CliError, print};
use crate::supervise::leftovers::find_abandoned;

/// End the processes of runs whose comeback is gone.
///
/// A run cleans up after itself, also when it is killed; this is for what outlived that too. Processes of
/// runs that are still going on are left alone. Exits 4 when something could not be ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  comeback cleanup --dry-run\n  comeback cleanup")]
pub(super) struct Args {
    /// Only list them
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let abandoned = find_abandoned()?;
    if abandoned.is_empty() {
        print("nothing is left behind");
    }
    let mut remaining = Vec::new();
    for found in &abandoned {
        let pids: Vec<String> = found
            .members
            .iter()
            .map(|member| member.pid.to_string())
            .collect();
        print(&format!("run {}: processes {}", found.tag, pids.join(", ")));
        if !args.dry_run {
            remaining.extend(found.tag.sweep(|_| true).remaining);
        }
    }
    if remaining.is_empty() {
        return Ok(Outcome::Pass);
    }
    Err(CliError::Harness(
        format!("processes {remaining:?} could not be ended").into(),
    ))
}
