//! Reads of a client's sessions that are not part of the load: in rounds after it, and once before each logout.

use comeback_model::ids::Seed;
use comeback_model::operation::{ErrorClass, ShownWrites, Step};
use comeback_model::schedule::Shuffler;
use comeback_model::units::Elapsed;

use super::{Bounds, Client, Wanted};
use comeback_session::flow::Session;

/// Keeps the order of the looks apart from all else that is drawn from the seed.
const STREAMS: u64 = 1 << 63;

/// A session lasts so many trials of a storm. The first ones, without a fault, are more.
const TURNS: u32 = 4;

/// A session that its client has no more.
#[derive(Clone, Debug)]
pub(super) struct Former {
    generation: u32,
    session: Session,
    /// It was logged out, or refused: it need not be known.
    ended: bool,
    /// It was refused.
    refused: bool,
    /// The last look knew it, with all that was acknowledged.
    whole: bool,
    /// The state that it showed.
    shown: Shown,
}

/// The state of a session as a look showed it: a counter, or the writes that were found.
type Shown = (Option<u64>, Option<Box<ShownWrites>>);

impl Former {
    /// One that goes on.
    pub(super) fn living((generation, session): (u32, Session)) -> Self {
        Self {
            generation,
            session,
            ended: false,
            refused: false,
            shown: Shown::default(),
            whole: false,
        }
    }

    /// The next look must show what the last one did, and beside it at most what was never answered.
    fn expect_as_shown(&mut self) {
        let (counter, found) = &self.shown;
        self.session.expect_as_shown(*counter, found.as_deref());
    }

    /// What the last look showed must be there from now on.
    fn go_on(&mut self) {
        let (counter, found) = &self.shown;
        self.session.go_on_from(*counter, found.as_deref());
    }

    /// One that its user ended, or the server by refusing it.
    pub(super) fn ended(mut session: (u32, Session), refused: bool) -> Self {
        session.1.note_over();
        Self {
            ended: true,
            refused,
            ..Self::living(session)
        }
    }
}

/// The sessions that a round of looks leaves open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looked {
    /// Sessions that neither their users ended nor the server before.
    pub living: u32,
    /// Sessions that the server refused before.
    pub refused: u32,
    /// Looks that were answered correctly.
    pub answered: u32,
    /// Sessions that are to be looked at again: refused, or known with less than was acknowledged.
    pub undecided: u32,
    /// Of those: sessions that are not known.
    pub gone: u32,
    /// Of those: sessions that are known with less than was acknowledged.
    pub older: u32,
    /// Of those: sessions that are another user's.
    pub anothers: u32,
    /// Sessions of which nothing was learned.
    pub failed: u32,
}

impl Looked {
    /// Sessions that are to be looked at again for another reason.
    #[must_use]
    pub const fn odd(&self) -> u32 {
        self.undecided
            .saturating_sub(self.gone + self.older + self.anothers)
    }

    /// Both together.
    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            living: self.living + other.living,
            refused: self.refused + other.refused,
            answered: self.answered + other.answered,
            undecided: self.undecided + other.undecided,
            gone: self.gone + other.gone,
            older: self.older + other.older,
            anothers: self.anothers + other.anothers,
            failed: self.failed + other.failed,
        }
    }
}

/// The result of a look.
struct Met {
    error: Option<ErrorClass>,
    /// No acknowledged change is lacking.
    complete: bool,
    /// A cache had stored it.
    stored: bool,
    /// The state that it showed.
    shown: Shown,
}

/// The order of a round's looks, for one of those who draw one.
pub(crate) fn order_of(seed: Seed, round: u32, of: u32) -> Shuffler {
    Shuffler::new(seed, STREAMS | (u64::from(round) << 32) | u64::from(of))
}

impl Client {
    /// Looks once at each session that it has or had.
    pub(super) async fn look_at_all(&mut self, round: u32, until: Elapsed) {
        self.former.extend(self.session.take().map(Former::living));
        let mut sessions = std::mem::take(&mut self.former);
        // Workers draw theirs by their own numbers, from 0.
        order_of(Seed(self.shared.seed), round, u32::MAX - self.id.0).shuffle(&mut sessions);
        for former in &mut sessions {
            let looked = self.look_at(former, until).await;
            self.shared.looked.set(self.shared.looked.get().and(looked));
        }
        self.former = sessions;
    }

