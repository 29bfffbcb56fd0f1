//! The roster: every process a run has started directly, each the leader of a process group.
//!
//! A process on it is known without its environment, which a server may overwrite. Each entry is also written to the warden and
//! to the run's record (see `lease.rs`) as a line, so that they have the same information when the harness is gone:
//! `started <pid> <start time> <trial> <node> <incarnation>`, `cleared <pid>`, `seen <pid> <start time>` for a process
//! that was found to be the run's, `memory <what>` for shared memory that the run's processes use, `lease <number> <length>
//! <command>` for how to undo what is then done to the machine, and `undone <number>` when that was undone (`settled` in older records).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ChildStdin;

use comeback_host::undo::Undo;
use comeback_model::ids::{Incarnation, Node, TrialId};

use super::cgroup::Cgroup;
use super::lease::Lease;
use super::memory::Shared;
use super::proc::{self, Stat};
use super::variables::RUN_VARIABLE;

/// The message that dismisses the warden.
pub(super) const DISMISSED: &str = "dismissed";
const DISMISSED_LINE: &str = "dismissed\n";

/// Which start of which node of which trial.
pub(super) type Place = (TrialId, Node, Incarnation);

/// A process that was started directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leader {
    pub(super) pid: i32,
    pub(super) start_time: u64,
    pub(super) place: Place,
    /// Its group is known to be empty: its number may since name another one.
    pub(super) is_cleared: bool,
}

/// The started processes, in order, and the other signs of the run's processes.
#[derive(Debug, Default)]
pub(super) struct Roster {
    leaders: Vec<Leader>,
    /// Others that were found to be the run's: pid and start time.
    seen: Vec<(i32, u64)>,
    memory: BTreeSet<Shared>,
    /// How to undo what was done to the machine, by a number of its own.
    leases: BTreeMap<u32, Undo>,
    last_lease: u32,
    warden: Option<ChildStdin>,
    record: Option<(File, PathBuf)>,
    cgroup: Option<Cgroup>,
    /// Each target is moved to the group, since this process is not in it.
    is_joined_by_each: bool,
    /// The run starts no servers.
    starts_nothing: bool,
    elders: Elders,
}

/// Who may be the parent of the run's orphans beside the harness, and whether the run ended long ago.
#[derive(Clone, Debug, Default)]
pub(super) struct Elders {
    /// Processes that adopt orphans for sure.
    pub(super) adopters: Vec<i32>,
    /// The harness's ancestors with their sessions: one of them may adopt.
    pub(super) ancestors: Vec<(i32, i32)>,
    /// The session of the harness, where the run ended long ago: a number of a group may since name another.
    pub(super) late_session: Option<i32>,
}

impl Roster {
    pub(super) fn start(&mut self, leader: Leader) {
        if let Some(group) = self.cgroup.as_ref().filter(|_| self.is_joined_by_each) {
            // One that has ended already need not be moved.
            let _ = group.join(leader.pid);
        }
        self.tell(&format_started(&leader));
        self.leaders.push(leader);
    }

    /// The group of this leader has ended.
    pub(super) fn clear(&mut self, pid: i32) {
        self.tell(&format!("cleared {pid}\n"));
        for leader in self.leaders.iter_mut().filter(|leader| leader.pid == pid) {
            leader.is_cleared = true;
        }
    }

    /// A process was found to be the run's that may not show it later.
    pub(super) fn see(&mut self, pid: i32, start_time: u64) {
        if !self.seen.contains(&(pid, start_time)) {
            self.tell(&format!("seen {pid} {start_time}\n"));
            self.seen.push((pid, start_time));
        }
    }

    /// The run's processes use this memory.
    pub(super) fn share(&mut self, found: Vec<Shared>) {
        for shared in found {
            if !self.memory.contains(&shared) {
                self.tell(&format!("memory {}\n", shared.name()));
                self.memory.insert(shared);
            }
        }
    }

    /// The memory that the run's processes used.
    pub(super) fn memory(&self) -> Vec<Shared> {
        self.memory.iter().cloned().collect()
    }

