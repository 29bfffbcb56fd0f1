//! `comeback selftest`: proves on this machine that planted bugs are found, and that their clean twins raise no alarm.

mod document;
mod measure;
mod table;
mod verdict;

use std::path::Path;

use comeback_analysis::verdict::Outcome;
use comeback_host::machine;
use comeback_model::ids::Seed;
use comeback_reports::format::printable;
use comeback_runs::finish::write_artifact;
use comfy_table::{ContentArrangement, presets};

use self::document::{Row, SCHEMA, Skipped};
use self::measure::Job;
use self::table::{BUGS, Bug};
use super::color::{self, ColorChoice};
use super::{CliError, doctor, folder, options, print, say};
use crate::table::wrapped;
pub(super) use document::SelfTest;

/// The width of everything that is printed.
const WIDTH: u16 = 80;

/// Prove on this machine that Comeback finds planted bugs and raises no false alarm.
///
/// Each bug is a small server with one mistake. Its twin is a server without it. Both get the same load, faults and gates,
/// once for each seed. A bug counts as detected if it breaks the gate that is meant for it. A twin raises an alarm if
/// any gate is broken. So does a server with a bug that must show under one fault alone, under another one.
///
/// Exits 0 if every bug was detected in at least 19 of 20 runs (in all, of fewer than 20) and no twin raised an alarm, 1 if
/// not, and 3 if too many runs were inconclusive to tell, as on a busy machine. Bugs whose fault cannot work on this machine
/// are named and left out.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback selftest\n  comeback selftest --list\n  comeback selftest --seeds 20\n  \
comeback selftest --bugs 7,12 --seeds 5 --seed 1\n  comeback selftest --swap --bugs 7 --seeds 1\n  \
comeback selftest --json | jq '.bugs[] | {number, detected, runs, alarms}'"
)]
pub(super) struct Args {
    /// Runs of each bug and of each twin, each with a seed of its own
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    seeds: u32,
    /// Numbers of the bugs [default: all]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = parse_number)]
    bugs: Vec<u32>,
    /// Exchange each bug with its twin, to see this command fail: nothing is found, and each twin raises an alarm
    #[arg(long)]
    swap: bool,
    #[command(flatten)]
    many: options::Many,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let chosen = |bug: &&Bug| args.bugs.is_empty() || args.bugs.contains(&bug.number);
    let bugs = BUGS.iter().filter(chosen);
    let bugs: Vec<Bug> = match args.swap {
        true => bugs.map(Bug::swapped).collect(),
        false => bugs.cloned().collect(),
    };
    if args.many.list {
        bugs.iter().for_each(list);
        return Ok(Outcome::Pass);
    }
    let (bugs, skipped) = workable(bugs, !args.bugs.is_empty())?;
    let seed = options::seed(args.many.seed.map(Seed))?.0;
    let started = jiff::ZonedDateTime::now();
    let folder = folder::new_folder("selftest", &started, args.many.out.as_deref())?;
    let mut document = SelfTest {
        schema: SCHEMA.to_owned(),
        seed,
        seeds: args.seeds,
        swapped: args.swap,
        started: started.timestamp().to_string(),
        machine: machine::describe(&folder),
        timer_lateness: doctor::timer_lateness().ok(),
        verdict: Outcome::Inconclusive,
        bugs: Vec::new(),
        skipped,
    };
    let mut text = String::new();
    for bug in &bugs {
        let job = Job {
            bug,
            seed,
            seeds: args.seeds,
            swapped: args.swap,
            quiet: args.many.quiet,
            folder: &folder,
        };
        document.bugs.push(job.row()?);
        document.verdict = verdict::overall(document.bugs.iter().map(|row| row.outcome));
        // What was measured is kept if the next bug cannot be.
        text = serde_json::to_string_pretty(&document)?;
        write_artifact(&folder, "selftest.json", text.as_bytes())?;
    }
    match args.many.json {
        true => print(&text),
        false => show(&document, &folder),
    }
    Ok(document.verdict)
}

/// The bugs that can be looked for here, and those that cannot.
///
/// # Errors
/// If one of the latter was asked for by its number, or if there is nothing to look for.
fn workable(bugs: Vec<Bug>, asked_for: bool) -> Result<(Vec<Bug>, Vec<Skipped>), CliError> {
    let (mut here, mut skipped) = (Vec::new(), Vec::new());
    for bug in bugs {
        match bug.missing()? {
            None => here.push(bug),
            Some(reason) if asked_for => {
                let number = bug.number;
                let message =
                    format!("bug {number} cannot be looked for on this machine: {reason}");
                return Err(CliError::Usage(message));
            }
            Some(reason) => skipped.push(Skipped {
                number: bug.number,
                bug: format!("{} {}", bug.server, bug.about),
                reason,
            }),
        }
    }
    Ok((here, skipped))
}

