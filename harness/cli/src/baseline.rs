//! The baseline of a run: a stored earlier run, or its servers measured again beside the new ones. A run keeps a copy of
//! its baseline in its own folder, so that it can be judged again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use comeback_analysis::measure::Analysis;
use comeback_analysis::verdict;
use comeback_model::gate::Gate;
use comeback_model::journal::Header;
use comeback_model::plan::{Arm, Plan, Target};

use super::{CliError, warn};
use comeback_engine::record;
use comeback_host::inside;
use comeback_runs::finish::KEPT;
use comeback_runs::read::{ReadError, Recorded, analyze};
use comeback_supervise::launch::find_target;

/// The baseline of a run, on the command line.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Gates")]
pub(super) struct BaselineArgs {
    /// Folder of an earlier run, for gates against a baseline
    ///
    /// Or a copy of it. Such a gate is 'outage.median <= baseline'. The earlier run must have the same machine, load, windows and fault.
    #[arg(long, value_name = "RUN", hide_short_help = true)]
    pub(super) baseline: Option<PathBuf>,
    /// Start the baseline's servers again and measure them interleaved with the new ones, so that the machine and the
    /// time of day make no difference
    #[arg(long, requires = "baseline", hide_short_help = true)]
    pub(super) remeasure: bool,
}

/// An earlier run.
pub(super) struct Stored {
    folder: PathBuf,
    analysis: Analysis,
}

impl Stored {
    /// Reads the run that `flag` names.
    pub(super) fn read(flag: &str, folder: &Path) -> Result<Self, CliError> {
        let (folder, analysis) = read_run(flag, folder, analyze)?;
        Ok(Self { folder, analysis })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) const fn header(&self) -> &Header {
        &self.analysis.header
    }

    /// Whether this is the run with that header.
    pub(super) fn is_of(&self, header: &Header) -> bool {
        self.analysis.header == *header
    }

    pub(super) const fn analysis(&self) -> &Analysis {
        &self.analysis
    }

    /// Copies the files that a later judgement needs into the folder of the run that is compared with this one. It
    /// replaces the files there.
    pub(super) fn keep(&self, run: &Path) -> Result<(), CliError> {
        let place = run.join(KEPT);
        if fs::canonicalize(&place).is_ok_and(|kept| kept == self.folder) {
            return Ok(());
        }
        let fresh = run.join(format!(".{KEPT}-{}", std::process::id()));
        let copied = self.copy_to(&fresh).and_then(|()| put(&fresh, &place));
        copied.map_err(|error| {
            // A half-written copy is not a baseline. The first error is reported.
            let _ = fs::remove_dir_all(&fresh);
            CliError::Harness(Box::new(error))
        })
    }

    fn copy_to(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)?;
        for name in [record::EVENTS, record::OPERATIONS] {
            let mut from = inside::open_in(&self.folder, name)?;
            io::copy(&mut from, &mut fs::File::create_new(folder.join(name))?)?;
        }
        Ok(())
    }
}

/// Opens the run that `flag` names, for whoever does not need its analysis.
pub(super) fn open(flag: &str, folder: &Path) -> Result<(PathBuf, Recorded), CliError> {
    read_run(flag, folder, Recorded::open)
}

fn read_run<T>(
    flag: &str,
    folder: &Path,
    read: impl Fn(&Path) -> Result<T, ReadError>,
) -> Result<(PathBuf, T), CliError> {
    let invalid = |problem: String| CliError::Usage(format!("{flag}: {problem}"));
    if !folder.join(record::EVENTS).is_file() {
        return Err(invalid(format!(
            "{} is not a run folder: it has no {}. Name the folder of a run, such as comeback-runs/latest",
            folder.display(),
            record::EVENTS
        )));
    }
    // A link such as `latest` may point elsewhere by the time it is copied.
    let folder = fs::canonicalize(folder)
        .map_err(|error| invalid(format!("{} cannot be used: {error}", folder.display())))?;
    let run = read(&folder).map_err(|error| invalid(super::with_causes(&error)))?;
    Ok((folder, run))
}

/// Replaces a folder by another.
fn put(fresh: &Path, place: &Path) -> io::Result<()> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::rename(fresh, place)
}

