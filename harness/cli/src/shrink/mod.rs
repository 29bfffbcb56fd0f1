//! `comeback shrink`: the smallest experiment file that fails as a stored run did.

mod candidates;
mod reduce;

use std::fs;
use std::path::{Path, PathBuf};

use comeback_analysis::measure::Analysis;
use comeback_analysis::verdict::{self, Outcome, Verdict};
use comeback_experiment::{Written, write_plan};
use comeback_faults::Faults;
use comeback_model::gate::Gate;
use comeback_model::ids::TrialId;
use comeback_model::journal::Header;
use comeback_model::plan::Plan;
use comeback_model::schedule::PlannedTrial;
use comeback_model::units::Span;
use comeback_runs::finish::{judge, judge_and_draw};
use comeback_runs::folder;
use comeback_runs::read::analyze;
use comeback_supervise::output::printable;
use serde::Serialize;

use self::candidates::Candidates;
use self::reduce::{Effort, Failure, Reduced, Try, first_candidates, reduce};
use super::baseline::Stored;
use super::options::Consent;
use super::replay::Secrets;
use super::{CliError, ci, init, print, print_aside, say};

/// The name of the file if no other is asked for.
const SMALLEST: &str = "smallest.toml";
/// Where faults are drawn: of so many trials they are tried.
const DRAWN_TRIALS: usize = 3;
/// What every run with gates demands.
const COMES_BACK: &str = "unrecovered == 0";

/// Write the smallest file that still fails as a stored run did.
///
/// Runs the stored plan again and again, each time with less: the failing arm and gate alone, one trial, without each fault,
/// with fewer operations and sessions, a lower rate, shorter windows. Whatever the failure does not need stays removed. A
/// plan counts as failing only if the same gate is broken in several runs in a row; an inconclusive run is no failure.
///
/// Exits 0 if the file was written, 2 if the run did not fail or cannot be repeated, and 3 if the failure did not come again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback shrink\n  comeback shrink main-run --out smallest.toml\n  comeback shrink main-run \
--budget 20m --confirm 3\n  comeback shrink main-run --json | jq -r .file"
)]
pub(super) struct Args {
    /// The folder of the run that failed
    #[arg(value_name = "RUN", default_value = "comeback-runs/latest")]
    run: PathBuf,
    /// No new run begins after this time; the smallest file found until then is written
    #[arg(long, value_name = "TIME", default_value = "5m")]
    budget: Span,
    /// How many runs in a row must break the gate
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    confirm: u32,
    /// With how many seeds each smaller plan is tried before it is rejected
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    tries: u32,
    #[command(flatten)]
    secrets: Secrets,
    #[command(flatten)]
    consent: Consent,
    /// The new experiment file [default: smallest.toml in a new folder beside RUN]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON: the file, what was removed, and each try
    #[arg(long)]
    json: bool,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
}

/// What was found, as a document.
#[derive(Serialize)]
struct Document<'a> {
    /// The run that failed.
    run: String,
    arm: &'a str,
    gate: String,
    /// Whether the gate was broken again at all. If not, there is no file.
    came_again: bool,
    /// Whether every removal was tried.
    complete: bool,
    file: Option<String>,
    /// The newest failing run of the plan in the file.
    failing_run: Option<String>,
    seed: u64,
    /// Environment variables that the file does not contain.
    variables: Vec<String>,
    before: Size,
    after: Size,
    tries: &'a [Try],
}

/// How large a plan is.
#[derive(Debug, PartialEq, Serialize)]
struct Size {
    arms: usize,
    gates: usize,
    trials: u32,
    faults: usize,
    surroundings: usize,
    sessions: u32,
    rate: f64,
    baseline: Span,
    settle: Span,
}

impl Size {
    fn of(plan: &Plan) -> Self {
        Self {
            arms: plan.arms.len(),
            gates: plan.gates.len(),
            trials: plan.trials,
            faults: plan.most_faults(),
            surroundings: plan.surroundings.len(),
            sessions: plan.load.clients,
            rate: plan.load.rate,
            baseline: plan.windows.baseline,
            settle: plan.windows.settle,
        }
    }

