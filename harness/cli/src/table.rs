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
/// How far the second line of a sentence stands from the margin.
const CONTINUED: usize = 4;

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
        Style::Ruled => ruled(rows, room()),
        Style::Figures => figures(rows, room()),
    }
}

/// A text in lines that fit, all but the first behind so many blanks.
pub(super) fn wrapped(text: &str, indent: u16) -> String {
    let room = room().saturating_sub(indent).max(LEAST);
    lines(text, usize::from(room)).join(&format!("\n{:1$}", "", usize::from(indent)))
}

/// How long a line of standard output may be.
pub(super) fn room() -> u16 {
    columns().unwrap_or(USUAL)
}

/// A text on one line behind so many blanks, cut with an ellipsis where it does not fit.
pub(super) fn fitting(text: &str, indent: u16) -> String {
    let room = usize::from(room().saturating_sub(indent).max(LEAST));
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room - 1).collect();
    format!("{kept}…")
}

/// A text in lines of at most so many characters. No word is split: a longer one has a line of its own.
pub(super) fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if visible(line) + 1 + visible(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Where a text is printed: each may be a terminal of its own, or none.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    Stdout,
    Stderr,
}

/// A text whose long lines go on in the next, behind four blanks, so that all fit. Nothing else is changed: blanks between words stay, and
/// so do lines that fit. No word is split: a path that is longer than a line has one of its own.
pub(super) fn folded(text: &str, to: To) -> String {
    let width = columns_of(to).unwrap_or(USUAL).max(LEAST);
    folded_to(text, width.into())
}

fn folded_to(text: &str, width: usize) -> String {
    let lines = text.split('\n').flat_map(|line| folded_line(line, width));
    lines.collect::<Vec<_>>().join("\n")
}

fn folded_line(line: &str, width: usize) -> Vec<String> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    // What stands further in than such a line goes on a little further in.
    let further = match indent < CONTINUED {
        true => CONTINUED,
        false => indent + 2,
    };
    let (mut lines, mut rest) = (Vec::new(), line.to_owned());
    while visible(&rest) > width {
        let begun = rest.len() - rest.trim_start_matches(' ').len();
        // The last blank that fits, else the first of all.
        let blanks = rest.match_indices(' ').map(|(at, _)| at);
        let mut blanks = blanks.filter(|at| *at > begun).peekable();
        let mut end = blanks.peek().copied();
        while let Some(at) = blanks.next_if(|at| visible(&rest[..*at]) <= width) {
            end = Some(at);
        }
        let Some(end) = end else {
            break;
        };
        let next = rest[end..].trim_start_matches(' ').to_owned();
        lines.push(rest[..end].trim_end_matches(' ').to_owned());
        rest = match next.is_empty() {
            true => return lines,
            false => format!("{:further$}{next}", ""),
        };
    }
    // Blanks at the end of a line that fits are as they were.
    lines.push(match lines.is_empty() {
        true => rest,
        false => rest.trim_end_matches(' ').to_owned(),
    });
    lines
}

/// How many columns a text takes: the codes of colors take none.
fn visible(text: &str) -> usize {
    let (mut columns, mut in_code) = (0, false);
    for letter in text.chars() {
        match (in_code, letter) {
            (false, '\u{1b}') => in_code = true,
            (true, letter) => in_code = !letter.is_ascii_alphabetic(),
            (false, _) => columns += 1,
        }
    }
    columns
}

/// The columns of the terminal of stdout, if it is one.
fn columns() -> Option<u16> {
    columns_of(To::Stdout)
}

fn columns_of(to: To) -> Option<u16> {
    let size = match to {
        To::Stdout => rustix::termios::tcgetwinsize(io::stdout()),
        To::Stderr => rustix::termios::tcgetwinsize(io::stderr()),
    };
    match size {
        Ok(size) if size.ws_col > 0 => Some(size.ws_col),
        Ok(_) | Err(_) => None,
    }
}

fn ruled(rows: &Table, columns: u16) -> String {
    let text = as_table(&rows.headers, &rows.rows).to_string();
    let fits = |line: &str| line.chars().count() <= usize::from(columns);
    match text.lines().all(fits) {
        true => text,
        false => as_list(rows, columns),
    }
}

