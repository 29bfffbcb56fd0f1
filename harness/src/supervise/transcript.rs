//! What is kept of an output: its last lines, and a log file with its first megabytes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;

use tokio::sync::watch;

/// How many of the last lines are kept.
const LINES_KEPT: usize = 32;
/// How much of a line is kept.
const LINE_MAX: usize = 2 * 1024;
/// How much is written to the log file.
const LOG_MAX: usize = 4 * 1024 * 1024;
/// Stands where the log stops.
const LOG_END: &str = "\n[comeback: the output beyond 4 MiB is left out]\n";

/// What has been read from both streams.
#[derive(Debug)]
pub(super) struct Transcript {
    log: Log,
    last: VecDeque<Line>,
    /// What each stream wrote since its last line's end.
    partial: [Line; 2],
    wanted: Option<(String, watch::Sender<bool>)>,
}

impl Transcript {
    /// Nothing read yet.
    pub(super) fn new(log: File, wanted: Option<(String, watch::Sender<bool>)>) -> Self {
        Self {
            log: Log {
                file: Some(log),
                left: LOG_MAX,
            },
            last: VecDeque::with_capacity(LINES_KEPT),
            partial: [Line::default(), Line::default()],
            wanted,
        }
    }

    /// The last lines, those not ended yet included.
    pub(super) fn tail(&self) -> Vec<String> {
        let unfinished = self.partial.iter().filter(|line| !line.bytes.is_empty());
        let lines = self.last.iter().chain(unfinished);
        let surplus = lines.clone().count().saturating_sub(LINES_KEPT);
        lines.skip(surplus).map(Line::text).collect()
    }

    /// Takes in what stream 0 or 1 brought.
    pub(super) fn take(&mut self, stream: usize, bytes: &[u8]) {
        self.log.write(bytes);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = &mut self.partial[stream];
            line.append(part.strip_suffix(b"\n").unwrap_or(part));
            if part.ends_with(b"\n") {
                let line = std::mem::take(line);
                self.look_in(&line);
                if self.last.len() == LINES_KEPT {
                    self.last.pop_front();
                }
                self.last.push_back(line);
            }
        }
        // A prompt has no end of line.
        let line = std::mem::take(&mut self.partial[stream]);
        self.look_in(&line);
        self.partial[stream] = line;
    }

    fn look_in(&mut self, line: &Line) {
        let is_in = |(text, _): &mut (String, _)| {
            String::from_utf8_lossy(&line.bytes).contains(text.as_str())
        };
        // Looked for once only.
        if let Some((_, found)) = self.wanted.take_if(is_in) {
            found.send_replace(true);
        }
    }
}

/// A line, or the beginning of a longer one.
#[derive(Clone, Debug, Default)]
struct Line {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Line {
    fn append(&mut self, bytes: &[u8]) {
        let room = LINE_MAX - self.bytes.len();
        self.is_cut |= bytes.len() > room;
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let mark = if self.is_cut { "…" } else { "" };
        format!("{}{mark}", text.trim_end_matches('\r'))
    }
}

/// The log file, up to its bound.
#[derive(Debug)]
struct Log {
    /// Absent when the bound is reached or the disk is full.
    file: Option<File>,
    left: usize,
}

impl Log {
    fn write(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
        let part = &bytes[..bytes.len().min(self.left)];
        let written = file.write_all(part);
        self.left -= part.len();
        if part.len() < bytes.len() {
            // The last words of a log that is complete as far as it goes.
            let _ = file.write_all(LOG_END.as_bytes());
            self.file = None;
        } else if written.is_err() {
            // The log is a help, not a fact of the run: it ends here.
            self.file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken() -> Transcript {
        Transcript {
            log: Log {
                file: None,
                left: 0,
            },
            last: VecDeque::new(),
            partial: [Line::default(), Line::default()],
            wanted: None,
        }
    }

    fn texts(taken: &Transcript) -> Vec<String> {
        taken.last.iter().map(Line::text).collect()
    }

    #[test]
    fn lines_of_two_streams_do_not_mix() {
        let mut taken = taken();
        taken.take(0, b"one ");
        taken.take(1, b"other\r\n");
        taken.take(0, b"line\nnext");
        assert_eq!(texts(&taken), ["other", "one line"]);
        assert_eq!(taken.partial[0].text(), "next");
    }

    #[test]
    fn only_the_last_lines_are_kept_and_long_ones_cut() {
        let mut taken = taken();
        for number in 0..100 {
            taken.take(0, format!("{number}\n").as_bytes());
        }
        taken.take(0, &[b'x'; 5000]);
        taken.take(0, b"y\n");
        let texts = texts(&taken);
        assert_eq!(texts.len(), LINES_KEPT);
        assert_eq!(texts[0], "69");
        assert_eq!(texts[31], format!("{}…", "x".repeat(LINE_MAX)));
    }

    #[test]
    fn a_wanted_text_is_found_across_reads_and_without_an_end_of_line() {
        let mut taken = taken();
        let (found, is_found) = watch::channel(false);
        taken.wanted = Some(("ready>".to_owned(), found));
        taken.take(0, b"not rea");
        taken.take(1, b"dy>");
        assert!(!*is_found.borrow());
        taken.take(0, b"dy> ");
        assert!(*is_found.borrow());
    }
}
