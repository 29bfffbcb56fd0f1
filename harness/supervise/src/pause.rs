//! Stops a process and its descendants (SIGSTOP), and lets them continue (SIGCONT).

use std::io;

use comeback_model::plan::Reach;
use nix::sys::signal;
use rustix::process::Signal;

use super::process::Process;
use super::reach::unless_gone;
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
        let reached = self.reached(reach)?;
        // Where none can be looked at, none is known to stand still.
        let mut is_still = !reached.is_empty();
        for member in reached {
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
}
