//! The two ledgers: what became of the acknowledged sessions, and of their acknowledged writes.
//!
//! A counter tells how many writes are there, not which. The newest are taken for the lost ones, and of
//! two explanations for a count the one that speaks for the server is taken: an unanswered write may have
//! been applied, and one from after the recovery is never called lost by the fault.

use super::facts::Facts;
use super::sessions::{Fate, Refusal, Session, Standing, is_login_in_flight, sessions};
use crate::operation::Operation;
use crate::plan::{Plan, Workload};
use crate::summary::{SessionCounts, WriteCounts};

/// Both ledgers of a trial, and what has no place in them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) sessions: SessionCounts,
    pub(super) writes: WriteCounts,
    /// T0 − acknowledgement of the oldest lost write, in ms.
    pub(super) loss_window_ms: Option<f64>,
    pub(super) oddities: Oddities,
}

/// What a reader should know, though it is not the fault's doing or not certain to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    /// Sessions rejected or re-created before any fault.
    pub(super) lost_before: u64,
    /// Sessions that named another user before any fault.
    pub(super) anothers_before: u64,
    /// Sessions a client was definitely refused, and known at the read-back.
    pub(super) refused_yet_known: u64,
    /// Sessions that were logged out, and name another user now.
    pub(super) logged_out_yet_anothers: u64,
    /// Sessions begun after the fault, and lost.
    pub(super) lost_later: u64,
    /// Sessions begun after the fault that name another user.
    pub(super) anothers_later: u64,
    /// Writes acknowledged after the fault, and absent.
    pub(super) writes_lost_later: u64,
    /// Writes of sessions begun after the fault that are there more often than sent.
    pub(super) writes_excess_later: u64,
}

/// Keeps both ledgers; `operations` in the order of each client's doing.
pub(super) fn keep(plan: &Plan, facts: &Facts, operations: &[&Operation]) -> Ledger {
    let mut ledger = Ledger::default();
    match plan.load.workload {
        Workload::Stateless(_) => return ledger,
        Workload::Sessions(_) => {}
    }
    ledger.sessions.ambiguous += operations
        .iter()
        .filter(|operation| is_login_in_flight(facts, operation))
        .count() as u64;
    for session in sessions(facts, operations) {
        ledger.enter(facts, &session);
    }
    ledger
}

impl Ledger {
    fn enter(&mut self, facts: &Facts, session: &Session<'_>) {
        if session.is_logged_out() {
            self.sessions.zombie += u64::from(session.is_known_at_last());
            self.oddities.logged_out_yet_anothers += u64::from(session.is_anothers_at_last());
        }
        match session.standing(facts) {
            Standing::Counted(fate) => {
                self.enter_session(fate);
                self.enter_writes(facts, session, fate);
                let refused = matches!(fate, Fate::Refused(_));
                let known = refused && session.is_known_at_last();
                self.oddities.refused_yet_known += u64::from(known);
            }
            Standing::LoggedOut => {}
            Standing::Ambiguous => self.sessions.ambiguous += 1,
            Standing::RefusedBefore(Refusal::Rejected | Refusal::Recreated) => {
                self.oddities.lost_before += 1;
            }
            // Never to be excused, whatever caused it; its writes are not held against the fault.
            Standing::RefusedBefore(Refusal::WrongIdentity) => {
                self.enter_session(Fate::Refused(Refusal::WrongIdentity));
                self.oddities.anothers_before += 1;
            }
            Standing::Later(fate) => self.enter_later(session, fate),
        }
    }

    fn enter_session(&mut self, fate: Fate) {
        let counts = &mut self.sessions;
        counts.acknowledged += 1;
        match fate {
            Fate::Survived(_) => counts.survived += 1,
            Fate::Reset(_) => counts.reset += 1,
            Fate::Refused(Refusal::Rejected) => counts.rejected += 1,
            Fate::Refused(Refusal::Recreated) => counts.recreated += 1,
            Fate::Refused(Refusal::WrongIdentity) => counts.wrong_identity += 1,
            Fate::Undecided => counts.undecided += 1,
        }
        counts.lost = counts.rejected + counts.recreated;
    }

    fn enter_writes(&mut self, facts: &Facts, session: &Session<'_>, fate: Fate) {
        let before = session.acts_before.len() as u64;
        let (absent, excess) = match fate {
            Fate::Undecided => return,
            Fate::Refused(_) => (before, 0),
            Fate::Survived(None) => (0, 0),
            Fate::Survived(Some(counter)) | Fate::Reset(counter) => compare(session, counter),
        };
        let lost = absent.min(before);
        self.oddities.writes_lost_later += absent - lost;
        let phantom = excess.min(session.acts_rejected);
        let writes = &mut self.writes;
        writes.acknowledged += before;
        writes.kept += before - lost;
        writes.lost += lost;
        writes.phantom = writes.phantom.saturating_add(phantom);
        writes.duplicated = writes.duplicated.saturating_add(excess - phantom);
        writes.indeterminate += session.acts_indeterminate;
        self.widen_loss_window(facts, session, lost);
    }

    fn widen_loss_window(&mut self, facts: &Facts, session: &Session<'_>, lost: u64) {
        let first_lost = session.acts_before.len() - lost as usize;
        let (Some(oldest), Some(cut)) = (session.acts_before.get(first_lost), facts.cut()) else {
            return;
        };
        // A reply of the old process may have been read after T0.
        let window = cut.since(*oldest).as_ms();
        self.loss_window_ms = Some(
            self.loss_window_ms
                .map_or(window, |other| other.max(window)),
        );
    }

    fn enter_later(&mut self, session: &Session<'_>, fate: Fate) {
        let oddities = &mut self.oddities;
        match fate {
            Fate::Refused(Refusal::Rejected | Refusal::Recreated) => oddities.lost_later += 1,
            Fate::Refused(Refusal::WrongIdentity) => oddities.anothers_later += 1,
            Fate::Survived(Some(counter)) | Fate::Reset(counter) => {
                let (absent, excess) = compare(session, counter);
                oddities.writes_lost_later += absent;
                oddities.writes_excess_later = oddities.writes_excess_later.saturating_add(excess);
            }
            Fate::Survived(None) | Fate::Undecided => {}
        }
    }
}

/// How many acknowledged writes a counter lacks, and how many it has beyond all that may have been applied.
fn compare(session: &Session<'_>, counter: u64) -> (u64, u64) {
    let expected = session.expected();
    let most = expected.saturating_add(session.acts_indeterminate);
    // A counter below what the login gave lacks more than was acknowledged; only writes can be lost.
    let absent = expected.saturating_sub(counter).min(session.acts);
    (absent, counter.saturating_sub(most))
}
