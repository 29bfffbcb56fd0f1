//! Events as CSV, with a header row.

use std::io::{self, Write};

use comeback_runs::read::Recorded;

use super::Exporter;
use super::columns::{self, Cells, OF_EVENTS};

pub(super) const EVENTS_CSV: Exporter = Exporter {
    name: "events-csv",
    about: "Events as comma-separated values: when, trial, arm, type, and the rest as JSON",
    check: |_| Ok(()),
    write,
};

fn write(run: &Recorded, to: &mut (dyn Write + Send)) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(to);
    rows.write_record(OF_EVENTS.iter().map(|column| column.name))?;
    for event in columns::events(run)? {
        let event = event?;
        let cells = OF_EVENTS.iter().map(|column| match column.cells {
            Cells::Whole(of) => of(&event).map(|whole| whole.to_string()),
            Cells::Flag(of) => of(&event).map(|is| is.to_string()),
            Cells::Text(of) => of(&event),
        });
        rows.write_record(cells.map(Option::unwrap_or_default))?;
    }
    rows.flush()
}
