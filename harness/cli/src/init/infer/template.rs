//! Recorded requests as templates: what differs between users and sessions becomes a name. Pure.

use serde_json::Value;

use super::super::flow::Content;
use super::super::recorded::{Body, Exchange};
use super::super::roles::is_password;

/// What a request sends that is not the same for all users.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) value: String,
    pub(super) template: String,
    /// It stands for a whole field only.
    pub(super) is_whole: bool,
    /// The request whose reply shows it.
    pub(super) source: Option<usize>,
}

/// Headers that depend on the browser and not on the user, or that the load writes itself.
const DROPPED: [&str; 22] = [
    "host",
    "connection",
    "keep-alive",
    "user-agent",
    "accept-encoding",
    "accept-language",
    "content-length",
    "cache-control",
    "pragma",
    "upgrade-insecure-requests",
    "dnt",
    "priority",
    "te",
    "origin",
    "referer",
    "if-none-match",
    "if-modified-since",
    "if-range",
    "range",
    "purpose",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn kept_headers(exchange: &Exchange) -> Vec<(String, String)> {
    let default_type = match &exchange.body {
        Some(Body::Json(_)) => "application/json",
        Some(Body::Form(_)) => "application/x-www-form-urlencoded",
        Some(Body::Text(_)) | None => "",
    };
    let is_kept = |(name, value): &&(String, String)| match name.as_str() {
        "accept" => value.contains("json"),
        "content-type" => {
            let kind = value.split(';').next().unwrap_or_default().trim();
            exchange.body.is_some() && kind != default_type
        }
        name => !DROPPED.contains(&name) && !name.starts_with("sec-"),
    };
    exchange.headers.iter().filter(is_kept).cloned().collect()
}

pub(super) fn headers(exchange: &Exchange, known: &[Known]) -> Vec<(String, String, bool)> {
    let mut headers: Vec<(String, String, bool)> = Vec::new();
    for (name, value) in kept_headers(exchange) {
        let text = filled(&value, known);
        let is_secret = !text.contains("{{")
            && ["authorization", "key", "token", "secret"]
                .iter()
                .any(|word| name.contains(word));
        if !headers.iter().any(|(other, ..)| *other == name) {
            headers.push((name, text, is_secret));
        }
    }
    headers
}

pub(super) fn content(body: &Body, known: &[Known]) -> Content {
    match body {
        Body::Json(json) => Content::Json(filled_json(json, known)),
        Body::Form(fields) => Content::Form(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), filled(value, known), is_password(name)))
                .collect(),
        ),
        Body::Text(text) => Content::Text(filled(text, known)),
    }
}

fn filled_json(json: &Value, known: &[Known]) -> Value {
    match json {
        Value::String(text) => Value::String(filled(text, known)),
        Value::Array(items) => items
            .iter()
            .map(|inner| filled_json(inner, known))
            .collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            let filled = fields.map(|(name, inner)| (literal(name), filled_json(inner, known)));
            Value::Object(filled.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => json.clone(),
    }
}

/// A path, in which a whole part or parameter may be a known value.
pub(super) fn filled_path(path: &str, known: &[Known]) -> String {
    let mut text = String::new();
    let mut rest = path;
    while let Some(end) = rest.find(['/', '?', '&', '=']) {
        text.push_str(&filled(&rest[..end], known));
        text.push_str(&rest[end..=end]);
        rest = &rest[end + 1..];
    }
    text.push_str(&filled(rest, known));
    text
}

/// A text as a template, with what is known in place of the recorded values.
fn filled(text: &str, known: &[Known]) -> String {
    if let Some(whole) = known
        .iter()
        .find(|known| known.is_whole && known.value == text)
    {
        return whole.template.clone();
    }
    let mut template = String::new();
    let mut rest = text;
    while let Some((at, known)) = first_known(rest, known) {
        template.push_str(&literal(&rest[..at]));
        template.push_str(&known.template);
        rest = &rest[at + known.value.len()..];
    }
    template.push_str(&literal(rest));
    template
}

/// The first known value in a text; the longest of several.
fn first_known<'k>(text: &str, known: &'k [Known]) -> Option<(usize, &'k Known)> {
    let parts = known.iter().filter(|known| !known.is_whole);
    let places = parts.filter_map(|known| Some((text.find(&known.value)?, known)));
    places.min_by_key(|(at, known)| (*at, std::cmp::Reverse(known.value.len())))
}

/// A text as a template that gives just this text.
pub(super) fn literal(text: &str) -> String {
    let marks = ["{{", "{%", "{#"];
    let mut template = String::new();
    let mut rest = text;
    while let Some(at) = marks.iter().filter_map(|mark| rest.find(mark)).min() {
        template.push_str(&rest[..at]);
        template.push_str(&format!("{{{{ '{}' }}}}", &rest[at..at + 2]));
        rest = &rest[at + 2..];
    }
    // A brace at the end would begin a mark with what follows.
    match rest.strip_suffix('{') {
        Some(rest) => template.push_str(&format!("{rest}{{{{ '{{' }}}}")),
        None => template.push_str(rest),
    }
    template
}
