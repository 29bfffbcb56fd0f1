//! `comeback claims`: what measurements say of claims about stateless and stateful servers. Each row is a comparison that
//! `comeback compare` makes, too, and is judged by `core::claims`.

use std::path::{Path, PathBuf};

use clap::Parser;
use comeback_core::claims::{
    self, CLAIMS, Claim, ClaimRow, Claims, Comparison, Experiment, Heading, Inquiry, Ruling,
    SCHEMA, Source,
};
use comeback_core::ids::Seed;
use comeback_core::verdict::Outcome;
use comeback_reports::claims_table;

use super::report::new_table;
use super::{CliError, campaign, compare, options, print, print_aside, targets};
use crate::claims::{FACTS, Task};
use crate::engine::Ended;
use crate::engine::campaign::Host;
use crate::engine::interrupt::Interrupt;
use crate::finish::{judge_and_draw, write_artifact};
use crate::supervise::needs;
use crate::supervise::tag::RunTag;
use crate::{machine, record};

/// Measure claims about stateless and stateful servers, and rule on each.
///
/// Each claim has an experiment that can come out either way, with control trials. It holds, holds in part, is refuted, or
/// this run cannot tell, and the figures that decide stand beside it, with what would change them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback claims --list\n  comeback claims --quick\n  comeback claims 5 6 --seed 7\n  \
comeback claims --json | jq '.rows[] | {number, ruling}'"
)]
pub(super) struct Args {
    /// Which ones, by their numbers [default: all]
    #[arg(value_name = "N", value_parser = parse_number)]
    numbers: Vec<u32>,
    /// List the claims, and measure nothing
    #[arg(long)]
    list: bool,
    /// A first look: the same number of crashes, in shorter trials, and less of everything else
    #[arg(long)]
    quick: bool,
    /// What all randomness follows from; drawn and printed when not given
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Folder for the results; must be new or empty [default: comeback-runs/claims-TIME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the document instead of the table
    #[arg(long)]
    json: bool,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
}

/// The words of a comparison, as they are typed.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(flatten)]
    compare: compare::Args,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    if args.list {
        list();
        return Ok(Outcome::Pass);
    }
    let seed = options::seed(args.seed.map(Seed))?;
    let wanted: Vec<&Claim> = CLAIMS
        .iter()
        .filter(|claim| args.numbers.is_empty() || args.numbers.contains(&claim.number))
        .collect();
    let started = jiff::ZonedDateTime::now();
    let folder = campaign::new_folder("claims", &started, args.out.as_deref())?;
    let mut document = Claims {
        schema: SCHEMA.to_owned(),
        seed: seed.0,
        quick: args.quick,
        started: started.timestamp().to_string(),
        machine: machine::describe(&folder),
        rows: Vec::new(),
    };
    for claim in wanted {
        if !args.quiet {
            print_aside(&format!("claim {}: {}", claim.number, claim.words));
        }
        let row = measure(claim, args, seed, &folder)?;
        document.rows.push(row);
        write(&document, &folder)?;
    }
    show(&document, args.json, &folder)?;
    let is_open = |row: &ClaimRow| row.ruling == Ruling::Inconclusive;
    Ok(match document.rows.iter().any(is_open) {
        true => Outcome::Inconclusive,
        false => Outcome::Pass,
    })
}

/// Does a claim's experiment, and judges it.
fn measure(claim: &Claim, args: &Args, seed: Seed, folder: &Path) -> Result<ClaimRow, CliError> {
    let own = folder.join(format!("claim-{}", claim.number));
    match claim.experiment {
        Experiment::Compare(comparison) => compare(claim, &comparison, args, seed, &own),
        Experiment::Own(inquiry) => inquire(claim, &inquiry, args, seed, &own),
    }
}

