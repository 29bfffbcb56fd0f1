//! `comeback explore`: one run, and every disk that a cut of the power could have left of it.

mod controls;
mod document;
mod looks;
mod search;
mod shown;
mod told;

use std::time::Duration;

use comeback_analysis::verdict::Outcome;
use comeback_engine::Acts;
use comeback_engine::campaign::{self, Host};
use comeback_engine::interrupt::Interrupt;
use comeback_engine::needs::Remotes;
use comeback_experiment::choice::whole;
use comeback_model::ids::Seed;
use comeback_model::plan::fault::DiskModel;
use comeback_model::plan::{Call, Plan, Workload};
use comeback_model::units::Span;
use comeback_supervise::tag::RunTag;

use self::search::Search;
use super::experiment::Described;
use super::{CliError, options, print, print_aside, setup};

const EXAMPLES: &str = r#"Examples:
  comeback explore shop.toml
  comeback explore shop.toml --disk strict --states 2000
  comeback explore shop.toml --seed 7 --json | jq '.failures[].reason'"#;

/// More users tell little more, and are looked at on each disk.
const MOST_USERS: u32 = 8;
/// What all acts take at most: a slower load is run faster.
const ALL_WITHIN: Span = Span::from_secs(10);

/// Try every power cut of one run, on the disk that it would leave.
///
/// Runs the workload once, without a fault. The data folder lies on a disk of Comeback's own, which records each call of the
/// server. For every point between two calls, Comeback then builds the disk as a power cut there would have left it, starts the
/// server on it, and checks that it comes back with every write that had been acknowledged before that point.
///
/// Exits 0 if all is there on every disk, 1 if something is missing, 2 if the file cannot be used, 3 if nothing can be said.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES
)]
pub(super) struct Args {
    #[command(flatten)]
    described: Described,
    /// How many disks to look at, at most, the most suspicious ones first
    #[arg(long, value_name = "N", value_parser = whole, default_value_t = 400, help_heading = "Disks")]
    states: u32,
    /// How often the users act in all
    #[arg(long, value_name = "N", value_parser = whole, default_value_t = 100, help_heading = "Disks", hide_short_help = true)]
    acts: u32,
    /// The disk: ext4, strict or lazy [default: the file's]
    ///
    /// By which rules it keeps what was not synced; see the fault power_loss. Without this flag, the disk of the file's power_loss, else ext4.
    #[arg(long, value_name = "MODEL", value_parser = super::disk::parse_model, help_heading = "Disks")]
    disk: Option<DiskModel>,
    /// Print the results as JSON
    #[arg(long, help_heading = "Results")]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (mut plan, seed) = args.described.resolve_on_disk(args.disk)?;
    check(&plan)?;
    setup::check_servers(&mut plan, Remotes::Refused)?;
    setup::check_limits(&plan)?;
    let seed = options::seed(seed)?;
    let document = explore(&plan, seed, args)?;
    match args.json {
        true => print(&serde_json::to_string_pretty(&document)?),
        false => shown::show(&document),
    }
    Ok(document.verdict)
}

/// What cannot be explored is refused before anything is started.
fn check(plan: &Plan) -> Result<(), CliError> {
    let refuse = |problem: &str| Err(CliError::Usage(format!("explore: {problem}")));
    let [arm] = plan.arms.as_slice() else {
        return refuse("the file has several arms: leave one, as one server is explored at a time");
    };
    if plan.is_external() {
        return refuse(
            "the server is started by somebody else, so that no disk can be laid below its data: give its command",
        );
    }
    if arm.nodes().count() != 1 {
        return refuse(
            "there are several nodes (replicas, a balancer, a cache or a store): explore one server by itself",
        );
    }
    if let Some(reason) = &arm.skip {
        return refuse(&format!("the server is left out: {reason}"));
    }
    match &plan.load.workload {
        Workload::Sessions(flow) if flow.mix.act == 0 => {
            refuse("nothing is written: give act a share of the mix")
        }
        Workload::Sessions(flow) if flow.value.is_none() => refuse(
            "no reply shows what was written, so that a lost write would not be seen: give the session a value, which \
             says where act and check show it",
        ),
        Workload::Sessions(_) => Ok(()),
        Workload::Stateless(_) => refuse(
            "only sessions are explored, since a request without one acknowledges no write: describe login, act and check",
        ),
    }
}

/// What the users of this plan do.
fn acts_of(plan: &Plan, writes: u32) -> Acts {
    let all = Duration::from(ALL_WITHIN) / writes.max(1);
    let planned = Duration::from_secs_f64(1.0 / plan.load.rate.max(0.001));
    let every = planned.min(all);
    Acts {
        users: plan.load.clients.clamp(1, MOST_USERS),
        writes,
        every: Span::from_us(every.as_micros() as u64),
    }
}

/// What this plan sends for a login, and for an act.
fn requests_of(plan: &Plan) -> [String; 2] {
    let name = |call: &Call| match call {
        Call::Http { method, path, .. } => format!("{method} {path}"),
        Call::Command(command) => command.words.first().cloned().unwrap_or_default(),
    };
    match &plan.load.workload {
        Workload::Sessions(flow) => [&flow.login, &flow.act].map(|request| name(&request.call)),
        Workload::Stateless(_) => [String::new(), String::new()],
    }
}

fn explore(plan: &Plan, seed: Seed, args: &Args) -> Result<document::Document, CliError> {
    let (folder, started) = setup::temporary_folder("explore");
    let header = campaign::header(plan.clone(), seed, started, &std::env::temp_dir());
    let listen = |tag: &RunTag| Interrupt::listen(tag.clone(), setup::end_at_once);
    let search = Search {
        acts: acts_of(plan, args.acts),
        states: args.states as usize,
        seed,
        requests: requests_of(plan),
        tell: &|line| {
            if !args.json {
                print_aside(&format!("comeback: {line}"));
            }
        },
    };
    let explored = campaign::explore(&header, &folder, (Host::Program, listen), |explorer| {
        search.run(explorer)
    })?;
    let mut document = explored.ok_or(CliError::Interrupted)??;
    document.hide(&plan.secrets());
    Ok(document)
}
