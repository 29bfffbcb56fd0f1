//! Sessions, each with what became of it: the definitions of the session ledger (METHOD.md §3).

use std::collections::BTreeMap;

use super::facts::{Facts, was_sent_by};
use crate::ids::SessionId;
use crate::operation::{ErrorClass, Operation, Outcome, Step};
use crate::units::Elapsed;

/// A session, from its acknowledged login on.
#[derive(Debug, Default)]
pub(super) struct Session<'a> {
    /// When each change acknowledged before the fault was, in ascending order.
    pub(super) acts_before: Vec<Elapsed>,
    /// Changes acknowledged in all, also where the reply was otherwise wrong.
    pub(super) acts: u64,
    /// Changes that may have been applied.
    pub(super) acts_indeterminate: u64,
    /// Changes that were sent, and rejected.
    pub(super) acts_rejected: u64,
    /// The login that began it.
    login: Option<&'a Operation>,
    /// The first logout that ended it, or may have.
    logout: Option<&'a Operation>,
    /// The first operation by which a client was told that the session is gone, or not its own.
    refused: Option<(&'a Operation, Refusal)>,
    /// The final look at it.
    read_back: Option<&'a Operation>,
}

/// A definite answer against a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Rejected,
    Recreated,
    WrongIdentity,
}

/// What became of a session that was acknowledged before the fault and alive at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Known; the counter, when it was read.
    Survived(Option<u64>),
    /// Known, with a counter older than acknowledged.
    Reset(u64),
    /// Not known any more, or another user's.
    Refused(Refusal),
    /// No definite answer.
    Undecided,
}

/// Where a session stands in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Acknowledged before the fault and alive at it.
    Counted(Fate),
    /// Ended by its user before the fault.
    LoggedOut,
    /// Its logout was in flight at the fault, or never answered.
    Ambiguous,
    /// Refused before the fault was sent.
    RefusedBefore(Refusal),
    /// Begun after the fault.
    Later(Fate),
}

/// The sessions that began, each with its operations; `operations` in the order of each client's doing.
pub(super) fn sessions<'a>(facts: &Facts, operations: &[&'a Operation]) -> Vec<Session<'a>> {
    let mut sessions: BTreeMap<SessionId, Session<'a>> = BTreeMap::new();
    for operation in operations {
        let session = sessions.entry(operation.session()).or_default();
        session.learn(facts, operation);
    }
    sessions
        .into_values()
        .filter(|session| session.login.is_some())
        .collect()
}

impl<'a> Session<'a> {
    fn learn(&mut self, facts: &Facts, operation: &'a Operation) {
        match operation.step {
            Step::Login => {
                if operation.outcome == Outcome::Acknowledged && operation.is_correct() {
                    self.login.get_or_insert(operation);
                }
                return;
            }
            Step::ReadBack => {
                self.read_back = Some(operation);
                return;
            }
            Step::Logout => {
                let ended = match operation.outcome {
                    Outcome::Acknowledged => operation.is_correct(),
                    Outcome::Indeterminate => true,
                    Outcome::Rejected => false,
                };
                if ended {
                    self.logout.get_or_insert(operation);
                }
            }
            Step::Act => self.learn_act(facts, operation),
            Step::Check | Step::Get => {}
        }
        if let Some(refusal) = operation.error.and_then(refusal) {
            self.refused.get_or_insert((operation, refusal));
        }
    }

    fn learn_act(&mut self, facts: &Facts, act: &Operation) {
        match act.outcome {
            Outcome::Acknowledged => {
                self.acts += 1;
                if facts.is_before_cut(act) {
                    self.acts_before.push(act.finished);
                }
            }
            Outcome::Indeterminate => self.acts_indeterminate += 1,
            Outcome::Rejected => self.acts_rejected += u64::from(act.sent.is_some()),
        }
    }