    /// What became smaller, in words.
    fn told(&self, after: &Self) -> String {
        let figures = [
            ("arms", self.arms.to_string(), after.arms.to_string()),
            ("gates", self.gates.to_string(), after.gates.to_string()),
            ("trials", self.trials.to_string(), after.trials.to_string()),
            ("faults", self.faults.to_string(), after.faults.to_string()),
            (
                "surroundings",
                self.surroundings.to_string(),
                after.surroundings.to_string(),
            ),
            (
                "sessions",
                self.sessions.to_string(),
                after.sessions.to_string(),
            ),
            ("rate", self.rate.to_string(), after.rate.to_string()),
            (
                "baseline",
                self.baseline.to_string(),
                after.baseline.to_string(),
            ),
            ("settle", self.settle.to_string(), after.settle.to_string()),
        ];
        let smaller = figures.iter().filter(|(_, before, after)| before != after);
        let smaller = smaller.map(|(name, before, after)| format!("{name} {before} → {after}"));
        let smaller: Vec<String> = smaller.collect();
        match smaller.is_empty() {
            true => "nothing could be removed".to_owned(),
            false => smaller.join(", "),
        }
    }
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    check_file(args.out.as_deref())?;
    let stored = Stored::read("RUN", &args.run)?;
    let run = stored.folder();
    if stored.header().plan.storm.is_some() {
        let what = "the run is a storm, which shrink does not know how to make smaller: its reasons name the first kill that took \
                    something; replay repeats it";
        return Err(CliError::Usage(format!("{}: {what}", run.display())));
    }
    let (arm, gate) = find_failure(stored.analysis(), run)?;
    let drawn = drawn_trials(stored.analysis(), &arm, &gate);
    let failure = Failure {
        arm: &arm,
        gate: &gate,
        drawn: &drawn,
    };
    let plan = args.secrets.fill_in(&stored.header().plan)?;
    let plan = with_own_gates(plan, &gate);
    // The arm alone may be written where the whole plan may not.
    let first = first_candidates(&plan, failure);
    let written = first
        .iter()
        .map(|plan| write_plan(plan, stored.header().seed, &Faults));
    if let Some(Err(error)) = written.reduce(|one, other| one.or(other)) {
        return Err(refuse(run, &error.to_string()));
    }
    let folder = new_folder(run)?;
    if !args.quiet {
        print_aside(&format!(
            "shrinking: '{gate}' of {}, for at most {}; runs in {}",
            printable(&arm),
            args.budget,
            folder.display()
        ));
    }
    let effort = Effort {
        confirm: args.confirm,
        tries: args.tries,
    };
    let mut runs = Candidates::of(stored.analysis(), failure, &folder)
        .within(args.budget.into())
        .quiet(args.quiet)
        .reaching(args.consent.remotes());
    let before = Size::of(&plan);
    let (found, ended) = reduce((plan, stored.header().seed), failure, effort, &mut runs);
    let file = match found.came_again {
        true => Some(keep(args, run, &folder, failure, &found)?),
        false => None,
    };
    if let Err(error) = ended {
        match &file {
            Some((file, _)) => print_aside(&format!(
                "the smallest file found until then: {}",
                file.display()
            )),
            // Where a run stands in it, that may say why.
            None => drop(fs::remove_dir(&folder)),
        }
        return Err(error);
    }
    let document = Document {
        run: run.display().to_string(),
        arm: &arm,
        gate: gate.to_string(),
        came_again: found.came_again,
        complete: found.is_complete,
        file: file.as_ref().map(|(file, _)| file.display().to_string()),
        failing_run: file
            .as_ref()
            .map(|_| Candidates::kept(&folder).display().to_string()),
        seed: found.seed.0,
        variables: file
            .iter()
            .flat_map(|(_, written)| written.variables.clone())
            .collect(),
        after: Size::of(&found.plan),
        before,
        tries: &found.tries,
    };
    if args.json {
        print(&serde_json::to_string_pretty(&document)?);
    } else {
        tell(&document, args);
    }
    match found.came_again {
        true => Ok(Outcome::Pass),
        false => {
            fs::remove_dir_all(&folder)?;
            Ok(Outcome::Inconclusive)
        }
    }
}

