//! Sessions, each with what became of it: the definitions of the session ledger (METHOD.md §3).

use std::collections::BTreeMap;

use super::caching::{is_anothers_from_cache, is_from_cache};
use super::facts::{Facts, was_sent_by};
use super::writes::{Balance, Look, Shown, Written};
use crate::ids::SessionId;
use crate::operation::{ErrorClass, Operation, Outcome, Step};
use crate::plan::Writes;

/// A session, from its acknowledged login on.
#[derive(Debug)]
pub(super) struct Session<'a> {
    /// What its changes change.
    kind: Writes,
    /// Its changes, also those whose reply was otherwise wrong.
    pub(super) written: Written,
    /// The login that began it.
    login: Option<&'a Operation>,
    /// The first logout that ended it, or may have.
    logout: Option<&'a Operation>,
    /// The first operation by which a client was told that the session is gone, or not its own.
    refused: Option<(&'a Operation, Refusal)>,
    /// The looks of the load at it that showed its state.
    checks: Vec<&'a Operation>,
    /// The last of them by which the new process told it, before the session was logged out.
    last_check: Option<&'a Operation>,
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
    /// Known, with the state it has; without one where it had nothing to show.
    Known(Balance),
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
pub(super) fn sessions<'a>(
    kind: Writes,
    facts: &Facts,
    operations: &[&'a Operation],
) -> Vec<Session<'a>> {
    let mut sessions: BTreeMap<SessionId, Session<'a>> = BTreeMap::new();
    for operation in operations {
        let session = sessions
            .entry(operation.session())
            .or_insert_with(|| Session::new(kind));
        session.learn(facts, operation);
    }
    sessions
        .into_values()
        .filter(|session| session.login.is_some())
        .collect()
}

impl<'a> Session<'a> {
    fn new(kind: Writes) -> Self {
        Self {
            kind,
            written: Written::new(kind),
            login: None,
            logout: None,
            refused: None,
            checks: Vec::new(),
            last_check: None,
            read_back: None,
        }
    }

    fn learn(&mut self, facts: &Facts, operation: &'a Operation) {
        match operation.step {
            Step::Login => {
                if operation.outcome == Outcome::Acknowledged && operation.is_correct() {
                    self.login.get_or_insert(operation);
                }
                return;
            }
            Step::ReadBack => {
                // Where a cache answered first, the server was asked after it; but what the cache showed of somebody
                // else is not undone by that.
                if !self.read_back.is_some_and(is_anothers_from_cache) {
                    self.read_back = Some(operation);
                }
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
            Step::Act => self
                .written
                .learn(operation, facts.is_before_cut(operation)),
            Step::Check => self.learn_check(facts, operation),
            // It is beside the session.
            Step::Get => return,
        }
        if let Some(refusal) = operation.error.and_then(refusal) {
            self.refused.get_or_insert((operation, refusal));
        }
    }

    fn learn_check(&mut self, facts: &Facts, check: &'a Operation) {
        if Shown::by_look(self.kind, check).is_none() {
            return;
        }
        self.checks.push(check);
        // What a cache had stored says nothing of what the new process knows.
        if self.logout.is_none() && !facts.is_before_cut(check) && !is_from_cache(check) {
            self.last_check = Some(check);
        }
    }

    /// Which session it is.
    pub(super) fn id(&self) -> Option<SessionId> {
        self.login.map(Operation::session)
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
        Standing::Counted(match self.fate() {
            // It showed nothing that a stranger is not shown.
            Fate::Known(_) if facts.stranger_known && self.written.is_empty() => Fate::Undecided,
            fate => fate,
        })
    }

    /// Whether it had begun when the fault was sent: to the first that it strikes, where it strikes one after the other.
    pub(super) fn stood_at_the_fault(&self, facts: &Facts) -> bool {
        let login = self.login.map(|login| login.finished);
        login
            .zip(facts.fault())
            .is_some_and(|(login, fault)| login <= fault)
    }

    /// Whether it is another user's because a cache showed that user's content: nothing is known of its own state.
    pub(super) fn is_anothers_by_cache(&self) -> bool {
        let refused = self.refused.map(|(operation, _)| operation);
        refused
            .or(self.read_back)
            .is_some_and(is_anothers_from_cache)
    }

    /// What became of it, as far as its own operations tell.
    fn fate(&self) -> Fate {
        if let Some(logout) = self.logout
            && logout.outcome == Outcome::Acknowledged
        {
            // What the goodbye showed of its state stands in for the read-back. One that shows nothing tells
            // nothing: many servers say it to strangers too.
            return match self.look_at_logout(logout) {
                Some(look) => self.by_look(Some(look)),
                None => Fate::Undecided,
            };
        }
        if let Some((_, refusal)) = self.refused {
            return Fate::Refused(refusal);
        }
        let Some(read_back) = self.read_back else {
            return Fate::Undecided;
        };
        match (read_back.error, read_back.error.and_then(refusal)) {
            (None, _) => self.by_look(self.look_at_last()),
            // A logout that was never answered explains why the session is gone.
            (Some(_), Some(Refusal::Rejected | Refusal::Recreated)) if self.logout.is_some() => {
                Fate::Undecided
            }
            (Some(_), Some(refusal)) => Fate::Refused(refusal),
            (Some(_), None) => match self.look_at_last() {
                Some(look) => self.by_look(Some(look)),
                None => Fate::Undecided,
            },
        }
    }

    fn by_look(&self, look: Option<Look<'_>>) -> Fate {
        match look {
            Some(look) => self
                .written
                .balance(look)
                .map_or(Fate::Undecided, Fate::Known),
            None if self.written.is_empty() => Fate::Known(Balance::default()),
            None => Fate::Undecided,
        }
    }

    /// What is known of its state at last.
    fn last_look(&self) -> Option<Look<'_>> {
        match self.logout {
            Some(logout) if logout.outcome == Outcome::Acknowledged => self.look_at_logout(logout),
            Some(_) | None => self.look_at_last(),
        }
    }

