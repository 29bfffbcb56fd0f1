//! Candidates, run as any plan is run, each in a folder of its own. Only the newest failing run is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use comeback_analysis::measure::Analysis;
use comeback_analysis::verdict::{Outcome, Verdict};
use comeback_engine::Ended;
use comeback_engine::needs::Remotes;
use comeback_experiment::write_plan;
use comeback_faults::Faults;
use comeback_model::ids::Seed;
use comeback_model::plan::Plan;
use comeback_runs::finish::judge;
use comeback_runs::read::analyze;

use super::reduce::{Failure, Runs, Shown, Try};
use crate::baseline::BaselineArgs;
use crate::campaign::RunOptions;
use crate::console::Addresses;
use crate::options::Output;
use crate::{CliError, campaign, print_aside};

/// The folder of the run that is kept.
const KEPT: &str = "run";

/// Runs the candidates of one reduction.
pub(super) struct Candidates<'a> {
    failure: Failure<'a>,
    /// Whether a trial must count for the gate to be broken.
    must_count: bool,
    /// The folder that holds the folders of the runs.
    folder: &'a Path,
    begun: Instant,
    budget: Duration,
    quiet: bool,
    remotes: Remotes,
    /// How many runs there were.
    runs: u32,
    /// The newest run, if it failed and nothing is decided yet.
    failed: Option<PathBuf>,
}

impl<'a> Candidates<'a> {
    /// Candidates that must fail as the run of this analysis did.
    pub(super) fn of(analysis: &Analysis, failure: Failure<'a>, folder: &'a Path) -> Self {
        Self {
            failure,
            must_count: has_counting_trial(analysis, failure.arm),
            folder,
            begun: Instant::now(),
            budget: Duration::MAX,
            quiet: false,
            remotes: Remotes::Refused,
            runs: 0,
            failed: None,
        }
    }

    /// No run begins after so long.
    pub(super) fn within(self, budget: Duration) -> Self {
        Self { budget, ..self }
    }

    /// Whether nothing is said of each try.
    pub(super) fn quiet(self, quiet: bool) -> Self {
        Self { quiet, ..self }
    }

    /// Whether servers on other machines may be reached.
    pub(super) fn reaching(self, remotes: Remotes) -> Self {
        Self { remotes, ..self }
    }

    /// The run that is kept.
    pub(super) fn kept(folder: &Path) -> PathBuf {
        folder.join(KEPT)
    }

    /// Removes a run that nobody needs.
    fn forget(run: Option<PathBuf>) -> Result<(), CliError> {
        Ok(run.map_or(Ok(()), fs::remove_dir_all)?)
    }

    fn shown(&self, folder: &Path) -> Result<Shown, CliError> {
        let analysis = analyze(folder)?;
        // With too little load, a loss is still one, but the trial says nothing else any more.
        if self.must_count && !has_counting_trial(&analysis, self.failure.arm) {
            return Ok(Shown::Unknown);
        }
        let verdict = judge(&analysis, folder)?;
        Ok(shows(&verdict, self.failure))
    }
}

/// Whether a trial of an arm with a fault is not void.
fn has_counting_trial(analysis: &Analysis, arm: &str) -> bool {
    let mut arms = analysis.arms.iter().filter(|one| one.name == arm);
    arms.any(|arm| arm.faulted().next().is_some())
}

/// What a verdict says of the gate.
fn shows(verdict: &Verdict, failure: Failure<'_>) -> Shown {
    let gate = failure.gate.to_string();
    let mut checks = verdict.checks.iter();
    let check = checks.find(|check| check.arm == failure.arm && check.gate == gate);
    match check.map(|check| check.outcome) {
        Some(Outcome::Fail) => Shown::Fails,
        Some(Outcome::Pass) => Shown::Holds,
        Some(Outcome::Inconclusive | Outcome::Measured) | None => Shown::Unknown,
    }
}

impl Runs for Candidates<'_> {
    type Error = CliError;

    fn run(&mut self, plan: &Plan, seed: Seed) -> Result<Shown, CliError> {
        self.runs += 1;
        let folder = self.folder.join(format!("run-{}", self.runs));
        let options = RunOptions {
            output: &Output::to_folder(&folder, true),
            baseline: &BaselineArgs::default(),
            shard: None,
            preflight: false,
            file: None,
            remotes: self.remotes,
            addresses: Addresses::default(),
        };
        let (folder, ended) = campaign::measure(plan.clone(), seed, &options)?;
        let shown = match ended {
            Ended::Complete => self.shown(&folder)?,
            Ended::Interrupted => {
                Self::forget(Some(folder))?;
                return Err(CliError::Interrupted);
            }
        };
        let before = match shown {
            Shown::Fails => self.failed.replace(folder),
            Shown::Holds | Shown::Unknown => Some(folder),
        };
        Self::forget(before)?;
        Ok(shown)
    }

    fn accepts(&self, plan: &Plan) -> bool {
        // Which seed does not matter, but for those that no file can hold.
        write_plan(plan, Seed(0), &Faults).is_ok()
    }

    fn has_time(&self) -> bool {
        self.begun.elapsed() < self.budget
    }

    fn note(&mut self, one: &Try) -> Result<(), CliError> {
        if !self.quiet {
            print_aside(&one.told());
        }
        let failed = self.failed.take();
        if !one.still_fails {
            return Self::forget(failed);
        }
        let kept = Self::kept(self.folder);
        Self::forget(kept.exists().then(|| kept.clone()))?;
        Ok(failed.map_or(Ok(()), |failed| fs::rename(failed, kept))?)
    }
}
