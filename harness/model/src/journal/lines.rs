//! A file's lines, one after another: no more of the file is in memory than one of them.

use std::io::{BufRead, Read};

use super::{JournalError, unreadable};

/// The longest line that is read, in bytes. The header, which holds the schedule, is the longest there is: about 100 bytes
/// for each of at most 100,000 trials.
const LINE_MAX: u64 = 64 * 1024 * 1024;

/// Reads a file's whole lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    /// What errors call the file.
    part: &'static str,
    from: R,
    line: Vec<u8>,
    /// The number of the last line, from 1.
    number: u64,
    /// Bytes up to the end of the last line.
    end: u64,
    /// Something stood behind the last line break.
    is_torn: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(part: &'static str, from: R) -> Self {
        Self::behind(part, from, 0, 0)
    }

    /// The lines behind the first `number` ones, which are `end` bytes long.
    pub(super) const fn behind(part: &'static str, from: R, number: u64, end: u64) -> Self {
        Self {
            part,
            from,
            line: Vec::new(),
            number,
            end,
            is_torn: false,
        }
    }

    /// Goes on to the next whole line, if there is one.
    pub(super) fn advance(&mut self) -> Result<bool, JournalError> {
        self.line.clear();
        let mut from = self.from.by_ref().take(LINE_MAX + 1);
        let read = from
            .read_until(b'\n', &mut self.line)
            .map_err(|error| unreadable(self.part, self.number + 1, error))?;
        if read as u64 > LINE_MAX {
            let what = "it is longer than 64 MiB, which no line of a run is";
            return Err(unreadable(self.part, self.number + 1, what));
        }
        if self.line.last() != Some(&b'\n') {
            self.is_torn |= read > 0;
            return Ok(false);
        }
        self.number += 1;
        self.end += read as u64;
        Ok(true)
    }

    /// The line, without its end.
    pub(super) fn bytes(&self) -> &[u8] {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// The line as text.
    pub(super) fn text(&self) -> Result<&str, JournalError> {
        std::str::from_utf8(self.bytes()).map_err(|_| self.invalid("it is not UTF-8"))
    }

    /// What is wrong with the line.
    pub(super) fn invalid(&self, problem: impl std::fmt::Display) -> JournalError {
        unreadable(self.part, self.number, problem)
    }

    /// The line's number, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Where the line begins and ends in the file.
    pub(super) const fn place(&self) -> std::ops::Range<u64> {
        self.end - self.line.len() as u64..self.end
    }

    /// Whether something stood behind the last line break.
    pub(super) const fn is_torn(&self) -> bool {
        self.is_torn
    }
}
