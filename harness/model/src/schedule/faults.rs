//! The faults of a trial: which, when and on whom; all of the plan's, or those that are drawn for it (`[chaos]`).

use super::draws::{Draw, Draws};
use super::{PlannedInjection, PlannedSurrounding, PlannedTrial};
use crate::ids::{FaultId, Node, Seed};
use crate::plan::{Aim, Chaos, Fault, Plan};
use crate::units::Span;

/// The nodes that a fault is for; one that may be for any replica is for the one that is drawn.
pub(super) fn nodes_of(aim: Aim, replicas: u32, mut drawn: Draws) -> Vec<Node> {
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
pub(super) fn injections(
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
pub(super) fn surroundings(plan: &Plan, replicas: u32, load_seed: Seed) -> Vec<PlannedSurrounding> {
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
mod tests;
