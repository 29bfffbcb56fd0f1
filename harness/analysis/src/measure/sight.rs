//! A trial from close by, for a page that shows it: its phases, some of its sessions over time, and the operations that the fault met.
//!
//! A trial may have a million operations, and a page shows a few of them. No figure is computed from what is kept here.

use std::collections::{BTreeMap, BTreeSet};

use comeback_model::ids::SessionId;
use comeback_model::operation::{Operation, Step};
use comeback_model::plan::Plan;
use comeback_model::units::Elapsed;

use super::facts::Facts;
use super::injection;
use super::load::Load;
use super::types::{Ending, MetOperation, SessionFate, SessionLine, SessionMark, Sight};

/// So many sessions are shown: as many lines as fit on a screen beside the rest of the trial.
const MOST_SESSIONS: usize = 16;
/// So many places for marks along a session: each is wide enough to be seen on a phone.
const COLUMNS: u64 = 60;
/// So many operations in flight are shown.
const MOST_MET: usize = 20;

/// The trial from close by; `operations` in the order of each client's doing.
pub(super) fn sight(
    (plan, facts): (&Plan, &Facts),
    operations: &[&Operation],
    load: &Load<'_>,
    fates: &BTreeMap<SessionId, SessionFate>,
) -> Sight {
    let Some(origin) = facts.origin() else {
        return Sight::default();
    };
    let mut phases: Vec<_> = facts
        .phases
        .iter()
        .map(|(phase, at)| (*phase, at.ms_after(origin)))
        .collect();
    phases.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let mut met = injection::operations_in_flight(plan, facts, load);
    met.sort_by_key(|operation| (operation.sent, operation.session()));
    let met_in_all = met.len() as u64;
    let told = |operation: &Operation| MetOperation {
        session: operation.session(),
        step: operation.step,
        sent_ms: operation.sent.unwrap_or_default().ms_after(origin),
        finished_ms: operation.finished.ms_after(origin),
        error: operation.error,
        fate: fates.get(&operation.session()).copied(),
    };
    Sight {
        phases,
        over_ms: facts.over.map(|over| over.ms_after(origin)),
        sessions: lines(operations, fates, origin),
        sessions_in_all: fates.len() as u64,
        met: met.into_iter().take(MOST_MET).map(told).collect(),
        met_in_all,
    }
}

/// The sessions that are shown: the gravest fates first, then those that began first.
fn lines(
    operations: &[&Operation],
    fates: &BTreeMap<SessionId, SessionFate>,
    origin: Elapsed,
) -> Vec<SessionLine> {
    let mut ranked: Vec<(SessionFate, SessionId)> =
        fates.iter().map(|(id, fate)| (*fate, *id)).collect();
    ranked.sort_unstable();
    ranked.truncate(MOST_SESSIONS);
    let shown: BTreeSet<SessionId> = ranked.iter().map(|(_, id)| *id).collect();
    let mut own: BTreeMap<SessionId, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        if shown.contains(&operation.session()) {
            own.entry(operation.session()).or_default().push(operation);
        }
    }
    let finished = || operations.iter().map(|operation| operation.finished);
    let (from, to) = (
        finished().min().unwrap_or_default(),
        finished().max().unwrap_or_default(),
    );
    let column_us = (to.since(from).as_us() / COLUMNS).max(1);
    let line = |(fate, id): (SessionFate, SessionId)| SessionLine {
        id,
        fate,
        marks: marks(
            own.remove(&id).unwrap_or_default(),
            (origin, from),
            column_us,
        ),
    };
    ranked.into_iter().map(line).collect()
}

/// What the user of a session did: of each kind and ending the first in each column.
fn marks(
    mut operations: Vec<&Operation>,
    (origin, from): (Elapsed, Elapsed),
    column_us: u64,
) -> Vec<SessionMark> {
    operations.sort_by_key(|operation| operation.finished);
    let mut taken = BTreeSet::new();
    let first = operations.into_iter().filter(|operation| {
        let column = operation.finished.since(from).as_us() / column_us;
        let is_edge = matches!(operation.step, Step::Login | Step::Logout | Step::ReadBack);
        taken.insert((column, is_edge, Ending::of(operation.error)))
    });
    let mark = |operation: &Operation| SessionMark {
        at_ms: operation.finished.ms_after(origin) as f32,
        step: operation.step,
        ending: Ending::of(operation.error),
    };
    first.map(mark).collect()
}
