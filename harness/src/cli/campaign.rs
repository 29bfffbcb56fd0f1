//! From a plan to its report: what every command with trials does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use comeback_core::ids::Seed;
use comeback_core::journal::{self, Header};
use comeback_core::plan::Plan;
use comeback_core::schedule;
use comeback_core::verdict::Outcome;

use super::options::Output;
use super::{CliError, ci, report};
use crate::clock::Clock;
use crate::console::{Progress, Volume};
use crate::engine::interrupt::Interrupt;
use crate::engine::{self, Ended, Site};
use crate::load::flow::Flow;
use crate::machine;
use crate::record::Journalist;
use crate::supervise::launch::check_program;
use crate::supervise::process::adopt_orphans;
use crate::supervise::tag::RunTag;
use crate::supervise::warden::Warden;

/// Where runs go when no folder is named.
const RUNS: &str = "comeback-runs";
/// Descriptors beside one for each client: journal, pipes, timers, standard streams.
const OTHER_DESCRIPTORS: u64 = 64;

/// Runs a plan, judges it, writes and shows its report. `file` is the experiment's, for annotations.
pub(super) fn run(
    plan: Plan,
    seed: Seed,
    output: &Output,
    file: Option<&str>,
) -> Result<Outcome, CliError> {
    plan.validate()
        .map_err(|error| CliError::Usage(error.to_string()))?;
    Flow::new(&plan.load.workload, 0).map_err(|error| CliError::Usage(error.to_string()))?;
    check_programs(&plan)?;
    check_limits(&plan)?;
    ci::check_junit(&output.told)?;
    let schedule = schedule::expand(&plan, seed);
    let started = jiff::ZonedDateTime::now();
    let folder = create_folder(&plan.name, &started, output.out.as_deref())?;
    ci::announce_junit(&output.told, &plan.name)?;
    ci::note_command(&folder, seed)?;
    let header = Header {
        comeback_journal: journal::VERSION,
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
        started: started.timestamp().to_string(),
        seed,
        machine: machine::describe(&folder),
        plan,
        schedule,
    };
    let ended = run_trials(&header, &folder, output.volume())?;
    let outcome = report::finish(&folder, &output.told, file)?;
    match ended {
        Ended::Complete => Ok(outcome),
        Ended::Interrupted => Err(CliError::Interrupted),
    }
}

/// Runs the trials and leaves their journal, and nothing else of them.
fn run_trials(header: &Header, folder: &Path, volume: Volume) -> Result<Ended, CliError> {
    let clock = Clock::start();
    let (scratch, logs) = (folder.join("data"), folder.join("logs"));
    for path in [&scratch, &logs] {
        fs::create_dir(path).map_err(|error| unusable(path, &error))?;
    }
    let tag = RunTag::new()?;
    adopt_orphans()?;
    let warden = Warden::start(&tag, &scratch)?;
    let mut interrupt = Interrupt::listen(tag.clone(), end_at_once)?;
    let mut progress = Progress::new(&header.plan, &header.schedule, volume);
    progress.announce(header.seed, folder);
    let journalist =
        Journalist::create(folder, header, clock, move |event| progress.follow(event))?;
    let site = Site {
        tag,
        clock,
        recorder: journalist.recorder().clone(),
        scratch,
        logs,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(engine::run(
        &header.plan,
        &header.schedule,
        &site,
        &mut interrupt,
    ));
    // What still reads a target's output, or has records to hand on, ends with the runtime.
    drop(runtime);
    drop(site);
    journalist.finish()?;
    warden.dismiss()?;
    remove_empty_logs(&folder.join("logs"))?;
    Ok(ended?)
}

/// The second signal: the warden undoes what is left.
#[expect(clippy::exit, reason = "a second Ctrl-C asks for exactly this")]
fn end_at_once() {
    std::process::exit(130);
}

/// What cannot be started is told before anything is.
pub(super) fn check_programs(plan: &Plan) -> Result<(), CliError> {
    for arm in plan.arms.iter().filter(|arm| arm.skip.is_none()) {
        check_program(&arm.target)
            .map_err(|error| CliError::Usage(format!("{}: {error}", arm.name)))?;
    }
    Ok(())
}

fn check_limits(plan: &Plan) -> Result<(), CliError> {
    let (soft, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)?;
    let needed = u64::from(plan.load.clients) + OTHER_DESCRIPTORS;
    if needed > soft {
        return Err(CliError::Usage(format!(
            "sessions: {} need {needed} open files, and the limit is {soft}: lower --sessions, or raise the \
             limit with `ulimit -n`",
            plan.load.clients
        )));
    }
    Ok(())
}

fn create_folder(
    name: &str,
    started: &jiff::ZonedDateTime,
    wanted: Option<&Path>,
) -> Result<PathBuf, CliError> {
    if let Some(folder) = wanted {
        fs::create_dir_all(folder).map_err(|error| unusable(folder, &error))?;
        let mut entries = fs::read_dir(folder).map_err(|error| unusable(folder, &error))?;
        if entries.next().is_some() {
            return Err(CliError::Usage(format!(
                "--out: {} is not empty, and nothing in it shall be lost: name a new folder",
                folder.display()
            )));
        }
        return Ok(folder.to_owned());
    }
    fs::create_dir_all(RUNS).map_err(|error| unusable(Path::new(RUNS), &error))?;
    let base = format!("{name}-{}", started.strftime("%Y%m%d-%H%M%S"));
    // Two runs within a second get a number.
    for attempt in 1..100 {
        let name = if attempt == 1 {
            base.clone()
        } else {
            format!("{base}-{attempt}")
        };
        let folder = Path::new(RUNS).join(&name);
        match fs::create_dir(&folder) {
            Ok(()) => {
                point_latest_at(&name)?;
                return Ok(folder);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unusable(&folder, &error)),
        }
    }
    Err(CliError::Usage(format!(
        "{RUNS}/{base} and its successors exist: use --out"
    )))
}

/// Replaces the link in one step, so that there always is one.
fn point_latest_at(name: &str) -> io::Result<()> {
    let fresh = Path::new(RUNS).join(format!(".latest-{}", std::process::id()));
    std::os::unix::fs::symlink(name, &fresh)?;
    fs::rename(&fresh, Path::new(RUNS).join("latest"))
}

fn remove_empty_logs(logs: &Path) -> io::Result<()> {
    for entry in fs::read_dir(logs)? {
        let entry = entry?;
        if entry.metadata()?.len() == 0 {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn unusable(folder: &Path, error: &io::Error) -> CliError {
    CliError::Usage(format!(
        "the folder {} cannot be used: {error}",
        folder.display()
    ))
}
