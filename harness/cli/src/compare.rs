//! `comeback compare`: the main job. Reference servers side by side, under the same seeded plan.

mod fault;
#[cfg(test)]
mod tests;
mod topology;
mod variants;

use comeback_analysis::verdict::{Gate, Outcome};
use comeback_architectures::{Comparison, Size};
use comeback_engine::needs::Remotes;
use comeback_faults::Faults;
use comeback_model::ids::Seed;
use comeback_model::plan::Plan;

use super::baseline::BaselineArgs;
use super::campaign::RunOptions;
use super::experiment::usage;
use super::options::{self, Options, parse_gate};
use super::shard::Sharing;
use super::{CliError, campaign, targets};
use comeback_experiment::{Document, Origin, resolve};
use fault::FaultArgs;
use topology::TopologyArgs;
use variants::VariantArgs;

const EXAMPLES: &str = r#"Examples:
  comeback compare
  comeback compare --quick
  comeback compare memory journal --trials 30 --seed 7
  comeback compare token --json | jq '.arms[0].outage_ms'
  comeback compare --topology
  comeback compare --topology redis postgres --fault-target store"#;

const MORE_EXAMPLES: &str = r#"  comeback compare journal --listener own,held --restart-after 300ms
  comeback compare --seed 7 --trials 60 --shard auto/16
  comeback compare --topology round-robin sticky token --replicas 1,2,4
  comeback compare --topology sticky token --fault rolling-restart \
      --balancer haproxy
  comeback compare --topology token --fault deploy --deploy token-v2
  comeback compare --topology postgres --fault pause \
      --retry-by none,client,client-key --try-timeout 200ms"#;

/// Compare the reference servers through crashes.
///
/// Each trial starts a server, opens real sessions, drives open-loop load, kills the server with SIGKILL (or
/// injects the fault of --fault), starts it again, and reads every session back. Each server also gets a trial without a
/// fault. The results, with charts and a report, go to a folder. Exits 0 if every server was measured, 3 if one
/// was not.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n{MORE_EXAMPLES}")
)]
pub(super) struct Args {
    /// Which servers (`comeback targets` lists them) [default: all that keep their sessions without help]
    #[arg(value_name = "ARM", help_heading = None::<&str>)]
    arms: Vec<String>,
    /// Take a first look within 30 seconds: fewer and shorter trials
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    fault: FaultArgs,
    #[command(flatten)]
    topology: TopologyArgs,
    #[command(flatten)]
    variants: VariantArgs,
    /// Add a gate for each server, such as 'lost_sessions == 0'
    #[arg(long = "gate", value_name = "GATE", value_parser = parse_gate, help_heading = "Gates")]
    gates: Vec<Gate>,
    #[command(flatten)]
    baseline: BaselineArgs,
    #[command(flatten)]
    options: Options,
}

pub(super) fn run(args: Args) -> Result<Outcome, CliError> {
    let plan = into_plan(&args)?;
    let sharing = Sharing {
        asked: args.options.shard,
        plan: &plan,
        seed: args.options.size.seed.map(Seed),
        baseline: &args.baseline,
        against: false,
    };
    let shard = sharing.choose()?;
    let seed = options::seed(args.options.size.seed.map(Seed))?;
    let options = RunOptions {
        output: &args.options.output,
        baseline: &args.baseline,
        shard,
        preflight: false,
        file: None,
        remotes: Remotes::Refused,
        addresses: args.options.watch.addresses(),
    };
    campaign::run(plan, seed, &options)
}

fn into_plan(args: &Args) -> Result<Plan, CliError> {
    plan(args.comparison()?, |document| {
        args.options.size.apply_to(document);
        document.demands.clone_from(&args.gates);
    })
}

/// The plan of a comparison, after `apply_to` has changed its document.
pub(super) fn plan(
    comparison: Comparison,
    apply_to: impl FnOnce(&mut Document),
) -> Result<Plan, CliError> {
    let mut document = comparison.into_document().map_err(targets::refuse)?;
    apply_to(&mut document);
    let resolved = resolve(&document, &Origin::default(), &Faults).map_err(usage)?;
    Ok(resolved.plan)
}

impl Args {
    /// The comparison that the arguments describe.
    fn comparison(&self) -> Result<Comparison, CliError> {
        Ok(Comparison {
            servers: self.arms.clone(),
            topology: self.topology.to_topology(),
            variants: self.variants.to_variants(),
            fault: self.fault.to_fault()?,
            size: Size {
                quick: self.quick,
                trials: self.options.size.trials,
            },
        })
    }
}
