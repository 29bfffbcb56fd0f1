//! Errors of the engine: failures of the harness and its surroundings, never of the target.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use comeback_host::undo::Undo;
use comeback_model::plan::fault::Invalid;

use crate::load::LoadError;
use crate::record::RecordError;
use crate::supervise::disk::NoDisk;

/// The harness could not go on.
#[derive(Debug)]
pub enum EngineError {
    /// A folder could not be made or removed.
    Folder {
        /// `create`, `remove` or `clear`.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// No free port was found.
    Port(io::Error),
    /// The plan's fault is of a kind that this program does not have.
    Fault(Invalid),
    /// The load generator failed.
    Load(LoadError),
    /// A process could not be watched or signalled.
    Process(io::Error),
    /// A disk that forgets could not be laid below a node's data.
    Disk(NoDisk),
    /// What a fault did to this machine could not be undone.
    NotUndone {
        /// The command that failed.
        undo: Undo,
        /// How.
        cause: io::Error,
    },
    /// The recovery probe got no timer, descriptor or local port.
    Probe(io::Error),
    /// The journal is not written any more; its own error tells why.
    Journal,
    /// The journal could not be written.
    Record(RecordError),
    /// The run could not be judged on its way.
    Judge(Box<dyn std::error::Error + Send + Sync>),
    /// The warden could not be started, or does not end.
    Warden(io::Error),
    /// Something that every run needs is missing: `/proc`, random numbers, a runtime, the signals.
    Setup(io::Error),
}

impl EngineError {
    /// What was to be done with this folder could not be.
    pub fn folder(operation: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Folder {
            operation,
            path: path.to_owned(),
            cause,
        }
    }
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
            Self::Fault(Invalid { problem, .. }) => {
                write!(f, "the plan's fault cannot be injected: {problem}")
            }
            Self::Load(_) => f.write_str("the load generator failed"),
            Self::Process(_) => f.write_str("failed to watch or signal a process of the target"),
            Self::Disk(_) => f.write_str("failed to lay a disk that forgets below a data folder"),
            Self::NotUndone { undo, .. } => write!(
                f,
                "what a fault did to this machine could not be undone: do it by hand with `{undo}`, or try \
                 `comeback cleanup --yes` again later"
            ),
            Self::Probe(_) => f.write_str("the recovery probe failed"),
            Self::Journal => f.write_str("the journal can no longer be written"),
            // The message names the file.
            Self::Record(error) => write!(f, "{error}"),
            Self::Judge(_) => f.write_str("the trials so far could not be judged"),
            Self::Warden(_) => {
                f.write_str("the warden, which cleans up after a killed run, failed")
            }
            Self::Setup(_) => f.write_str("the run could not be set up"),
        }
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Folder { cause, .. } => Some(cause),
            Self::Port(cause)
            | Self::Process(cause)
            | Self::NotUndone { cause, .. }
            | Self::Probe(cause)
            | Self::Warden(cause)
            | Self::Setup(cause) => Some(cause),
            Self::Record(error) => error.source(),
            Self::Judge(cause) => Some(cause.as_ref()),
            Self::Load(cause) => Some(cause),
            Self::Disk(cause) => Some(cause),
            Self::Journal | Self::Fault(_) => None,
        }
    }
}

impl From<RecordError> for EngineError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<LoadError> for EngineError {
    fn from(cause: LoadError) -> Self {
        Self::Load(cause)
    }
}
