//! The journal: a run's events and operations as text, and back.
//!
//! The first line of the [`events`] is a header with a version. A torn last line (the harness was killed
//! while it wrote) is tolerated and reported; anything else that cannot be read is an error that names
//! its line. [`operations`] are rows of CSV, a line each, with a fixed header. What a trial or the run held when it ended is
//! [sealed](seal): where lines or rows of it are missing, that is an error. Reading is total: any bytes are a
//! journal or an error.
//!
//! Reading streams: an [`outline`] is what a run comes to without its operations, which stay in their file until those of a
//! trial are asked for.

#[cfg(any(test, feature = "testing"))]
mod enlarge;
mod events;
mod interval;
mod lines;
mod operations;
mod outline;
mod row;
mod seal;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::io::BufRead;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(any(test, feature = "testing"))]
pub use enlarge::write_enlarged;
pub use events::write_line;
pub use operations::write_operations;
pub use outline::{Outline, outline};
pub use write::Sealer;

use crate::event::Event;
use crate::ids::{Seed, TrialId};
pub use crate::machine::Machine;
use crate::operation::Operation;
use crate::plan::Plan;
pub use crate::revision::Revision;
use crate::schedule::Schedule;
use crate::shard::Shards;

/// The version of the journal this build writes. Since 2 an operation says which write it carries and which it
/// found, and the plan has room for any server; since 4 the ends of trials and runs are sealed; since 5
/// a fault is stored with its kind, its effect and its words; since 6 there may be several in one trial, and what is told of
/// one names it; since 7 it may hold some shards of a run, which must not be taken for the whole.
pub const VERSION: u32 = 7;
/// The version of a journal of a whole run: an older program may read it.
pub const UNSPLIT: u32 = 6;
/// The oldest version it reads.
const OLDEST: u32 = 3;
/// The first version whose ends are sealed.
const SEALED: u32 = 4;

/// The first version in which a trial may have several faults, and the schedule names their nodes.
const SEVERAL: u32 = 6;

/// What errors call the events file.
const EVENTS: &str = "journal";

/// The first line: what was to happen, where, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The journal's version.
    pub comeback_journal: u32,
    /// The version of the program that wrote it.
    pub written_by: String,
    /// Wall time at the run's start, RFC 3339; every other time counts from it.
    pub started: String,
    /// The seed of everything random.
    pub seed: Seed,
    /// Where it ran.
    pub machine: Machine,
    /// What was to happen.
    pub plan: Plan,
    /// The trials, in their order; of a run that was split, those of the shards that are held.
    pub schedule: Schedule,
    /// Which shards it holds, where the run was split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<Shards>,
    /// What the user calls the run, so that it is found among others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The git revision of the folder in which it was started, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
}

impl Header {
    /// Whether the journal shows that nothing of its ended trials is missing. Those of older programs cannot.
    pub const fn is_sealed(&self) -> bool {
        self.comeback_journal >= SEALED
    }

    /// The shard that a trial is of, where the run was split.
    pub fn shard_of(&self, trial: TrialId) -> Option<u32> {
        let shards = self.shards.as_ref()?;
        Some(shards.index_of(trial, self.plan.in_each_round()))
    }
}

/// Which run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunLabel {
    /// The experiment's name.
    pub name: String,
    /// Wall time at its start, RFC 3339.
    pub started: String,
    /// The seed of everything random.
    pub seed: u64,
}

impl From<&Header> for RunLabel {
    fn from(header: &Header) -> Self {
        Self {
            name: header.plan.name.clone(),
            started: header.started.clone(),
            seed: header.seed.0,
        }
    }
}

/// A stored run.
#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    /// What was to happen.
    pub header: Header,
    /// What happened, in the order it was recorded.
    pub events: Vec<Event>,
    /// What the clients did, in no particular order.
    pub operations: Vec<Operation>,
    /// Whether the last line was torn: the harness ended while it wrote.
    pub torn: bool,
}

/// A journal that cannot be read.
#[derive(Debug)]
pub struct JournalError {
    /// `journal` or `operations`.
    part: &'static str,
    /// The line, from 1.
    line: u64,
    /// What is wrong with it.
    problem: String,
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}: {}", self.part, self.line, self.problem)
    }
}

impl std::error::Error for JournalError {}

/// Reads a run back, all of it into memory.
///
/// # Errors
/// When the header is missing or of another version, a line other than a torn last one cannot be read, an
/// operation has times that cannot be, or lines or rows of an ended trial are missing.
pub fn read(events: impl BufRead, operations: impl BufRead) -> Result<Journal, JournalError> {
    let (mut noted, mut kept) = (Vec::new(), Vec::new());
    let outline = outline::scan(
        events,
        operations,
        |event| noted.push(event),
        |operation| kept.push(operation),
    )?;
    Ok(Journal {
        header: outline.header,
        events: noted,
        operations: kept,
        torn: outline.torn,
    })
}

/// The header of a run alone.
///
/// # Errors
/// When it is missing, of another version, or cannot be read.
pub fn header(from: impl BufRead) -> Result<Header, JournalError> {
    Ok(events::Events::new(from)?.0)
}

/// The events of a run, one after another in the order they were recorded. Seals are not checked: see [`outline`].
///
/// # Errors
/// When there is no header; each event when its line cannot be read.
pub fn events(
    from: impl BufRead,
) -> Result<impl Iterator<Item = Result<Event, JournalError>>, JournalError> {
    let (_, mut events) = events::Events::new(from)?;
    Ok(std::iter::from_fn(move || events.next().transpose())
        .map(|event| event.map(|(event, _)| event)))
}

/// The operations of a run, one after another in the order they were recorded. Their times and seals are not
/// checked: see [`outline`].
///
/// # Errors
/// When it does not begin with the names of the columns; each operation when its row cannot be read.
pub fn operations(
    from: impl BufRead,
) -> Result<impl Iterator<Item = Result<Operation, JournalError>>, JournalError> {
    let mut rows = operations::Rows::new(from)?;
    Ok(std::iter::from_fn(move || rows.next().transpose()))
}

fn unreadable(part: &'static str, line: u64, problem: impl fmt::Display) -> JournalError {
    JournalError {
        part,
        line,
        problem: problem.to_string(),
    }
}
