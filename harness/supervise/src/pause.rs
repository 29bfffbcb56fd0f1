//! Stops a process and its descendants (SIGSTOP), and lets them continue (SIGCONT).

use std::io;

use comeback_model::plan::Reach;
use nix::sys::signal;
use rustix::process::Signal;

use super::members::Member;
use super::process::Process;
use super::{proc, sweep};

impl Process {
    /// Sends SIGSTOP to it, or to its group. [`Process::stands_still`] covers the processes outside the group.
    ///
    /// # Errors
    /// If it has ended, or the system refuses.
    pub fn pause(&self, reach: Reach) -> io::Result<()> {
        self.send_at_once(reach, signal::Signal::SIGSTOP)
    }

    /// Whether every thread of every process that is reached stands still. Those that do not, because they left its
    /// group or were only just started, are sent SIGSTOP: ask again.
    ///
    /// # Errors
    /// If it has ended, `/proc` cannot be read, or the system refuses.
    pub fn stands_still(&self, reach: Reach) -> io::Result<bool> {
        let mut is_still = true;
        for member in self.reached(reach)? {
            if !unless_gone(proc::is_stopped(member.pid), true)? {
                is_still = false;
                unless_gone(sweep::signal(&member, Signal::STOP), ())?;
            }
        }
        Ok(is_still)
    }

    /// Sends SIGCONT to every process that is reached.
    ///
    /// # Errors
    /// If it has ended, or the system refuses.
    pub fn resume(&self, reach: Reach) -> io::Result<()> {
        self.send_at_once(reach, signal::Signal::SIGCONT)?;
        for member in self.reached(reach)? {
            unless_gone(sweep::signal(&member, Signal::CONT), ())?;
        }
        Ok(())
    }

    fn send_at_once(&self, reach: Reach, signal: signal::Signal) -> io::Result<()> {
        match reach {
            Reach::Process => self.send_to_leader(signal),
            Reach::Group | Reach::Tree => self.send_to_group(signal),
        }
    }

    pub(super) fn reached(&self, reach: Reach) -> io::Result<Vec<Member>> {
        if !self.is_running() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("process {} has ended", self.pid()),
            ));
        }
        let mut members = self.members();
        members.retain(|member| match reach {
            Reach::Process => member.pid == self.pid(),
            Reach::Group => member.pid == self.pid() || member.group == self.pid(),
            Reach::Tree => true,
        });
        Ok(members)
    }
}

/// Processes come and go while they are looked at.
pub(super) fn unless_gone<T>(found: io::Result<T>, gone: T) -> io::Result<T> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(gone),
        found => found,
    }
}
