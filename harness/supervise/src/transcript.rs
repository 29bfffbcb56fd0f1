//! The kept part of an output: its last lines, and a log file with its first megabytes.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::Write;

use comeback_model::said;

/// How many of the last lines are kept.
const LINES_KEPT: usize = 32;
/// How many of them are a stream's own, however much the other brings: a last word on stderr is not
/// lost in a flood on stdout that happens to be read after it.
const LINES_OWN: usize = LINES_KEPT / 2;
/// How much of a line is kept.
const LINE_MAX: usize = 2 * 1024;
/// How much is written to the log file.
const LOG_MAX: usize = 4 * 1024 * 1024;
/// Stands where the log stops.
const LOG_END: &str = "\n[comeback: the output beyond 4 MiB is left out]\n";

/// The lines read from both streams.
#[derive(Debug)]
pub(super) struct Transcript {
    log: Log,
    last: LastLines,
    /// The first line of all that looks like an error: the cause often stands far from the end.
    failure: Option<Numbered>,
    /// The incomplete last line of each stream.
    partial: [Line; 2],
    lookouts: Lookouts,
}

/// What is told of a line.
pub type OnLine = Box<dyn FnOnce(String) + Send>;

/// Texts, and what is done at the first line that contains each.
#[derive(Default)]
struct Lookouts(Vec<Lookout>);

struct Lookout {
    text: String,
    /// So much of each stream's incomplete last line was there before: the text must end behind it.
    before: [usize; 2],
    found: OnLine,
}

impl Lookout {
    fn is_in(&self, stream: usize, line: &[u8]) -> bool {
        let text = self.text.as_bytes();
        let mut places = line.windows(text.len().max(1)).zip(text.len()..);
        places.any(|(part, end)| part == text && end > self.before[stream])
    }
}

impl fmt::Debug for Lookouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|lookout| &lookout.text))
            .finish()
    }
}

impl Transcript {
    /// Nothing read yet.
    pub(super) fn new(log: File) -> Self {
        Self {
            log: Log {
                file: Some(log),
                left: LOG_MAX,
            },
            last: LastLines::default(),
            failure: None,
            partial: [Line::default(), Line::default()],
            lookouts: Lookouts::default(),
        }
    }

    /// The last lines, those not ended yet included, after the first of all that looks like an error.
    pub(super) fn tail(&self) -> Vec<said::Line> {
        let mut last = self.last.clone();
        for (stream, line) in self.partial.iter().enumerate() {
            if !line.bytes.is_empty() {
                last.push(stream, line.clone());
            }
        }
        let failure = self.failure.iter();
        let early = failure.filter(|failure| !last.holds(failure.number));
        early.chain(&last.lines).map(Numbered::said).collect()
    }

    /// Takes in what stream 0 or 1 brought.
    pub(super) fn take(&mut self, stream: usize, bytes: &[u8]) {
        self.log.write(bytes);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = &mut self.partial[stream];
            line.append(part.strip_suffix(b"\n").unwrap_or(part));
            if part.ends_with(b"\n") {
                let line = std::mem::take(line);
                self.look_in(stream, &line);
                for lookout in &mut self.lookouts.0 {
                    lookout.before[stream] = 0;
                }
                let line = self.last.push(stream, line);
                if self.failure.is_none() && said::tells_of_failure(&line.line.text()) {
                    self.failure = Some(line.clone());
                }
            }
        }
        // A prompt has no end of line.
        let line = std::mem::take(&mut self.partial[stream]);
        self.look_in(stream, &line);
        self.partial[stream] = line;
    }

    /// Looks for a text that is not complete yet, once only.
    pub(super) fn look_for(&mut self, text: String, found: OnLine) {
        let before = [0, 1].map(|stream: usize| self.partial[stream].bytes.len());
        self.lookouts.0.push(Lookout {
            text,
            before,
            found,
        });
    }

    fn look_in(&mut self, stream: usize, line: &Line) {
        let is_in = |lookout: &mut Lookout| lookout.is_in(stream, &line.bytes);
        for lookout in self.lookouts.0.extract_if(.., is_in) {
            (lookout.found)(line.text());
        }
    }
}

/// A line with its stream, and the how many-th of all it is.
#[derive(Clone, Debug)]
struct Numbered {
    number: u64,
    stream: usize,
    line: Line,
}

impl Numbered {
    fn said(&self) -> said::Line {
        let text = self.line.text();
        match self.stream {
            0 => said::Line::Out(text),
            _ => said::Line::Err { stderr: text },
        }
    }
}

/// The last lines of both streams in the order they were read.
#[derive(Clone, Debug, Default)]
struct LastLines {
    lines: VecDeque<Numbered>,
    count: u64,
}

