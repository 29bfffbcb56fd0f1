//! A run of any size, for tests and benches (feature `testing`): the trials of a stored run over and over, each with as
//! many users as it takes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Journal, Sealer, VERSION, write_line};
use crate::event::Event;
use crate::ids::{ClientId, TrialId};
use crate::operation::Operation;

/// Rows that are written at once, as a run does.
const BATCH: usize = 1_000;

/// A trial of the stored run.
#[derive(Default)]
struct Template {
    events: Vec<Event>,
    operations: Vec<Operation>,
}

/// Writes a run with so many trials, and about so many operations in all of them.
///
/// # Errors
/// When a writer fails.
pub fn write_enlarged(
    stored: Journal,
    (trials, operations): (u32, usize),
    mut lines: impl Write,
    mut rows: impl Write,
) -> io::Result<()> {
    let mut templates: BTreeMap<TrialId, Template> = BTreeMap::new();
    let mut ends = Vec::new();
    for event in stored.events {
        match event.trial {
            Some(trial) => templates.entry(trial).or_default().events.push(event),
            None => ends.push(event),
        }
    }
    for operation in stored.operations {
        let template = templates.entry(operation.trial).or_default();
        template.operations.push(operation);
    }
    let mut header = stored.header;
    header.comeback_journal = VERSION;
    // Their numbers are taken.
    header.schedule.spares.clear();
    header.schedule.further.clear();
    write_line(&mut lines, &header)?;
    let mut sealer = Sealer::default();
    let each = operations / trials.max(1) as usize;
    for (id, template) in (0..trials).map(TrialId).zip(templates.values().cycle()) {
        let write = |batch: &[Operation]| sealer.write_operations(&mut rows, batch);
        write_operations(template, id, each, write)?;
        for event in &template.events {
            let trial = Some(id);
            let event = Event {
                trial,
                ..event.clone()
            };
            sealer.write_event(&mut lines, &event)?;
        }
    }
    for event in &ends {
        sealer.write_event(&mut lines, event)?;
    }
    lines.flush()?;
    rows.flush()
}

/// Writes a trial's operations once for each group of users, at the same times.
fn write_operations(
    template: &Template,
    id: TrialId,
    operations: usize,
    mut write: impl FnMut(&[Operation]) -> io::Result<()>,
) -> io::Result<()> {
    let groups = operations.div_ceil(template.operations.len().max(1)) as u32;
    let clients = template.operations.iter().map(|one| one.client.0 + 1);
    let clients = clients.max().unwrap_or(0);
    let mut batch = Vec::with_capacity(BATCH);
    for operation in &template.operations {
        for group in 0..groups {
            batch.push(Operation {
                trial: id,
                client: ClientId(operation.client.0 + group * clients),
                ..operation.clone()
            });
            if batch.len() == BATCH {
                write(&batch)?;
                batch.clear();
            }
        }
    }
    write(&batch)
}