    /// Where it stands in the ledger.
    pub(super) fn standing(&self, facts: &Facts) -> Standing {
        if !self.login.is_some_and(|login| facts.is_before_cut(login)) {
            return Standing::Later(self.fate());
        }
        if let Some(logout) = self.logout {
            match logout.outcome {
                Outcome::Acknowledged if facts.is_before_cut(logout) => return Standing::LoggedOut,
                Outcome::Indeterminate if may_have_ended_before(facts, logout) => {
                    return Standing::Ambiguous;
                }
                Outcome::Acknowledged | Outcome::Indeterminate | Outcome::Rejected => {}
            }
        }
        if let (Some((operation, refusal)), Some(fault)) = (self.refused, facts.fault())
            && operation.finished < fault
        {
            return Standing::RefusedBefore(refusal);
        }
        if facts.recovered().is_none() && !facts.control {
            return Standing::Counted(Fate::Undecided);
        }
        Standing::Counted(self.fate())
    }

    /// What became of it, as far as its own operations tell.
    fn fate(&self) -> Fate {
        if let Some(logout) = self.logout
            && logout.outcome == Outcome::Acknowledged
        {
            // The server knew it then; what it said of the counter stands in for the read-back.
            return self.by_counter(logout.value);
        }
        if let Some((_, refusal)) = self.refused {
            return Fate::Refused(refusal);
        }
        let Some(look) = self.read_back else {
            return Fate::Undecided;
        };
        match (look.error, look.error.and_then(refusal)) {
            (None, _) => self.by_counter(look.value),
            // A logout that was never answered explains why the session is gone.
            (Some(_), Some(Refusal::Rejected | Refusal::Recreated)) if self.logout.is_some() => {
                Fate::Undecided
            }
            (Some(_), Some(refusal)) => Fate::Refused(refusal),
            (Some(ErrorClass::WrongAnswer), None) if look.value.is_some() => {
                self.by_counter(look.value)
            }
            (Some(_), None) => Fate::Undecided,
        }
    }

    fn by_counter(&self, counter: Option<u64>) -> Fate {
        match counter {
            Some(counter) if counter < self.expected() => Fate::Reset(counter),
            Some(counter) => Fate::Survived(Some(counter)),
            None if self.acts == 0 => Fate::Survived(None),
            None => Fate::Undecided,
        }
    }

    /// The least its counter may be: what it began with, and every acknowledged change.
    pub(super) fn expected(&self) -> u64 {
        let base = self.login.and_then(|login| login.value).unwrap_or(0);
        base.saturating_add(self.acts)
    }

    /// Whether its user ended it, for certain.
    pub(super) fn is_logged_out(&self) -> bool {
        self.logout
            .is_some_and(|logout| logout.outcome == Outcome::Acknowledged)
    }

    /// Whether the final look at it found it known.
    pub(super) fn is_known_at_last(&self) -> bool {
        self.read_back.is_some_and(|look| {
            let refuted = look.error == Some(ErrorClass::WrongAnswer) && look.value.is_some();
            look.is_correct() || refuted
        })
    }

    /// Whether the final look at it named another user.
    pub(super) fn is_anothers_at_last(&self) -> bool {
        self.read_back
            .is_some_and(|look| look.error == Some(ErrorClass::WrongIdentity))
    }
}

/// Whether a login was in flight at the fault, so that nobody knows whether it began a session.
pub(super) fn is_login_in_flight(facts: &Facts, operation: &Operation) -> bool {
    let (Some(fault), Some(cut)) = (facts.fault(), facts.cut()) else {
        return false;
    };
    operation.step == Step::Login
        && operation.outcome == Outcome::Indeterminate
        && operation.finished >= fault
        && was_sent_by(operation, cut)
}

/// Whether an unanswered logout may have taken effect before the fault did.
fn may_have_ended_before(facts: &Facts, logout: &Operation) -> bool {
    facts
        .cut()
        .is_none_or(|cut| was_sent_by(logout, cut) || logout.finished <= cut)
}

/// Which definite answer against a session an error is, if it is one.
const fn refusal(class: ErrorClass) -> Option<Refusal> {
    match class {
        ErrorClass::SessionRejected => Some(Refusal::Rejected),
        ErrorClass::SessionRecreated => Some(Refusal::Recreated),
        ErrorClass::WrongIdentity => Some(Refusal::WrongIdentity),
        ErrorClass::Refused
        | ErrorClass::Reset
        | ErrorClass::ConnectTimeout
        | ErrorClass::ResponseTimeout
        | ErrorClass::ServerError
        | ErrorClass::ClientError
        | ErrorClass::WrongAnswer
        | ErrorClass::Malformed
        | ErrorClass::Unsent
        | ErrorClass::HarnessError => None,
    }
}