fn compare(
    claim: &Claim,
    comparison: &Comparison,
    args: &Args,
    seed: Seed,
    own: &Path,
) -> Result<ClaimRow, CliError> {
    let (mut summaries, mut commands, mut folders) = (Vec::new(), Vec::new(), Vec::new());
    for (run, number) in comparison.runs.iter().zip(1..) {
        let folder = match comparison.runs {
            [_] => own.to_owned(),
            _ => own.join(format!("run-{number}")),
        };
        let mut words: Vec<String> = run.iter().map(|word| (*word).to_owned()).collect();
        if args.quick {
            words.push("--quick".to_owned());
        }
        words.extend(["--trials".to_owned(), comparison.trials.to_string()]);
        words.extend(["--seed".to_owned(), seed.0.to_string()]);
        commands.push(format!("comeback compare {}", words.join(" ")));
        words.extend(["--out".to_owned(), folder.display().to_string()]);
        if args.quiet {
            words.push("--quiet".to_owned());
        }
        let line =
            Line::try_parse_from(words).map_err(|error| CliError::Usage(error.to_string()))?;
        let (run, ended) = compare::measure(&line.compare)?;
        if ended == Ended::Interrupted {
            return Err(CliError::Interrupted);
        }
        summaries.push(judge_and_draw(&record::read(&run)?, &run)?.summary);
        folders.push(run);
    }
    let found = comparison.judge(&summaries, compare::lines_of);
    let source = Source {
        command: match commands.as_slice() {
            [command] => command.clone(),
            _ => again(claim, args, seed),
        },
        run: own.display().to_string(),
        details: folders
            .iter()
            .map(|folder| within(folder, own, "report.html"))
            .collect(),
    };
    Ok(ClaimRow::new(claim, found, source))
}

fn inquire(
    claim: &Claim,
    inquiry: &Inquiry,
    args: &Args,
    seed: Seed,
    own: &Path,
) -> Result<ClaimRow, CliError> {
    let mut arms = Vec::new();
    for name in inquiry.arms {
        arms.push(match crate::claims::packaged(name) {
            Some(server) => compare::packaged(server),
            None => compare::sharing(targets::find(name)?)?,
        });
    }
    needs::settle(&mut arms).map_err(|wrong| CliError::Usage(wrong.join("\n")))?;
    let own = campaign::new_folder("claim", &jiff::ZonedDateTime::now(), Some(own))?;
    let heading = Heading {
        comeback_facts: claims::VERSION,
        claim: claim.number,
        seed: seed.0,
        amount: match args.quick {
            true => inquiry.quick,
            false => inquiry.full,
        },
        started: jiff::Timestamp::now().to_string(),
        machine: Some(machine::describe(&own)),
    };
    let task = Task {
        heading: &heading,
        procedure: inquiry.procedure,
        arms: &arms,
        folder: &own,
        host: Host::Program,
        follow: match args.quiet {
            true => |_| {},
            false => |arm| print_aside(&format!("  {arm}")),
        },
    };
    let listen = |tag: &RunTag| Interrupt::listen(tag.clone(), campaign::end_at_once);
    if crate::claims::run(&task, listen)? == Ended::Interrupted {
        return Err(CliError::Interrupted);
    }
    let found = inquiry.judge(&crate::claims::read(&own)?);
    let source = Source {
        command: again(claim, args, seed),
        run: own.display().to_string(),
        details: vec![within(&own, &own, FACTS)],
    };
    Ok(ClaimRow::new(claim, found, source))
}

/// A file of a claim, seen from the folder of all claims.
fn within(folder: &Path, own: &Path, file: &str) -> String {
    let all = own.parent().unwrap_or(own);
    let path = folder.join(file);
    path.strip_prefix(all)
        .unwrap_or(&path)
        .display()
        .to_string()
}

/// The command that repeats a row.
fn again(claim: &Claim, args: &Args, seed: Seed) -> String {
    let quick = match args.quick {
        true => " --quick",
        false => "",
    };
    format!("comeback claims {}{quick} --seed {}", claim.number, seed.0)
}

fn write(document: &Claims, folder: &Path) -> Result<(), CliError> {
    for file in comeback_reports::claims(document)? {
        write_artifact(&folder.join(&file.path), &file.bytes)?;
    }
    Ok(())
}

fn show(document: &Claims, json: bool, folder: &Path) -> Result<(), CliError> {
    if json {
        print(&serde_json::to_string_pretty(document)?);
        return Ok(());
    }
    print(&new_table(&claims_table(document)).to_string());
    let page = folder.join("claims.html");
    print(&format!(
        "seed {}; report: {}",
        document.seed,
        page.display()
    ));
    Ok(())
}

fn list() {
    for claim in &CLAIMS {
        print(&format!("{:>2}  {}", claim.number, claim.words));
    }
}

fn parse_number(text: &str) -> Result<u32, String> {
    let number: u32 = text
        .parse()
        .map_err(|_| "a claim is named by its number".to_owned())?;
    if Claim::find(number).is_some() {
        return Ok(number);
    }
    let known: Vec<String> = CLAIMS
        .iter()
        .map(|claim| claim.number.to_string())
        .collect();
    Err(format!(
        "claim {number} is not measured; there are {}",
        known.join(", ")
    ))
}
