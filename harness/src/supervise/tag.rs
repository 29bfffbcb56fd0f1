//! The run's tag: every process a run starts carries it in its environment, and so do their children,
//! also those that left their process group or session.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::{Duration, Instant};

use comeback_core::ids::{Incarnation, TrialId};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Names the run.
pub(super) const RUN: &str = "COMEBACK_RUN";
/// Names the trial.
pub(super) const TRIAL: &str = "COMEBACK_TRIAL";
/// Counts the starts within a trial.
pub(super) const INCARNATION: &str = "COMEBACK_INCARNATION";

/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Marks the processes of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunTag(String);

/// A process of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub pid: i32,
    /// Its trial, if its environment still says so.
    pub trial: Option<TrialId>,
    /// Which start of the target it belongs to.
    pub incarnation: Option<Incarnation>,
}

impl fmt::Display for RunTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RunTag {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if text.len() >= 8 && text.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err("is not a run's tag")
        }
    }
}

impl RunTag {
    /// A tag no other run has.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn new() -> io::Result<Self> {
        let mut bytes = [0; 8];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
        let random = u64::from_le_bytes(bytes);
        Ok(Self(format!("{}-{random:016x}", std::process::id())))
    }

    /// The living processes of this run, ourselves aside. A process that ends meanwhile is left out.
    pub fn members(&self) -> Vec<Member> {
        let own = std::process::id() as i32;
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| *pid != own)
            .filter_map(|pid| self.member(pid))
            .collect()
    }

    /// The living processes of earlier starts of this trial's target, by id.
    pub fn members_before(&self, trial: TrialId, incarnation: Incarnation) -> Vec<i32> {
        self.members()
            .into_iter()
            .filter(|member| member.trial == Some(trial))
            .filter(|member| member.incarnation.is_some_and(|other| other < incarnation))
            .map(|member| member.pid)
            .collect()
    }

    /// What a process of this run says of itself; none if it is not one, or a zombie.
    pub fn member(&self, pid: i32) -> Option<Member> {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let variable = |name: &str| {
            environment.split(|byte| *byte == 0).find_map(|entry| {
                let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
                std::str::from_utf8(value).ok()
            })
        };
        if variable(RUN) != Some(&self.0) {
            return None;
        }
        let number = |name: &str| variable(name)?.parse().ok();
        Some(Member {
            pid,
            trial: number(TRIAL).map(TrialId),
            incarnation: number(INCARNATION).map(Incarnation),
        })
    }

    /// Kills every process of this run until a look finds none; the ids of those that had to be killed.
    pub fn kill_all(&self) -> Vec<i32> {
        let deadline = Instant::now() + GONE_WITHIN;
        let mut killed = Vec::new();
        loop {
            let members = self.members();
            for member in &members {
                self.kill(member.pid);
                if !killed.contains(&member.pid) {
                    killed.push(member.pid);
                }
            }
            killed.iter().for_each(|pid| reap(*pid));
            if members.is_empty() || Instant::now() > deadline {
                return killed;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Kills one process, unless its id has passed to somebody else meanwhile.
    fn kill(&self, pid: i32) {
        let Some(handle) = Pid::from_raw(pid) else {
            return;
        };
        let Ok(process) = pidfd_open(handle, PidfdFlags::empty()) else {
            return;
        };
        // The handle is fixed to one process now: what it says of itself holds when the signal is sent.
        if self.member(pid).is_some() {
            // It may have ended by itself in between, which is as good.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }
}

/// Takes leave of an ended child, our own or an adopted one; any other process is left alone.
pub(super) fn reap(pid: i32) {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    // Not a child of ours, or not ended: nothing to do.
    let _ = waitid(Id::Pid(nix::unistd::Pid::from_raw(pid)), flags);
}
