//! What an OpenAPI document says of bodies: where fields are, and a value that fits. Pure.

use serde_json::{Map, Value, json};

use super::super::roles::{is_password, is_user};

/// A chain of references and a nesting of schemas end here.
const DEPTH_MAX: usize = 12;

/// A document with its references.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'d> {
    pub(super) root: &'d Value,
}

static NOTHING: Value = Value::Null;

impl<'d> Document<'d> {
    /// The value itself, or where its `$ref` leads in this document; null if that is elsewhere.
    pub(super) fn resolve(self, value: &'d Value) -> &'d Value {
        let mut value = value;
        for _ in 0..DEPTH_MAX {
            let Some(place) = value.get("$ref").and_then(Value::as_str) else {
                return value;
            };
            let found = place.strip_prefix('#').and_then(|at| self.root.pointer(at));
            value = found.unwrap_or(&NOTHING);
        }
        &NOTHING
    }

    /// The schema of a body, and its media type: JSON first, then a form.
    pub(super) fn body(self, message: &'d Value) -> Option<(&'static str, &'d Value)> {
        let content = self.resolve(message).get("content")?.as_object()?;
        let of = |wanted: &str| {
            let mut kinds = content.iter();
            let found = kinds.find(|(kind, _)| {
                let kind = kind.split(';').next().unwrap_or_default().trim();
                kind == wanted || wanted == JSON && kind.ends_with("+json")
            });
            let (_, media) = found?;
            Some(self.resolve(media.get("schema").unwrap_or(&NOTHING)))
        };
        [JSON, FORM]
            .into_iter()
            .find_map(|kind| Some((kind, of(kind)?)))
    }

    /// The fields of an object with their schemas, and whether each is required.
    pub(super) fn fields(self, schema: &'d Value) -> Vec<(&'d str, &'d Value, bool)> {
        let mut fields = Vec::new();
        self.gather(schema, &mut fields, DEPTH_MAX);
        fields
    }

    fn gather(self, schema: &'d Value, fields: &mut Vec<(&'d str, &'d Value, bool)>, depth: usize) {
        let schema = self.resolve(schema);
        if depth == 0 {
            return;
        }
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|one| one == name));
        let own = schema.get("properties").and_then(Value::as_object);
        for (name, field) in own.into_iter().flatten() {
            fields.push((name.as_str(), self.resolve(field), is_required(name)));
        }
        for part in all(schema, "allOf") {
            self.gather(part, fields, depth - 1);
        }
        for choice in ["oneOf", "anyOf"] {
            if let Some(first) = self.first(schema, choice) {
                self.gather(first, fields, depth - 1);
            }
        }
    }

    /// The first alternative that is not null.
    fn first(self, schema: &'d Value, choice: &str) -> Option<&'d Value> {
        let mut parts = all(schema, choice).map(|part| self.resolve(part));
        parts.find(|part| part.get("type").is_none_or(|kind| kind != "null"))
    }

    /// The type of a schema: `object`, `array`, `string`, `integer`, `number`, `boolean`, or nothing.
    pub(super) fn kind(self, schema: &'d Value) -> &'d str {
        match schema.get("type") {
            Some(Value::String(kind)) => kind,
            // A value that may be null has two types.
            Some(Value::Array(kinds)) => {
                let mut kinds = kinds.iter().filter_map(Value::as_str);
                kinds.find(|kind| *kind != "null").unwrap_or_default()
            }
            _ if !self.fields(schema).is_empty() => "object",
            _ => {
                let choices = ["oneOf", "anyOf"];
                let inner = choices.iter().find_map(|choice| self.first(schema, choice));
                inner.map_or("", |inner| match inner.get("type") {
                    Some(Value::String(kind)) => kind,
                    _ => "",
                })
            }
        }
    }

    /// Pointers to fields of objects, with name and schema, outer ones first.
    pub(super) fn leaves(self, schema: &'d Value) -> Vec<(String, &'d str, &'d Value)> {
        let mut found = Vec::new();
        let mut level = vec![(String::new(), schema)];
        for _ in 0..3 {
            let mut next = Vec::new();
            for (at, schema) in level {
                for (name, field, _) in self.fields(schema) {
                    let escaped = name.replace('~', "~0").replace('/', "~1");
                    let pointer = format!("{at}/{escaped}");
                    match self.kind(field) {
                        "object" => next.push((pointer, field)),
                        _ => found.push((pointer, name, field)),
                    }
                }
            }
            level = next;
        }
        found
    }

    /// A value that fits: the document's own example, or one by type, format and name.
    pub(super) fn example(self, schema: &'d Value, name: &str) -> Value {
        self.example_within(schema, name, DEPTH_MAX)
    }

    fn example_within(self, schema: &'d Value, name: &str, depth: usize) -> Value {
        let schema = self.resolve(schema);
        let first = |key: &str| schema.get(key)?.as_array()?.first();
        let own = [
            schema.get("example"),
            schema.get("const"),
            schema.get("default"),
        ];
        let own = own
            .into_iter()
            .flatten()
            .chain(first("examples"))
            .chain(first("enum"));
        if let Some(own) = { own }.find(|value| !value.is_null()) {
            return own.clone();
        }
        if depth == 0 {
            return Value::Null;
        }
        match self.kind(schema) {
            "object" => Value::Object(self.object(schema, depth)),
            "array" => match schema.get("items") {
                Some(items) => json!([self.example_within(items, name, depth - 1)]),
                None => json!([]),
            },
            "integer" | "number" => {
                let least = schema.get("minimum").filter(|least| least.is_number());
                least.cloned().unwrap_or(json!(1))
            }
            "boolean" => json!(true),
            "string" => json!(text(schema, name)),
            _ => match ["oneOf", "anyOf"]
                .iter()
                .find_map(|choice| self.first(schema, choice))
            {
                Some(inner) => self.example_within(inner, name, depth - 1),
                None => json!(text(schema, name)),
            },
        }
    }

    /// The required fields; all of them if none is.
    fn object(self, schema: &'d Value, depth: usize) -> Map<String, Value> {
        let fields = self.fields(schema);
        let some = fields.iter().any(|(_, _, is_required)| *is_required);
        let fields = fields.into_iter().filter(|(_, field, is_required)| {
            (*is_required || !some) && field.get("readOnly") != Some(&json!(true))
        });
        let filled = fields.map(|(name, field, _)| {
            let value = self.example_within(field, name, depth - 1);
            (name.to_owned(), value)
        });
        filled.collect()
    }
}

pub(super) const JSON: &str = "application/json";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

fn all<'d>(schema: &'d Value, key: &str) -> impl Iterator<Item = &'d Value> {
    let parts = schema.get(key).and_then(Value::as_array);
    parts.into_iter().flatten()
}

/// A text that fits a format, a name and a length.
fn text(schema: &Value, name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let format = schema.get("format").and_then(Value::as_str);
    let mut text = match format.unwrap_or_default() {
        "email" => "alice@example.com",
        "date" => "2026-01-01",
        "date-time" => "2026-01-01T00:00:00Z",
        "uuid" => "00000000-0000-4000-8000-000000000001",
        "uri" | "url" => "http://127.0.0.1/",
        _ if name.contains("email") => "alice@example.com",
        _ if is_password(&name) => PASSWORD,
        _ if is_user(&name) => "alice",
        _ => "example",
    }
    .to_owned();
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
    let least = usize::try_from(least.min(1000)).unwrap_or(0);
    while text.len() < least {
        text.push('x');
    }
    text
}

/// Stands for a password until the user writes a true one.
pub(super) const PASSWORD: &str = "change-this-password";
