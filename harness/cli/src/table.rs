//! Tables on the terminal. A table of long cells that is too wide for it becomes a list: no word is split, and no line wraps.

use std::io;

use comeback_reports::Table;
use comeback_reports::format::printable;
use comfy_table::presets::{NOTHING, UTF8_HORIZONTAL_ONLY};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle};

/// Columns of a list where there is no terminal: in files and pipes.
const USUAL: u16 = 80;
/// A text is not made narrower than this.
const LEAST: u16 = 20;
/// There, a row of figures has room for one line.
const ROOM: u16 = 180;

/// How a table looks where it has room.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    /// Long cells: a line between the rows.
    Ruled,
    /// Many short rows of figures, aligned right between the first column and the last. It stays a table: what is read in it is
    /// a column.
    Figures,
}

/// A table for standard output.
pub(super) fn table(rows: &Table, style: Style) -> String {
    match style {
        Style::Ruled => ruled(rows, columns().unwrap_or(USUAL)),
        Style::Figures => figures(rows, columns().unwrap_or(ROOM)),
    }
}

/// A text in lines that fit, all but the first behind so many blanks.
pub(super) fn wrapped(text: &str, indent: u16) -> String {
    let room = columns().unwrap_or(USUAL).saturating_sub(indent).max(LEAST);
    lines(text, usize::from(room)).join(&format!("\n{:1$}", "", usize::from(indent)))
}

/// A text in lines of at most so many characters. No word is split: a longer one has a line of its own.
pub(super) fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The columns of the terminal, if there is one.
fn columns() -> Option<u16> {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => Some(size.ws_col),
        Ok(_) | Err(_) => None,
    }
}

fn ruled(rows: &Table, columns: u16) -> String {
    let text = as_table(rows).to_string();
    let fits = |line: &str| line.chars().count() <= usize::from(columns);
    match text.lines().all(fits) {
        true => text,
        false => as_list(rows, columns),
    }
}

fn figures(rows: &Table, columns: u16) -> String {
    let mut table = as_table(rows);
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(columns)
        .load_style(
            UTF8_HORIZONTAL_ONLY
                .header_separator(LineStyle::none().fill('─').junction('─'))
                .row_separator(LineStyle::none()),
        );
    for column in 1..rows.headers.len().saturating_sub(1) {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// Each row in one line, however long.
fn as_table(rows: &Table) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_header(&rows.headers);
    for row in &rows.rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    table
}

/// The first cell of each row in a line of its own, and below it the others, each behind its header.
fn as_list(rows: &Table, columns: u16) -> String {
    let mut parts = Vec::new();
    for row in &rows.rows {
        let mut cells = rows.headers.iter().zip(row);
        let Some((_, name)) = cells.next() else {
            continue;
        };
        let mut list = comfy_table::Table::new();
        list.load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(columns);
        for (header, cell) in cells {
            list.add_row([header.clone(), printable(cell)]);
        }
        if let Some(column) = list.column_mut(0) {
            column.set_padding((2, 1));
            column.set_constraint(comfy_table::ColumnConstraint::ContentWidth);
        }
        let lines = list.to_string();
        let lines = lines.lines().map(str::trim_end);
        parts.push(
            std::iter::once(printable(name).as_str())
                .chain(lines)
                .collect::<Vec<_>>()
                .join("\n"),
        );
    }
    // What follows stands apart, as the rows do.
    parts.join("\n\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide() -> Table {
        let cells = |words: [&str; 3]| words.map(str::to_owned).to_vec();
        Table {
            headers: cells(["arm", "sessions lost", "control"]),
            rows: vec![
                cells([
                    "round-robin",
                    "6 / 6 (100 %)",
                    "28 sessions lost, 7 writes lost, 1 undecided",
                ]),
                cells([
                    "token",
                    "0 / 6 (≤ 95 % of crashes); 3 zombie",
                    "clean (1 trial)",
                ]),
            ],
        }
    }

    #[test]
    fn a_table_that_fits_keeps_a_row_in_a_line() {
        let text = ruled(&wide(), 120);
        let rows = text.lines().filter(|line| line.contains("round-robin"));
        assert!(
            rows.clone().all(|row| row.contains("1 undecided")),
            "{text}"
        );
        assert_eq!(rows.count(), 1);
    }

    #[test]
    fn a_table_that_is_too_wide_becomes_a_list_without_a_split_word() {
        for columns in [40, 60, 80] {
            let text = ruled(&wide(), columns);
            assert!(
                text.lines()
                    .all(|line| line.chars().count() <= columns.into()),
                "{columns}:\n{text}"
            );
            assert!(
                text.starts_with("round-robin\n  sessions lost  6 / 6 (100 %)\n"),
                "{text}"
            );
            let words = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            let said = words(&text);
            for cell in wide().rows.iter().flatten() {
                assert!(
                    words(cell).iter().all(|word| said.contains(word)),
                    "{columns}: {cell}\n{text}"
                );
            }
        }
    }
}
