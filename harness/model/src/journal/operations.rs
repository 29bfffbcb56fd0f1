//! The operations file: rows of CSV. Which writes a reply showed is one word, see [`crate::operation::Found`].

use std::collections::BTreeMap;
use std::io::Write;

use super::events::Interval;
use super::{JournalError, unreadable};
use crate::ids::TrialId;
use crate::operation::Operation;
use crate::units::Elapsed;

/// What errors call this file.
pub(super) const PART: &str = "operations";

/// A range of a few bytes can name a million writes. All those of a file together stay within what fits
/// into memory; a run of ten million looks at ten writes each is within it.
const MOST_SHOWN: usize = 100_000_000;

/// The columns of the operations file.
const COLUMNS: [&str; 22] = [
    "trial",
    "client",
    "generation",
    "step",
    "intended_us",
    "dispatched_us",
    "sent_us",
    "finished_us",
    "outcome",
    "error",
    "status",
    "value",
    "write",
    "found",
    "boot",
    "replica",
    "failed_replica",
    "unframed",
    "cache",
    "age_s",
    "tries",
    "resent_us",
];

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

/// Of each trial that began, when it lasted.
type Intervals = BTreeMap<TrialId, Interval>;

/// Reads the rows.
pub(super) fn read(rows: &str, trials: &Intervals) -> Result<Vec<Operation>, JournalError> {
    read_within(rows, trials, MOST_SHOWN)
}

/// Reads the rows, unless all together show more writes than this.
pub(super) fn read_within(
    rows: &str,
    trials: &Intervals,
    most_shown: usize,
) -> Result<Vec<Operation>, JournalError> {
    let mut reader = csv::Reader::from_reader(rows.as_bytes());
    let columns = reader
        .headers()
        .map_err(|error| unreadable(PART, 1, error))?
        .clone();
    if !columns.is_empty() && columns != *COLUMNS.as_slice() {
        return Err(unreadable(
            PART,
            1,
            "it does not name the columns this program writes",
        ));
    }
    let mut operations = Vec::new();
    let mut shown = 0_usize;
    for row in reader.records() {
        let row = row.map_err(at_its_line)?;
        let operation: Operation = row.deserialize(Some(&columns)).map_err(at_its_line)?;
        let writes = operation.found.as_ref().map(|found| found.writes.len());
        shown = shown.saturating_add(writes.unwrap_or(0));
        if shown > most_shown {
            let line = row.position().map_or(1, csv::Position::line);
            let problem = "up to here more writes are said to be found than a run can find";
            return Err(unreadable(PART, line, problem));
        }
        if let Some(problem) = impossible_times(&operation, trials.get(&operation.trial)) {
            let line = row.position().map_or(1, csv::Position::line);
            return Err(unreadable(PART, line, problem));
        }
        operations.push(operation);
    }
    Ok(operations)
}

/// What cannot be of an operation's times. They are of one clock that never goes back, read in this order.
fn impossible_times(operation: &Operation, trial: Option<&Interval>) -> Option<String> {
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

fn at_its_line(error: csv::Error) -> JournalError {
    let line = error.position().map_or(1, csv::Position::line);
    unreadable(PART, line, error)
}
