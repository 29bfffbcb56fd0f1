//! How long some of the replicas, and all of them, were down: from each one's confirmed exit or pause to its own first
//! correct reply after that.

use std::collections::BTreeSet;

use comeback_model::ids::Node;
use comeback_model::plan::Arm;
use comeback_model::units::{Elapsed, Span};

use super::facts::Facts;
use super::{Downtime, NodeOutage, Time};

/// A node that was down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outage {
    pub(super) node: Node,
    pub(super) from: Elapsed,
    pub(super) back: Option<Back>,
}

/// Its first correct reply, and how much earlier it may have been back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Back {
    pub(super) at: Elapsed,
    pub(super) error: Span,
}

/// Every time a node was down, in order.
pub(super) fn outages(facts: &Facts) -> Vec<Outage> {
    let mut downs = facts.downs.clone();
    downs.sort_by_key(|(_, at, _)| *at);
    downs
        .iter()
        .map(|(node, from, _)| Outage {
            node: *node,
            from: *from,
            back: back(facts, *node, *from),
        })
        .collect()
}

/// When a node was back that went at `from`.
fn back(facts: &Facts, node: Node, from: Elapsed) -> Option<Back> {
    let correct = facts.return_after(node, from)?;
    let not_yet = correct.last_failed.unwrap_or(from).max(from);
    Some(Back {
        at: correct.at,
        error: correct.at.since(not_yet),
    })
}

/// For how much of the time until `end` some and all of the arm's replicas were down.
pub(super) fn downtime(arm: &Arm, outages: &[Outage], end: Elapsed) -> Downtime {
    let mut turns: BTreeSet<Elapsed> = BTreeSet::from([end]);
    for outage in outages {
        turns.insert(outage.from.min(end));
        turns.extend(outage.back.map(|back| back.at.min(end)));
    }
    let turns: Vec<Elapsed> = turns.into_iter().collect();
    let mut tallies = Tallies::default();
    for pair in turns.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let covers =
            |outage: &&Outage| outage.from <= from && outage.back.is_none_or(|back| back.at >= to);
        let down: Vec<&Outage> = outages.iter().filter(covers).collect();
        if let Some(tally) = tallies.of(arm, &down) {
            tally.length += to.since(from);
            tally.is_open = to == end && down.iter().any(|outage| outage.is_open(end));
            for outage in down {
                let error = outage.back.filter(|back| back.at == to);
                tally.error += error.map_or(Span::ZERO, |back| back.error);
            }
        }
    }
    Downtime {
        partial: tallies.partial.time(),
        total: tallies.total.time(),
    }
}

impl Outage {
    fn is_open(&self, end: Elapsed) -> bool {
        self.back.is_none_or(|back| back.at > end)
    }

    /// The same on the timeline that begins at `origin`.
    pub(super) fn after(&self, origin: Elapsed) -> NodeOutage {
        NodeOutage {
            node: self.node,
            from_ms: self.from.ms_after(origin),
            to_ms: self.back.map(|back| back.at.ms_after(origin)),
        }
    }
}

#[derive(Debug, Default)]
struct Tallies {
    partial: Tally,
    total: Tally,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    length: Span,
    error: Span,
    /// It lasts beyond the end.
    is_open: bool,
}

impl Tallies {
    /// What it counts as that these are down; the store is no replica, and serves no client.
    fn of(&mut self, arm: &Arm, down: &[&Outage]) -> Option<&mut Tally> {
        let nodes: BTreeSet<Node> = down.iter().map(|outage| outage.node).collect();
        let replicas = nodes.iter().filter(|node| matches!(node, Node::Replica(_)));
        let replicas = replicas.count();
        let are_all_down = replicas >= arm.replicas as usize;
        if nodes.contains(&Node::Balancer) || are_all_down {
            Some(&mut self.total)
        } else if replicas > 0 {
            Some(&mut self.partial)
        } else {
            None
        }
    }
}

impl Tally {
    fn time(self) -> Time {
        let ms = self.length.as_ms();
        match self.is_open {
            true => Time::Beyond { ms },
            false => Time::At {
                ms,
                error_ms: self.error.as_ms().min(ms),
            },
        }
    }
}
