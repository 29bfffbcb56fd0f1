//! The trend as one self-contained page: its charts, and a table with the figures of each run.

use comeback_analysis::history::{Found, History, PastArm, PastRun, State};
use comeback_analysis::summary::Status;
use comeback_analysis::verdict::Outcome;
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::changes::changes;
use crate::RenderError;
use crate::format::{TimeStyle, counted, printable};
use crate::html::{self, PageChart};
use crate::page::{self, Charts};
use crate::table::{Cell, sessions, writes};

static TEMPLATE: &str = include_str!("../../templates/trend.html");
static STYLE: &str = include_str!("../../templates/trend.css");

/// A run as the page shows it.
#[derive(Serialize)]
struct Shown {
    folder: String,
    started: String,
    label: Option<String>,
    revision: Option<String>,
    verdict: &'static str,
    /// For the style.
    tone: &'static str,
    headline: String,
    arms: Vec<ShownArm>,
    /// Why figures of it are not to be compared with those before.
    apart: Vec<String>,
}

#[derive(Serialize)]
struct ShownArm {
    name: String,
    silence: Option<String>,
    cells: Vec<ShownCell>,
}

#[derive(Serialize)]
struct ShownCell {
    main: String,
    note: Option<String>,
    beside: Option<String>,
}

impl From<Cell> for ShownCell {
    fn from(cell: Cell) -> Self {
        Self {
            main: cell.main,
            note: cell.note,
            beside: cell.beside,
        }
    }
}

/// The page.
///
/// # Errors
/// If the template cannot be filled in.
pub(super) fn render(history: &History, figures: &[PageChart]) -> Result<String, RenderError> {
    let runs: Vec<Shown> = history.runs.iter().map(show).collect();
    let style = page::style(STYLE, Charts::Drawn);
    let mut environment = html::environment()?;
    environment.add_template("trend.html", TEMPLATE)?;
    let page = environment.get_template("trend.html")?.render(context! {
        title => title(history),
        count => counted(history.runs.len() as u64, "run"),
        span => span(history),
        verdicts => verdicts(history),
        runs => Serde(runs),
        figures => Serde(figures),
        changes => changes(history),
        changed => history.rows.iter().filter(|row| matches!(row.result, Found::Changed(_))).count(),
        policy => page::policy(&style, None),
        style => style,
    })?;
    Ok(page)
}

/// The experiment that all of them are runs of, if it is one.
fn title(history: &History) -> String {
    let mut names = history.runs.iter().filter_map(|run| run.name.as_deref());
    match names.next() {
        Some(first) if names.all(|name| name == first) => printable(first),
        _ => "Several experiments".to_owned(),
    }
}

/// From the day of the first run to that of the last.
fn span(history: &History) -> String {
    let days = history
        .runs
        .iter()
        .filter_map(|run| run.started.as_deref()?.get(..10));
    let days: Vec<&str> = days.collect();
    match (days.first(), days.last()) {
        (Some(first), Some(last)) if first != last => format!(", {first} to {last}"),
        (Some(first), _) => format!(", {first}"),
        (None, _) => String::new(),
    }
}

/// `4 pass, 1 fail, 1 unfinished`.
fn verdicts(history: &History) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for run in &history.runs {
        let word = word(run);
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    counts.join(", ")
}

fn word(run: &PastRun) -> &'static str {
    match (run.verdict, run.state) {
        (Some(outcome), _) => outcome.name(),
        (None, State::Broken) => "broken",
        (None, State::Unfinished | State::Judged) => "unfinished",
    }
}

fn show(run: &PastRun) -> Shown {
    let started = run.started.as_deref().unwrap_or("not known");
    let started = started.get(..16).unwrap_or(started).replace('T', " ");
    let arms = run.arms.iter();
    let mut apart: Vec<String> = arms
        .clone()
        .flat_map(|arm| arm.other_plan.iter().chain(&arm.other_machine))
        .map(|what| printable(what))
        .collect();
    apart.sort();
    apart.dedup();
    Shown {
        folder: printable(&run.folder),
        started: printable(&started),
        label: run.label.as_deref().map(printable),
        revision: run.revision.as_ref().map(|one| printable(&one.to_string())),
        verdict: word(run),
        tone: match run.verdict {
            Some(Outcome::Pass) => "good",
            Some(Outcome::Fail) => "bad",
            Some(Outcome::Inconclusive) | None => "unsure",
            Some(Outcome::Measured) => "plain",
        },
        headline: fact(run),
        arms: arms.map(show_arm).collect(),
        apart,
    }
}

/// The decisive fact without the word of the verdict, which stands beside it; or why there is none.
fn fact(run: &PastRun) -> String {
    if let Some(problem) = &run.problem {
        return printable(problem);
    }
    let headline = run.headline.as_deref().unwrap_or_default();
    let fact = headline.split_once(": ").map_or("", |(_, fact)| fact);
    printable(fact)
}

fn show_arm(arm: &PastArm) -> ShownArm {
    let style = TimeStyle::after_fault(None);
    let silence = (arm.status == Status::Skipped).then(|| {
        let reason = arm.reason.as_deref().unwrap_or("no trial counts");
        printable(reason)
    });
    let outage = Cell {
        main: style.median(&arm.outage_ms),
        note: style.interval(&arm.outage_ms),
        ..Cell::default()
    };
    let cells = match silence {
        Some(_) => Vec::new(),
        None => vec![
            sessions(&arm.sessions, arm.session_loss).into(),
            writes(&arm.writes, &arm.sessions, arm.write_loss).into(),
            outage.into(),
        ],
    };
    ShownArm {
        name: printable(&arm.name),
        silence,
        cells,
    }
}
