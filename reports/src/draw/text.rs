//! Words in drawings: the embedded font, how wide words are in it, and how they are made to fit.
//!
//! SVG is shown in the reader's own font. The embedded one is wider than most, so what fits here fits there.

use std::sync::OnceLock;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

use super::Ink;
use crate::RenderError;

pub(super) static REGULAR: &[u8] = include_bytes!("../../assets/DejaVuSans.ttf");
pub(super) static BOLD: &[u8] = include_bytes!("../../assets/DejaVuSans-Bold.ttf");

/// Line height of the embedded font over its em: what a font size means to the PNG backend.
pub(crate) const LINE_PER_EM: f64 = 1.164;

/// Where a text is placed relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// To the right of it.
    Left,
    /// Around it.
    Centre,
    /// To the left of it.
    Right,
}

/// How words look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Style {
    /// Font size in CSS pixels.
    pub(crate) size: f64,
    /// Bold or not.
    pub(crate) bold: bool,
    /// Colour.
    pub(crate) ink: Ink,
    /// Their position.
    pub(crate) align: Align,
}

impl Style {
    /// A drawing's title.
    pub(crate) const TITLE: Self = Self::new(17.0, true, Ink::Text);
    /// The name of a row or panel.
    pub(crate) const NAME: Self = Self::new(13.0, true, Ink::Text);
    /// Words that carry a figure.
    pub(crate) const LABEL: Self = Self::new(12.5, false, Ink::Text);
    /// Words that explain.
    pub(crate) const NOTE: Self = Self::new(12.5, false, Ink::Muted);
    /// Numbers along an axis.
    pub(crate) const TICK: Self = Self::new(12.0, false, Ink::Muted);
    /// What is said below a chart about its run.
    pub(crate) const FOOT: Self = Self::new(10.5, false, Ink::Muted);

    const fn new(size: f64, bold: bool, ink: Ink) -> Self {
        Self {
            size,
            bold,
            ink,
            align: Align::Left,
        }
    }

    /// The same at another position.
    pub(crate) const fn align(self, align: Align) -> Self {
        Self { align, ..self }
    }

    /// The same in another colour.
    pub(crate) const fn ink(self, ink: Ink) -> Self {
        Self { ink, ..self }
    }

    /// Distance from line to line.
    pub(crate) const fn leading(self) -> f64 {
        self.size * 1.4
    }

    /// The font's style as the backends name it.
    pub(crate) const fn weight(self) -> FontStyle {
        if self.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        }
    }

    /// How wide a text is, in CSS pixels.
    pub(crate) fn width(self, text: &str) -> f64 {
        // The library answers in whole pixels, so it is asked about a larger text.
        const FINER: f64 = 20.0;
        let font = FontDesc::new(
            FontFamily::SansSerif,
            self.size * LINE_PER_EM * FINER,
            self.weight(),
        );
        match font.layout_box(text) {
            Ok(((left, _), (right, _))) => f64::from(right - left) / FINER,
            // Without its font nothing is painted at all, so any estimate will do.
            Err(_) => self.size * 0.6 * text.chars().count() as f64,
        }
    }

    /// The text, cut with an ellipsis where it is wider than `room`.
    pub(crate) fn cut(self, text: &str, room: f64) -> String {
        if self.width(text) <= room {
            return text.to_owned();
        }
        let mut kept: Vec<char> = text.chars().collect();
        while kept.pop().is_some() {
            let shorter: String = kept.iter().chain(&['…']).collect();
            if self.width(&shorter) <= room {
                return shorter;
            }
        }
        String::new()
    }

    /// The text in at most `lines` lines no wider than `room`; what is too much ends in an ellipsis.
    pub(crate) fn wrap(self, text: &str, room: f64, lines: usize) -> Vec<String> {
        let mut wrapped: Vec<String> = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() && wrapped.len() + 1 < lines {
            let end = self.fitting(rest, room);
            let (line, after) = rest.split_at(end);
            wrapped.push(line.trim_end().to_owned());
            rest = after.trim_start();
        }
        if !rest.is_empty() {
            wrapped.push(self.cut(rest, room));
        }
        wrapped
    }

    /// Length in bytes of the longest start of `text` that fits and ends where a line may break; at least
    /// one character.
    fn fitting(self, text: &str, room: f64) -> usize {
        if self.width(text) <= room {
            return text.len();
        }
        let mut hard = text.chars().next().map_or(0, char::len_utf8);
        let mut soft = None;
        for (at, c) in text.char_indices().skip(1) {
            // A trailing space does not need room.
            if self.width(text[..at].trim_end()) > room {
                break;
            }
            hard = at;
            if c == ' ' || may_break(&text[..at], c) {
                soft = Some(at);
            }
        }
        soft.unwrap_or(hard)
    }
}

/// Whether a line may end behind `text` and before `after`.
fn may_break(text: &str, after: char) -> bool {
    let mut before = text.chars().rev();
    match before.next() {
        Some(' ') => true,
        // Within a word, so not after the dashes of `--option` and not within `1,203`.
        Some('-' | '_' | '/' | '.' | ':' | ',' | ';') => {
            after.is_alphabetic() && before.next().is_some_and(char::is_alphanumeric)
        }
        _ => false,
    }
}

/// Makes the embedded font known, once.
///
/// # Errors
/// If the embedded font cannot be read.
pub(crate) fn register() -> Result<(), RenderError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = REGISTERED.get_or_init(|| {
        register_font("sans-serif", FontStyle::Normal, REGULAR).is_ok()
            && register_font("sans-serif", FontStyle::Bold, BOLD).is_ok()
    });
    if *registered {
        Ok(())
    } else {
        Err(RenderError::Font)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_where_they_may_break_and_cut_at_the_end() {
        register().expect("the font is embedded");
        let style = Style::LABEL;
        let text = "a-rather-long-name-of-an-arm that goes on and on";
        for room in [60.0, 120.0, 400.0] {
            let lines = style.wrap(text, room, 3);
            assert!(!lines.is_empty() && lines.len() <= 3);
            for line in &lines {
                assert!(style.width(line) <= room, "{line:?} is wider than {room}");
            }
        }
        assert_eq!(style.wrap("short", 400.0, 2), ["short"]);
        assert_eq!(style.wrap("", 400.0, 2), [""; 0]);
        assert!(style.wrap(text, 60.0, 2)[1].ends_with('…'));
    }

    #[test]
    fn no_room_at_all_still_ends() {
        register().expect("the font is embedded");
        assert_eq!(Style::NAME.wrap("abc", 0.0, 2).len(), 2);
        assert_eq!(Style::NAME.cut("abc", 0.0), "");
    }
}
