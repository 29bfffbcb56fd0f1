//! Why a trial went as it did, where its facts say so. A cause stands beside the verdict that it explains.

use std::collections::BTreeMap;

use comeback_model::ids::{Node, SessionId};
use comeback_model::operation::{Operation, Outcome, Step};
use comeback_model::status::is_redirect;

use super::downtime::outages;
use super::facts::Facts;
use super::fate::refusal;
use super::ledger::Ledger;
use super::{BeforeTheFault, Cause};

/// What the facts of a trial say.
pub(super) fn causes(
    facts: &Facts,
    operations: &[&Operation],
    before: &BeforeTheFault,
    ledger: &Ledger,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    if !facts.survivors.is_empty() && facts.recovered().is_none() {
        causes.push(Cause::OldProcess);
    }
    causes.extend(crashed(facts));
    causes.extend(store_unanswered(facts));
    let sessions = match facts.control {
        true => before.lost_sessions.saturating_add(ledger.sessions.lost),
        false => before.lost_sessions,
    };
    if sessions > 0 {
        causes.push(Cause::Evicted { sessions });
    }
    let sessions = ledger.found_again();
    if sessions > 0 {
        causes.push(Cause::FoundAgain { sessions });
    }
    causes.extend(redirected(operations));
    causes.extend(stateless(operations, ledger));
    causes
}

/// Starts that ended by themselves before they served.
fn crashed(facts: &Facts) -> Option<Cause> {
    let failed = facts
        .nodes()
        .map(|node| u64::from(facts.failed_starts(node)));
    let times: u64 = failed.sum();
    let served = facts.recovered().is_some();
    (times > 0).then_some(Cause::Crashed { times, served })
}

fn store_unanswered(facts: &Facts) -> Option<Cause> {
    if facts.recovered().is_some() || facts.given_up().is_none() {
        return None;
    }
    let origin = facts.origin()?;
    let store = outages(facts)
        .into_iter()
        .map(|outage| outage.after(origin));
    let mut back = store.filter_map(|outage| Some((outage.node, outage.from_ms, outage.to_ms?)));
    let (_, from, to) = back.find(|(node, _, _)| *node == Node::Store)?;
    let down_ms = (to - from).max(0.0).round() as u64;
    Some(Cause::StoreUnanswered { down_ms })
}

/// Whether sessions are undecided because users changed something, and no reply to them ever showed the state.
fn stateless(operations: &[&Operation], ledger: &Ledger) -> Option<Cause> {
    let sessions = ledger.sessions.undecided;
    let is_changed = |operation: &&Operation| {
        operation.step == Step::Act && operation.outcome == Outcome::Acknowledged
    };
    let is_known =
        |operation: &&Operation| operation.step == Step::ReadBack && operation.is_correct();
    let any = |is: &dyn Fn(&&Operation) -> bool| operations.iter().any(is);
    let is_shown = any(&|operation| operation.value.is_some() || operation.found.is_some());
    (sessions > 0 && !is_shown && any(&is_changed) && any(&is_known))
        .then_some(Cause::Stateless { sessions })
}

/// Whether all last looks without a definite answer are redirects.
fn redirected(operations: &[&Operation]) -> Option<Cause> {
    let open = |operation: &&&Operation| {
        let is_open = operation
            .error
            .is_some_and(|error| refusal(error).is_none());
        operation.step == Step::ReadBack && is_open
    };
    let last: BTreeMap<SessionId, &Operation> = operations
        .iter()
        .filter(open)
        .map(|look| (look.session(), *look))
        .collect();
    let mut first = None;
    for look in last.values() {
        let status = look.status.filter(|status| is_redirect(*status))?;
        first = first.or(Some(status));
    }
    let looks = last.len() as u64;
    first.map(|status| Cause::Redirected { looks, status })
}