fn list(bug: &Bug) {
    let Bug {
        number,
        about,
        server,
        twin,
        fault,
        gate,
        survives,
        ..
    } = bug;
    let survives = survives.map(|fault| format!(", and must not under {fault}"));
    let survives = survives.unwrap_or_default();
    say(&format!("{number:>2}  {server} {about}"));
    say(&format!(
        "    {fault}; breaks '{gate}'{survives}; its twin is {twin}"
    ));
}

fn show(document: &SelfTest, folder: &Path) {
    print(&trimmed(&results(&document.bugs)));
    let remarks = document.bugs.iter().flat_map(|row| {
        let number = row.number;
        row.remarks.iter().map(move |remark| {
            let (server, what) = (&remark.server, &remark.what);
            let headline = printable(&remark.headline);
            let same = format!("{}: ", what.to_uppercase());
            let headline = headline.strip_prefix(&same).unwrap_or(&headline);
            format!(
                "bug {number}, {server}: {what}: {headline} ({})",
                remark.run
            )
        })
    });
    remarks.for_each(|remark| print(&wrapped(&remark, 0)));
    for Skipped {
        number,
        bug,
        reason,
    } in &document.skipped
    {
        let bug = format!("bug {number}, {bug}: not looked for: {reason}");
        print(&wrapped(&bug, 0));
    }
    let machine = &document.machine;
    if let Some(late) = &document.timer_lateness {
        let cores = machine.cores;
        let build = &machine.build;
        let machine =
            format!("this machine: {cores} cores, {build} build; timers fire late: {late}");
        print(&wrapped(&machine, 0));
    }
    let found = document.bugs.iter().map(|row| row.detected).sum::<u32>();
    let runs = document.bugs.iter().map(|row| row.runs).sum::<u32>();
    let alarms = document.bugs.iter().map(|row| row.alarms).sum::<u32>();
    let clean = document.bugs.iter().map(|row| row.clean_runs).sum::<u32>();
    let word = color::outcome(document.verdict, ColorChoice::Auto.wants_color());
    say(&format!(
        "verdict: {word}: bugs detected in {found} of {runs} runs, alarms in {alarms} of {clean}"
    ));
    let seed = document.seed;
    let where_to = format!("seed {seed}; runs: {}", folder.display());
    print(&wrapped(&where_to, 0));
}

/// A row for each bug.
fn results(rows: &[Row]) -> comfy_table::Table {
    let mut table = plain_table();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header([
        "bug",
        "detected",
        "95 % interval",
        "faults",
        "s",
        "alarms",
    ]);
    for row in rows {
        let percent = |share: f64| format!("{:.0}", share * 100.0);
        let figure = |figure: Option<f64>| {
            let text = figure.map(|figure| format!("{figure:.1}"));
            text.unwrap_or_else(|| "-".to_owned())
        };
        let open = |open: u32| match open {
            0 => String::new(),
            open => format!(" ({open} inconclusive)"),
        };
        let (low, high) = (row.detected_share_low, row.detected_share_high);
        let (runs, server, twin) = (row.runs, &row.server, &row.twin);
        let survives = row.survives.as_ref();
        let survives = survives.map(|fault| format!("; it must survive {fault}"));
        let survives = survives.unwrap_or_default();
        table.add_row([
            format!(
                "{} {server} {} (twin: {twin}{survives})",
                row.number, row.bug
            ),
            format!("{} of {runs}{}", row.detected, open(row.inconclusive)),
            format!("{} to {} %", percent(low), percent(high)),
            figure(row.faults_median),
            figure(row.seconds_median),
            format!(
                "{} of {}{}",
                row.alarms,
                row.clean_runs,
                open(row.twin_inconclusive)
            ),
        ]);
    }
    table
}

/// The lines of a table, without spaces at their ends.
fn trimmed(table: &comfy_table::Table) -> String {
    let lines = table.lines();
    let lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

fn plain_table() -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    table
}

fn parse_number(text: &str) -> Result<u32, String> {
    let number = text
        .parse()
        .map_err(|_| "name a bug by its number".to_owned())?;
    if Bug::find(number).is_some() {
        return Ok(number);
    }
    let known: Vec<String> = BUGS.iter().map(|bug| bug.number.to_string()).collect();
    Err(format!(
        "there is no bug {number}; there are {}",
        known.join(", ")
    ))
}
