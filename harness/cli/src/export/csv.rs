//! Operations as CSV, with a header row.

use std::io::{self, Write};

use comeback_model::journal::{self, Journal};

use super::Exporter;

/// How many rows are formatted at once.
const ROWS: usize = 1_000;

pub(super) const CSV: Exporter = Exporter {
    name: "csv",
    about: "Operations as comma-separated values, with a header row",
    write,
};

fn write(journal: &Journal, to: &mut dyn Write) -> io::Result<()> {
    // A chunk at a time: the library's error would hide what kind of error the writer had.
    for (place, chunk) in journal.operations.chunks(ROWS).enumerate() {
        let mut rows = Vec::new();
        journal::write_operations(&mut rows, chunk, place == 0).map_err(io::Error::other)?;
        to.write_all(&rows)?;
    }
    Ok(())
}
