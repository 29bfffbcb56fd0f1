//! A signal to a server that somebody else started, or the command in its place: made ready before, and sent at its moment.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use comeback_model::plan::Signal;
use rustix::io::Errno;
use rustix::process::pidfd_send_signal;

use super::commanded::Commanded;
use super::restart::prepare;
use crate::proc;
use crate::shot::{Sent, Sight};

/// No signal was sent yet.
pub(super) const NONE: i32 = 0;
/// A command was begun in the place of one.
pub(super) const COMMAND: i32 = -1;

/// The command that is begun in place of a signal.
#[derive(Debug)]
pub(super) struct KillCommand {
    command: Command,
    told: String,
    under_way: Commanded,
}

impl KillCommand {
    /// Makes it ready; its output goes to a file.
    pub(super) fn prepare(words: &[String], log: &Path, under_way: Commanded) -> io::Result<Self> {
        let told = words.join(" ");
        let command = prepare(words, log).map_err(|error| unbegun(&told, &error))?;
        Ok(Self {
            command,
            told,
            under_way,
        })
    }

    pub(super) fn begin(&mut self) -> io::Result<()> {
        let under_way = self.under_way.clone();
        // Before it can have ended the server: a restart waits for it.
        under_way.begin();
        let child = self.command.spawn();
        let mut child = child.map_err(|error| {
            under_way.end();
            unbegun(&self.told, &error)
        })?;
        // It is no process of the run. Nobody but its parent can take note of its end.
        std::thread::spawn(move || {
            let ended = child.wait();
            under_way.end();
            ended
        });
        Ok(())
    }
}

fn unbegun(told: &str, error: &io::Error) -> io::Error {
    io::Error::other(format!(
        "the kill command '{told}' cannot be begun: {error}"
    ))
}

/// A signal that is ready to be sent to a server that somebody else started, or the command in its place.
#[derive(Debug)]
pub struct ExternalShot {
    pub(super) command: Option<KillCommand>,
    pub(super) sight: Sight,
    /// Where its moment is written.
    pub(super) at: Arc<AtomicU64>,
    pub(super) others: Vec<OwnedFd>,
    pub(super) sent: Arc<AtomicI32>,
    pub(super) signal: Signal,
}

impl ExternalShot {
    /// Sends it, unless its process has ended, or is about to: then it ended by itself.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn fire(mut self) -> io::Result<Sent> {
        let command = self.command.take();
        self.sight.fire(|| {
            let now = proc::now_in_ticks();
            if let Some(mut command) = command {
                // Noted before: it may be quick.
                self.sent.store(COMMAND, Ordering::SeqCst);
                self.at.store(now, Ordering::SeqCst);
                return command.begin().map(|()| true);
            }
            if !send(self.sight.process(), self.signal)? {
                return Ok(false);
            }
            // A stop sends a second one: what came after the first is new.
            if self.sent.swap(self.signal.number(), Ordering::SeqCst) == NONE {
                self.at.store(now, Ordering::SeqCst);
            }
            for other in &self.others {
                send(other, self.signal)?;
            }
            Ok(true)
        })
    }
}

/// Whether it was there to be sent to.
pub(super) fn send(process: &OwnedFd, signal: Signal) -> io::Result<bool> {
    let native = rustix::process::Signal::from_named_raw(signal.number());
    send_raw(process, native.ok_or(io::ErrorKind::InvalidInput)?)
}

/// Whether it was there to be sent to. One that is gone needs none.
pub(super) fn send_raw(process: &OwnedFd, signal: rustix::process::Signal) -> io::Result<bool> {
    match pidfd_send_signal(process, signal) {
        Err(Errno::SRCH) => Ok(false),
        sent => {
            sent?;
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Child;

    use comeback_host::clock::Clock;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    /// A shot at a child, and what it writes down.
    fn aimed(child: &Child) -> (ExternalShot, Arc<AtomicI32>, Arc<AtomicU64>) {
        let pid = Pid::from_child(child);
        let (sent, at) = (Arc::new(AtomicI32::new(NONE)), Arc::default());
        let process = pidfd_open(pid, PidfdFlags::empty()).expect("it runs");
        let shot = ExternalShot {
            command: None,
            sight: Sight::of(pid.as_raw_pid(), process, Clock::start()),
            at: Arc::clone(&at),
            others: Vec::new(),
            sent: Arc::clone(&sent),
            signal: Signal::Kill,
        };
        (shot, sent, at)
    }

    #[test]
    fn a_signal_that_no_process_was_there_for_is_not_on_record_as_sent() {
        let mut child = Command::new("true").spawn().expect("it is there");
        let (shot, sent, at) = aimed(&child);
        let leader = shot.sight.process().try_clone().expect("a descriptor");
        child.wait().expect("it ends");
        // It was reaped: the kernel knows it no more.
        assert!(!send(&leader, Signal::Kill).expect("that is no error"));
        assert_eq!(shot.fire().expect("that is no error"), Sent::Not);
        assert_eq!(sent.load(Ordering::SeqCst), NONE);
        assert_eq!(at.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_signal_to_a_process_that_runs_is_on_record_with_its_moment() {
        let before = proc::now_in_ticks();
        let mut child = Command::new("sleep")
            .arg("600")
            .spawn()
            .expect("it is there");
        let (shot, sent, at) = aimed(&child);
        assert_ne!(shot.fire().expect("it is sent"), Sent::Not);
        assert_eq!(sent.load(Ordering::SeqCst), Signal::Kill.number());
        let at = at.load(Ordering::SeqCst);
        assert!((before..=proc::now_in_ticks()).contains(&at), "{at}");
        child.wait().expect("it ends");
    }
}