/// Before anything is started.
fn check_file(file: Option<&Path>) -> Result<(), CliError> {
    let Some(file) = file else {
        return Ok(());
    };
    if file.exists() {
        return Err(init::exists(file));
    }
    match file.parent() {
        Some(folder) if folder != Path::new("") && !folder.is_dir() => {
            Err(CliError::Usage(format!(
                "--out: there is no folder {}: create it, or name another file",
                folder.display()
            )))
        }
        Some(_) | None => Ok(()),
    }
}

fn refuse(run: &Path, problem: &str) -> CliError {
    CliError::Usage(format!("{}: {problem}", run.display()))
}

/// The gravest broken gate that the run itself can judge, with its arm.
fn find_failure(analysis: &Analysis, run: &Path) -> Result<(String, Gate), CliError> {
    if let Some(problem) = &analysis.incomplete {
        return Err(refuse(
            run,
            &format!(
                "the run is incomplete: {problem}; repeat it with `comeback replay`, and shrink that run"
            ),
        ));
    }
    let verdict = judge(analysis, run)?;
    match verdict.outcome {
        Outcome::Fail => {}
        Outcome::Pass | Outcome::Measured => {
            let problem = "the run did not fail, so there is no failure to keep: name a run whose verdict is FAIL";
            return Err(refuse(run, problem));
        }
        Outcome::Inconclusive => {
            let problem = "the run is inconclusive, and only a broken gate can be kept: name a run whose verdict is FAIL";
            return Err(refuse(run, problem));
        }
    }
    let gates = &analysis.header.plan.gates;
    if let Some(found) = gravest(analysis, &verdict, gates) {
        return Ok(found);
    }
    // What every run demands has no gate of its own.
    let anyway: Vec<Gate> = Gate::try_from(COMES_BACK.to_owned()).into_iter().collect();
    let verdict = verdict::judge(analysis, &anyway, None);
    gravest(analysis, &verdict, &anyway).ok_or_else(|| {
        let problem = format!(
            "{}: no gate is broken that a smaller run could judge by itself: only gates can be kept that compare with no earlier \
             run and no revision. Add an absolute one, such as --gate 'lost_sessions == 0', and shrink the run that fails by it",
            verdict.headline
        );
        refuse(run, &problem)
    })
}

/// The gravest of the broken gates.
fn gravest(analysis: &Analysis, verdict: &Verdict, gates: &[Gate]) -> Option<(String, Gate)> {
    let arms = &analysis.header.plan.arms;
    // The files of a revision are gone.
    let is_there = |name: &str| {
        let mut arms = arms.iter();
        arms.any(|one| one.name == name && one.revision.is_none())
    };
    let has_baseline = |arm: &str| {
        let mut arms = arms.iter();
        arms.any(|one| one.name == arm && one.baseline.as_deref().is_some_and(is_there))
    };
    let broken = verdict
        .checks
        .iter()
        .filter(|check| check.outcome == Outcome::Fail);
    let broken = broken.filter_map(|check| {
        let gate = gates.iter().find(|gate| gate.to_string() == check.gate)?;
        (!gate.needs_baseline() || has_baseline(&check.arm))
            .then(|| (check.arm.clone(), gate.clone()))
    });
    broken.min_by_key(|(_, gate)| gate.weight())
}

/// Where the faults of each trial were drawn: some trials of the arm, first those that break the gate by themselves.
fn drawn_trials(analysis: &Analysis, arm: &str, gate: &Gate) -> Vec<PlannedTrial> {
    let Header { plan, schedule, .. } = &analysis.header;
    let mut arms = analysis.arms.iter();
    let Some(own) = arms
        .find(|one| one.name == arm)
        .filter(|_| plan.chaos.is_some())
    else {
        return Vec::new();
    };
    let breaks_it = |id: TrialId| {
        let mut alone = analysis.clone();
        for one in alone.arms.iter_mut().filter(|one| one.name == arm) {
            one.trials.retain(|trial| trial.control || trial.id == id);
        }
        let verdict = verdict::judge(&alone, std::slice::from_ref(gate), None);
        let mut checks = verdict.checks.iter();
        checks.any(|check| check.arm == arm && check.outcome == Outcome::Fail)
    };
    let ids = own.trials.iter().filter(|trial| !trial.control);
    let ids: Vec<TrialId> = ids.map(|trial| trial.id).collect();
    let (breaking, others): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| breaks_it(*id));
    let ids = breaking.into_iter().chain(others);
    let trials = ids.filter_map(|id| schedule.trial(id));
    trials.take(DRAWN_TRIALS).cloned().collect()
}

