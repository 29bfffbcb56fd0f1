//! The two ledgers: what became of the acknowledged sessions, and of their acknowledged writes.

use std::collections::{BTreeMap, BTreeSet};

use comeback_model::ids::{Node, SessionId};
use comeback_model::operation::{ErrorClass, Operation, Step};
use comeback_model::plan::{Plan, Workload};
use comeback_model::units::{Elapsed, Span};

use super::facts::Facts;
use super::fate::{Fate, Refusal};
use super::held_back::held_back;
use super::journeys::{End, Ends};
use super::laid::{Laid, Suspects};
use super::looks::Answered;
use super::sessions::{Session, Standing, is_login_in_flight, sessions};
use super::types::{FaultedSessions, SessionFate};
use super::writes::Balance;
use crate::measure::{SessionCounts, WriteCounts, WritesBeside};

/// Both ledgers of a trial, and what has no place in them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) sessions: SessionCounts,
    pub(super) writes: WriteCounts,
    /// What is wrong with the writes that no fault has taken.
    pub(super) beside: WritesBeside,
    /// Sessions that stood at the fault and lack nothing, and show nothing twice that a second try explains.
    pub(super) whole: BTreeSet<SessionId>,
    pub(super) faulted: FaultedSessions,
    /// T0 − acknowledgement of the oldest lost write, in ms.
    pub(super) loss_window_ms: Option<f64>,
    pub(super) oddities: Oddities,
    /// In a control trial: who logs out later is looked at sooner than anybody who logs out before a fault.
    recent: Option<Elapsed>,
    /// How the sessions ended that were alive at the fault.
    pub(super) ends: Ends,
    /// What became of each session, in a word.
    pub(super) fates: BTreeMap<SessionId, SessionFate>,
    /// Which faults the losses are laid to, where there are several.
    pub(super) laid: Laid,
    /// The trial is one of a storm.
    is_storm: bool,
    /// The first session that lost something, in words.
    pub(super) counterexample: Option<String>,
    /// What the user of that session met, a sentence each.
    pub(super) story: Vec<String>,
}

/// What a reader should know, though it is not the fault's doing or not certain to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    /// Sessions rejected or re-created before any fault.
    pub(super) lost_before: u64,
    /// Sessions that named another user before any fault.
    pub(super) anothers_before: u64,
    /// Sessions a client was definitely refused, and known at a final look.
    pub(super) refused_yet_known: u64,
    /// Sessions that were known at one final look, and not at a later one, or with less.
    pub(super) flapping: u64,
    /// Sessions that were logged out, and name another user now.
    pub(super) logged_out_yet_anothers: u64,
    /// Sessions begun after the fault, and lost.
    pub(super) lost_later: u64,
    /// Sessions begun after the fault that name another user.
    pub(super) anothers_later: u64,
    /// Logins whose reply named another user.
    pub(super) anothers_logins: u64,
    /// Writes acknowledged after the fault, and absent.
    pub(super) writes_lost_later: u64,
    /// Writes of sessions begun after the fault that are there more often than sent.
    pub(super) writes_excess_later: u64,
    /// Checks of sessions begun after the fault that did not show an acknowledged write.
    pub(super) stale_reads_later: u64,
    /// Writes that do not say which they are, where they must.
    pub(super) writes_unnumbered: u64,
}

/// When the last `settle` of a control trial's load begins. A trial with a fault has as much load after it.
fn recent(plan: &Plan, facts: &Facts) -> Option<Elapsed> {
    let (stopped, _) = facts.stopped.filter(|_| facts.control)?;
    let us = stopped.as_us().saturating_sub(plan.windows.settle.as_us());
    Some(Elapsed::from_us(us))
}

/// Keeps both ledgers; `operations` in the order of each client's doing.
pub(super) fn keep(plan: &Plan, facts: &Facts, operations: &[&Operation]) -> Ledger {
    let mut ledger = Ledger {
        is_storm: plan.storm.is_some(),
        recent: recent(plan, facts),
        ..Ledger::default()
    };
    let writes = match &plan.load.workload {
        Workload::Stateless(_) => return ledger,
        Workload::Sessions(flow) => flow.writes,
    };
    ledger.sessions.ambiguous += operations
        .iter()
        .filter(|operation| is_login_in_flight(facts, operation))
        .count() as u64;
    let anothers_logins = operations
        .iter()
        .filter(|operation| is_anothers_login(operation))
        .count() as u64;
    ledger.oddities.anothers_logins = anothers_logins;
    ledger.sessions.wrong_identity_later += anothers_logins;
    let sessions = sessions(writes, facts, operations);
    let mut answered = Answered::default();
    for session in sessions.iter().filter(|session| !session.is_logged_out()) {
        answered.learn(session.looks());
    }
    let suspects = Suspects::of(facts);
    for session in &sessions {
        ledger.enter((facts, suspects.as_ref()), session, &answered);
    }
    ledger.beside.lost_later = ledger.oddities.writes_lost_later;
    if are_replies_late(plan, facts, operations) {
        ledger.loss_window_ms = None;
    }
    ledger
}