/// Where a row has no room for its last cell, that stands below it; where it has none for its figures, the table becomes a list.
fn figures(rows: &Table, columns: u16) -> String {
    let fits = |text: &str| {
        let mut lines = text.lines();
        lines.all(|line| line.chars().count() <= usize::from(columns))
    };
    let whole = aligned(&rows.headers, &rows.rows);
    if fits(&whole) {
        return whole;
    }
    let Some((_, heads)) = rows.headers.split_last() else {
        return whole;
    };
    let begins = rows.rows.iter().map(|row| match row.split_last() {
        Some((_, begin)) => begin.to_vec(),
        None => Vec::new(),
    });
    let upper = aligned(heads, &begins.collect::<Vec<_>>());
    if !fits(&upper) {
        return as_list(rows, columns);
    }
    let mut lines: Vec<String> = Vec::new();
    for (place, line) in upper.lines().enumerate() {
        lines.push(line.trim_end().to_owned());
        // Above the first row are two lines and the headers.
        let row = place.checked_sub(3).and_then(|row| rows.rows.get(row));
        if let Some(last) = row
            .and_then(|row| row.last())
            .filter(|last| !last.is_empty())
        {
            let last = format!("{:CONTINUED$}{}", "", printable(last));
            lines.extend(folded_line(&last, columns.into()));
        }
    }
    lines.join("\n")
}

/// Each row in one line: figures are aligned right, but for the first column, and the last if it has text.
fn aligned(headers: &[String], rows: &[Vec<String>]) -> String {
    let mut table = as_table(headers, rows);
    table.load_style(
        UTF8_HORIZONTAL_ONLY
            .header_separator(LineStyle::none().fill('─').junction('─'))
            .row_separator(LineStyle::none()),
    );
    for column in 1..headers.len() {
        let is_text = headers.get(column).is_some_and(String::is_empty);
        if let Some(column) = table.column_mut(column).filter(|_| !is_text) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// Each row in one line, however long.
fn as_table(headers: &[String], rows: &[Vec<String>]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(headers);
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    table
}

/// The first cell of each row in a line of its own, and below it the others that say something, each behind its header.
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
        for (header, cell) in cells.filter(|(_, cell)| !cell.is_empty()) {
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
    fn the_codes_of_colors_take_no_room() {
        let red = "\u{1b}[31mFAIL:\u{1b}[0m lost all";
        assert_eq!(lines(red, 14), [red]);
        assert_eq!(lines(red, 13).len(), 2);
    }

    #[test]
    fn a_row_of_figures_without_room_has_its_last_cell_below() {
        let cells = |words: [&str; 4]| words.map(str::to_owned).to_vec();
        let table = Table {
            headers: cells(["", "base", "new", ""]),
            rows: vec![
                cells([
                    "time to ready",
                    "12 ms",
                    "312 ms",
                    "✗ worse; +10 ms allowed",
                ]),
                cells(["outage", "12 ms", "12 ms", ""]),
            ],
        };
        let wide = figures(&table, 60);
        assert!(
            wide.lines()
                .any(|line| line.contains("312 ms   ✗ worse; +10 ms allowed")),
            "{wide}"
        );
        let narrow = figures(&table, 40);
        assert!(
            narrow.contains("312 ms\n    ✗ worse; +10 ms allowed\n outage "),
            "{narrow}"
        );
        let list = figures(&table, 22);
        assert!(list.starts_with("time to ready\n  base  12 ms\n"), "{list}");
        assert!(
            list.ends_with("\n  new   12 ms\n"),
            "nothing is said of an empty cell: {list}"
        );
        for (text, columns) in [(wide, 60), (narrow, 40), (list, 22)] {
            assert!(
                text.lines().all(|line| line.chars().count() <= columns),
                "{text}"
            );
        }
    }

    #[test]
    fn a_long_line_goes_on_behind_four_blanks_and_no_word_is_split() {
        let text =
            "comeback: warning: the first  and the second\n  as it is\n        far in, and so on";
        assert_eq!(
            folded_to(text, 22),
            "comeback: warning: the\n    first  and the\n    second\n  as it is\n        far in, and so\n          on"
        );
        assert_eq!(
            folded_to("see a/long/path/of/a/file", 20),
            "see\n    a/long/path/of/a/file"
        );
        assert_eq!(
            folded_to("a/long/path/of/a/file here", 20),
            "a/long/path/of/a/file\n    here"
        );
        assert_eq!(
            folded_to("\u{1b}[31mred\u{1b}[0m and so on, on", 20),
            "\u{1b}[31mred\u{1b}[0m and so on, on"
        );
        assert_eq!(
            folded_to("a line that ends in blanks          ", 20),
            "a line that ends in\n    blanks"
        );
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
