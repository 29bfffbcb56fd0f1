//! The events file: a header, then an event a line.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use serde::{Deserialize, Serialize};

use super::seal::Seal;
use super::{EVENTS, Header, JournalError, OLDEST, VERSION, unreadable};
use crate::event::{Event, EventKind};
use crate::ids::TrialId;
use crate::units::Elapsed;

/// Writes one line of the events file.
///
/// # Errors
/// When the writer fails.
pub fn write_line(mut to: impl Write, line: &impl Serialize) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    to.write_all(&bytes)
}

/// When a trial began and, if it did, ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub(super) began: Elapsed,
    pub(super) ended: Option<Elapsed>,
}

/// Of each trial that began, when it lasted.
pub(super) fn intervals(events: &[Event]) -> BTreeMap<TrialId, Interval> {
    let mut intervals = BTreeMap::new();
    for event in events {
        let Some(trial) = event.trial else {
            continue;
        };
        match event.kind {
            EventKind::TrialStarted { .. } => {
                intervals.entry(trial).or_insert(Interval {
                    began: event.at,
                    ended: None,
                });
            }
            EventKind::TrialEnded => {
                if let Some(interval) = intervals.get_mut(&trial) {
                    interval.ended.get_or_insert(event.at);
                }
            }
            _ => {}
        }
    }
    intervals
}

/// The header, the events, and for each of them the seal on its line.
type Lines = (Header, Vec<Event>, Vec<Option<Seal>>);

/// Reads the header and the events.
pub(super) fn read(lines: &str) -> Result<Lines, JournalError> {
    #[derive(Deserialize)]
    struct OfSeal {
        seal: Option<Seal>,
    }
    let mut lines = lines.lines().zip(1u64..);
    let header = match lines.next() {
        Some((line, _)) => read_header(line)?,
        None => return Err(unreadable(EVENTS, 1, "there is no header")),
    };
    let (mut events, mut seals) = (Vec::new(), Vec::new());
    for (line, number) in lines {
        let wrong = |error| unreadable(EVENTS, number, error);
        let event: Event = serde_json::from_str(line).map_err(wrong)?;
        if event.trial.is_none() && !event.kind.is_of_the_run() {
            let problem = "it is about a trial and does not say which";
            return Err(unreadable(EVENTS, number, problem));
        }
        let seal = match event.kind {
            EventKind::TrialEnded | EventKind::RunEnded => {
                serde_json::from_str::<OfSeal>(line).map_err(wrong)?.seal
            }
            _ => None,
        };
        events.push(event);
        seals.push(seal);
    }
    Ok((header, events, seals))
}

fn read_header(line: &str) -> Result<Header, JournalError> {
    #[derive(Deserialize)]
    struct Version {
        comeback_journal: u32,
    }
    let wrong = |problem: &dyn fmt::Display| unreadable(EVENTS, 1, problem);
    let version: Version = serde_json::from_str(line).map_err(|error| wrong(&error))?;
    if !(OLDEST..=VERSION).contains(&version.comeback_journal) {
        return Err(wrong(&format!(
            "version {} is none of those this program reads ({OLDEST} to {VERSION})",
            version.comeback_journal
        )));
    }
    serde_json::from_str(line).map_err(|error| wrong(&error))
}
