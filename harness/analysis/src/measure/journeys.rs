//! Users' journeys, and which of them the fault tore (METHOD §3, *Action-weighted goodput*).

use std::collections::{BTreeMap, BTreeSet};

use comeback_model::ids::SessionId;
use comeback_model::operation::{Operation, Step};
use comeback_model::plan::{Plan, Workload};

use super::facts::Facts;
use super::load::{Load, Part};
use crate::measure::{JourneyOperations, Journeys};

/// What the sessions' ledger says of journeys, beside what clients saw.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// The fault took the session, or what was acknowledged in it.
    torn: BTreeSet<SessionId>,
    undecided: BTreeSet<SessionId>,
}

/// How a session ended, as far as its user's journey goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    Torn,
    Undecided,
}

impl Ends {
    pub(super) fn note(&mut self, session: Option<SessionId>, end: End) {
        match end {
            End::Whole => {}
            End::Torn => self.torn.extend(session),
            End::Undecided => self.undecided.extend(session),
        }
    }
}

/// One session's operations in the measured load.
#[derive(Default)]
struct Journey {
    scheduled: [u64; 3],
    has_failed: bool,
}

const PARTS: [Part; 3] = [Part::Before, Part::During, Part::After];

/// Tells the journeys of a trial; none where there are no sessions.
pub(super) fn tally(plan: &Plan, facts: &Facts, load: &Load<'_>, ends: &Ends) -> Option<Journeys> {
    match &plan.load.workload {
        Workload::Stateless(_) => return None,
        Workload::Sessions(_) => {}
    }
    let mut own: BTreeMap<SessionId, Journey> = BTreeMap::new();
    let of_sessions = |operation: &&&Operation| operation.step != Step::Get;
    for operation in load.operations.iter().filter(of_sessions) {
        let part = load.part(operation);
        let journey = own.entry(operation.session()).or_default();
        journey.scheduled[part as usize] += 1;
        let is_laid_to_it = facts.control || part != Part::Before;
        journey.has_failed |= is_laid_to_it && !operation.is_correct();
    }
    let mut journeys = Journeys::default();
    for (session, journey) in own {
        let is_torn = journey.has_failed || ends.torn.contains(&session);
        let is_undecided = !is_torn && ends.undecided.contains(&session);
        journeys.all += 1;
        journeys.torn += u64::from(is_torn);
        journeys.undecided += u64::from(is_undecided);
        for part in PARTS {
            let scheduled = journey.scheduled[part as usize];
            journeys.operations_of(part).merge(&JourneyOperations {
                scheduled,
                torn: if is_torn { scheduled } else { 0 },
                undecided: if is_undecided { scheduled } else { 0 },
            });
        }
    }
    Some(journeys)
}

impl Journeys {
    const fn operations_of(&mut self, part: Part) -> &mut JourneyOperations {
        match part {
            Part::Before => &mut self.operations.before,
            Part::During => &mut self.operations.during,
            Part::After => &mut self.operations.after,
        }
    }
}
