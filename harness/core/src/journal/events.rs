//! The events file: a header, then an event a line.

use std::fmt;
use std::io::Write;

use serde::{Deserialize, Serialize};

use super::{Header, JournalError, VERSION, unreadable};
use crate::event::Event;

/// What errors call this file.
pub(super) const PART: &str = "journal";

/// Writes one line of the events file.
///
/// # Errors
/// When the writer fails.
pub fn write_line(mut to: impl Write, line: &impl Serialize) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    to.write_all(&bytes)
}

/// Reads the header and the events.
pub(super) fn read(lines: &str) -> Result<(Header, Vec<Event>), JournalError> {
    let mut lines = lines.lines().zip(1u64..);
    let header = match lines.next() {
        Some((line, _)) => read_header(line)?,
        None => return Err(unreadable(PART, 1, "there is no header")),
    };
    let events = lines
        .map(|(line, number)| {
            serde_json::from_str(line).map_err(|error| unreadable(PART, number, error))
        })
        .collect::<Result<_, _>>()?;
    Ok((header, events))
}

fn read_header(line: &str) -> Result<Header, JournalError> {
    #[derive(Deserialize)]
    struct Version {
        comeback_journal: u32,
    }
    let wrong = |problem: &dyn fmt::Display| unreadable(PART, 1, problem);
    let version: Version = serde_json::from_str(line).map_err(|error| wrong(&error))?;
    if version.comeback_journal != VERSION {
        return Err(wrong(&format!(
            "version {} is not the one this program reads ({VERSION})",
            version.comeback_journal
        )));
    }
    serde_json::from_str(line).map_err(|error| wrong(&error))
}
