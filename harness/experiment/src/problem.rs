//! Problems of an experiment, and their places.

use std::fmt;

/// One step of a path into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A key of a table.
    Name(String),
    /// A place in a list, from 0.
    Index(usize),
}

impl From<&str> for Key {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<usize> for Key {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// Something about an experiment that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Possible places in a file. The first existing one is meant.
    pub places: Vec<Vec<Key>>,
    /// Its name on the command line.
    pub name: String,
    /// The problem and its correction.
    pub what: String,
}

/// A problem of a part: the rest of its path, and the message.
pub(super) type PartProblem = (Vec<&'static str>, String);

impl Problem {
    /// A problem of one place.
    pub(super) fn at(place: Vec<Key>, name: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            places: vec![place],
            name: name.into(),
            what: what.into(),
        }
    }
}

/// `name: what`, for who wrote flags.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => f.write_str(&self.what),
            name => write!(f, "{name}: {}", self.what),
        }
    }
}

impl std::error::Error for Problem {}
