//! Who failed an operation, and which replica served which: what several nodes make worth asking.

use std::collections::BTreeMap;

use comeback_model::ids::Node;
use comeback_model::operation::{ErrorClass, Operation};
use comeback_model::plan::Arm;

use super::Attribution;
use super::caching::is_from_cache;
use super::facts::Facts;
use super::load::Load;
use crate::measure::Culprit;

/// Attributes operations of a trial.
///
/// A reply that names its process is that replica's, and so is one of which the balancer says so; where the balancer
/// says which replica it asked in vain, that one failed. Any other reply was made by the balancer, if replicas are
/// named at all. An operation without a reply is laid to whom the client spoke to. What a replica answered with a 5xx
/// while the store was down is the store's. Where there is a cache, it is whom the client spoke to: what it had stored
/// is its own; where it says that nobody replied to it, that is laid to whom it spoke to.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    facts: &'a Facts,
    load: &'a Load<'a>,
    has_cache: bool,
    has_balancer: bool,
    /// Whether ordinary replies name the replica.
    are_named: bool,
}

impl<'a> Rules<'a> {
    /// The rules for a trial.
    pub(super) fn new(arm: Option<&Arm>, facts: &'a Facts, load: &'a Load<'a>) -> Self {
        let relays = || load.operations.iter().any(|it| it.replica.is_some());
        Self {
            facts,
            load,
            has_cache: arm.is_some_and(|arm| arm.cache.is_some()),
            has_balancer: arm.is_some_and(|arm| arm.balancer.is_some()),
            are_named: arm.is_some_and(|arm| arm.target.boot_header.is_some()) || relays(),
        }
    }

    /// Every measured operation of the trial.
    pub(super) fn attribute(&self) -> Attribution {
        let mut attribution = Attribution::default();
        for operation in &self.load.operations {
            self.count(operation, &mut attribution);
        }
        attribution
    }

    /// Counts one operation.
    pub(super) fn count(&self, operation: &Operation, to: &mut Attribution) {
        let Some(class) = operation.error else {
            let node = match is_from_cache(operation) {
                true => Some(Node::Cache),
                false => self.facts.answered_by(operation),
            };
            *to.served.entry(node).or_default() += 1;
            return;
        };
        let culprit = self.culprit(operation, class);
        *to.failed.entry(culprit).or_default() += 1;
        if culprit == Culprit::Replica {
            let vain = self.facts.failed_by(operation);
            let node = vain.or_else(|| self.facts.answered_by(operation));
            if let Some(node) = node {
                *to.failed_by.entry(node).or_default() += 1;
            }
        }
    }

    fn culprit(&self, operation: &Operation, class: ErrorClass) -> Culprit {
        match class {
            ErrorClass::Unsent | ErrorClass::HarnessError => return Culprit::Client,
            _ => {}
        }
        if self.has_cache && (operation.status.is_none() || is_from_cache(operation)) {
            return Culprit::Cache;
        }
        let is_named = operation.boot.is_some() || operation.replica.is_some();
        match operation.status {
            _ if operation.failed_replica.is_some() => Culprit::Replica,
            None if self.has_balancer => Culprit::Balancer,
            Some(_) if self.has_balancer && self.are_named && !is_named => Culprit::Balancer,
            _ if class == ErrorClass::ServerError && self.store_is_down(operation) => {
                Culprit::Store
            }
            _ => Culprit::Replica,
        }
    }

    fn store_is_down(&self, operation: &Operation) -> bool {
        self.load.is_under_way(operation, Node::Store)
    }
}

impl Attribution {
    /// Adds another.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.failed, &other.failed);
        add(&mut self.served, &other.served);
        add(&mut self.failed_by, &other.failed_by);
    }
}

fn add<K: Ord + Copy>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *to.entry(*key).or_default() += count;
    }
}
