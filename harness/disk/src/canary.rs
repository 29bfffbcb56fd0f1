//! The canaries: two files, written through the mounted file system as a server writes its own. One is synced and must be
//! there after a cut of the power; the other is not, and must be gone. No listing shows them, as some servers ask for an empty
//! folder.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How their names begin.
const NAME: &str = ".comeback-canary-";
/// What they hold.
const SONG: &[u8] = b"the canary sings\n";

/// The canaries of a disk.
#[derive(Debug)]
pub(crate) struct Canaries {
    mount: PathBuf,
    /// The mounted file system.
    device: u64,
    cuts: u32,
}

/// Whether a name of the mounted folder is not listed.
pub(crate) fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(NAME.as_bytes())
}

impl Canaries {
    /// Writes the one that is synced, before anybody else writes: its sync makes nothing else durable.
    pub(crate) fn begin(mount: &Path) -> io::Result<Self> {
        let canaries = Self {
            mount: mount.to_owned(),
            device: fs::metadata(mount)?.dev(),
            cuts: 0,
        };
        let mut file = File::create_new(canaries.synced())?;
        file.write_all(SONG)?;
        file.sync_all()?;
        File::open(mount)?.sync_all()?;
        Ok(canaries)
    }

    fn synced(&self) -> PathBuf {
        self.mount.join(format!("{NAME}synced"))
    }

    fn unsynced(&self) -> PathBuf {
        self.mount.join(format!("{NAME}{}", self.cuts))
    }

    /// Writes the one that is not synced. Returns its length.
    pub(crate) fn write(&mut self) -> io::Result<u64> {
        self.cuts += 1;
        let path = self.unsynced();
        fs::write(&path, SONG)?;
        match fs::read(path)? == SONG {
            true => Ok(SONG.len() as u64),
            false => Err(io::Error::other("a file does not hold what was written")),
        }
    }

    /// Whether the file system is still mounted and answers, whatever it holds.
    pub(crate) fn check(&self) -> io::Result<()> {
        content(&self.synced())?;
        match fs::metadata(&self.mount)?.dev() == self.device {
            true => Ok(()),
            false => Err(io::Error::other("it is not mounted any more")),
        }
    }

    /// What is wrong after the power was cut, if anything is.
    pub(crate) fn look(&self) -> io::Result<Option<&'static str>> {
        if content(&self.unsynced())? == SONG {
            return Ok(Some("a file that was not synced is still there"));
        }
        if content(&self.synced())? != SONG {
            return Ok(Some("a file that was synced is gone"));
        }
        Ok(None)
    }
}

/// What a file holds; nothing where it is gone.
fn content(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}
