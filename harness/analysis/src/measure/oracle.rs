//! What was wrong before the fault, or without one: sessions that were gone, and states that cannot be. A value that
//! nobody counts in (a clock, a constant, a length) is noticed here: the oracle refutes it long before any fault.

use std::collections::BTreeMap;

use comeback_model::ids::SessionId;
use comeback_model::operation::{ErrorClass, Operation, Outcome, Step};
use comeback_model::plan::{Extract, Plan, SessionFlow, Workload};
use comeback_model::units::Elapsed;

use super::BeforeTheFault;
use super::facts::Facts;
use super::words::counted;

/// What a session showed last, and what was done to it since.
#[derive(Clone, Copy, Default)]
struct Seen {
    value: Option<u64>,
    acts: u64,
}

/// Looks through the operations, each client's in the order of its doing.
pub(super) fn before_the_fault(
    plan: &Plan,
    facts: &Facts,
    operations: &[&Operation],
    lost_sessions: u64,
) -> BeforeTheFault {
    let mut before = BeforeTheFault {
        lost_sessions,
        ..BeforeTheFault::default()
    };
    let Workload::Sessions(flow) = &plan.load.workload else {
        return before;
    };
    let mut sessions: BTreeMap<SessionId, Seen> = BTreeMap::new();
    let mut first: Option<(Elapsed, String)> = None;
    let is_before = |operation: &&&Operation| match facts.fault() {
        Some(fault) => operation.finished < fault,
        None => facts.control,
    };
    for operation in operations.iter().filter(is_before) {
        let seen = sessions.entry(operation.session()).or_default();
        let acted = operation.step == Step::Act && operation.outcome == Outcome::Acknowledged;
        seen.acts += u64::from(acted);
        if is_refuted(operation) {
            before.refuted += 1;
            if first
                .as_ref()
                .is_none_or(|(at, _)| operation.finished < *at)
            {
                first = Some((operation.finished, example(flow, operation, *seen)));
            }
        }
        if operation.value.is_some() {
            *seen = Seen {
                value: operation.value,
                acts: 0,
            };
        }
    }
    before.example = first.map(|(_, example)| example);
    before
}

/// A reply that was otherwise as expected, with a counter or a collection of writes that cannot be.
fn is_refuted(operation: &Operation) -> bool {
    let shows = operation.value.is_some() || operation.found.is_some();
    shows
        && operation.error == Some(ErrorClass::WrongAnswer)
        && operation.outcome == Outcome::Acknowledged
}

fn example(flow: &SessionFlow, operation: &Operation, seen: Seen) -> String {
    let own = match operation.step {
        Step::Act => flow.act.value.as_ref(),
        Step::Check | Step::ReadBack => flow.check.value.as_ref(),
        Step::Login | Step::Logout | Step::Get => None,
    };
    let place = own.or(flow.value.as_ref());
    let place = place.map_or_else(String::new, |place: &Extract| format!(" at {place}"));
    let since = match seen.acts {
        0 => "without an acknowledged act".to_owned(),
        1 => "after an acknowledged act".to_owned(),
        acts => format!("after {}", counted(acts, "acknowledged act")),
    };
    match (operation.value, seen.value) {
        (Some(now), Some(then)) => format!("the value{place} went {then} → {now} {since}"),
        (Some(now), None) => format!("the value{place} was {now} {since}"),
        (None, _) => {
            let found = operation.found.as_deref();
            let found = found.map_or_else(String::new, ToString::to_string);
            // A collection may be long.
            let found: String = found.chars().take(60).collect();
            format!("the collection{place} showed the writes {found} {since}")
        }
    }
}
