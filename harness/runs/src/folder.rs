//! The folder of a run: new or empty, so that nothing in it is lost, and closed to other users.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use comeback_host::inside::create_private;

/// Folders of one name that are tried.
const ENOUGH: u32 = 10_000;

/// A folder that a run cannot have.
#[derive(Debug)]
pub enum FolderError {
    /// There is something in it.
    NotEmpty(PathBuf),
    /// It cannot be made or read.
    Unusable(PathBuf, io::Error),
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEmpty(folder) => write!(
                f,
                "{} is not empty and is not overwritten: name a new folder",
                folder.display()
            ),
            Self::Unusable(folder, error) => {
                write!(f, "the folder {} cannot be used: {error}", folder.display())
            }
        }
    }
}

impl std::error::Error for FolderError {}

fn close_to_others(folder: &Path) -> io::Result<()> {
    let found = fs::metadata(folder)?;
    if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// Makes the folder that was asked for; it may be there, if it is empty.
///
/// # Errors
/// If it is not empty, or cannot be made or read.
pub fn claim(folder: &Path) -> Result<(), FolderError> {
    let unusable = |error| FolderError::Unusable(folder.to_owned(), error);
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(unusable)?;
    }
    match create_private(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unusable(error)),
        _ => {}
    }
    match fs::read_dir(folder).map_err(unusable)?.next() {
        // Only the owner may read the journal.
        None => close_to_others(folder).map_err(unusable),
        Some(_) => Err(FolderError::NotEmpty(folder.to_owned())),
    }
}

/// Makes the first folder below `parent` that is not there yet; `name` gives their names, from 1.
///
/// # Errors
/// If none can be made.
pub fn create_next(parent: &Path, name: impl Fn(u32) -> String) -> Result<PathBuf, FolderError> {
    fs::create_dir_all(parent).map_err(|error| FolderError::Unusable(parent.to_owned(), error))?;
    for number in 1..ENOUGH {
        let folder = parent.join(name(number));
        match create_private(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(FolderError::Unusable(folder, error)),
        }
    }
    Err(FolderError::NotEmpty(parent.join(name(ENOUGH))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_name_are_numbered_and_none_is_taken_twice() {
        let root = tempfile::tempdir().expect("a folder");
        let parent = root.path().join("runs");
        let next = || create_next(&parent, |number| format!("shop-{number}")).expect("it is made");
        assert_eq!(next(), parent.join("shop-1"));
        assert_eq!(next(), parent.join("shop-2"));
        fs::remove_dir(parent.join("shop-1")).expect("it is empty");
        assert_eq!(next(), parent.join("shop-1"));
    }

    #[test]
    fn what_is_in_a_folder_is_not_put_at_risk() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("a/b");
        claim(&folder).expect("it is made");
        claim(&folder).expect("it is empty");
        fs::write(folder.join("precious"), "").expect("it is written");
        let error = claim(&folder).expect_err("it is not empty").to_string();
        assert!(error.contains("is not empty"), "{error}");
        let error = claim(&folder.join("precious")).expect_err("it is a file");
        assert!(matches!(error, FolderError::Unusable(_, _)), "{error}");
    }
}
