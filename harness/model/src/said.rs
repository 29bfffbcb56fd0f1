//! The output of a process: its lines, and the part that is quoted if it failed.

use serde::{Deserialize, Serialize};

/// How many of the last lines of each stream are quoted.
const LAST: usize = 3;
/// How much of a line is quoted, in characters.
const LINE_MAX: usize = 200;
/// Words, in small letters, of which one is in nearly every message of a failure.
const WORDS_OF_FAILURE: [&str; 12] = [
    "error",
    "exception",
    "panic",
    "traceback",
    "cannot",
    "can't",
    "could not",
    "failed",
    "fatal",
    "in use",
    "denied",
    "no such file",
];

/// A line of a process's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// Written to stdout, or to a stream that is not known.
    Out(String),
    /// Written to stderr.
    Err {
        /// The line.
        stderr: String,
    },
}

impl Line {
    /// Its text.
    pub fn text(&self) -> &str {
        match self {
            Self::Out(text) | Self::Err { stderr: text } => text,
        }
    }

    pub(crate) const fn text_mut(&mut self) -> &mut String {
        match self {
            Self::Out(text) | Self::Err { stderr: text } => text,
        }
    }
}

/// Whether a line looks like a failure.
pub fn tells_of_failure(line: &str) -> bool {
    let line = line.to_lowercase();
    WORDS_OF_FAILURE.iter().any(|word| line.contains(word))
}

/// The lines that say why a process failed: the first that looks like an error, and the last of each stream that are
/// not blank. Nothing where there are none.
pub fn quote(tail: &[Line]) -> Option<String> {
    let lines: Vec<&Line> = tail
        .iter()
        .filter(|line| !line.text().trim().is_empty())
        .collect();
    let failure = lines.iter().position(|line| tells_of_failure(line.text()));
    let mut wanted: Vec<usize> = failure.into_iter().collect();
    for is_err in [false, true] {
        let of_stream = |(_, line): &(usize, &&Line)| matches!(line, Line::Err { .. }) == is_err;
        let last = lines.iter().enumerate().rev().filter(of_stream).take(LAST);
        wanted.extend(last.map(|(place, _)| place));
    }
    wanted.sort_unstable();
    wanted.dedup();
    let mut text = String::new();
    for (nth, place) in wanted.iter().enumerate() {
        if nth > 0 {
            let follows = wanted[nth - 1] + 1 == *place;
            text.push_str(if follows { " | " } else { " … " });
        }
        let line = lines[*place].text().trim();
        text.extend(line.chars().take(LINE_MAX));
        if line.chars().nth(LINE_MAX).is_some() {
            text.push('…');
        }
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> Line {
        Line::Out(text.to_owned())
    }

    fn err(text: &str) -> Line {
        Line::Err {
            stderr: text.to_owned(),
        }
    }

    #[test]
    fn the_cause_is_quoted_though_later_lines_are_blank_or_say_less() {
        let tail = [
            out("starting"),
            err("OSError: [Errno 98] Address already in use"),
            err("trying again"),
            err("trying again"),
            err("still not bound"),
            err("  "),
            out("bye"),
        ];
        assert_eq!(
            quote(&tail).as_deref(),
            Some(
                "starting | OSError: [Errno 98] Address already in use | trying again | trying again | still not \
                 bound | bye"
            )
        );
    }

    #[test]
    fn neither_stream_hides_the_end_of_the_other() {
        let mut tail = vec![err("panicked at main.rs:7"), err("no room")];
        tail.extend((0..9).map(|number| out(&format!("GET {number}"))));
        assert_eq!(
            quote(&tail).as_deref(),
            Some("panicked at main.rs:7 | no room … GET 6 | GET 7 | GET 8")
        );
    }

    #[test]
    fn nothing_is_quoted_of_blank_lines_and_a_long_one_is_cut() {
        assert_eq!(quote(&[out(""), err(" \t")]), None);
        let quoted = quote(&[out(&"ä".repeat(300))]).unwrap_or_default();
        assert_eq!(quoted, format!("{}…", "ä".repeat(LINE_MAX)));
    }

    #[test]
    fn a_line_of_an_older_journal_has_no_stream() {
        let lines = serde_json::from_str::<Vec<Line>>(r#"["a", {"stderr": "b"}]"#);
        assert_eq!(lines.ok(), Some(vec![out("a"), err("b")]));
    }
}
