//! The events file: a header, then an event a line.

use std::fmt;
use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use super::lines::Lines;
use super::seal::Seal;
use super::{
    EVENTS, Header, JournalError, OLDEST, SEVERAL, UNSPLIT, VERSION, unreadable, version_of,
};
use crate::event::{Event, EventKind};

/// Writes one line of the events file.
///
/// # Errors
/// When the writer fails.
pub fn write_line(mut to: impl Write, line: &impl Serialize) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    to.write_all(&bytes)
}

/// Reads the lines of the events file, one after another.
#[derive(Debug)]
pub(super) struct Events<R> {
    lines: Lines<R>,
}

impl<R: BufRead> Events<R> {
    /// Reads the header.
    pub(super) fn new(from: R) -> Result<(Header, Self), JournalError> {
        let mut lines = Lines::new(EVENTS, from);
        if !lines.advance()? {
            return Err(unreadable(EVENTS, 1, "there is no header"));
        }
        let header = read_header(&lines)?;
        Ok((header, Self { lines }))
    }

    /// The next event, and the seal on its line.
    pub(super) fn next(&mut self) -> Result<Option<(Event, Option<Seal>)>, JournalError> {
        #[derive(Deserialize)]
        struct OfSeal {
            seal: Option<Seal>,
        }
        if !self.lines.advance()? {
            return Ok(None);
        }
        let line = self.lines.text()?;
        let invalid = |error| self.lines.invalid(error);
        let event: Event = serde_json::from_str(line).map_err(invalid)?;
        if event.trial.is_none() && !event.kind.is_of_the_run() {
            let problem = "it is about a trial and does not say which";
            return Err(self.lines.invalid(problem));
        }
        let seal = match event.kind {
            EventKind::TrialEnded | EventKind::RunEnded => {
                serde_json::from_str::<OfSeal>(line).map_err(invalid)?.seal
            }
            _ => None,
        };
        Ok(Some((event, seal)))
    }

    /// The number of the line that was read last.
    pub(super) const fn line(&self) -> u64 {
        self.lines.number()
    }

    /// Whether the last line is torn, once all are read.
    pub(super) const fn is_torn(&self) -> bool {
        self.lines.is_torn()
    }
}

fn read_header(lines: &Lines<impl BufRead>) -> Result<Header, JournalError> {
    #[derive(Deserialize)]
    struct Version {
        comeback_journal: u32,
    }
    let line = lines.text()?;
    let invalid = |problem: &dyn fmt::Display| lines.invalid(problem);
    let version: Version = serde_json::from_str(line).map_err(|error| invalid(&error))?;
    if !(OLDEST..=VERSION).contains(&version.comeback_journal) {
        return Err(invalid(&format!(
            "version {} is none of those this program reads ({OLDEST} to {VERSION})",
            version.comeback_journal
        )));
    }
    let mut header: Header = serde_json::from_str(line).map_err(|error| invalid(&error))?;
    if version.comeback_journal <= UNSPLIT && header.shards.is_some() {
        return Err(invalid(&format!(
            "version {} holds whole runs only, and this names shards",
            version.comeback_journal
        )));
    }
    if version.comeback_journal < VERSION && version_of(&header.plan, false) == VERSION {
        return Err(invalid(&format!(
            "version {} knows no faults that are drawn or have a quiet time, and this has some",
            version.comeback_journal
        )));
    }
    if version.comeback_journal < SEVERAL {
        header.schedule.add_nodes(&header.plan);
    }
    Ok(header)
}
