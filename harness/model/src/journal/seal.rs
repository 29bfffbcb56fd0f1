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
    /// Rows of the trial that the last row is of, which are not among those yet.
    last: Option<(TrialId, Rows)>,
    /// Rows of the trials that have ended.
    ended: Rows,
}

impl Count {
    /// Adds rows of the operations file as text, without its header row.
    pub(super) fn note_rows(&mut self, rows: &str) {
        for row in rows.lines() {
            self.note_row(row.as_bytes());
        }
    }

    /// Adds a row, without its end.
    pub(super) fn note_row(&mut self, row: &[u8]) {
        let cell = row.split(|byte| *byte == b',').next();
        let cell = cell.and_then(|cell| std::str::from_utf8(cell).ok());
        let Some(trial) = cell.and_then(|cell| cell.parse().ok()).map(TrialId) else {
            return;
        };
        let one = Rows {
            count: 1,
            sum: fnv_1a(row),
        };
        match &mut self.last {
            Some((last, rows)) if *last == trial => rows.add(one),
            last => {
                if let Some((last, rows)) = last.replace((trial, one)) {
                    self.rows_of.entry(last).or_default().add(rows);
                }
            }
        }
    }

    fn rows_of(&self, trial: TrialId) -> Rows {
        let mut rows = self.rows_of.get(&trial).copied().unwrap_or_default();
        match self.last {
            Some((last, more)) if last == trial => rows.add(more),
            Some(_) | None => {}
        }
        rows
    }

    /// Adds a line; if it ends something, what.
    pub(super) fn note_line(&mut self, event: &Event) -> Option<End> {
        let end = match (&event.kind, event.trial) {
            (EventKind::TrialEnded, Some(trial)) => Some(End {
                trial: Some(trial),
                lines: self.lines_of.get(&trial).copied().unwrap_or(0),
            }),
            (EventKind::RunEnded, _) => Some(End {
                trial: None,
                lines: self.lines,
            }),
            _ => None,
        };
        self.lines += 1;
        if let Some(trial) = event.trial {
            *self.lines_of.entry(trial).or_default() += 1;
        }
        end
    }

    /// The seal of an end; ends in their order.
    pub(super) fn seal(&mut self, end: End) -> Seal {
        match end.trial {
            Some(trial) => {
                let rows = self.rows_of(trial);
                self.ended.add(rows);
                Seal::of(end.lines, rows)
            }
            None => Seal::of(end.lines, self.ended),
        }
    }
}

/// The end of a trial, or of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// Which trial's.
    trial: Option<TrialId>,
    /// Lines before it: of the trial, or of the run.
    lines: u64,
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

/// Holds what is read to its seals.
#[derive(Debug, Default)]
pub(super) struct Check {
    pub(super) count: Count,
    /// Each end with its line and its seal. Rows are read after them.
    ends: Vec<(End, u64, Option<Seal>)>,
}

impl Check {
    /// Notes the event on this line, and the line's seal.
    pub(super) fn note_line(&mut self, line: u64, event: &Event, seal: Option<Seal>) {
        let end = self.count.note_line(event);
        self.ends.extend(end.map(|end| (end, line, seal)));
    }

    /// Whether the files hold what their seals say, once all is read.
    pub(super) fn finish(mut self) -> Result<(), JournalError> {
        for (end, line, seal) in self.ends {
            let found = self.count.seal(end);
            let who = match end.trial {
                Some(TrialId(trial)) => format!("trial {trial}"),
                None => "the run".to_owned(),
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
}

/// The 64-bit FNV-1a hash: short, the same everywhere, and enough against a cut (not against forgery).
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
