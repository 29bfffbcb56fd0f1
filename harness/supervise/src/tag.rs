//! The run's tag, which all processes of a run carry.
//!
//! Each target gets it in its environment. Children inherit it, even through `setsid` and if they become daemons.
//! [`super::members`] finds the processes, [`super::sweep`] ends them.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use comeback_host::undo::Undo;
use rustix::rand::{GetRandomFlags, getrandom};

use super::proc;
use super::roster::Roster;

/// Names a run: `<harness pid>-<harness start time in clock ticks>-<8 random hex digits>`.
///
/// A clone is the same tag: what one has seen started, the other knows of.
#[derive(Clone, Debug)]
pub struct RunTag {
    text: Arc<str>,
    harness: (i32, u64),
    roster: Arc<Mutex<Roster>>,
}

impl RunTag {
    /// A fresh tag for a run of this process.
    ///
    /// # Errors
    /// If `/proc` is not there, SIGCHLD is ignored, or the kernel has no random numbers.
    pub fn new() -> io::Result<Self> {
        let pid = proc::own_pid();
        let unreadable = |error: io::Error| {
            let what = "/proc cannot be read, and processes are identified by it: mount it";
            io::Error::new(error.kind(), format!("{what} ({error})"))
        };
        let seen = std::fs::read_link("/proc/self").map_err(unreadable)?;
        if seen.to_str() != Some(pid.to_string().as_str()) {
            return Err(io::Error::other(format!(
                "/proc shows another pid namespace: this process is {pid} and is listed there as {}; mount /proc again",
                seen.display()
            )));
        }
        let own = proc::stat(pid).map_err(unreadable)?;
        if proc::ignores_ended_children()? {
            return Err(io::Error::other(
                "SIGCHLD is ignored in this process, so exits of servers cannot be noticed: restore its default (it \
                 is inherited: look for `trap '' CHLD` in the parent process)",
            ));
        }
        let mut random = [0_u8; 4];
        getrandom(&mut random, GetRandomFlags::empty())?;
        let nonce = u32::from_ne_bytes(random);
        Ok(Self::assemble(own.pid, own.start_time, nonce))
    }

    fn assemble(pid: i32, start_time: u64, nonce: u32) -> Self {
        Self {
            text: format!("{pid}-{start_time}-{nonce:08x}").into(),
            harness: (pid, start_time),
            roster: Arc::default(),
        }
    }

    /// The tag in the environment of each process.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A number that another run hardly has: its random part.
    pub fn random(&self) -> u32 {
        let digits = self.text.rsplit('-').next().unwrap_or_default();
        u32::from_str_radix(digits, 16).unwrap_or(0)
    }

    /// Nothing of the run is started by it but commands of the user's, whose processes outlive it: so it has no control group, and no
    /// orphan is taken for its own.
    pub fn start_nothing(&self) {
        self.roster().start_nothing();
    }

    /// Whether the harness that made this tag still runs.
    pub fn harness_is_alive(&self) -> bool {
        let (pid, start_time) = self.harness;
        proc::stat(pid).is_ok_and(|stat| stat.start_time == start_time && !stat.is_zombie)
    }

    /// The harness's pid and start time.
    pub(super) const fn harness(&self) -> (i32, u64) {
        self.harness
    }

    /// Whether this process is the harness that made this tag.
    pub(super) fn is_ours(&self) -> bool {
        self.harness.0 == proc::own_pid()
    }

    /// When the harness started, in clock ticks: nothing of the run is older.
    pub(super) const fn begun(&self) -> u64 {
        self.harness.1
    }

    /// Writes down how to undo something before it is done to the machine: for the end of the trial, for the warden and for
    /// `comeback cleanup`.
    ///
    /// # Errors
    /// If that cannot be written down: then it must not be done.
    pub fn lease(&self, undo: Undo) -> io::Result<()> {
        self.roster().take_lease_of(undo)
    }

    /// Undoes all that was done to the machine, the latest first. Returns what could not be undone, and why.
    pub fn settle(&self) -> Vec<(Undo, io::Error)> {
        let leases = self.roster().leases();
        let mut left = Vec::new();
        for (number, undo) in leases {
            match undo.run() {
                Ok(()) => self.roster().settle(number),
                Err(cause) => left.push((undo, cause)),
            }
        }
        left
    }

    /// The processes that were started directly.
    pub(super) fn roster(&self) -> MutexGuard<'_, Roster> {
        // A roster is a list: a panic elsewhere leaves it whole.
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for RunTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for RunTag {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RunTag {}

/// A text that is not a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagError(String);

impl fmt::Display for TagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not the tag of a run: it is written PID-START-HEX",
            self.0
        )
    }
}

impl std::error::Error for TagError {}

impl FromStr for RunTag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let read = || {
            let mut parts = text.split('-');
            let pid = parts.next()?.parse().ok()?;
            let start_time = parts.next()?.parse().ok()?;
            let nonce = u32::from_str_radix(parts.next()?, 16).ok()?;
            Some(Self::assemble(pid, start_time, nonce))
        };
        // Written again it must be the same, so that there is one way to write a tag.
        read()
            .filter(|tag| tag.as_str() == text)
            .ok_or_else(|| TagError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_survives_being_written_and_read() {
        let tag = RunTag::new().expect("/proc is there");
        assert_eq!(tag.to_string().parse(), Ok(tag.clone()));
        assert!(tag.harness_is_alive());
        assert!(tag.is_ours());
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for text in [
            "",
            "1",
            "1-2",
            "1-2-3",
            "1-2-0000000g",
            "1-2-00000003-4",
            "+1-2-00000003",
        ] {
            text.parse::<RunTag>().expect_err(text);
        }
    }

    #[test]
    fn a_harness_with_another_start_time_is_another_process() {
        let own = RunTag::new().expect("/proc is there");
        let other = RunTag::assemble(own.harness.0, own.harness.1 + 1, 0);
        assert!(!other.harness_is_alive());
    }
}
