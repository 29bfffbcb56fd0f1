//! Sessions, each with what became of it: the definitions of the session ledger (METHOD.md §3).

mod told;

use std::collections::{BTreeMap, BTreeSet};

use comeback_model::ids::{FaultId, SessionId};
use comeback_model::operation::{Operation, Outcome, Step};
use comeback_model::plan::Writes;
use comeback_model::units::Elapsed;

use super::caching::{is_anothers_from_cache, is_from_cache};
use super::facts::{Facts, FaultFacts, was_sent_by};
use super::fate::{Fate, Refusal, refusal};
use super::laid::Suspects;
use super::looks::{Answered, Looks, is_known};
use super::writes::{Balance, Look, Shown, Written};

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
    /// When the last request was sent whose reply knew it, before it was refused.
    known: Option<Elapsed>,
    /// The looks of the load at it that showed its state.
    checks: Vec<&'a Operation>,
    /// The last look by which the new process told of it, before the session was logged out.
    last_check: Option<&'a Operation>,
    /// The last look between two faults, or while one was under way, by which it was known then.
    calm_check: Option<&'a Operation>,
    /// T0 of the last fault before its logout, where another fault came after that.
    logout_after: Option<Elapsed>,
    /// When a fault that was under way at its logout had last hit a node.
    logout_amid: Option<Elapsed>,
    /// When the last change that may have been applied was over.
    last_change: Option<Elapsed>,
    /// The final looks at it.
    looks: Looks<'a>,
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

impl Standing {
    /// Whether it had ended before the fault, or may have: no look at it tells what became of its writes.
    pub(super) const fn has_ended(&self) -> bool {
        match self {
            Self::LoggedOut | Self::Ambiguous | Self::RefusedBefore(_) => true,
            Self::Counted(_) | Self::Later(_) => false,
        }
    }

