//! `comeback report`: judges a run and draws its report again, from the journal alone. A live run ends here, too.

use std::path::{Path, PathBuf};

use comeback_analysis::verdict::Outcome;
use comeback_reports::format::printable;
use comeback_reports::{comparison, course, faults, replicas, storm};

use super::baseline::{self, Stored};
use super::options::Told;
use super::table::{Style, table};
use super::{CliError, ci, color, figures, print};
use comeback_engine::record;
use comeback_runs::finish::{Judged, judge_and_draw};
use comeback_runs::read::{Recorded, analyze};

/// Judge and draw a stored run again.
///
/// Reads the journal of a run folder and writes summary, report and charts again. Interrupted runs work, too. The exit
/// code is the verdict's. With --baseline, the gates compare with that run from now on; otherwise with the same
/// baseline as before.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback report\n  comeback report comeback-runs/compare-20260101-120000 --json"
)]
pub(super) struct Args {
    /// The run's folder
    #[arg(value_name = "RUN", default_value = "comeback-runs/latest")]
    run: PathBuf,
    /// Folder of an earlier run, or a copy of it: the baseline of the gates
    #[arg(long, value_name = "RUN")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    told: Told,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    if !args.run.join(record::EVENTS).is_file() {
        return Err(CliError::Usage(format!(
            "{} is not a run folder: it has no {}",
            args.run.display(),
            record::EVENTS
        )));
    }
    ci::check_junit(&args.told)?;
    if let Some(folder) = &args.baseline {
        let stored = Stored::read("--baseline", folder)?;
        let recorded = Recorded::open(&args.run)?;
        let header = recorded.header();
        if stored.is_of(header) {
            return Err(CliError::Usage(format!(
                "--baseline: {} is this run itself: name an earlier run",
                folder.display()
            )));
        }
        baseline::check_gates(&header.plan, true)?;
        stored.keep(&args.run)?;
    }
    finish(&args.run, &args.told, None)
}

/// The end of every run: judges the stored run, writes the report and prints the table. Annotations point to `file`, such as
/// the experiment's file.
pub(super) fn finish(folder: &Path, told: &Told, file: Option<&str>) -> Result<Outcome, CliError> {
    let analysis = analyze(folder)?;
    if !analysis.header.is_sealed() {
        super::warn(&format!(
            "{} was written by an older version: its journal has no seals, so missing lines cannot be noticed",
            folder.display()
        ));
    }
    let judged = judge_and_draw(analysis, folder)?;
    show(&judged, folder, told)?;
    let judgement = ci::Judgement {
        analysis: &judged.analysis,
        verdict: &judged.verdict,
        summary: &judged.summary,
    };
    ci::tell(&judgement, folder, told, file)?;
    Ok(judged.verdict.outcome)
}

/// Prints the table, or the summary document.
fn show(judged: &Judged, folder: &Path, told: &Told) -> Result<(), CliError> {
    if told.verbose {
        figures::tell(&judged.analysis);
    }
    if told.json {
        print(&serde_json::to_string_pretty(&judged.summary)?);
        return Ok(());
    }
    print(&table(&comparison(&judged.summary), Style::Ruled));
    if let Some(storm) = storm(&judged.summary) {
        print(&table(&storm, Style::Ruled));
    }
    if let Some(faults) = faults(&judged.summary) {
        print(&table(&faults, Style::Ruled));
    }
    if let Some(nodes) = replicas(&judged.summary) {
        print(&table(&nodes, Style::Ruled));
    }
    let verdict = &judged.verdict;
    let word = color::outcome(verdict.outcome, told.color.wants_color());
    let fact = verdict
        .headline
        .split_once(": ")
        .map_or("", |(_, fact)| fact);
    print(&format!("verdict: {word}: {}", printable(fact)));
    if verdict.outcome == Outcome::Measured {
        print("  there are no gates: add some to make the run pass or fail");
    }
    for reason in &judged.verdict.reasons {
        print(&format!("  {}", printable(reason)));
    }
    for sentence in course(&judged.summary) {
        print(&printable(&sentence));
    }
    print(&format!(
        "seed {}; report: {}",
        judged.summary.seed,
        folder.join("report.html").display()
    ));
    let plan = &judged.analysis.header.plan;
    // What was beside a revision is gone with its working tree.
    let is_repeatable = plan.arms.iter().all(|arm| arm.revision.is_none());
    if verdict.outcome == Outcome::Fail && is_repeatable {
        print(&next_commands(folder, plan.storm.is_some()));
    }
    Ok(())
}

/// What to do about a failing run. A storm cannot be made smaller.
fn next_commands(folder: &Path, is_storm: bool) -> String {
    let folder = ci::quote(&folder.to_string_lossy());
    let replay = format!("next:\n  comeback replay {folder}   # the same run again");
    match is_storm {
        true => replay,
        false => {
            format!("{replay}\n  comeback shrink {folder}   # the smallest file that fails alike")
        }
    }
}
