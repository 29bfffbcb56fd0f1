//! The end of every run: its stored records are read back, judged, and drawn.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use comeback_analysis::measure::Analysis;
use comeback_analysis::summary::{Summary, summarize};
use comeback_analysis::verdict::{self, Verdict};
use comeback_host::inside;
use comeback_reports::shown_from_close;

use crate::logs;
use crate::read::{ReadError, analyze_below};

/// A run, judged.
#[derive(Debug)]
pub struct Judged {
    /// Its figures.
    pub analysis: Analysis,
    /// Their meaning.
    pub verdict: Verdict,
    /// The document for other programs.
    pub summary: Summary,
}

/// Where a run keeps its baseline, within its own folder: its journal and operations, nothing else of it.
pub const KEPT: &str = "baseline";

/// The baseline that a run keeps, if it has one.
pub fn kept(run: &Path) -> Option<PathBuf> {
    let folder = run.join(KEPT);
    // A link to nowhere is not to be taken for nothing.
    (folder.is_dir() || folder.is_symlink()).then_some(folder)
}

/// Judges the run of a folder, by the baseline that the folder keeps.
///
/// # Errors
/// If that baseline cannot be read.
pub fn judge(analysis: &Analysis, folder: &Path) -> Result<Verdict, ReadError> {
    let stored = match kept(folder) {
        None => None,
        Some(folder) => Some(analyze_below(&folder)?),
    };
    let gates = &analysis.header.plan.gates;
    Ok(verdict::judge(analysis, gates, stored.as_ref()))
}

/// Judges, and writes every document and chart into the run's folder.
///
/// # Errors
/// If the baseline it keeps cannot be read, or something cannot be drawn or written.
pub fn judge_and_draw(analysis: Analysis, folder: &Path) -> Result<Judged, FinishError> {
    let verdict = judge(&analysis, folder).map_err(FinishError::Baseline)?;
    let summary = summarize(&analysis, &verdict);
    let logs = logs::for_report(folder, &analysis.header.plan, &shown_from_close(&analysis));
    let artifacts = comeback_reports::render(&analysis, &verdict, &summary, &logs)
        .map_err(|cause| FinishError::Draw(Box::new(cause)))?;
    for artifact in artifacts {
        write_artifact(folder, &artifact.path, &artifact.bytes)?;
    }
    Ok(Judged {
        analysis,
        verdict,
        summary,
    })
}

/// Writes a document into a run's folder, and the folders above it where they are missing.
///
/// # Errors
/// If it cannot be written, or a link is in its place.
pub fn write_artifact(
    folder: &Path,
    name: impl AsRef<Path>,
    bytes: &[u8],
) -> Result<(), FinishError> {
    let name = name.as_ref();
    inside::write_in(folder, name, bytes).map_err(|cause| FinishError::Write {
        path: folder.join(name),
        cause,
    })
}

/// A document that could not be drawn or written.
#[derive(Debug)]
pub enum FinishError {
    /// The baseline could not be read.
    Baseline(ReadError),
    /// It could not be drawn.
    Draw(Box<dyn std::error::Error + Send + Sync>),
    /// It could not be written.
    Write {
        /// Where to.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

impl fmt::Display for FinishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The message names the file.
            Self::Baseline(error) => write!(f, "{error}"),
            Self::Draw(_) => f.write_str("failed to draw the report"),
            Self::Write { path, .. } => write!(f, "failed to write {}", path.display()),
        }
    }
}

impl std::error::Error for FinishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Baseline(error) => error.source(),
            Self::Draw(cause) => Some(cause.as_ref()),
            Self::Write { cause, .. } => Some(cause),
        }
    }
}