    /// Whether it is counted as another user's.
    pub(super) const fn is_anothers(self) -> bool {
        matches!(
            self,
            Self::RefusedBefore(Refusal::WrongIdentity)
                | Self::Counted(Fate::Refused(Refusal::WrongIdentity))
                | Self::Later(Fate::Refused(Refusal::WrongIdentity))
        )
    }
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
    let is_early = |session: &Session<'_>| {
        let login = session.login;
        login.is_some_and(|login| facts.is_carried_on(login))
    };
    // In a storm, before the load: whose user logged in anew meanwhile was left behind, and is looked at no more.
    let left: BTreeSet<SessionId> = sessions
        .iter()
        .zip(sessions.iter().skip(1))
        .filter(|((id, session), (next, following))| {
            let is_same = id.client == next.client;
            is_same && session.is_carried_on() && is_early(following)
        })
        .map(|((id, _), _)| *id)
        .collect();
    sessions
        .into_iter()
        .filter(|(id, session)| session.login.is_some() && !left.contains(id))
        .map(|(_, session)| session)
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
            known: None,
            checks: Vec::new(),
            last_check: None,
            calm_check: None,
            logout_after: None,
            logout_amid: None,
            last_change: None,
            looks: Looks::default(),
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
            Step::ReadBack if facts.is_after_load(operation).unwrap_or(true) => {
                self.looks.push(operation);
                return;
            }
            // In a storm, by which a session of the trial before is gone on with. It is as acknowledged as by a login.
            Step::ReadBack if self.login.is_none() => {
                let is_whole = operation.is_correct() && is_known(self.kind, operation);
                if is_whole && facts.is_carried_on(operation) {
                    self.login = Some(operation);
                    self.written.carry_on(operation);
                } else {
                    // It may be looked at again before the load. If it is lost, that is told of the kill before.
                    return;
                }
            }
            // One before its user's logout.
            Step::ReadBack => self.note_answer(facts, operation),
            Step::Logout => {
                let ended = match operation.outcome {
                    Outcome::Acknowledged => operation.is_correct(),
                    Outcome::Indeterminate => true,
                    Outcome::Rejected => false,
                };
                if ended && self.logout.is_none() {
                    self.logout = Some(operation);
                    self.learn_logout_before_effect(facts, operation);
                }
            }
            Step::Act => {
                self.written
                    .learn(operation, facts.is_before_effect(operation));
                if operation.outcome != Outcome::Rejected {
                    self.last_change = self.last_change.max(Some(operation.finished));
                }
            }
            Step::Check => self.learn_check(facts, operation),
            // It is beside the session.
            Step::Get => return,
        }
        if let Some(refusal) = operation.error.and_then(refusal) {
            self.refused.get_or_insert((operation, refusal));
        }
        if self.refused.is_none() && operation.is_correct() && !is_from_cache(operation) {
            self.known = self.known.max(operation.asked());
        }
    }

    fn learn_check(&mut self, facts: &Facts, check: &'a Operation) {
        if Shown::by_look(self.kind, check).is_some() {
            self.checks.push(check);
        }
        self.note_answer(facts, check);
    }

    /// Notes a look of the load's time that knew the session.
    fn note_answer(&mut self, facts: &Facts, look: &'a Operation) {
        // What a cache had stored says nothing of what the new process knows.
        let is_news = !facts.is_before_effect(look) && !is_from_cache(look);
        if !is_known(self.kind, look) || self.logout.is_some() || is_from_cache(look) {
            return;
        }
        if is_news {
            self.last_check = Some(look);
        } else if look.sent.is_some_and(|sent| {
            let after = facts.effect_confirmed_before(sent);
            after.or(facts.effect_begun_before(sent)).is_some()
        }) {
            self.calm_check = Some(look);
        }
    }

    /// A user who logs out between two faults takes with him what the first one did: a look after its T0 tells of that. So
    /// does one who logs out while a fault is under way that has hit other nodes, or that lasts.
    fn learn_logout_before_effect(&mut self, facts: &Facts, logout: &Operation) {
        let Some(sent) = logout.sent.filter(|_| facts.is_before_effect(logout)) else {
            return;
        };
        self.logout_after = facts.effect_confirmed_before(sent);
        self.logout_amid = facts.effect_begun_before(sent);
        if let Some(since) = self.logout_after.or(self.logout_amid) {
            self.last_check = self.calm_check.filter(|look| look.sent > Some(since));
        }
    }

    /// Whether it is one of the trial before.
    pub(super) fn is_carried_on(&self) -> bool {
        let login = self.login;
        login.is_some_and(|login| login.step == Step::ReadBack)
    }

    /// Whether its user logged in for the first time when the load was measured already: right before the fault.
    pub(super) fn is_a_newcomers(&self, facts: &Facts) -> bool {
        let login = self.login.filter(|login| login.generation == 0);
        let baseline = facts.baseline();
        login.is_some_and(|login| baseline.is_some_and(|from| login.intended >= from))
    }

    /// Which session it is.
    pub(super) fn id(&self) -> Option<SessionId> {
        self.login.map(Operation::session)
    }

    /// Where it stands in the ledger; `answered` tells of each round of final looks whether the server answered in it.
    pub(super) fn standing(&self, facts: &Facts, answered: &Answered) -> Standing {
        if !self
            .login
            .is_some_and(|login| facts.is_before_effect(login))
        {
            return Standing::Later(self.fate(answered));
        }
        let refused_before = match (self.refused, facts.fault()) {
            (Some((operation, refusal)), Some(fault)) if operation.finished < fault => {
                Some(refusal)
            }
            _ => None,
        };
        if let Some(logout) = self.logout {
            let took = self
                .taken_for_certain(facts, logout)
                .or_else(|| self.taken_between_faults(logout))
                .filter(|_| refused_before.is_none());
            match (logout.outcome, took) {
                (Outcome::Acknowledged, took) if facts.is_before_effect(logout) => {
                    return took.map_or(Standing::LoggedOut, Standing::Counted);
                }
                (Outcome::Indeterminate, Some(refused @ Fate::Refused(_))) => {
                    return Standing::Counted(refused);
                }
                (Outcome::Indeterminate, _) if may_have_ended_before(facts, logout) => {
                    return Standing::Ambiguous;
                }
                (Outcome::Acknowledged | Outcome::Indeterminate | Outcome::Rejected, _) => {}
            }
        }
        if let Some(refusal) = refused_before {
            return Standing::RefusedBefore(refusal);
        }
        if self.is_refused_between(facts) {
            return Standing::Later(self.fate(answered));
        }
        if facts.recovered().is_none() && !facts.control {
            return Standing::Counted(Fate::Undecided);
        }
        Standing::Counted(match self.fate(answered) {
            // It showed nothing that somebody who never logged in is not shown.
            Fate::Known { .. } if facts.anonymous_known && self.written.is_empty() => {
                Fate::Undecided
            }
            fate => fate,
        })
    }

    /// What became of a session that stood at an earlier fault and was logged out before the last one, unless it was whole
    /// when its user left.
    fn taken_between_faults(&self, logout: &'a Operation) -> Option<Fate> {
        let login = self.login?.finished;
        self.logout_after.filter(|confirmed| login <= *confirmed)?;
        match self.fate_before(logout) {
            Fate::Known { balance, .. } if balance == Balance::default() => None,
            fate => Some(fate),
        }
    }

    /// What a fault took for certain before the user of the session left, be its effect on other nodes still to come.
    fn taken_for_certain(&self, facts: &Facts, logout: &'a Operation) -> Option<Fate> {
        let login = self.login?.finished;
        let is_it = match self.fate_before(logout) {
            Fate::Refused(_) => !self.is_refused_between(facts),
            Fate::Known { balance, .. } => {
                balance.is_older && self.logout_amid.is_some_and(|begun| login <= begun)
            }
            Fate::Broken | Fate::Flapping | Fate::Undecided => false,
        };
        is_it.then(|| self.fate_before(logout))
    }

    /// Whether it was begun after one fault and refused before the next was sent: no fault can have taken it.
    fn is_refused_between(&self, facts: &Facts) -> bool {
        let (Some(login), Some((refused, _))) = (self.login, self.refused) else {
            return false;
        };
        let last = facts.last_fault();
        let confirmed = facts.effect_confirmed_by(refused.finished);
        last.is_some_and(|last| refused.finished < last)
            && confirmed.is_some_and(|confirmed| login.finished > confirmed)
    }

    /// The faults that may have taken it, if it is lost.
    pub(super) fn laid_to(&self, suspects: &Suspects) -> Vec<FaultId> {
        let login = self.login.and_then(Operation::asked);
        let refused = self.refused.map(|(operation, _)| operation.finished);
        suspects.between(self.known.max(login), refused.or(self.looks.first()))
    }

    /// When each of its writes was acknowledged that were lost with it, and the faults that may have taken it.
    pub(super) fn all_laid_to(&self, suspects: &Suspects) -> Vec<(Elapsed, Vec<FaultId>)> {
        let faults = self.laid_to(suspects);
        let lost = self.written.lost_at(u64::MAX, None).into_iter();
        lost.map(|at| (at, faults.clone())).collect()
    }

    /// When each of its lost writes was acknowledged, and the faults that may have taken it. A write was there when it was
    /// acknowledged, and when a later request was answered with a state that held all that had been acknowledged.
    pub(super) fn writes_laid_to(
        &self,
        suspects: &Suspects,
        balance: Balance,
    ) -> Vec<(Elapsed, Vec<FaultId>)> {
        let lost = self.written.lost_at(balance.lost, self.last_look());
        // One that was never answered may stand in a counter for one that is gone.
        let hides_a_loss = self.written.is_counted() && self.written.indeterminate() > 0;
        let seen = self.seen_whole().filter(|_| !hides_a_loss);
        let login = self.login.and_then(Operation::asked);
        let lay = |at: Elapsed| {
            let known = match self.written.is_counted() {
                // Which of its writes are gone a counter does not tell: they may be older ones.
                true => seen.max(login),
                false => seen.max(Some(at)),
            };
            (at, suspects.between(known, self.looks.first()))
        };
        lost.into_iter().map(lay).collect()
    }

    /// When the last look of the load was sent whose reply showed a state that holds all that was acknowledged.
    fn seen_whole(&self) -> Option<Elapsed> {
        let checks = self.checks.iter().filter(|check| !is_from_cache(check));
        // A refuted state may be the truth from then on: what agrees with it later is not whole.
        let whole = checks.take_while(|check| check.is_correct());
        whole.filter_map(|check| check.asked()).max()
    }

    /// Whether it had begun when the last fault was sent: to the first that it hits, where it hits one after the other.
    pub(super) fn stood_at_the_fault(&self, facts: &Facts) -> bool {
        let login = self.login.map(|login| login.finished);
        login
            .zip(facts.last_fault())
            .is_some_and(|(login, fault)| login <= fault)
    }

    /// Whether it is another user's because a cache showed that user's content: nothing is known of its own state.
    pub(super) fn is_anothers_by_cache(&self) -> bool {
        match self.refused {
            Some((operation, _)) => is_anothers_from_cache(operation),
            None => self.looks.are_anothers_by_cache(),
        }
    }

    /// What became of it, as far as its own operations tell.
    fn fate(&self, answered: &Answered) -> Fate {
        if let Some(logout) = self.logout
            && logout.outcome == Outcome::Acknowledged
        {
            return self.fate_before(logout);
        }
        match self.refused {
            Some((_, refusal)) => Fate::Refused(refusal),
            // What a cache showed of somebody else is not undone by what the server says.
            None if self.looks.name_another() => Fate::Refused(Refusal::WrongIdentity),
            None => {
                let answers = self.looks.answers(self.kind, |look| self.balance_at(look));
                answers.fate(self.logout.is_none(), answered)
            }
        }
    }

    /// What became of a session that its user ended after the fault. A goodbye that shows nothing tells nothing: many
    /// servers say it to those who never logged in, too.
    fn fate_before(&self, logout: &'a Operation) -> Fate {
        if let Some((operation, refusal)) = self.refused
            && logout.sent.is_some_and(|sent| operation.finished <= sent)
        {
            return Fate::Refused(refusal);
        }
        match self.look_at_logout(logout) {
            Some(look) => self.by_look(Some(look)),
            None if self.last_check.is_some_and(Operation::is_correct) => self.by_look(None),
            None => Fate::Undecided,
        }
    }

    fn by_look(&self, look: Option<Look<'_>>) -> Fate {
        let balance = match look {
            Some(look) => self.written.balance(look),
            None => self.written.is_empty().then(Balance::default),
        };
        balance.map_or(Fate::Undecided, |balance| Fate::Known {
            balance,
            later: false,
        })
    }

    /// What a look at it that knew it tells of its state; absent where that cannot be compared.
    pub(super) fn balance_at(&self, look: &'a Operation) -> Option<Balance> {
        let shown = Shown::by_look(self.kind, look).map(|shown| self.look(shown));
        match self.by_look(shown) {
            Fate::Known { balance, later: _ } => Some(balance),
            Fate::Refused(_) | Fate::Broken | Fate::Flapping | Fate::Undecided => None,
        }
    }

    /// What its changes change.
    pub(super) const fn kind(&self) -> Writes {
        self.kind
    }

    /// The final looks at it.
    pub(super) const fn looks(&self) -> &Looks<'a> {
        &self.looks
    }

    /// What is known of its state at last.
    fn last_look(&self) -> Option<Look<'_>> {
        match self.logout {
            Some(logout) if logout.outcome == Outcome::Acknowledged => self.look_at_logout(logout),
            Some(_) | None => self.look_at_last(),
        }
    }

    fn look_at_last(&self) -> Option<Look<'_>> {
        let shown = Shown::by_look(self.kind, self.looks.last_known(self.kind)?)?;
        Some(self.look(shown))
    }

    /// The last look before the logout shows the state, if nothing was changed after it: a goodbye may show that of a
    /// logged-out user. What the goodbye shows counts where there is no such look, or where that was a stale one. Else the
    /// look does that came before the last changes, if it could show all that counts.
    fn look_at_logout(&self, logout: &'a Operation) -> Option<Look<'_>> {
        let goodbye = Shown::by(self.kind, logout).map(|shown| self.look(shown));
        let Some((check, look)) = self.last_check.and_then(|check| {
            let shown = Shown::by_look(self.kind, check)?;
            Some((check, self.look(shown)))
        }) else {
            return goodbye;
        };
        if self.last_change <= check.sent {
            let is_whole = |look: &Look<'_>| {
                let balance = self.written.balance(*look);
                balance.is_some_and(|balance| !balance.is_older)
            };
            return match is_whole(&look) {
                true => Some(look),
                false => goodbye.filter(is_whole).or(Some(look)),
            };
        }
        let covers_all = match self.kind {
            // A counter must show all that was acknowledged, also what came after such a look.
            Writes::Counter => false,
            Writes::Set | Writes::List => self.written.last_before() <= check.sent,
        };
        goodbye.or(covers_all.then_some(Look {
            until: check.sent,
            ..look
        }))
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

    /// Whether its user ended it from this moment on.
    pub(super) fn was_logged_out_since(&self, from: Elapsed) -> bool {
        self.logout.is_some_and(|logout| logout.finished >= from)
    }

    /// Whether its user ended it, for certain.
    pub(super) fn is_logged_out(&self) -> bool {
        self.logout
            .is_some_and(|logout| logout.outcome == Outcome::Acknowledged)
    }
}

/// Whether a login was in flight at the fault, so that nobody knows whether it began a session.
pub(super) fn is_login_in_flight(facts: &Facts, operation: &Operation) -> bool {
    let is_in_flight = |own: &FaultFacts| {
        let window = own
            .sent()
            .zip(own.effect_confirmed())
            .filter(|_| !facts.control);
        window.is_some_and(|(sent, confirmed)| {
            operation.finished >= sent && was_sent_by(operation, confirmed)
        })
    };
    operation.step == Step::Login
        && operation.outcome == Outcome::Indeterminate
        && facts.faults().any(|(_, own)| is_in_flight(own))
}

/// Whether an unanswered logout may have taken effect before the fault did.
fn may_have_ended_before(facts: &Facts, logout: &Operation) -> bool {
    facts
        .effect_confirmed()
        .is_none_or(|confirmed| was_sent_by(logout, confirmed) || logout.finished <= confirmed)
}