/// Whether it is a login whose reply named another user.
fn is_anothers_login(operation: &Operation) -> bool {
    operation.step == Step::Login && operation.error == Some(ErrorClass::WrongIdentity)
}

/// Whether replies may have been held back before a fault's effect was complete: when they were sent nobody knows then.
fn are_replies_late(plan: &Plan, facts: &Facts, operations: &[&Operation]) -> bool {
    facts.faults().any(|(_, own)| {
        let nodes: Vec<Node> = own.nodes().collect();
        let until = own.effect_confirmed().unwrap_or_default();
        let held = held_back(plan, facts, operations, &nodes, (Elapsed::default(), until));
        held.from != Some(Span::ZERO)
    })
}

/// What the fate of a session does to its user's journey. What was acknowledged and is gone tears it. Who has logged
/// out has come to the end of it.
const fn journeys_end(fate: Fate, is_logged_out: bool) -> End {
    match fate {
        Fate::Known { balance, later: _ } if balance.is_older => End::Torn,
        Fate::Known { .. } => End::Whole,
        Fate::Refused(_) | Fate::Broken => End::Torn,
        Fate::Undecided if is_logged_out => End::Whole,
        Fate::Flapping | Fate::Undecided => End::Undecided,
    }
}

/// Whether the session is lost to its user.
const fn is_loss(fate: Fate) -> bool {
    match fate {
        Fate::Refused(Refusal::Rejected | Refusal::Recreated) | Fate::Broken => true,
        Fate::Refused(Refusal::WrongIdentity)
        | Fate::Known { .. }
        | Fate::Flapping
        | Fate::Undecided => false,
    }
}

/// What became of a session, in a word.
const fn told(standing: Standing, is_zombie: bool) -> SessionFate {
    let (fate, is_later) = match standing {
        Standing::Counted(fate) => (fate, false),
        Standing::Later(fate) => (fate, true),
        Standing::LoggedOut if is_zombie => return SessionFate::Zombie,
        Standing::LoggedOut => return SessionFate::LoggedOut,
        Standing::Ambiguous => return SessionFate::Undecided,
        Standing::RefusedBefore(Refusal::WrongIdentity) => return SessionFate::AnotherUsers,
        Standing::RefusedBefore(Refusal::Rejected | Refusal::Recreated) => {
            return SessionFate::RefusedBefore;
        }
    };
    match (fate, is_later) {
        (Fate::Refused(Refusal::WrongIdentity), _) => SessionFate::AnotherUsers,
        (Fate::Flapping | Fate::Undecided, _) => SessionFate::Undecided,
        (Fate::Known { balance, .. }, true) if balance.lost + balance.lost_later > 0 => {
            SessionFate::LostLater
        }
        (Fate::Known { .. }, true) => SessionFate::KeptLater,
        (Fate::Refused(Refusal::Rejected | Refusal::Recreated) | Fate::Broken, true) => {
            SessionFate::LostLater
        }
        (Fate::Known { balance, .. }, false) if balance.is_older => SessionFate::Reset,
        (Fate::Known { .. }, false) => SessionFate::Kept,
        (Fate::Refused(Refusal::Rejected | Refusal::Recreated) | Fate::Broken, false) => {
            SessionFate::Lost
        }
    }
}

impl Ledger {
    /// Sessions that one look found, and another did not or with less.
    pub(super) const fn found_again(&self) -> u64 {
        let oddities = &self.oddities;
        self.sessions.known_later + oddities.refused_yet_known + oddities.flapping
    }

    /// Enters what is lost beyond this if the ledger is that one.
    pub(super) fn doubt(&mut self, whole: &Self) {
        let more = |of: fn(&Self) -> u64| of(whole).saturating_sub(of(self));
        let lost = more(|ledger| ledger.sessions.lost);
        let reset = more(|ledger| ledger.sessions.reset);
        let zombie = more(|ledger| ledger.sessions.honoured_logouts());
        let lost_writes = more(|ledger| ledger.writes.lost);
        self.sessions.lost_doubted = lost;
        self.sessions.reset_doubted = reset;
        self.sessions.zombie_doubted = zombie;
        self.writes.lost_doubted = lost_writes;
    }