    fn look_at_last(&self) -> Option<Look<'_>> {
        let shown = Shown::by_look(self.kind, self.read_back?)?;
        Some(self.look(shown))
    }

    /// A server need not show the state when it ends a session: then the last check shows it as well, if
    /// no write was acknowledged before the fault that it could not show.
    fn look_at_logout(&self, logout: &'a Operation) -> Option<Look<'_>> {
        if let Some(shown) = Shown::by(self.kind, logout) {
            return Some(self.look(shown));
        }
        let check = match self.kind {
            // A counter must show all that was acknowledged, also what came after such a check.
            Writes::Counter => return None,
            Writes::Set | Writes::List => self.last_check?,
        };
        let shown = Shown::by_look(self.kind, check)?;
        let covers_all = self.written.last_before() <= check.sent;
        covers_all.then(|| Look {
            until: check.sent,
            ..self.look(shown)
        })
    }

    fn look(&self, shown: Shown<'a>) -> Look<'a> {
        Look {
            shown,
            at_login: self.login.and_then(|login| Shown::by(self.kind, login)),
            until: None,
        }
    }

    /// How many checks did not show a write that had been acknowledged before they were sent, and that was
    /// there at last.
    pub(super) fn stale_checks(&self) -> u64 {
        let Some(last) = self.last_look() else {
            return 0;
        };
        let is_stale = |check: &&&Operation| {
            let shown = Shown::by_look(self.kind, check);
            shown
                .zip(check.sent)
                .is_some_and(|(shown, sent)| self.written.is_stale(shown, sent, last))
        };
        self.checks.iter().filter(is_stale).count() as u64
    }

    /// Whether its user ended it, for certain.
    pub(super) fn is_logged_out(&self) -> bool {
        self.logout
            .is_some_and(|logout| logout.outcome == Outcome::Acknowledged)
    }

    /// Whether the final look at it found it known.
    pub(super) fn is_known_at_last(&self) -> bool {
        self.read_back
            .is_some_and(|look| look.is_correct() || Shown::by_look(self.kind, look).is_some())
    }

    /// Whether the final look at it told for certain whether it is known.
    pub(super) fn is_definite_at_last(&self) -> bool {
        let refused = |look: &Operation| look.error.and_then(refusal).is_some();
        self.is_known_at_last() || self.read_back.is_some_and(refused)
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
pub(super) const fn refusal(class: ErrorClass) -> Option<Refusal> {
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
