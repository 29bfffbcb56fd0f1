//! A run's journal, read back from its folder: checked at once, and then no more than a few trials of it in memory.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use comeback_analysis::measure::{self, Analysis, Course, PendingTrial, TrialAnalysis};
use comeback_engine::record::{EVENTS, OPERATIONS};
use comeback_host::inside;
use comeback_model::event::Event;
use comeback_model::ids::TrialId;
use comeback_model::journal::{self, Header, Outline};
use comeback_model::operation::Operation;

/// How many trials are understood at once. Each of them is in memory, so there are no more than make good use of a small
/// machine.
const AT_ONCE: usize = 2;
/// How much of a file is read at once.
const CHUNK: usize = 256 * 1024;

/// A stored run that was checked.
#[derive(Debug)]
pub struct Recorded {
    folder: PathBuf,
    outline: Outline,
}

impl Recorded {
    /// Reads a run's folder through, and checks all of it.
    ///
    /// # Errors
    /// If a file is missing or cannot be understood; the message names the file.
    pub fn open(folder: &Path) -> Result<Self, ReadError> {
        Self::open_noting(folder, |_| ())
    }

    /// The same; `note` sees each event, in the order they were recorded.
    ///
    /// # Errors
    /// As [`Recorded::open`].
    pub(crate) fn open_noting(folder: &Path, note: impl FnMut(Event)) -> Result<Self, ReadError> {
        let (events, operations) = (open(folder, EVENTS)?, open(folder, OPERATIONS)?);
        let outline = journal::outline(events, operations, note);
        Ok(Self {
            outline: outline.map_err(|cause| ReadError::of(folder, cause))?,
            folder: folder.to_owned(),
        })
    }

    /// What was to happen.
    pub const fn header(&self) -> &Header {
        &self.outline.header
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the last line was torn.
    pub(crate) const fn is_torn(&self) -> bool {
        self.outline.torn
    }

    /// The trials that have operations.
    pub fn operated(&self) -> impl Iterator<Item = TrialId> {
        self.outline.trials().map(|(trial, _)| trial)
    }

    /// The operations of a trial, in the order they were recorded.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn operations_of(&self, trial: TrialId) -> Result<Vec<Operation>, ReadError> {
        let rows = open(&self.folder, OPERATIONS)?;
        let operations = self.outline.read_trial(rows, trial);
        operations.map_err(|cause| ReadError::of(&self.folder, cause))
    }

    /// What happened, in the order it was recorded.
    ///
    /// # Errors
    /// If the file cannot be opened; each event if it cannot be read.
    pub fn events(
        &self,
    ) -> Result<impl Iterator<Item = Result<Event, ReadError>> + use<>, ReadError> {
        events(&self.folder)
    }

    /// What the clients did, in the order it was recorded.
    ///
    /// # Errors
    /// If the file cannot be opened; each operation if it cannot be read.
    pub fn operations(
        &self,
    ) -> Result<impl Iterator<Item = Result<Operation, ReadError>> + use<>, ReadError> {
        let folder = self.folder.clone();
        let operations = journal::operations(open(&folder, OPERATIONS)?);
        let operations = operations.map_err(|cause| ReadError::of(&folder, cause))?;
        Ok(operations.map(move |one| one.map_err(|cause| ReadError::of(&folder, cause))))
    }

    /// Understands trials, several at once, each by its operations alone.
    fn analyze(&self, pending: &[PendingTrial<'_>]) -> Result<Vec<TrialAnalysis>, ReadError> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut rows = open(&self.folder, OPERATIONS)?;
            let mut understood = Vec::new();
            while let Some(trial) = pending.get(next.fetch_add(1, Ordering::Relaxed)) {
                let operations = self.outline.read_trial(&mut rows, trial.id());
                let operations = operations.map_err(|cause| ReadError::of(&self.folder, cause))?;
                understood.push(trial.analyze(operations));
            }
            Ok(understood)
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = cores.min(AT_ONCE).min(pending.len());
        thread::scope(|scope| {
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
            let mut understood = work()?;
            for other in others {
                match other.join() {
                    Ok(more) => understood.extend(more?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok(understood)
        })
    }
}

/// Reads a run back from its folder and understands it, trial by trial.
///
/// # Errors
/// If a file is missing or cannot be understood; the message names the file.
pub fn analyze(folder: &Path) -> Result<Analysis, ReadError> {
    let mut course = Course::default();
    let recorded = Recorded::open_noting(folder, |event| course.note(&event))?;
    measure::analyze_stored(&recorded.outline, course, |pending| {
        recorded.analyze(pending)
    })
}

/// Likewise a run whose folder is within that of another.
///
/// # Errors
/// As [`analyze`], or when the folder is a link.
pub fn analyze_below(folder: &Path) -> Result<Analysis, ReadError> {
    if folder.is_symlink() {
        let cause = inside::is_link(folder.file_name().unwrap_or_default());
        return Err(ReadError::of(folder, cause));
    }
    analyze(folder)
}

/// The events of a run's folder, in the order they were recorded.
///
/// # Errors
/// If there is no header; each event if it cannot be read.
pub fn events(
    folder: &Path,
) -> Result<impl Iterator<Item = Result<Event, ReadError>> + use<>, ReadError> {
    let folder = folder.to_owned();
    let events = journal::events(open(&folder, EVENTS)?);
    let events = events.map_err(|cause| ReadError::of(&folder, cause))?;
    Ok(events.map(move |event| event.map_err(|cause| ReadError::of(&folder, cause))))
}

fn open(folder: &Path, name: &str) -> Result<BufReader<File>, ReadError> {
    match inside::open_in(folder, name) {
        Ok(file) => Ok(BufReader::with_capacity(CHUNK, file)),
        Err(cause) => Err(ReadError::of(&folder.join(name), cause)),
    }
}

/// A run folder that cannot be read.
#[derive(Debug)]
pub struct ReadError {
    path: PathBuf,
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl ReadError {
    fn of(path: &Path, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self {
            path: path.to_owned(),
            cause: Box::new(cause),
        }
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        Self::other(error)
    }
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
