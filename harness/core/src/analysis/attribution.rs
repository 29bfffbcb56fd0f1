//! Who failed an operation, and which replica served which: what several nodes make worth asking.

use std::collections::BTreeMap;

use super::Attribution;
use super::caching::is_from_cache;
use super::facts::Facts;
use super::load::{Load, Part};
use crate::ids::Node;
use crate::operation::{ErrorClass, Operation};
use crate::plan::Arm;
use crate::summary::Culprit;

/// Attributes every measured operation of a trial.
///
/// A reply that names its process is that replica's; one that does not, although replicas do, was made by the
/// balancer. An operation without a reply is laid to whom the client spoke to. What a replica answered with a 5xx
/// while the store was down is the store's. Where there is a cache, it is whom the client spoke to: what it had stored
/// is its own; where it says that nobody replied to it, that is laid to whom it spoke to.
pub(super) fn attribute(arm: Option<&Arm>, facts: &Facts, load: &Load<'_>) -> Attribution {
    let mut attribution = Attribution::default();
    let rules = Rules { arm, facts, load };
    for operation in &load.operations {
        let node = match is_from_cache(operation) {
            true => Some(Node::Cache),
            false => operation.boot.and_then(|boot| facts.node_called(boot)),
        };
        match operation.error {
            None => *attribution.served.entry(node).or_default() += 1,
            Some(class) => {
                let culprit = rules.culprit(operation, class);
                *attribution.failed.entry(culprit).or_default() += 1;
            }
        }
    }
    attribution
}

struct Rules<'a> {
    arm: Option<&'a Arm>,
    facts: &'a Facts,
    load: &'a Load<'a>,
}

impl Rules<'_> {
    fn culprit(&self, operation: &Operation, class: ErrorClass) -> Culprit {
        let has_cache = self.arm.is_some_and(|arm| arm.cache.is_some());
        let has_balancer = self.arm.is_some_and(|arm| arm.balancer.is_some());
        let names_itself = self.arm.is_some_and(|arm| arm.target.boot_header.is_some());
        match class {
            ErrorClass::Unsent | ErrorClass::HarnessError => return Culprit::Client,
            _ => {}
        }
        if has_cache && (operation.status.is_none() || is_from_cache(operation)) {
            return Culprit::Cache;
        }
        match (operation.status, operation.boot) {
            (None, _) if has_balancer => Culprit::Balancer,
            (Some(_), None) if has_balancer && names_itself => Culprit::Balancer,
            _ if class == ErrorClass::ServerError && self.store_is_down(operation) => {
                Culprit::Store
            }
            _ => Culprit::Replica,
        }
    }

    fn store_is_down(&self, operation: &Operation) -> bool {
        self.facts.is_struck(Node::Store) && self.load.part(operation) == Part::During
    }
}

impl Attribution {
    /// Adds another.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.failed, &other.failed);
        add(&mut self.served, &other.served);
    }
}

fn add<K: Ord + Copy>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *to.entry(*key).or_default() += count;
    }
}
