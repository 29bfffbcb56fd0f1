//! A journal as it is written: each line and row in its order, and the seals where something ends.

use std::io::Write;

use serde::Serialize;

use super::events::write_line;
use super::operations::{write_columns, write_operations};
use super::seal::{Count, Seal};
use crate::event::Event;
use crate::operation::Operation;

/// An event and the seal on its line.
#[derive(Serialize)]
struct Sealed<'a> {
    #[serde(flatten)]
    event: &'a Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<Seal>,
}

/// Writes events and operations, and puts the seals on the lines that end a trial or the run.
#[derive(Debug, Default)]
pub struct Sealer {
    count: Count,
    has_columns: bool,
}

impl Sealer {
    /// Writes one event.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_event(&mut self, to: impl Write, event: &Event) -> std::io::Result<()> {
        let end = self.count.note_line(event);
        let seal = end.map(|end| self.count.seal(end));
        write_line(to, &Sealed { event, seal })
    }

    /// Writes rows of operations, with the header row before the first.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_operations(
        &mut self,
        mut to: impl Write,
        operations: &[Operation],
    ) -> std::io::Result<()> {
        let mut rows = Vec::new();
        if !std::mem::replace(&mut self.has_columns, true) {
            write_columns(&mut to)?;
        }
        write_operations(&mut rows, operations, false).map_err(std::io::Error::other)?;
        let text = std::str::from_utf8(&rows).map_err(std::io::Error::other)?;
        self.count.note_rows(text);
        to.write_all(&rows)
    }
}
