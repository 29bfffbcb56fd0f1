//! Where runs from within a test go, and how they take turns.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;
use comeback_engine::interrupt::Interrupt;

/// A file that Cargo puts into every target directory.
const MARK_OF_CARGO: &str = "CACHEDIR.TAG";
/// The pause between two attempts to take the turn.
const PAUSE: Duration = Duration::from_millis(20);

/// The default place of runs: `comeback` in Cargo's target directory, if this process's program is in one; else in the
/// system's temporary folder.
pub(super) fn root() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let mut above = own.ancestors().skip(1);
    match above.find(|folder| folder.join(MARK_OF_CARGO).is_file()) {
        Some(target) => target.join("comeback"),
        // Where several users share it.
        None => std::env::temp_dir().join(format!("comeback-{}", nix::unistd::getuid())),
    }
}

/// A run's turn. The kernel releases it when the process ends, however it ends.
pub(super) struct Turn {
    _locked: File,
}

impl Turn {
    /// Waits until no other run has the turn, in this process or another. `None` if the wait was given up.
    pub(super) fn wait(root: &Path, interrupt: &Interrupt) -> Result<Option<Self>, Error> {
        let path = root.join(".turn");
        let fail = |cause: io::Error| {
            let what = format!(
                "failed to wait for other runs at {}: {cause}",
                path.display()
            );
            Error::harness(what)
        };
        fs::create_dir_all(root).map_err(fail)?;
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .append(true)
            .open(&path)
            .map_err(fail)?;
        while !interrupt.is_raised() {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _locked: file })),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(cause)) => return Err(fail(cause)),
            }
        }
        Ok(None)
    }
}
