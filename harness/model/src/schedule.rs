//! The schedule: a plan expanded under a seed. The same plan and seed give the same schedule, byte for
//! byte, on every machine: all draws are made here (`draws`), for the load (`arrivals`) and for the faults (`faults`).

mod arrivals;
mod draws;
mod faults;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{ArmId, FaultId, Node, Seed, TrialId};
use crate::plan::Plan;
use crate::plan::fault::{Mark, Nth};
use crate::shard::Shards;
use crate::units::Span;

pub use arrivals::{Arrival, ArrivalStream, clients_of};
use draws::Draw;
pub use draws::{Draws, Shuffler};
use faults::{injections, nodes_of, surroundings};

/// One kill of so many, and the last one, is followed by a long load: a server that serves for some ms and then fails is not back.
const LONG_EACH: u32 = 100;

/// It lasts as long as in a run of another kind.
const LONG: Span = Span::from_secs(2);

/// Every trial of a run, in the order they run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// What everything was drawn from.
    pub seed: Seed,
    /// The trials.
    pub trials: Vec<PlannedTrial>,
    /// Those that may follow where these do not suffice to judge a gate, in rounds of one trial of each arm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<PlannedTrial>,
    /// Those that may take the place of void ones, in rounds of one trial of each arm. In the place of a control trial one
    /// has no fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spares: Vec<PlannedTrial>,
}

/// The trials of the first `rounds` rounds of [`Schedule::further`] or a rest of it, and the rest after them.
pub fn split_rounds(further: &[PlannedTrial], rounds: u32) -> (&[PlannedTrial], &[PlannedTrial]) {
    let arms: BTreeSet<ArmId> = further.iter().map(|trial| trial.arm).collect();
    let count = arms.len().saturating_mul(rounds as usize);
    further.split_at(count.min(further.len()))
}

impl Schedule {
    /// All trials that it holds, whether they are run or not.
    pub fn all(&self) -> impl Iterator<Item = &PlannedTrial> {
        let declared = self.trials.iter().chain(&self.further);
        declared.chain(&self.spares)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut PlannedTrial> {
        let declared = self.trials.iter_mut().chain(&mut self.further);
        declared.chain(&mut self.spares)
    }

    /// The trial of this number.
    pub fn trial(&self, id: TrialId) -> Option<&PlannedTrial> {
        self.all().find(|planned| planned.id == id)
    }

    /// Has a spare trial take the place of a void one, as it was run. One that was itself in the place of another hands on what it
    /// took from that.
    pub fn replace(&mut self, void: TrialId, by: TrialId, same_faults: bool) {
        let Some(void) = self.trial(void).cloned() else {
            return;
        };
        if let Some(spare) = self.all_mut().find(|planned| planned.id == by) {
            *spare = spare.clone().in_place_of(&void, same_faults);
        }
    }

    /// What these shards carry out of it, where each round has so many trials.
    pub fn of_shards(mut self, shards: &Shards, in_each_round: usize) -> Self {
        for trials in [&mut self.trials, &mut self.further, &mut self.spares] {
            trials.retain(|trial| shards.holds(shards.index_of(trial.id, in_each_round)));
        }
        self
    }

    /// How long its trials last at least: their windows, without starting, recovering and reading back.
    pub fn least_length(&self, plan: &Plan) -> Span {
        let windows = &plan.windows;
        let before = windows.warm_up + windows.baseline;
        let mut length = Span::ZERO;
        for trial in &self.trials {
            let over = |planned: &PlannedInjection| {
                let fault = plan.fault(planned.fault);
                planned.after + fault.map_or(Span::ZERO, |fault| fault.effect.lasts())
            };
            let faults = match trial.is_control() {
                true => plan.length_of_faults(),
                false => trial.stretches().fold(Span::ZERO, |sum, stretch| {
                    sum + stretch.iter().map(over).max().unwrap_or(Span::ZERO)
                }),
            };
            length += before + trial.settle(plan) + faults;
        }
        length
    }

    /// Journals up to version 5 have no nodes in their schedule: which those are follows from the plan.
    pub(crate) fn add_nodes(&mut self, plan: &Plan) {
        for trial in self.all_mut() {
            let replicas = plan.arms.get(trial.arm.0 as usize);
            let replicas = replicas.map_or(1, |arm| arm.replicas);
            for planned in &mut trial.faults {
                if let Some(fault) = plan.fault(planned.fault) {
                    let drawn = Draw::victim(trial.load_seed, planned.fault);
                    planned.nodes = nodes_of(fault.aim, replicas, drawn);
                }
            }
        }
    }
}

/// One trial to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredTrial")]
pub struct PlannedTrial {
    /// Its number, from 1 on; in older journals from 0 on.
    pub id: TrialId,
    /// Its arm.
    pub arm: ArmId,
    /// What is done to the target, the plan's first fault first; nothing in a control trial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<PlannedInjection>,
    /// What holds for the whole of it, a control trial too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub surroundings: Vec<PlannedSurrounding>,
    /// What its traffic is drawn from.
    pub load_seed: Seed,
    /// How many trials of its arm with a fault come before it.
    #[serde(default, skip_serializing_if = "is_first")]
    pub turn: u32,
}

/// A fault of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedInjection {
    /// Which.
    pub fault: FaultId,
    /// Its moment, after the baseline's end; of one in the calm, after that began.
    pub after: Span,
    /// Whether it comes in the calm after all before it: when all was back from them, and none that comes later had begun.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_calm: bool,
    /// The nodes that it is for.
    pub nodes: Vec<Node>,
}