    /// Something will be done to the machine that is undone so.
    ///
    /// # Errors
    /// If neither the warden nor the record can be told: then it must not be done.
    pub(super) fn take_lease_of(&mut self, undo: Undo) -> io::Result<()> {
        if self.leases.values().any(|known| *known == undo) {
            return Ok(());
        }
        let number = self.last_lease + 1;
        if !self.tell(&format!("lease {number} {} {undo}\n", undo.as_str().len())) {
            let problem = "nobody could be told how to undo it if this process is killed";
            return Err(io::Error::other(problem));
        }
        self.last_lease = number;
        self.leases.insert(number, undo);
        Ok(())
    }

    /// What is to be undone, the latest first.
    pub(super) fn leases(&self) -> Vec<(u32, Undo)> {
        let leases = self.leases.iter().rev();
        leases
            .map(|(number, undo)| (*number, undo.clone()))
            .collect()
    }

    /// This was undone.
    pub(super) fn forget_lease(&mut self, number: u32) {
        self.leases.remove(&number);
        self.tell(&format!("undone {number}\n"));
    }

    /// Every process that was started directly or seen, whether it is there or not.
    pub(super) fn pids(&self) -> Vec<i32> {
        let leaders = self.leaders.iter().map(|leader| leader.pid);
        leaders
            .chain(self.seen.iter().map(|(pid, _)| *pid))
            .collect()
    }

    /// From now on the warden is told.
    pub(super) fn connect(&mut self, pipe: ChildStdin) {
        self.warden = Some(pipe);
        let leaders = std::mem::take(&mut self.leaders);
        for leader in leaders.iter().filter(|leader| !leader.is_cleared) {
            self.tell(&format_started(leader));
        }
        self.leaders = leaders;
    }

    /// Closes the pipe to the warden, which is its sign to act. That it was told so first says that the harness is
    /// alive, and starts nothing more.
    pub(super) fn disconnect(&mut self) {
        self.record = None;
        self.tell(DISMISSED_LINE);
        self.warden = None;
    }

    /// From now on each line is kept in the run's record, too.
    pub(super) fn keep(&mut self, record: (File, PathBuf)) {
        self.record = Some(record);
    }

    /// The file of the run's record.
    pub(super) fn record(&self) -> Option<&Path> {
        self.record.as_ref().map(|(_, path)| path.as_path())
    }

