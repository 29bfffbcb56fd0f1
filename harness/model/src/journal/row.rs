//! One row of the operations file as an operation.
//!
//! Most of the time that a report takes is spent here, so a row is read byte by byte as this program writes it. Whatever
//! is written otherwise, or is damaged, is left to the CSV library, which then also says what is wrong.

use serde::Deserialize;
use serde::de::value::{BorrowedStrDeserializer, Error};

use crate::ids::{BootId, ClientId, TrialId};
use crate::operation::{Found, Operation};
use crate::units::Elapsed;

/// The columns of the operations file.
pub(super) const COLUMNS: [&str; 22] = [
    "trial",
    "client",
    "generation",
    "step",
    "intended_us",
    "dispatched_us",
    "sent_us",
    "finished_us",
    "outcome",
    "error",
    "status",
    "value",
    "write",
    "found",
    "boot",
    "replica",
    "failed_replica",
    "unframed",
    "cache",
    "age_s",
    "tries",
    "resent_us",
];

/// Digits of which any number fits into 64 bits.
const SAFE_DIGITS: usize = 19;

/// Reads a row, or says what is wrong with it.
pub(super) fn parse_row(row: &[u8]) -> Result<Operation, String> {
    if let Some(operation) = parse_plain(row) {
        return Ok(operation);
    }
    let row = std::str::from_utf8(row).map_err(|_| "it is not UTF-8".to_owned())?;
    parse_any(row)
}

/// Reads a row in the form that this program writes; nothing where it has another.
pub(super) fn parse_plain(row: &[u8]) -> Option<Operation> {
    let mut cells = Cells { rest: row };
    // Fields are evaluated in the order they stand here, which is the order of the columns.
    let operation = Operation {
        trial: TrialId(cells.number()?),
        client: ClientId(cells.number()?),
        generation: cells.number()?,
        step: cells.word()?,
        intended: Elapsed::from_us(cells.number()?),
        dispatched: Elapsed::from_us(cells.number()?),
        sent: cells.number_or_none()?.map(Elapsed::from_us),
        finished: Elapsed::from_us(cells.number()?),
        outcome: cells.word()?,
        error: cells.word_or_none()?,
        status: cells.number_or_none()?,
        value: cells.number_or_none()?,
        write: cells.number_or_none()?,
        found: cells.found()?,
        boot: cells.boot_or_none()?,
        replica: cells.number_or_none()?,
        failed_replica: cells.number_or_none()?,
        unframed: cells.flag()?,
        cache: cells.word_or_none()?,
        age_s: cells.number_or_none()?,
        tries: cells.number()?,
        resent: cells.last_number_or_none()?.map(Elapsed::from_us),
    };
    Some(operation)
}

/// Reads a row as the CSV library does.
pub(super) fn parse_any(row: &str) -> Result<Operation, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(row.as_bytes());
    let mut records = reader.records();
    let mut record = match records.next() {
        Some(record) => record.map_err(|error| error.to_string())?,
        None => return Err("it is empty".to_owned()),
    };
    if records.next().is_some() || row.bytes().filter(|byte| *byte == b'"').count() % 2 > 0 {
        return Err("it is not one row of CSV".to_owned());
    }
    let (found, wanted) = (record.len(), COLUMNS.len());
    if found != wanted {
        return Err(format!("it has {found} fields and not {wanted}"));
    }
    record.set_position(None);
    let columns = csv::StringRecord::from(COLUMNS.as_slice());
    let operation = record.deserialize(Some(&columns));
    operation.map_err(|error| error.to_string())
}

/// The cells of a row that were not read yet.
struct Cells<'a> {
    rest: &'a [u8],
}

impl<'a> Cells<'a> {
    /// A number in plain digits, and the comma behind it.
    fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        let number = self.digits()?;
        self.comma()?;
        T::try_from(number).ok()
    }

    /// Likewise, or nothing in front of the comma.
    fn number_or_none<T: TryFrom<u64>>(&mut self) -> Option<Option<T>> {
        if self.comma().is_some() {
            return Some(None);
        }
        self.number().map(Some)
    }

    /// A number with which the row ends, or nothing there.
    fn last_number_or_none(&mut self) -> Option<Option<u64>> {
        if self.rest.is_empty() {
            return Some(None);
        }
        let number = self.digits()?;
        self.rest.is_empty().then_some(Some(number))
    }

    fn digits(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        let mut length = 0;
        while let Some(digit @ b'0'..=b'9') = self.rest.get(length) {
            number = number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit - b'0'));
            length += 1;
            if length > SAFE_DIGITS {
                return None;
            }
        }
        self.rest = &self.rest[length..];
        (length > 0).then_some(number)
    }

    fn comma(&mut self) -> Option<()> {
        self.rest = self.rest.strip_prefix(b",")?;
        Some(())
    }

    /// What stands in front of the next comma.
    fn cell(&mut self) -> Option<&'a [u8]> {
        let length = self.rest.iter().position(|byte| *byte == b',')?;
        let (cell, rest) = self.rest.split_at(length);
        self.rest = &rest[1..];
        Some(cell)
    }

    /// What its type calls itself in documents.
    fn word<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let word = std::str::from_utf8(self.cell()?).ok()?;
        T::deserialize(BorrowedStrDeserializer::<Error>::new(word)).ok()
    }

    fn word_or_none<T: Deserialize<'a>>(&mut self) -> Option<Option<T>> {
        match self.comma() {
            Some(()) => Some(None),
            None => self.word().map(Some),
        }
    }

    /// Likewise; read by itself, since a word that is parsed need not be copied.
    fn boot_or_none(&mut self) -> Option<Option<BootId>> {
        match self.cell()? {
            b"" => Some(None),
            cell => std::str::from_utf8(cell).ok()?.parse().ok().map(Some),
        }
    }

    fn flag(&mut self) -> Option<bool> {
        match self.cell()? {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// The writes that a reply shows: a word, in quotes where there are commas in it.
    fn found(&mut self) -> Option<Option<Box<Found>>> {
        if self.comma().is_some() {
            return Some(None);
        }
        let word = match self.rest.strip_prefix(b"\"") {
            None => self.cell()?,
            Some(quoted) => {
                let length = quoted.iter().position(|byte| *byte == b'"')?;
                let (word, rest) = quoted.split_at(length);
                self.rest = rest[1..].strip_prefix(b",")?;
                word
            }
        };
        let found = std::str::from_utf8(word).ok()?.parse().ok()?;
        Some(Some(Box::new(found)))
    }
}
