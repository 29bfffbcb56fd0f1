//! An event that a fault waits for, from its planned moment on: of the load, or of a faulted node. Then the event as it came.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::ids::{ClientId, Incarnation, Node};
use crate::units::{Elapsed, Span};

/// What of the load a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A client sends a write; the fault follows within the time that one takes.
    Request,
    /// A client has read a write's acknowledgement; the fault follows at once.
    Reply,
}

/// The event, and how long it is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct On {
    /// What is waited for.
    pub event: OnEvent,
    /// How long, from the planned moment on. An event that comes later never came: the fault did not land.
    pub comes_within: Span,
}

/// What a fault waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnEvent {
    /// A client has read the acknowledgement of so many writes.
    Acknowledgement(Nth),
    /// The last byte of so many writes was sent, and no reply to it has come.
    Sent(Nth),
    /// A line of a faulted node's output contains this text.
    Log(String),
    /// A faulted node was started again, so long ago.
    Start(Span),
}

impl OnEvent {
    /// The names of all of them in a document.
    pub const NAMES: [&'static str; 4] = ["acknowledgement", "sent", "log", "start"];

    /// Its name in a document.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Acknowledgement(_) => Self::NAMES[0],
            Self::Sent(_) => Self::NAMES[1],
            Self::Log(_) => Self::NAMES[2],
            Self::Start(_) => Self::NAMES[3],
        }
    }

    /// The mark of the load that is counted, and how many; nothing where the load is not asked.
    pub const fn of_load(&self) -> Option<(Mark, Nth)> {
        match self {
            Self::Acknowledgement(nth) => Some((Mark::Reply, *nth)),
            Self::Sent(nth) => Some((Mark::Request, *nth)),
            Self::Log(_) | Self::Start(_) => None,
        }
    }

    /// The same event in a trial: how many-th it is was drawn.
    #[must_use]
    pub fn drawn(&self, draw: impl Fn(Nth) -> u32) -> Self {
        let exactly = |nth: &Nth| {
            let drawn = draw(*nth);
            Nth {
                least: drawn,
                most: drawn,
            }
        };
        match self {
            Self::Acknowledgement(nth) => Self::Acknowledgement(exactly(nth)),
            Self::Sent(nth) => Self::Sent(exactly(nth)),
            Self::Log(_) | Self::Start(_) => self.clone(),
        }
    }

    /// Why it cannot come, whatever else the plan says; of a trial's first fault or of a later one, that waits so long.
    pub(in crate::plan) fn refused(&self, is_first: bool, comes_within: Span) -> Option<String> {
        match self {
            Self::Start(_) if is_first => Some(
                "nothing is started again before the first fault: name a fault that ends the node before this one"
                    .to_owned(),
            ),
            Self::Start(into) if *into >= comes_within => Some(format!(
                "the fault comes {into} after a start, and is waited for no longer than {comes_within}: raise comes_within"
            )),
            Self::Acknowledgement(_) | Self::Sent(_) | Self::Log(_) | Self::Start(_) => None,
        }
    }

    /// Whether the fault comes right after an acknowledgement was read.
    pub const fn is_acknowledgement(&self) -> bool {
        matches!(self, Self::Acknowledgement(_))
    }
}

/// After a verb, as in `SIGKILL to the process group …`: `at the 12th acknowledged write`.
impl fmt::Display for OnEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acknowledgement(nth) => write!(f, "at {} acknowledged write", nth.in_words()),
            Self::Sent(nth) => write!(
                f,
                "at {} write that was sent and is not answered",
                nth.in_words()
            ),
            Self::Log(text) => write!(f, "at the first line of output that contains {text:?}"),
            Self::Start(into) => write!(f, "{into} after the next start of a faulted node"),
        }
    }
}

/// The event that a fault had waited for, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Met {
    /// A write of the load was acknowledged, or had left and was not answered.
    Write(MetWrite),
    /// A line of a node's output.
    Line {
        /// Whose.
        node: Node,
        /// Of which start.
        incarnation: Incarnation,
        /// It, as far as it had been read and is kept.
        line: String,
    },
    /// A node was started again.
    Start {
        /// Which.
        node: Node,
        /// The how many-th start it is, from 0 on.
        incarnation: Incarnation,
    },
}

impl Met {
    /// In words, with the `mark` of an event of the load; `of` is how a node is named in front of its own things.
    pub fn words(&self, mark: Option<Mark>, of: impl Fn(Node) -> String) -> String {
        match self {
            Self::Write(MetWrite {
                nth,
                client,
                generation,
                write,
                sent_us: _,
                acknowledged_before,
            }) => {
                let what = match mark {
                    Some(Mark::Request) => "write that was sent and is not answered",
                    Some(Mark::Reply) | None => "acknowledged write",
                };
                let number = write.map_or_else(String::new, |write| format!("write {write} of "));
                format!(
                    "the {} {what} ({number}session {generation} of user {}, {acknowledged_before} acknowledged before)",
                    ordinal(*nth),
                    client.0
                )
            }
            Self::Line {
                node,
                incarnation,
                line,
            } => format!("a line of {}start {} ({line})", of(*node), incarnation.0),
            Self::Start { node, incarnation } => format!("{}start {}", of(*node), incarnation.0),
        }
    }

