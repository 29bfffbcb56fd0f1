//! Finding every process of a run, wherever it went.

use std::collections::HashMap;
use std::io;

use comeback_core::ids::{Incarnation, Node, TrialId};

use super::orphans;
use super::proc::{self, Stat};
use super::roster::Place;
use super::tag::{INCARNATION_VARIABLE, NODE_VARIABLE, RUN_VARIABLE, RunTag, TRIAL_VARIABLE};

/// A process of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its process id.
    pub pid: i32,
    /// Its start, in clock ticks since the machine's; with the pid, this names it for good.
    pub start_time: u64,
    /// Its process group.
    pub group: i32,
    /// Which start of which node of which trial it belongs to, where that is known.
    pub place: Option<(TrialId, Node, Incarnation)>,
}

impl RunTag {
    /// The living processes of the run, this one aside; none when `/proc` cannot be read.
    pub fn members(&self) -> Vec<Member> {
        self.scan().unwrap_or_default()
    }

    /// The living processes that are older than this start of a node: of an earlier start of it, of an earlier
    /// trial, or of an unknown start but begun before.
    pub fn members_before(&self, place: (TrialId, Node, Incarnation)) -> Vec<i32> {
        let older = self.older_than(place).into_iter();
        older.map(|member| member.pid).collect()
    }

    pub(super) fn older_than(&self, place: (TrialId, Node, Incarnation)) -> Vec<Member> {
        let (trial, node, incarnation) = place;
        let begun = self.roster().start_time_of(place);
        let is_before = |member: &Member| match member.place {
            Some((of, its, start)) => {
                of < trial || (of == trial && its == node && start < incarnation)
            }
            None => begun.is_some_and(|begun| member.start_time < begun),
        };
        self.members().into_iter().filter(is_before).collect()
    }

    /// When this start of a node was begun, in clock ticks since the machine's start.
    pub fn start_time_of(&self, place: (TrialId, Node, Incarnation)) -> Option<u64> {
        self.roster().start_time_of(place)
    }

    /// Finds the members: first those that show it themselves, then whatever descends from them.
    pub(super) fn scan(&self) -> io::Result<Vec<Member>> {
        let own = proc::own_pid();
        let candidates: Vec<_> = proc::all()?
            .into_iter()
            .filter(|stat| !stat.is_zombie && stat.pid != own && stat.start_time >= self.begun())
            .collect();
        let stray = Stray::of(self);
        let mut found: HashMap<i32, Option<Place>> = candidates
            .iter()
            .filter_map(|stat| Some((stat.pid, self.recognise(stat, stray)?)))
            .collect();
        loop {
            let before = found.len();
            for stat in &candidates {
                if let Some(place) = found.get(&stat.parent).copied() {
                    found.entry(stat.pid).or_insert(place);
                }
            }
            if found.len() == before {
                break;
            }
        }
        let member = |stat: &Stat| {
            let place = *found.get(&stat.pid)?;
            Some(Member {
                pid: stat.pid,
                start_time: stat.start_time,
                group: stat.group,
                place,
            })
        };
        Ok(candidates.iter().filter_map(member).collect())
    }

    /// Whether a process shows by itself that it is a member, and of which start if it says so.
    fn recognise(&self, stat: &Stat, stray: Option<Stray>) -> Option<Option<Place>> {
        if let Some(place) = self.roster().place_of(stat) {
            return Some(Some(place));
        }
        let environment = proc::environment(stat.pid).ok()?;
        if let Some(run) = proc::variable(&environment, RUN_VARIABLE) {
            return (run == self.as_str()).then(|| place_in(&environment));
        }
        stray?.is(stat, &environment).then_some(None)
    }
}

fn place_in(environment: &[u8]) -> Option<Place> {
    let number = |name| proc::variable(environment, name)?.parse().ok();
    let trial = number(TRIAL_VARIABLE)?;
    let node = proc::variable(environment, NODE_VARIABLE)?.parse().ok()?;
    let incarnation = number(INCARNATION_VARIABLE)?;
    Some((TrialId(trial), node, Incarnation(incarnation)))
}

/// How a detached daemon is known that wrote its title over its environment: it was handed to this
/// process as an orphan, and is in a session of its own, as nothing that this process starts is.
#[derive(Clone, Copy, Debug)]
struct Stray {
    reaper: i32,
    session: i32,
}

impl Stray {
    /// How they are known; not at all in a process that does not adopt orphans of this run.
    fn of(tag: &RunTag) -> Option<Self> {
        if !tag.is_ours() || !orphans::are_adopted() {
            return None;
        }
        let own = proc::stat(proc::own_pid()).ok()?;
        Some(Self {
            reaper: own.pid,
            session: own.session,
        })
    }

    fn is(self, stat: &Stat, environment: &[u8]) -> bool {
        // Overwritten environments are padded with zeros to their end; a true one ends with a single one.
        let is_overwritten = environment.is_empty() || environment.ends_with(b"\0\0");
        stat.parent == self.reaper && stat.session != self.session && is_overwritten
    }
}