/// The plan with the broken gate, and without those that compare with an earlier run, which no candidate has.
fn with_own_gates(mut plan: Plan, broken: &Gate) -> Plan {
    if verdict::arm_without_baseline(&plan).is_some() {
        plan.gates.retain(|gate| !gate.needs_baseline());
    }
    if !plan.gates.contains(broken) {
        plan.gates.push(broken.clone());
    }
    plan
}

/// A new folder beside the run.
fn new_folder(run: &Path) -> Result<PathBuf, CliError> {
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    let parent = run.parent().unwrap_or(Path::new("."));
    let named = |number| match number {
        1 => format!("{name}-shrunk"),
        _ => format!("{name}-shrunk-{number}"),
    };
    folder::create_next(parent, named).map_err(|error| CliError::Usage(error.to_string()))
}

/// Writes the file, and draws the newest failing run.
fn keep(
    args: &Args,
    run: &Path,
    folder: &Path,
    failure: Failure<'_>,
    found: &Reduced,
) -> Result<(PathBuf, Written), CliError> {
    let written = write_plan(&found.plan, found.seed, &Faults)?;
    let file = args.out.clone().unwrap_or_else(|| folder.join(SMALLEST));
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    let mut text = format!(
        "# The smallest experiment found that breaks '{}' as the run {} did. `comeback shrink` wrote it.\n",
        failure.gate,
        printable(&name).replace(char::is_control, " ")
    );
    if !written.variables.is_empty() {
        text.push_str(&format!(
            "# It needs variables that are not stored:{}\n",
            flags(&written.variables)
        ));
    }
    text.push_str(&written.text);
    init::write(&file, &text)?;
    let kept = Candidates::kept(folder);
    ci::note_file(&kept, &file)?;
    judge_and_draw(analyze(&kept)?, &kept)?;
    Ok((file, written))
}

/// The flags that a run of the file needs.
fn flags<'a>(variables: impl IntoIterator<Item = &'a String>) -> String {
    let variables = variables.into_iter();
    variables.map(|name| format!(" --env {name}=…")).collect()
}

fn tell(document: &Document<'_>, args: &Args) {
    let runs: u32 = document.tries.iter().map(|one| one.runs).sum();
    let tries = document.tries.len();
    let (gate, arm) = (&document.gate, printable(document.arm));
    let Some(file) = &document.file else {
        let failed: u32 = document.tries.iter().map(|one| one.failed).sum();
        say(&format!(
            "not shrunk: '{gate}' of {arm} was broken in {failed} of {runs} runs, and never in {} in a row",
            args.confirm
        ));
        say(match document.complete {
            true => "  the failure is rare: try more seeds (--tries 20), with a larger --budget",
            false => "  the time was up: raise --budget",
        });
        return;
    };
    say(&format!(
        "shrunk in {tries} tries ({runs} runs): {}",
        document.before.told(&document.after)
    ));
    if !document.complete {
        let failing = ci::quote(document.failing_run.as_deref().unwrap_or_default());
        say(&format!(
            "  the time was up before every removal was tried; go on with: comeback shrink {failing}"
        ));
    }
    say(&format!(
        "  '{gate}' of {arm} is broken in {0} of {0} runs with seed {1}",
        args.confirm, document.seed
    ));
    if let Some(run) = &document.failing_run {
        say(&format!("report: {run}/report.html"));
    }
    // A command is copied: it is not folded.
    print(&format!(
        "next: comeback run {}{}",
        ci::quote(file),
        flags(&document.variables)
    ));
}
