//! Seals: what a trial or a run must hold when it has ended, so that a file that was cut is not taken for a whole one.
//!
//! A seal stands on the line of `trial_ended` and `run_ended`. The writer hands each line and row to the kernel before
//! it writes the next, so a harness that is killed leaves no seal over rows that are missing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{EVENTS, JournalError, unreadable};
use crate::event::{Event, EventKind};
use crate::ids::TrialId;

/// What stood in the files when a trial or a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seal {
    /// Lines before this one: of the trial, or of the run without its header.
    lines: u64,
    /// Rows of operations, likewise.
    operations: u64,
    /// The sum of the rows' checksums, in hexadecimal digits.
    checksum: String,
}

/// Rows, counted and added up. A sum does not depend on their order: those of several workers come as they are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rows {
    count: u64,
    sum: u64,
}

impl Rows {
    const fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Counts lines and rows as they are written, or read.
#[derive(Debug, Default)]
pub(super) struct Count {
    lines: u64,
    lines_of: BTreeMap<TrialId, u64>,
    rows_of: BTreeMap<TrialId, Rows>,
    /// Rows of the trials that have ended.
    ended: Rows,
}

impl Count {
    /// Adds rows of the operations file as text, without its header row.
    pub(super) fn note_rows(&mut self, rows: &str) {
        for row in rows.lines() {
            let trial = row.split(',').next().and_then(|cell| cell.parse().ok());
            if let Some(trial) = trial {
                let one = Rows {
                    count: 1,
                    sum: fnv_1a(row.as_bytes()),
                };
                self.rows_of.entry(TrialId(trial)).or_default().add(one);
            }
        }
    }

    /// Adds a line; the seal that belongs on it.
    pub(super) fn note_line(&mut self, event: &Event) -> Option<Seal> {
        let seal = match (&event.kind, event.trial) {
            (EventKind::TrialEnded, Some(trial)) => {
                let rows = self.rows_of.get(&trial).copied().unwrap_or_default();
                self.ended.add(rows);
                let lines = self.lines_of.get(&trial).copied().unwrap_or(0);
                Some(Seal::of(lines, rows))
            }
            (EventKind::RunEnded, _) => Some(Seal::of(self.lines, self.ended)),
            _ => None,
        };
        self.lines += 1;
        if let Some(trial) = event.trial {
            *self.lines_of.entry(trial).or_default() += 1;
        }
        seal
    }
}

impl Seal {
    fn of(lines: u64, rows: Rows) -> Self {
        Self {
            lines,
            operations: rows.count,
            checksum: format!("{:016x}", rows.sum),
        }
    }

    /// What the files lack of what they held when this was written, if anything.
    fn missing_from(&self, found: &Self) -> Option<String> {
        if self == found {
            return None;
        }
        Some(if self.lines != found.lines {
            format!(
                "ended after {} lines of the journal, which holds {} of them: lines are missing, or were added",
                self.lines, found.lines
            )
        } else if self.operations != found.operations {
            format!(
                "ended with {} operations, of which the operations file holds {}: rows are missing, or were added",
                self.operations, found.operations
            )
        } else {
            format!(
                "ended with other operations than the {} that the operations file holds: rows were replaced",
                self.operations
            )
        })
    }
}

/// Whether the files hold what their seals say; `seals` has one place for each event.
pub(super) fn check(
    events: &[Event],
    seals: &[Option<Seal>],
    rows: &str,
) -> Result<(), JournalError> {
    let mut count = Count::default();
    count.note_rows(rows.split_once('\n').map_or("", |(_, rows)| rows));
    // The header is line 1.
    for ((event, seal), line) in events.iter().zip(seals).zip(2_u64..) {
        let Some(found) = count.note_line(event) else {
            continue;
        };
        let who = match (&event.kind, event.trial) {
            (EventKind::TrialEnded, Some(TrialId(trial))) => format!("trial {trial}"),
            _ => "the run".to_owned(),
        };
        let Some(seal) = seal else {
            let problem = format!("{who} ended without saying what it holds");
            return Err(unreadable(EVENTS, line, problem));
        };
        if let Some(missing) = seal.missing_from(&found) {
            return Err(unreadable(EVENTS, line, format!("{who} {missing}")));
        }
    }
    Ok(())
}

/// The 64-bit FNV-1a hash: short, the same everywhere, and enough against a cut (not against forgery).
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
