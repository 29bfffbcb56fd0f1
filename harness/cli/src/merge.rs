//! `comeback merge`: puts the shards of a run together, and judges the whole.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use comeback_analysis::verdict::Outcome;
use comeback_model::journal::Header;
use comeback_model::shard::ranges;
use comeback_runs::merge::{Lacking, MergeError, Union};

use super::folder::new_folder;
use super::options::Output;
use super::{CliError, ci, report, warn};

/// How many shards are named with their commands.
const NAMED: usize = 20;

/// Put the shards of a run together.
///
/// Takes the folders of all shards (comeback run --shard 1/8, 2/8 …), in any order. They must be of the same program, plan and
/// seed. Each trial must be there once. Counts are added. The new folder is one run: its verdict and exit code are those of the whole.
/// If a shard or a trial is missing, the command that repeats it is printed, and nothing passes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback merge shard-1 shard-2 shard-3 --out whole\n  comeback merge shards/* --out whole --junit whole.xml\n  \
comeback run shop.toml --rate 200 --seed 7 --shard 3/8 --out shard-3"
)]
pub(super) struct Args {
    /// The shards' folders
    #[arg(value_name = "SHARD", required = true)]
    shards: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let output = &args.output;
    ci::check_junit(&output.told)?;
    let mut folders = Vec::with_capacity(args.shards.len());
    for folder in &args.shards {
        // The same folder by two names is one.
        let found = std::fs::canonicalize(folder);
        folders.push(found.map_err(|error| {
            CliError::Usage(format!(
                "{} cannot be used: {error}: name the folders of runs with --shard",
                folder.display()
            ))
        })?);
    }
    let mut union = Union::open(&folders).map_err(refuse)?;
    if let Some(label) = &output.label {
        union.set_label(label.clone());
    }
    if union.is_of_several_revisions() {
        warn(
            "the shards were started in folders of different git revisions, so the whole has none: see that all of them measured the same \
             server (`comeback list` shows each one's revision)",
        );
    }
    let header = union.header();
    let now = jiff::ZonedDateTime::now();
    let to = new_folder(&header.plan.name, &now, output.out.as_deref())?;
    ci::announce_junit(&output.told, &header.plan.name)?;
    union.write(&to).map_err(refuse)?;
    let commands: Vec<String> = folders
        .iter()
        .filter_map(|folder| ci::read_command(folder))
        .collect();
    let with_shard = |shard: Option<&str>| {
        commands
            .iter()
            .find_map(|command| ci::with_shard(command, shard))
    };
    if let Some(command) = with_shard(None) {
        ci::note_command_line(&to, &command)?;
    }
    output.tell(&told(header, &to));
    tell_lacking(&union.lacking(), header, |shard| with_shard(Some(shard)));
    report::finish(&to, &output.told, None)
}

fn refuse(error: MergeError) -> CliError {
    match error.is_about_the_folders() {
        true => CliError::Usage(super::with_causes(&error)),
        false => CliError::Harness(Box::new(error)),
    }
}

/// What was put together.
fn told(header: &Header, to: &Path) -> String {
    let shards = header.shards.as_ref();
    let (held, count) = shards.map_or((0, 0), |shards| (shards.held().len(), shards.count()));
    format!(
        "seed {}, {held} of {count} shards, {} trials, results in {}",
        header.seed,
        header.schedule.trials.len(),
        to.display()
    )
}

/// Says what is missing, and the command that repeats it; `with_shard` is that of the run, for any shard.
fn tell_lacking(lacking: &[Lacking], header: &Header, with_shard: impl Fn(&str) -> Option<String>) {
    let count = header.shards.as_ref().map_or(0, |shards| shards.count());
    for one in lacking.iter().take(NAMED) {
        let mut said = match &one.folder {
            None => format!("shard {} of {count} is missing", one.shard),
            Some(folder) => format!(
                "shard {} of {count} did not come to its end ({})",
                one.shard,
                folder.display()
            ),
        };
        if !one.trials.is_empty() {
            let _ = write!(said, "; it lacks the trials {}", ranges(&one.trials));
        }
        let own = one.folder.as_deref().and_then(ci::read_command);
        let shard = format!("{}/{count}", one.shard);
        if let Some(command) = with_shard(&shard).or(own) {
            let _ = write!(said, "; to repeat it: {command}");
        }
        warn(&said);
    }
    if let Some(more) = lacking.len().checked_sub(NAMED).filter(|more| *more > 0) {
        warn(&format!(
            "{more} more shards are missing, or did not come to their end"
        ));
    }
}
