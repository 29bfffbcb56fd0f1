//! Which recovery belongs to which fault (METHOD §10). A node is back from a fault with its first correct reply after the
//! fault's effect on it. Where another fault hits it before that, the other has *overtaken* the first, and both are over
//! with one reply.

use comeback_model::event::{Evidence, Exit};
use comeback_model::ids::{BootId, FaultId, Incarnation, Node};
use comeback_model::units::Elapsed;

use super::{Correct, Facts, FaultFacts, Restart};

/// A fault's effect on one node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::measure) struct Hit {
    pub(in crate::measure) fault: FaultId,
    pub(in crate::measure) node: Node,
    /// When its effect was complete.
    pub(in crate::measure) at: Elapsed,
    /// When it began to have one. Worse conditions are complete when they are over, a crash loop with its last end.
    pub(in crate::measure) begun: Elapsed,
    /// How it ended; absent where it stood still.
    pub(in crate::measure) exit: Option<Exit>,
}

impl Facts {
    /// Every effect on every node, in order. None in a control trial.
    pub(in crate::measure) fn hits(&self) -> Vec<Hit> {
        let faults = self.faults.iter().filter(|_| !self.control);
        let mut hits: Vec<Hit> = faults
            .flat_map(|(fault, own)| {
                let faulted = own.faulted.iter();
                faulted.map(|(node, (at, exit))| Hit {
                    fault: *fault,
                    node: *node,
                    at: *at,
                    begun: match own.degrades {
                        true => own.sent_to(*node).unwrap_or(*at),
                        false => self.first_of_several_ends(*node, *fault).unwrap_or(*at),
                    },
                    exit: *exit,
                })
            })
            .collect();
        hits.sort_by_key(|hit| (hit.at, hit.fault, hit.node));
        hits
    }

    /// When a fault ended a node for the first time, if it did so more than once.
    pub(super) fn first_of_several_ends(&self, node: Node, fault: FaultId) -> Option<Elapsed> {
        let is_its =
            |(of, _, by): &&(Node, Elapsed, Option<FaultId>)| *of == node && *by == Some(fault);
        let mut downs = self.downs.iter().filter(is_its);
        let (_, first, _) = downs.next()?;
        downs.next().map(|_| *first)
    }

    /// When a node had no process by a fault: from each end by it until a process of the next start had begun, if one did. Others of
    /// its group may end later than the first of them. Of a server on another machine nobody knows when its process had begun, but it had
    /// not when its start was begun.
    pub(in crate::measure) fn absences(&self, is_remote: bool) -> Vec<(Elapsed, Option<Elapsed>)> {
        let faulted = |node: &Node, by: &Option<FaultId>| {
            let own = by.and_then(|by| self.faults.get(&by)?.faulted.get(node));
            own.filter(|(_, exit)| exit.is_some() && !self.control)
        };
        let absence = |(node, end, by): &(Node, Elapsed, Option<FaultId>)| {
            let (all_ended, _) = faulted(node, by)?;
            let starts = self.restarts.iter().filter(|(of, _)| of == node);
            let starts = starts.map(|(_, restart)| match is_remote {
                true => restart.requested,
                false => restart.executed,
            });
            let next = starts.filter(|start| start >= end).min();
            let is_of_this_end = next.is_none_or(|next| *all_ended <= next);
            let from = match is_of_this_end {
                true => *end.max(all_ended),
                false => *end,
            };
            Some((from, next))
        };
        self.downs.iter().filter_map(absence).collect()
    }

    /// When the started process of a node ended by this effect, which may leave others of its group for a while.
    pub(in crate::measure) fn ended_by(&self, hit: &Hit) -> Elapsed {
        let mut downs = self.downs.iter();
        let its = downs.rfind(|(node, _, fault)| *node == hit.node && *fault == Some(hit.fault));
        its.map_or(hit.at, |(_, at, _)| *at)
    }

