//! Events as JSON Lines.

use std::io::{self, Write};

use comeback_model::journal;
use comeback_runs::read::Recorded;

use super::Exporter;

pub(super) const EVENTS: Exporter = Exporter {
    name: "events",
    about: "Events: starts, phases, faults, exits; a JSON object on each line",
    check: |_| Ok(()),
    write,
};

fn write(run: &Recorded, mut to: &mut (dyn Write + Send)) -> io::Result<()> {
    let mut events = run.events()?;
    events.try_for_each(|event| journal::write_line(&mut to, &event?))
}
