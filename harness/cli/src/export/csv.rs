//! Operations as CSV, with a header row.

use std::io::{self, Write};

use comeback_model::journal;
use comeback_runs::read::Recorded;

use super::Exporter;

/// How many rows are formatted at once.
const ROWS: usize = 1_000;

pub(super) const CSV: Exporter = Exporter {
    name: "csv",
    about: "Operations as comma-separated values, with a header row",
    check: |_| Ok(()),
    write,
};

fn write(run: &Recorded, to: &mut (dyn Write + Send)) -> io::Result<()> {
    let mut operations = run.operations()?;
    let mut is_first = true;
    loop {
        let chunk: Result<Vec<_>, _> = operations.by_ref().take(ROWS).collect();
        let chunk = chunk?;
        if chunk.is_empty() {
            return Ok(());
        }
        // The library's error would hide what kind of error the writer had.
        let mut rows = Vec::new();
        journal::write_operations(&mut rows, &chunk, is_first).map_err(io::Error::other)?;
        to.write_all(&rows)?;
        is_first = false;
    }
}