    /// The correct replies of a node that probes waited for, in order. The store and the balancer answer nobody
    /// themselves: theirs is the first of the service, where a fault hit nothing else.
    fn returns(&self, node: Node) -> Vec<Correct> {
        let of_fault = |own: &FaultFacts| {
            let is_alone = own.faulted.len() == 1 && own.faulted.contains_key(&node);
            let returned = own.returned.get(&node).copied();
            returned.or_else(|| own.correct.filter(|_| is_alone))
        };
        let mut returns: Vec<Correct> = self.faults.values().filter_map(of_fault).collect();
        returns.sort_by_key(|back| back.at);
        returns
    }

    /// What a node called itself last before that moment.
    fn name_before(&self, node: Node, at: Elapsed) -> Option<BootId> {
        let returns = self.returns(node).into_iter();
        let before = returns.filter(|back| back.at < at);
        let mut named = before.filter_map(|back| match back.evidence {
            Evidence::BootId(boot) => Some(boot),
            Evidence::SocketOwner(_) | Evidence::AfterEnd => None,
        });
        named.next_back().or_else(|| self.boots.get(&node).copied())
    }

    /// What the process called itself that was hit.
    pub(super) fn name_of_hit(&self, hit: &Hit) -> Option<BootId> {
        self.name_before(hit.node, hit.at)
    }

    /// The first correct reply of the node after this effect on it. A process that the fault ended gives none, whenever its
    /// last reply is read.
    pub(in crate::measure) fn back_from(&self, hit: &Hit) -> Option<Correct> {
        let ended = hit.exit.and_then(|_| self.name_of_hit(hit));
        let is_by_the_ended = |back: &Correct| match back.evidence {
            Evidence::BootId(boot) => Some(boot) == ended,
            Evidence::SocketOwner(_) | Evidence::AfterEnd => false,
        };
        let mut returns = self.returns(hit.node).into_iter();
        returns.find(|back| back.at >= hit.at && !is_by_the_ended(back))
    }

    /// The next effect on the node, where it came before the node was back.
    pub(in crate::measure) fn overtaking(&self, hit: &Hit) -> Option<Hit> {
        let back = self.back_from(hit);
        let order = |hit: &Hit| (hit.at, hit.fault);
        let hits = self.hits().into_iter();
        let mut later = hits.filter(|other| other.node == hit.node && order(other) > order(hit));
        later.find(|other| back.is_none_or(|back| back.at >= other.begun))
    }

    /// The fault that hit a node before it was back from this one; the first of several.
    pub(in crate::measure) fn overtaken_by(&self, fault: FaultId) -> Option<Hit> {
        let hits = self.hits().into_iter();
        let own = hits.filter(|hit| hit.fault == fault);
        own.filter_map(|hit| self.overtaking(&hit))
            .min_by_key(|other| (other.begun, other.fault))
    }

    /// Whether a fault hit nothing but nodes that were not back from another: no request can have been under way there.
    pub(in crate::measure) fn hits_what_is_down(&self, fault: FaultId) -> bool {
        let hits = self.hits();
        let is_down = |hit: &&Hit| {
            let mut others = hits.iter().filter(|other| *other != *hit);
            others.any(|other| self.overtaking(other).as_ref() == Some(*hit))
        };
        let mut own = hits.iter().filter(|hit| hit.fault == fault).peekable();
        own.peek().is_some() && own.all(|hit| is_down(&hit))
    }

    /// The reply with which a node was back from this effect, and from those that came before it was.
    fn back_at_last(&self, hit: &Hit) -> Option<Correct> {
        match self.overtaking(hit) {
            // Later than this one, so that it comes to an end.
            Some(other) => self.back_at_last(&other),
            None => self.back_from(hit),
        }
    }

    /// The reply with which all that a fault hit was back. Where another fault overtook it, both were back with the same
    /// replies. Not where the wait for it was given up: a node that was overtaken has the later horizon by then.
    pub(in crate::measure) fn correct_of(&self, fault: FaultId) -> Option<Correct> {
        let own = self.faults.get(&fault)?;
        if own.given_up.is_some() {
            return None;
        }
        if self.overtaken_by(fault).is_none() {
            return self.correct_after(fault, own);
        }
        let hits = self.hits().into_iter();
        let own = hits.filter(|hit| hit.fault == fault);
        let back: Option<Vec<Correct>> = own.map(|hit| self.back_at_last(&hit)).collect();
        back?.into_iter().max_by_key(|back| back.at)
    }

