//! Time with its meaning in the type: a point of the run, and a length.

use std::fmt;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A point in time: microseconds since the run's start, on the run's one monotonic clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Elapsed(u64);

impl Elapsed {
    /// The point `us` microseconds after the run's start.
    pub const fn from_us(us: u64) -> Self {
        Self(us)
    }

    /// Microseconds since the run's start.
    pub const fn as_us(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to this point; negative when this point came first.
    pub fn ms_after(self, earlier: Self) -> f64 {
        (self.0 as f64 - earlier.0 as f64) / 1_000.0
    }

    /// The length from `earlier` to this point; zero when this point came first.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Elapsed {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// A length of time, in whole microseconds; written as `250ms`, `2s`, `1m` in plans.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub struct Span(u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Whether it is zero.
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// A length of `us` microseconds.
    pub const fn from_us(us: u64) -> Self {
        Self(us)
    }

    /// A length of `ms` milliseconds.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms * 1_000)
    }

    /// A length of `s` seconds.
    pub const fn from_secs(s: u64) -> Self {
        Self(s * 1_000_000)
    }

    /// The length in microseconds.
    pub const fn as_us(self) -> u64 {
        self.0
    }

    /// The length in milliseconds.
    pub fn as_ms(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    /// The length in seconds.
    pub fn as_secs(self) -> f64 {
        self.0 as f64 / 1_000_000.0
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl From<Span> for std::time::Duration {
    fn from(span: Span) -> Self {
        Self::from_micros(span.0)
    }
}

/// Units from the largest to the smallest, in microseconds.
const UNITS: [(&str, u64); 5] = [
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

impl fmt::Display for Span {
    /// The largest unit that says it exactly: `1500ms`, `2s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let (unit, size) = UNITS
            .into_iter()
            .find(|(_, size)| self.0.is_multiple_of(*size))
            .unwrap_or(("us", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

/// A length of time that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanError(String);

impl fmt::Display for SpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not a length of time: write a number and a unit, such as 250ms, 2s or 1m",
            self.0
        )
    }
}

impl std::error::Error for SpanError {}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let invalid = || SpanError(text.to_owned());
        let trimmed = text.trim();
        let split = trimmed
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or_else(invalid)?;
        let (number, unit) = trimmed.split_at(split);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let (_, size) = UNITS
            .into_iter()
            .find(|(name, _)| *name == unit.trim())
            .ok_or_else(invalid)?;
        let us = number * size as f64;
        // Beyond this a microsecond is no longer exact in an f64, and no run lasts 285 years.
        if us > 9e15 {
            return Err(invalid());
        }
        Ok(Self(us.round() as u64))
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_read_in_every_unit() {
        for (text, us) in [
            ("250ms", 250_000),
            ("2s", 2_000_000),
            ("1.5s", 1_500_000),
            ("1m", 60_000_000),
            ("7us", 7),
            ("0s", 0),
            (" 3 s", 3_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Span(us)), "{text}");
        }
    }

    #[test]
    fn a_span_without_a_unit_or_number_is_refused_with_the_mend() {
        for text in ["", "5", "s", "-1s", "1.2.3s", "5 parsecs", "9999999999h"] {
            let error = text.parse::<Span>().expect_err(text);
            assert!(error.to_string().contains("250ms"), "{error}");
        }
    }

    #[test]
    fn time_before_a_point_is_negative_in_ms_and_zero_as_a_span() {
        let (early, late) = (Elapsed::from_us(1_000), Elapsed::from_us(3_500));
        assert_eq!(late.ms_after(early), 2.5);
        assert_eq!(early.ms_after(late), -2.5);
        assert_eq!(early.since(late), Span::ZERO);
    }

    proptest! {
        #[test]
        fn a_span_survives_being_written_and_read(us in 0u64..9_000_000_000_000) {
            prop_assert_eq!(Span(us).to_string().parse(), Ok(Span(us)));
        }
    }
}
