//! Leftovers of earlier runs, found by the record that each run keeps of itself (see `lease.rs`).
//!
//! A run is cleaned up only if its harness is gone, and only in its own pid namespace and boot of the machine. Only processes that
//! [`super::members`] proves to be its own are ended. Everything else is listed, and left alone.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::cgroup::Cgroup;
use super::dying::is_dying;
use super::lease::{self, Lease};
use super::members::Member;
use super::roster::Elders;
use super::tag::RunTag;
use super::variables::RUN_VARIABLE;
use super::warden::{free, put_away};
use super::{proc, scratch};

/// How long a harness that was killed may take to be gone.
const DEAD_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its harness is alive.
    Running,
    /// It belongs to another pid namespace, such as a container's: nothing can be said of it from here.
    Elsewhere,
    /// Its harness is gone.
    Ended,
}

/// A run that is on record.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The run.
    pub tag: RunTag,
    /// What became of it.
    pub state: State,
    /// Its record.
    pub stored: lease::Stored,
    /// Its processes, where it has ended.
    pub processes: Vec<Process>,
    /// Shared memory that it left, where it has ended.
    pub memory: Vec<String>,
    /// How to undo what it did to the machine, where it has ended.
    pub leases: Vec<String>,
    /// Whether its scratch folder is there and carries its mark.
    pub has_scratch: bool,
}

/// A process, as people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: i32,
    /// The user it runs as.
    pub owner: String,
    /// Its command line.
    pub command: String,
}

/// A process that carries the tag of a run that has ended, without any proof that the run started it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproven {
    /// The process.
    pub process: Process,
    /// The tag.
    pub run: String,
}

/// The found processes.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Runs of this user that are on record.
    pub runs: Vec<Recorded>,
    /// Processes that may be left of a run, and may be somebody's shell as well.
    pub unproven: Vec<Unproven>,
}

/// Finds every run on record, and the leftovers of those whose harness is gone.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn find() -> io::Result<Found> {
    let here = Here {
        boot: proc::boot()?,
        namespace: proc::pid_namespace(proc::own_pid())?,
    };
    let records = lease::find_all().into_iter();
    let runs: Vec<_> = records.filter_map(|stored| here.look_at(stored)).collect();
    let unproven = here.find_unproven(&runs)?;
    Ok(Found { runs, unproven })
}

struct Here {
    boot: String,
    namespace: u64,
}

impl Here {
    fn look_at(&self, stored: lease::Stored) -> Option<Recorded> {
        let lease = &stored.lease;
        let tag: RunTag = lease.tag.parse().ok()?;
        let is_this_start = lease.boot == self.boot;
        let is_here = lease.namespace == self.namespace;
        let state = if is_this_start && !is_here && !has_vanished(lease) {
            State::Elsewhere
        } else if is_this_start && is_here && outlives(&tag) {
            State::Running
        } else {
            State::Ended
        };
        let (mut processes, mut memory, mut leases) = (Vec::new(), Vec::new(), Vec::new());
        if state == State::Ended && is_this_start && !is_here {
            // Its processes ended with their namespace, and their numbers name others.
            tag.roster().take_lease(lease);
        }
        // So it is after a restart of the machine.
        if state == State::Ended && is_this_start && is_here {
            recall(&tag, lease, &stored.lines);
            processes = tag.members().iter().filter_map(describe).collect();
            let shared = tag.shared_memory();
            memory = shared.iter().map(super::memory::Shared::name).collect();
            let its = tag.roster().leases().into_iter();
            leases = its.map(|(_, undo)| undo.to_string()).collect();
        }
        Some(Recorded {
            has_scratch: scratch::is_of(&lease.scratch, &lease.tag),
            tag,
            state,
            processes,
            memory,
            leases,
            stored,
        })
    }

