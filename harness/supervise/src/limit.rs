//! Limits how many descriptors the processes of a node may have open, and lifts the limit again.
//!
//! The hard limit is lowered with the soft one: many runtimes (Go, the JVM) raise their soft limit to the hard one when they
//! start. Only a privileged process can raise its hard limit again.

use std::io;

use comeback_model::plan::Reach;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::members::Member;
use super::pause::unless_gone;
use super::proc;
pub use super::proc::DescriptorLimit;
use super::process::Process;

/// The soft limit of a process; `None` is no limit.
pub type SoftLimit = Option<u64>;

impl Process {
    /// Lowers the limits of open descriptors, soft and hard, for every process that is reached, where they are higher. What
    /// they were of the started one.
    ///
    /// # Errors
    /// If it has ended, `/proc` cannot be read, or the system refuses.
    pub fn limit_descriptors(&self, reach: Reach, most: u64) -> io::Result<DescriptorLimit> {
        let before = proc::descriptor_limit(self.pid())?;
        let lowered = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
        for member in self.reached(reach)? {
            let limited = set(&member, |now| DescriptorLimit {
                soft: lowered(now.soft),
                hard: lowered(now.hard),
            });
            unless_gone(limited, ())?;
        }
        Ok(before)
    }

    /// Sets the limits of every process that is reached back to what they were. Where the harness may not raise a hard limit,
    /// it stays as it is.
    ///
    /// # Errors
    /// If it has ended, or `/proc` cannot be read.
    pub fn lift_descriptor_limit(&self, reach: Reach, before: DescriptorLimit) -> io::Result<()> {
        for member in self.reached(reach)? {
            match unless_gone(set(&member, |_| before), ()) {
                Err(refused) if refused.kind() == io::ErrorKind::PermissionDenied => {}
                lifted => lifted?,
            }
        }
        Ok(())
    }

    /// The soft limit of every process that is reached, as the kernel says.
    ///
    /// # Errors
    /// If it has ended, or `/proc` cannot be read.
    pub fn descriptor_limits(&self, reach: Reach) -> io::Result<Vec<(i32, SoftLimit)>> {
        let mut limits = Vec::new();
        for member in self.reached(reach)? {
            let limit = proc::descriptor_limit(member.pid).map(Some);
            let limit = unless_gone(limit, None)?;
            limits.extend(limit.map(|limit| (member.pid, limit.soft)));
        }
        Ok(limits)
    }
}

fn set(member: &Member, wanted: impl FnOnce(DescriptorLimit) -> DescriptorLimit) -> io::Result<()> {
    let wanted = wanted(proc::descriptor_limit(member.pid)?);
    // Its number may be another's by now; between this look and the call below lie microseconds.
    if proc::stat(member.pid)?.start_time != member.start_time {
        return Err(io::ErrorKind::NotFound.into());
    }
    let pid = Pid::from_raw(member.pid).ok_or(io::ErrorKind::InvalidInput)?;
    let limits = Rlimit {
        current: wanted.soft,
        maximum: wanted.hard,
    };
    match prlimit(Some(pid), Resource::Nofile, limits) {
        Err(Errno::SRCH) => Err(io::ErrorKind::NotFound.into()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}
