//! The terminal: what is drawn is drawn over, the cursor is hidden, keys are not echoed; and all is as before when it is given back.

use std::io::{self, Write};

use nix::unistd::{getpgrp, tcgetpgrp};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::draw::Room;
use super::text::Line;

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
/// Between these a terminal that knows them shows nothing half drawn.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
/// The view is removed. Some terminals take a screen that is cleared from its first column on for one to be kept in the scroll-back.
const ERASE: &str = "\x1b[K\n\x1b[J\x1b[1A";
/// Of a terminal that does not say how large it is.
const USUAL: Room = Room {
    columns: 80,
    rows: 24,
};

/// The view on the terminal of stderr.
#[derive(Debug)]
pub(super) struct Screen {
    /// How wide each line is that stands there.
    drawn: Vec<usize>,
    /// The mode to be given back, while it is changed.
    mode: Option<Termios>,
    is_cursor_hidden: bool,
    /// Lines that are wider than the terminal becomes are wrapped anew by it.
    wraps_anew: bool,
    color: bool,
}

impl Screen {
    pub(super) fn new(color: bool) -> Self {
        Self {
            drawn: Vec::new(),
            mode: None,
            is_cursor_hidden: false,
            wraps_anew: wraps_anew(|name| std::env::var(name).ok()),
            color,
        }
    }

    /// The present size of the terminal.
    pub(super) fn room() -> Room {
        match tcgetwinsize(io::stderr()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Room {
                columns: size.ws_col.into(),
                rows: size.ws_row.into(),
            },
            Ok(_) | Err(_) => USUAL,
        }
    }

    /// Prints these lines for good, and draws the view below them. In the background nothing is drawn.
    pub(super) fn show(&mut self, above: &[String], view: &[Line], room: Room) {
        if !is_ours() {
            // Another program draws here now. What stood here has scrolled away.
            self.drawn.clear();
            return print(&above_text(above));
        }
        self.take();
        let mut text = String::from(BEGIN);
        if !std::mem::replace(&mut self.is_cursor_hidden, true) {
            text.push_str(HIDE_CURSOR);
        }
        text.push_str(&back_over(&self.drawn, room.columns, self.wraps_anew));
        if !above.is_empty() {
            text.push_str(ERASE);
            text.push_str(&above_text(above));
        }
        for (place, line) in view.iter().enumerate() {
            text.push_str(if place > 0 { "\n" } else { "" });
            text.push_str(&line.render(self.color));
            text.push_str(CLEAR_LINE);
        }
        // The rest of a view that was higher. The cursor waits where the next one is drawn from.
        text.extend([CLEAR_BELOW, "\r", END]);
        self.drawn = view.iter().map(Line::width).collect();
        print(&text);
    }

    /// Prints these lines, removes the view, and gives the terminal back as it was.
    pub(super) fn give_back(&mut self, above: &[String]) {
        let mut text = String::new();
        if is_ours() {
            let drawn = std::mem::take(&mut self.drawn);
            if !drawn.is_empty() {
                text.push_str(&back_over(&drawn, Self::room().columns, self.wraps_anew));
                text.push_str(ERASE);
            }
            // In the background this would stop the process.
            if let Some(mode) = self.mode.take() {
                let _ = tcsetattr(io::stderr(), OptionalActions::Now, &mode);
            }
        }
        if std::mem::take(&mut self.is_cursor_hidden) {
            text.push_str(SHOW_CURSOR);
        }
        text.push_str(&above_text(above));
        print(&text);
    }

    /// Keys that are typed would be written into the view.
    fn take(&mut self) {
        if self.mode.is_some() {
            return;
        }
        let Ok(mode) = tcgetattr(io::stderr()) else {
            return;
        };
        let mut silent = mode.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        if tcsetattr(io::stderr(), OptionalActions::Now, &silent).is_ok() {
            self.mode = Some(mode);
        }
    }
}

/// Whether this process may draw. Of a terminal that does not control it, it is nobody's background.
fn is_ours() -> bool {
    tcgetpgrp(io::stderr()).map_or(true, |group| group == getpgrp())
}

/// Back to where lines of these widths began. The cursor stands where the last of them begins.
fn back_over(drawn: &[usize], columns: usize, wraps_anew: bool) -> String {
    let before = drawn.split_last().map_or(&[][..], |(_, before)| before);
    let rows_of = |width: &usize| match wraps_anew {
        true => width.div_ceil(columns.max(1)).max(1),
        false => 1,
    };
    match before.iter().map(rows_of).sum() {
        0 => "\r".to_owned(),
        rows => format!("\r\x1b[{rows}A"),
    }
}

/// Whether a terminal wraps what it shows anew when its size changes. Those that do not cut it, or leave it as it is.
fn wraps_anew(variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    let is_of = |name: &str| term == name || term.starts_with(&format!("{name}-"));
    let cuts = ["linux", "rxvt", "screen", "st"].into_iter().any(is_of);
    let is_tmux = variable("TMUX").is_some();
    is_tmux || !cuts && variable("XTERM_VERSION").is_none()
}

fn above_text(above: &[String]) -> String {
    above.iter().map(|line| format!("{line}\n")).collect()
}

/// A closed terminal is not a failure.
fn print(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_drawn_over_where_it_stands_also_if_the_terminal_wrapped_it_anew() {
        assert_eq!(back_over(&[], 80, true), "\r");
        assert_eq!(back_over(&[70], 80, true), "\r");
        assert_eq!(back_over(&[70, 70, 10], 80, true), "\r\x1b[2A");
        // Each takes two lines of 40 columns; the cursor stands in the first line of the last one.
        assert_eq!(back_over(&[70, 0, 70, 70], 40, true), "\r\x1b[5A");
        assert_eq!(back_over(&[70, 0, 70, 70], 40, false), "\r\x1b[3A");
    }

    #[test]
    fn terminals_that_cut_their_lines_are_known_by_what_they_call_themselves() {
        for (set, expected) in [
            (&[("TERM", "xterm-256color")][..], true),
            (&[("TERM", "xterm"), ("XTERM_VERSION", "XTerm(390)")], false),
            (&[("TERM", "st-256color")], false),
            (&[("TERM", "linux")], false),
            (&[("TERM", "stern")], true),
            (&[("TERM", "screen-256color")], false),
            (&[("TERM", "screen-256color"), ("TMUX", "/x")], true),
            (&[], true),
        ] {
            let variable = |name: &str| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(wraps_anew(variable), expected, "{set:?}");
        }
    }
}
