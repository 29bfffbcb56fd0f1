//! The schedule: a plan expanded under a seed. The same plan and seed give the same schedule, byte for
//! byte, on every machine: all draws are made here, by formulas of our own over a ChaCha8 stream.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::ids::{ArmId, ClientId, FaultId, Node, Seed, TrialId};
use crate::operation::Step;
use crate::plan::fault::{Mark, Nth};
use crate::plan::{Aim, Arrivals, Chaos, Fault, Load, Plan, Workload};
use crate::shard::Shards;
use crate::units::Span;

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
        let trials = self.trials.iter_mut();
        for trial in trials.chain(&mut self.further).chain(&mut self.spares) {
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

/// The nodes that a fault is for; one that may be for any replica is for the one that is drawn.
fn nodes_of(aim: Aim, replicas: u32, mut drawn: Draws) -> Vec<Node> {
    match aim {
        Aim::AnyReplica => {
            let draw = drawn.below(u64::from(replicas.max(1)));
            vec![Node::Replica(draw as u32)]
        }
        Aim::Replica(number) => vec![Node::Replica(number)],
        Aim::AllReplicas => (0..replicas).map(Node::Replica).collect(),
        Aim::Balancer => vec![Node::Balancer],
        Aim::Store => vec![Node::Store],
        Aim::Cache => vec![Node::Cache],
    }
}

/// The faults of a trial whose first one comes `after` the baseline's end. All others draw from streams of their own, one for
/// each purpose: another fault in the plan changes no draw but its own.
fn injections(
    (plan, replicas): (&Plan, u32),
    load_seed: Seed,
    choices: Draws,
    first: Span,
) -> Vec<PlannedInjection> {
    let place = |(id, fault): (FaultId, &Fault)| PlannedInjection {
        fault: id,
        after: match (id, fault.quiet) {
            (FaultId::FIRST, _) => first,
            (_, None) => first + fault.after + Draw::lateness(load_seed, id, fault),
            (_, Some(quiet)) => quiet + Draw::lateness(load_seed, id, fault),
        },
        in_calm: fault.quiet.is_some(),
        nodes: nodes_of(fault.aim, replicas, Draw::victim(load_seed, id)),
    };
    match &plan.chaos {
        Some(chaos) => drawn((chaos, choices), (plan, replicas), load_seed, first),
        None => plan.named_faults().map(place).collect(),
    }
}

/// The faults of a trial that are drawn: one choice for each place, as long as they fit into the span. A place draws the same
/// whatever comes after it, so that more faults in a plan go on where fewer end. All arms have the same faults in the same turn.
fn drawn(
    (chaos, mut choices): (&Chaos, Draws),
    (plan, replicas): (&Plan, u32),
    load_seed: Seed,
    first: Span,
) -> Vec<PlannedInjection> {
    let mut planned = Vec::with_capacity(chaos.faults as usize);
    let mut length = Span::ZERO;
    for place in 0..chaos.faults {
        let choice = choices.weighted(&chaos.weights);
        let fault = &plan.faults[choice];
        let id = plan.id_in(place, choice);
        let in_calm = place > 0;
        let late = Span::from_us(choices.below(fault.jitter.as_us().max(1)));
        let after = match in_calm {
            false => first,
            true => fault.quiet.unwrap_or(Span::ZERO) + late,
        };
        // The span begins with the first one's moment.
        length += fault.effect.lasts() + if in_calm { after } else { Span::ZERO };
        if in_calm && chaos.span.is_some_and(|span| length > span) {
            break;
        }
        planned.push(PlannedInjection {
            fault: id,
            after,
            in_calm,
            nodes: nodes_of(fault.aim, replicas, Draw::victim(load_seed, id)),
        });
    }
    planned
}

/// The surroundings of a trial. They draw by their place among themselves: another fault in the plan changes nothing of them.
fn surroundings(plan: &Plan, replicas: u32, load_seed: Seed) -> Vec<PlannedSurrounding> {
    let named = (0..).zip(plan.named_surroundings());
    let place = |(place, (fault, surrounding)): (u32, (FaultId, &Fault))| PlannedSurrounding {
        fault,
        nodes: nodes_of(
            surrounding.aim,
            replicas,
            Draw::victim(load_seed, FaultId(Draw::SURROUNDING + place)),
        ),
    };
    named.map(place).collect()
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

/// The draws for a fault of a trial, set apart from those of the trial's traffic, of other purposes and of other faults.
struct Draw;

impl Draw {
    const VICTIM: u64 = 0x5649_4354_494d_0000;
    const MOMENT: u64 = 0x4d4f_4d45_4e54_0000;
    const NTH: u64 = 0x4e54_4800_0000_0000;
    const DELAY: u64 = 0x4445_4c41_5900_0000;
    const ACT: u64 = 0x4143_5400_0000_0000;
    const ENDING: u64 = 0x454e_4449_4e47_0000;
    /// Sets the turns of neighbouring seeds apart.
    const APART: u64 = 0x9e37_79b9_7f4a_7c15;
    const CHOICE: u64 = 0x4348_4f49_4345_0000;
    /// Sets surroundings apart from faults; a plan has fewer of those.
    const SURROUNDING: u32 = 0x8000;

    /// Which replica it is for.
    fn victim(load_seed: Seed, FaultId(fault): FaultId) -> Draws {
        Draws::new(load_seed.0 ^ Self::VICTIM ^ u64::from(fault))
    }

    /// Its moment within a write.
    fn moment(load_seed: Seed, FaultId(fault): FaultId) -> Draws {
        Draws::new(load_seed.0 ^ Self::MOMENT ^ u64::from(fault))
    }

    /// Which event of the load it waits for.
    fn nth(load_seed: Seed, FaultId(fault): FaultId) -> Draws {
        Draws::new(load_seed.0 ^ Self::NTH ^ u64::from(fault))
    }

    /// How a cycle of a storm ends.
    fn ending(load_seed: Seed) -> Draws {
        Draws::new(load_seed.0 ^ Self::ENDING)
    }

    /// How late it comes; of the first fault that is drawn with the trial.
    fn delay(load_seed: Seed, FaultId(fault): FaultId) -> Draws {
        Draws::new(load_seed.0 ^ Self::DELAY ^ u64::from(fault))
    }

    /// How much later than its plan says it comes.
    fn lateness(load_seed: Seed, id: FaultId, fault: &Fault) -> Span {
        let jitter = fault.jitter.as_us().max(1);
        Span::from_us(Self::delay(load_seed, id).below(jitter))
    }

    /// Which faults a trial has, by its turn among those of its arm, and how late they come.
    fn choices(seed: Seed, turn: u32) -> Draws {
        Draws::new(
            seed.0
                .wrapping_add(u64::from(turn).wrapping_mul(Self::APART))
                ^ Self::CHOICE,
        )
    }

    /// What it does to a node; it is for several replicas, or for one node of another kind.
    fn act(load_seed: Seed, FaultId(fault): FaultId, node: Node) -> Draws {
        let replica = match node {
            Node::Replica(replica) => u64::from(replica),
            Node::Store | Node::Balancer | Node::Cache => 0,
        };
        Draws::new(load_seed.0 ^ Self::ACT ^ replica << 16 ^ u64::from(fault))
    }
}

/// One operation the schedule wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When, after the start of the load.
    pub at: Span,
    /// By whom.
    pub client: ClientId,
    /// What; a client without a session logs in instead.
    pub step: Step,
}

/// The endless stream of arrivals for one worker of a trial.
///
/// Worker k serves the clients whose number is k modulo the number of workers, at its share of the rate:
/// the sum of independent Poisson streams is a Poisson stream, so the whole is what the plan asked for.
#[derive(Debug)]
pub struct ArrivalStream {
    draws: Draws,
    arrivals: Arrivals,
    mean_gap_us: f64,
    next_us: f64,
    worker: u32,
    workers: u32,
    clients: u64,
    choices: Choices,
}

#[derive(Debug)]
enum Choices {
    Stateless,
    Mix {
        act: u64,
        check: u64,
        logout: u64,
        total: u64,
    },
}

impl ArrivalStream {
    /// The stream of worker `worker` (from 0) of a trial.
    pub fn new(load: &Load, trial_seed: Seed, worker: u32) -> Self {
        let clients = clients_of(load, worker);
        let mean_gap_us = 1e6 / (load.rate * f64::from(clients) / f64::from(load.clients));
        let choices = match &load.workload {
            Workload::Stateless(_) => Choices::Stateless,
            Workload::Sessions(flow) => {
                let (act, check) = (u64::from(flow.mix.act), u64::from(flow.mix.check));
                let logout = match flow.logout {
                    Some(_) => u64::from(flow.mix.logout),
                    None => 0,
                };
                let browse = match flow.browse {
                    Some(_) => u64::from(flow.mix.browse),
                    None => 0,
                };
                Choices::Mix {
                    act,
                    check,
                    logout,
                    total: act + check + logout + browse,
                }
            }
        };
        // Evenly spaced streams of several workers must not fall on the same instants.
        let offset = mean_gap_us * f64::from(worker) / f64::from(load.workers);
        Self {
            draws: Draws::new(trial_seed.0 ^ (u64::from(worker) << 32)),
            arrivals: load.arrivals,
            mean_gap_us,
            next_us: offset,
            worker,
            workers: load.workers,
            clients: u64::from(clients),
            choices,
        }
    }
}

/// How many clients a worker serves.
pub const fn clients_of(load: &Load, worker: u32) -> u32 {
    (load.clients + load.workers - 1 - worker) / load.workers
}

impl Iterator for ArrivalStream {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        self.next_us += match self.arrivals {
            Arrivals::Constant => self.mean_gap_us,
            Arrivals::Poisson => -self.mean_gap_us * self.draws.unit().ln(),
        };
        let client = self.draws.below(self.clients) as u32 * self.workers + self.worker;
        let step = match self.choices {
            Choices::Stateless => Step::Get,
            Choices::Mix {
                act,
                check,
                logout,
                total,
            } => {
                let draw = self.draws.below(total);
                if draw < act {
                    Step::Act
                } else if draw < act + check {
                    Step::Check
                } else if draw < act + check + logout {
                    Step::Logout
                } else {
                    Step::Get
                }
            }
        };
        Some(Arrival {
            at: Span::from_us(self.next_us as u64),
            client: ClientId(client),
            step,
        })
    }
}

