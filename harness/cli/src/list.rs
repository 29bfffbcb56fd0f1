//! `comeback list`: the runs in a folder, each with its verdict and its figures.

use std::path::{Path, PathBuf};

use comeback_analysis::history::{PastRun, State};
use comeback_analysis::verdict::Outcome;
use comeback_reports::format::printable;
use comeback_reports::past_arm;
use comeback_runs::history::{history_in, is_run};

use super::color::{self, ColorChoice};
use super::table::fitting;
use super::{CliError, ci, print, say};

/// Room for the word of a verdict with its sign.
const VERDICT: usize = 14;

/// List the runs in a folder: when, what, verdict, losses, outage.
///
/// The newest run comes first. Figures are those of summary.json in each run's folder; nothing is judged again. A run that
/// has no figures is listed with the reason: it is under way, was killed before it was judged, or cannot be read.
/// --label of `run`, `compare`, `replay` and `merge` gives a run a name; the git revision is that of the folder in which it was started.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback list\n  comeback list artefacts --last 10\n  \
comeback list --json | jq -r '.runs[] | select(.verdict == \"fail\") | .folder'"
)]
pub(super) struct Args {
    /// The folder of the runs, or a single run's
    #[arg(value_name = "DIR", default_value = super::folder::RUNS)]
    folder: PathBuf,
    /// Only the newest N runs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    last: Option<u32>,
    /// Print the document instead (its schema: `comeback schema history`)
    #[arg(long)]
    json: bool,
    /// When to color; NO_COLOR and CLICOLOR_FORCE are honored
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let folder = &args.folder;
    let history = history_in(folder, ci::read_command).map_err(|error| {
        CliError::Usage(format!(
            "DIR: {} cannot be listed: {error}: name the folder that holds the runs' folders",
            folder.display()
        ))
    })?;
    let mut history = history.newest_first();
    let all = history.runs.len();
    let shown = args.last.map_or(all, |last| all.min(last as usize));
    history.runs.truncate(shown);
    if args.json {
        print(&serde_json::to_string_pretty(&history)?);
        return Ok(Outcome::Pass);
    }
    let color = args.color.wants_color();
    for run in &history.runs {
        show(run, folder, color);
    }
    if shown < all {
        say(&format!("{} older runs are not shown", all - shown));
    }
    if !history.others.is_empty() {
        let names: Vec<String> = (history.others.iter())
            .map(|other| named(other, folder))
            .collect();
        say(&format!("not the folder of a run: {}", names.join(", ")));
    }
    if all == 0 {
        let (shown, example) = (folder.display(), "comeback run shop.toml");
        say(&format!("there is no run in {shown}; {example} makes one"));
    }
    Ok(Outcome::Pass)
}

fn show(run: &PastRun, folder: &Path, color: bool) {
    let started = run.started.as_deref().map_or_else(unknown, local);
    let word = match run.verdict {
        Some(outcome) => color::outcome(outcome, color),
        None => state(run.state).to_owned(),
    };
    let plain = run
        .verdict
        .map_or_else(|| word.clone(), |outcome| color::outcome(outcome, false));
    let room = VERDICT.saturating_sub(plain.chars().count());
    say(&format!(
        "{started}  {word}{:room$}  {}",
        "",
        named(&run.folder, folder)
    ));
    let known = [
        run.label.as_deref().map(printable),
        run.revision
            .as_ref()
            .map(|revision| format!("git {}", printable(&revision.to_string()))),
        run.seed.map(|seed| format!("seed {seed}")),
    ];
    let known: Vec<String> = known.into_iter().flatten().collect();
    let what = run.command.as_ref().or(run.name.as_ref());
    let what = what.map(|what| fitting(&printable(what), 4));
    for line in [(!known.is_empty()).then(|| known.join(", ")), what]
        .into_iter()
        .flatten()
    {
        say(&format!("    {line}"));
    }
    if let Some(problem) = &run.problem {
        say(&format!("    {}", printable(problem)));
    }
    if let Some(next) = &run.next {
        // It is to be copied.
        print(&format!("    next: {}", printable(next)));
    }
    for arm in &run.arms {
        say(&format!("    {}", past_arm(arm)));
    }
}

/// A run's folder as a word of the next command; within the listed folder by its own name.
fn named(path: &str, folder: &Path) -> String {
    let path = Path::new(path);
    let shown = match is_run(folder) {
        true => path,
        false => path.strip_prefix(folder).unwrap_or(path),
    };
    printable(&shown.display().to_string())
}

const fn state(state: State) -> &'static str {
    match state {
        State::Judged => "judged",
        State::Unfinished => "… unfinished",
        State::Broken => "! broken",
    }
}

/// As wide as a time.
fn unknown() -> String {
    format!("{:<16}", "?")
}

/// A moment on the clock of this machine.
fn local(started: &str) -> String {
    let moment = started.parse::<jiff::Timestamp>();
    moment.map_or_else(
        |_| unknown(),
        |moment| {
            let there = moment.to_zoned_datetime(jiff::tz::TimeZone::system());
            there.strftime("%Y-%m-%d %H:%M").to_string()
        },
    )
}
