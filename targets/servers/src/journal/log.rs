//! The log file: opened and repaired, appended to, compacted. Each step is safe against a crash right after it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use crate::error::ServeError;
use crate::folder::{Folder, create_private};
use crate::writer::BATCH_MAX;

use super::frame::{Entry, write_frame};
use super::state::{Damage, MAGIC, State, replay};

const FILE: &str = "sessions.log";
const FILE_NEW: &str = "sessions.log.new";

/// A log below this length replays in a few milliseconds and is left alone.
const COMPACT_ABOVE_BYTES: u64 = 1 << 20;

/// A compaction rewrites the state once for at least three times as much history.
const COMPACT_ABOVE_RATIO: u64 = 4;

/// The open log of a data folder.
pub(super) struct Log {
    folder: Folder,
    path: PathBuf,
    file: File,
    bytes: u64,
}

/// The points of a compaction after which a crash may come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum CompactionPoint {
    Created,
    Written,
    Synced,
    Renamed,
    Done,
}

impl Log {
    /// Replays the log, or begins one.
    pub(super) fn open(folder: Folder) -> Result<(Self, State), ServeError> {
        let path = folder.file(FILE);
        remove_leftover(&folder)?;
        if !path.exists() {
            folder
                .replace(FILE, MAGIC)
                .map_err(ServeError::file("create", &path))?;
        }
        let content = fs::read(&path).map_err(ServeError::file("read", &path))?;
        let replayed =
            replay(&content).map_err(|Damage { offset, reason }| ServeError::Corrupt {
                path: path.clone(),
                offset: offset as u64,
                reason: reason.to_owned(),
            })?;
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(ServeError::file("open", &path))?;
        let mut log = Self {
            folder,
            path,
            file,
            bytes: replayed.sound_bytes as u64,
        };
        log.repair(content.len() as u64)?;
        if log.is_mostly_history(&replayed.state) {
            log.compact(&replayed.state)
                .map_err(ServeError::file("compact", &log.path))?;
        }
        Ok((log, replayed.state))
    }

    /// Cuts a torn tail off, and makes durable what was read: a killed process may have left it in the page cache.
    fn repair(&self, found_bytes: u64) -> Result<(), ServeError> {
        if found_bytes > self.bytes {
            self.file
                .set_len(self.bytes)
                .map_err(ServeError::file("cut the torn end off", &self.path))?;
        }
        self.file
            .sync_all()
            .map_err(ServeError::file("sync", &self.path))?;
        self.folder
            .sync()
            .map_err(ServeError::file("sync the folder of", &self.path))
    }

    /// Writes one commit and syncs it. After an error the file's end is unknown: do not append again.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut frame = Vec::new();
        write_frame(&mut frame, entries);
        self.file.write_all(&frame)?;
        self.file.sync_data()?;
        self.bytes += frame.len() as u64;
        Ok(())
    }

    /// Whether a compaction is worth its cost.
    pub(super) fn is_mostly_history(&self, state: &State) -> bool {
        self.bytes > COMPACT_ABOVE_BYTES.max(COMPACT_ABOVE_RATIO * state.snapshot_bytes())
    }

    /// Replaces the log by a snapshot of the state, which must be what the log comes to.
    pub(super) fn compact(&mut self, state: &State) -> io::Result<()> {
        self.compact_in_steps(state, |_| ())
    }

    /// Until the rename is durable, old and new file say the same; nothing is appended before.
    pub(super) fn compact_in_steps(
        &mut self,
        state: &State,
        mut reached: impl FnMut(CompactionPoint),
    ) -> io::Result<()> {
        let new_path = self.folder.file(FILE_NEW);
        let mut file = create_private(&new_path)?;
        reached(CompactionPoint::Created);
        let snapshot = snapshot(state);
        file.write_all(&snapshot)?;
        reached(CompactionPoint::Written);
        file.sync_all()?;
        reached(CompactionPoint::Synced);
        fs::rename(&new_path, &self.path)?;
        reached(CompactionPoint::Renamed);
        self.folder.sync()?;
        reached(CompactionPoint::Done);
        self.file = file;
        self.bytes = snapshot.len() as u64;
        Ok(())
    }
}

/// A log that holds the state and no history.
pub(super) fn snapshot(state: &State) -> Vec<u8> {
    let entries: Vec<Entry> = state.entries().collect();
    let mut bytes = MAGIC.to_vec();
    entries
        .chunks(BATCH_MAX)
        .for_each(|chunk| write_frame(&mut bytes, chunk));
    bytes
}

/// A snapshot that was not renamed is of no use: the log it was made from is still there.
fn remove_leftover(folder: &Folder) -> Result<(), ServeError> {
    let path = folder.file(FILE_NEW);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ServeError::file("remove", &path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
impl Log {
    /// A log whose every write fails for want of space.
    pub(super) fn on_full_disk(folder: Folder) -> Self {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        Self {
            folder,
            path,
            file,
            bytes: 0,
        }
    }
}
