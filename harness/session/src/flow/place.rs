//! Where in a reply a value is found, compiled.

use std::cell::OnceCell;

use comeback_model::plan::Extract;
use regex::Regex;
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::wire::{KEPT_BODY, Reply};

/// Brackets within brackets in a JSONPath. Each filter within another doubles the time its parser takes, and
/// thousands of them would exhaust the stack.
const MAX_DEPTH: usize = 8;

/// A place in a reply.
#[derive(Debug)]
pub(super) enum Place {
    Pointer(String),
    JsonPath(JsonPath),
    Header(String),
    Cookie(String),
    Regex(Regex),
    Body,
}

/// The value at this place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extracted {
    /// Nothing.
    Absent,
    /// A JSON null, or an empty text: the server says that there is none.
    Nothing,
    /// This.
    Text(String),
}

/// A reply whose body is parsed once, when something asks for it.
#[derive(Debug)]
pub(super) struct Looked<'a> {
    pub(super) reply: &'a Reply<'a>,
    json: OnceCell<Option<Value>>,
}

impl<'a> Looked<'a> {
    pub(super) fn new(reply: &'a Reply<'a>) -> Self {
        Self {
            reply,
            json: OnceCell::new(),
        }
    }

    pub(super) fn json(&self) -> Option<&Value> {
        self.json
            .get_or_init(|| serde_json::from_slice(self.reply.body).ok())
            .as_ref()
    }

    pub(super) fn text(&self) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.reply.body)
    }

    /// Whether the whole reply is the JSON value null: the server knows nothing under that name.
    pub(super) fn is_null(&self) -> bool {
        self.reply.body.trim_ascii() == b"null"
    }
}

/// How deep brackets stand within brackets; those in names count as well.
fn depth(path: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for byte in path.bytes() {
        match byte {
            b'[' | b'(' => now += 1,
            b']' | b')' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

impl Place {
    /// Compiles a place.
    ///
    /// # Errors
    /// If its JSONPath or regular expression is none.
    pub(super) fn new(extract: &Extract) -> Result<Self, String> {
        Ok(match extract {
            Extract::Pointer(pointer) => Self::Pointer(pointer.clone()),
            Extract::JsonPath(path) if depth(path) > MAX_DEPTH => {
                return Err(format!(
                    "this JSONPath has more than {MAX_DEPTH} brackets within brackets"
                ));
            }
            Extract::JsonPath(path) => Self::JsonPath(
                JsonPath::parse(path)
                    .map_err(|error| format!("'{path}' is not a JSONPath: {error}"))?,
            ),
            Extract::Header(name) => Self::Header(name.to_ascii_lowercase()),
            Extract::Cookie(name) => Self::Cookie(name.clone()),
            Extract::Regex(pattern) => Self::Regex(
                Regex::new(pattern)
                    .map_err(|error| format!("'{pattern}' is not a regular expression: {error}"))?,
            ),
            Extract::Body => Self::Body,
        })
    }

    /// The header it needs to see, if it looks at one.
    pub(super) fn header(&self) -> Option<&str> {
        match self {
            Self::Header(name) => Some(name),
            Self::Pointer(_)
            | Self::JsonPath(_)
            | Self::Cookie(_)
            | Self::Regex(_)
            | Self::Body => None,
        }
    }

    /// The one value there; the first of several.
    pub(super) fn find(&self, looked: &Looked<'_>) -> Extracted {
        match self {
            Self::Pointer(pointer) => of_json(looked.json().and_then(|json| json.pointer(pointer))),
            Self::JsonPath(path) => {
                of_json(looked.json().and_then(|json| path.query(json).first()))
            }
            Self::Header(name) => looked
                .reply
                .headers
                .iter()
                .find(|(known, _)| known == name)
                .map_or(Extracted::Absent, |(_, value)| of_text(value)),
            Self::Cookie(name) => looked
                .reply
                .cookies
                .iter()
                .filter_map(|header| cookie::Cookie::parse(header.as_str()).ok())
                .find(|cookie| cookie.name() == name)
                .map_or(Extracted::Absent, |cookie| of_text(cookie.value())),
            Self::Regex(regex) => regex
                .captures(&looked.text())
                .and_then(|groups| groups.get(1).or_else(|| groups.get(0)))
                .map_or(Extracted::Absent, |group| of_text(group.as_str())),
            Self::Body => match looked.json() {
                Some(Value::Null) => Extracted::Nothing,
                Some(_) | None => of_text(&looked.text()),
            },
        }
    }

    /// Whether anything stands there.
    pub(super) fn is_there(&self, looked: &Looked<'_>) -> bool {
        matches!(self.find(looked), Extracted::Text(_))
    }

    /// The counter there.
    pub(super) fn count(&self, looked: &Looked<'_>) -> Option<u64> {
        if let Self::Pointer(pointer) = self
            && let Some(Value::Number(number)) = looked.json()?.pointer(pointer)
        {
            return number.as_u64();
        }
        match self.find(looked) {
            Extracted::Text(text) => text.trim().parse().ok(),
            Extracted::Absent | Extracted::Nothing => None,
        }
    }

    /// All values at this place, in their order: the items of a JSON array, every match of a pattern, every line of a body.
    /// `None` if there is no such place, or the body was too long to be kept.
    pub(super) fn all(&self, looked: &Looked<'_>) -> Option<Vec<String>> {
        // Values that were cut off would look like lost ones.
        if looked.reply.body.len() >= KEPT_BODY {
            return None;
        }
        match self {
            Self::Pointer(pointer) => {
                let value = looked.json()?.pointer(pointer)?;
                Some(items(value))
            }
            Self::JsonPath(path) => {
                let nodes = path.query(looked.json()?);
                Some(nodes.iter().flat_map(|node| items(node)).collect())
            }
            Self::Regex(regex) => {
                let text = looked.text();
                let matches = regex.captures_iter(&text);
                Some(
                    matches
                        .filter_map(|groups| groups.get(1).or_else(|| groups.get(0)))
                        .map(|group| group.as_str().to_owned())
                        .collect(),
                )
            }
            Self::Body => match looked.json() {
                Some(value) => Some(items(value)),
                None => Some(looked.text().lines().map(str::to_owned).collect()),
            },
            Self::Header(_) | Self::Cookie(_) => match self.find(looked) {
                Extracted::Absent => None,
                Extracted::Nothing => Some(Vec::new()),
                Extracted::Text(text) => {
                    Some(text.split(',').map(|item| item.trim().to_owned()).collect())
                }
            },
        }
    }
}

fn of_json(value: Option<&Value>) -> Extracted {
    match value {
        None => Extracted::Absent,
        Some(Value::Null) => Extracted::Nothing,
        Some(Value::String(text)) => of_text(text),
        Some(other) => Extracted::Text(other.to_string()),
    }
}

fn of_text(text: &str) -> Extracted {
    match text {
        "" => Extracted::Nothing,
        text => Extracted::Text(text.to_owned()),
    }
}

/// The items of an array, the values of an object, or the value itself; null has none.
fn items(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(text).collect(),
        Value::Object(fields) => fields.values().map(text).collect(),
        other => vec![text(other)],
    }
}
