//! Operations as JSON Lines.

use std::io::{self, Write};

use comeback_model::journal;
use comeback_runs::read::Recorded;

use super::Exporter;

pub(super) const JSONL: Exporter = Exporter {
    name: "jsonl",
    about: "Operations, a JSON object on each line",
    check: |_| Ok(()),
    write,
};

fn write(run: &Recorded, mut to: &mut (dyn Write + Send)) -> io::Result<()> {
    let mut operations = run.operations()?;
    operations.try_for_each(|operation| journal::write_line(&mut to, &operation?))
}
