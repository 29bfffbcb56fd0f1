//! What a folder of runs holds: each run as its summary has it, and by name whatever is no run or has no figures.
//!
//! The journals are not read through, so that a list of a thousand runs is there at once: `comeback report RUN` does that.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use comeback_analysis::history::{Entry, History, State, Trouble};
use comeback_analysis::summary::{SCHEMA, Summary};
use comeback_engine::record::EVENTS;
use comeback_host::inside;
use comeback_model::journal::{self, Header, RunLabel};

/// The figures of a run, in its folder.
const SUMMARY: &str = "summary.json";

/// Whether a folder is that of a run, be it a broken one: it has a journal, or at least what was made of it.
pub fn is_run(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).symlink_metadata().is_ok();
    has(EVENTS) || has(SUMMARY)
}

/// The runs in a folder, in the order of their start; of a run's own folder it alone. `command` reads the command that repeats a run.
///
/// # Errors
/// If the folder cannot be read.
pub fn history_in(folder: &Path, command: impl Fn(&Path) -> Option<String>) -> io::Result<History> {
    if is_run(folder) {
        return Ok(history_of(&[folder.to_owned()], command));
    }
    let (mut runs, mut others) = (Vec::new(), Vec::new());
    for found in fs::read_dir(folder)? {
        let path = found?.path();
        // `latest` points to one of the others.
        if path.is_symlink() && leads_back(&path, folder) || !path.is_dir() {
            continue;
        }
        match is_run(&path) {
            true => runs.push(path),
            false => others.push(shown(&path)),
        }
    }
    others.sort();
    let mut history = history_of(&runs, command);
    history.others = others;
    Ok(history)
}

/// These runs, in the order of their start. A folder that is named twice counts once.
pub fn history_of(folders: &[PathBuf], command: impl Fn(&Path) -> Option<String>) -> History {
    let mut seen = BTreeSet::new();
    let mut sorted: Vec<&PathBuf> = folders.iter().collect();
    // Of a link and what it points to, the folder's own name is the one to tell.
    sorted.sort_by_key(|path| path.is_symlink());
    let first = |path: &&&PathBuf| {
        seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()))
    };
    let mut entries: Vec<Entry> = sorted
        .iter()
        .filter(first)
        .map(|path| entry(path, command(path)))
        .collect();
    // Those of one moment in the order of their names.
    entries.sort_by(|one, other| one.folder.cmp(&other.folder));
    History::of(entries, Vec::new())
}

/// Whether a link points to a folder beside it.
fn leads_back(link: &Path, folder: &Path) -> bool {
    let target = fs::canonicalize(link);
    let folder = fs::canonicalize(folder);
    matches!((target, folder), (Ok(target), Ok(folder)) if target.parent() == Some(&folder))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn entry(folder: &Path, command: Option<String>) -> Entry {
    let header = read_header(folder);
    let figures = figures(folder, &header);
    Entry {
        folder: shown(folder),
        command,
        header: header.ok().flatten().map(Box::new),
        figures: figures.map(Box::new),
    }
}

/// The begin of the journal; nothing where there is none.
fn read_header(folder: &Path) -> Result<Option<Header>, Trouble> {
    if folder.join(EVENTS).symlink_metadata().is_err() {
        return Ok(None);
    }
    let read = || {
        let file = inside::open_in(folder, EVENTS)?;
        journal::header(BufReader::new(file)).map_err(io::Error::other)
    };
    read().map(Some).map_err(|error| Trouble {
        state: State::Broken,
        problem: format!("{EVENTS} cannot be read: {error}"),
        next: None,
    })
}

fn figures(folder: &Path, header: &Result<Option<Header>, Trouble>) -> Result<Summary, Trouble> {
    let header = header.as_ref().map_err(Clone::clone)?;
    let trouble = |state, problem| Trouble {
        state,
        problem,
        next: (header.as_ref()).map(|_| format!("comeback report {}", folder.display())),
    };
    let broken = |problem| trouble(State::Broken, problem);
    if folder.join(SUMMARY).symlink_metadata().is_err() {
        let problem = "it was not judged: it is under way, or was ended";
        return Err(trouble(State::Unfinished, problem.to_owned()));
    }
    let text = inside::read_in(folder, SUMMARY)
        .map_err(|error| broken(format!("{SUMMARY} cannot be read: {error}")))?;
    let summary = Summary::from_json(&text)
        .map_err(|error| broken(format!("{SUMMARY} is no summary: {error}")))?;
    if summary.schema != SCHEMA {
        let (found, known) = (summary.schema, SCHEMA);
        let problem = format!("{SUMMARY} has version {found}, and this program reads {known}");
        return Err(broken(problem));
    }
    if let Some(header) = header {
        let (of_header, of_summary) = (RunLabel::from(header), label_of(&summary));
        if of_header != of_summary {
            return Err(broken(format!(
                "{SUMMARY} is that of another run ('{}' of {})",
                of_summary.name, of_summary.started
            )));
        }
    }
    Ok(summary)
}

fn label_of(summary: &Summary) -> RunLabel {
    RunLabel {
        name: summary.name.clone(),
        started: summary.started.clone(),
        seed: summary.seed,
    }
}
