//! `comeback compare`: the main job. The reference servers, the same seeded plan, side by side.

mod fault;
mod replicas;
#[cfg(test)]
mod tests;
mod variants;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use comeback_core::ids::Seed;
use comeback_core::plan::{
    Arm, Arrivals, Attempts, Fault, Listener, Load, Plan, Protocol, Readiness, ReadyProbe, Signal,
    Stop, Target, Windows, Workload,
};
use comeback_core::units::Span;
use comeback_core::verdict::{Gate, Outcome};

use super::baseline::BaselineArgs;
use super::campaign::Wishes;
use super::options::{self, Options, parse_gate};
use super::{CliError, campaign, targets};
use comeback_engine::Ended;
use comeback_experiment::document::StoreKind;
use comeback_experiment::{HORIZON, TIMEOUT, topology};
use fault::FaultArgs;
use replicas::TopologyArgs;
use variants::VariantArgs;

/// Compare the reference servers through crashes.
///
/// Each trial starts a server, opens real sessions, drives open-loop load, kills the server with SIGKILL
/// (or does what --fault says), starts it again, and reads every session back. Each server also gets a trial without a fault.
/// The results, with charts and a report, go to a folder. Exits 0 when every server was measured, 3 when
/// one was not.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback compare\n  comeback compare --quick\n  \
comeback compare memory journal --trials 30 --seed 7\n  comeback compare token --json | jq '.arms[0].outage_ms'\n  \
comeback compare journal --listener own,held --restart-after 300ms\n  \
comeback compare --topology\n  comeback compare --topology redis postgres --strike store\n  \
comeback compare --topology round-robin sticky token --replicas 1,2,4\n  \
comeback compare --topology sticky token --fault rolling-restart --balancer haproxy\n  \
comeback compare --topology token --fault deploy --deploy token-v2\n  \
comeback compare --topology postgres --fault pause --retry-by none,client,client-key --try-timeout 200ms"
)]
pub(super) struct Args {
    /// Which servers (`comeback targets` lists them); when none is named, all that keep their sessions by
    /// themselves
    #[arg(value_name = "ARM")]
    arms: Vec<String>,
    /// A first look within 30 seconds: fewer and shorter trials
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    fault: FaultArgs,
    #[command(flatten)]
    topology: TopologyArgs,
    #[command(flatten)]
    variants: VariantArgs,
    /// What the verdict demands of each server, such as 'lost_sessions == 0'
    #[arg(long = "gate", value_name = "GATE", value_parser = parse_gate)]
    gates: Vec<Gate>,
    #[command(flatten)]
    baseline: BaselineArgs,
    #[command(flatten)]
    options: Options,
}

/// What `--quick` changes.
struct Size {
    trials: u32,
    windows: Windows,
}

pub(super) fn run(args: Args) -> Result<Outcome, CliError> {
    let (plan, seed) = prepare(&args)?;
    campaign::run(plan, seed, &wishes(&args))
}

/// Runs the comparison, and neither judges nor shows it: where its results are.
pub(super) fn measure(args: &Args) -> Result<(PathBuf, Ended), CliError> {
    let (plan, seed) = prepare(args)?;
    campaign::measure(plan, seed, &wishes(args))
}

/// Whether it can be run here, without running anything.
pub(super) fn check(args: &Args) -> Result<(), CliError> {
    let mut plan = into_plan(args)?;
    campaign::settle(&mut plan)?;
    campaign::check_limits(&plan)
}

fn prepare(args: &Args) -> Result<(Plan, Seed), CliError> {
    let seed = options::seed(args.options.size.seed.map(Seed))?;
    Ok((into_plan(args)?, seed))
}

const fn wishes(args: &Args) -> Wishes<'_> {
    Wishes {
        output: &args.options.output,
        baseline: &args.baseline,
        file: None,
    }
}

fn into_plan(args: &Args) -> Result<Plan, CliError> {
    let action = args.fault.action()?;
    let arms = match args.topology.is_wanted() {
        true => args.topology.arms(&args.arms, action)?,
        false => single(&args.arms)?,
    };
    let arms = args.variants.of(args.fault.replaced(arms)?)?;
    let asked = &args.options.size;
    let size = size(args.quick, asked.horizon.unwrap_or(HORIZON));
    let trials = asked.trials.unwrap_or(size.trials);
    Ok(Plan {
        name: "compare".to_owned(),
        arms,
        trials,
        extend_to: asked.extend_to.unwrap_or(trials),
        replacements: asked
            .replacements
            .unwrap_or_else(|| Plan::usual_replacements(trials)),
        controls: 1,
        fault: Fault {
            aim: args.topology.aim(action),
            to: None,
            action,
            within: None,
            // The flush period of the `buffered` server, so that the kill falls anywhere within it.
            jitter: Span::from_ms(500),
            lands_within: Span::from_secs(5),
        },
        load: Load {
            workload: Workload::Sessions(Box::new(args.topology.flow())),
            clients: asked.sessions.unwrap_or(100),
            rate: asked.rate.unwrap_or(1_000.0),
            arrivals: asked.arrivals().unwrap_or(Arrivals::Poisson),
            timeout: asked.timeout.unwrap_or(TIMEOUT),
            objective: None,
            keep_alive: !asked.no_keep_alive,
            looks: asked.looks.unwrap_or(Load::LOOKS),
            workers: 1,
            floor: 0.9,
        },
        windows: size.windows,
        gates: args.gates.clone(),
        marked: BTreeSet::new(),
    })
}

