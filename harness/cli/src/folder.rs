//! The folders that commands write their results into: new ones, or those that are named.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use comeback_runs::folder::{self, FolderError};

use super::CliError;

/// Where runs go when no folder is named.
pub(super) const RUNS: &str = "comeback-runs";

/// Sees that the chosen folder can be used, before anything is started. What was not there is not there afterwards.
pub(super) fn check_folder(folder: &Path) -> Result<(), CliError> {
    let new: Vec<&Path> = folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    claim(folder)?;
    for path in new {
        fs::remove_dir(path)?;
    }
    Ok(())
}

fn claim(folder: &Path) -> Result<(), CliError> {
    folder::claim(folder).map_err(|error| match error {
        FolderError::NotEmpty(_) => CliError::Usage(format!("--out: {error}")),
        error => unusable(&error),
    })
}

pub(super) fn create_folder(
    name: &str,
    started: &jiff::ZonedDateTime,
    wanted: Option<&Path>,
) -> Result<PathBuf, CliError> {
    let folder = new_folder(name, started, wanted)?;
    if wanted.is_none() {
        point_latest_at(folder.file_name().unwrap_or_default())?;
    }
    Ok(folder)
}

/// A folder of this name and time, or the one that is wanted.
pub(super) fn new_folder(
    name: &str,
    started: &jiff::ZonedDateTime,
    wanted: Option<&Path>,
) -> Result<PathBuf, CliError> {
    if let Some(folder) = wanted {
        return claim(folder).map(|()| folder.to_owned());
    }
    let base = format!("{name}-{}", started.strftime("%Y%m%d-%H%M%S"));
    // Two runs within a second get a number.
    let name = |number| match number {
        1 => base.clone(),
        _ => format!("{base}-{number}"),
    };
    folder::create_next(Path::new(RUNS), name).map_err(|error| unusable(&error))
}

fn unusable(error: &FolderError) -> CliError {
    CliError::Usage(error.to_string())
}

/// Replaces the link in one step, so that there always is one.
fn point_latest_at(name: &OsStr) -> io::Result<()> {
    let fresh = Path::new(RUNS).join(format!(".latest-{}", std::process::id()));
    std::os::unix::fs::symlink(name, &fresh)?;
    fs::rename(&fresh, Path::new(RUNS).join("latest"))
}
