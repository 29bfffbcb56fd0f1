//! The data folder: made durably, locked against a second process, and files in it replaced whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::ServeError;

/// A program that another thread of its last owner began to start just then has the lock, too, until it is executed: so long it
/// should not be in real use.
const BORROWED: Duration = Duration::from_millis(500);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(2);

/// Creates the folder where it is missing, so that it survives a power loss: each new folder is synced into its parent.
pub(crate) fn create(path: &Path) -> Result<(), ServeError> {
    let made = || -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|folder| is_named(folder) && !folder.is_dir())
            .collect();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => File::open(parent(folder))?.sync_all()?,
            }
        }
        Ok(())
    };
    made().map_err(ServeError::file("create the data folder", path))
}

fn is_named(folder: &Path) -> bool {
    folder != Path::new("")
}

fn parent(folder: &Path) -> &Path {
    folder
        .parent()
        .filter(|parent| is_named(parent))
        .unwrap_or(Path::new("."))
}

/// An open data folder.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    handle: File,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, ServeError> {
        let handle = File::open(path).map_err(ServeError::file("open the data folder", path))?;
        Ok(Self {
            path: path.to_owned(),
            handle,
        })
    }

    /// Opens the folder for this process alone, until the value is dropped or the process ends, however it ends.
    pub(crate) fn open_locked(path: &Path) -> Result<Self, ServeError> {
        let folder = Self::open(path)?;
        let begun = Instant::now();
        loop {
            match folder.handle.try_lock() {
                Ok(()) => return Ok(folder),
                Err(TryLockError::WouldBlock) if begun.elapsed() < BORROWED => {
                    thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    let path = path.to_owned();
                    return Err(ServeError::InUse { path });
                }
                Err(TryLockError::Error(source)) => {
                    return Err(ServeError::file("lock the data folder", path)(source));
                }
            }
        }
    }

    /// Waits until no other process holds the folder.
    pub(crate) fn open_in_turn(path: &Path) -> Result<Self, ServeError> {
        let folder = Self::open(path)?;
        folder
            .handle
            .lock()
            .map_err(ServeError::file("lock the data folder", path))?;
        Ok(folder)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes created, renamed and removed names durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    /// Replaces a file whole: after a crash at any point there is the old content or the new one.
    pub(crate) fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = self.file(&format!("{name}.new"));
        let mut file = create_private(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, self.file(name))?;
        self.sync()
    }
}

/// Creates or empties a file that only its owner may read: it holds keys and session ids.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_with_its_parents() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/c");
        create(&path).unwrap();
        create(&path).unwrap();
        assert!(path.is_dir());
    }

    #[test]
    fn a_second_process_is_kept_out_and_let_in_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let first = Folder::open_locked(root.path()).unwrap();
        assert!(matches!(
            Folder::open_locked(root.path()),
            Err(ServeError::InUse { .. })
        ));
        drop(first);
        Folder::open_locked(root.path()).unwrap();
    }

    #[test]
    fn a_lock_that_a_child_has_until_it_is_executed_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let first = Folder::open_locked(root.path()).unwrap();
        // The same lock, as a child has it.
        let copy = first.handle.try_clone().unwrap();
        drop(first);
        let child = thread::spawn(move || {
            thread::sleep(BORROWED / 10);
            drop(copy);
        });
        Folder::open_locked(root.path()).unwrap();
        child.join().unwrap();
    }

    #[test]
    fn a_replaced_file_is_private_and_leaves_nothing_behind() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        folder.replace("state", b"one").unwrap();
        folder.replace("state", b"two").unwrap();
        assert_eq!(fs::read(folder.file("state")).unwrap(), b"two");
        assert_eq!(
            fs::metadata(folder.file("state"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
