//! Small values that may be written in more than one way.

use std::fmt;
use std::str::FromStr;

use comeback_model::plan::{Aim, StatusRange};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A program and its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Words(pub Vec<String>);

/// A text. A number or a boolean is taken as text: `"a"`, `7`, `{ value = "a", secret = true }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Whether it is a secret, which no document may contain.
    pub is_secret: bool,
}

impl Text {
    /// A text that is not marked as secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_secret: false,
        }
    }
}

/// A text within a list, which cannot be marked.
struct Word(String);

/// Status codes: `200`, `"2xx"`, `[200, 302]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statuses(pub Vec<StatusRange>);

/// Whom a fault hits: `replica:any`, `replica:0`, `replicas:all`, `balancer`, `cache`, `store`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AimPart(pub Aim);

/// Bounds of a metric: `0`, `"< 2s"`, `[">= 1", "< 5"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands(pub Vec<String>);

/// A rate: a number of operations per second, or `"auto"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RatePart {
    /// It is measured before the first trial.
    Auto,
    /// So many.
    PerSecond(f64),
}

impl RatePart {
    /// The word for a rate that is measured.
    pub const AUTO: &'static str = "auto";
    const EXPECTED: &'static str = "a number of operations per second, or \"auto\"";
}

impl FromStr for RatePart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            Self::AUTO => Ok(Self::Auto),
            _ => match text.parse() {
                Ok(number) => Ok(Self::PerSecond(number)),
                Err(_) => Err(format!("'{text}' is not {}", Self::EXPECTED)),
            },
        }
    }
}

impl Serialize for RatePart {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => to.serialize_str(Self::AUTO),
            Self::PerSecond(rate) if rate.fract() == 0.0 => to.serialize_i64(*rate as i64),
            Self::PerSecond(rate) => to.serialize_f64(*rate),
        }
    }
}