    fn find_unproven(&self, runs: &[Recorded]) -> io::Result<Vec<Unproven>> {
        let proven = |pid| {
            runs.iter()
                .any(|run| run.processes.iter().any(|process| process.pid == pid))
        };
        let own = proc::own_pid();
        let all = proc::all()?.into_iter();
        let unproven = all.filter(|stat| !stat.is_zombie && stat.pid != own && !proven(stat.pid));
        let unproven = unproven.filter_map(|stat| {
            let environment = proc::environment(stat.pid).ok()?;
            let tag: RunTag = proc::variable(&environment, RUN_VARIABLE)?.parse().ok()?;
            let is_here = proc::pid_namespace(stat.pid).ok()? == self.namespace;
            (is_here && !tag.harness_is_alive()).then(|| Unproven {
                process: known(stat.pid),
                run: tag.to_string(),
            })
        });
        Ok(unproven.collect())
    }
}

/// Whether a harness is alive, and not just being killed: the end of one is waited for.
fn outlives(tag: &RunTag) -> bool {
    let deadline = Instant::now() + DEAD_WITHIN;
    while tag.harness_is_alive() {
        if !is_dying(tag.harness().0) || Instant::now() >= deadline {
            return true;
        }
        std::thread::sleep(PAUSE);
    }
    false
}

/// Whether a run of another pid namespace has ended with it: its harness was in its control group, which is empty now.
fn has_vanished(lease: &Lease) -> bool {
    let group = lease.cgroup.as_ref().filter(|_| lease.is_inside);
    let group = group.and_then(|path| Cgroup::of_run(&lease.tag, path));
    group.is_some_and(|group| group.is_empty())
}

/// Adds the entries of the record to the run's roster.
fn recall(tag: &RunTag, lease: &Lease, lines: &[String]) {
    let mut roster = tag.roster();
    roster.take_lease(lease);
    for line in lines {
        roster.take_line(line);
    }
    roster.set_elders(Elders {
        adopters: Vec::new(),
        ancestors: lease.ancestors.clone(),
        late_session: Some(lease.session),
    });
}

fn describe(member: &Member) -> Option<Process> {
    let is_same = proc::stat(member.pid).is_ok_and(|stat| stat.start_time == member.start_time);
    is_same.then(|| known(member.pid))
}

fn known(pid: i32) -> Process {
    let uid = proc::owner(pid).unwrap_or_default();
    let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
    Process {
        pid,
        owner: user.map_or_else(|| uid.to_string(), |user| user.name),
        command: proc::command_line(pid),
    }
}

impl Recorded {
    /// The folder of its scratch folder: the run's own.
    pub fn folder(&self) -> &Path {
        let scratch = &self.stored.lease.scratch;
        scratch.parent().unwrap_or(scratch)
    }

    /// Whether there is anything to be undone: at least its record.
    pub fn is_left(&self) -> bool {
        self.state == State::Ended
    }

    /// Ends and removes its leftovers. Returns a sentence for each one that could not be removed.
    pub fn undo(&self) -> Vec<String> {
        assert!(self.is_left(), "only a run that has ended is undone");
        let (tag, lease) = (&self.tag, &self.stored.lease);
        // Shared memory is found by its users, while they are alive.
        tag.take_census();
        let group = tag.roster().cgroup().cloned();
        if let Some(group) = group {
            group.kill();
        }
        let mut swept = tag.sweep(|_| true);
        if !swept.remaining.is_empty() {
            free(tag);
            swept = tag.sweep(|_| true);
        }
        if !swept.remaining.is_empty() {
            return vec![format!(
                "processes {:?} could not be ended",
                swept.remaining
            )];
        }
        if put_away(tag, &lease.scratch) {
            lease::remove(&self.stored.path);
            return Vec::new();
        }
        let mut left: Vec<_> = (tag.shared_memory().iter())
            .map(|shared| format!("shared memory ({}) could not be removed", shared.name()))
            .collect();
        let leases = tag.roster().leases().into_iter();
        left.extend(leases.map(|(_, undo)| format!("this failed; do it by hand: {undo}")));
        if let Err(stuck) = scratch::remove(&lease.scratch, &lease.tag) {
            left.push(stuck.to_string());
        }
        if left.is_empty() {
            left.push("its control group could not be removed".to_owned());
        }
        left
    }
}
