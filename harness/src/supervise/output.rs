//! A target's output: always read, so that the target never waits for us, and bounded, whatever it writes.
//!
//! Two tasks empty stdout and stderr as they fill. Nothing ever waits for their end: an orphan of the
//! target may hold a pipe open for as long as it likes.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::fcntl::{FcntlArg, fcntl};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::watched;

/// How many of the last lines are kept.
const LINES_KEPT: usize = 32;
/// How much of a line is kept.
const LINE_MAX: usize = 2 * 1024;
/// How much is written to the log file.
const LOG_MAX: usize = 4 * 1024 * 1024;
/// Stands where the log stops.
const LOG_END: &str = "\n[comeback: the output beyond 4 MiB is left out]\n";
/// How much is read at once.
const CHUNK: usize = 64 * 1024;
/// Asked for as the size of each pipe, so that the target need not wait while our tasks do other things.
const PIPE_SIZE: i32 = 1024 * 1024;
/// How many chunks are read at once where the output as it stands is asked for: a full pipe, and no
/// more, since an orphan may be writing faster than we read.
const CHUNKS_AT_ONCE: usize = 2 * PIPE_SIZE as usize / CHUNK;

/// What a process writes.
#[derive(Debug)]
pub struct Output {
    shared: Arc<Shared>,
    wanted: watch::Receiver<bool>,
    tasks: [AbortHandle; 2],
}

#[derive(Debug)]
struct Shared {
    streams: [AsyncFd<OwnedFd>; 2],
    taken: Mutex<Taken>,
}

impl Output {
    /// Opens the log file, to be called before anything is started.
    pub(super) fn open_log(path: &Path) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(path)
    }

    /// Reads the output of a process from now on; `wanted` is a text to look for in its lines.
    pub(super) fn capture(
        child: &mut Child,
        log: File,
        wanted: Option<String>,
    ) -> io::Result<Self> {
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("its output is not piped"));
        };
        let streams = [prepare(out.into())?, prepare(err.into())?];
        let (found, is_found) = watch::channel(false);
        let taken = Taken {
            log: Log {
                file: Some(log),
                left: LOG_MAX,
            },
            last: VecDeque::with_capacity(LINES_KEPT),
            partial: [Line::default(), Line::default()],
            wanted: wanted.map(|text| (text, found)),
        };
        let shared = Arc::new(Shared {
            streams,
            taken: Mutex::new(taken),
        });
        let tasks = [0, 1].map(|stream| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { shared.follow(stream).await }).abort_handle()
        });
        Ok(Self {
            shared,
            wanted: is_found,
            tasks,
        })
    }

    /// The last 32 lines, stdout's and stderr's as they came, each cut at 2 KiB.
    pub fn tail(&self) -> Vec<String> {
        let mut taken = self.shared.drain();
        let Taken { last, partial, .. } = &mut *taken;
        let unfinished = partial.iter().filter(|line| !line.bytes.is_empty());
        let lines: Vec<_> = last.iter().chain(unfinished).map(Line::text).collect();
        let surplus = lines.len().saturating_sub(LINES_KEPT);
        lines.into_iter().skip(surplus).collect()
    }

    /// Returns when a line contained the text that the target's readiness names; never where it names none.
    pub fn wait_for_line(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut wanted = self.wanted.clone();
        async move {
            if wanted.wait_for(|found| *found).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        // What was written before the end belongs in the log.
        drop(self.shared.drain());
    }
}

fn prepare(pipe: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    rustix::io::ioctl_fionbio(&pipe, true)?;
    // Refused where a user's pipes are many: the usual size serves too.
    let _ = fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
    watched::watch(pipe)
}

/// What reading a stream once came to.
enum Read {
    Some,
    NothingNow,
    End,
}

impl Shared {
    /// Empties a stream until its end.
    async fn follow(&self, stream: usize) {
        while let Ok(mut ready) = self.streams[stream].readable().await {
            let read = self.read(&mut self.lock(), stream);
            match read {
                // A flood must not keep others on this thread waiting: theirs is the exact time.
                Read::Some => tokio::task::yield_now().await,
                Read::NothingNow => ready.clear_ready(),
                Read::End => return,
            }
        }
    }

    /// Takes in what has been written until now, on both streams.
    fn drain(&self) -> MutexGuard<'_, Taken> {
        let mut taken = self.lock();
        for stream in 0..self.streams.len() {
            for _ in 0..CHUNKS_AT_ONCE {
                if !matches!(self.read(&mut taken, stream), Read::Some) {
                    break;
                }
            }
        }
        taken
    }

    /// Reads a chunk; whoever does holds the lock, so that chunks stay in order.
    fn read(&self, taken: &mut Taken, stream: usize) -> Read {
        let mut chunk = [0_u8; CHUNK];
        match rustix::io::read(self.streams[stream].get_ref(), &mut chunk) {
            Ok(0) => Read::End,
            Ok(length) => {
                taken.take(stream, &chunk[..length]);
                Read::Some
            }
            Err(Errno::INTR) => Read::Some,
            Err(Errno::AGAIN) => Read::NothingNow,
            Err(_) => Read::End,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Bytes and lines: a panic elsewhere leaves them readable.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has been read.
#[derive(Debug)]
struct Taken {
    log: Log,
    last: VecDeque<Line>,
    /// What each stream wrote since its last line's end.
    partial: [Line; 2],
    wanted: Option<(String, watch::Sender<bool>)>,
}

impl Taken {
    fn take(&mut self, stream: usize, bytes: &[u8]) {
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

/// A text from outside as it may be shown on a terminal: what would control it is spelt out, as in
/// `\x1b[31m`. Tabs stay, and so do ends of lines.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            character if character.is_control() && character.is_ascii() => {
                // Writing to a string does not fail.
                let _ = write!(shown, "\\x{:02x}", u32::from(character));
            }
            // Beside the C1 controls, what turns the direction of writing.
            character
                if character.is_control()
                    || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
            }
            character => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken() -> Taken {
        Taken {
            log: Log {
                file: None,
                left: 0,
            },
            last: VecDeque::new(),
            partial: [Line::default(), Line::default()],
            wanted: None,
        }
    }

    fn texts(taken: &Taken) -> Vec<String> {
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

    #[test]
    fn what_controls_a_terminal_is_spelt_out() {
        assert_eq!(
            printable("a\x1b[31mb\u{9b}\u{202e}\tü\n"),
            "a\\x1b[31mb\\u{9b}\\u{202e}\tü\n"
        );
    }
}