/// The servers of these names, each alone; all of them when none is named.
fn single(names: &[String]) -> Result<Vec<Arm>, CliError> {
    let mut chosen = Vec::new();
    for name in names {
        let target = targets::find(name)?;
        targets::check_http(target)?;
        chosen.push(target);
    }
    if chosen.is_empty() {
        let all = comeback_servers::all().iter();
        chosen.extend(all.filter(|target| target.usual));
    }
    chosen.into_iter().map(arm).collect()
}

/// Six trials are the fewest that give a median an interval; the windows keep all servers within two
/// minutes. A quick look has too few trials for intervals, and says so.
const fn size(quick: bool, horizon: Span) -> Size {
    let (trials, [warm_up, baseline, settle, steady_for]) = if quick {
        (2, [100, 300, 500, 200])
    } else {
        (6, [150, 600, 1_400, 500])
    };
    Size {
        trials,
        windows: Windows {
            warm_up: Span::from_ms(warm_up),
            baseline: Span::from_ms(baseline),
            settle: Span::from_ms(settle),
            horizon,
            window: Span::from_ms(50),
            steady_for: Span::from_ms(steady_for),
        },
    }
}

/// A server among others of its kind: those with a key share it, as replicas do.
pub(super) fn sharing(target: &comeback_servers::Target) -> Result<Arm, CliError> {
    let mut arm = arm(target)?;
    if target.shares {
        for word in &mut arm.target.command {
            *word = word.replace("{data}", "{shared}");
        }
    }
    Ok(arm)
}

/// How many lines of code the server of an architecture has of its own.
pub(super) fn lines_of(architecture: &str) -> Option<u32> {
    let server = replicas::server_of(architecture).unwrap_or(architecture);
    comeback_servers::find(server)?.lines()
}

fn arm(target: &comeback_servers::Target) -> Result<Arm, CliError> {
    let mut command = vec![
        "{comeback}",
        "serve",
        target.name,
        "--port",
        "{port}",
        "--data",
        "{data}",
    ];
    let kind = target.store.map(|kind| match kind {
        comeback_servers::StoreKind::Redis => StoreKind::Redis,
        comeback_servers::StoreKind::Postgres => StoreKind::Postgres,
    });
    if kind.is_some() {
        command.extend(["--store", "127.0.0.1:{store}"]);
    }
    let store = kind
        .map(topology::store)
        .transpose()
        .map_err(CliError::Usage)?;
    let (probe, boot_header) = match target.protocol {
        comeback_servers::Protocol::Http => {
            let boot_header = Some("x-boot-id".to_owned());
            (ReadyProbe::Http("/health".to_owned()), boot_header)
        }
        _ => (ReadyProbe::Tcp, None),
    };
    Ok(Arm {
        store,
        ..alone(
            (target.name, target.summary),
            started(&command, probe, boot_header),
        )
    })
}

/// A server that a package brings.
pub(super) fn packaged(server: &comeback_claims::Packaged) -> Arm {
    let line = server.ready.map(|line| ReadyProbe::Log(line.to_owned()));
    let mut target = started(server.command, line.unwrap_or(ReadyProbe::Tcp), None);
    // It has nothing to store when it ends, and some take a second to go.
    target.stop.signal = Signal::Kill;
    let is_able = !server.needs_root || rustix::process::geteuid().is_root();
    Arm {
        skip: (!is_able).then(|| format!("only root can start {}", server.name)),
        ..alone((server.name, server.about), target)
    }
}

fn started(command: &[&str], probe: ReadyProbe, boot_header: Option<String>) -> Target {
    Target {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        protocol: Protocol::Http,
        socket: None,
        listener: Listener::Own,
        environment: BTreeMap::new(),
        ready: Readiness {
            probe,
            within: Span::from_secs(10),
        },
        stop: Stop {
            signal: Signal::Term,
            grace: Span::from_secs(5),
        },
        restart_after: Span::ZERO,
        attempts: Attempts::default(),
        boot_header,
    }
}

/// One server, and nothing beside it.
fn alone((name, about): (&str, &str), target: Target) -> Arm {
    Arm {
        name: name.to_owned(),
        about: about.to_owned(),
        target,
        family: None,
        replicas: 1,
        balancer: None,
        cache: None,
        store: None,
        drain: None,
        next: None,
        retry: None,
        baseline: None,
        skip: None,
    }
}
