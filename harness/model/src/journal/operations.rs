//! The operations file: rows of CSV. Which writes a reply showed is one word, see [`crate::operation::ShownWrites`].

use std::io::{BufRead, Seek, SeekFrom, Write};
use std::ops::Range;

use super::interval::{Interval, Intervals};
use super::lines::Lines;
use super::row::{COLUMNS, parse_row};
use super::{JournalError, unreadable};
use crate::ids::TrialId;
use crate::operation::Operation;
use crate::units::Elapsed;

/// What errors call this file.
pub(super) const PART: &str = "operations";

/// A range of a few bytes can name a million writes. All those of a file together stay within what fits
/// into memory; a run of ten million looks at ten writes each is within it.
const MOST_SHOWN: usize = 100_000_000;

/// Writes rows of the operations file; its header row goes first when `first` is set.
///
/// # Errors
/// When the writer fails.
pub fn write_operations(
    to: impl Write,
    operations: &[Operation],
    first: bool,
) -> Result<(), csv::Error> {
    let mut rows = csv::WriterBuilder::new().has_headers(first).from_writer(to);
    for operation in operations {
        rows.serialize(operation)?;
    }
    rows.flush()?;
    Ok(())
}

/// Writes the header row.
pub(super) fn write_columns(to: impl Write) -> std::io::Result<()> {
    let mut rows = csv::Writer::from_writer(to);
    rows.write_record(COLUMNS)?;
    rows.flush()
}

/// Rows that follow each other in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) bytes: Range<u64>,
    /// The number of the first line.
    pub(super) line: u64,
}

/// Reads the rows of the operations file, one after another.
#[derive(Debug)]
pub(super) struct Rows<R> {
    lines: Lines<R>,
    /// How many more writes the rows may show.
    may_show: usize,
}

impl<R: BufRead> Rows<R> {
    /// Reads the header row.
    pub(super) fn new(from: R) -> Result<Self, JournalError> {
        Self::within(from, MOST_SHOWN)
    }

    /// Likewise; all rows together may show no more writes than this.
    pub(super) fn within(from: R, may_show: usize) -> Result<Self, JournalError> {
        let mut lines = Lines::new(PART, from);
        // A run that was killed at its begin has no header row.
        while lines.advance()? {
            if !lines.bytes().is_empty() {
                let names = lines.bytes().split(|byte| *byte == b',');
                if !names.eq(COLUMNS.map(str::as_bytes)) {
                    let problem = "it does not name the columns this program writes";
                    return Err(lines.invalid(problem));
                }
                break;
            }
        }
        Ok(Self { lines, may_show })
    }

    /// The next row's operation.
    pub(super) fn next(&mut self) -> Result<Option<Operation>, JournalError> {
        while self.lines.advance()? {
            if self.lines.bytes().is_empty() {
                continue;
            }
            let operation = parse_row(self.lines.bytes());
            let operation = operation.map_err(|problem| self.lines.invalid(problem))?;
            let writes = operation.found.as_ref().map(|found| found.writes.len());
            match self.may_show.checked_sub(writes.unwrap_or(0)) {
                Some(rest) => self.may_show = rest,
                None => {
                    let problem = "up to here more writes are said to be found than a run can find";
                    return Err(self.lines.invalid(problem));
                }
            }
            return Ok(Some(operation));
        }
        Ok(None)
    }

    /// The row that was read last.
    pub(super) const fn line(&self) -> &Lines<R> {
        &self.lines
    }
}

/// Reads some rows that were read before: those of a place in the file.
pub(super) fn read_again(
    mut from: impl BufRead + Seek,
    place: &Place,
    mut to: impl FnMut(Operation),
) -> Result<(), JournalError> {
    let first = place.line;
    let invalid = |error| unreadable(PART, first, error);
    from.seek(SeekFrom::Start(place.bytes.start))
        .map_err(invalid)?;
    let rows = from.take(place.bytes.end - place.bytes.start);
    let mut lines = Lines::behind(PART, rows, first - 1, place.bytes.start);
    while lines.advance()? {
        if !lines.bytes().is_empty() {
            to(parse_row(lines.bytes()).map_err(|problem| lines.invalid(problem))?);
        }
    }
    Ok(())
}

/// What can be of operations' times.
#[derive(Debug)]
pub(super) struct Times {
    trials: Intervals,
    /// The trial of the last operation, and when it lasted: the next one is mostly of the same.
    last: Option<(TrialId, Option<Interval>)>,
}

impl Times {
    pub(super) const fn new(trials: Intervals) -> Self {
        Self { trials, last: None }
    }

    /// What cannot be of an operation's times, if something cannot.
    pub(super) fn problem(&mut self, operation: &Operation) -> Option<String> {
        let trial = match self.last {
            Some((last, interval)) if last == operation.trial => interval,
            Some(_) | None => {
                let interval = self.trials.get(&operation.trial).copied();
                self.last = Some((operation.trial, interval));
                interval
            }
        };
        if is_in_order(operation, trial) {
            return None;
        }
        impossible_times(operation, trial)
    }
}

/// Whether an operation's times can be: they are of one clock that never goes back, read in this order.
fn is_in_order(operation: &Operation, trial: Option<Interval>) -> bool {
    let mut last = trial.map_or(Elapsed::default(), |trial| trial.began);
    let mut follows = |at: Elapsed| std::mem::replace(&mut last, at) <= at;
    follows(operation.intended)
        && follows(operation.dispatched)
        && operation.sent.is_none_or(&mut follows)
        && operation.resent.is_none_or(&mut follows)
        && follows(operation.finished)
        && trial.and_then(|trial| trial.ended).is_none_or(&mut follows)
}

/// What cannot be of them, in words.
fn impossible_times(operation: &Operation, trial: Option<Interval>) -> Option<String> {
    let began = trial.map(|trial| ("its trial began", trial.began));
    let ended = trial.and_then(|trial| trial.ended);
    let moments = [
        began,
        Some(("it was intended", operation.intended)),
        Some(("it was dispatched", operation.dispatched)),
        operation.sent.map(|at| ("it was sent", at)),
        operation.resent.map(|at| ("it was sent again", at)),
        Some(("it was finished", operation.finished)),
        ended.map(|at| ("its trial ended", at)),
    ];
    let mut last: Option<(&str, Elapsed)> = None;
    for (what, at) in moments.into_iter().flatten() {
        if let Some((before, when)) = last
            && at < when
        {
            let (at, when) = (at.as_us(), when.as_us());
            return Some(format!(
                "its times cannot be: {what} at {at} µs, before {before} at {when} µs"
            ));
        }
        last = Some((what, at));
    }
    None
}
