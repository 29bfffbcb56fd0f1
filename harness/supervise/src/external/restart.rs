//! The command that starts a server again that is not started by us.
//!
//! It is no process of the run: it carries no tag, is in no control group, and is never killed. It may become the server itself, or
//! leave it behind, and that lives on when the run is over. So its output goes to a file, which nobody must read.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use comeback_host::watched;
use comeback_model::event::Exit;
use comeback_model::said::Line;
use comeback_model::units::Span;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::Identity;
use super::find::descends;
use crate::launch::find_program;
use crate::proc;

/// How many of its last lines are quoted.
const LAST: usize = 10;
/// Between two looks at whether it ends.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// A restart under way.
#[derive(Debug)]
pub(super) struct Restart {
    child: Child,
    identity: Option<Identity>,
    /// Readable from its end on.
    end: AsyncFd<OwnedFd>,
    /// When its end was seen, while the server was awaited or ran: what ends later ends after it.
    over: Option<Instant>,
    log: PathBuf,
    told: String,
}

/// Sees that the program of a command is there.
///
/// # Errors
/// With the reason and the mend.
pub fn check_program(words: &[String]) -> Result<(), String> {
    program(words).map(drop)
}

/// A command that is ready to be begun: in a group of its own, its output added to this file.
///
/// # Errors
/// If its program is not there, or the file cannot be opened.
pub(super) fn prepare(words: &[String], log: &Path) -> io::Result<Command> {
    let program = program(words).map_err(io::Error::other)?;
    let output = File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(program);
    command
        .args(words.iter().skip(1))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    Ok(command)
}

fn program(words: &[String]) -> Result<PathBuf, String> {
    let name = words.first().map(String::as_str).unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_program(OsStr::new(name), &path, Path::new("")).map_err(|error| error.to_string())
}

impl Restart {
    pub(super) fn begin(words: &[String], log: PathBuf) -> io::Result<Self> {
        let child = prepare(words, &log)?.spawn()?;
        let end = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        // It is not reaped yet, so that the number is its own.
        let stat = proc::stat(child.id().cast_signed()).ok();
        Ok(Self {
            identity: stat.as_ref().map(Identity::of),
            child,
            end: watched::watch(end)?,
            over: None,
            log,
            told: words.join(" "),
        })
    }

    /// Waits until it has ended; pending for good once that was noted.
    pub(super) async fn end(&self) -> io::Result<()> {
        if self.over.is_some() {
            std::future::pending::<()>().await;
        }
        drop(self.end.readable().await?);
        Ok(())
    }

    /// It has ended, and the server ran on.
    pub(super) fn note_over(&mut self) {
        self.over.get_or_insert_with(Instant::now);
    }

    /// Whether this process is it, or was started by it, as far as its parents tell.
    pub(super) fn started(&self, process: Identity) -> bool {
        let stat = proc::stat(process.pid).ok();
        let from = stat.and_then(|stat| descends(&stat, self.identity.as_slice()));
        from.is_some()
    }

    /// Whether it was under way when something ended, or had been over for no longer than `just`, and ends well within so long; one that
    /// goes on does not.
    pub(super) async fn ends_well(
        &mut self,
        ended: Instant,
        (within, just): (Span, Span),
    ) -> io::Result<bool> {
        if self
            .over
            .is_some_and(|over| just == Span::ZERO || ended > over + Duration::from(just))
        {
            return Ok(false);
        }
        let until = ended + Duration::from(within);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.success());
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// The command, in words.
    pub(super) fn told(&self) -> &str {
        &self.told
    }

    /// How it failed, if it has just done so: with its last lines. One that is under way, or ended well, has not.
    pub(super) fn failure(&mut self) -> io::Result<Option<(Exit, Vec<Line>)>> {
        if self.over.is_some() {
            return Ok(None);
        }
        let Some(status) = self.child.try_wait()? else {
            return Ok(None);
        };
        self.note_over();
        if status.success() {
            return Ok(None);
        }
        let exit = match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Status(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Unseen,
        };
        let said = fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let last = lines.len().saturating_sub(LAST);
        let head = Line::Out(format!("the restart command '{}' {exit}", self.told));
        let said = lines[last..]
            .iter()
            .map(|line| Line::Out((*line).to_owned()));
        Ok(Some((exit, std::iter::once(head).chain(said).collect())))
    }
}
