//! Finding every process of a run, wherever it went, and no other.
//!
//! A process is the run's if
//! 1. it is in the run's control group (see `cgroup.rs`), or
//! 2. it is on the roster by pid and start time, or in the process group of one that is, or
//! 3. it carries the run's tag in its environment **and** is the harness's child or an orphan that may have been, or
//! 4. it was handed to the harness as an orphan, in a session that is not the harness's, without any run's tag, or
//! 5. it descends from one of these.
//!
//! The tag alone proves nothing: a shell that copied the environment of a server has it too. Nothing that is older
//! than the harness is the run's.

use std::collections::{HashMap, HashSet};
use std::io;

use comeback_model::ids::{Incarnation, Node, TrialId};

use super::cgroup::Cgroup;
use super::proc::{self, Stat};
use super::roster::{Elders, Place};
use super::tag::RunTag;
use super::variables::{INCARNATION_VARIABLE, NODE_VARIABLE, RUN_VARIABLE, TRIAL_VARIABLE};
use super::{memory, orphans};

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

    /// The begin of this start of a node, in clock ticks since the machine's start.
    pub fn start_time_of(&self, place: (TrialId, Node, Incarnation)) -> Option<u64> {
        self.roster().start_time_of(place)
    }

    /// Finds the members: first those with a sign of their own, then their descendants.
    pub(super) fn scan(&self) -> io::Result<Vec<Member>> {
        let own = proc::own_pid();
        let candidates: Vec<_> = proc::all()?
            .into_iter()
            .filter(|stat| !stat.is_zombie && stat.pid != own && stat.start_time >= self.begun())
            .filter(|stat| (stat.pid, stat.start_time) != self.harness())
            .collect();
        let signs = Signs::of(self);
        let mut found: HashMap<i32, Option<Place>> = candidates
            .iter()
            .filter_map(|stat| Some((stat.pid, self.recognise(stat, &signs)?)))
            .collect();
        // What does not say which start it belongs to, since it wrote over its environment, belongs to its parent's.
        let mut has_changed = true;
        while has_changed {
            has_changed = false;
            for stat in &candidates {
                let Some(place) = found.get(&stat.parent).copied() else {
                    continue;
                };
                let learns = match found.get(&stat.pid) {
                    None => true,
                    Some(own) => own.is_none() && place.is_some(),
                };
                if learns {
                    found.insert(stat.pid, place);
                    has_changed = true;
                }
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

    /// Whether a process has a sign that it is a member, and of which start, if known.
    fn recognise(&self, stat: &Stat, signs: &Signs) -> Option<Option<Place>> {
        let roster = self.roster();
        if let Some(place) = roster.place_of(stat) {
            return Some(Some(place));
        }
        let environment = proc::environment(stat.pid);
        if signs.group.contains(&stat.pid) || roster.was_seen(stat) {
            return Some(environment.ok().and_then(|found| place_in(&found)));
        }
        let environment = environment.ok()?;
        if let Some(run) = proc::variable(&environment, RUN_VARIABLE) {
            let is_ours = run == self.as_str()
                && signs.may_be_started_by_harness(stat)
                && proc::pid_namespace(stat.pid).is_ok_and(|its| Some(its) == signs.namespace);
            return is_ours.then(|| place_in(&environment));
        }
        signs.stray?.is(stat).then_some(None)
    }

    /// Puts what is found now on the roster, for the time when it cannot be recognised any more, and the memory that it
    /// shares.
    pub fn take_census(&self) {
        let members = self.members();
        let shared = memory::mapped_by(members.iter().map(|member| member.pid));
        let mut roster = self.roster();
        for member in &members {
            roster.see(member.pid, member.start_time);
        }
        roster.share(shared);
    }
}

/// The data of a scan.
struct Signs {
    group: HashSet<i32>,
    stray: Option<Stray>,
    /// The harness, while it is alive.
    harness: Option<i32>,
    elders: Elders,
    namespace: Option<u64>,
}

impl Signs {
    fn of(tag: &RunTag) -> Self {
        let roster = tag.roster();
        let processes = roster.cgroup().map(Cgroup::processes);
        Self {
            group: processes.unwrap_or_default().into_iter().collect(),
            elders: roster.elders().clone(),
            stray: Stray::of(tag).filter(|_| !roster.starts_nothing()),
            harness: tag.harness_is_alive().then_some(tag.harness().0),
            namespace: proc::pid_namespace(proc::own_pid()).ok(),
        }
    }

    /// Whether this is the harness's child, or an orphan that may have been: its parent is one that adopts orphans.
    /// A shell starts its children in its own session, so that an ancestor in another one has adopted.
    fn may_be_started_by_harness(&self, stat: &Stat) -> bool {
        let parent = stat.parent;
        parent == 1
            || Some(parent) == self.harness
            || self.elders.adopters.contains(&parent)
            || (self.elders.ancestors.iter())
                .any(|(pid, session)| *pid == parent && *session != stat.session)
    }
}

fn place_in(environment: &[u8]) -> Option<Place> {
    let number = |name| proc::variable(environment, name)?.parse().ok();
    let trial = number(TRIAL_VARIABLE)?;
    let node = proc::variable(environment, NODE_VARIABLE)?.parse().ok()?;
    let incarnation = number(INCARNATION_VARIABLE)?;
    Some((TrialId(trial), node, Incarnation(incarnation)))
}

/// How a detached daemon is known that has no tag any more, or no environment: it was handed to this process as an
/// orphan, and is in a session of its own, as nothing that this process starts is.
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

    fn is(self, stat: &Stat) -> bool {
        stat.parent == self.reaper && stat.session != self.session
    }
}