    /// The control group that the run's processes are in.
    pub(super) fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_ref()
    }

    /// The run's processes are in this group; the harness is in it, or else each target is moved there.
    pub(super) fn hold_in(&mut self, group: Cgroup, is_harness_in_it: bool) {
        self.is_joined_by_each = !is_harness_in_it;
        self.cgroup = Some(group);
    }

    /// The run starts no servers: it has no group, and no orphans.
    pub(super) const fn start_nothing(&mut self) {
        self.starts_nothing = true;
    }

    pub(super) const fn starts_nothing(&self) -> bool {
        self.starts_nothing
    }

    pub(super) fn forget_cgroup(&mut self) {
        self.cgroup = None;
    }

    pub(super) fn elders(&self) -> &Elders {
        &self.elders
    }

    pub(super) fn set_elders(&mut self, elders: Elders) {
        self.elders = elders;
    }

    /// Reads the first line of a run's record.
    pub(super) fn take_lease(&mut self, lease: &Lease) {
        let group = lease.cgroup.as_ref();
        self.cgroup = group.and_then(|path| Cgroup::of_run(&lease.tag, path));
        self.elders.ancestors.clone_from(&lease.ancestors);
    }

    /// Takes in a line written by another roster; a line it does not know, or half a line, says nothing.
    pub(super) fn take_line(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["started", pid, start_time, trial, node, incarnation] => {
                if let (Ok(pid), Ok(start_time), Ok(trial), Ok(node), Ok(incarnation)) = (
                    pid.parse(),
                    start_time.parse(),
                    trial.parse(),
                    node.parse(),
                    incarnation.parse(),
                ) {
                    self.leaders.push(Leader {
                        pid,
                        start_time,
                        place: (TrialId(trial), node, Incarnation(incarnation)),
                        is_cleared: false,
                    });
                }
            }
            ["cleared", pid] => {
                if let Ok(pid) = pid.parse() {
                    self.clear(pid);
                }
            }
            ["seen", pid, start_time] => {
                if let (Ok(pid), Ok(start_time)) = (pid.parse(), start_time.parse()) {
                    self.seen.push((pid, start_time));
                }
            }
            ["lease", number, length, ..] => {
                let text = words[3..].join(" ");
                // A command that was cut would be another one.
                let is_whole = length.parse() == Ok(text.len());
                if let (true, Ok(number), Ok(undo)) = (is_whole, number.parse(), Undo::new(&text)) {
                    self.leases.insert(number, undo);
                    self.last_lease = self.last_lease.max(number);
                }
            }
            ["undone" | "settled", number] => {
                if let Ok(number) = number.parse::<u32>() {
                    self.leases.remove(&number);
                }
            }
            ["memory", ..] => self.memory.extend(Shared::parse(&words[1..].join(" "))),
            _ => {}
        }
    }

    /// Where a process belongs that is a leader, or in a leader's group.
    pub(super) fn place_of(&self, stat: &Stat) -> Option<Place> {
        let belongs = |leader: &&Leader| {
            (leader.pid == stat.pid && leader.start_time == stat.start_time)
                || (leader.pid == stat.group
                    && !leader.is_cleared
                    && leader.start_time <= stat.start_time
                    && self.is_group_of(leader, stat))
        };
        let leader = self.leaders.iter().rev().find(belongs)?;
        Some(leader.place)
    }

    /// Whether a number still names the leader's group. Long after the run, the leader must be there, or the process
    /// be of the harness's session and not of another run by its environment.
    fn is_group_of(&self, leader: &Leader, stat: &Stat) -> bool {
        let Some(session) = self.elders.late_session else {
            return true;
        };
        match proc::stat(leader.pid) {
            Ok(found) => found.start_time == leader.start_time,
            Err(_) => {
                stat.session == session
                    && proc::environment(stat.pid).is_ok_and(|found| {
                        !proc::is_intact(&found) || proc::variable(&found, RUN_VARIABLE).is_some()
                    })
            }
        }
    }

    /// Whether this process was seen to be the run's.
    pub(super) fn was_seen(&self, stat: &Stat) -> bool {
        self.seen.contains(&(stat.pid, stat.start_time))
    }

    /// Whether this process is a leader. Its starter reads its status.
    pub(super) fn is_leader(&self, stat: &Stat) -> bool {
        let same = |leader: &Leader| leader.pid == stat.pid && leader.start_time == stat.start_time;
        self.leaders.iter().any(same)
    }

    /// When the leader of this start was started, in clock ticks.
    pub(super) fn start_time_of(&self, place: Place) -> Option<u64> {
        let leader = self.leaders.iter().find(|leader| leader.place == place)?;
        Some(leader.start_time)
    }

    /// A warden that is gone cannot be told, nor a full disk; the environment and the group still mark every process.
    /// Each line is one write, so that it is whole or absent when the harness is killed meanwhile. Returns whether anybody was told.
    fn tell(&mut self, line: &str) -> bool {
        if let Some(pipe) = &mut self.warden
            && pipe.write_all(line.as_bytes()).is_err()
        {
            self.warden = None;
        }
        let record = self.record.as_mut();
        let is_on_record = record.is_some_and(|(file, _)| file.write_all(line.as_bytes()).is_ok());
        is_on_record || self.warden.is_some()
    }
}

