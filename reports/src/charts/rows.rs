//! Charts with a row for each arm: its name, a text, and a strip for its marks. An axis is below.

use super::frame::Page;
use crate::draw::axis::Scale;
use crate::draw::{Align, Drawing, Ink, Style};

/// A row to come.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Whose row it is.
    pub(crate) name: String,
    /// The text above its marks.
    pub(crate) notes: Vec<Note>,
    /// Room for its marks; none in a row that only says why it is empty.
    pub(crate) strip: Option<f64>,
}

/// Something said in a row.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// A sentence.
    Words(String, Ink),
    /// Figures, each with the colour of its mark.
    Keys(Vec<(Option<Ink>, String)>),
}

impl Row {
    /// A row that only says why it is empty.
    pub(crate) fn silent(name: &str, reason: &str) -> Self {
        Self {
            name: name.to_owned(),
            notes: vec![Note::Words(reason.to_owned(), Ink::Muted)],
            strip: None,
        }
    }
}

/// Where the marks of rows go.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// Left end of all strips.
    pub(crate) left: f64,
    /// Right end of all strips.
    pub(crate) right: f64,
    /// Top and bottom of each row's strip, where it has one.
    pub(crate) strips: Vec<Option<(f64, f64)>>,
}

impl Rows {
    /// Draws names and notes. `reserved` stays free at the right.
    pub(crate) fn lay_out(page: &mut Page, rows: &[Row], reserved: f64) -> Self {
        let (from, to) = (page.left(), page.right());
        let widest = rows
            .iter()
            .map(|row| Style::NAME.width(&row.name))
            .fold(0.0, f64::max);
        let gutter = if page.is_wide() {
            widest.clamp(60.0, 200.0) + 24.0
        } else {
            8.0
        };
        let mut laid = Self {
            left: from + gutter,
            right: to - reserved - 8.0,
            strips: Vec::with_capacity(rows.len()),
        };
        for (place, row) in rows.iter().enumerate() {
            // The stripe is drawn below the words, but only they say how high it is.
            let (top, below) = (page.y, page.drawing.shapes.len());
            laid.one(page, row, gutter);
            if place % 2 == 0 {
                page.drawing.fill((from, top), (to, page.y), Ink::Stripe);
                page.drawing.shapes[below..].rotate_right(1);
            }
        }
        laid
    }

    fn one(&mut self, page: &mut Page, row: &Row, gutter: f64) {
        const PAD: f64 = 9.0;
        let leading = Style::NAME.leading();
        let mut y = page.y + PAD;
        let mut name_end = y;
        let room = if page.is_wide() {
            gutter - 22.0
        } else {
            self.right - self.left
        };
        for line in Style::NAME.wrap(&row.name, room, 3) {
            page.drawing.text(
                (page.left() + 8.0, name_end + leading / 2.0),
                &line,
                Style::NAME,
            );
            name_end += leading;
        }
        if !page.is_wide() {
            y = name_end;
        }
        for note in &row.notes {
            // A text that explains an empty row may use the room of the marks, too.
            let right = if row.strip.is_some() {
                self.right
            } else {
                page.right() - 8.0
            };
            y = self.note(&mut page.drawing, note, y, right);
        }
        let strip = row
            .strip
            .map(|height| (y + 2.0, y + 2.0 + page.drawing.tall(height)));
        self.strips.push(strip);
        page.y = strip.map_or(y, |(_, bottom)| bottom).max(name_end) + PAD;
    }

    /// Writes a note from `y` down, and says where it ends.
    fn note(&self, drawing: &mut Drawing, note: &Note, mut y: f64, right: f64) -> f64 {
        let leading = Style::LABEL.leading();
        match note {
            Note::Words(text, ink) => {
                for line in Style::LABEL.wrap(text, right - self.left, 4) {
                    drawing.text(
                        (self.left, y + leading / 2.0),
                        &line,
                        Style::LABEL.ink(*ink),
                    );
                    y += leading;
                }
                y
            }
            Note::Keys(keys) => {
                let mut x = self.left;
                for (ink, text) in keys {
                    let swatch = if ink.is_some() { 14.0 } else { 0.0 };
                    let width = swatch + Style::LABEL.width(text);
                    if x > self.left && x + width > right {
                        (x, y) = (self.left, y + leading);
                    }
                    let middle = y + leading / 2.0;
                    if let Some(ink) = *ink {
                        drawing.fill((x, middle - 4.5), (x + 9.0, middle + 4.5), ink);
                    }
                    drawing.text((x + swatch, middle), text, Style::LABEL);
                    x += width + 11.0;
                }
                y + leading
            }
        }
    }

    /// Grid lines through the strips, and the numbers and the axis' name below all rows.
    pub(crate) fn axis(
        &self,
        page: &mut Page,
        scale: Scale,
        name: &str,
        tick: impl Fn(f64) -> String,
    ) {
        let most = (((self.right - self.left) / 90.0) as usize).clamp(3, 10);
        let ticks = scale.ticks(most);
        for (top, bottom) in self.strips.iter().flatten() {
            for figure in &ticks {
                let x = scale.at(*figure);
                page.drawing.line((x, *top), (x, *bottom), 1.0, Ink::Grid);
            }
        }
        let (from, to) = (scale_end(&scale, true), scale_end(&scale, false));
        page.y += 4.0;
        page.drawing
            .line((from, page.y), (to, page.y), 1.0, Ink::Axis);
        for figure in &ticks {
            let x = scale.at(*figure);
            page.drawing
                .line((x, page.y), (x, page.y + 4.0), 1.0, Ink::Axis);
            page.drawing.text(
                (x, page.y + 13.0),
                &tick(*figure),
                Style::TICK.align(Align::Centre),
            );
        }
        page.y += 22.0;
        let style = Style::TICK.align(Align::Left);
        for line in style.wrap(name, page.right() - from, 3) {
            page.drawing.text((from, page.y + 8.0), &line, style);
            page.y += 16.0;
        }
    }
}

fn scale_end(scale: &Scale, first: bool) -> f64 {
    scale.at(if first {
        f64::NEG_INFINITY
    } else {
        f64::INFINITY
    })
}
