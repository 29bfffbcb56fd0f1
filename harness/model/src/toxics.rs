//! What a proxy in front of a node does to connections, and the words between the fault and the proxy: a line of JSON each.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Span;

/// A number of bytes; written as `500B`, `10KB` (1000), `64KiB` (1024), `2MB`, `1MiB` in plans.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub struct Size(u64);

/// Units from the largest to the smallest, in bytes.
const UNITS: [(&str, u64); 5] = [
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

impl Size {
    /// So many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// How many bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    /// The largest unit that says it exactly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut units = UNITS.into_iter();
        let exact = units.find(|(_, size)| self.0 > 0 && self.0.is_multiple_of(*size));
        let (unit, size) = exact.unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

/// A number of bytes that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeError(String);

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not a number of bytes: write a whole number and a unit, such as 500B, 10KB or 1MiB",
            self.0
        )
    }
}

impl std::error::Error for SizeError {}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let invalid = || SizeError(text.to_owned());
        let trimmed = text.trim();
        let split = trimmed.find(|sign: char| !sign.is_ascii_digit());
        let (number, unit) = trimmed.split_at(split.ok_or_else(invalid)?);
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let mut units = UNITS.into_iter();
        let (_, size) = units
            .find(|(name, _)| *name == unit.trim())
            .ok_or_else(invalid)?;
        number.checked_mul(size).map(Self).ok_or_else(invalid)
    }
}

impl TryFrom<String> for Size {
    type Error = SizeError;

    fn try_from(text: String) -> Result<Self, SizeError> {
        text.parse()
    }
}

/// What is done to the connections of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Toxics {
    /// How much later bytes arrive, each way that is affected.
    pub delay: Span,
    /// How much the delay varies, up and down.
    pub jitter: Span,
    /// How many bytes a second pass, each way that is affected.
    pub bandwidth: Option<Size>,
    /// Which way `delay`, `bandwidth` and `slow_close` hold for.
    pub direction: Direction,
    /// How much later the end of a connection is passed on.
    pub slow_close: Span,
    /// After how many bytes to the client a connection is ended.
    pub cut_after: Option<Size>,
    /// How it is ended.
    pub cut: Cut,
    /// Whether new connections are reset.
    pub refuse: bool,
    /// How many of the next new connections are reset.
    pub fail_first: u32,
    /// How many of the connections are met, in percent.
    pub percent: u8,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Both ways.
    Both,
    /// To the node.
    To,
    /// From the node.
    From,
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// As if the node had closed it.
    Close,
    /// By a reset.
    Reset,
}

/// What a proxy counted under one set of toxics. Numbers only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Connections that it met.
    pub met: u64,
    /// Bytes that were passed on later.
    pub bytes_delayed: u64,
    /// Bytes that waited for the bandwidth.
    pub bytes_held: u64,
    /// Ends of a direction that were passed on later.
    pub closes_delayed: u64,
    /// Connections that were cut.
    pub cut: u64,
    /// New connections that were reset by `refuse`.
    pub refused: u64,
    /// New connections that were reset by `fail_first`.
    pub failed: u64,
}

/// What a proxy is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// From now on these hold, by this name. Those that held by it are replaced, and counting goes on.
    On {
        /// The name.
        name: String,
        /// What the draws follow from.
        seed: u64,
        /// What is done.
        toxics: Toxics,
    },
    /// Those by this name hold no longer.
    Off {
        /// The name.
        name: String,
    },
    /// What was counted under those by this name.
    Count {
        /// The name.
        name: String,
    },
}

/// What a proxy answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The toxics that hold by the name now, if any, and what was counted under that name.
    State {
        /// What holds.
        toxics: Option<Toxics>,
        /// What was counted.
        counts: Counts,
    },
    /// The line is no order.
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_every_unit_and_written_in_the_largest_that_is_exact() {
        for (text, bytes, written) in [
            ("500B", 500, "500B"),
            ("10KB", 10_000, "10KB"),
            ("64 KiB", 65_536, "64KiB"),
            ("2000KB", 2_000_000, "2MB"),
            ("1MiB", 1_048_576, "1MiB"),
            ("0B", 0, "0B"),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
            assert_eq!(Size(bytes).to_string(), written);
        }
        for text in ["", "5", "KB", "-1KB", "1.5KB", "1GB", "99999999999999MiB"] {
            let error = text.parse::<Size>().expect_err(text);
            assert!(error.to_string().contains("10KB"), "{error}");
        }
    }
}