    /// Each text in it that may quote anything.
    pub(crate) fn each_quote(&mut self, mut visit: impl FnMut(&mut String)) {
        match self {
            Self::Line { line, .. } => visit(line),
            Self::Write(_) | Self::Start { .. } => {}
        }
    }
}

/// The write that a fault had waited for. Its row is that of the same user and session that was sent then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetWrite {
    /// The how many-th it is of those that were counted.
    pub nth: u32,
    /// The user.
    pub client: ClientId,
    /// Which session of the user.
    pub generation: u32,
    /// Which write of the session, from 1 on, where writes carry values of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<u32>,
    /// When its request was begun to be sent.
    pub sent_us: Elapsed,
    /// How many writes of the trial had been acknowledged before.
    pub acknowledged_before: u64,
}

/// The how many-th, counted from 1: a number, or drawn for each trial from a range, whose ends are both in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nth {
    /// At least.
    pub least: u32,
    /// At most.
    pub most: u32,
}

impl Nth {
    /// The first.
    pub const FIRST: Self = Self { least: 1, most: 1 };
    /// More than this no trial has.
    pub const MOST: u32 = 1_000_000;

    fn in_words(self) -> String {
        match self.least == self.most {
            true => format!("the {}", ordinal(self.most)),
            false => format!(
                "the {} to the {} (drawn for each trial)",
                ordinal(self.least),
                ordinal(self.most)
            ),
        }
    }
}

/// `1st`, `2nd`, `12th`.
pub fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

impl fmt::Display for Nth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.least == self.most {
            true => write!(f, "{}", self.most),
            false => write!(f, "{}..{}", self.least, self.most),
        }
    }
}

impl FromStr for Nth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unreadable = || {
            format!(
                "'{text}' is neither a number nor a range: write 12, or \"1..200\" to draw it for each trial"
            )
        };
        let read = |number: &str| number.trim().parse().map_err(|_| unreadable());
        let (least, most) = match text.split_once("..") {
            Some((least, most)) => (read(least)?, read(most)?),
            None => (read(text)?, read(text)?),
        };
        match (least, most) {
            (0, _) => {
                Err("it is counted from 1: write 1, or a range such as \"1..200\"".to_owned())
            }
            (least, most) if least > most => Err(format!(
                "the range {least}..{most} is empty: write the smaller number first"
            )),
            (_, most) if most > Self::MOST => {
                Err(format!("{most} is too many: {} at most", Self::MOST))
            }
            (least, most) => Ok(Self { least, most }),
        }
    }
}

/// A number as a number, a range as a text.
impl Serialize for Nth {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.least == self.most {
            true => to.serialize_u32(self.most),
            false => to.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Nth {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Nth;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number such as 12, or a range such as \"1..200\"")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Nth, E> {
                number.to_string().parse().map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Nth, E> {
                number.to_string().parse().map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Nth, E> {
                text.parse().map_err(E::custom)
            }
        }
        from.deserialize_any(Number)
    }
}

impl JsonSchema for Nth {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Nth".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number from 1 on, or a range such as `\"1..200\"`, from which it is drawn for each trial.",
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": Self::MOST },
                { "type": "string", "pattern": "^ *[0-9]+ *(\\.\\. *[0-9]+ *)?$" }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_a_range_is_read_and_written_as_it_was() {
        for (text, least, most, json) in [
            ("7", 7, 7, "7"),
            ("1..200", 1, 200, "\"1..200\""),
            ("3..3", 3, 3, "3"),
        ] {
            let nth: Nth = text.parse().expect("it is readable");
            assert_eq!((nth.least, nth.most), (least, most));
            let written = serde_json::to_string(&nth).expect("it is written");
            assert_eq!(written, json);
            let again: Nth = serde_json::from_str(&written).expect("it is read");
            assert_eq!(again, nth);
        }
    }

    #[test]
    fn what_is_no_number_or_range_is_refused_with_the_mend() {
        for (text, says) in [
            ("0", "counted from 1"),
            ("0..5", "counted from 1"),
            ("9..5", "smaller number first"),
            ("-1", "neither a number nor a range"),
            ("some", "neither a number nor a range"),
            ("1..", "neither a number nor a range"),
            ("2000000", "too many"),
        ] {
            let problem = text.parse::<Nth>().expect_err(text);
            assert!(problem.contains(says), "{text}: {problem}");
        }
    }

    #[test]
    fn ordinals_are_as_people_write_them() {
        let words = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal);
        assert_eq!(
            words,
            [
                "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"
            ]
        );
    }
}
