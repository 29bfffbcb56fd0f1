//! A target's output. It is always read, so that the target never waits for us, and memory for it is bounded.
//!
//! Two tasks empty stdout and stderr as they fill. Nothing waits for their end, because an orphan of the target may hold a pipe
//! open for any time.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use comeback_model::said::Line;
use nix::fcntl::{FcntlArg, fcntl};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use super::transcript::OnLine;
use super::transcript::Transcript;
use comeback_host::watched;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;
/// Asked for as the size of each pipe, so that the target need not wait while our tasks do other things.
const PIPE_SIZE: i32 = 1024 * 1024;
/// How many chunks are read at once where the output as it stands is asked for: a full pipe, and no
/// more, since an orphan may be writing faster than we read.
const CHUNKS_AT_ONCE: usize = 2 * PIPE_SIZE as usize / CHUNK;

/// The output of a process.
#[derive(Debug)]
pub struct Output {
    shared: Arc<Shared>,
    wanted: watch::Receiver<bool>,
    tasks: [AbortHandle; 2],
}

#[derive(Debug)]
struct Shared {
    streams: [AsyncFd<OwnedFd>; 2],
    taken: Mutex<Transcript>,
}

impl Output {
    /// Opens the log file, to be called before anything is started.
    pub(super) fn open_log(path: &Path) -> io::Result<File> {
        // It would have to be a link that somebody put there.
        let flags = rustix::fs::OFlags::NOFOLLOW;
        OpenOptions::new()
            .create(true)
            .append(true)
            .custom_flags(flags.bits() as i32)
            .open(path)
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
        let mut transcript = Transcript::new(log);
        if let Some(text) = wanted {
            let found = move |_| {
                found.send_replace(true);
            };
            transcript.look_for(text, Box::new(found));
        }
        let shared = Arc::new(Shared {
            streams,
            taken: Mutex::new(transcript),
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

    /// The last 32 lines as they were read, each cut at 2 KiB. Neither stream pushes out the last 16 of
    /// the other. Before them stands the first of all that looks like an error, where it is none of them.
    pub fn tail(&self) -> Vec<Line> {
        self.shared.drain().tail()
    }

    /// Tells of the next line that contains this text. It is told while the output is read: that must not take long.
    pub fn on_line(&self, text: String, found: OnLine) {
        self.shared.lock().look_for(text, found);
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
        // Output before the end belongs in the log.
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

    /// Reads everything written so far, on both streams.
    fn drain(&self) -> MutexGuard<'_, Transcript> {
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

    /// Reads a chunk. The reader holds the lock, so that chunks stay in order.
    fn read(&self, taken: &mut Transcript, stream: usize) -> Read {
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

    fn lock(&self) -> MutexGuard<'_, Transcript> {
        // Bytes and lines: a panic elsewhere leaves them readable.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn what_controls_a_terminal_is_spelt_out() {
        assert_eq!(
            printable("a\x1b[31mb\u{9b}\u{202e}\tü\n"),
            "a\\x1b[31mb\\u{9b}\\u{202e}\tü\n"
        );
    }
}
