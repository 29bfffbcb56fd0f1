//! The folders that commands write their results into: new ones, or those that are named.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use comeback_runs::folder::{self, FolderError};

use super::CliError;

/// Where runs go when no folder is named.
pub(super) const RUNS: &str = "comeback-runs";

/// The folder of a run, which is taken before anything is started. Where the run ends before its first trial, what was not there is not
/// there afterwards.
pub(super) struct Claimed {
    folder: PathBuf,
    /// What was made for it, the innermost first.
    made: Vec<PathBuf>,
}

impl Claimed {
    /// A folder of this name and time, or the one that is wanted.
    pub(super) fn new(name: &str, wanted: Option<&Path>) -> Result<Self, CliError> {
        let parents = wanted.unwrap_or(Path::new(RUNS)).ancestors();
        let new = parents.take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        let mut made: Vec<PathBuf> = new.map(Path::to_owned).collect();
        let folder = new_folder(name, &jiff::ZonedDateTime::now(), wanted)?;
        if wanted.is_none() {
            made.insert(0, folder.clone());
        }
        Ok(Self { folder, made })
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    /// For a run that begins.
    pub(super) fn keep(mut self) -> PathBuf {
        self.made.clear();
        std::mem::take(&mut self.folder)
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        for folder in &self.made {
            // What somebody put there meanwhile stays, and so does what is around it.
            let _ = fs::remove_dir(folder);
        }
    }
}

fn claim(folder: &Path) -> Result<(), CliError> {
    folder::claim(folder).map_err(|error| match error {
        FolderError::NotEmpty(_) => CliError::Usage(format!("--out: {error}")),
        error => unusable(&error),
    })
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
pub(super) fn point_latest_at(name: &OsStr) -> io::Result<()> {
    let fresh = Path::new(RUNS).join(format!(".latest-{}", std::process::id()));
    std::os::unix::fs::symlink(name, &fresh)?;
    fs::rename(&fresh, Path::new(RUNS).join("latest"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_folder_of_a_run_that_does_not_begin_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let (new, there) = (root.path().join("a/b"), root.path().join("there"));
        fs::create_dir(&there).unwrap();
        for wanted in [&new, &there] {
            let claimed = Claimed::new("run", Some(wanted)).unwrap();
            assert_eq!(claimed.folder, *wanted);
            assert!(wanted.is_dir());
        }
        assert!(there.is_dir() && !root.path().join("a").exists());
        // One that begins keeps it, and so does one that was written to.
        assert_eq!(Claimed::new("run", Some(&new)).unwrap().keep(), new);
        assert!(new.is_dir());
        let claimed = Claimed::new("run", Some(&there)).unwrap();
        fs::write(there.join("events.jsonl"), "").unwrap();
        drop(claimed);
        assert!(there.join("events.jsonl").is_file());
        assert!(Claimed::new("run", Some(&there)).is_err());
    }
}
