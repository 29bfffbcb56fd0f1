//! The shards of a run that was split, put together: the folder of one run, which is judged, compared and repeated as any other.
//!
//! Nothing is computed anew. The shards' headers must say the same; each trial stands in the journal of one shard alone; events and
//! operations are written trial by trial, in the order of the schedule, and sealed again. What is lacking stays lacking, and the
//! verdict says so.

mod error;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use comeback_model::event::{Event, EventKind};
use comeback_model::ids::TrialId;
use comeback_model::journal::{Header, Machine, VERSION};
use comeback_model::schedule::{self, PlannedTrial, Schedule};
use comeback_model::shard::Shards;

pub use error::MergeError;

use crate::read::Recorded;

/// The journals of shards that belong together.
#[derive(Debug)]
pub struct Union {
    header: Header,
    /// What the run was to carry out, shards that are missing included.
    whole: Schedule,
    parts: Vec<Part>,
}

/// A journal of one shard, or of several that were merged before.
#[derive(Debug)]
struct Part {
    recorded: Recorded,
    shards: Shards,
    /// The trials that began, in their order.
    begun: Vec<TrialId>,
    /// It came to its own end.
    ended: bool,
}

/// A shard of which something is lacking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// Which.
    pub shard: u32,
    /// The journal that holds some of it, if there is one.
    pub folder: Option<PathBuf>,
    /// The trials that never began.
    pub trials: Vec<u32>,
}

impl Union {
    /// Reads the folders through, checks all of them, and whether they are shards of one run.
    ///
    /// # Errors
    /// If one cannot be read or is no shard, they are of different runs, or a trial is there twice.
    pub fn open(folders: &[PathBuf]) -> Result<Self, MergeError> {
        let mut parts = Vec::with_capacity(folders.len());
        for folder in folders {
            parts.push(Part::open(folder)?);
        }
        let Some((first, others)) = parts.split_first() else {
            return Err(MergeError::Nothing);
        };
        for other in others {
            check_same_run(first, other)?;
        }
        check_once(&parts)?;
        let (header, count) = (first.header(), first.shards.count());
        let whole = schedule::expand_split(&header.plan, header.seed, count);
        for part in &parts {
            check_schedule(part, &whole)?;
        }
        Ok(Self {
            header: header_of(&parts, whole.clone())?,
            whole,
            parts,
        })
    }

    /// The header of the whole.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Gives the whole a name of its own.
    pub fn set_label(&mut self, label: String) {
        self.header.label = Some(label);
    }

    /// Whether shards were started in folders of different git revisions. The whole has none then.
    pub fn is_of_several_revisions(&self) -> bool {
        let headers = self.parts.iter().map(Part::header);
        !all_same(headers.filter_map(|header| header.revision.as_ref()))
    }

    /// The shards of which something is lacking, in their order.
    pub fn lacking(&self) -> Vec<Lacking> {
        let Some(shards) = &self.header.shards else {
            return Vec::new();
        };
        let begun = self.parts.iter().flat_map(|part| &part.begun);
        let begun: BTreeSet<TrialId> = begun.copied().collect();
        let mut missed: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let in_each_round = self.header.plan.in_each_round();
        for planned in &self.whole.trials {
            if !begun.contains(&planned.id) {
                let shard = shards.index_of(planned.id, in_each_round);
                missed.entry(shard).or_default().push(planned.id.0);
            }
        }
        let lacks = |shard: u32| {
            let trials = missed.remove(&shard).unwrap_or_default();
            let holder = self.parts.iter().find(|part| part.shards.holds(shard));
            let is_whole = trials.is_empty() && holder.is_some_and(|part| part.ended);
            (!is_whole).then(|| Lacking {
                shard,
                folder: holder.map(|part| part.recorded.folder().to_owned()),
                trials,
            })
        };
        (1..=shards.count()).filter_map(lacks).collect()
    }

    /// Writes the journal of the whole into a folder that is there, and copies what the servers printed.
    ///
    /// # Errors
    /// If a journal is not what it was when it was read before, or something cannot be written.
    pub fn write(&self, to: &Path) -> Result<(), MergeError> {
        write::write(self, to)
    }
}

impl Part {
    fn open(folder: &Path) -> Result<Self, MergeError> {
        let (mut begun, mut named, mut ended) = (Vec::new(), BTreeSet::new(), false);
        let recorded = Recorded::open_noting(folder, |event: Event| {
            named.extend(event.trial);
            match (event.kind, event.trial) {
                (EventKind::TrialStarted { .. }, Some(trial)) => begun.push(trial),
                (EventKind::RunEnded, _) => ended = true,
                (EventKind::RunExtended { .. }, _) => ended = false,
                _ => {}
            }
        })?;
        let header = recorded.header();
        let Some(shards) = header.shards.clone() else {
            return Err(MergeError::NoShard(folder.to_owned()));
        };
        if header.comeback_journal != VERSION {
            return Err(MergeError::OtherVersion(folder.to_owned()));
        }
        ended &= !recorded.is_torn();
        // Of one whose last line is torn, that may be the line which says that the trial began.
        if !recorded.is_torn() {
            named.extend(recorded.operated());
        }
        let part = Self {
            recorded,
            shards,
            begun,
            ended,
        };
        part.check_trials(&named)?;
        Ok(part)
    }

    fn header(&self) -> &Header {
        self.recorded.header()
    }

