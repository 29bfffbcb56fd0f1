//! What the events say of one fault of a trial.

use std::collections::{BTreeMap, BTreeSet};

use comeback_model::event::Exit;
use comeback_model::ids::Node;
use comeback_model::units::{Elapsed, Span};

use super::{Correct, Drained};

/// One fault, by its events alone. What the other faults of the trial did to its recovery is told by [`super::Facts`].
#[derive(Debug, Default)]
pub(in crate::measure) struct FaultFacts {
    /// How long before the fault the acknowledgement that it waited for was read, and how long before it had not come yet.
    pub(in crate::measure) aimed: Option<(Span, Option<Span>)>,
    /// When the fault was begun with each node that it hit: its drain, else the signal.
    pub(super) requests: BTreeMap<Node, Elapsed>,
    /// Its signal was sent to some node: more than a drain.
    pub(super) signalled: bool,
    /// Its effect was confirmed, on each node that it hit: the node ended so, stood still, or went on under worse conditions.
    pub(super) faulted: BTreeMap<Node, (Elapsed, Option<Exit>)>,
    /// When what it ended was last known to be there, where the end was seen from outside only.
    pub(super) alive: Option<Elapsed>,
    /// Processes of each node that a stop had to kill, for they did not end in their time of grace.
    pub(in crate::measure) took_kill: BTreeMap<Node, Vec<i32>>,
    /// Those that stood still may go on, or the conditions are as before.
    pub(in crate::measure) resumed: Option<Elapsed>,
    /// The nodes of which the conditions are as before.
    pub(super) restored: BTreeSet<Node>,
    /// It ends nothing: conditions are worse for a while. Its effect is complete when that is over.
    pub(in crate::measure) degrades: bool,
    /// The first correct reply of each node that was faulted, after that.
    pub(super) returned: BTreeMap<Node, Correct>,
    /// What became of telling the balancer to spare a replica, in order.
    pub(in crate::measure) drains: Vec<Drained>,
    /// Of a surrounding: when it was last applied to each node. It is applied to each of a node's starts.
    pub(super) applied: BTreeMap<Node, Elapsed>,
    /// It did nothing more to its nodes from then on.
    pub(super) ended: Option<Elapsed>,
    /// Why the fault is taken not to have landed.
    pub(in crate::measure) missed: Option<String>,
    /// The first accepted connection, and the last refused one.
    pub(in crate::measure) accepted: Option<(Elapsed, Option<Elapsed>)>,
    /// The first correct reply of all that it hit.
    pub(in crate::measure) correct: Option<Correct>,
    /// The recovery was given up, and what the last probe saw.
    pub(in crate::measure) given_up: Option<(Elapsed, String)>,
}

impl FaultFacts {
    /// When its effect was complete, and the last of the exits that it consists of; none of a fault that ends nothing.
    pub(in crate::measure) fn injected(&self) -> Option<(Elapsed, Option<Exit>)> {
        self.faulted.values().copied().max_by_key(|(at, _)| *at)
    }

    /// T0: its effect was complete.
    pub(in crate::measure) fn effect_confirmed(&self) -> Option<Elapsed> {
        self.injected().map(|(at, _)| at)
    }

    /// The moment that times after the fault count from, and by how much the end may have come later: T0, but for an end that was seen from
    /// outside. There it is the last moment at which the server was surely there, so that no time is told too short.
    pub(in crate::measure) fn counted_from(&self) -> Option<(Elapsed, Span)> {
        let confirmed = self.effect_confirmed()?;
        let from = self.alive.map_or(confirmed, |alive| alive.min(confirmed));
        Some((from, confirmed.since(from)))
    }

    /// Whether its end was seen from outside only.
    pub(in crate::measure) const fn is_seen_outside(&self) -> bool {
        self.alive.is_some()
    }

    /// K: it was sent, to the first that it hits.
    pub(in crate::measure) fn sent(&self) -> Option<Elapsed> {
        let requested = self.requests.values().min().copied();
        requested.or(self.effect_confirmed())
    }

    /// When it was sent to this node.
    pub(in crate::measure) fn sent_to(&self, node: Node) -> Option<Elapsed> {
        self.requests.get(&node).copied().or(self.sent())
    }

    /// Whether it did something to a node, be it without effect. A balancer that was told to spare one is nothing of that.
    pub(in crate::measure) fn was_signalled(&self) -> bool {
        self.signalled || self.effect_confirmed().is_some()
    }

    /// When it was sent to each of those that it hits, in order.
    pub(in crate::measure) fn injections(&self) -> Vec<Elapsed> {
        let mut injections: Vec<Elapsed> = self.requests.values().copied().collect();
        injections.sort_unstable();
        injections
    }

    /// From the first to the last of those that a fault was sent to, in ms; absent unless it was sent to several.
    pub(in crate::measure) fn spread_ms(&self) -> Option<f64> {
        let injections = self.injections();
        let (first, last) = (injections.first()?, injections.last()?);
        (injections.len() > 1).then(|| last.ms_after(*first))
    }

    /// Whether its effect was confirmed, and nothing denies it.
    pub(in crate::measure) fn landed(&self) -> bool {
        self.effect_confirmed().is_some() && self.missed.is_none()
    }

    /// The nodes that it was sent to, or took effect on.
    pub(in crate::measure) fn nodes(&self) -> impl Iterator<Item = Node> {
        let all = self.requests.keys().chain(self.faulted.keys());
        all.copied().collect::<BTreeSet<_>>().into_iter()
    }

    /// Whether it took effect on this node.
    pub(in crate::measure) fn hit(&self, node: Node) -> bool {
        self.faulted.contains_key(&node)
    }

    /// Those that it ended so.
    pub(in crate::measure) fn faulted_as(&self, how: Exit) -> impl Iterator<Item = Node> {
        let ended = self.faulted.iter();
        ended
            .filter(move |(_, (_, exit))| *exit == Some(how))
            .map(|(node, _)| *node)
    }
}
