//! What waits in a proxy on its way, and so has not met a fault of the node behind it (METHOD, *What a kill met*).

use comeback_model::ids::{FaultId, Node};
use comeback_model::operation::Operation;
use comeback_model::plan::Plan;
use comeback_model::plan::fault::{Fault, HoldsBack};
use comeback_model::units::{Elapsed, Span};

use super::facts::{Facts, FaultFacts};

/// How long requests to these nodes, and their replies, may have been held back in front of them, or of what clients reach them by,
/// at some time of this stretch, and no more of what faults do there. A server that ended any reply of these operations with the connection may have ended all so.
pub(super) fn held_back(
    plan: &Plan,
    facts: &Facts,
    operations: &[&Operation],
    nodes: &[Node],
    (from, until): (Elapsed, Elapsed),
) -> HoldsBack {
    let replicas = plan.arms.get(facts.arm.0 as usize);
    let replicas = replicas.map_or(1, |arm| arm.replicas);
    let is_on_the_way = |fault: &&Fault| {
        let slow = fault.aim.candidates(replicas).into_iter();
        slow.map(depth)
            .any(|slow| nodes.iter().any(|node| slow <= depth(*node)))
    };
    let held = |fault: FaultId| {
        let own = facts.of_fault(fault).filter(|_| !facts.control);
        own.is_some_and(|own: &FaultFacts| {
            let is_over = own.effect_confirmed().is_some_and(|over| over < from);
            !is_over && own.sent().is_some_and(|sent| sent <= until)
        })
    };
    let faults = plan.possible_faults().filter(|(fault, _)| held(*fault));
    let all = faults.map(|(_, fault)| fault).chain(&plan.surroundings);
    // Clients have a store asked by others, and nobody knows in how many round trips: when the write itself arrived is not known.
    let of_one_trip = |fault: &Fault| {
        let is_asked_by_others = fault.aim.candidates(replicas).contains(&Node::Store);
        HoldsBack {
            to: fault
                .holds_back
                .to
                .filter(|_| !is_asked_by_others || fault.holds_back.is_nothing()),
            ..fault.holds_back
        }
    };
    let sum = all
        .filter(is_on_the_way)
        .map(of_one_trip)
        .fold(HoldsBack::NOTHING, HoldsBack::and);
    let from = match operations.iter().any(|operation| operation.unframed) {
        true => sum.until_close().from,
        false => sum.from,
    };
    HoldsBack {
        to: sum.to,
        from,
        cuts: sum.cuts && from != Some(Span::ZERO),
        ..HoldsBack::NOTHING
    }
}

/// How far behind the clients a node is. Another replica is as far: a write that names none may have been on its way to it.
const fn depth(node: Node) -> u8 {
    match node {
        Node::Cache => 0,
        Node::Balancer => 1,
        Node::Replica(_) => 2,
        Node::Store => 3,
    }
}

/// The nodes that a proxy stands in front of.
pub(super) fn proxied(plan: &Plan, facts: &Facts) -> Vec<Node> {
    let arm = plan.arms.get(facts.arm.0 as usize);
    arm.map(|arm| plan.proxied(arm)).unwrap_or_default()
}