    /// Each trial that began is one of its schedule, and began once; nothing is told of any other.
    fn check_trials(&self, named: &BTreeSet<TrialId>) -> Result<(), MergeError> {
        let schedule = &self.header().schedule;
        let planned = schedule.trials.iter().chain(&schedule.spares);
        let planned: BTreeSet<TrialId> = planned.map(|trial| trial.id).collect();
        let mut seen = BTreeSet::new();
        let strange = |trial: &TrialId, twice: bool| MergeError::StrangeTrial {
            folder: self.recorded.folder().to_owned(),
            trial: trial.0,
            twice,
        };
        for trial in &self.begun {
            if !planned.contains(trial) || !seen.insert(*trial) {
                return Err(strange(trial, planned.contains(trial)));
            }
        }
        match named.difference(&seen).next() {
            Some(trial) => Err(strange(trial, false)),
            None => Ok(()),
        }
    }
}

/// Two journals are of one run when their plans, seeds and programs are the same.
fn check_same_run(one: &Part, other: &Part) -> Result<(), MergeError> {
    let (a, b) = (one.header(), other.header());
    let texts = [
        ("seed", a.seed.to_string(), b.seed.to_string()),
        (
            "number of shards",
            one.shards.count().to_string(),
            other.shards.count().to_string(),
        ),
        ("version", a.written_by.clone(), b.written_by.clone()),
        ("build", a.machine.build.clone(), b.machine.build.clone()),
    ];
    let differing = texts.into_iter().find(|(_, a, b)| a != b);
    let plans = || {
        let (place, a, b) = a.plan.first_difference(&b.plan)?;
        Some((format!("plan ({place})"), a, b))
    };
    let differing = differing.map(|(what, a, b)| (what.to_owned(), a, b));
    match differing.or_else(plans) {
        None => Ok(()),
        Some((what, of_one, of_other)) => Err(MergeError::Differ {
            what,
            one: (one.recorded.folder().to_owned(), of_one),
            other: (other.recorded.folder().to_owned(), of_other),
        }),
    }
}

/// No shard is there twice.
fn check_once(parts: &[Part]) -> Result<(), MergeError> {
    for (place, part) in parts.iter().enumerate() {
        let held = part.shards.held();
        for before in &parts[..place] {
            if let Some(twice) = held.iter().find(|one| before.shards.holds(one.index)) {
                let folders = [before, part].map(|part| part.recorded.folder().to_owned());
                return Err(MergeError::Twice {
                    shard: twice.index,
                    folders: Box::new(folders),
                    ended: [before.ended, part.ended],
                });
            }
        }
    }
    Ok(())
}

/// The stored schedule is what follows from plan and seed.
fn check_schedule(part: &Part, whole: &Schedule) -> Result<(), MergeError> {
    let (stored, in_each_round) = (&part.header().schedule, part.header().plan.in_each_round());
    let is_own = |trial: &&PlannedTrial| {
        let shard = part.shards.index_of(trial.id, in_each_round);
        part.shards.holds(shard)
    };
    let pairs = [
        (&whole.trials, &stored.trials),
        (&whole.further, &stored.further),
        (&whole.spares, &stored.spares),
    ];
    let is_same = pairs
        .into_iter()
        .all(|(whole, stored)| whole.iter().filter(is_own).eq(stored));
    match is_same && stored.seed == whole.seed {
        true => Ok(()),
        false => Err(MergeError::OtherSchedule(part.recorded.folder().to_owned())),
    }
}

/// What the whole begins with.
fn header_of(parts: &[Part], whole: Schedule) -> Result<Header, MergeError> {
    let first = parts[0].header();
    let held = parts.iter().flat_map(|part| part.shards.held()).cloned();
    let shards = Shards::new(parts[0].shards.count(), held.collect());
    let shards = shards.map_err(MergeError::Shards)?;
    let started = shards.held().iter().map(|one| one.started.as_str()).min();
    let started = started.unwrap_or(&first.started).to_owned();
    let machines = shards.held().iter().map(|one| &one.machine);
    let headers = || parts.iter().map(Part::header);
    let has_one_label = all_same(headers().map(|header| &header.label));
    let has_one_revision = all_same(headers().map(|header| &header.revision));
    Ok(Header {
        label: first.label.clone().filter(|_| has_one_label),
        revision: first.revision.clone().filter(|_| has_one_revision),
        started,
        machine: common(machines).unwrap_or_default(),
        schedule: whole.of_shards(&shards, first.plan.in_each_round()),
        shards: Some(shards),
        ..first.clone()
    })
}

fn all_same<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
    let first = values.next();
    first.is_none_or(|first| values.all(|value| value == first))
}

/// The machine of all of them. What differs is not known of the whole, so that its times are compared with no other run.
fn common<'a>(mut machines: impl Iterator<Item = &'a Machine>) -> Option<Machine> {
    let mut common = machines.next()?.clone();
    for machine in machines {
        let texts = [
            (&mut common.system, &machine.system),
            (&mut common.processor, &machine.processor),
            (&mut common.data_filesystem, &machine.data_filesystem),
            (&mut common.build, &machine.build),
        ];
        for (known, other) in texts {
            if known != other {
                "unknown".clone_into(known);
            }
        }
        if common.cores != machine.cores {
            common.cores = 0;
        }
        // A machine tells a little more or less of it at each boot.
        if common.memory_mib.abs_diff(machine.memory_mib) > common.memory_mib / 100 {
            common.memory_mib = 0;
        }
    }
    Some(common)
}
