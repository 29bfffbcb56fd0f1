//! Which disks there are to look at, and in what order: each once, the most suspicious ones first.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::time::Duration;

use comeback_model::plan::DiskModel;
use comeback_model::schedule::Draws;

use super::{ByItself, Recipe, WriteBack, apply, left_of, mismatch};
use crate::model::Id;
use crate::record::{Call, Record};

/// Of the disks, this share is kept for reorderings at the least.
const REORDERED_SHARE: usize = 4;
/// So many draws of a reordering for each that is wanted: most lead to a disk that is there already.
const DRAWS_EACH: usize = 6;
/// What a disk writes by itself, it wrote within so many points before the cut: what is older was mostly synced since.
const REACH: u64 = 24;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// From this moment on: the server was up.
    pub from: Duration,
    /// At most so many disks.
    pub states: usize,
    /// Of what is drawn.
    pub seed: u64,
}

/// Disks that hold the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// How they come about, the earliest cut first.
    pub recipes: Vec<Recipe>,
    /// How suspicious the most suspicious one is.
    pub(super) suspicion: u32,
    /// What they hold.
    digest: [u8; 32],
}

impl Group {
    /// One more way to the same disk. At a later cut more may have been acknowledged, which this disk must hold then, too.
    fn take_in(&mut self, recipe: Recipe) {
        if self.recipes.iter().all(|known| known.cut != recipe.cut) {
            let place = self.recipes.partition_point(|known| known.cut < recipe.cut);
            self.recipes.insert(place, recipe);
        }
    }

    /// Whether the disk wrote out some by itself, but for ext4's journal.
    pub fn is_reordered(&self) -> bool {
        let mut recipes = self.recipes.iter();
        recipes.all(|recipe| matches!(recipe.by_itself, ByItself::Some(_)))
    }
}

/// The disks to look at, and how many there are.
#[derive(Clone, Debug)]
pub struct Survey {
    /// In this order.
    pub groups: Vec<Group>,
    /// Points between two calls, after the server was up.
    pub points: usize,
    /// Points before.
    pub points_before: usize,
    /// Different disks at these points, if nothing but ext4's journal was written out by itself.
    pub prefixes: usize,
    /// How many of them are among those to look at.
    pub prefixes_asked: usize,
    /// How many reorderings are among them.
    pub reordered_asked: usize,
    /// The power of ten of how many reorderings there may be; none if nothing could be written in another order.
    pub reorderings_log10: Option<f64>,
}

/// A point between two calls.
struct Point {
    cut: usize,
    /// How much could be written out by itself there.
    unwritten: u64,
}

/// Finds the disks of a record.
///
/// # Errors
/// If the calls do not fit together.
pub fn survey(record: &Record, asked: &Asked) -> io::Result<Survey> {
    let mut found = Found::default();
    let mut disk = record.disk();
    let mut points = Vec::new();
    let mut points_before = 0;
    let suspicion = suspicions(record);
    for (cut, noted) in record.calls.iter().enumerate() {
        apply(&mut disk, &noted.call).map_err(|refusal| mismatch(cut, &refusal))?;
        if !noted.call.changes() {
            continue;
        }
        if record.end_of(cut).is_some_and(|end| end <= asked.from) {
            points_before += 1;
            continue;
        }
        points.push(Point {
            cut,
            unwritten: disk.unwritten(),
        });
        let journal = (record.rule == DiskModel::Ext4).then_some(ByItself::Journal);
        for by_itself in [ByItself::Nothing].into_iter().chain(journal) {
            let digest = left_of(disk.clone(), &by_itself)?.digest()?;
            found.add(digest, Recipe { cut, by_itself }, suspicion[cut]);
        }
    }
    let prefixes = found.groups.len();
    let mut draws = Draws::new(asked.seed);
    found.sort(&mut draws);
    let is_open = points.iter().any(|point| point.unwritten > 0);
    let kept = if is_open {
        asked.states / REORDERED_SHARE
    } else {
        0
    };
    let prefixes_asked = prefixes.min(asked.states.saturating_sub(kept));
    let wanted = if is_open {
        asked.states - prefixes_asked
    } else {
        0
    };
    reorder(record, (&points, wanted), &mut found, &mut draws)?;
    let mut groups = found.groups;
    let reordered = groups.split_off(prefixes);
    let reordered_asked = reordered.len();
    // What no reordering was found for is left to the others.
    let prefixes_asked = prefixes.min(asked.states.saturating_sub(reordered_asked));
    groups.truncate(prefixes_asked);
    groups.extend(reordered);
    Ok(Survey {
        groups,
        points: points.len(),
        points_before,
        prefixes,
        prefixes_asked,
        reordered_asked,
        reorderings_log10: is_open.then(|| log10_of_all(&points)),
    })
}