    /// R of one fault. Never in a control trial.
    pub(in crate::measure) fn recovered_from(&self, fault: FaultId) -> Option<Elapsed> {
        let correct = self.correct_of(fault).filter(|_| !self.control);
        correct.map(|correct| correct.at)
    }

    /// The service's first correct reply after a fault's effect, by a process that the fault did not end; or that of the last node
    /// which the fault hit: a balancer answers as soon as one does.
    fn correct_after(&self, fault: FaultId, own: &FaultFacts) -> Option<Correct> {
        let correct = own.correct?;
        let is_after = own
            .effect_confirmed()
            .is_none_or(|confirmed| correct.at >= confirmed);
        let mut ended = self
            .hits()
            .into_iter()
            .filter(|hit| hit.fault == fault && hit.exit.is_some());
        let is_by_the_ended = ended.any(|hit| {
            let name = self.name_of_hit(&hit).map(Evidence::BootId);
            name == Some(correct.evidence)
        });
        let all = own.returned.values().copied().chain([correct]);
        all.max_by_key(|back| back.at)
            .filter(|_| is_after && !is_by_the_ended)
    }

    /// R: the first correct reply after which all that any fault hit was back. Never in a control trial.
    pub(in crate::measure) fn recovered(&self) -> Option<Elapsed> {
        let mut last = None;
        for (fault, own) in &self.faults {
            if !own.faulted.is_empty() || own.correct.is_some() {
                last = last.max(Some(self.recovered_from(*fault)?));
            }
        }
        last
    }

    /// The first reply of a node after it went down at this moment.
    pub(in crate::measure) fn return_after(&self, node: Node, from: Elapsed) -> Option<Correct> {
        self.returns(node).into_iter().find(|back| back.at > from)
    }

    /// The reply by which a node was back from the last fault that hit it.
    pub(in crate::measure) fn return_of(&self, node: Node) -> Option<Correct> {
        let mut hits = self.hits().into_iter();
        let last = hits.rfind(|hit| hit.node == node)?;
        self.back_from(&last)
    }

    /// How many starts of a node that was faulted ended before it served again.
    pub(in crate::measure) fn failed_starts(&self, node: Node) -> u32 {
        let hits = self.hits().into_iter().filter(|hit| hit.node == node);
        let hits: Vec<_> = hits.map(|hit| (hit, self.back_from(&hit))).collect();
        let failed = self.unexpected.iter().filter(|ended| {
            let (of, incarnation) = ended.start;
            let is_awaited = |(hit, back): &(Hit, Option<Correct>)| {
                ended.at >= hit.at && back.is_none_or(|back| ended.at < back.at)
            };
            of == node && incarnation > Incarnation(0) && hits.iter().any(is_awaited)
        });
        failed.count() as u32
    }

    /// Whether nothing ended by itself but starts of nodes that were hit, before these were back.
    pub(in crate::measure) fn is_up(&self) -> bool {
        let hits = self.hits();
        self.unexpected.iter().all(|ended| {
            let (node, _) = ended.start;
            let of_node = hits.iter().filter(|hit| hit.node == node);
            let mut awaited = of_node.filter_map(|hit| Some((hit.begun, self.back_from(hit)?)));
            awaited.any(|(begun, back)| begun <= ended.at && ended.at < back.at)
        })
    }

    /// When nodes ended by themselves after they were back from this fault, the last that hit them by then; in order. Not what
    /// ended under worse conditions.
    pub(in crate::measure) fn ended_again(&self, fault: FaultId) -> Vec<(Elapsed, Node)> {
        let mut again = self.ends_after(fault);
        again.retain(|(at, node)| !self.is_degraded(*node, *at));
        again
    }

    /// Whether a node ended by itself after it was back from this fault, while another one had it under worse conditions: nobody
    /// can tell by which of them.
    pub(in crate::measure) fn may_have_ended_again(&self, fault: FaultId) -> bool {
        let mut again = self.ends_after(fault).into_iter();
        again.any(|(at, node)| self.is_degraded(node, at))
    }

