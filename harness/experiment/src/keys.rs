//! Unknown keys of an experiment file, and the keys that were probably meant.
//!
//! The check uses the published schema, so the two cannot differ.

use std::ops::Range;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

/// Keys that had another name once.
const RENAMED: [(&str, &str); 1] = [("stranger", "logged_out_page")];

/// A key that is not known.
pub(super) struct Unknown {
    pub(super) span: Range<usize>,
    pub(super) name: String,
    /// The path of its table. Empty at the top level.
    pub(super) table: String,
    /// What that table may hold.
    pub(super) known: Vec<String>,
}

impl Unknown {
    /// The key that was probably meant, if one is near.
    pub(super) fn nearest(&self) -> Option<&str> {
        if let Some((_, now)) = RENAMED.iter().find(|(old, _)| *old == self.name) {
            return Some(now);
        }
        let near = |known: &&String| {
            let edits = strsim::damerau_levenshtein(&self.name, known);
            (edits <= 1 + known.len() / 4).then_some(edits)
        };
        let known = self.known.iter();
        let nearest = known
            .filter_map(|known| Some((near(&known)?, known)))
            .min()?;
        Some(nearest.1)
    }
}

/// What the schema has no place for.
#[derive(Default)]
pub(super) struct Misfits {
    /// The keys that are not known.
    pub(super) unknown: Vec<Unknown>,
    /// The keys of tables that have a date as their value. Reading takes a date for a table with one key.
    pub(super) dates: Vec<Range<usize>>,
}

/// Everything in `table` that the schema has no place for.
pub(super) fn misfits(table: &DeTable<'_>, schema: &Value) -> Misfits {
    let mut walk = Walk {
        root: schema,
        found: Misfits::default(),
    };
    walk.table(table, schema, "");
    walk.found
}

struct Walk<'a> {
    root: &'a Value,
    found: Misfits,
}

impl<'a> Walk<'a> {
    fn value(&mut self, value: &DeValue<'_>, schema: &'a Value, path: &str) {
        match value {
            DeValue::Table(table) => self.table(table, schema, path),
            DeValue::Array(items) => {
                let root = self.root;
                if let Some(schema) = shape(root, schema, "array").and_then(|it| it.get("items")) {
                    for item in items.iter() {
                        self.value(item.get_ref(), schema, path);
                    }
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }

    fn table(&mut self, table: &DeTable<'_>, schema: &'a Value, path: &str) {
        // Where no table is expected, reading says so.
        let Some(schema) = shape(self.root, schema, "object") else {
            return;
        };
        let named = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (key, value) in table {
            let name: &str = key.get_ref();
            let inner = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            };
            let known = named.and_then(|named| named.get(name));
            let is_date = matches!(value.get_ref(), DeValue::Datetime(_));
            let is_table = |schema| shape(self.root, schema, "object").is_some();
            if is_date && known.or(others).is_some_and(is_table) {
                self.found.dates.push(key.span());
                continue;
            }
            match (known, others) {
                (Some(schema), _) => self.value(value.get_ref(), schema, &inner),
                (None, Some(Value::Bool(false))) => self.found.unknown.push(Unknown {
                    span: key.span(),
                    name: name.to_owned(),
                    table: path.to_owned(),
                    known: named
                        .map(|named| named.keys().cloned().collect())
                        .unwrap_or_default(),
                }),
                (None, Some(schema)) => self.value(value.get_ref(), schema, &inner),
                (None, None) => {}
            }
        }
    }
}

/// The part of a schema that speaks of this type.
fn shape<'a>(root: &'a Value, schema: &'a Value, kind: &str) -> Option<&'a Value> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let definition = name.strip_prefix('#').and_then(|at| root.pointer(at));
        return shape(root, definition?, kind);
    }
    let is_kind = |name: &Value| name.as_str() == Some(kind);
    match schema.get("type") {
        Some(Value::Array(kinds)) if kinds.iter().any(is_kind) => Some(schema),
        Some(name) if is_kind(name) => Some(schema),
        _ => {
            let options = schema.get("anyOf").or_else(|| schema.get("oneOf"))?;
            let mut options = options.as_array()?.iter();
            options.find_map(|option| shape(root, option, kind))
        }
    }
}
