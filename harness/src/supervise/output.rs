//! What a target prints: always drained, so that it never blocks, and bounded, however much it is.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Lines kept for messages.
const TAIL_LINES: usize = 32;
/// Bytes kept of a line.
const LINE_BYTES: usize = 2048;
/// Bytes of a process's output that go to its log file.
const LOG_BYTES: usize = 4 * 1024 * 1024;
/// How long an ended process's pipes are read on; an orphan may hold them open for ever.
const DRAIN_WITHIN: Duration = Duration::from_millis(200);

/// The output of one process, both streams together.
#[derive(Debug)]
pub(super) struct Output {
    kept: Arc<Mutex<Kept>>,
    seen: watch::Receiver<bool>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Kept {
    lines: VecDeque<String>,
    log: Log,
    wanted: Option<String>,
    found: watch::Sender<bool>,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: Option<File>,
    room: usize,
}

impl Output {
    /// Reads these pipes to their end; a line that contains `wanted` is noticed.
    pub(super) fn follow(
        pipes: Vec<OwnedFd>,
        log: PathBuf,
        wanted: Option<String>,
    ) -> io::Result<Self> {
        let (found, seen) = watch::channel(false);
        let kept = Arc::new(Mutex::new(Kept {
            lines: VecDeque::new(),
            log: Log {
                path: log,
                file: None,
                room: LOG_BYTES,
            },
            wanted,
            found,
        }));
        let readers = pipes
            .into_iter()
            .map(|pipe| {
                let pipe = pipe::Receiver::from_owned_fd(pipe)?;
                Ok(tokio::spawn(read(pipe, Arc::clone(&kept))))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { kept, seen, readers })
    }

    /// The last lines, once an ended process's pipes are empty.
    pub(super) async fn tail_after_end(&mut self) -> Vec<String> {
        let drained = async {
            for reader in &mut self.readers {
                // A reader that panicked has read what it could.
                let _ = reader.await;
            }
        };
        let _ = tokio::time::timeout(DRAIN_WITHIN, drained).await;
        self.abort();
        lock(&self.kept).lines.iter().cloned().collect()
    }

    /// The last lines until now.
    pub(super) fn tail(&self) -> Vec<String> {
        lock(&self.kept).lines.iter().cloned().collect()
    }

    /// Returns when the wanted line was seen; never if there is none.
    pub(super) async fn wanted_line(&mut self) {
        if self.seen.wait_for(|seen| *seen).await.is_err() {
            std::future::pending().await
        }
    }

    fn abort(&mut self) {
        for reader in self.readers.drain(..) {
            reader.abort();
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.abort();
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    // Nothing that holds the lock leaves it half done.
    kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn read(pipe: pipe::Receiver, kept: Arc<Mutex<Kept>>) {
    let mut buffer = vec![0; 16 * 1024];
    let mut line = Vec::new();
    loop {
        if pipe.readable().await.is_err() {
            break;
        }
        let count = match pipe.try_read(&mut buffer) {
            Ok(count) if count > 0 => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Ok(_) | Err(_) => break,
        };
        let mut kept = lock(&kept);
        kept.log.write(&buffer[..count]);
        for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES.saturating_sub(line.len());
            line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                kept.add_line(&line);
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        lock(&kept).add_line(&line);
    }
}

impl Kept {
    fn add_line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\r', '\n']);
        if self.wanted.as_ref().is_some_and(|wanted| text.contains(wanted.as_str())) {
            self.found.send_replace(true);
        }
        if self.lines.len() == TAIL_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(text.to_owned());
    }
}

impl Log {
    /// Appends what there is room for. A log that cannot be written costs the log, not the run.
    fn write(&mut self, bytes: &[u8]) {
        if self.room == 0 {
            return;
        }
        if self.file.is_none() {
            self.file = File::create(&self.path).ok();
        }
        let Some(file) = &mut self.file else {
            self.room = 0;
            return;
        };
        let take = bytes.len().min(self.room);
        self.room -= take;
        let mut written = file.write_all(&bytes[..take]);
        if self.room == 0 {
            let note = format!("\n[comeback: more than {LOG_BYTES} bytes; the rest is left out]\n");
            written = written.and_then(|()| file.write_all(note.as_bytes()));
        }
        if written.is_err() {
            self.room = 0;
        }
    }
}

/// Text of others, made harmless for a terminal: control characters are shown, not sent.
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_characters_are_shown_and_not_sent() {
        assert_eq!(printable("a\u{1b}[31mb\u{7}\tc\nd"), "a\\u{1b}[31mb\\u{7}\tc\nd");
        assert_eq!(printable("\u{9b}31m"), "\\u{9b}31m");
    }
}
