//! The living processes of a node that a fault reaches.

use std::io;

use comeback_host::undo::Undo;
use comeback_model::plan::Reach;
use rustix::io::Errno;

use super::members::Member;
use super::proc;
use super::process::Process;

impl Process {
    /// Calls this for each living process that is reached, right after a look at whether its number is still its own. One
    /// that ends meanwhile is left out.
    ///
    /// # Errors
    /// If the process has ended, `/proc` cannot be read, or the call fails.
    pub fn each_reached(
        &self,
        reach: Reach,
        call: &mut dyn FnMut(i32) -> io::Result<()>,
    ) -> io::Result<()> {
        for Member {
            pid, start_time, ..
        } in self.reached(reach)?
        {
            let is_there = proc::stat(pid).map(|stat| stat.start_time == start_time);
            if unless_gone(is_there, false)? {
                unless_gone(call(pid), ())?;
            }
        }
        Ok(())
    }

    /// A name of the node that nothing else on this machine has.
    pub fn label(&self) -> String {
        let (_, node, _) = self.place;
        format!("{}-{node}", self.tag)
    }

    /// Writes down how to undo what will be done to the machine for its sake.
    ///
    /// # Errors
    /// If that cannot be written down: then it must not be done.
    pub fn lease(&self, undo: Undo) -> io::Result<()> {
        self.tag.lease(undo)
    }

    /// Them, put on record: whatever becomes of the harness, the warden ends what something was done to.
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
        let mut roster = self.tag.roster();
        for member in &members {
            roster.see(member.pid, member.start_time);
        }
        drop(roster);
        Ok(members)
    }
}

/// Processes come and go while they are looked at.
pub(super) fn unless_gone<T>(found: io::Result<T>, gone: T) -> io::Result<T> {
    match found {
        Err(error) if is_gone(&error) => Ok(gone),
        found => found,
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}
