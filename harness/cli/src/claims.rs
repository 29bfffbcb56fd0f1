//! `comeback claims`: measures claims about stateless and stateful servers.

mod measure;

use std::path::{Path, PathBuf};

use comeback_analysis::verdict::Outcome;
use comeback_claims::{CLAIMS, Claim, ClaimRow, Claims, Ruling, SCHEMA};
use comeback_model::ids::Seed;
use comeback_reports::claims_table;

use self::measure::Job;
use super::table::{Style, table};
use super::{CliError, folder, options, print, print_aside, say};
use comeback_host::inside;
use comeback_host::machine;
use comeback_runs::finish::write_artifact;

/// Measure and judge claims about stateless and stateful servers.
///
/// Each claim has an experiment that can come out either way, with control trials. A claim holds, holds in part, is refuted,
/// or the run cannot tell. The deciding figures are shown beside it, with what would change the ruling.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback claims --list\n  comeback claims --quick\n  comeback claims 5 6 --seed 7\n  comeback claims --from comeback-runs/claims-20261125-120000\n  \
comeback claims --json | jq '.rows[] | {number, ruling}'"
)]
pub(super) struct Args {
    /// Numbers of the claims [default: all]
    #[arg(value_name = "N", value_parser = parse_number)]
    numbers: Vec<u32>,
    /// Take a first look: as many crashes, shorter trials, less of everything else
    #[arg(long)]
    quick: bool,
    /// Rule again on the measurements in the folder of an earlier run
    #[arg(long, value_name = "DIR", conflicts_with_all = ["numbers", "quick", "seed", "out"])]
    from: Option<PathBuf>,
    #[command(flatten)]
    many: options::Many,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    if args.many.list {
        list();
        return Ok(Outcome::Pass);
    }
    let (folder, mut document, mut wanted) = match &args.from {
        Some(folder) => {
            let (document, measured) = stored(folder)?;
            (folder.clone(), document, measured)
        }
        None => {
            let (folder, document) = begin(args)?;
            (folder, document, CLAIMS.iter().collect())
        }
    };
    wanted.retain(|claim| args.numbers.is_empty() || args.numbers.contains(&claim.number));
    for claim in &wanted {
        if !args.many.quiet && args.from.is_none() {
            print_aside(&format!("claim {}: {}", claim.number, claim.words));
        }
        let job = Job {
            claim,
            seed: document.seed,
            quick: document.quick,
            quiet: args.many.quiet,
            is_measured: args.from.is_some(),
            folder: &folder,
            all: &wanted,
        };
        document.rows.push(job.row()?);
        // Measurements are kept if the next claim fails. With --from, they are stored already.
        if !job.is_measured {
            write(&document, &folder)?;
        }
    }
    write(&document, &folder)?;
    show(&document, args.many.json, &folder)?;
    let is_open = |row: &ClaimRow| row.ruling == Ruling::Inconclusive;
    Ok(
        match document.rows.is_empty() || document.rows.iter().any(is_open) {
            true => Outcome::Inconclusive,
            false => Outcome::Pass,
        },
    )
}

/// A new folder, and a document without rows.
fn begin(args: &Args) -> Result<(PathBuf, Claims), CliError> {
    let seed = options::seed(args.many.seed.map(Seed))?;
    let started = jiff::ZonedDateTime::now();
    let folder = folder::new_folder("claims", &started, args.many.out.as_deref())?;
    let document = Claims {
        schema: SCHEMA.to_owned(),
        seed: seed.0,
        quick: args.quick,
        started: started.timestamp().to_string(),
        machine: machine::describe(&folder),
        rows: Vec::new(),
    };
    Ok((folder, document))
}

/// The document of an earlier run without its rows, and the claims that it measured.
fn stored(folder: &Path) -> Result<(Claims, Vec<&'static Claim>), CliError> {
    let path = folder.join("claims.json");
    let unusable = |what: String| CliError::Usage(format!("--from: {}: {what}", path.display()));
    let text =
        inside::read_in(folder, "claims.json").map_err(|error| unusable(error.to_string()))?;
    let stored: Claims =
        serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    if stored.schema != SCHEMA {
        let what = format!("its schema is '{}', expected '{SCHEMA}'", stored.schema);
        return Err(unusable(what));
    }
    let measured = stored.rows.iter();
    let measured = measured.filter_map(|row| Claim::find(row.number)).collect();
    let document = Claims {
        rows: Vec::new(),
        ..stored
    };
    Ok((document, measured))
}

fn write(document: &Claims, folder: &Path) -> Result<(), CliError> {
    for file in comeback_reports::claims(document)? {
        write_artifact(folder, &file.path, &file.bytes)?;
    }
    Ok(())
}

fn show(document: &Claims, json: bool, folder: &Path) -> Result<(), CliError> {
    if json {
        print(&serde_json::to_string_pretty(document)?);
        return Ok(());
    }
    print(&table(&claims_table(document), Style::Ruled));
    let page = folder.join("claims.html");
    say(&format!(
        "seed {}; report: {}",
        document.seed,
        page.display()
    ));
    Ok(())
}

fn list() {
    for claim in &CLAIMS {
        say(&format!("{:>2}  {}", claim.number, claim.words));
    }
}

fn parse_number(text: &str) -> Result<u32, String> {
    let number: u32 = text
        .parse()
        .map_err(|_| "name a claim by its number".to_owned())?;
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
