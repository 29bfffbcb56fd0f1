//! A part of an experiment file under construction, on the way back from a plan.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use toml::{Table, Value};

/// Why a plan cannot be written as an experiment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritable(pub(super) String);

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the plan cannot be written as an experiment file: {}",
            self.0
        )
    }
}

impl std::error::Error for Unwritable {}

/// Something of the model as a value: it is written as it is read.
fn value(of: impl Serialize) -> Result<Value, Unwritable> {
    Value::try_from(of).map_err(|error| Unwritable(error.to_string()))
}

/// A table under construction.
#[derive(Default)]
pub(super) struct Part(pub(super) Table);

impl Part {
    /// A part of the document as a table, to be added to.
    pub(super) fn of(part: impl Serialize) -> Result<Self, Unwritable> {
        let table = Table::try_from(part).map_err(|error| Unwritable(error.to_string()))?;
        Ok(Self(table))
    }

    pub(super) fn put(&mut self, key: &str, of: impl Serialize) -> Result<(), Unwritable> {
        self.0.insert(key.to_owned(), value(of)?);
        Ok(())
    }

    pub(super) fn put_some(
        &mut self,
        key: &str,
        of: Option<impl Serialize>,
    ) -> Result<(), Unwritable> {
        of.map_or(Ok(()), |of| self.put(key, of))
    }

    pub(super) fn put_some_texts(
        &mut self,
        key: &str,
        texts: &BTreeMap<String, impl Serialize>,
    ) -> Result<(), Unwritable> {
        if texts.is_empty() {
            return Ok(());
        }
        self.put(key, texts)
    }
}