    /// Whether a fault that ends nothing held for the node then.
    fn is_degraded(&self, node: Node, at: Elapsed) -> bool {
        let mut degrading = self.faults.values().filter(|own| own.degrades);
        degrading.any(|own| {
            let begun = own.sent_to(node).filter(|_| own.hit(node));
            let over = own.faulted.get(&node).map(|(over, _)| *over);
            begun.is_some_and(|begun| begun <= at) && over.is_some_and(|over| at <= over)
        })
    }

    /// Whether a fault that ends a node several times had done so then, and not for the last time. Whoever answers there is
    /// neither the old process nor the one that comes back.
    pub(in crate::measure) fn is_between_crashes(&self, node: Node, at: Elapsed) -> bool {
        let mut downs = self.downs.iter();
        downs.any(|(of, down, by)| {
            let own = by.and_then(|by| self.faults.get(&by));
            let last = own.and_then(|own| own.faulted.get(&node));
            *of == node
                && *down <= at
                && last.is_some_and(|(last, exit)| exit.is_some() && at <= *last)
        })
    }

    /// When nodes ended by themselves after they were back from this fault, the last that hit them by then; in order.
    fn ends_after(&self, fault: FaultId) -> Vec<(Elapsed, Node)> {
        let hits = self.hits();
        let is_after = |(at, node): &(Elapsed, Node)| {
            let before = hits.iter().rfind(|hit| hit.node == *node && hit.at <= *at);
            before.filter(|hit| hit.fault == fault).is_some_and(|hit| {
                let back = self.back_from(hit).map(|back| back.at);
                let back = back.or_else(|| self.recovered_from(hit.fault));
                back.is_some_and(|back| back <= *at)
            })
        };
        let ends = self
            .unexpected
            .iter()
            .map(|ended| (ended.at, ended.start.0));
        // What ends by itself there is one of the fault's crashes.
        let ends = ends.filter(|(at, node)| !self.is_between_crashes(*node, *at));
        let mut again: Vec<(Elapsed, Node)> = ends.filter(is_after).collect();
        again.sort_unstable();
        again
    }

    /// Whether a node had ended by itself after the recovery from another fault when this one was sent, and neither this one
    /// nor anything else started it again.
    pub(in crate::measure) fn was_short_of_a_node(&self, fault: FaultId) -> bool {
        let Some((own, sent)) = self
            .faults
            .get(&fault)
            .and_then(|own| Some((own, own.sent()?)))
        else {
            return false;
        };
        let others = self.faults.keys().filter(|other| **other != fault);
        let mut ends = others.flat_map(|other| self.ended_again(*other));
        ends.any(|(at, node)| {
            at < sent && !own.faulted.contains_key(&node) && !self.is_started_after(node, at)
        })
    }

    /// The restart that the recovery from a fault begins with: the first of those after T0. After a pause the moment they
    /// may go on.
    pub(in crate::measure) fn restarted(&self, fault: FaultId) -> Option<Restart> {
        let own = self.faults.get(&fault)?;
        let (sent, confirmed) = (own.sent(), own.effect_confirmed());
        let overtaken = self.overtaken_by(fault).map(|other| other.at);
        let mut first = std::collections::BTreeMap::new();
        for (node, restart) in &self.restarts {
            // What only stood still is not started again by this fault.
            let ended = own.faulted.get(node);
            let ended = ended.filter(|(_, exit)| exit.is_some());
            let is_its = self.faults.len() == 1 || ended.is_some();
            let since = ended.map(|(at, _)| *at).or(sent);
            if is_its && since.is_none_or(|since| restart.executed >= since) {
                first.entry(*node).or_insert(*restart);
            }
        }
        let after = first.into_values().filter(|restart| {
            confirmed.is_none_or(|confirmed| restart.executed >= confirmed)
                && overtaken.is_none_or(|end| restart.executed < end)
        });
        let resumed = own.resumed.map(|at| Restart {
            requested: at,
            launched: None,
            executed: at,
        });
        after.min_by_key(|restart| restart.executed).or(resumed)
    }
}
