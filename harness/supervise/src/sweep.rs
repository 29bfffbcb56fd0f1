//! Ending every process of a run for good.

use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::members::Member;
use super::memory::Shared;
use super::tag::RunTag;
use super::{memory, orphans, proc};

/// How long killed processes may take to be gone: SIGKILL works within milliseconds, except where a
/// process waits for a disk.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// The longest pause between two scans.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// The result of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Processes that were running, and were killed.
    pub killed: Vec<i32>,
    /// Processes that are still there.
    pub remaining: Vec<i32>,
}

impl RunTag {
    /// Kills every process of the run and returns those that were still running; blocks until they are
    /// gone, five seconds at most. What memory they shared goes with them.
    pub fn kill_all(&self) -> Vec<i32> {
        let Swept {
            mut killed,
            remaining,
        } = self.sweep(|_| true);
        if remaining.is_empty() {
            self.free_memory();
        }
        killed.extend(remaining);
        killed
    }

    /// Shared memory of the run's processes that still exists and is not in use.
    pub(super) fn shared_memory(&self) -> Vec<Shared> {
        let (pids, mut shared) = {
            let roster = self.roster();
            (roster.pids(), roster.memory())
        };
        shared.extend(memory::made_by(&pids, self.begun()));
        shared.sort();
        shared.dedup();
        memory::unused(shared, self.begun())
    }

    /// Removes that memory. Returns the parts that could not be removed.
    pub(super) fn free_memory(&self) -> Vec<Shared> {
        let mut left = self.shared_memory();
        left.retain(|shared| !memory::remove(shared));
        left
    }

    /// Kills the wanted processes of the run, again and again until a scan finds none: what is being
    /// killed may just have started another. Blocks, five seconds at most.
    pub fn sweep(&self, wanted: impl Fn(&Member) -> bool) -> Swept {
        let deadline = Instant::now() + GONE_WITHIN;
        let mut pause = Duration::from_millis(1);
        let mut signalled: Vec<Member> = Vec::new();
        let mut remaining;
        loop {
            let scanned = self.scan();
            let is_complete = scanned.is_ok();
            remaining = scanned.unwrap_or_default();
            remaining.retain(&wanted);
            let shared = memory::mapped_by(remaining.iter().map(|member| member.pid));
            self.roster().share(shared);
            for member in &remaining {
                let is_known = signalled.iter().any(|one| one.pid == member.pid);
                if signal(member, Signal::KILL).is_ok() && !is_known {
                    signalled.push(*member);
                }
            }
            // One that is about to end shows the kernel's empty environment: the scan does not know it any more.
            let are_over = is_complete && remaining.is_empty() && signalled.iter().all(is_over);
            if are_over || Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
        let mut signalled: Vec<i32> = signalled.iter().map(|member| member.pid).collect();
        orphans::reap(self, &signalled);
        let remaining: Vec<_> = remaining.iter().map(|member| member.pid).collect();
        signalled.retain(|pid| !remaining.contains(pid));
        Swept {
            killed: signalled,
            remaining,
        }
    }
}

/// Whether it has ended, be it reaped or not.
fn is_over(member: &Member) -> bool {
    proc::stat(member.pid).map_or(true, |stat| {
        stat.is_zombie || stat.start_time != member.start_time
    })
}

/// Signals this very process: the descriptor is opened first and the start time compared through it, so
/// that a recycled pid is never hit.
///
/// # Errors
/// `NotFound` if it is gone, else the system's error.
pub(super) fn signal(member: &Member, signal: Signal) -> io::Result<()> {
    let gone = |errno: Errno| match errno {
        Errno::SRCH => io::ErrorKind::NotFound.into(),
        other => io::Error::from(other),
    };
    let pid = Pid::from_raw(member.pid).ok_or(io::ErrorKind::NotFound)?;
    let descriptor = pidfd_open(pid, PidfdFlags::empty()).map_err(gone)?;
    if proc::stat(member.pid)?.start_time != member.start_time {
        return Err(io::ErrorKind::NotFound.into());
    }
    pidfd_send_signal(&descriptor, signal).map_err(gone)
}
