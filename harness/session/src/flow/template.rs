//! Templates: placeholders in a request for the user's number, random numbers and captured values.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior, Value, escape_formatter};

use super::session::Session;
use super::user::{User, write_token};

/// The built-in names of a template, beside captured values.
pub const BUILT_IN: [&str; 4] = ["session", "login", "write", "random"];

/// Templates named so hold JSON: strings put into them are escaped for it.
const JSON: &str = "json";

/// The longest expression between the marks of a template. Its parser and compiler descend once for each
/// operator, and far beyond this would exhaust the stack.
const MAX_EXPRESSION: usize = 4096;

/// A piece of a request.
#[derive(Debug)]
pub(super) enum Text {
    /// As it stands.
    Fixed(String),
    /// With the user's number between the parts: the common case, without the template engine.
    Numbered(Vec<String>),
    /// By the template engine, under this name.
    Rendered(String),
}

/// The compiled templates of a flow.
#[derive(Debug)]
pub(super) struct Templates {
    environment: Environment<'static>,
    count: usize,
}

/// The context of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Into {
    Text,
    Json,
}

impl Templates {
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_formatter(|out, state, value| match value.as_str() {
            Some(text) if state.name().starts_with(JSON) => {
                let quoted = serde_json::Value::from(text).to_string();
                Ok(out.write_str(&quoted[1..quoted.len() - 1])?)
            }
            Some(_) | None => escape_formatter(out, state, value),
        });
        Self {
            environment,
            count: 0,
        }
    }

    /// Compiles a template that may use the built-in names and `known`.
    ///
    /// # Errors
    /// If it is not a template, or uses a name that is not captured by then.
    pub(super) fn compile(
        &mut self,
        source: &str,
        into: Into,
        known: &[String],
    ) -> Result<Text, String> {
        if !["{{", "{%", "{#"].iter().any(|mark| source.contains(mark)) {
            return Ok(Text::Fixed(source.to_owned()));
        }
        if let Some(parts) = split_at_number(source) {
            return Ok(Text::Numbered(parts));
        }
        if longest_expression(source) > MAX_EXPRESSION {
            return Err(format!(
                "a template's expression is at most {MAX_EXPRESSION} bytes long"
            ));
        }
        self.count += 1;
        let name = match into {
            Into::Text => format!("text-{}", self.count),
            Into::Json => format!("{JSON}-{}", self.count),
        };
        self.environment
            .add_template_owned(name.clone(), source.to_owned())
            .map_err(|error| format!("'{source}' is not a template: {error}"))?;
        let template = self.environment.get_template(&name);
        let used = template
            .map_err(|error| error.to_string())?
            .undeclared_variables(false);
        let globals: Vec<&str> = self.environment.globals().map(|(name, _)| name).collect();
        let mut unknown: Vec<&String> = used
            .iter()
            .filter(|name| {
                !BUILT_IN.contains(&name.as_str())
                    && !known.contains(name)
                    && !globals.contains(&name.as_str())
            })
            .collect();
        unknown.sort();
        match unknown.first() {
            None => Ok(Text::Rendered(name)),
            Some(name) => Err(format!(
                "'{source}' uses '{name}', which nothing has captured by then; there are {}",
                BUILT_IN
                    .iter()
                    .map(|name| (*name).to_owned())
                    .chain(known.iter().cloned())
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
        }
    }

    /// Writes a text behind what `out` holds.
    ///
    /// # Errors
    /// If the engine fails on the values it finds.
    pub(super) fn write(
        &self,
        text: &Text,
        values: &Values<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), minijinja::Error> {
        match text {
            Text::Fixed(text) => out.extend_from_slice(text.as_bytes()),
            Text::Numbered(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    if index > 0 {
                        write_number(values.user.number, out);
                    }
                    out.extend_from_slice(part.as_bytes());
                }
            }
            Text::Rendered(name) => {
                let rendered = self
                    .environment
                    .get_template(name)?
                    .render(values.context())?;
                out.extend_from_slice(rendered.as_bytes());
            }
        }
        Ok(())
    }
}

/// What templates are filled with.
#[derive(Debug)]
pub(super) struct Values<'a> {
    pub(super) user: User,
    pub(super) session: &'a Session,
    /// The value this operation writes.
    pub(super) write: Option<u32>,
}

impl Values<'_> {
    fn context(&self) -> Value {
        let user = self.user;
        let mut values: BTreeMap<&str, Value> = self
            .session
            .captured()
            .iter()
            .map(|(name, value)| (name.as_str(), Value::from(value.as_str())))
            .collect();
        values.insert("session", Value::from(user.number));
        values.insert("login", Value::from(user.login));
        values.insert("random", Value::from(self.random()));
        let token = write_token(user, self.write.unwrap_or_default());
        values.insert("write", Value::from(token));
        Value::from_pairs(values)
    }

    /// A number from 0 to 2³² − 1 that depends on the trial's seed, the user and its requests so far
    /// (SplitMix64; Steele, Lea, Flood 2014).
    fn random(&self) -> u32 {
        let user = self.user;
        let place = (u64::from(user.number) << 32) | u64::from(self.session.requests());
        let mut x = user
            .seed
            .wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 32) as u32
    }
}

/// The parts between `{{ session }}`, when the text has no other mark of a template.
fn split_at_number(source: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, behind) = after.split_once("}}")?;
        if name.trim() != "session" {
            return None;
        }
        parts.push(before.to_owned());
        rest = behind;
    }
    parts.push(rest.to_owned());
    let plain = parts
        .iter()
        .all(|part| !part.contains("{%") && !part.contains("{#"));
    plain.then_some(parts)
}

/// The length of the longest text between `{{` or `{%` and its end. Quoted text does not end it.
fn longest_expression(source: &str) -> usize {
    let (mut longest, mut rest) = (0, source);
    while let Some(at) = [rest.find("{{"), rest.find("{%")]
        .into_iter()
        .flatten()
        .min()
    {
        rest = &rest[at + 2..];
        let length = expression_length(rest.as_bytes());
        longest = longest.max(length);
        // An end is of ASCII, so that a letter begins behind it.
        rest = &rest[length..];
    }
    longest
}

fn expression_length(bytes: &[u8]) -> usize {
    let (mut at, mut quote) = (0, None);
    while let Some(byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if open == *byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'}' | b'%') if bytes.get(at + 1) == Some(&b'}') => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn write_number(number: u32, out: &mut Vec<u8>) {
    use std::io::Write;
    // A vector takes everything.
    let _ = write!(out, "{number}");
}
