//! The journal of the whole: the trials in the order of the schedule, then what each shard replaced, sealed anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use comeback_engine::record::{EVENTS, OPERATIONS};
use comeback_model::event::{Event, EventKind};
use comeback_model::ids::TrialId;
use comeback_model::journal::{self, Sealer};
use comeback_model::operation::Operation;
use comeback_model::units::Elapsed;

use super::{MergeError, Part, Union};
use crate::read::ReadError;

/// The folder of what the servers printed, within that of a run.
const LOGS: &str = "logs";

/// Writes the journal of a union.
pub(super) fn write(union: &Union, to: &Path) -> Result<(), MergeError> {
    let mut journal = Written::begin(union, to)?;
    let mut parts = Vec::with_capacity(union.parts.len());
    for part in &union.parts {
        parts.push(Reader {
            part,
            events: part.recorded.events()?.peekable(),
            begun: part.begun.iter().copied().collect(),
            done: BTreeSet::new(),
        });
    }
    let holders: BTreeMap<u32, usize> = (0..)
        .zip(&union.parts)
        .flat_map(|(place, part)| part.shards.held().iter().map(move |one| (one.index, place)))
        .collect();
    for planned in &union.header.schedule.trials {
        let shard = union.header.shard_of(planned.id);
        let place = shard.and_then(|shard| holders.get(&shard));
        let holder = place.and_then(|place| parts.get_mut(*place));
        // One that was cut lacks its last trials.
        if let Some(part) = holder.filter(|part| part.begun.contains(&planned.id)) {
            part.copy_trial(planned.id, &mut journal)?;
        }
    }
    for part in &mut parts {
        part.copy_rest(&mut journal)?;
    }
    let ended = union.parts.iter().all(|part| part.ended);
    journal.finish(ended)?;
    for part in &union.parts {
        copy_logs(part.recorded.folder(), to)?;
    }
    Ok(())
}

/// A part that is being copied.
struct Reader<'a, I: Iterator> {
    part: &'a Part,
    events: Peekable<I>,
    begun: BTreeSet<TrialId>,
    /// Trials whose rows are copied.
    done: BTreeSet<TrialId>,
}

impl<I: Iterator<Item = Result<Event, ReadError>>> Reader<'_, I> {
    /// Copies a trial: its rows, and its events up to the first of another one.
    fn copy_trial(&mut self, trial: TrialId, to: &mut Written) -> Result<(), MergeError> {
        while let Some(event) = self.next_if(|event| !is_of_the_rest(event, trial))? {
            self.copy(event, to)?;
        }
        match self.done.contains(&trial) {
            true => Ok(()),
            false => Err(MergeError::Disorder {
                folder: self.part.recorded.folder().to_owned(),
                trial: trial.0,
            }),
        }
    }

    /// Copies what follows the planned trials.
    fn copy_rest(&mut self, to: &mut Written) -> Result<(), MergeError> {
        while let Some(event) = self.next_if(|_| true)? {
            self.copy(event, to)?;
        }
        Ok(())
    }

    fn copy(&mut self, event: Event, to: &mut Written) -> Result<(), MergeError> {
        if let Some(trial) = event.trial.filter(|trial| self.done.insert(*trial)) {
            // Rows go first: the line that ends the trial seals them.
            to.operations(&self.part.recorded.operations_of(trial)?)?;
        }
        to.event(event)
    }

    fn next_if(&mut self, is: impl FnOnce(&Event) -> bool) -> Result<Option<Event>, MergeError> {
        let next = self.events.next_if(|event| event.as_ref().map_or(true, is));
        Ok(next.transpose()?)
    }
}

/// Whether an event stands behind those of this trial: it is of a later one, or goes on after the planned ones.
fn is_of_the_rest(event: &Event, TrialId(trial): TrialId) -> bool {
    match event.trial {
        Some(TrialId(other)) => other > trial,
        None => matches!(event.kind, EventKind::RunExtended { .. }),
    }
}

/// The journal that is being written.
struct Written {
    lines: BufWriter<File>,
    rows: BufWriter<File>,
    sealer: Sealer,
    folder: PathBuf,
    /// What each shard says of the run, and the whole says once.
    said: Vec<EventKind>,
    last: Elapsed,
}

impl Written {
    fn begin(union: &Union, folder: &Path) -> Result<Self, MergeError> {
        let create = |name: &str| {
            let path = folder.join(name);
            let file = File::create_new(&path);
            file.map_err(|cause| MergeError::Write { path, cause })
        };
        let mut written = Self {
            lines: BufWriter::new(create(EVENTS)?),
            rows: BufWriter::new(create(OPERATIONS)?),
            sealer: Sealer::default(),
            folder: folder.to_owned(),
            said: Vec::new(),
            last: Elapsed::default(),
        };
        let done = journal::write_line(&mut written.lines, &union.header);
        written.unless_failed(EVENTS, done)?;
        Ok(written)
    }

    fn event(&mut self, event: Event) -> Result<(), MergeError> {
        match &event.kind {
            // It ends when all have.
            EventKind::RunEnded => return Ok(()),
            EventKind::ArmSkipped { .. }
            | EventKind::RunGivenUp { .. }
            | EventKind::RunInterrupted => {
                if self.said.contains(&event.kind) {
                    return Ok(());
                }
                self.said.push(event.kind.clone());
            }
            _ => {}
        }
        self.last = self.last.max(event.at);
        let done = self.sealer.write_event(&mut self.lines, &event);
        self.unless_failed(EVENTS, done)
    }

    fn operations(&mut self, operations: &[Operation]) -> Result<(), MergeError> {
        let done = self.sealer.write_operations(&mut self.rows, operations);
        self.unless_failed(OPERATIONS, done)
    }

    fn finish(mut self, ended: bool) -> Result<(), MergeError> {
        if ended {
            let event = Event {
                at: self.last,
                trial: None,
                kind: EventKind::RunEnded,
            };
            let done = self.sealer.write_event(&mut self.lines, &event);
            self.unless_failed(EVENTS, done)?;
        }
        let done = self.lines.flush();
        self.unless_failed(EVENTS, done)?;
        let done = self.rows.flush();
        self.unless_failed(OPERATIONS, done)
    }

    fn unless_failed(&self, name: &str, done: io::Result<()>) -> Result<(), MergeError> {
        done.map_err(|cause| MergeError::Write {
            path: self.folder.join(name),
            cause,
        })
    }
}

/// Copies the logs of a part. Their names hold the trial, which is of one shard alone.
fn copy_logs(from: &Path, to: &Path) -> Result<(), MergeError> {
    let (from, to) = (from.join(LOGS), to.join(LOGS));
    // Whose servers printed nothing has none.
    if !from.is_dir() || from.is_symlink() {
        return Ok(());
    }
    let copy = || -> io::Result<()> {
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let mut log = File::open(entry.path())?;
                io::copy(&mut log, &mut File::create_new(to.join(entry.file_name()))?)?;
            }
        }
        Ok(())
    };
    copy().map_err(|cause| MergeError::Write {
        path: to.clone(),
        cause,
    })
}
