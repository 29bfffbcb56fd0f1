//! The roster: every process a run has started directly, each the leader of a process group.
//!
//! A process on it is known without its environment, which a server may overwrite. Each entry is also
//! written to the warden, one line each, so that it knows as much when the harness is gone:
//! `started <pid> <start time> <trial> <node> <incarnation>` and `cleared <pid>`.

use std::io::{self, Write};
use std::process::ChildStdin;

use comeback_core::ids::{Incarnation, Node, TrialId};

use super::proc::Stat;

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

/// What was started, in order.
#[derive(Debug, Default)]
pub(super) struct Roster {
    leaders: Vec<Leader>,
    warden: Option<ChildStdin>,
}

impl Roster {
    pub(super) fn start(&mut self, leader: Leader) {
        self.tell_warden(|pipe| write_started(pipe, &leader));
        self.leaders.push(leader);
    }

    /// The group of this leader has ended.
    pub(super) fn clear(&mut self, pid: i32) {
        self.tell_warden(|pipe| writeln!(pipe, "cleared {pid}"));
        for leader in self.leaders.iter_mut().filter(|leader| leader.pid == pid) {
            leader.is_cleared = true;
        }
    }

    /// From now on the warden is told.
    pub(super) fn connect(&mut self, pipe: ChildStdin) {
        self.warden = Some(pipe);
        let leaders = std::mem::take(&mut self.leaders);
        for leader in leaders.iter().filter(|leader| !leader.is_cleared) {
            self.tell_warden(|pipe| write_started(pipe, leader));
        }
        self.leaders = leaders;
    }

    /// Closes the pipe to the warden, which is its sign to act.
    pub(super) fn disconnect(&mut self) {
        self.warden = None;
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
            _ => {}
        }
    }

    /// Where a process belongs that is a leader, or in a leader's group.
    pub(super) fn place_of(&self, stat: &Stat) -> Option<Place> {
        let belongs = |leader: &&Leader| {
            (leader.pid == stat.pid && leader.start_time == stat.start_time)
                || (leader.pid == stat.group
                    && !leader.is_cleared
                    && leader.start_time <= stat.start_time)
        };
        let leader = self.leaders.iter().rev().find(belongs)?;
        Some(leader.place)
    }

    /// Whether this process is a leader: its status belongs to whoever started it.
    pub(super) fn is_leader(&self, stat: &Stat) -> bool {
        let same = |leader: &Leader| leader.pid == stat.pid && leader.start_time == stat.start_time;
        self.leaders.iter().any(same)
    }

    /// When the leader of this start was started, in clock ticks.
    pub(super) fn start_time_of(&self, place: Place) -> Option<u64> {
        let leader = self.leaders.iter().find(|leader| leader.place == place)?;
        Some(leader.start_time)
    }

    /// A warden that is gone cannot be told; the environment still marks every process.
    fn tell_warden(&mut self, what: impl FnOnce(&mut ChildStdin) -> io::Result<()>) {
        if let Some(pipe) = &mut self.warden
            && what(pipe).is_err()
        {
            self.warden = None;
        }
    }
}

fn write_started(pipe: &mut impl Write, leader: &Leader) -> io::Result<()> {
    let (trial, node, incarnation) = leader.place;
    // One write, so that a line is whole or absent when the harness is killed meanwhile.
    let line = format!(
        "started {} {} {} {node} {}\n",
        leader.pid, leader.start_time, trial.0, incarnation.0
    );
    pipe.write_all(line.as_bytes())
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
        let mut text = Vec::new();
        write_started(&mut text, &leader).expect("memory takes it");
        let mut roster = Roster::default();
        roster.take_line(String::from_utf8(text).expect("text").trim_end());
        assert_eq!(roster.leaders, [leader]);
        roster.take_line("cleared 70");
        assert!(roster.leaders[0].is_cleared);
        roster.take_line("started 7");
        roster.take_line("started 7 x 1 store 2");
        assert_eq!(roster.leaders.len(), 1);
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
