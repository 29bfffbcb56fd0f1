//! Letting a process stand still, with whatever it started, and go on.

use std::io;

use nix::sys::signal;
use rustix::process::Signal;

use super::process::Process;
use super::{proc, sweep};

impl Process {
    /// Sends SIGSTOP to its group. See [`Process::stands_still`] for what is not in it.
    ///
    /// # Errors
    /// When it has ended, or the system refuses.
    pub fn pause(&self) -> io::Result<()> {
        self.send_to_group(signal::Signal::SIGSTOP)
    }

    /// Whether every thread of every process of it stands still. Those that do not, because they left its group or were
    /// only just started, are sent SIGSTOP: ask again.
    ///
    /// # Errors
    /// When it has ended, `/proc` cannot be read, or the system refuses.
    pub fn stands_still(&self) -> io::Result<bool> {
        let mut is_still = true;
        for member in self.members_of_running()? {
            if !unless_gone(proc::is_stopped(member.pid), true)? {
                is_still = false;
                unless_gone(sweep::signal(&member, Signal::STOP), ())?;
            }
        }
        Ok(is_still)
    }

    /// Sends SIGCONT to every process of it.
    ///
    /// # Errors
    /// When it has ended, or the system refuses.
    pub fn resume(&self) -> io::Result<()> {
        self.send_to_group(signal::Signal::SIGCONT)?;
        for member in self.members_of_running()? {
            unless_gone(sweep::signal(&member, Signal::CONT), ())?;
        }
        Ok(())
    }

    fn members_of_running(&self) -> io::Result<Vec<super::members::Member>> {
        match self.is_running() {
            true => Ok(self.members()),
            false => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("process {} has ended", self.pid()),
            )),
        }
    }
}

/// Processes come and go while they are looked at.
fn unless_gone<T>(found: io::Result<T>, gone: T) -> io::Result<T> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(gone),
        found => found,
    }
}
