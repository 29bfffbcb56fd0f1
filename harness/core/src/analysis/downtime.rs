//! How long some of the replicas, and all of them, were down: from each one's confirmed exit to its first correct
//! reply after that.

use std::collections::BTreeSet;

use super::facts::Facts;
use super::load::Load;
use super::{Downtime, NodeOutage, Time};
use crate::ids::Node;
use crate::plan::Arm;
use crate::units::{Elapsed, Span};

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
pub(super) fn outages(facts: &Facts, load: &Load<'_>) -> Vec<Outage> {
    let mut exits = facts.exits.clone();
    exits.sort_by_key(|(_, at)| *at);
    exits
        .iter()
        .map(|(node, from)| Outage {
            node: *node,
            from: *from,
            back: back(facts, load, (*node, *from)),
        })
        .collect()
}

/// When a node was back that went at `from`. The probe asks what was struck; where that was several replicas at once
/// it asks them through the balancer, and which of them answered, and when another did, only the balancer's replies to
/// the load say.
fn back(facts: &Facts, load: &Load<'_>, (node, from): (Node, Elapsed)) -> Option<Back> {
    let mut struck = facts.struck().map(|(node, _)| node);
    let is_only_one = struck.next() == Some(node) && struck.next().is_none();
    if is_only_one {
        let correct = facts.correct.filter(|correct| correct.at > from)?;
        let not_yet = correct.last_failed.unwrap_or(from).max(from);
        return Some(Back {
            at: correct.at,
            error: correct.at.since(not_yet),
        });
    }
    let Node::Replica(number) = node else {
        return None;
    };
    let replies = load.operations.iter().filter(|operation| {
        operation.is_correct()
            && operation.replica == Some(number)
            && operation.sent.is_some_and(|sent| sent >= from)
    });
    let first = replies.map(|operation| operation.finished).min()?;
    Some(Back {
        at: first,
        error: first.since(from),
    })
}

/// For how much of the time until `end` some and all of the arm's replicas were down.
///
/// Where all went at once, the probe's first correct reply through the balancer says that one is back, though not
/// which: from then on they count as partly down.
pub(super) fn downtime(arm: &Arm, facts: &Facts, outages: &[Outage], end: Elapsed) -> Downtime {
    let one_back = facts.correct.filter(|_| facts.struck().count() > 1);
    let mut turns: BTreeSet<Elapsed> = BTreeSet::from([end]);
    turns.extend(one_back.map(|correct| correct.at.min(end)));
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
        let is_one_back = one_back.is_some_and(|correct| {
            correct.at <= from && down.iter().all(|outage| outage.from < correct.at)
        });
        if let Some(tally) = tallies.of(arm, &down, is_one_back) {
            tally.length = tally.length + to.since(from);
            tally.is_open = to == end && down.iter().any(|outage| outage.is_open(end));
            for outage in down {
                let error = outage.back.filter(|back| back.at == to);
                tally.error = tally.error + error.map_or(Span::ZERO, |back| back.error);
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
    fn of(&mut self, arm: &Arm, down: &[&Outage], is_one_back: bool) -> Option<&mut Tally> {
        let nodes: BTreeSet<Node> = down.iter().map(|outage| outage.node).collect();
        let replicas = nodes.iter().filter(|node| matches!(node, Node::Replica(_)));
        let replicas = replicas.count();
        let are_all_down = replicas >= arm.replicas as usize && !is_one_back;
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
