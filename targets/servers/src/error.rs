//! Errors: [`ServeError`] ends a server, [`StoreError`] fails one request.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a server did not start, or did not end well.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// A file or folder could not be used.
    File {
        /// The attempt, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file was read, but what it holds makes no sense.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the first bad record begins, in bytes.
        offset: u64,
        /// The problem there.
        reason: String,
    },
    /// Another process holds the data folder.
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// SQLite refused.
    Database {
        /// The attempt, as a verb.
        action: &'static str,
        /// The cause.
        source: rusqlite::Error,
    },
    /// The port could not be had.
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The operating system refused something else.
    System {
        /// The attempt, as a verb with its object.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The last changes could not be stored while the server ended.
    Store(StoreError),
    /// The target keeps its state in another server, and was not told where that is.
    NoStore,
    /// The target fails on purpose.
    Planted(&'static str),
}

impl ServeError {
    /// Makes a `map_err` closure for an operation on a file.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Makes a `map_err` closure for a system call without a path.
    pub(crate) fn system<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System {
            action,
            source: source.into(),
        }
    }

    /// Makes a `map_err` closure for a statement.
    pub(crate) fn database(action: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { action, source }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { action, path, .. } => write!(f, "failed to {action} {}", path.display()),
            Self::Corrupt {
                path,
                offset,
                reason,
            } => {
                write!(
                    f,
                    "{} is corrupt at byte {offset}: {reason}",
                    path.display()
                )
            }
            Self::InUse { path } => {
                write!(f, "another process uses the data folder {}: end it, or use another folder", path.display())
            }
            Self::Database { action, .. } => write!(f, "failed to {action}"),
            Self::Bind { address, .. } => write!(f, "failed to bind {address}"),
            Self::System { action, .. } => write!(f, "failed to {action}"),
            Self::Store(_) => f.write_str("failed to store the last changes"),
            Self::NoStore => {
                f.write_str("this server keeps its sessions in a store: give its address (--store 127.0.0.1:6379)")
            }
            Self::Planted(reason) => f.write_str(reason),
        }
    }
}

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File { source, .. } | Self::Bind { source, .. } | Self::System { source, .. } => {
                Some(source)
            }
            Self::Database { source, .. } => Some(source),
            Self::Store(source) => Some(source),
            Self::Corrupt { .. } | Self::InUse { .. } | Self::NoStore | Self::Planted(_) => None,
        }
    }
}

/// Why a change was not stored, and is therefore not acknowledged.
///
/// One failed commit answers many requests, so the error is cheap to clone.
#[derive(Clone, Debug)]
pub struct StoreError {
    what: &'static str,
    cause: Option<Arc<dyn Error + Send + Sync>>,
    is_away: bool,
}

impl StoreError {
    pub(crate) fn new(what: &'static str) -> Self {
        Self {
            what,
            cause: None,
            is_away: false,
        }
    }

    /// Makes a `map_err` closure that keeps the cause.
    pub(crate) fn because<E: Error + Send + Sync + 'static>(
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |cause| Self {
            what,
            cause: Some(Arc::new(cause)),
            is_away: false,
        }
    }

    /// The same error, said of a store that is another server and cannot be used now: nobody knows what it holds.
    pub(crate) fn away(self) -> Self {
        Self {
            is_away: true,
            ..self
        }
    }

    /// Whether the store is another server that cannot be used now.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause
            .as_ref()
            .map(|cause| &**cause as &(dyn Error + 'static))
    }
}
