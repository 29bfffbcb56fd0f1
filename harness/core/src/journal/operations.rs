//! The operations file: rows of CSV. Which writes a reply showed is one word, see [`crate::operation::Found`].

use std::io::Write;

use super::{JournalError, unreadable};
use crate::operation::Operation;

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

/// Reads the rows.
pub(super) fn read(rows: &str) -> Result<Vec<Operation>, JournalError> {
    read_within(rows, MOST_SHOWN)
}

/// Reads the rows, unless all together show more writes than this.
pub(super) fn read_within(rows: &str, most_shown: usize) -> Result<Vec<Operation>, JournalError> {
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
        operations.push(operation);
    }
    Ok(operations)
}

fn at_its_line(error: csv::Error) -> JournalError {
    let line = error.position().map_or(1, csv::Position::line);
    unreadable(PART, line, error)
}
