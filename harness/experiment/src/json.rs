//! A body of JSON, written in TOML, as a template of JSON.

use std::fmt::Write;

/// The template. Texts are escaped for JSON, but for what stands within `{{ }}`, `{% %}` and `{# #}`, which the
/// template engine reads before any JSON is. A single text is the template itself.
pub(super) fn to_template(value: &toml::Value) -> String {
    match value {
        toml::Value::String(template) => template.clone(),
        value => {
            let mut out = String::new();
            write(value, &mut out);
            out
        }
    }
}

fn write(value: &toml::Value, out: &mut String) {
    match value {
        toml::Value::String(text) => quote(text, out),
        toml::Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, out);
                write(item, out);
            }
            out.push(']');
        }
        toml::Value::Table(table) => {
            out.push('{');
            for (index, (name, item)) in table.iter().enumerate() {
                separate(index, out);
                quote(name, out);
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        toml::Value::Datetime(time) => quote(&time.to_string(), out),
        // What JSON has no number for.
        toml::Value::Float(number) if !number.is_finite() => out.push_str("null"),
        toml::Value::Float(_) | toml::Value::Integer(_) | toml::Value::Boolean(_) => {
            // Writing to a string does not fail.
            let _ = write!(out, "{value}");
        }
    }
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some((at, close)) = next_mark(rest) {
        escape(&rest[..at], out);
        let behind = &rest[at + 2..];
        let end = behind
            .find(close)
            .map_or(rest.len(), |end| at + 2 + end + close.len());
        out.push_str(&rest[at..end]);
        rest = &rest[end..];
    }
    escape(rest, out);
    out.push('"');
}

/// Where the next mark of a template opens, and what closes it.
fn next_mark(text: &str) -> Option<(usize, &'static str)> {
    [("{{", "}}"), ("{%", "%}"), ("{#", "#}")]
        .into_iter()
        .filter_map(|(open, close)| Some((text.find(open)?, close)))
        .min()
}

fn escape(text: &str, out: &mut String) {
    let quoted = serde_json::Value::from(text).to_string();
    out.push_str(&quoted[1..quoted.len() - 1]);
}
