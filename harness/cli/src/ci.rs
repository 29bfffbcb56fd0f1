//! Output for CI systems: the JUnit document, GitHub's summary and annotations. `reports` makes the texts; this file handles
//! paths and environment variables. Called by `report`, the end of every run.

mod evidence;
mod next;
mod repeat;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use comeback_experiment::{File, read_text};
use comeback_faults::Faults;
use comeback_reports::github::Pointer;
use comeback_reports::{Notes, github, junit, junit_unfinished};

use super::options::Told;
use super::{CliError, print, warn};
use comeback_runs::finish::{FinishError, Judged, write_artifact};

pub(super) use next::next_commands;
pub(super) use repeat::{
    note_command, note_command_line, note_file, quote, read_command, with_shard,
};

/// The JUnit document, in the run's folder.
pub(super) const JUNIT: &str = "junit.xml";

/// Fails when `--junit` could not be written later. Leaves no file, only the folders above it.
pub(super) fn check_junit(told: &Told) -> Result<(), CliError> {
    let Some(path) = &told.junit else {
        return Ok(());
    };
    try_to_write(path).map_err(|error| {
        CliError::Usage(format!(
            "--junit: {} cannot be written: {error}. Name a file in a folder that you can write to",
            path.display()
        ))
    })
}

fn try_to_write(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).open(path).map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Writes an error where `--junit` points, to be replaced when the run has its verdict. A harness that is
/// killed must leave neither nothing nor the last run's pass.
pub(super) fn announce_junit(told: &Told, name: &str) -> Result<(), CliError> {
    match &told.junit {
        Some(path) => write_where_asked(path, &junit_unfinished(name)?),
        None => Ok(()),
    }
}

/// Writes a file that somebody named: wherever that leads.
fn write_where_asked(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    fs::write(path, bytes).map_err(|cause| {
        let path = path.to_owned();
        FinishError::Write { path, cause }.into()
    })
}

/// Writes and prints what CI systems read of a judged run. `file` is what annotations point to.
pub(super) fn tell(
    judged: &Judged,
    folder: &Path,
    told: &Told,
    file: Option<&str>,
) -> Result<(), CliError> {
    // In the artifact lies the folder itself, not the way to it on the runner.
    let artifact = variable("COMEBACK_ARTIFACT").map(|name| name.to_string_lossy().into_owned());
    let shown = match (&artifact, folder.file_name()) {
        (Some(_), Some(name)) => Path::new(name),
        _ => folder,
    };
    let notes = Notes {
        command: read_command(folder),
        report: shown.join("report.html").display().to_string(),
        artifact,
        tails: evidence::tails(folder, &judged.analysis)?,
    };
    let document = junit(&judged.analysis, &judged.verdict, &judged.summary, &notes)?;
    write_artifact(folder, JUNIT, &document)?;
    if let Some(path) = &told.junit {
        write_where_asked(path, &document)?;
    }
    if let Some(path) = variable("GITHUB_STEP_SUMMARY").map(PathBuf::from) {
        let markdown =
            github::step_summary(&judged.analysis, &judged.verdict, &judged.summary, &notes);
        if let Err(error) = append(&path, &markdown) {
            // The results matter more than this copy of them.
            warn(&format!(
                "GITHUB_STEP_SUMMARY: {} cannot be written: {error}",
                path.display()
            ));
        }
    }
    if is_on_github() {
        let next = next_commands(shown, &judged.analysis.header, notes.command.as_deref());
        let at = Pointer {
            file: file.map(str::to_owned),
            places: file.map(gate_places).unwrap_or_default(),
            next: next.into_iter().map(|next| next.command).collect(),
        };
        for line in github::annotations(&judged.analysis, &judged.verdict, &judged.summary, &at) {
            // GitHub reads both; with --json, stdout belongs to the document.
            if told.json {
                super::print_aside_as_it_is(&line);
            } else {
                print(&line);
            }
        }
    }
    Ok(())
}

/// Where the gates of the experiment's file stand. None if it cannot be read again: what it is read from may be a pipe.
fn gate_places(file: &str) -> BTreeMap<String, (usize, usize)> {
    let path = Path::new(file);
    let text = path
        .is_file()
        .then(|| fs::File::open(path).and_then(read_text));
    let Some(Ok(text)) = text else {
        return BTreeMap::new();
    };
    let file = File::parse(path, text, &Faults);
    file.map(|file| file.gate_places()).unwrap_or_default()
}

/// Annotates a job whose run has no verdict. Problems of its file are annotated at their lines.
pub(super) fn tell_trouble(error: &CliError) {
    if !is_on_github() {
        return;
    }
    if let CliError::Experiment(unreadable) = error {
        let file = unreadable.path().display().to_string();
        for wrong in unreadable.problems() {
            let place = (wrong.line, wrong.column);
            super::print_aside_as_it_is(&github::trouble_at(&file, place, &wrong.told()));
        }
    } else {
        super::print_aside_as_it_is(&github::trouble(&error.to_string()));
    }
}

fn is_on_github() -> bool {
    variable("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())
}