    async fn look_at(&mut self, former: &mut Former, until: Elapsed) -> Looked {
        let (generation, session) = (former.generation, &mut former.session);
        let mut met = self.look(generation, session, until).await;
        // The user sees a stored reply of the cache, but it says nothing about the server.
        if met.stored && self.shared.clock.now() < until {
            self.go_around_cache(true);
            met = self.look(generation, session, until).await;
            self.go_around_cache(false);
        }
        let is_told = met.error.is_none_or(is_definite);
        let is_known = matches!(met.error, None | Some(ErrorClass::WrongAnswer));
        former.whole = is_known && met.complete;
        former.shown = met.shown;
        let is_decided = former.ended || former.whole;
        let is_open = is_told && !is_decided;
        let is_gone = matches!(
            met.error,
            Some(ErrorClass::SessionRejected | ErrorClass::SessionRecreated)
        );
        Looked {
            living: u32::from(!former.ended),
            refused: u32::from(former.refused),
            answered: u32::from(met.error.is_none()),
            undecided: u32::from(is_open),
            gone: u32::from(is_open && is_gone),
            older: u32::from(is_open && is_known && !met.complete),
            anothers: u32::from(is_open && met.error == Some(ErrorClass::WrongIdentity)),
            failed: u32::from(!is_told),
        }
    }

    /// In a new trial on the same data: goes on with its last session, if that was whole at the last look and is as it was. All
    /// others are left behind; of one that is not as it was it may be asked again.
    pub(super) async fn resume(&mut self, until: Elapsed) {
        if self.session.is_some() {
            return;
        }
        let mut own = std::mem::take(&mut self.former);
        own.retain(|former| !former.ended && former.whole);
        let Some(last) = own.into_iter().max_by_key(|former| former.generation) else {
            return;
        };
        let mut next = last.clone();
        next.expect_as_shown();
        let mut looked = self.look_at(&mut next, until).await;
        // It may also show more than can be, or nothing of what it showed before.
        let ((before, _), (now, found)) = (&last.shown, &next.shown);
        let shows_as_much =
            before.is_some() == now.is_some() && next.session.may_show(*now, found.as_deref());
        let is_as_it_was = looked.answered > 0 && next.whole && shows_as_much;
        looked.undecided = u32::from(looked.failed == 0 && !is_as_it_was);
        self.shared.looked.set(self.shared.looked.get().and(looked));
        if !is_as_it_was {
            // What the server set at this look the next one sends, as the user would.
            let session = next.session;
            self.former.push(Former { session, ..last });
        } else if !self.leaves() {
            next.go_on();
            self.session = Some((next.generation, next.session));
        }
    }

    /// Whether it leaves its session behind in this trial, though it is whole, and logs in anew: each user does in turns, so that a kill
    /// meets new sessions, and none is older than those of the trials without a fault were.
    fn leaves(&self) -> bool {
        self.id.0 % TURNS == self.shared.trial.get().0 % TURNS
    }

    /// Whether it has a session.
    pub(super) const fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Looks at the last moment at which the session can show whether it is known. If nothing was learned of it, its user looks again and
    /// does not log out: after that nothing would be.
    pub(super) async fn look_before_logout(&mut self) -> Step {
        let Some((generation, mut session)) = self.session.take() else {
            return Step::Logout;
        };
        let until = self.shared.clock.now() + self.shared.load.timeout;
        let met = self.look(generation, &mut session, until).await;
        self.session = Some((generation, session));
        match met.error.is_none_or(is_definite) {
            true => Step::Logout,
            false => Step::Check,
        }
    }

    async fn look(&mut self, generation: u32, session: &mut Session, until: Elapsed) -> Met {
        let intended = self.shared.clock.now();
        let wanted = Wanted {
            step: Step::ReadBack,
            generation,
            intended,
            dispatched: intended,
        };
        let turn = self.shared.flow.begin(Step::ReadBack, session);
        let bounds = Bounds {
            latest_start: until,
            end: None,
        };
        let tried = self.attempt(wanted, &turn, session, bounds).await;
        let finished = self.shared.clock.now();
        let meaning = &tried.meaning;
        let met = Met {
            error: meaning.error,
            complete: session.is_complete_in(meaning.value, meaning.found.as_deref()),
            shown: (meaning.value, meaning.found.clone()),
            stored: tried.reply.is_some_and(|reply| reply.is_stored()),
        };
        self.record(wanted, tried, finished);
        met
    }

    /// From now on requests go around the cache, or no longer.
    fn go_around_cache(&mut self, around: bool) {
        if self.around != around {
            self.around = around;
            self.connection = None;
        }
    }
}

/// Whether an error at a look says what became of the session.
const fn is_definite(class: ErrorClass) -> bool {
    match class {
        ErrorClass::SessionRejected
        | ErrorClass::SessionRecreated
        | ErrorClass::WrongIdentity
        | ErrorClass::WrongAnswer
        | ErrorClass::HarnessError => true,
        ErrorClass::Refused
        | ErrorClass::Reset
        | ErrorClass::ConnectTimeout
        | ErrorClass::ResponseTimeout
        | ErrorClass::ServerError
        | ErrorClass::ClientError
        | ErrorClass::Malformed
        | ErrorClass::Unsent => false,
    }
}
