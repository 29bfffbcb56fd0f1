//! The files of a run's folder, read and written without following a link out of it.
//!
//! A process that can write into a run's folder, such as the server under test, could put a link there that leads anywhere.
//! The folder itself may be named by a link, such as `latest`. Links inside it are not followed.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, open, openat, statat};
use rustix::io::Errno;

/// Opens a file for reading.
///
/// # Errors
/// If it, or a folder on the way to it, is a link, or it cannot be opened.
pub fn open_in(folder: &Path, name: impl AsRef<Path>) -> io::Result<File> {
    let (above, last) = enter(folder, name.as_ref(), false)?;
    // Opening a pipe would wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(&above, last, flags, Mode::empty());
    Ok(opened.map_err(|error| told(&above, last, error))?.into())
}

/// Reads a file that is text.
///
/// # Errors
/// As [`open_in`], or when it cannot be read.
pub fn read_in(folder: &Path, name: impl AsRef<Path>) -> io::Result<String> {
    let mut text = String::new();
    open_in(folder, name)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file, replacing an existing one, and creates missing folders above it.
///
/// # Errors
/// If it, or a folder on the way to it, is a link, or it cannot be written.
pub fn write_in(folder: &Path, name: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    let (above, last) = enter(folder, name.as_ref(), true)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    let flags = flags | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(&above, last, flags, Mode::from_raw_mode(0o666));
    let mut file = File::from(opened.map_err(|error| told(&above, last, error))?);
    file.write_all(bytes)
}

/// Makes a folder that only its owner can enter.
///
/// # Errors
/// If it is there, or cannot be made.
pub fn create_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)
}

/// The folder that a file is in, and the file's name there.
fn enter<'a>(folder: &Path, name: &'a Path, shall_make: bool) -> io::Result<(OwnedFd, &'a OsStr)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    if shall_make {
        std::fs::create_dir_all(folder)?;
    }
    let mut above = open(folder, flags, Mode::empty())?;
    let last = name.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    for part in name.parent().into_iter().flat_map(Path::iter) {
        if shall_make {
            match mkdirat(&above, part, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        above = openat(&above, part, flags | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|error| told(&above, part, error))?;
    }
    Ok((above, last))
}

/// The error, or that it is a link which is in the way.
fn told(above: &OwnedFd, name: &OsStr, error: Errno) -> io::Error {
    let found = statat(above, name, AtFlags::SYMLINK_NOFOLLOW);
    if found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink) {
        return is_link(name);
    }
    error.into()
}

/// Says that something in a run's folder is a link.
pub fn is_link(name: &OsStr) -> io::Error {
    io::Error::other(format!(
        "'{}' is a link, and the files of a run must be inside its folder: replace the link by the file that it \
         leads to",
        name.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_written_in_the_place_of_another_and_read() {
        let root = tempfile::tempdir().expect("a folder");
        write_in(root.path(), "charts/deep/a.svg", b"long").expect("it is written");
        write_in(root.path(), "charts/deep/a.svg", b"one").expect("it is written");
        assert_eq!(
            read_in(root.path(), "charts/deep/a.svg").expect("it is read"),
            "one"
        );
        let error = read_in(root.path(), "absent").expect_err("it is not there");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn no_link_is_followed_but_the_one_that_names_the_folder() {
        let root = tempfile::tempdir().expect("a folder");
        let (run, outside) = (root.path().join("run"), root.path().join("outside"));
        fs::create_dir(&run).expect("it is made");
        fs::create_dir(&outside).expect("it is made");
        fs::write(outside.join("victim"), "gold").expect("it is written");
        symlink(outside.join("victim"), run.join("file")).expect("it is made");
        symlink(outside.join("absent"), run.join("dangling")).expect("it is made");
        symlink(&outside, run.join("charts")).expect("it is made");
        for name in ["file", "dangling", "charts/victim"] {
            let error = write_in(&run, name, b"").expect_err(name);
            assert!(error.to_string().contains("is a link"), "{name}: {error}");
            let error = read_in(&run, name).expect_err(name);
            assert!(error.to_string().contains("is a link"), "{name}: {error}");
        }
        let left = fs::read_to_string(outside.join("victim"));
        assert_eq!(left.expect("it is there"), "gold");
        assert!(!outside.join("absent").exists());
        symlink(&run, root.path().join("latest")).expect("it is made");
        write_in(&root.path().join("latest"), "a", b"b").expect("it is written");
        assert_eq!(read_in(&run, "a").expect("it is read"), "b");
    }
}
