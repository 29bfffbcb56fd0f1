//! Users who act, and what each of them knew at any time: what a server that comes back on an earlier disk must know of them. Called
//! where a run is explored for the disks that it could have left.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use comeback_model::operation::{Outcome, Step};
use comeback_model::units::{Elapsed, Span};
use comeback_session::flow::{Session, User};

use super::work::Failure;
use super::{Probe, ProbeError, of_the_harness};

/// Between two looks at a session.
const LOOK_PAUSE: Duration = Duration::from_millis(25);
/// So many replies that say the same are believed.
const LOOKS: u32 = 3;

/// How users act.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// So many users.
    pub users: u32,
    /// So many acts, of all of them.
    pub writes: u32,
    /// Between two acts of any of them.
    pub every: Span,
    /// The seed of their random numbers.
    pub seed: u64,
}

/// How long a server is asked for what it must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A server may answer its readiness probe before it can work: it is asked again for so long.
    pub within: Span,
    /// Replies that say that something is missing are not believed earlier than this: it may still be reading its files.
    pub settles: Span,
}

/// What a user knew after an acknowledgement.
#[derive(Clone, Debug)]
struct Known {
    /// When the request was begun: nothing of it can be anywhere before that.
    begun: Elapsed,
    /// When it was acknowledged.
    at: Elapsed,
    session: Session,
}

/// What a user knew at any time.
#[derive(Clone, Debug)]
pub struct UserHistory {
    user: User,
    /// After each acknowledgement: of the login, then of each act.
    known: Vec<Known>,
    /// An act was begun after the last of them, and not acknowledged.
    is_under_way: bool,
    /// Why the user gave up.
    pub problem: Option<String>,
}

impl UserHistory {
    /// The user's number.
    pub const fn number(&self) -> u32 {
        self.user.number
    }

    /// When the login was begun and acknowledged, and each act.
    pub fn acknowledged(&self) -> impl Iterator<Item = (Elapsed, Elapsed)> {
        self.known.iter().map(|known| (known.begun, known.at))
    }

    /// How much was acknowledged before a moment.
    fn known_before(&self, moment: Option<Elapsed>) -> usize {
        let is_before = |at: Elapsed| moment.is_none_or(|moment| at < moment);
        self.acknowledged()
            .take_while(|(_, at)| is_before(*at))
            .count()
    }
}

/// What a look at all users found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// All is there.
    Whole,
    /// Whoever is new is not served.
    NotServed(String),
    /// Something that was acknowledged is not there.
    Missing(Vec<Missing>),
}

/// A user whose session, or a write in it, is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The user's number.
    pub user: u32,
    /// So many acts had been acknowledged.
    pub writes: usize,
    /// What the reply to the check was.
    pub problem: String,
    /// The server said so itself, in a whole reply that was no error of its own. Else the check was not answered in time.
    pub is_answered: bool,
}

/// When looks at a session that failed are believed.
#[derive(Clone, Copy, Debug)]
struct Believed {
    /// From then on what replies say, several times.
    from: Elapsed,
    /// From then on that there is no reply.
    until: Elapsed,
}

impl Believed {
    fn is_enough(self, (answered, looks): (bool, u32), now: Elapsed) -> bool {
        let is_told = answered && looks >= LOOKS && now >= self.from;
        is_told || now >= self.until
    }
}