/// A surrounding of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSurrounding {
    /// Which.
    pub fault: FaultId,
    /// The nodes that it is for.
    pub nodes: Vec<Node>,
}

/// A trial of any version.
#[derive(Deserialize)]
struct StoredTrial {
    id: TrialId,
    arm: ArmId,
    load_seed: Seed,
    #[serde(default)]
    turn: u32,
    #[serde(default)]
    faults: Vec<PlannedInjection>,
    #[serde(default)]
    surroundings: Vec<PlannedSurrounding>,
    /// Up to version 5, where there was no more than one.
    #[serde(default)]
    fault_after: Option<Span>,
}

impl From<StoredTrial> for PlannedTrial {
    fn from(stored: StoredTrial) -> Self {
        let mut faults = stored.faults;
        faults.extend(stored.fault_after.map(|after| PlannedInjection {
            fault: FaultId::FIRST,
            after,
            in_calm: false,
            nodes: Vec::new(),
        }));
        Self {
            id: stored.id,
            arm: stored.arm,
            faults,
            surroundings: stored.surroundings,
            load_seed: stored.load_seed,
            turn: stored.turn,
        }
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_first(turn: &u32) -> bool {
    *turn == 0
}

impl PlannedTrial {
    /// The trial that is run in the place of a void one. It has its turn among the moments of a fault, and no fault where that had
    /// none. With `same_faults` it repeats the faults of the void one: drawn anew, a fault that makes trials void would
    /// vanish from what is measured.
    #[must_use]
    pub fn in_place_of(self, void: &Self, same_faults: bool) -> Self {
        let faults = match same_faults || void.is_control() {
            true => void.faults.clone(),
            false => self.faults,
        };
        Self {
            faults,
            turn: void.turn,
            ..self
        }
    }

    /// The nodes that its faults are for, each once.
    pub fn faulted(&self) -> BTreeSet<Node> {
        let nodes = self.faults.iter().flat_map(|planned| &planned.nodes);
        nodes.copied().collect()
    }

    /// Its faults in stretches: each begins in the calm after the one before it.
    pub fn stretches(&self) -> impl Iterator<Item = &[PlannedInjection]> {
        self.faults.chunk_by(|_, next| !next.in_calm)
    }

    /// What of the load a fault of the trial waits for, and after which share of a write's usual time it comes. An arm's
    /// trials take turns, and the first one's faults meet a write in flight.
    pub fn aim(&self, fault: FaultId) -> (Mark, f64) {
        let mark = match self.turn % 2 {
            0 => Mark::Request,
            _ => Mark::Reply,
        };
        (mark, Draw::moment(self.load_seed, fault).unit())
    }

    /// The how many-th event of the load a fault waits for; a trial without a fault waits for the last of the range, so that none with
    /// a fault is longer.
    pub fn nth(&self, fault: FaultId, Nth { least, most }: Nth) -> u32 {
        if self.is_control() {
            return most;
        }
        let among = u64::from(most.saturating_sub(least)) + 1;
        least + Draw::nth(self.load_seed, fault).below(among) as u32
    }

    /// How long the load of a trial lasts after the recovery, at least. In a storm some trials have a longer one than the others, the
    /// last one without a fault, too.
    pub fn settle(&self, plan: &Plan) -> Span {
        let is_long = match self.is_control() {
            true => self.id.0 == plan.controls,
            false => (self.turn + 1).is_multiple_of(LONG_EACH) || self.turn + 1 == plan.trials,
        };
        match plan.storm.is_some() && is_long {
            true => LONG.max(plan.windows.settle),
            false => plan.windows.settle,
        }
    }

    /// The draws of what a fault does to a node.
    pub fn draws(&self, fault: FaultId, node: Node) -> Draws {
        Draw::act(self.load_seed, fault, node)
    }

    /// Whether a cycle of a storm ends with a kill of the idle server, and not with a stop as usual: three of four that kill do.
    pub fn ends_by_kill(&self) -> bool {
        !self.is_control() && Draw::ending(self.load_seed).below(4) > 0
    }

    /// Whether nothing is done to the target.
    pub const fn is_control(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Expands a plan: rounds that hold each arm once, in random order, the control trial of each arm in a
/// random round, so that a drift of the machine touches all arms alike. The further rounds up to the plan's
/// `extend_to`, and behind them the spare ones, are drawn after all others: declaring them changes none of those.
pub fn expand(plan: &Plan, seed: Seed) -> Schedule {
    expand_with(plan, seed, plan.replacements)
}

/// The same for a run that is split into so many shards: each has as many spare rounds of its own as it may need. The trials are
/// those of [`expand`].
pub fn expand_split(plan: &Plan, seed: Seed, count: u32) -> Schedule {
    let rounds = plan.rounds().div_ceil(count.max(1));
    let own = plan.replacements.min(rounds);
    expand_with(plan, seed, own.saturating_mul(count))
}

/// The same with so many spare rounds.
fn expand_with(plan: &Plan, seed: Seed, spares: u32) -> Schedule {
    let mut rng = Draws::new(seed.0);
    let rounds = (plan.trials + plan.controls) as usize;
    let arms: Vec<usize> = (0..plan.arms.len())
        .filter(|arm| plan.arms[*arm].skip.is_none())
        .collect();
    let roles: Vec<Vec<bool>> = arms
        .iter()
        .map(|_| {
            let mut controls = vec![false; rounds];
            controls[..plan.controls as usize].fill(true);
            // What a storm loses before its first kill is no kill's doing.
            if plan.storm.is_none() {
                rng.shuffle(&mut controls);
            }
            controls
        })
        .collect();
    let further = plan.extend_to.saturating_sub(plan.trials) as usize;
    let mut turns = vec![0; plan.arms.len()];
    let spares = spares as usize;
    let mut trials = Vec::with_capacity((rounds + further + spares) * arms.len());
    for round in 0..rounds + further + spares {
        let mut order: Vec<(usize, &Vec<bool>)> = arms.iter().copied().zip(&roles).collect();
        rng.shuffle(&mut order);
        for (arm, controls) in order {
            // Drawn for a control trial, too, so that all others are the same without it.
            let after = Span::from_us(rng.below(plan.first_fault().jitter.as_us().max(1)));
            let load_seed = Seed(rng.next());
            let is_control = controls.get(round).is_some_and(|control| *control);
            let faults = match is_control {
                true => Vec::new(),
                false => injections(
                    (plan, plan.arms[arm].replicas),
                    load_seed,
                    Draw::choices(seed, turns[arm]),
                    after,
                ),
            };
            trials.push(PlannedTrial {
                id: TrialId(trials.len() as u32 + 1),
                arm: ArmId(arm as u32),
                faults,
                surroundings: surroundings(plan, plan.arms[arm].replicas, load_seed),
                load_seed,
                turn: turns[arm],
            });
            turns[arm] += u32::from(!is_control);
        }
    }
    let spares = trials.split_off((rounds + further) * arms.len());
    let further = trials.split_off(rounds * arms.len());
    Schedule {
        seed,
        trials,
        further,
        spares,
    }
}