    fn enter(
        &mut self,
        (facts, suspects): (&Facts, Option<&Suspects>),
        session: &Session<'_>,
        answered: &Answered,
    ) {
        let is_logged_out = session.is_logged_out();
        let looks = session.looks();
        self.oddities.writes_unnumbered += session.written.unnumbered();
        let is_known = looks.know_it(session.kind());
        // Where somebody who never logged in is answered like a known user, such an answer tells nothing.
        let is_zombie = is_logged_out && is_known && !facts.anonymous_known;
        let standing = match session.standing(facts, answered) {
            // Where somebody who never logged in is answered so, a user who did nothing but log in was never at stake.
            Standing::Counted(Fate::Undecided)
                if facts.anonymous_known
                    && session.written.is_empty()
                    && session.is_a_newcomers(facts) =>
            {
                return;
            }
            standing => standing,
        };
        if is_logged_out && looks.name_another() {
            self.oddities.logged_out_yet_anothers += 1;
            // A session that was another user's before its logout is counted as that.
            self.sessions.wrong_identity_later += u64::from(!standing.is_anothers());
        }
        if standing != Standing::LoggedOut {
            self.sessions.zombie_later += u64::from(is_zombie);
        }
        if let Standing::Counted(Fate::Known { balance, .. }) = standing
            && balance.may_refute_nothing()
        {
            self.whole.extend(session.id());
        }
        if standing.has_ended() {
            self.writes.unverified += session.written.acknowledged_in_it();
        }
        let fate = told(standing, is_zombie);
        self.fates.extend(session.id().map(|id| (id, fate)));
        match standing {
            Standing::Counted(fate) => {
                let fate = match self.is_storm {
                    true => self.as_of_the_kill(fate),
                    false => fate,
                };
                self.enter_session(fate);
                let end = journeys_end(fate, is_logged_out);
                self.ends.note(session.id(), end);
                if session.stood_at_the_fault(facts) {
                    self.enter_faulted(fate);
                }
                self.enter_writes((facts, suspects), session, fate);
                if self.counterexample.is_none() {
                    self.counterexample = session.counterexample(facts, fate);
                    if self.counterexample.is_some() {
                        self.story = session.story(facts, fate);
                    }
                }
                if let Some(suspects) = suspects.filter(|_| is_loss(fate)) {
                    self.laid.add_session(session.laid_to(suspects));
                }
                let refused = matches!(fate, Fate::Refused(_));
                self.oddities.refused_yet_known += u64::from(refused && is_known);
                self.oddities.flapping += u64::from(fate == Fate::Flapping);
            }
            Standing::LoggedOut => {
                let was_looked_at = facts.control || facts.recovered().is_some();
                let is_definite = looks.are_definite(session.kind());
                let tells = was_looked_at && is_definite && !facts.anonymous_known;
                self.sessions.logged_out += u64::from(tells);
                let is_unseen = !tells && !facts.anonymous_known;
                self.sessions.logged_out_unseen += u64::from(is_unseen);
                let is_zombie = tells && is_zombie;
                self.sessions.zombie += u64::from(is_zombie);
                let is_recent = self
                    .recent
                    .is_some_and(|from| session.was_logged_out_since(from));
                self.sessions.zombie_recent += u64::from(is_zombie && is_recent);
            }
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

    /// In a storm: what was acknowledged after the recovery and is absent no kill has taken. What the kill took of such a session
    /// nobody can tell.
    fn as_of_the_kill(&mut self, fate: Fate) -> Fate {
        match fate {
            Fate::Known { balance, .. } if balance.is_older && !balance.is_older_than_before => {
                self.oddities.writes_lost_later += balance.lost_later;
                Fate::Undecided
            }
            fate => fate,
        }
    }

    fn enter_session(&mut self, fate: Fate) {
        let counts = &mut self.sessions;
        counts.acknowledged += 1;
        match fate {
            Fate::Known { balance, later } => {
                match balance.is_older {
                    true => counts.reset += 1,
                    false => counts.survived += 1,
                }
                counts.known_later += u64::from(later);
            }
            Fate::Refused(Refusal::Rejected) => counts.rejected += 1,
            Fate::Refused(Refusal::Recreated) => counts.recreated += 1,
            Fate::Refused(Refusal::WrongIdentity) => counts.wrong_identity += 1,
            Fate::Broken => counts.broken += 1,
            Fate::Flapping | Fate::Undecided => counts.undecided += 1,
        }
        counts.lost = counts.rejected + counts.recreated + counts.broken;
    }

    fn enter_faulted(&mut self, fate: Fate) {
        if matches!(fate, Fate::Flapping | Fate::Undecided) {
            return;
        }
        self.faulted.known += 1;
        self.faulted.lost += u64::from(is_loss(fate));
    }

    fn enter_writes(
        &mut self,
        (facts, suspects): (&Facts, Option<&Suspects>),
        session: &Session<'_>,
        fate: Fate,
    ) {
        let (balance, stale) = match fate {
            Fate::Flapping | Fate::Undecided => return,
            // Never to be excused, but it says nothing of the writes.
            Fate::Refused(_) if session.is_anothers_by_cache() => return,
            Fate::Refused(_) | Fate::Broken => (session.written.all_lost(), 0),
            Fate::Known { balance, later: _ } => (balance, session.stale_checks()),
        };
        let Balance {
            is_older: _,
            is_older_than_before: _,
            lost,
            oldest_lost,
            holes,
            lost_later,
            duplicated,
            phantom,
            unexplained: _,
            made_up,
        } = balance;
        let acknowledged = session.written.acknowledged_before();
        let writes = &mut self.writes;
        writes.acknowledged += acknowledged;
        writes.kept += acknowledged - lost;
        writes.lost += lost;
        writes.phantom = writes.phantom.saturating_add(phantom);
        writes.duplicated = writes.duplicated.saturating_add(duplicated);
        writes.indeterminate += session.written.indeterminate();
        writes.holes += holes;
        writes.stale_reads += stale;
        if session.written.is_counted() && duplicated.saturating_add(phantom) > 0 {
            writes.unverifiable += acknowledged - lost;
        }
        self.oddities.writes_lost_later += lost_later;
        self.beside.excess = self.beside.excess.saturating_add(made_up);
        match suspects {
            Some(suspects) => self.lay_writes((facts, suspects), session, (fate, balance)),
            None => {
                if let Some((confirmed, oldest)) = facts.effect_confirmed().zip(oldest_lost) {
                    self.widen_loss_window(confirmed, oldest);
                }
            }
        }
    }

    /// Lays lost writes to faults; those of a session that is gone went with it.
    fn lay_writes(
        &mut self,
        (facts, suspects): (&Facts, &Suspects),
        session: &Session<'_>,
        (fate, balance): (Fate, Balance),
    ) {
        let laid = match fate {
            Fate::Refused(_) | Fate::Broken => session.all_laid_to(suspects),
            Fate::Known { .. } if balance.lost > 0 => session.writes_laid_to(suspects, balance),
            Fate::Known { .. } | Fate::Flapping | Fate::Undecided => Vec::new(),
        };
        for (acknowledged, faults) in laid {
            let confirmed = faults
                .iter()
                .filter_map(|fault| facts.of_fault(*fault)?.effect_confirmed());
            if let Some(confirmed) = confirmed.max() {
                self.widen_loss_window(confirmed, acknowledged);
            }
            self.laid.add_write(faults);
        }
    }

    fn widen_loss_window(&mut self, confirmed: Elapsed, oldest_lost: Elapsed) {
        // A reply of the old process may have been read after T0.
        let window = confirmed.since(oldest_lost).as_ms();
        self.loss_window_ms = Some(
            self.loss_window_ms
                .map_or(window, |other| other.max(window)),
        );
    }

    fn enter_later(&mut self, session: &Session<'_>, fate: Fate) {
        let oddities = &mut self.oddities;
        match fate {
            Fate::Refused(Refusal::Rejected | Refusal::Recreated) | Fate::Broken => {
                oddities.lost_later += 1;
            }
            Fate::Refused(Refusal::WrongIdentity) => {
                oddities.anothers_later += 1;
                self.sessions.wrong_identity_later += 1;
            }
            Fate::Known { balance, later: _ } => {
                let excess = balance.duplicated.saturating_add(balance.phantom);
                self.beside.excess = self.beside.excess.saturating_add(balance.made_up);
                oddities.writes_lost_later += balance.lost + balance.lost_later;
                oddities.writes_excess_later = oddities.writes_excess_later.saturating_add(excess);
                oddities.stale_reads_later += session.stale_checks();
            }
            Fate::Flapping | Fate::Undecided => {}
        }
    }
}
