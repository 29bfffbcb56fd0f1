//! The report as Markdown: the same facts as the page, the charts by reference.

use std::fmt::{Display, Write};

use crate::document::{ArmRow, Document, Part, TrialTable};
use crate::format::NOTHING;
use crate::html::PageChart;

/// The report as Markdown.
pub(crate) fn render(document: &Document, figures: &[PageChart]) -> String {
    let mut out = String::new();
    head(&mut out, document);
    comparison(&mut out, document);
    line(&mut out, "## Charts\n");
    for figure in figures {
        let path = format!("charts/{}.svg", figure.name);
        line(
            &mut out,
            format!("![{}]({path})\n", figure.name.replace('-', " ")),
        );
        line(&mut out, format!("{}\n", text(&figure.caption)));
    }
    findings(&mut out, document);
    line(&mut out, "## Glossary\n");
    for definition in &document.definitions {
        line(
            &mut out,
            format!(
                "- **{}**: {}",
                text(definition.term),
                text(&definition.meaning)
            ),
        );
    }
    line(&mut out, "\n## Run\n");
    for fact in &document.facts {
        line(&mut out, format!("- {}: {}", fact.name, text(&fact.value)));
    }
    line(&mut out, "\n## Every trial\n");
    trials(&mut out, &document.trials);
    out
}

fn head(out: &mut String, document: &Document) {
    line(
        out,
        format!("# {}: {}\n", text(&document.name), document.outcome),
    );
    line(out, format!("**{}**\n", text(&document.headline)));
    line(out, format!("{}\n", document.meaning));
    for reason in &document.reasons {
        line(out, format!("- {}", text(reason)));
    }
    if !document.reasons.is_empty() {
        line(out, "");
    }
    if let Some(incomplete) = &document.incomplete {
        line(
            out,
            format!("**This run is incomplete:** {}\n", text(incomplete)),
        );
    }
    for result in &document.results {
        line(
            out,
            format!("- **{}** {}", text(&result.name), text(&result.sentence)),
        );
    }
    line(out, format!("\n{}\n", document.level));
}

fn comparison(out: &mut String, document: &Document) {
    line(out, "## Comparison\n");
    let headers = ["arm", "where the state lives"].into_iter();
    table_row(out, headers.chain(document.headers.iter().copied()));
    table_rule(out, document.headers.len() + 2);
    for row in &document.rows {
        table_row(out, cells(row, document.headers.len()));
    }
    for row in &document.rows {
        if let Some(remark) = &row.remark {
            line(out, format!("\n{}: {}", text(&row.name), text(remark)));
        }
    }
    for (name, table) in [
        ("Storm", &document.storm),
        ("Faults", &document.faults),
        ("Replicas", &document.replicas),
    ] {
        let Some(table) = table else {
            continue;
        };
        line(out, format!("\n## {name}\n"));
        table_row(out, table.headers.iter().map(String::as_str));
        table_rule(out, table.headers.len());
        for row in &table.rows {
            table_row(out, row.iter().map(|cell| text(cell)));
        }
    }
    line(out, "");
}

fn cells(row: &ArmRow, columns: usize) -> Vec<String> {
    let mut cells = vec![text(&row.name), text(&row.about)];
    if let Some(silence) = &row.silence {
        cells.push(text(silence));
        cells.resize(columns + 2, NOTHING.to_owned());
        return cells;
    }
    cells.extend(row.cells.iter().map(|cell| {
        let parts = [&cell.note, &cell.beside, &cell.parts];
        let mut written = text(&cell.main);
        for part in parts.into_iter().flatten() {
            written.push_str("<br>");
            written.push_str(&text(part));
        }
        written
    }));
    cells
}

fn findings(out: &mut String, document: &Document) {
    line(out, "## Findings\n");
    if document.findings.is_empty() {
        line(out, "None.");
    }
    for finding in &document.findings {
        let weight = if finding.void { "does not count: " } else { "" };
        let of = |part: &Part| format!("- **{}**, {}", text(&part.arm), part.named());
        let Some(trials) = &finding.folded else {
            for part in &finding.parts {
                line(out, format!("{}: {weight}{}", of(part), text(&part.text)));
            }
            continue;
        };
        let such_as = if finding.differ { ", such as" } else { "" };
        let sentence = text(&finding.text);
        line(
            out,
            format!("- **In {trials}**{such_as}: {weight}{sentence}"),
        );
        for part in &finding.parts {
            let own = match finding.differ {
                true => format!(": {}", text(&part.text)),
                false => String::new(),
            };
            line(out, format!("  {}{own}", of(part)));
        }
    }
    line(out, "");
}

fn trials(out: &mut String, trials: &TrialTable) {
    table_row(out, trials.headers.iter().copied());
    table_rule(out, trials.headers.len());
    for row in &trials.rows {
        table_row(out, row.cells.iter().map(|cell| text(cell)));
    }
}

fn table_row(out: &mut String, cells: impl IntoIterator<Item = impl Display>) {
    out.push('|');
    for cell in cells {
        // Writing to a string cannot fail.
        let _ = write!(out, " {cell} |");
    }
    out.push('\n');
}

fn table_rule(out: &mut String, columns: usize) {
    line(out, format!("|{}", "---|".repeat(columns)));
}

fn line(out: &mut String, text: impl Display) {
    let _ = writeln!(out, "{text}");
}

/// Plain text such that Markdown shows it as it is, also within a table.
pub(crate) fn text(plain: &str) -> String {
    let mut escaped = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_neither_breaks_a_table_nor_becomes_markup() {
        assert_eq!(
            text("a|b <script> [x](y) *z* `q`"),
            r"a\|b &lt;script&gt; \[x\](y) \*z\* \`q\`"
        );
    }
}
