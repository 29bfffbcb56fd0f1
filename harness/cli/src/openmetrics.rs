//! The OpenMetrics text format. Its callers are the exporter of a stored run and `--metrics` of one that goes on.

use std::fmt::Write as _;

/// A document that is being written. Writing to a string cannot fail.
#[derive(Debug, Default)]
pub(crate) struct Text(String);

impl Text {
    /// Begins a family: its name, which ends with its unit if it has one, and its kind, such as `gauge`.
    pub(crate) fn family(&mut self, name: &str, kind: &str, unit: Option<&str>, help: &str) {
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
        if let Some(unit) = unit {
            let _ = writeln!(self.0, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.0, "# HELP {name} {help}");
    }

    /// A sample of the family that was begun last.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let value = match value.is_infinite() {
            true => "+Inf".to_owned(),
            false => value.to_string(),
        };
        let _ = match labels.is_empty() {
            true => writeln!(self.0, "{name} {value}"),
            false => writeln!(self.0, "{name}{{{}}} {value}", labels.join(",")),
        };
    }

    /// The whole document.
    pub(crate) fn end(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('"', "\\\"")
}
