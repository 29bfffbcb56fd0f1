//! What can go wrong in the engine: the harness and its surroundings, never the target.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::load::LoadError;

/// The harness could not go on.
#[derive(Debug)]
pub enum EngineError {
    /// A folder could not be made or removed.
    Folder {
        /// `create` or `remove`.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// No free port was found.
    Port(io::Error),
    /// The load generator failed.
    Load(LoadError),
    /// A process could not be watched or signalled.
    Process(io::Error),
    /// The recovery probe got no timer, descriptor or local port.
    Probe(io::Error),
    /// The journal is not written any more; its own error tells why.
    Journal,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder {
                operation, path, ..
            } => {
                write!(f, "failed to {operation} the folder {}", path.display())
            }
            Self::Port(_) => f.write_str("failed to find a free port on 127.0.0.1"),
            Self::Load(_) => f.write_str("the load generator failed"),
            Self::Process(_) => f.write_str("failed to watch or signal a process of the target"),
            Self::Probe(_) => f.write_str("the recovery probe failed"),
            Self::Journal => f.write_str("the journal is not written any more"),
        }
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Folder { cause, .. } => Some(cause),
            Self::Port(cause) | Self::Process(cause) | Self::Probe(cause) => Some(cause),
            Self::Load(cause) => Some(cause),
            Self::Journal => None,
        }
    }
}

impl From<LoadError> for EngineError {
    fn from(cause: LoadError) -> Self {
        Self::Load(cause)
    }
}