/// Groups by digest.
#[derive(Default)]
struct Found {
    groups: Vec<Group>,
    known: HashMap<[u8; 32], usize>,
}

impl Found {
    fn add(&mut self, digest: [u8; 32], recipe: Recipe, suspicion: u32) {
        let place = *self.known.entry(digest).or_insert(self.groups.len());
        match self.groups.get_mut(place) {
            Some(group) => {
                group.recipes.push(recipe);
                group.suspicion = group.suspicion.max(suspicion);
            }
            None => self.groups.push(Group {
                recipes: vec![recipe],
                suspicion,
                digest,
            }),
        }
    }

    /// One that wrote out some by itself. Returns whether no other holds the same.
    fn add_reordered(&mut self, digest: [u8; 32], recipe: Recipe) -> bool {
        let known = self.known.get(&digest);
        match known.and_then(|place| self.groups.get_mut(*place)) {
            Some(group) => {
                group.take_in(recipe);
                false
            }
            None => {
                self.add(digest, recipe, 0);
                true
            }
        }
    }

    /// Those that are as suspicious as each other in any order.
    fn sort(&mut self, draws: &mut Draws) {
        let mut groups: Vec<(u64, Group)> = std::mem::take(&mut self.groups)
            .into_iter()
            .map(|group| (draws.below(u64::MAX), group))
            .collect();
        groups.sort_by_key(|(drawn, group)| (u32::MAX - group.suspicion, *drawn));
        self.groups = groups.into_iter().map(|(_, group)| group).collect();
        let places = self.groups.iter().enumerate();
        self.known = places.map(|(place, group)| (group.digest, place)).collect();
    }
}

/// Finds disks that wrote out some by themselves, so many that hold what no other does.
fn reorder(
    record: &Record,
    (points, wanted): (&[Point], usize),
    found: &mut Found,
    draws: &mut Draws,
) -> io::Result<()> {
    let open: Vec<usize> = (0..points.len())
        .filter(|at| points[*at].unwritten > 0)
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let mut new = 0;
    for _ in 0..wanted.saturating_mul(DRAWS_EACH) {
        if new == wanted {
            break;
        }
        let at = open[draws.below(open.len() as u64) as usize];
        let times = (0..=draws.below(2)).map(|_| {
            let back = draws.below(REACH).min(draws.below(REACH));
            WriteBack {
                after: points[at.saturating_sub(back as usize)].cut,
                commits: record.rule == DiskModel::Ext4 && draws.below(2) == 0,
                seed: draws.below(u64::MAX),
            }
        });
        let mut times: Vec<WriteBack> = times.collect();
        times.sort_by_key(|time| time.after);
        let recipe = Recipe {
            cut: points[at].cut,
            by_itself: ByItself::Some(times),
        };
        let digest = record.build(&recipe)?.digest()?;
        new += usize::from(found.add_reordered(digest, recipe));
    }
    Ok(())
}

/// log10 of the sum of 2^n - 1 over all points: what is drawn at each, or not.
fn log10_of_all(points: &[Point]) -> f64 {
    let most = points.iter().map(|point| point.unwritten).max();
    let most = most.unwrap_or_default() as f64;
    let open = points.iter().filter(|point| point.unwritten > 0);
    let sum: f64 = open
        .map(|point| (point.unwritten as f64 - most).exp2() - (-most).exp2())
        .sum();
    most * std::f64::consts::LOG10_2 + sum.log10()
}

/// How suspicious a cut after each call is: by the calls on both sides of it.
fn suspicions(record: &Record) -> Vec<u32> {
    let mut synced: BTreeSet<Id> = BTreeSet::new();
    let weights: Vec<(u32, u32)> = record
        .calls
        .iter()
        .map(|noted| match &noted.call {
            // Right before and after it.
            Call::Rename(..) => (5, 5),
            // Before a first sync all of a file is at stake.
            Call::Sync(id, _) | Call::SyncEnd(id, ..) if synced.insert(*id) => (4, 1),
            Call::Sync(..) | Call::SyncEnd(..) => (2, 1),
            // The cut before it is the last one before what it makes durable.
            Call::SyncBegin(id, _) if !synced.contains(id) => (4, 0),
            Call::SyncBegin(..) => (2, 0),
            Call::Remove(..) | Call::SetLength(..) => (3, 3),
            Call::Make(..) | Call::Link(..) => (2, 2),
            Call::Write(..) => (1, 1),
            Call::About(..) | Call::Open(_) | Call::Close(_) => (0, 0),
        })
        .collect();
    let before = |cut: usize| weights.get(cut + 1).map_or(0, |(before, _)| *before);
    let both = weights.iter().enumerate();
    both.map(|(cut, (_, after))| before(cut).max(*after))
        .collect()
}
