//! From a plan to its report: what every command with trials does.

use std::path::{Path, PathBuf};

use comeback_analysis::verdict::Outcome;
use comeback_model::ids::Seed;
use comeback_model::journal::Header;
use comeback_model::plan::Plan;
use comeback_model::shard::Shard;

use super::baseline::{self, BaselineArgs};
use super::folder::{Claimed, point_latest_at};
use super::options::Output;
use super::{CliError, calibration, ci, git, report, setup, try_out};
use crate::console::{Addresses, Progress, Web};
use comeback_engine::Ended;
use comeback_engine::campaign::{self, Host};
use comeback_engine::interrupt::Interrupt;
use comeback_engine::needs::Remotes;
use comeback_runs::Hooks;
use comeback_supervise::tag::RunTag;

/// The options of a run beside its plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunOptions<'a> {
    /// Where its results go.
    pub(super) output: &'a Output,
    /// What gates with a baseline are compared with.
    pub(super) baseline: &'a BaselineArgs,
    /// The share of its trials that is run, where not all are.
    pub(super) shard: Option<Shard>,
    /// Whether one user is taken through the flow before anything is measured.
    pub(super) preflight: bool,
    /// The experiment's file, which annotations point to.
    pub(super) file: Option<&'a str>,
    /// Whether servers on other machines may be reached.
    pub(super) remotes: Remotes,
    /// Where [`run`] shows the run while it goes on.
    pub(super) addresses: Addresses,
}

/// Runs a plan, judges it, writes and shows its report.
pub(super) fn run(plan: Plan, seed: Seed, options: &RunOptions<'_>) -> Result<Outcome, CliError> {
    let web = open_web(options.addresses)?;
    let (folder, ended) = measure_shown(plan, seed, options, web.as_ref())?;
    if let Some(web) = &web {
        web.end_trials();
    }
    let outcome = report::finish(&folder, &options.output.told, options.file)?;
    if let Some(web) = &web {
        web.show_report(&folder.join("report.html"));
    }
    match ended {
        Ended::Complete => Ok(outcome),
        Ended::Interrupted => Err(CliError::Interrupted),
    }
}

/// Listens for those who want to look on, before anything else begins.
fn open_web(addresses: Addresses) -> Result<Option<Web>, CliError> {
    let web = Web::open(addresses).map_err(|error| CliError::Usage(error.to_string()))?;
    for url in web.iter().flat_map(Web::urls) {
        // Also with --quiet: who asked for a free port cannot know it otherwise.
        super::print_aside(url);
    }
    Ok(web)
}

/// Runs a plan: where its results are.
pub(super) fn measure(
    plan: Plan,
    seed: Seed,
    options: &RunOptions<'_>,
) -> Result<(PathBuf, Ended), CliError> {
    measure_shown(plan, seed, options, None)
}

/// Runs a plan, which `web` shows meanwhile.
fn measure_shown(
    plan: Plan,
    seed: Seed,
    options: &RunOptions<'_>,
    web: Option<&Web>,
) -> Result<(PathBuf, Ended), CliError> {
    let output = options.output;
    let (mut plan, stored) = baseline::prepare(plan, options.baseline)?;
    // A baseline may have added arms.
    plan.validate()
        .map_err(|error| CliError::Usage(error.to_string()))?;
    setup::check_servers(&mut plan, options.remotes)?;
    setup::check_limits(&plan)?;
    check_extension(&plan)?;
    ci::check_junit(&output.told)?;
    let name = match options.shard {
        Some(shard) => format!("{}-shard-{}-of-{}", plan.name, shard.index(), shard.count()),
        None => plan.name.clone(),
    };
    let claimed = Claimed::new(&name, output.out.as_deref())?;
    if options.preflight {
        try_out::preflight(&plan, seed)?;
    }
    calibration::calibrate(&mut plan, stored.as_ref(), seed, output)?;
    let started = jiff::Timestamp::now();
    let folder = claimed.path();
    ci::announce_junit(&output.told, &plan.name)?;
    ci::note_command(folder, seed, options.shard)?;
    let mut header = campaign::header(plan, seed, started.to_string(), folder);
    header.label.clone_from(&output.label);
    header.revision = git::revision_of(Path::new("."));
    if let Some(shard) = options.shard {
        output.tell(&format!("shard {} of {}", shard.index(), shard.count()));
        header = campaign::shard_of(header, shard).map_err(CliError::Usage)?;
    }
    if let Some(stored) = &stored {
        baseline::warn_of_objections(&header, stored);
        stored.keep(folder)?;
    }
    let folder = claimed.keep();
    if output.out.is_none() {
        point_latest_at(folder.file_name().unwrap_or_default())?;
    }
    let progress = Progress::new(&header.plan, &header.schedule, output.manner(), web);
    let ended = run_trials(&header, &folder, progress)?;
    Ok((folder, ended))
}

/// Runs the trials, with progress on stderr.
fn run_trials(header: &Header, folder: &Path, progress: Progress) -> Result<Ended, CliError> {
    progress.announce(header.seed, folder);
    let hooks = Hooks {
        host: Host::Program,
        listen: |tag: &RunTag| Interrupt::listen(tag.clone(), setup::end_at_once),
        follow: progress,
    };
    Ok(comeback_runs::run(header, folder, hooks)?)
}

/// Trials are added for gates alone.
fn check_extension(plan: &Plan) -> Result<(), CliError> {
    if plan.extend_to > plan.trials && plan.gates.is_empty() {
        return Err(CliError::Usage(
            "--extend-to: trials are added only for gates, and there are none: add one, such as --gate \
             'outage.median < 2s', or raise --trials"
                .to_owned(),
        ));
    }
    Ok(())
}
