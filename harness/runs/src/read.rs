//! A run's journal, read back from its folder.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use comeback_engine::record::{EVENTS, OPERATIONS};
use comeback_host::inside;
use comeback_model::journal;

/// Reads a run back from its folder.
///
/// # Errors
/// If a file is missing or cannot be understood; the message names the file.
pub fn read(folder: &Path) -> Result<journal::Journal, ReadError> {
    let open = |name: &str| match inside::open_in(folder, name) {
        Ok(file) => Ok(io::BufReader::new(file)),
        Err(cause) => Err(ReadError {
            path: folder.join(name),
            cause: Box::new(cause),
        }),
    };
    let (events, operations) = (open(EVENTS)?, open(OPERATIONS)?);
    journal::read(events, operations).map_err(|cause| ReadError {
        path: folder.to_owned(),
        cause: Box::new(cause),
    })
}

/// Reads a run whose folder is within that of another.
///
/// # Errors
/// As [`read`], or when the folder is a link.
pub fn read_below(folder: &Path) -> Result<journal::Journal, ReadError> {
    if folder.is_symlink() {
        return Err(ReadError {
            path: folder.to_owned(),
            cause: Box::new(inside::is_link(folder.file_name().unwrap_or_default())),
        });
    }
    read(folder)
}

/// A run folder that cannot be read.
#[derive(Debug)]
pub struct ReadError {
    path: PathBuf,
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to read {}", self.path.display())
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.cause.as_ref())
    }
}
