//! From a plan to its report: what every command with trials does.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use comeback_analysis::verdict::Outcome;
use comeback_model::ids::Seed;
use comeback_model::journal::Header;
use comeback_model::plan::Plan;
use comeback_model::shard::Shard;

use super::baseline::{self, BaselineArgs};
use super::options::Output;
use super::{CliError, calibration, ci, report, setup, try_out};
use crate::console::{Manner, Progress};
use comeback_engine::Ended;
use comeback_engine::campaign::{self, Host};
use comeback_engine::interrupt::Interrupt;
use comeback_runs::Hooks;
use comeback_runs::folder::{self, FolderError};
use comeback_supervise::tag::RunTag;

/// Where runs go when no folder is named.
const RUNS: &str = "comeback-runs";

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
}

/// Runs a plan, judges it, writes and shows its report.
pub(super) fn run(plan: Plan, seed: Seed, options: &RunOptions<'_>) -> Result<Outcome, CliError> {
    let (folder, ended) = measure(plan, seed, options)?;
    let outcome = report::finish(&folder, &options.output.told, options.file)?;
    match ended {
        Ended::Complete => Ok(outcome),
        Ended::Interrupted => Err(CliError::Interrupted),
    }
}

/// Runs a plan: where its results are.
pub(super) fn measure(
    plan: Plan,
    seed: Seed,
    options: &RunOptions<'_>,
) -> Result<(PathBuf, Ended), CliError> {
    let output = options.output;
    let (mut plan, stored) = baseline::prepare(plan, options.baseline)?;
    // A baseline may have added arms.
    plan.validate()
        .map_err(|error| CliError::Usage(error.to_string()))?;
    setup::check_servers(&mut plan)?;
    setup::check_limits(&plan)?;
    check_extension(&plan)?;
    ci::check_junit(&output.told)?;
    if let Some(folder) = output.out.as_deref() {
        check_folder(folder)?;
    }
    if options.preflight {
        try_out::preflight(&plan, seed)?;
    }
    calibration::calibrate(&mut plan, stored.as_ref(), seed, output)?;
    let started = jiff::ZonedDateTime::now();
    let name = match options.shard {
        Some(shard) => format!("{}-shard-{}-of-{}", plan.name, shard.index(), shard.count()),
        None => plan.name.clone(),
    };
    let folder = create_folder(&name, &started, output.out.as_deref())?;
    ci::announce_junit(&output.told, &plan.name)?;
    ci::note_command(&folder, seed, options.shard)?;
    let mut header = campaign::header(plan, seed, started.timestamp().to_string(), &folder);
    if let Some(shard) = options.shard {
        output.tell(&format!("shard {} of {}", shard.index(), shard.count()));
        header = campaign::shard_of(header, shard).map_err(CliError::Usage)?;
    }
    if let Some(stored) = &stored {
        baseline::warn_of_objections(&header, stored);
        stored.keep(&folder)?;
    }
    let ended = run_trials(&header, &folder, output.manner())?;
    Ok((folder, ended))
}

/// Runs the trials, with progress on stderr.
fn run_trials(header: &Header, folder: &Path, manner: Manner) -> Result<Ended, CliError> {
    let progress = Progress::new(&header.plan, &header.schedule, manner);
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

/// Sees that the chosen folder can be used, before anything is started. What was not there is not there afterwards.
fn check_folder(folder: &Path) -> Result<(), CliError> {
    let new: Vec<&Path> = folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    claim(folder)?;
    for path in new {
        fs::remove_dir(path)?;
    }
    Ok(())
}

fn claim(folder: &Path) -> Result<(), CliError> {
    folder::claim(folder).map_err(|error| match error {
        FolderError::NotEmpty(_) => CliError::Usage(format!("--out: {error}")),
        error => unusable(&error),
    })
}

fn create_folder(
    name: &str,
    started: &jiff::ZonedDateTime,
    wanted: Option<&Path>,
) -> Result<PathBuf, CliError> {
    let folder = new_folder(name, started, wanted)?;
    if wanted.is_none() {
        point_latest_at(folder.file_name().unwrap_or_default())?;
    }
    Ok(folder)
}

/// A folder of this name and time, or the one that is wanted.
pub(super) fn new_folder(
    name: &str,
    started: &jiff::ZonedDateTime,
    wanted: Option<&Path>,
) -> Result<PathBuf, CliError> {
    if let Some(folder) = wanted {
        return claim(folder).map(|()| folder.to_owned());
    }
    let base = format!("{name}-{}", started.strftime("%Y%m%d-%H%M%S"));
    // Two runs within a second get a number.
    let name = |number| match number {
        1 => base.clone(),
        _ => format!("{base}-{number}"),
    };
    folder::create_next(Path::new(RUNS), name).map_err(|error| unusable(&error))
}

fn unusable(error: &FolderError) -> CliError {
    CliError::Usage(error.to_string())
}

/// Replaces the link in one step, so that there always is one.
fn point_latest_at(name: &OsStr) -> io::Result<()> {
    let fresh = Path::new(RUNS).join(format!(".latest-{}", std::process::id()));
    std::os::unix::fs::symlink(name, &fresh)?;
    fs::rename(&fresh, Path::new(RUNS).join("latest"))
}