fn format_started(leader: &Leader) -> String {
    let (trial, node, incarnation) = leader.place;
    format!(
        "started {} {} {} {node} {}\n",
        leader.pid, leader.start_time, trial.0, incarnation.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, group: i32, start_time: u64) -> Stat {
        Stat {
            pid,
            parent: 1,
            group,
            session: 1,
            start_time,
            is_zombie: false,
        }
    }

    #[test]
    fn a_roster_written_and_read_knows_the_same() {
        let place = (TrialId(3), Node::Balancer, Incarnation(1));
        let leader = Leader {
            pid: 70,
            start_time: 500,
            place,
            is_cleared: false,
        };
        let mut roster = Roster::default();
        roster.take_line(format_started(&leader).trim_end());
        assert_eq!(roster.leaders, [leader]);
        roster.take_line("cleared 70");
        assert!(roster.leaders[0].is_cleared);
        roster.take_line("started 7");
        roster.take_line("started 7 x 1 store 2");
        assert_eq!(roster.leaders.len(), 1);
    }

    /// A roster that did everything a roster does, and the lines that it wrote.
    fn told_everything() -> (Roster, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("record");
        let record = File::create(&path).expect("it is made");
        let mut roster = Roster::default();
        roster.keep((record, path.clone()));
        for pid in [70, 80] {
            roster.start(Leader {
                pid,
                start_time: 500,
                place: (TrialId(3), Node::Balancer, Incarnation(1)),
                is_cleared: false,
            });
        }
        roster.clear(70);
        roster.see(90, 600);
        roster.share(Shared::parse("segment 7").into_iter().collect());
        for text in ["true", "rmdir  '/a  b'"] {
            let undo = Undo::new(text).expect("it is a command");
            roster.take_lease_of(undo).expect("it is told");
        }
        roster.forget_lease(1);
        let lines = std::fs::read_to_string(&path).expect("it is read");
        (roster, lines)
    }

    fn first_words(lines: &str) -> BTreeSet<&str> {
        let words = lines.lines().map(|line| line.split(' ').next());
        words.map(Option::unwrap_or_default).collect()
    }

    #[test]
    fn another_roster_knows_everything_by_its_lines() {
        let (roster, lines) = told_everything();
        let mut other = Roster::default();
        lines.lines().for_each(|line| other.take_line(line));
        assert_eq!(other.leaders, roster.leaders);
        assert_eq!(other.seen, roster.seen);
        assert_eq!(other.memory, roster.memory);
        assert_eq!(other.leases(), roster.leases());
        assert!(!roster.memory.is_empty() && roster.leases().len() == 1);
    }

    #[test]
    fn the_shells_warden_knows_the_words_of_the_roster_and_those_of_older_records_alone() {
        let (_, lines) = told_everything();
        let mut words = first_words(&lines);
        words.extend([DISMISSED, "settled"]);
        let script = include_str!("warden/warden.sh");
        let reads = script
            .split("case $what in\n")
            .nth(1)
            .expect("it reads lines");
        let reads = reads.split("\n    esac").next().expect("it ends");
        // What it does stands further in.
        let labels = reads.lines().filter_map(|line| {
            let label = line.strip_prefix("    ")?.split_once(')')?.0;
            label.starts_with(char::is_alphabetic).then_some(label)
        });
        let known: BTreeSet<&str> = labels.flat_map(|label| label.split(" | ")).collect();
        assert_eq!(known, words);
    }

    #[test]
    fn what_is_to_be_undone_is_known_until_it_is_and_half_a_command_is_none() {
        let mut roster = Roster::default();
        let undo = Undo::new("rmdir  '/a  b'").expect("it is a command");
        assert!(roster.take_lease_of(undo.clone()).is_err());
        for line in [
            "lease 1 4 true",
            "lease 2 14 rmdir  '/a  b'",
            "lease 3 4 tru",
        ] {
            roster.take_line(line);
        }
        let first = Undo::new("true").expect("it is a command");
        assert_eq!(roster.leases(), [(2, undo), (1, first.clone())]);
        roster.take_line("undone 2");
        assert_eq!(roster.leases(), [(1, first)]);
        // As an older record has it.
        roster.take_line("settled 1");
        assert_eq!(roster.leases(), []);
    }

    #[test]
    fn a_group_is_known_until_it_is_cleared_and_a_leader_by_its_start() {
        let place = (TrialId(0), Node::Replica(2), Incarnation(0));
        let mut roster = Roster::default();
        roster.take_line("started 70 500 0 replica-2 0");
        assert_eq!(roster.place_of(&process(70, 70, 500)), Some(place));
        assert_eq!(roster.place_of(&process(71, 70, 510)), Some(place));
        assert_eq!(roster.place_of(&process(72, 72, 510)), None);
        roster.clear(70);
        assert_eq!(roster.place_of(&process(71, 70, 510)), None);
        assert_eq!(roster.place_of(&process(70, 70, 900)), None);
        assert!(roster.is_leader(&process(70, 70, 500)));
        assert!(!roster.is_leader(&process(70, 70, 900)));
    }
}