/// Combines a plan and its baseline: the plan to run, and the stored run to compare with.
pub(super) fn prepare(plan: Plan, args: &BaselineArgs) -> Result<(Plan, Option<Stored>), CliError> {
    let Some(folder) = &args.baseline else {
        check_gates(&plan, false)?;
        return Ok((plan, None));
    };
    let stored = Stored::read("--baseline", folder)?;
    if !args.remeasure {
        check_gates(&plan, true)?;
        return Ok((plan, Some(stored)));
    }
    let earlier = &stored.header().plan;
    let mut again = earlier.clone();
    // Its load is not repeated. Its servers get this run's variables where their own values were not stored.
    again.load = plan.load.clone();
    again
        .reveal(&plan.variables(), &BTreeMap::new())
        .map_err(|problem| {
            CliError::Usage(format!(
                "--remeasure: the baseline's servers get the variables of this run, and {problem}"
            ))
        })?;
    let beside = plan
        .clone()
        .remeasuring(&again)
        .map_err(|problem| CliError::Usage(format!("--remeasure: {problem}")))?;
    check_gates(&beside, false)?;
    for arm in &beside.arms[plan.arms.len()..] {
        let compared = beside
            .arms
            .iter()
            .filter(|new| new.baseline.as_ref() == Some(&arm.name));
        check_server(arm, compared)?;
    }
    if earlier.masked().load != plan.masked().load
        || earlier.windows != plan.windows
        || earlier.faults != plan.faults
        || earlier.chaos != plan.chaos
        || earlier.surroundings != plan.surroundings
    {
        warn(
            "the baseline has another load, windows or fault; it is measured again with those of this run",
        );
    }
    Ok((beside, None))
}

/// Gates and baselines must belong together.
pub(super) fn check_gates(plan: &Plan, stored: bool) -> Result<(), CliError> {
    match verdict::arm_without_baseline(plan) {
        Some(arm) if !stored => Err(CliError::Usage(format!(
            "gates: {} compares '{arm}' with a baseline, and there is none: name an earlier run (--baseline RUN), \
             measure its servers again in this run (--baseline RUN --remeasure), or name another arm as its baseline \
             in the file",
            first_gate(plan)
        ))),
        None if stored && !plan.gates.iter().any(Gate::needs_baseline) => Err(CliError::Usage(
            "--baseline: no gate compares with it: add one, such as --gate 'outage.median <= baseline'; `comeback \
             diff` compares two runs without gates"
                .to_owned(),
        )),
        None if stored => Err(CliError::Usage(
            "--baseline: every arm already has another arm of this run as its baseline".to_owned(),
        )),
        Some(_) | None => Ok(()),
    }
}

fn first_gate(plan: &Plan) -> String {
    let gate = plan.gates.iter().find(|gate| gate.needs_baseline());
    gate.map_or_else(String::new, |gate| format!("'{gate}'"))
}

/// The baseline's server must still be there, and must not be the new one at the same path.
fn check_server<'a>(
    base: &Arm,
    mut compared: impl Iterator<Item = &'a Arm>,
) -> Result<(), CliError> {
    let program = find_target(&base.target).map_err(|error| {
        CliError::Usage(format!(
            "--remeasure: the server of '{}' cannot be started again: {error}",
            base.name
        ))
    })?;
    let is_same = |new: &Arm| {
        find_target(&new.target).is_ok_and(|other| is_same_file(&program, &other))
            && arguments(&new.target) == arguments(&base.target)
            && new.target.environment == base.target.environment
    };
    match compared.find(|new| is_same(new)) {
        None => Ok(()),
        Some(new) => Err(CliError::Usage(format!(
            "--remeasure: the baseline has the same command as '{}', so this run would compare a server with itself: \
             keep the earlier program at a path of its own and measure the baseline with that path, or make both \
             arms of one run",
            new.name
        ))),
    }
}

fn arguments(target: &Target) -> &[String] {
    target.command.get(1..).unwrap_or_default()
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// Warns beforehand about anything that keeps gates from being judged. The measurements are still useful.
pub(super) fn warn_of_objections(header: &Header, stored: &Stored) {
    for objection in verdict::objections(header, &stored.analysis) {
        warn(&format!(
            "gates with a baseline will be inconclusive: {objection}"
        ));
    }
}