/// Puts things into a random order; the same seed and stream give the same.
#[derive(Debug)]
pub struct Shuffler(Draws);

impl Shuffler {
    /// One of many for a seed, each with draws of its own.
    pub fn new(seed: Seed, stream: u64) -> Self {
        // The golden ratio's bits keep the seeds of neighbouring streams apart.
        const APART: u64 = 0x9E37_79B9_7F4A_7C15;
        Self(Draws::new(seed.0.wrapping_add(stream.wrapping_mul(APART))))
    }

    /// Fisher–Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }
}

/// Draws with fixed formulas, so that no update of a library changes the meaning of a seed.
#[derive(Clone, Debug)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// Those of this seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in 0..bound, by multiply-shift (bias below bound/2^64).
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A place in this list, as often as its weight is a share of the sum of all; the last where that is nothing.
    fn weighted(&mut self, weights: &[u32]) -> usize {
        let total = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut drawn = self.below(total);
        let hit = weights.iter().position(|weight| {
            let is_it = drawn < u64::from(*weight);
            drawn = drawn.saturating_sub((*weight).into());
            is_it
        });
        hit.unwrap_or(weights.len().saturating_sub(1))
    }

    /// Uniform in (0, 1]: 53 random bits, never 0, so that its logarithm is finite.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Fisher–Yates.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

