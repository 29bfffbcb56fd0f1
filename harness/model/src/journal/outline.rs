//! A run without its operations: they stay in their file until a trial is asked for, so that memory holds one trial.

use std::collections::BTreeMap;
use std::io::{BufRead, Seek};
use std::ops::Range;

use super::events::Events;
use super::interval::{Interval, Intervals};
use super::operations::{Place, Rows, Times, read_again};
use super::seal::Check;
use super::{Header, JournalError};
use crate::event::Event;
use crate::ids::TrialId;
use crate::operation::Operation;

/// A stored run that was checked, and where its operations are.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// What was to happen.
    pub header: Header,
    /// Whether the last line was torn: the harness ended while it wrote.
    pub torn: bool,
    trials: BTreeMap<TrialId, Rowed>,
}

/// The rows of a trial.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rowed {
    count: usize,
    places: Vec<Place>,
}

/// Reads a run through, and checks all of it. `note` sees each event, in the order they were recorded.
///
/// # Errors
/// When the header is missing or of another version, a line other than a torn last one cannot be read, an
/// operation has times that cannot be, or lines or rows of an ended trial are missing.
pub fn outline(
    events: impl BufRead,
    operations: impl BufRead,
    note: impl FnMut(Event),
) -> Result<Outline, JournalError> {
    scan(events, operations, note, |_| ())
}

/// Reads a run through; `keep` sees each operation as well.
pub(super) fn scan(
    events: impl BufRead,
    operations: impl BufRead,
    mut note: impl FnMut(Event),
    mut keep: impl FnMut(Operation),
) -> Result<Outline, JournalError> {
    let (header, mut events) = Events::new(events)?;
    let mut check = Check::default();
    let mut intervals = Intervals::new();
    while let Some((event, seal)) = events.next()? {
        check.note_line(events.line(), &event, seal);
        Interval::note(&mut intervals, &event);
        note(event);
    }
    let mut rows = Rows::new(operations)?;
    let mut times = Times::new(intervals);
    let mut trials = BTreeMap::new();
    let mut last: Option<(TrialId, Rowed)> = None;
    while let Some(operation) = rows.next()? {
        if let Some(problem) = times.problem(&operation) {
            return Err(rows.line().invalid(problem));
        }
        check.count.note_row(rows.line().bytes());
        let (trial, row) = (operation.trial, rows.line());
        match &mut last {
            Some((id, rowed)) if *id == trial => rowed.add(row.place(), row.number()),
            last => {
                let mut rowed = trials.remove(&trial).unwrap_or_default();
                Rowed::add(&mut rowed, row.place(), row.number());
                trials.extend(last.replace((trial, rowed)));
            }
        }
        keep(operation);
    }
    trials.extend(last);
    let torn = events.is_torn() || rows.line().is_torn();
    if header.is_sealed() {
        check.finish()?;
    }
    Ok(Outline {
        header,
        torn,
        trials,
    })
}

impl Rowed {
    fn add(&mut self, bytes: Range<u64>, line: u64) {
        self.count += 1;
        match self.places.last_mut() {
            Some(place) if place.bytes.end == bytes.start => place.bytes.end = bytes.end,
            Some(_) | None => self.places.push(Place { bytes, line }),
        }
    }
}

impl Outline {
    /// The trials that have operations, and how many.
    pub fn trials(&self) -> impl Iterator<Item = (TrialId, usize)> {
        self.trials.iter().map(|(id, rowed)| (*id, rowed.count))
    }

    /// Reads the operations of a trial, in the order they were recorded.
    ///
    /// # Errors
    /// When the file cannot be read, or is not the one that was read before.
    pub fn read_trial(
        &self,
        mut from: impl BufRead + Seek,
        trial: TrialId,
    ) -> Result<Vec<Operation>, JournalError> {
        let Some(rowed) = self.trials.get(&trial) else {
            return Ok(Vec::new());
        };
        let mut operations = Vec::with_capacity(rowed.count);
        for place in &rowed.places {
            read_again(&mut from, place, |operation| operations.push(operation))?;
        }
        Ok(operations)
    }
}
