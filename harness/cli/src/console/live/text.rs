//! Text with inks: what a line says is the same with color and without.

/// How a piece of a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Dim,
    Bold,
    Good,
    Bad,
    Accent,
}

impl Ink {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "\x1b[2m",
            Self::Bold => "\x1b[1m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
            Self::Accent => "\x1b[1;36m",
        }
    }
}

/// One line of the view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line(Vec<(Ink, String)>);

impl Line {
    pub(super) fn with(mut self, ink: Ink, text: impl Into<String>) -> Self {
        self.push(ink, text);
        self
    }

    pub(super) fn push(&mut self, ink: Ink, text: impl Into<String>) {
        self.0.push((ink, text.into()));
    }

    /// How many columns it takes.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// Blanks up to this column.
    pub(super) fn padded(mut self, column: usize) -> Self {
        let missing = column.saturating_sub(self.width());
        if missing > 0 {
            self.push(Ink::Plain, " ".repeat(missing));
        }
        self
    }

    /// At most so many columns of it; `…` stands for the rest.
    pub(super) fn cut(self, columns: usize) -> Self {
        if self.width() <= columns {
            return self;
        }
        let mut room = columns.saturating_sub(1);
        let mut cut = Self::default();
        for (ink, text) in self.0 {
            let piece: String = text.chars().take(room).collect();
            room -= piece.chars().count();
            cut.push(ink, piece);
        }
        match columns {
            0 => cut,
            _ => cut.with(Ink::Dim, "…"),
        }
    }

    /// As it is written to a terminal.
    pub(super) fn render(&self, color: bool) -> String {
        let mut rendered = String::new();
        for (ink, text) in &self.0 {
            match ink.code() {
                "" => rendered.push_str(text),
                code if color => rendered.extend([code, text, "\x1b[0m"]),
                _ => rendered.push_str(text),
            }
        }
        rendered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_the_terminal_ends_and_says_so() {
        let line = || {
            Line::default()
                .with(Ink::Bold, "läuft ")
                .with(Ink::Plain, "weiter")
        };
        assert_eq!(line().cut(12).render(false), "läuft weiter");
        assert_eq!(line().cut(9).render(false), "läuft we…");
        assert_eq!(line().cut(4).render(false), "läu…");
        assert_eq!(line().cut(0).render(false), "");
        let cut = line().cut(9);
        assert_eq!(cut.width(), 9);
        assert_eq!(cut.render(true), "\x1b[1mläuft \x1b[0mwe\x1b[2m…\x1b[0m");
    }
}