impl<'de> Deserialize<'de> for RatePart {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct NumberOrAuto;
        impl Visitor<'_> for NumberOrAuto {
            type Value = RatePart;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(RatePart::EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RatePart, E> {
                match text {
                    RatePart::AUTO => Ok(RatePart::Auto),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RatePart, E> {
                Ok(RatePart::PerSecond(number as f64))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<RatePart, E> {
                Ok(RatePart::PerSecond(number as f64))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<RatePart, E> {
                Ok(RatePart::PerSecond(number))
            }
        }
        from.deserialize_any(NumberOrAuto)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a list of words such as [\"./server\", \"--port\", \"{port}\"] (no shell reads it)",
                )
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(Word(word)) = items.next_element()? {
                    words.push(word);
                }
                Ok(Words(words))
            }
        }
        from.deserialize_any(List)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Marked {
            value: Word,
            #[serde(default)]
            secret: bool,
        }
        struct WordOrMarked;
        impl<'de> Visitor<'de> for WordOrMarked {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false, or { value = \"…\", secret = true }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::new(text))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Text, E> {
                Ok(Text::new(number.to_string()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Text, E> {
                Ok(Text::new(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Text, E> {
                Ok(Text::new(number.to_string()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Text, E> {
                Ok(Text::new(value.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
                let marked = Marked::deserialize(MapAccessDeserializer::new(map))?;
                let Word(text) = marked.value;
                Ok(Text {
                    text,
                    is_secret: marked.secret,
                })
            }
        }
        from.deserialize_any(WordOrMarked)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Word, E> {
                Ok(Word(value.to_string()))
            }
        }
        from.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct One(StatusRange);
        impl<'de> Deserialize<'de> for One {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let Statuses(ranges) = from.deserialize_any(OneOrMany)?;
                match ranges.as_slice() {
                    [range] => Ok(Self(*range)),
                    _ => Err(Error::custom("a list within a list of statuses")),
                }
            }
        }
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Statuses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status such as 200, a class such as \"2xx\", or a list of them")
            }

            fn visit_i64<E: Error>(self, status: i64) -> Result<Statuses, E> {
                match u16::try_from(status) {
                    Ok(status @ 100..=599) => Ok(Statuses(vec![StatusRange {
                        first: status,
                        last: status,
                    }])),
                    Ok(_) | Err(_) => Err(E::custom(format!(
                        "{status} is not an HTTP status: write a number from 100 to 599"
                    ))),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Statuses, E> {
                let class = text.strip_suffix("xx").and_then(|class| class.parse().ok());
                match class {
                    Some(class @ 1..=5_u16) => Ok(Statuses(vec![StatusRange {
                        first: class * 100,
                        last: class * 100 + 99,
                    }])),
                    Some(_) | None => Err(E::custom(format!(
                        "'{text}' is not a class of statuses: write \"2xx\" or a number such as 200"
                    ))),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Statuses, A::Error> {
                let mut ranges = Vec::new();
                while let Some(One(range)) = items.next_element()? {
                    ranges.push(range);
                }
                if ranges.is_empty() {
                    return Err(Error::custom(
                        "an empty list allows no status: leave it out for any 2xx",
                    ));
                }
                Ok(Statuses(ranges))
            }
        }
        from.deserialize_any(OneOrMany)
    }
}

impl<'de> Deserialize<'de> for AimPart {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let aim = match text.split_once(':') {
            None if text == "balancer" => Some(Aim::Balancer),
            None if text == "cache" => Some(Aim::Cache),
            None if text == "store" => Some(Aim::Store),
            Some(("replica", "any")) => Some(Aim::AnyReplica),
            Some(("replica", number)) => number.parse().ok().map(Aim::Replica),
            Some(("replicas", "all")) => Some(Aim::AllReplicas),
            Some(_) | None => None,
        };
        aim.map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "'{text}' is not a target of a fault: write replica:any, replica:0, replicas:all, balancer, cache or \
                 store"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Demands {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Demands;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a bound such as 0 or \"< 2s\", or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Demands, E> {
                Ok(Demands(vec![text.to_owned()]))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Demands, E> {
                Ok(Demands(vec![number.to_string()]))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Demands, E> {
                Ok(Demands(vec![number.to_string()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Demands, A::Error> {
                let mut demands = Vec::new();
                while let Some(Word(demand)) = items.next_element()? {
                    demands.push(demand);
                }
                if demands.is_empty() {
                    return Err(Error::custom(
                        "an empty list sets no bound: write one such as 0, or remove the key",
                    ));
                }
                Ok(Demands(demands))
            }
        }
        from.deserialize_any(OneOrMany)
    }
}

/// The published shape of each.
macro_rules! schema {
    ($type:ident, $($shape:tt)+) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($($shape)+)
            }
        }
    };
}

schema!(Words, {"type": "array", "items": {"type": "string"}, "minItems": 1});
schema!(Text, {
    "anyOf": [
        {"type": ["string", "number", "boolean"]},
        {
            "type": "object",
            "properties": {
                "value": {"type": ["string", "number", "boolean"]},
                "secret": {"description": "Whether it is a secret, which no document of a run may contain.", "type": "boolean"}
            },
            "required": ["value"],
            "additionalProperties": false
        }
    ]
});
schema!(RatePart, {"anyOf": [{"type": "number"}, {"const": "auto"}]});
schema!(Statuses, {
    "anyOf": [
        {"type": "integer", "minimum": 100, "maximum": 599},
        {"type": "string", "pattern": "^[1-5]xx$"},
        {"type": "array", "minItems": 1, "items": {"anyOf": [
            {"type": "integer", "minimum": 100, "maximum": 599},
            {"type": "string", "pattern": "^[1-5]xx$"}
        ]}}
    ]
});
schema!(Demands, {
    "anyOf": [
        {"type": ["number", "string"]},
        {"type": "array", "items": {"type": ["number", "string"]}, "minItems": 1}
    ]
});
