//! The processes of a fault: they are found before the signal is sent, and watched until each has ended.
//!
//! No other process gets a signal. Survivors are reported, and left alone until the end of the trial.

use std::io;
use std::os::fd::OwnedFd;

use comeback_model::event::Survivor;
use comeback_model::plan::{Reach, Signal};
use comeback_model::units::Elapsed;
use futures_util::future::join_all;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

use super::members::Member;
use super::process::{Process, to_group};
use super::roster::Place;
use super::shot::{Sent, Sight};
use super::tag::RunTag;
use super::{orphans, proc};
use comeback_host::clock::Clock;
use comeback_host::watched;

/// The processes that a fault addresses.
#[derive(Debug)]
pub struct Addressed {
    reach: Reach,
    leader: i32,
    place: Place,
    tag: RunTag,
    clock: Clock,
    /// All but the leader.
    others: Vec<Other>,
}

/// One of them, held by a descriptor: its number cannot come to name another process unseen.
#[derive(Debug)]
struct Other {
    member: Member,
    descriptor: AsyncFd<OwnedFd>,
    ended: Option<Elapsed>,
}

impl Other {
    /// Nothing when it has ended meanwhile.
    fn watch(member: Member) -> io::Result<Option<Self>> {
        let Some(pid) = Pid::from_raw(member.pid) else {
            return Ok(None);
        };
        let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Ok(None),
            opened => opened?,
        };
        // Compared when the descriptor is open: it is the same process, or was none.
        match proc::stat(member.pid) {
            Ok(stat) if stat.start_time == member.start_time => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(Self {
            member,
            descriptor: watched::watch(descriptor)?,
            ended: None,
        }))
    }

    fn send(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(self.descriptor.get_ref(), native(signal)?) {
            Err(Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }

    async fn end(&mut self, clock: Clock) -> io::Result<()> {
        if self.ended.is_none() {
            // Left set: the descriptor of a process stays readable once it has ended.
            drop(self.descriptor.readable().await?);
            self.ended = Some(clock.now());
        }
        Ok(())
    }
}

fn native(signal: Signal) -> io::Result<rustix::process::Signal> {
    let native = rustix::process::Signal::from_named_raw(signal.number());
    native.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

impl Addressed {
    /// When the last of them ended but the leader, if one has.
    pub fn last_end(&self) -> Option<Elapsed> {
        self.others.iter().filter_map(|other| other.ended).max()
    }

    /// Whether some have not ended, the leader aside.
    pub fn has_living(&self) -> bool {
        self.living().next().is_some()
    }

    /// Those that have not ended, the leader aside.
    fn living(&self) -> impl Iterator<Item = &Other> {
        self.others.iter().filter(|other| other.ended.is_none())
    }

    /// Waits until each has ended, the leader aside; each end is seen when it happens. May be given up and asked again.
    ///
    /// # Errors
    /// If they cannot be watched.
    pub async fn others_gone(&mut self) -> io::Result<()> {
        let clock = self.clock;
        let ends = self.others.iter_mut().map(|other| other.end(clock));
        join_all(ends).await.into_iter().collect()
    }

    /// Takes in those that were started since; whether there are any.
    ///
    /// # Errors
    /// If `/proc` cannot be read, or they cannot be watched.
    pub fn take_newcomers(&mut self) -> io::Result<bool> {
        let before = self.others.len();
        for member in self.scan()? {
            let known = |other: &Other| {
                (other.member.pid, other.member.start_time) == (member.pid, member.start_time)
            };
            if !self.others.iter().any(known) {
                self.others.extend(Other::watch(member)?);
            }
        }
        Ok(self.others.len() > before)
    }

    fn scan(&self) -> io::Result<Vec<Member>> {
        if self.reach == Reach::Process {
            return Ok(Vec::new());
        }
        let mut found = self.tag.scan()?;
        let leader = self.leader;
        found.retain(|member| {
            let is_reached = self.reach == Reach::Tree || member.group == leader;
            member.place == Some(self.place) && member.pid != leader && is_reached
        });
        Ok(found)
    }
}

/// A signal that is ready to be sent: all that is done at the moment of a fault.
#[derive(Debug)]
pub struct Shot {
    leader: nix::unistd::Pid,
    sight: Sight,
    to_group: bool,
    /// Of those outside the leader's group.
    outside: Vec<OwnedFd>,
    signal: Signal,
}

impl Shot {
    /// Sends it, unless the leader has ended, or is about to: then it ended by itself.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn fire(self) -> io::Result<Sent> {
        self.sight.fire(|| {
            let signal = self.signal.number().try_into()?;
            match self.to_group {
                true => to_group(self.leader, signal)?,
                false => nix::sys::signal::kill(self.leader, signal)?,
            }
            for descriptor in &self.outside {
                match pidfd_send_signal(descriptor, native(self.signal)?) {
                    Err(Errno::SRCH) => {}
                    sent => sent?,
                }
            }
            Ok(true)
        })
    }
}

impl Process {
    /// Finds whom a fault addresses; it reads all of `/proc`, so it comes before the moment that counts.
    ///
    /// # Errors
    /// If `/proc` cannot be read, or a process cannot be watched.
    pub fn address(&self, reach: Reach) -> io::Result<Addressed> {
        let mut addressed = Addressed {
            reach,
            leader: self.pid(),
            place: self.place,
            tag: self.tag.clone(),
            clock: self.clock,
            others: Vec::new(),
        };
        addressed.take_newcomers()?;
        Ok(addressed)
    }

    /// Sends them a signal, unless the leader is ending already.
    ///
    /// # Errors
    /// If the leader has been reaped, or the system refuses.
    pub fn send(&self, addressed: &Addressed, signal: Signal) -> io::Result<Sent> {
        self.shot(addressed, signal)?.fire()
    }

    /// Makes the signal ready to be sent, from any thread. Until that is done nobody may wait for the process: its number
    /// is its own only as long as it is not reaped.
    ///
    /// # Errors
    /// If the leader has been reaped, or the system refuses.
    pub fn shot(&self, addressed: &Addressed, signal: Signal) -> io::Result<Shot> {
        let named = signal.number().try_into()?;
        self.refuse_when_ended(named)?;
        let mut outside = Vec::new();
        if addressed.reach == Reach::Tree {
            for other in addressed.living() {
                if other.member.group != addressed.leader {
                    outside.push(other.descriptor.get_ref().try_clone()?);
                }
            }
        }
        let descriptor = self.descriptor.get_ref().try_clone()?;
        Ok(Shot {
            leader: nix::unistd::Pid::from_raw(self.pid()),
            sight: Sight::of(self.pid(), descriptor, self.clock),
            to_group: addressed.reach != Reach::Process,
            outside,
            signal,
        })
    }

    /// Kills those that have not ended; their ids.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn kill_rest(&self, addressed: &Addressed) -> io::Result<Vec<i32>> {
        let mut killed = Vec::new();
        if self.is_running() {
            self.send_to_leader(nix::sys::signal::SIGKILL)?;
            killed.push(self.pid());
        }
        for other in addressed.living() {
            other.send(Signal::Kill)?;
            killed.push(other.member.pid);
        }
        Ok(killed)
    }

    /// The processes of this start after its leader's end. They are left alone, and named.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn survivors(&mut self) -> io::Result<Vec<Survivor>> {
        if self.is_running() {
            return Ok(Vec::new());
        }
        if let Some(group) = Pid::from_raw(self.pid()) {
            orphans::reap_group(group);
        }
        let mut left = self.tag.scan()?;
        left.retain(|member| member.place == Some(self.place));
        if left.iter().all(|member| member.group != self.pid()) {
            self.note_cleared();
        }
        let named = left.iter().map(|member| Survivor {
            pid: member.pid,
            command: proc::command(member.pid),
        });
        Ok(named.collect())
    }
}
