//! `comeback explain`: shows what a run would do, with every default, without doing it.

mod words;

use comeback_analysis::verdict::Outcome;
use comeback_model::plan::Plan;
use comeback_model::schedule::{self, Schedule};
use serde::Serialize;

use super::experiment::Described;
use super::options;
use super::{CliError, print};

/// Show what a run would do; nothing is started.
///
/// Prints the plan with every default filled in, the moment of each fault, and the shortest possible duration. It takes
/// the same arguments as `run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback explain shop.toml --seed 7\n  comeback explain shop.toml --json | jq .schedule\n  \
comeback explain --get /health -- ./server --port {port}"
)]
pub(super) struct Args {
    #[command(flatten)]
    described: Described,
    /// Print plan and schedule as JSON
    #[arg(long, help_heading = "Results")]
    json: bool,
}

/// The document of `--json`.
#[derive(Serialize)]
struct Explained<'a> {
    plan: &'a Plan,
    schedule: &'a Schedule,
    /// Without the time for starts, recovery and reading back.
    at_least_ms: f64,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (plan, said) = args.described.resolve()?;
    let seed = options::seed(said)?;
    let plan = plan.masked();
    let schedule = schedule::expand(&plan, seed);
    if args.json {
        let explained = Explained {
            at_least_ms: schedule.least_length(&plan).as_ms(),
            plan: &plan,
            schedule: &schedule,
        };
        print(&serde_json::to_string_pretty(&explained)?);
    } else {
        print(&words::explain(&plan, &schedule, said.is_some()));
    }
    Ok(Outcome::Pass)
}