impl LastLines {
    /// Adds a line. If there are too many, the oldest line of the longer stream is dropped.
    fn push(&mut self, stream: usize, line: Line) -> &Numbered {
        let number = self.count;
        self.count += 1;
        self.lines.push_back(Numbered {
            number,
            stream,
            line,
        });
        if self.lines.len() > LINES_KEPT {
            let of_first = self.lines.iter().filter(|line| line.stream == 0).count();
            let counts = [of_first, self.lines.len() - of_first];
            let has_more = |line: &Numbered| counts[line.stream] > LINES_OWN;
            if let Some(oldest) = self.lines.iter().position(has_more) {
                self.lines.remove(oldest);
            }
        }
        // The newest stays: it was pushed just now, and is never the oldest of its stream.
        &self.lines[self.lines.len() - 1]
    }

    fn holds(&self, number: u64) -> bool {
        self.lines.iter().any(|line| line.number == number)
    }

    #[cfg(test)]
    fn texts(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.line.text()).collect()
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
            last: LastLines::default(),
            failure: None,
            partial: [Line::default(), Line::default()],
            lookouts: Lookouts::default(),
        }
    }

    #[test]
    fn lines_of_two_streams_do_not_mix() {
        let mut taken = taken();
        taken.take(0, b"one ");
        taken.take(1, b"other\r\n");
        taken.take(0, b"line\nnext");
        assert_eq!(taken.last.texts(), ["other", "one line"]);
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
        let texts = taken.last.texts();
        assert_eq!(texts.len(), LINES_KEPT);
        assert_eq!(texts[0], "69");
        assert_eq!(texts[31], format!("{}…", "x".repeat(LINE_MAX)));
    }

    #[test]
    fn neither_stream_drowns_the_last_words_of_the_other() {
        let mut taken = taken();
        for number in 0..20 {
            taken.take(1, format!("panicked at {number}\n").as_bytes());
        }
        taken.take(1, b"no end of line");
        for number in 0..100 {
            taken.take(0, format!("GET {number}\n").as_bytes());
        }
        let tail = taken.tail();
        let texts: Vec<&str> = tail.iter().map(said::Line::text).collect();
        assert_eq!(texts.len(), LINES_KEPT + 1);
        assert_eq!(texts[0], "panicked at 0", "the first of all stays");
        assert_eq!(texts[1], "panicked at 5");
        assert_eq!(texts[15], "panicked at 19");
        assert_eq!(texts[16], "GET 84");
        assert_eq!(texts[32], "no end of line");
        assert!(matches!(tail[32], said::Line::Err { .. }));
    }

    #[test]
    fn a_line_without_end_takes_no_more_than_its_beginning() {
        let mut taken = taken();
        for _ in 0..16 * 1024 {
            taken.take(0, &[b'x'; 64 * 1024]);
        }
        assert!(taken.partial[0].bytes.capacity() <= 4 * LINE_MAX);
        assert_eq!(taken.tail().len(), 1, "one line of a gigabyte");
    }

    #[test]
    fn a_wanted_text_is_found_across_reads_and_without_an_end_of_line() {
        let mut taken = taken();
        let found = look_for(&mut taken, "ready>");
        taken.take(0, b"not rea");
        taken.take(1, b"dy>");
        assert!(found.try_recv().is_err());
        taken.take(0, b"dy> ");
        assert_eq!(found.try_recv().as_deref(), Ok("not ready> "));
    }

    #[test]
    fn each_text_that_is_looked_for_is_found_once_from_then_on() {
        let mut taken = taken();
        taken.take(0, b"loading 1\n");
        let first = look_for(&mut taken, "loading");
        let second = look_for(&mut taken, "loaded");
        taken.take(1, b"loading 2\nloading 3\nloaded\n");
        assert_eq!(first.iter().collect::<Vec<_>>(), ["loading 2"]);
        assert_eq!(second.iter().collect::<Vec<_>>(), ["loaded"]);
    }

    #[test]
    fn a_text_that_was_there_before_it_was_looked_for_is_not_found() {
        let mut taken = taken();
        taken.take(0, b"ready .");
        let found = look_for(&mut taken, "ready");
        taken.take(0, b".");
        taken.take(1, b"other\n");
        taken.take(0, b".\n");
        assert!(found.try_recv().is_err());
        taken.take(0, b"ready\n");
        assert_eq!(found.try_recv().as_deref(), Ok("ready"));
        taken.take(0, b"is rea");
        let found = look_for(&mut taken, "ready");
        taken.take(0, b"dy");
        assert_eq!(found.try_recv().as_deref(), Ok("is ready"));
    }

    fn look_for(taken: &mut Transcript, text: &str) -> std::sync::mpsc::Receiver<String> {
        let (tell, told) = std::sync::mpsc::channel();
        let found = Box::new(move |line| tell.send(line).expect("it is heard"));
        taken.look_for(text.to_owned(), found);
        told
    }
}
