//! The folder for the files of a run's servers. It is removed with the run, and no other folder is.
//!
//! A marker file identifies it. The run writes it when it creates the folder, and removes it last. So a folder that is named by
//! mistake is not touched. Nothing is removed through a link, or from another file system.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file that says whose folder it is: the run's tag, in a line.
const MARK: &str = ".comeback-scratch";

/// Makes the folder, for this user alone, and marks it as that of a run. It must not be there yet.
///
/// # Errors
/// If it is there, or cannot be made.
pub fn create(folder: &Path, run: &str) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)?;
    let mut mark = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.join(MARK))?;
    writeln!(mark, "{run}")
}

/// Whether this run made this folder: a folder, no link, of this user, with the run's mark in it.
pub(super) fn is_of(folder: &Path, run: &str) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let is_own = |path: &Path, is_kind: fn(&fs::Metadata) -> bool| {
        fs::symlink_metadata(path).is_ok_and(|found| is_kind(&found) && found.uid() == own)
    };
    let mark = folder.join(MARK);
    is_own(folder, fs::Metadata::is_dir)
        && is_own(&mark, fs::Metadata::is_file)
        && fs::read_to_string(&mark).is_ok_and(|text| text.trim_end() == run)
}

/// The folder of the run around a path in its scratch folder.
pub fn run_around(path: &Path) -> Option<&Path> {
    let own = rustix::process::geteuid().as_raw();
    let is_marked = |folder: &&Path| {
        fs::symlink_metadata(folder.join(MARK))
            .is_ok_and(|found| found.is_file() && found.uid() == own)
    };
    path.ancestors().find(is_marked)?.parent()
}

/// Removes the folder of a run, its mark last.
///
/// # Errors
/// If it is not the run's, or something in it cannot be removed.
pub(super) fn remove(folder: &Path, run: &str) -> Result<(), Stuck> {
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        _ if !is_of(folder, run) => return Err(Stuck::foreign(folder)),
        _ => {}
    }
    let failed = |error| Stuck::at(folder, &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name() != MARK {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_file(folder.join(MARK)).map_err(failed)?;
    fs::remove_dir(folder).map_err(failed)
}

/// Removes what a server wrote; it may be gone already, or be no folder any more. Where a file system is mounted in
/// it, nothing is removed.
///
/// # Errors
/// If something cannot be removed: which, and what to do about it.
pub fn remove_tree(path: &Path) -> Result<(), Stuck> {
    if let Some(point) = mounted_in(path) {
        return Err(Stuck {
            path: point,
            why: "is a mounted file system".to_owned(),
            mend: "umount",
        });
    }
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Stuck::at(&stubborn_in(path), &error)),
        Ok(()) => Ok(()),
    }
}

/// Something that cannot be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    path: PathBuf,
    why: String,
    mend: &'static str,
}

impl Stuck {
    fn foreign(folder: &Path) -> Self {
        Self {
            path: folder.to_owned(),
            why: "carries no mark of this run, and is left alone".to_owned(),
            mend: "",
        }
    }

    fn at(path: &Path, error: &io::Error) -> Self {
        Self {
            path: path.to_owned(),
            why: format!("cannot be removed ({error})"),
            mend: match error.kind() {
                // Root may remove anything but what carries the flag.
                io::ErrorKind::PermissionDenied if rustix::process::geteuid().is_root() => {
                    "chattr -i"
                }
                io::ErrorKind::PermissionDenied => "sudo rm -rf",
                _ => "rm -rf",
            },
        }
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "{path} {}", self.why)?;
        match self.mend {
            "" => Ok(()),
            mend => write!(f, ": run `{mend} '{path}'`, then `comeback cleanup --yes`"),
        }
    }
}

impl std::error::Error for Stuck {}

/// A point where a file system is mounted, at this path or below it.
fn mounted_in(path: &Path) -> Option<PathBuf> {
    // As the kernel names it: without links.
    let above = path
        .parent()
        .and_then(|above| fs::canonicalize(above).ok())?;
    let path = above.join(path.file_name()?);
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let points = points.map(|point| PathBuf::from(unescape(point)));
    points.into_iter().find(|point| point.starts_with(&path))
}

/// A path as `/proc` writes it: blanks and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (code, plain)| {
        text.replace(code, plain)
    })
}

/// The obstacle to removing a folder: the first entry in it that is not a folder, or an empty folder.
fn stubborn_in(path: &Path) -> PathBuf {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    match entries.first() {
        None => path.to_owned(),
        Some(entry) if entry.file_type().is_ok_and(|kind| kind.is_dir()) => {
            stubborn_in(&entry.path())
        }
        Some(entry) => entry.path(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_with_the_mark_of_the_run_is_removed() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("data");
        create(&folder, "1-2-00000003").expect("it is made");
        fs::create_dir(folder.join("trial-000")).expect("it is made");
        assert!(remove(&folder, "1-2-00000004").is_err());
        assert!(folder.join("trial-000").exists());
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).expect("it is made");
        assert!(remove(&link, "1-2-00000003").is_err());
        remove(&folder, "1-2-00000003").expect("it is the run's");
        assert!(!folder.exists());
        remove(&folder, "1-2-00000003").expect("it is gone");
        let other = root.path().join("precious");
        fs::create_dir(&other).expect("it is made");
        let error = remove(&other, "1-2-00000003").expect_err("it has no mark");
        assert!(error.to_string().contains("left alone"), "{error}");
        assert!(other.exists());
    }

    #[test]
    fn what_a_link_points_to_stays() {
        let root = tempfile::tempdir().expect("a folder");
        let precious = root.path().join("precious");
        fs::write(&precious, "gold").expect("it is written");
        let data = root.path().join("data");
        fs::create_dir(&data).expect("it is made");
        std::os::unix::fs::symlink(&precious, data.join("link")).expect("it is made");
        std::os::unix::fs::symlink(root.path(), data.join("folder")).expect("it is made");
        remove_tree(&data).expect("links are removed");
        assert!(precious.exists() && !data.exists());
        remove_tree(&data).expect("it is gone");
        fs::write(&data, "").expect("it is written");
        remove_tree(&data).expect("a file is removed");
    }

    #[test]
    fn a_mount_is_seen_and_its_way_is_read_as_proc_writes_it() {
        assert_eq!(mounted_in(Path::new("/proc")), Some(PathBuf::from("/proc")));
        assert_eq!(unescape("/a\\040b\\134c"), "/a b\\c");
    }
}
