//! `comeback claims`: what measurements say of claims about stateless and stateful servers. Each row is a comparison that
//! `comeback compare` makes, too, and is judged by `core::claims`.

use std::path::{Path, PathBuf};

use clap::Parser;
use comeback_core::claims::{CLAIMS, Claim, ClaimRow, Claims, Ruling, SCHEMA};
use comeback_core::ids::Seed;
use comeback_core::verdict::Outcome;
use comeback_reports::{claims_markdown, claims_table};

use super::report::new_table;
use super::{CliError, campaign, compare, options, print, print_aside};
use crate::engine::Ended;
use crate::finish::{judge_and_draw, write_artifact};
use crate::record;

/// Measure claims about stateless and stateful servers, and rule on each.
///
/// Each claim has an experiment that can come out either way, with control trials. It holds, holds in part, is refuted, or
/// this run cannot tell, and the figures that decide stand beside it, with what would change them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback claims --quick\n  comeback claims 5 6 --seed 7\n  \
comeback claims --json | jq '.rows[] | {number, ruling}'"
)]
pub(super) struct Args {
    /// Which ones, by their numbers [default: all that are measured: 5 6 10 12]
    #[arg(value_name = "N", value_parser = parse_number)]
    numbers: Vec<u32>,
    /// A first look: the same number of crashes, in shorter trials
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

/// Runs a claim's experiment, and judges it.
fn measure(claim: &Claim, args: &Args, seed: Seed, folder: &Path) -> Result<ClaimRow, CliError> {
    let own = folder.join(format!("claim-{}", claim.number));
    let mut words: Vec<String> = claim
        .experiment
        .iter()
        .map(|word| (*word).to_owned())
        .collect();
    if args.quick {
        words.extend(["--quick", "--trials", "6"].map(str::to_owned));
    }
    words.extend(["--seed".to_owned(), seed.0.to_string()]);
    let command = format!("comeback compare {}", words.join(" "));
    words.extend(["--out".to_owned(), own.display().to_string()]);
    if args.quiet {
        words.push("--quiet".to_owned());
    }
    let line = Line::try_parse_from(words).map_err(|error| CliError::Usage(error.to_string()))?;
    let (run, ended) = compare::measure(&line.compare)?;
    if ended == Ended::Interrupted {
        return Err(CliError::Interrupted);
    }
    let judged = judge_and_draw(&record::read(&run)?, &run)?;
    let found = claim.judge(&judged.summary);
    Ok(ClaimRow::new(
        claim,
        found,
        command,
        run.display().to_string(),
    ))
}

fn write(document: &Claims, folder: &Path) -> Result<(), CliError> {
    let mut json = serde_json::to_vec_pretty(document)?;
    json.push(b'\n');
    write_artifact(&folder.join("claims.json"), &json)?;
    let markdown = claims_markdown(document);
    write_artifact(&folder.join("claims.md"), markdown.as_bytes())?;
    Ok(())
}

fn show(document: &Claims, json: bool, folder: &Path) -> Result<(), CliError> {
    if json {
        print(&serde_json::to_string_pretty(document)?);
        return Ok(());
    }
    print(&new_table(&claims_table(document)).to_string());
    let page = folder.join("claims.md");
    print(&format!(
        "seed {}; report: {}",
        document.seed,
        page.display()
    ));
    Ok(())
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
