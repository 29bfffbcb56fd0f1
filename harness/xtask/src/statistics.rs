//! The tables of METHOD.md §4: how often intervals hold the truth and gates are right, by simulation.

use std::fs;
use std::io::Write;

use comeback_statistics::simulate::{FEW_RUNS, RUNS, tables};

use crate::Failed;

/// The page that shows them.
const PAGE: &str = "harness/docs/METHOD.md";

/// Where they begin and end there.
const MARKS: [&str; 2] = [
    "<!-- statistics: written by `cargo xtask statistics --write` -->\n",
    "<!-- end of statistics -->",
];

/// What is done with the tables.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Simulate a fifth of the runs
    #[arg(long)]
    quick: bool,
    /// Write them into METHOD.md, too
    #[arg(long, conflicts_with = "quick")]
    write: bool,
}

pub(crate) fn statistics(args: &Args) -> Result<(), Failed> {
    let text = tables(if args.quick { FEW_RUNS } else { RUNS });
    let printed = std::io::stdout().write_all(text.as_bytes());
    printed.map_err(|error| Failed(format!("standard output: {error}")))?;
    if !args.write {
        return Ok(());
    }
    let failed = |error| Failed(format!("{PAGE}: {error}"));
    let page = fs::read_to_string(PAGE).map_err(failed)?;
    let [begin, end] = MARKS;
    let parts = page
        .split_once(begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let (before, after) = parts
        .ok_or_else(|| Failed(format!("{PAGE} has no place between {begin:?} and {end:?}")))?;
    fs::write(PAGE, format!("{before}{begin}{text}{end}{after}")).map_err(failed)
}
