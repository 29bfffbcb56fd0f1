//! Unix sockets at paths of any length.
//!
//! The kernel takes 107 bytes of a socket's path (`unix(7)`); folders of results can be deeper. An open folder has a short
//! name in `/proc/self/fd`.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The folder and the name of a socket.
///
/// # Errors
/// If the path has no file name.
pub(super) fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"))?;
    Ok((folder, name))
}

/// Calls `act` with a short path to the same socket. The path is good while `act` runs.
///
/// # Errors
/// If the folder cannot be opened, or `act` fails.
pub(super) fn with_short_path<T>(
    path: &Path,
    act: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let (folder, name) = split(path)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty())?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    act(&short.join(name))
}