impl Probe<'_> {
    /// Lives through a user's session: the login, then every act that is this user's turn, one after the other.
    ///
    /// # Errors
    /// When the harness fails.
    pub async fn live(
        &self,
        number: u32,
        pace: Pace,
        begin: Elapsed,
    ) -> Result<UserHistory, ProbeError> {
        let user = User {
            number,
            login: 0,
            seed: pace.seed,
        };
        let mut history = UserHistory {
            user,
            known: Vec::new(),
            is_under_way: false,
            problem: None,
        };
        let mut session = Session::default();
        let turns = (number..pace.writes).step_by(pace.users.max(1) as usize);
        for turn in [None].into_iter().chain(turns.map(Some)) {
            let step = turn.map_or(Step::Login, |_| Step::Act);
            if let Some(turn) = turn {
                let at = begin + Span::from_us(pace.every.as_us() * u64::from(turn));
                tokio::time::sleep(self.setup.clock.until(at).into()).await;
            }
            history.is_under_way = step == Step::Act;
            let begun = self.setup.clock.now();
            let connected = Cell::new(false);
            let asked = self.ask(step, user, &mut session, &connected);
            match asked.await {
                Ok(_) => {
                    let at = self.setup.clock.now();
                    let session = session.clone();
                    history.known.push(Known { begun, at, session });
                    history.is_under_way = false;
                }
                Err(Failure::Target { problem, .. }) => {
                    history.problem = Some(problem);
                    break;
                }
                Err(Failure::Harness) => return Err(of_the_harness()),
            }
        }
        Ok(history)
    }

    /// Whether somebody new is served. A server that has just come up is given time.
    ///
    /// # Errors
    /// When the harness fails.
    pub async fn serves_a_newcomer(&self, patience: Patience) -> Result<Look, ProbeError> {
        let until = self.setup.clock.now() + patience.within;
        loop {
            let problem = match self.perform(&self.work, &Cell::new(false)).await {
                Ok(_) => return Ok(Look::Whole),
                Err(Failure::Target { problem, .. }) => problem,
                Err(Failure::Harness) => return Err(of_the_harness()),
            };
            if self.setup.clock.now() >= until {
                return Ok(Look::NotServed(problem));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Looks at the sessions of all users, as each knew it before a moment; without one, at the end. Where somebody new was served
    /// before, it is known how this server treats the cookie of a known session. But that newcomer may have been given a session
    /// that somebody else lost. What replies give their users is carried on to later looks at the same start.
    ///
    /// # Errors
    /// When the harness fails.
    pub async fn look_at_users(
        &self,
        users: &[UserHistory],
        moment: Option<Elapsed>,
        (patience, carried): (Patience, &Carried),
    ) -> Result<Look, ProbeError> {
        let begun = self.setup.clock.now();
        let believed = Believed {
            from: begun + patience.settles,
            until: begun + patience.within,
        };
        let mut missing = Vec::new();
        for history in users {
            let Some(last) = history.known_before(moment).checked_sub(1) else {
                continue;
            };
            if let Some((problem, is_answered)) =
                self.look_at((history, last), believed, carried).await?
            {
                missing.push(Missing {
                    user: history.number(),
                    writes: last,
                    problem,
                    is_answered,
                });
            }
        }
        Ok(match missing.is_empty() {
            true => Look::Whole,
            false => Look::Missing(missing),
        })
    }

    /// Whether a check by somebody who never logged in is answered like that of a user: then no check tells who is known.
    ///
    /// # Errors
    /// When the harness fails.
    pub async fn knows_anonymous_by(&self, users: &[UserHistory]) -> Result<bool, ProbeError> {
        let known = users.iter().find_map(|history| history.known.last());
        let Some(known) = known else {
            return Ok(false);
        };
        let is_known = self.is_anonymous_known(&known.session).await;
        is_known.map_err(|_| of_the_harness())
    }

    /// The problem with a user's session, if there is one, and whether the server said so itself: as it was after an acknowledgement,
    /// or as the act after that left it, which was under way.
    async fn look_at(
        &self,
        (history, last): (&UserHistory, usize),
        believed: Believed,
        carried: &Carried,
    ) -> Result<Option<(String, bool)>, ProbeError> {
        let mut may_be = Vec::new();
        if let Some(known) = history.known.get(last) {
            let mut session = known.session.clone();
            let next = history.known.get(last + 1);
            if next.is_some() || history.is_under_way {
                let turn = self.flow.begin(Step::Act, &mut session);
                session.note_change(self.flow.write_of(&turn), Outcome::Indeterminate);
            }
            may_be.push(session);
            // It may have given the session another cookie, too.
            may_be.extend(next.map(|next| next.session.clone()));
        }
        let mut looks = 0;
        loop {
            let mut problem = None;
            let mut answered = true;
            for session in &may_be {
                match self.look_once(history.user, session, carried).await {
                    Ok(()) => return Ok(None),
                    Err(Failure::Target {
                        problem: met,
                        answered: by_reply,
                        ..
                    }) => {
                        answered &= by_reply;
                        problem.get_or_insert(met);
                    }
                    Err(Failure::Harness) => return Err(of_the_harness()),
                }
            }
            looks += 1;
            if believed.is_enough((answered, looks), self.setup.clock.now()) {
                return Ok(problem.map(|problem| (problem, answered)));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// The check shows what must be there; the second look is wary of a session that the first one began anew.
    async fn look_once(
        &self,
        user: User,
        known: &Session,
        carried: &Carried,
    ) -> Result<(), Failure> {
        let mut session = carried.goes_on(user, known);
        for step in [Step::Check, Step::ReadBack] {
            let connected = Cell::new(false);
            self.ask(step, user, &mut session, &connected).await?;
        }
        // Where the replies name the user, they come from this session, and from none that was begun anew.
        if self.flow.names_users() {
            carried.keep(user, &session);
        }
        Ok(())
    }
}

/// What replies gave users to send from then on, since the server was started: cookies, which may be new with each reply.
#[derive(Debug, Default)]
pub struct Carried(RefCell<BTreeMap<u32, Session>>);

impl Carried {
    /// A session as it was known, with what was given to its user since.
    fn goes_on(&self, user: User, known: &Session) -> Session {
        match self.0.borrow().get(&user.number) {
            Some(given) => known.with_cookies_of(given),
            None => known.clone(),
        }
    }

    fn keep(&self, user: User, session: &Session) {
        self.0.borrow_mut().insert(user.number, session.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_believed_once_there_are_several_and_the_server_had_its_time() {
        let believed = Believed {
            from: Elapsed::from_us(500),
            until: Elapsed::from_us(900),
        };
        for (answered, looks, now, is_enough) in [
            (true, LOOKS, 499, false),
            (true, LOOKS - 1, 500, false),
            (true, LOOKS, 500, true),
            // Without a reply the whole time is given.
            (false, 100, 899, false),
            (false, 1, 900, true),
        ] {
            let is = believed.is_enough((answered, looks), Elapsed::from_us(now));
            assert_eq!(is, is_enough, "{answered} {looks} {now}");
        }
    }
}
