//! Replies without a length: they end with their connection, and so does half of one where a process ends or a proxy closes
//! connections. Such a reply that was under way then proves nothing (METHOD §2).

use comeback_model::ids::{Node, TrialId};
use comeback_model::operation::{ErrorClass, Operation, Outcome, Step};
use comeback_model::plan::Plan;
use comeback_model::plan::fault::Effect;
use comeback_model::units::{Elapsed, Span};

use super::facts::Facts;
use super::ledger::{self, Ledger};
use super::planned::effect_of;

/// A node that has time to end closes its connections so long before its started process ends at most.
const ENDING: Span = Span::from_ms(500);

/// When a fault may have cut off replies of a node.
struct Cut {
    node: Node,
    from: Elapsed,
    until: Elapsed,
}

/// What the faults of a run may have cut off, for those who read its operations one by one.
#[derive(Debug)]
pub struct CutOff<'a> {
    plan: &'a Plan,
    trials: Vec<Facts>,
}

impl<'a> CutOff<'a> {
    pub(super) const fn new(plan: &'a Plan, trials: Vec<Facts>) -> Self {
        Self { plan, trials }
    }

    /// Makes those operations of a trial indeterminate whose reply may be only a part.
    pub fn doubt(&self, trial: TrialId, operations: &mut [Operation]) {
        let Some(facts) = self.trials.iter().find(|facts| facts.id == trial) else {
            return;
        };
        let cuts = cuts(self.plan, facts);
        for operation in operations {
            if is_cut_off(operation, &cuts, facts) {
                operation.doubt();
            }
        }
    }
}

/// Doubts what the faults may have cut off; `operations` in the order of each client's doing. The ledger is what it would be if
/// each of those replies had been whole that acknowledged something; absent where none did.
pub(super) fn doubt(plan: &Plan, facts: &Facts, operations: &mut [Operation]) -> Option<Ledger> {
    let cuts = cuts(plan, facts);
    let mut acknowledged = Vec::new();
    for (place, operation) in operations.iter_mut().enumerate() {
        if !is_cut_off(operation, &cuts, facts) {
            continue;
        }
        match is_acknowledgement(operation) {
            true => acknowledged.push(place),
            false => operation.doubt(),
        }
    }
    if acknowledged.is_empty() {
        return None;
    }
    let whole = ledger::keep(plan, facts, &operations.iter().collect::<Vec<_>>());
    for place in acknowledged {
        operations[place].doubt();
    }
    Some(whole)
}

/// When the faults may have cut off replies. Only what is killed at once serves nobody from the signal on: a node that is told to
/// stop, that gets another signal, or that a command is to end, goes on answering until it ends, and those replies are whole. A pause cuts
/// nothing off. A proxy may close connections in its place as long as the fault lasts.
fn cuts(plan: &Plan, facts: &Facts) -> Vec<Cut> {
    let closing = plan
        .possible_faults()
        .filter(|(_, fault)| fault.holds_back.closes && !facts.control);
    let closed = closing
        .filter_map(|(id, _)| facts.of_fault(id))
        .flat_map(|own| {
            let until = own.effect_confirmed().unwrap_or(Elapsed::from_us(u64::MAX));
            own.nodes().filter_map(move |node| {
                let from = own.sent_to(node)?;
                Some(Cut { node, from, until })
            })
        });
    let hits = facts.hits().into_iter().filter(|hit| hit.exit.is_some());
    hits.map(|hit| {
        let own = facts.of_fault(hit.fault);
        let sent = own.and_then(|own| own.sent_to(hit.node)).unwrap_or(hit.at);
        let ending = facts.ended_by(&hit).as_us().saturating_sub(ENDING.as_us());
        Cut {
            node: hit.node,
            from: match effect_of(plan, hit.fault).is_none_or(Effect::is_kill) {
                true => sent,
                false => sent.max(Elapsed::from_us(ending)),
            },
            until: hit.at,
        }
    })
    .chain(closed)
    .collect()
}

/// Whether a reply ends with its connection, and may have been cut off.
fn is_cut_off(operation: &Operation, cuts: &[Cut], facts: &Facts) -> bool {
    if !operation.unframed || !operation.goes_by_body() {
        return false;
    }
    let is_anothers = |node| match (node, facts.answered_by(operation)) {
        (Node::Replica(_), Some(by)) => by != node,
        _ => false,
    };
    let is_under_way_at = |cut: &Cut| {
        let was_asked = operation.asked().is_some_and(|at| at <= cut.until);
        was_asked && operation.finished >= cut.from && !is_anothers(cut.node)
    };
    cuts.iter().any(is_under_way_at)
}

/// Whether it tells its user that something is kept from now on.
fn is_acknowledgement(operation: &Operation) -> bool {
    let is_change = matches!(operation.step, Step::Login | Step::Act | Step::Logout);
    is_change && operation.outcome == Outcome::Acknowledged && operation.is_correct()
}

trait Doubt {
    /// It proves nothing: neither that all is well nor that it is not.
    fn doubt(&mut self);
}

impl Doubt for Operation {
    fn doubt(&mut self) {
        self.outcome = Outcome::Indeterminate;
        self.error = Some(ErrorClass::Reset);
        self.value = None;
        self.found = None;
    }
}
