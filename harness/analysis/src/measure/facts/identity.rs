//! Which process gave a reply: by its own name, by what the balancer says, or by elimination.

use std::collections::BTreeSet;

use comeback_model::event::Evidence;
use comeback_model::ids::{BootId, Node};
use comeback_model::operation::Operation;
use comeback_model::units::Elapsed;

use super::{Facts, FaultFacts};

impl Facts {
    /// The node that calls itself so: at its first start, or as one that was faulted and came back.
    pub(in crate::measure) fn node_called(&self, boot: BootId) -> Option<Node> {
        let mut first = self.boots.iter();
        let first = first.find(|(_, its)| **its == boot).map(|(node, _)| *node);
        first.or_else(|| {
            let mut returned = self.faults.values().flat_map(|own| &own.returned);
            let back = returned.find(|(_, back)| back.evidence == Evidence::BootId(boot))?;
            Some(*back.0)
        })
    }

    /// The replica that gave an operation's reply: by its own name, else by what the balancer says.
    pub(in crate::measure) fn answered_by(&self, operation: &Operation) -> Option<Node> {
        let named = operation.boot.and_then(|boot| self.node_called(boot));
        let relayed = || operation.replica.map(Node::Replica);
        named.or_else(|| relayed().filter(|node| self.nodes.contains(node)))
    }

    /// The replica that the balancer says it asked in vain.
    pub(in crate::measure) fn failed_by(&self, operation: &Operation) -> Option<Node> {
        let failed = operation.failed_replica.map(Node::Replica);
        failed.filter(|node| self.nodes.contains(node))
    }

    /// Whether an operation may have met a fault of these nodes: not where its reply came from a replica that is none of them,
    /// and all that the fault hit are replicas. One that names no replica may have been sent to any.
    pub(in crate::measure) fn may_meet(&self, operation: &Operation, own: &FaultFacts) -> bool {
        let nodes: Vec<Node> = own.nodes().collect();
        let are_replicas = nodes.iter().all(|node| matches!(node, Node::Replica(_)));
        let met = [self.failed_by(operation), self.answered_by(operation)];
        let mut named = met.into_iter().flatten().peekable();
        !are_replicas || named.peek().is_none() || named.any(|node| nodes.contains(&node))
    }

    /// Whether what the client learned from this operation was so before the fault took effect.
    ///
    /// A reply read after T0 may be the old process's: it says so by its boot id, or, from a server
    /// without one, its request left before T0 on a connection that no new process can have answered, and nobody but
    /// a process that the fault ended can have given the reply. Without a fault everything is before.
    pub(in crate::measure) fn is_before_effect(&self, operation: &Operation) -> bool {
        let Some(confirmed) = self.effect_confirmed() else {
            return true;
        };
        operation.finished <= confirmed
            || match operation.boot {
                Some(boot) => self.is_of_the_dead(boot),
                None => {
                    operation.status.is_some()
                        && operation.asked().is_some_and(|at| at <= confirmed)
                        && self.is_by_the_dead(operation)
                }
            }
    }

    /// Whether nobody but a process of a faulted node can have given a reply that names no process: of one whose fault
    /// had not taken effect when it was asked.
    fn is_by_the_dead(&self, operation: &Operation) -> bool {
        let asked = operation.asked();
        let mut faults = self
            .faults
            .values()
            .filter(|own| asked <= own.effect_confirmed());
        match self.answered_by(operation) {
            Some(node) => faults.any(|own| own.faulted.contains_key(&node)),
            None => self.is_alone() || self.fault_of_all_replicas().is_some(),
        }
    }

    /// Whether a process that a fault ended called itself so. One that only stood still may answer again.
    fn is_of_the_dead(&self, boot: BootId) -> bool {
        self.end_of(boot).is_some()
    }

    /// When a fault had ended all that called itself so before, if one did.
    pub(in crate::measure) fn end_of(&self, boot: BootId) -> Option<Elapsed> {
        let hits = self.hits().into_iter();
        let mut ended = hits.filter(|hit| hit.exit.is_some());
        let hit = ended.find(|hit| self.name_of_hit(hit) == Some(boot))?;
        Some(hit.at)
    }

    /// What the processes may call themselves that answer after the recovery; nothing where one of them is known by
    /// its socket only, or where one ended by itself and may have been followed by another.
    pub(in crate::measure) fn names_after(&self) -> Option<BTreeSet<BootId>> {
        let faults = self.faults.values();
        let back = faults.flat_map(|own| own.returned.values().chain(&own.correct));
        let mut names: BTreeSet<BootId> = self.boots.values().copied().collect();
        for correct in back {
            match correct.evidence {
                Evidence::BootId(boot) => names.insert(boot),
                Evidence::SocketOwner(_) | Evidence::AfterEnd => return None,
            };
        }
        Some(names).filter(|_| self.unexpected.is_empty())
    }
}
