//! `comeback report`: judges a run and draws its report again, from the journal alone. A live run ends here, too. Several runs
//! make a trend.

mod look;
mod trend;

use std::path::{Path, PathBuf};

use comeback_analysis::verdict::Outcome;
use comeback_reports::format::printable;
use comeback_reports::{comparison, course, faults, replicas, storm};

use super::baseline::{self, Stored};
use super::options::Told;
use super::table::{Style, table, wrapped};
use super::{CliError, ci, color, figures, print, say};
use comeback_engine::record;
use comeback_runs::finish::{Judged, judge_and_draw};
use comeback_runs::read::{Recorded, analyze};

/// How far the second line of a sentence stands from the margin.
const CONTINUED: u16 = 4;

/// Judge and draw a stored run again, or draw many as a trend.
///
/// Reads the journal of a run folder and writes summary, report and charts again. Interrupted runs work, too. The exit
/// code is the verdict's. With --baseline, the gates compare with that run from now on; otherwise with the same
/// baseline as before.
///
/// With --charts it draws the charts again in another look, for papers and slides.
///
/// With several runs it draws their outages and losses over time into a new folder, from each run's summary.json. Nothing is judged
/// then; `comeback diff` compares two runs.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback report\n  comeback report comeback-runs/compare-20260101-120000 --json\n  \
comeback report comeback-runs/shop-* --out trend\n  \
comeback report --charts pdf --size 85mm --no-title --out figures"
)]
pub(super) struct Args {
    /// The run's folder, or those of several
    #[arg(value_name = "RUN", default_value = "comeback-runs/latest")]
    runs: Vec<PathBuf>,
    /// Folder for the charts [default: RUN/charts]. Of several runs: new folder for the trend [default:
    /// comeback-runs/trend-TIME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder of an earlier run, or a copy of it: the baseline of the gates
    #[arg(long, value_name = "RUN")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    looks: look::Looks,
    #[command(flatten)]
    told: Told,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let [run] = args.runs.as_slice() else {
        return trend::run(args);
    };
    let look = args.looks.asked();
    if args.out.is_some() && look.is_none() {
        return Err(CliError::Usage(
            "--out: the report of a single run goes to the run's own folder: leave --out away, name several runs, or draw its charts there with \
             --charts"
                .to_owned(),
        ));
    }
    if !run.join(record::EVENTS).is_file() {
        return Err(CliError::Usage(format!(
            "{} is not a run folder: it has no {}. Name the folder of a run, such as comeback-runs/latest",
            run.display(),
            record::EVENTS
        )));
    }
    ci::check_junit(&args.told)?;
    if let Some(folder) = &args.baseline {
        let stored = Stored::read("--baseline", folder)?;
        let recorded = Recorded::open(run)?;
        let header = recorded.header();
        if stored.is_of(header) {
            return Err(CliError::Usage(format!(
                "--baseline: {} is this run itself: name an earlier run",
                folder.display()
            )));
        }
        baseline::check_gates(&header.plan, true)?;
        stored.keep(run)?;
    }
    let judged = finish_run(run, &args.told, None)?;
    if let Some(look) = &look {
        look::draw(&judged, look, run, args.out.as_deref())?;
    }
    Ok(judged.verdict.outcome)
}

/// The end of every run: judges the stored run, writes the report and prints the table. Annotations point to `file`, such as
/// the experiment's file.
pub(super) fn finish(folder: &Path, told: &Told, file: Option<&str>) -> Result<Outcome, CliError> {
    Ok(finish_run(folder, told, file)?.verdict.outcome)
}

fn finish_run(folder: &Path, told: &Told, file: Option<&str>) -> Result<Judged, CliError> {
    let analysis = analyze(folder)?;
    if !analysis.header.is_sealed() {
        super::warn(&format!(
            "{} was written by an older version: its journal has no seals, so missing lines cannot be noticed",
            folder.display()
        ));
    }
    let judged = judge_and_draw(analysis, folder)?;
    show(&judged, folder, told)?;
    ci::tell(&judged, folder, told, file)?;
    Ok(judged)
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
    let (headline, others) = said_once(fact, &verdict.reasons);
    print(&wrapped(
        &format!("verdict: {word}: {}", printable(&headline)),
        CONTINUED,
    ));
    if verdict.outcome == Outcome::Measured {
        print("  there are no gates: add some to make the run pass or fail");
    }
    for reason in others {
        let reason = wrapped(&printable(&reason), CONTINUED);
        print(&format!("  {reason}"));
    }
    for sentence in course(&judged.summary) {
        print(&wrapped(&printable(&sentence), CONTINUED));
    }
    say(&format!(
        "seed {}; report: {}",
        judged.summary.seed,
        folder.join("report.html").display()
    ));
    let header = &judged.analysis.header;
    if verdict.outcome == Outcome::Fail {
        let command = ci::read_command(folder);
        print("next:");
        for next in ci::next_commands(folder, header, command.as_deref()) {
            print(&next.shown());
        }
    }
    Ok(())
}

/// The fact of a headline and the reasons of a verdict, each said once: what cannot be judged for the same reason stands behind
/// the first of its kind.
fn said_once(fact: &str, reasons: &[String]) -> (String, Vec<String>) {
    const UNKNOWN: &str = " cannot be judged: ";
    let mut said: Vec<(&str, Vec<&str>)> = vec![(fact, Vec::new())];
    // A headline does not name an arm that is alone.
    let is_the_fact = |reason: &String| {
        let before = reason.strip_suffix(fact);
        before.is_some_and(|arm| arm.is_empty() || arm.ends_with(": "))
    };
    for reason in reasons.iter().filter(|reason| !is_the_fact(reason)) {
        let why = reason.split_once(UNKNOWN);
        let same = why.and_then(|(_, why)| {
            said.iter_mut()
                .find(|(first, _)| first.split_once(UNKNOWN).is_some_and(|(_, one)| one == why))
        });
        match (same, why) {
            (Some((_, also)), Some((what, _))) => also.push(what),
            _ => said.push((reason, Vec::new())),
        }
    }
    let mut said = said.into_iter().map(|(first, also)| match also.as_slice() {
        [] => first.to_owned(),
        also => format!("{first}; so it is with {}", also.join("; ")),
    });
    (said.next().unwrap_or_default(), said.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_of_a_verdict_is_said_once() {
        let unmet = "cannot be judged: no write was in flight";
        let reasons = [
            format!("a: lost_sessions == 0 {unmet}"),
            format!("a: lost_writes == 0 {unmet}"),
            "b: unrecovered == 0 is broken: 1 of 1".to_owned(),
            format!("b: lost_writes == 0 {unmet}"),
            "b: outage.median < 1s cannot be judged: 1 trial".to_owned(),
        ];
        let (headline, others) = said_once(&reasons[0], &reasons);
        assert_eq!(
            headline,
            format!(
                "{}; so it is with a: lost_writes == 0; b: lost_writes == 0",
                reasons[0]
            )
        );
        assert_eq!(others, [reasons[2].clone(), reasons[4].clone()]);
        let (headline, others) = said_once("unrecovered == 0 is broken: 1 of 1", &reasons[2..3]);
        assert_eq!(
            (headline.as_str(), others.len()),
            ("unrecovered == 0 is broken: 1 of 1", 0)
        );
        let (headline, others) = said_once("nothing was lost", &reasons[2..3]);
        assert_eq!(
            (headline.as_str(), &others[..]),
            ("nothing was lost", &reasons[2..3])
        );
    }
}
