//! The only writer of the journal: events and operations, appended as they happen.
//!
//! A thread of its own formats and writes, so that neither the engine nor the load waits for a disk.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use comeback_model::event::{Event, EventKind};
use comeback_model::ids::TrialId;
use comeback_model::journal::{self, Header, Sealer};
use comeback_model::operation::Operation;
use comeback_model::plan::secret::Secrets;
use comeback_model::units::Elapsed;

use crate::clock::Clock;

/// The events, in the run folder.
pub const EVENTS: &str = "journal.jsonl";
/// The operations, in the run folder.
pub const OPERATIONS: &str = "operations.csv";

/// A journal that could not be written.
#[derive(Debug)]
pub struct RecordError {
    path: PathBuf,
    cause: io::Error,
}

impl RecordError {
    /// This file could not be written.
    pub const fn new(path: PathBuf, cause: io::Error) -> Self {
        Self { path, cause }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to write {}", self.path.display())
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Goes along with a run: sees what was recorded once it is written, on the thread that writes it. Neither the engine nor the load waits
/// for it.
pub trait Follow: Send + 'static {
    /// An event was written.
    fn event(&mut self, event: &Event);

    /// Finished operations were written.
    fn operations(&mut self, operations: &[Operation]) {
        let _ = operations;
    }
}

impl<F: FnMut(&Event) + Send + 'static> Follow for F {
    fn event(&mut self, event: &Event) {
        self(event);
    }
}

enum Entry {
    Event(Box<Event>),
    Operations(Vec<Operation>),
    /// Whether everything before this is written is told here.
    Flush(Sender<()>),
}

/// Takes events and operations; cheap to clone, one for each who has something to say.
#[derive(Clone, Debug)]
pub struct Recorder {
    entries: Sender<Entry>,
    clock: Clock,
    broken: Arc<AtomicBool>,
    secrets: Arc<Secrets>,
}

impl Recorder {
    /// Records an event that happens now.
    pub fn event(&self, trial: Option<TrialId>, kind: EventKind) {
        self.event_at(self.clock.now(), trial, kind);
    }

    /// Records an event that happened at `at`.
    pub fn event_at(&self, at: Elapsed, trial: Option<TrialId>, kind: EventKind) {
        let mut event = Event { at, trial, kind };
        // Followers see an event as it is stored.
        self.secrets.hide_in(&mut event);
        self.send(Entry::Event(Box::new(event)));
    }

    /// Records finished operations.
    pub fn operations(&self, operations: Vec<Operation>) {
        self.send(Entry::Operations(operations));
    }

    fn send(&self, entry: Entry) {
        // The writer ended only if the disk failed; why, `JournalWriter::finish` tells.
        if self.entries.send(entry).is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
    }

    /// Waits until all that was recorded before is in the files; false when they are not written any more.
    pub fn flush(&self) -> bool {
        let (flushed, is_flushed) = channel();
        self.send(Entry::Flush(flushed));
        is_flushed.recv().is_ok()
    }

    /// Whether nothing is written any more: going on would be for nothing.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

/// What was recorded where nothing is written.
#[cfg(test)]
pub(crate) struct Recorded(Receiver<Entry>);

#[cfg(test)]
impl Recorder {
    /// One that keeps what it is told.
    pub(crate) fn in_memory(clock: Clock) -> (Self, Recorded) {
        let (entries, inbox) = channel();
        let recorder = Self {
            entries,
            clock,
            broken: Arc::default(),
            secrets: Arc::default(),
        };
        (recorder, Recorded(inbox))
    }
}

#[cfg(test)]
impl Recorded {
    /// The events so far, in the order they were recorded.
    pub(crate) fn events(self) -> Vec<Event> {
        let events = self.0.try_iter().filter_map(|entry| match entry {
            Entry::Event(event) => Some(*event),
            Entry::Operations(_) | Entry::Flush(_) => None,
        });
        events.collect()
    }
}

/// The journal being written.
#[derive(Debug)]
pub struct JournalWriter {
    recorder: Recorder,
    thread: JoinHandle<Result<(), RecordError>>,
}

impl JournalWriter {
    /// Creates the journal in `folder` and writes its header, without its secrets; `follow` goes along.
    ///
    /// # Errors
    /// When a file cannot be created or written.
    pub fn create(
        folder: &Path,
        header: &Header,
        clock: Clock,
        mut follow: impl Follow,
    ) -> Result<Self, RecordError> {
        let mut files = Files {
            events: JournalFile::create(folder.join(EVENTS))?,
            operations: JournalFile::create(folder.join(OPERATIONS))?,
            sealer: Sealer::default(),
        };
        let stored = Header {
            plan: header.plan.masked(),
            ..header.clone()
        };
        files.events.write(|to| journal::write_line(to, &stored))?;
        let (entries, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || files.write_all(&inbox, &mut follow))
            .map_err(|cause| RecordError {
                path: folder.join(EVENTS),
                cause,
            })?;
        Ok(Self {
            recorder: Recorder {
                entries,
                clock,
                broken: Arc::default(),
                secrets: Arc::new(header.plan.secrets()),
            },
            thread,
        })
    }

    /// A handle to record with.
    pub const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Writes the rest. Every other handle must be dropped by then.
    ///
    /// # Errors
    /// When something could not be written.
    pub fn finish(self) -> Result<(), RecordError> {
        drop(self.recorder);
        match self.thread.join() {
            Ok(written) => written,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

struct Files {
    events: JournalFile,
    operations: JournalFile,
    sealer: Sealer,
}

impl Files {
    fn write_all(
        mut self,
        inbox: &Receiver<Entry>,
        follow: &mut dyn Follow,
    ) -> Result<(), RecordError> {
        for entry in inbox {
            match entry {
                Entry::Event(event) => {
                    let sealer = &mut self.sealer;
                    self.events.write(|to| sealer.write_event(to, &event))?;
                    follow.event(&event);
                }
                // Each entry is flushed when it is written. The caller may be gone.
                Entry::Flush(flushed) => drop(flushed.send(())),
                Entry::Operations(operations) => {
                    let sealer = &mut self.sealer;
                    self.operations
                        .write(|to| sealer.write_operations(to, &operations))?;
                    follow.operations(&operations);
                }
            }
        }
        Ok(())
    }
}

struct JournalFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl JournalFile {
    fn create(path: PathBuf) -> Result<Self, RecordError> {
        match File::create_new(&path) {
            Ok(file) => Ok(Self {
                path,
                file: BufWriter::new(file),
            }),
            Err(cause) => Err(RecordError { path, cause }),
        }
    }

    /// Writes one entry through to the kernel, so that it outlives this process.
    fn write(
        &mut self,
        entry: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), RecordError> {
        entry(&mut self.file)
            .and_then(|()| self.file.flush())
            .map_err(|cause| RecordError {
                path: self.path.clone(),
                cause,
            })
    }
}