impl Plan {
    /// The plan of a single drawn trial: its faults are those of every trial, at the same distances.
    #[must_use]
    pub fn as_drawn_for(&self, trial: &PlannedTrial) -> Self {
        let drawn = trial.faults.iter().filter_map(|planned| {
            let fault = self.fault(planned.fault)?.clone();
            Some(match planned.in_calm {
                true => Fault {
                    quiet: Some(planned.after),
                    jitter: Span::ZERO,
                    ..fault
                },
                false => Fault {
                    quiet: None,
                    ..fault
                },
            })
        });
        Self {
            faults: drawn.collect(),
            chaos: None,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Machine;
    use crate::plan::test_plan;
    use crate::shard::HeldShard;
    use proptest::prelude::*;

    fn stream(load: &Load, seed: u64, worker: u32, count: usize) -> Vec<Arrival> {
        ArrivalStream::new(load, Seed(seed), worker)
            .take(count)
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let plan = test_plan();
        let bytes = |seed| serde_json::to_string(&expand(&plan, Seed(seed))).expect("serializes");
        assert_eq!(bytes(7), bytes(7));
        assert_ne!(bytes(7), bytes(8));
    }

    #[test]
    fn a_run_that_is_split_has_the_same_trials_and_spares_for_each_shard() {
        let mut plan = test_plan();
        (plan.trials, plan.replacements) = (11, 3);
        let whole = expand(&plan, Seed(7));
        let split = expand_split(&plan, Seed(7), 4);
        assert_eq!(split.trials, whole.trials);
        assert_eq!(split.spares[..whole.spares.len()], whole.spares);
        let rounds = whole.trials.len() / plan.arms.len();
        assert_eq!(rounds as u32, plan.rounds());
        for index in 1..=4 {
            let held = HeldShard {
                index,
                started: String::new(),
                machine: Machine::default(),
            };
            let shards = Shards::new(4, vec![held]).expect("it is one");
            let own = split.clone().of_shards(&shards, plan.in_each_round());
            let each = own.spares.len() / plan.arms.len();
            assert_eq!(
                each as u32,
                plan.replacements.min(plan.rounds().div_ceil(4))
            );
        }
    }

    #[test]
    fn what_an_act_draws_from_two_is_each_of_them_as_often() {
        let plan = test_plan();
        let draw = |seed| {
            let trials = expand(&plan, Seed(seed)).trials;
            let trial = trials.iter().find(|trial| !trial.is_control());
            let mut draws = trial?.draws(FaultId::FIRST, Node::Replica(0));
            Some(draws.below(2))
        };
        let ones = (0..400).filter(|seed| draw(*seed) == Some(1)).count();
        assert!((150..=250).contains(&ones), "{ones}");
    }

    #[test]
    fn a_seed_keeps_its_meaning_from_version_to_version() {
        let plan = test_plan();
        let first = expand(&plan, Seed(1)).trials[0].clone();
        assert_eq!(
            serde_json::to_string(&first).expect("serializes"),
            r#"{"id":1,"arm":1,"faults":[{"fault":0,"after":"76326us","nodes":["replica-0"]}],"load_seed":16136862674430550035}"#
        );
        let arrival = stream(&plan.load, 1, 0, 1)[0];
        assert_eq!(
            (arrival.at.as_us(), arrival.client.0, arrival.step),
            (9100, 0, Step::Act)
        );
    }

    #[test]
    fn a_schedule_lasts_at_least_as_long_as_its_windows() {
        let plan = test_plan();
        let schedule = expand(&plan, Seed(1));
        let after: u64 = schedule
            .trials
            .iter()
            .filter_map(|trial| Some(trial.faults.first()?.after.as_us()))
            .sum();
        // 2 arms, each with 3 trials and a control, of 200 + 1,000 + 1,000 ms.
        // A control trial lasts as long as the latest moment allows.
        let controls = schedule.trials.iter().filter(|trial| trial.is_control());
        let latest = controls.count() as u64 * plan.first_fault().jitter.as_us();
        assert_eq!(
            schedule.least_length(&plan).as_us(),
            8 * 2_200_000 + after + latest
        );
    }

    #[test]
    fn a_fault_hits_whom_it_is_aimed_at_and_any_replica_alike() {
        let nodes =
            |aim, replicas, seed| nodes_of(aim, replicas, Draw::victim(Seed(seed), FaultId::FIRST));
        let mut faulted = [0; 3];
        for seed in 0..3_000 {
            let drawn = nodes(Aim::AnyReplica, 3, seed);
            assert_eq!(drawn, nodes(Aim::AnyReplica, 3, seed));
            match drawn.as_slice() {
                [Node::Replica(number)] => faulted[*number as usize] += 1,
                other => panic!("{other:?}"),
            }
        }
        // Binomial, 1,000 expected, standard deviation 26.
        assert!(
            faulted.iter().all(|count| (900..1_100).contains(count)),
            "{faulted:?}"
        );
        assert_eq!(nodes(Aim::Store, 3, 1), [Node::Store]);
        assert_eq!(nodes(Aim::AllReplicas, 2, 1).len(), 2);
    }

    #[test]
    fn another_fault_changes_no_draw_but_its_own() {
        let one = Plan {
            extend_to: 5,
            replacements: 1,
            ..test_plan()
        };
        let mut three = one.clone();
        for after in [Span::from_ms(40), Span::ZERO] {
            three.faults.push(Fault {
                after,
                aim: Aim::AnyReplica,
                ..test_plan().first_fault().clone()
            });
        }
        for arm in &mut three.arms {
            arm.replicas = 4;
        }
        let (of_one, of_three) = (expand(&one, Seed(5)), expand(&three, Seed(5)));
        let all = |schedule: &Schedule| {
            let trials = schedule.trials.iter().chain(&schedule.further);
            trials.chain(&schedule.spares).cloned().collect::<Vec<_>>()
        };
        let (mut differ, mut aims) = (0, BTreeSet::new());
        for (mut alone, with) in all(&of_one).into_iter().zip(all(&of_three)) {
            assert_eq!(alone.is_control(), with.is_control());
            let Some(first) = with.faults.first() else {
                assert_eq!(alone, with);
                continue;
            };
            assert_eq!(first.after, alone.faults[0].after);
            assert_eq!(with.faults.len(), 3);
            let jitter = three.first_fault().jitter;
            for (planned, fault) in with.faults.iter().zip(&three.faults).skip(1) {
                let earliest = first.after + fault.after;
                assert!(planned.after >= earliest && planned.after < earliest + jitter);
                differ += u32::from(planned.nodes != first.nodes);
                aims.insert(with.aim(planned.fault).1.to_bits());
            }
            assert_eq!(with.aim(FaultId::FIRST), alone.aim(FaultId::FIRST));
            alone.faults.clone_from(&with.faults);
            assert_eq!(alone, with);
        }
        // Each fault draws its own victim and its own moment within a write.
        assert!(differ > 5, "{differ}");
        assert!(aims.len() > 20, "{}", aims.len());
    }

    #[test]
    fn a_schedule_of_an_older_journal_has_the_nodes_that_its_plan_aims_at() {
        let plan = Plan {
            faults: vec![Fault {
                aim: Aim::AnyReplica,
                ..test_plan().first_fault().clone()
            }],
            ..test_plan()
        };
        let mut plan = plan;
        for arm in &mut plan.arms {
            arm.replicas = 3;
        }
        let today = expand(&plan, Seed(9));
        let mut stored = serde_json::to_value(&today).expect("serializes");
        for trial in stored["trials"].as_array_mut().expect("a list") {
            let faults = trial.as_object_mut().expect("a trial").remove("faults");
            trial["fault_after"] = match faults {
                Some(faults) => faults[0]["after"].clone(),
                None => serde_json::Value::Null,
            };
        }
        let mut read: Schedule = serde_json::from_value(stored).expect("is read");
        read.add_nodes(&plan);
        assert_eq!(read, today);
    }

    #[test]
    fn the_event_that_a_fault_waits_for_is_drawn_for_each_trial_from_its_range() {
        let nth = Nth { least: 3, most: 40 };
        let schedule = expand(&test_plan(), Seed(5));
        let is_faulted = |trial: &&PlannedTrial| !trial.is_control();
        let trial = schedule
            .trials
            .iter()
            .find(is_faulted)
            .expect("a trial with a fault");
        let drawn = |seed| {
            let trial = PlannedTrial {
                load_seed: Seed(seed),
                ..trial.clone()
            };
            [FaultId(0), FaultId(1)].map(|fault| trial.nth(fault, nth))
        };
        let control = PlannedTrial {
            faults: Vec::new(),
            ..trial.clone()
        };
        assert_eq!(control.nth(FaultId::FIRST, nth), 40);
        let all: BTreeSet<u32> = (0..600).flat_map(drawn).collect();
        assert_eq!(all, (3..=40).collect());
        assert!((0..9).any(|seed| drawn(seed)[0] != drawn(seed)[1]));
        assert_eq!(drawn(7), drawn(7));
        assert_eq!(trial.nth(FaultId::FIRST, Nth { least: 8, most: 8 }), 8);
    }

    #[test]
    fn the_faults_of_an_arm_take_turns_whatever_controls_lie_between_and_the_first_is_within_a_request()
     {
        let plan = Plan {
            extend_to: 6,
            ..test_plan()
        };
        for seed in 0..20 {
            let schedule = expand(&plan, Seed(seed));
            let all = || schedule.trials.iter().chain(&schedule.further);
            for arm in [ArmId(0), ArmId(1)] {
                let faulted = all().filter(|trial| trial.arm == arm && !trial.is_control());
                let marks: Vec<Mark> = faulted.map(|trial| trial.aim(FaultId::FIRST).0).collect();
                assert_eq!(marks, [Mark::Request, Mark::Reply].repeat(3));
            }
        }
    }

    #[test]
    fn further_rounds_are_taken_whole_and_as_many_as_are_left() {
        let plan = Plan {
            extend_to: 6,
            ..test_plan()
        };
        let schedule = expand(&plan, Seed(3));
        let ids = |trials: &[PlannedTrial]| -> Vec<u32> {
            trials.iter().map(|trial| trial.id.0).collect()
        };
        let (first, rest) = split_rounds(&schedule.further, 2);
        assert_eq!(ids(first), [9, 10, 11, 12]);
        let (last, none) = split_rounds(rest, 2);
        assert_eq!((ids(last), ids(none)), (vec![13, 14], vec![]));
        assert_eq!(split_rounds(&schedule.further, u32::MAX).0.len(), 6);
    }

    #[test]
    fn spare_trials_are_drawn_behind_all_others_and_declaring_them_changes_none() {
        let declared = Plan {
            extend_to: 5,
            ..test_plan()
        };
        let spared = Plan {
            replacements: 2,
            ..declared.clone()
        };
        let (without, with) = (expand(&declared, Seed(3)), expand(&spared, Seed(3)));
        assert_eq!(
            (&with.trials, &with.further),
            (&without.trials, &without.further)
        );
        // Two arms with three trials, a control and two further ones each.
        let ids: Vec<u32> = with.spares.iter().map(|spare| spare.id.0).collect();
        assert_eq!(ids, [13, 14, 15, 16]);
        for round in with.spares.chunks(2) {
            assert_ne!(round[0].arm, round[1].arm);
        }
        assert_eq!(expand(&spared, Seed(3)), with);
    }

    #[test]
    fn a_skipped_arm_has_no_trials() {
        let mut plan = test_plan();
        plan.arms[0].skip = Some("not here".into());
        assert!(
            expand(&plan, Seed(3))
                .trials
                .iter()
                .all(|trial| trial.arm != ArmId(0))
        );
    }

    proptest! {
        #[test]
        fn further_rounds_are_drawn_behind_all_others(
            seed: u64, trials in 1u32..6, controls in 0u32..3, more in 0u32..6,
        ) {
            let declared = Plan { trials, extend_to: trials, controls, ..test_plan() };
            let extended = Plan { extend_to: trials + more, ..declared.clone() };
            let (first, whole) = (expand(&declared, Seed(seed)), expand(&extended, Seed(seed)));
            prop_assert_eq!(&first.trials, &whole.trials);
            prop_assert!(first.further.is_empty());
            let longer = Plan { extend_to: trials + more + 1, ..declared };
            prop_assert!(expand(&longer, Seed(seed)).further.starts_with(&whole.further));
            let arms = whole.trials.iter().map(|trial| trial.arm).collect::<BTreeSet<_>>().len();
            prop_assert_eq!(whole.further.len(), more as usize * arms);
            for round in whole.further.chunks(arms) {
                let own: BTreeSet<ArmId> = round.iter().map(|trial| trial.arm).collect();
                prop_assert_eq!(own.len(), arms);
                prop_assert!(round.iter().all(|trial| !trial.is_control()));
            }
            let ids = whole.trials.iter().chain(&whole.further).map(|trial| trial.id.0);
            prop_assert!(ids.eq(1..=(trials + controls + more) * arms as u32));
        }

        #[test]
        fn every_arm_gets_its_trials_and_controls(seed: u64, trials in 1u32..8, controls in 0u32..3) {
            let plan = Plan { trials, controls, ..test_plan() };
            let schedule = expand(&plan, Seed(seed));
            for arm in 0..plan.arms.len() as u32 {
                let own: Vec<_> = schedule.trials.iter().filter(|t| t.arm == ArmId(arm)).collect();
                prop_assert_eq!(own.len() as u32, trials + controls);
                prop_assert_eq!(own.iter().filter(|t| t.is_control()).count() as u32, controls);
                for planned in own.iter().flat_map(|t| &t.faults) {
                    prop_assert!(planned.after < plan.first_fault().jitter);
                }
            }
        }

        #[test]
        fn each_worker_serves_its_own_clients_at_its_share_of_the_rate(
            seed: u64, clients in 1u32..50, workers in 1u32..4, poisson: bool,
        ) {
            let workers = workers.min(clients);
            let mut load = Load { clients, workers, rate: 1_000.0, ..test_plan().load };
            load.arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
            let mut total = 0;
            for worker in 0..workers {
                total += clients_of(&load, worker);
                let drawn = stream(&load, seed, worker, 4_000);
                prop_assert!(drawn.iter().all(|a| a.client.0 < clients && a.client.0 % workers == worker));
                prop_assert!(drawn.is_sorted_by_key(|a| a.at));
                let seconds = drawn[3_999].at.as_secs();
                let wanted = 4_000.0 / (1_000.0 * f64::from(clients_of(&load, worker)) / f64::from(clients));
                // 4,000 exponential gaps: standard deviation 1.6 %, so 10 % is beyond six of them.
                prop_assert!((seconds / wanted - 1.0).abs() < 0.1, "{} against {}", seconds, wanted);
            }
            prop_assert_eq!(total, clients);
        }
    }
}
