//! Limits how many descriptors the processes of a node may have open, and lifts the limit again.
//!
//! Only the soft limit is changed: that needs no privilege, and the hard limit allows to raise it again.

use std::io;

use comeback_model::plan::Reach;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::members::Member;
use super::pause::unless_gone;
use super::proc::{self, DescriptorLimit};
use super::process::Process;

/// The soft limit of a process; `None` is no limit.
pub type SoftLimit = Option<u64>;

impl Process {
    /// Sets the soft limit of open descriptors for every process that is reached; what it was of the started one.
    ///
    /// # Errors
    /// If it has ended, `/proc` cannot be read, or the system refuses.
    pub fn limit_descriptors(&self, reach: Reach, limit: SoftLimit) -> io::Result<SoftLimit> {
        let before = proc::descriptor_limit(self.pid())?;
        for member in self.reached(reach)? {
            unless_gone(set(&member, limit), ())?;
        }
        Ok(before.soft)
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

fn set(member: &Member, soft: SoftLimit) -> io::Result<()> {
    let DescriptorLimit { hard, .. } = proc::descriptor_limit(member.pid)?;
    // Its number may be another's by now; between this look and the call below lie microseconds.
    if proc::stat(member.pid)?.start_time != member.start_time {
        return Err(io::ErrorKind::NotFound.into());
    }
    let pid = Pid::from_raw(member.pid).ok_or(io::ErrorKind::InvalidInput)?;
    let current = match (soft, hard) {
        (Some(soft), Some(hard)) => Some(soft.min(hard)),
        (soft, None) => soft,
        (None, hard) => hard,
    };
    let maximum = hard;
    match prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum }) {
        Err(Errno::SRCH) => Err(io::ErrorKind::NotFound.into()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}
