//! One simulated user: a session, a connection, and operations one after the other.
//!
//! A client knows HTTP and its own session, and nothing about processes and faults. [`looks`] reads its sessions at the end.

mod looks;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use comeback_model::ids::{ClientId, TrialId};
use comeback_model::operation::{ErrorClass, Operation, Outcome, Step};
use comeback_model::plan::{Load, Retry};
use comeback_model::schedule::ArrivalStream;
use comeback_model::units::{Elapsed, Span};

use super::connection::{Broken, Connection, Dialer, Scratch};
use super::counting::{OneWrite, Passed};
use super::seen::Seen;
use super::trigger::Trigger;
use super::waits::{Job, Waits};
use comeback_host::clock::Clock;
use comeback_session::flow::{Flow, Next, ReplyMeaning, Session, Turn, User};
use looks::Former;
pub use looks::Looked;
pub(super) use looks::order_of;

/// The first wait before connecting again after a connection was refused or broke; it doubles each time.
const FIRST_BACKOFF: Span = Span::from_ms(1);
/// The longest such wait. It is part of the latency of what waits, so it stays below the 5 ms that `time to
/// steady` allows; connections are bounded by it and, in an open loop, by the schedule itself.
const LAST_BACKOFF: Span = Span::from_ms(4);

/// Common data of a worker's clients.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) trial: Cell<TrialId>,
    pub(super) clock: Clock,
    /// Set off by writes.
    pub(super) trigger: Trigger,
    pub(super) flow: Flow,
    pub(super) dialer: Dialer,
    pub(super) load: Load,
    /// Whether and how what failed is tried again.
    pub(super) retry: Option<Retry>,
    /// Where what stands behind the cache is reached, when the target is reached through one.
    pub(super) around_cache: Option<Dialer>,
    pub(super) scratch: Scratch,
    pub(super) done: RefCell<Vec<Operation>>,
    pub(super) tally: Cell<Tally>,
    /// Logins acknowledged.
    pub(super) logins: Cell<u32>,
    /// The error of the latest failed login, and its status.
    pub(super) refusal: Cell<Option<Refusal>>,
    /// The number of the first client's user; the others count up from it.
    pub(super) first_user: u32,
    /// The seed of the users' random numbers.
    pub(super) seed: u64,
    pub(super) outstanding: Cell<u64>,
    /// The sessions that a round of final looks leaves open.
    pub(super) looked: Cell<Looked>,
    pub(super) idle: tokio::sync::Notify,
    /// A client's task panicked, and will never answer.
    pub(super) panicked: Cell<bool>,
    /// In a closed loop, the next steps: clients give themselves the next operation at once.
    pub(super) saturated: RefCell<Option<ArrivalStream>>,
}

/// The error that a client saw at a failed login, and the status of the reply.
pub(super) type Refusal = (ErrorClass, Option<u16>);

impl Shared {
    /// The next step of a closed loop, if there is one.
    pub(super) fn next_step(&self) -> Option<Step> {
        let mut steps = self.saturated.borrow_mut();
        Some(steps.as_mut()?.next()?.step)
    }

    /// How long one try of an operation may take.
    fn time_of_try(&self) -> Span {
        let limit = self.retry.and_then(|retry| retry.try_timeout);
        limit.unwrap_or(self.load.timeout)
    }
}

/// What became of the schedule's operations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Handed to a client.
    pub scheduled: u64,
    /// First byte written.
    pub sent: u64,
    /// Could not start in time.
    pub dropped: u64,
}

/// A simulated user.
#[derive(Debug)]
pub(super) struct Client {
    id: ClientId,
    shared: Rc<Shared>,
    waits: Rc<Waits>,
    connection: Option<Connection>,
    /// So many ends of a server on another machine had been seen when it connected last.
    ends_elsewhere: u32,
    /// Its requests go around the cache.
    around: bool,
    backoff: Span,
    not_before: Elapsed,
    /// The next login begins this session.
    next_generation: u32,
    session: Option<(u32, Session)>,
    /// Sessions it had before, for the final looks.
    former: Vec<Former>,
    request: Vec<u8>,
}

/// Tells the worker when a client's task panics, which its runtime would keep to itself.
struct Alarm(Rc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.panicked.set(true);
            self.0.idle.notify_one();
        }
    }
}

impl Client {
    pub(super) fn new(id: ClientId, shared: Rc<Shared>, waits: Rc<Waits>) -> Self {
        Self {
            id,
            shared,
            waits,
            connection: None,
            ends_elsewhere: 0,
            around: false,
            backoff: Span::ZERO,
            not_before: Elapsed::default(),
            next_generation: 0,
            session: None,
            former: Vec::new(),
            request: Vec::new(),
        }
    }

    /// Does jobs until it is dropped.
    pub(super) async fn run(mut self) {
        let _alarm = Alarm(Rc::clone(&self.shared));
        loop {
            match self.waits.next_job().await {
                Job::Operate {
                    step,
                    intended,
                    dispatched,
                } => {
                    self.operate(step, intended, dispatched).await;
                    while let Some(step) = self.shared.next_step() {
                        let now = self.shared.clock.now();
                        self.operate(step, now, now).await;
                    }
                }
                Job::LogIn if self.session.is_some() => {}
                Job::LogIn => {
                    let now = self.shared.clock.now();
                    self.operate(Step::Login, now, now).await;
                }
                Job::Leave => self.leave(),
                Job::Look { round, until } => self.look_at_all(round, until).await,
                Job::Resume { until } => {
                    self.resume(until).await;
                    let resumed = u32::from(self.has_session());
                    self.shared.logins.set(self.shared.logins.get() + resumed);
                }
            }
            self.waits.rest();
            let left = self.shared.outstanding.get() - 1;
            self.shared.outstanding.set(left);
            if left == 0 {
                self.shared.idle.notify_one();
            }
        }
    }

    /// Its sessions are no longer its own, and looked at by nobody.
    fn leave(&mut self) {
        self.session = None;
        self.former.clear();
        self.connection = None;
    }

    async fn operate(&mut self, step: Step, intended: Elapsed, dispatched: Elapsed) {
        let step = match (step, &self.session) {
            (Step::Act | Step::Check | Step::Logout, None) => Step::Login,
            (step, _) => step,
        };
        let step = match step == Step::Logout && self.shared.trigger.looks_before_logouts() {
            true => self.look_before_logout().await,
            false => step,
        };
        let had_session = self.session.is_some();
        let (generation, mut session) = match (step, self.session.take()) {
            (Step::Login, former) => {
                self.former.extend(former.map(Former::living));
                let generation = self.next_generation;
                self.next_generation += 1;
                (generation, Session::default())
            }
            (_, Some(session)) => session,
            (_, None) => (0, Session::default()),
        };
        let wanted = Wanted {
            step,
            generation,
            intended,
            dispatched,
        };
        let tried = self.try_repeatedly(wanted, &mut session).await;
        let finished = self.shared.clock.now();
        if step == Step::Act && tried.meaning.outcome == Outcome::Acknowledged {
            let (at, quiet) = (finished, tried.quiet);
            if let Some(sent) = tried.asked {
                let write = OneWrite {
                    client: self.id,
                    generation,
                    write: tried.write,
                    sent,
                };
                self.shared.trigger.acknowledge(write, Passed { at, quiet });
            }
        }
        let mut tally = self.shared.tally.get();
        tally.sent += u64::from(tried.sent.is_some());
        tally.dropped += u64::from(tried.meaning.error == Some(ErrorClass::Unsent));
        self.shared.tally.set(tally);
        if step == Step::Act {
            session.note_change(tried.write, tried.meaning.outcome);
        }
        let (outcome, error) = (tried.meaning.outcome, tried.meaning.error);
        if step == Step::Login && outcome != Outcome::Acknowledged {
            let status = tried.reply.map(|reply| reply.status);
            self.shared.refusal.set(error.map(|class| (class, status)));
        }
        self.record(wanted, tried, finished);
        let is_correct = outcome == Outcome::Acknowledged && error.is_none();
        let trigger = &self.shared.trigger;
        trigger.note_finished(intended, (finished, is_correct));
        match step {
            // A request beside the session neither begins nor ends it.
            Step::Get => self.session = had_session.then_some((generation, session)),
            _ => self.keep_or_end_session(wanted, session, outcome, error),
        }
    }

    fn record(&self, wanted: Wanted, tried: Attempt, finished: Elapsed) {
        let sent = tried.left();
        let Attempt {
            quiet: _,
            asked: _,
            sent: _,
            reply,
            write,
            meaning,
            tries,
            resent,
        } = tried;
        let is_unsent = meaning.error == Some(ErrorClass::Unsent);
        self.shared.done.borrow_mut().push(Operation {
            trial: self.shared.trial.get(),
            client: self.id,
            generation: wanted.generation,
            step: wanted.step,
            intended: wanted.intended,
            dispatched: wanted.dispatched,
            sent,
            finished,
            outcome: meaning.outcome,
            error: meaning.error,
            status: reply.map(|reply| reply.status),
            value: meaning.value,
            write,
            found: meaning.found,
            boot: reply.and_then(|reply| reply.boot),
            replica: reply.and_then(|reply| reply.relayed.by),
            failed_replica: reply.and_then(|reply| reply.relayed.failed),
            unframed: reply.is_some_and(|reply| reply.unframed),
            cache: reply.and_then(|reply| reply.cache),
            age_s: reply.and_then(|reply| reply.age_s),
            tries: if is_unsent { 0 } else { tries },
            resent,
        });
    }

    fn keep_or_end_session(
        &mut self,
        wanted: Wanted,
        session: Session,
        outcome: Outcome,
        error: Option<ErrorClass>,
    ) {
        let ended = matches!(
            error,
            Some(
                ErrorClass::SessionRejected
                    | ErrorClass::SessionRecreated
                    | ErrorClass::WrongIdentity
            )
        );
        let session = (wanted.generation, session);
        match wanted.step {
            Step::Get | Step::ReadBack => {}
            Step::Login if outcome == Outcome::Acknowledged => {
                self.shared.logins.set(self.shared.logins.get() + 1);
                self.session = Some(session);
            }
            // A login that failed began nothing that could be read back.
            Step::Login => {}
            Step::Act | Step::Check if !ended => self.session = Some(session),
            // A logout that never left changed nothing.
            Step::Logout if outcome == Outcome::Rejected && !ended => {
                self.session = Some(session);
            }
            Step::Act | Step::Check | Step::Logout => {
                self.former.push(Former::ended(session, ended));
            }
        }
    }

    /// As many tries as it takes and the plan allows, all within the operation's time-out.
    async fn try_repeatedly(&mut self, wanted: Wanted, session: &mut Session) -> Attempt {
        let timeout = self.shared.load.timeout;
        let turn = self.shared.flow.begin(wanted.step, session);
        let mut bounds = Bounds {
            latest_start: wanted.intended + timeout,
            end: None,
        };
        let mut tried = self.attempt(wanted, &turn, session, bounds).await;
        loop {
            if let Some(sent) = tried.sent {
                bounds.end = Some(sent + timeout);
                bounds.latest_start = sent + timeout;
            }
            let Some(at) = self.next_try(wanted, &tried, bounds) else {
                return tried;
            };
            tokio::time::sleep(self.shared.clock.until(at).into()).await;
            if wanted.step == Step::Login {
                // A session begun by the broken one is not its own.
                *session = Session::default();
            }
            let again = self.attempt(wanted, &turn, session, bounds).await;
            tried = tried.followed_by(again);
        }
    }

    /// When the operation is retried, if it is.
    fn next_try(&self, wanted: Wanted, tried: &Attempt, bounds: Bounds) -> Option<Elapsed> {
        let retry = self.shared.retry?;
        let class = tried.meaning.error?;
        let pause = retry.pause_after(tried.tries)?;
        let at = self.shared.clock.now() + pause;
        let is_in_time = at < bounds.latest_start;
        (is_in_time && Retry::is_wanted(wanted.step, class)).then_some(at)
    }

    /// One try. Its connection is kept for the next operation only where the plan says so: not either where the time was over
    /// before the next of its own requests.
    async fn attempt(
        &mut self,
        wanted: Wanted,
        turn: &Turn,
        session: &mut Session,
        bounds: Bounds,
    ) -> Attempt {
        let tried = self.exchange_all(wanted, turn, session, bounds).await;
        if !self.shared.load.keep_alive {
            self.connection = None;
        }
        tried
    }

    /// Each request of the operation on a connection, until a reply ends it.
    async fn exchange_all(
        &mut self,
        wanted: Wanted,
        turn: &Turn,
        session: &mut Session,
        bounds: Bounds,
    ) -> Attempt {
        let shared = Rc::clone(&self.shared);
        let user = User {
            number: shared.first_user.wrapping_add(self.id.0),
            login: wanted.generation,
            seed: shared.seed,
        };
        let through_cache = shared.around_cache.is_some() && !self.around;
        let mut turn = turn.clone();
        let mut tried = Attempt {
            sent: None,
            asked: None,
            resent: None,
            quiet: None,
            tries: 1,
            reply: None,
            write: shared.flow.write_of(&turn),
            meaning: ReplyMeaning::failed(Outcome::Rejected, ErrorClass::Unsent),
        };
        loop {
            let latest = tried.sent.map_or(bounds.latest_start, |sent| {
                bounds.cut(sent + shared.time_of_try())
            });
            let mut connection = match self.connect(latest, bounds).await {
                Ok(connection) => connection,
                Err(class) => {
                    tried.break_off(&turn, class, false);
                    return tried;
                }
            };
            self.request.clear();
            let written = shared
                .flow
                .write_request(&mut turn, user, session, &mut self.request);
            if written.is_err() {
                tried.break_off(&turn, ErrorClass::HarnessError, false);
                return tried;
            }
            let now = shared.clock.now();
            let first_sent = tried.sent.unwrap_or(now);
            self.waits
                .start(bounds.cut(first_sent + shared.time_of_try()));
            let is_its_own = turn.is_at_its_own();
            let exchange =
                connection.exchange(&self.request, &shared.scratch, &self.waits, |reply| {
                    let seen = Seen::of(reply, through_cache);
                    (seen, shared.flow.classify(&mut turn, user, session, reply))
                });
            let attended = (wanted.step, shared.clock);
            // Within a request before its own a fault would meet no write.
            let (exchanged, quiet) = match is_its_own {
                true if wanted.step == Step::Act => {
                    let write = OneWrite {
                        client: self.id,
                        generation: wanted.generation,
                        write: tried.write,
                        sent: now,
                    };
                    let has_left = || self.waits.has_left();
                    let exchange =
                        shared
                            .trigger
                            .see_sent((write, shared.clock), has_left, exchange);
                    shared.trigger.attend(attended, exchange).await
                }
                true => (exchange.await, None),
                false => (exchange.await, None),
            };
            tried.quiet = quiet;
            self.waits.finish();
            match exchanged {
                Ok(((reply, next), reusable)) => {
                    self.backoff = Span::ZERO;
                    let goes_on = matches!(next, Next::Again);
                    if reusable && (shared.load.keep_alive || goes_on) {
                        self.connection = Some(connection);
                    }
                    tried.note_left(first_sent, is_its_own.then_some(now));
                    tried.reply = Some(reply);
                    if let Next::Done(meaning) = next {
                        tried.meaning = meaning;
                        return tried;
                    }
                }
                Err(Broken { class, sent: left }) => {
                    self.back_off();
                    if left {
                        tried.note_left(first_sent, is_its_own.then_some(now));
                    }
                    tried.reply = None;
                    tried.break_off(&turn, class, left);
                    return tried;
                }
            }
        }
    }

    /// The idle connection if the server has not closed it, or a new one.
    async fn connect(
        &mut self,
        latest_start: Elapsed,
        bounds: Bounds,
    ) -> Result<Connection, ErrorClass> {
        let clock = self.shared.clock;
        if clock.now() > latest_start {
            return Err(ErrorClass::Unsent);
        }
        let ends = self.shared.trigger.ends_elsewhere();
        let had_seen = std::mem::replace(&mut self.ends_elsewhere, ends);
        if let Some(mut connection) = self.connection.take()
            && had_seen == ends
            && !connection.is_stale(&self.shared.scratch)
        {
            return Ok(connection);
        }
        if self.not_before > latest_start {
            return Err(ErrorClass::Unsent);
        }
        let pause = clock.until(self.not_before);
        if pause > Span::ZERO {
            tokio::time::sleep(pause.into()).await;
        }
        self.waits
            .start(bounds.cut(clock.now() + self.shared.time_of_try()));
        let around = self.shared.around_cache.as_ref().filter(|_| self.around);
        let dialer = around.unwrap_or(&self.shared.dialer);
        let opened = dialer.open(&self.waits, || {}).await;
        self.waits.finish();
        opened.map_err(|broken| {
            self.back_off();
            broken.class
        })
    }

    fn back_off(&mut self) {
        self.backoff = (self.backoff + self.backoff).clamp(FIRST_BACKOFF, LAST_BACKOFF);
        self.not_before = self.shared.clock.now() + self.backoff;
    }
}

/// The planned operation and its time.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    step: Step,
    generation: u32,
    intended: Elapsed,
    dispatched: Elapsed,
}

/// Within which times a try has to stay.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    latest_start: Elapsed,
    /// When the operation's time is over, once a byte of it has left.
    end: Option<Elapsed>,
}

impl Bounds {
    /// The moment, or the operation's end where that comes first.
    fn cut(self, at: Elapsed) -> Elapsed {
        self.end.map_or(at, |end| end.min(at))
    }
}

/// What became of one try, or of several.
#[derive(Debug)]
struct Attempt {
    /// When the first byte of its first request left.
    sent: Option<Elapsed>,
    /// When the first byte of its own request left, behind those that come before it.
    asked: Option<Elapsed>,
    /// When the request of the last of several tries did, where it was another.
    resent: Option<Elapsed>,
    /// When the last reply had surely not come yet, where that is known.
    quiet: Option<Elapsed>,
    tries: u32,
    /// The last reply.
    reply: Option<Seen>,
    write: Option<u32>,
    meaning: ReplyMeaning,
}

impl Attempt {
    /// A request of it has left: the first did so then, and, if this was its own, that one.
    fn note_left(&mut self, first: Elapsed, own: Option<Elapsed>) {
        self.sent = Some(first);
        self.asked = self.asked.or(own);
    }

    /// When its own request left or, if that never did, the first of those before it.
    fn left(&self) -> Option<Elapsed> {
        self.asked.or(self.sent)
    }

    /// The exchange of the turn's present request broke; `left` tells whether a byte of it had left.
    fn break_off(&mut self, turn: &Turn, class: ErrorClass, left: bool) {
        let class = match class {
            // It did start: only a later request of it did not.
            ErrorClass::Unsent if self.sent.is_some() => ErrorClass::ResponseTimeout,
            class => class,
        };
        self.meaning = ReplyMeaning::failed(turn.outcome_if_broken(left), class);
    }

    /// The two as one operation: what an earlier try may have done, a later one that failed does not undo.
    fn followed_by(self, again: Self) -> Self {
        if again.meaning.error == Some(ErrorClass::Unsent) {
            return self;
        }
        let resent = match (self.asked, again.asked) {
            // It is the first of its kind.
            (None, Some(_)) => None,
            _ => self.left().and(again.left()).or(self.resent),
        };
        let mut meaning = again.meaning;
        if self.meaning.outcome == Outcome::Indeterminate && meaning.outcome == Outcome::Rejected {
            meaning.outcome = Outcome::Indeterminate;
        }
        Self {
            sent: self.sent.or(again.sent),
            asked: self.asked.or(again.asked),
            resent,
            quiet: again.quiet,
            tries: self.tries + 1,
            reply: again.reply,
            write: self.write,
            meaning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(outcome: Outcome, error: Option<ErrorClass>, sent: Option<u64>) -> Attempt {
        let failed = ReplyMeaning::failed(outcome, ErrorClass::Reset);
        Attempt {
            sent: sent.map(Elapsed::from_us),
            asked: None,
            resent: None,
            quiet: None,
            tries: 1,
            reply: None,
            write: Some(7),
            meaning: ReplyMeaning { error, ..failed },
        }
    }

    #[test]
    fn what_an_earlier_try_may_have_done_a_later_one_does_not_undo() {
        let torn = || tried(Outcome::Indeterminate, Some(ErrorClass::Reset), Some(1));
        let refused = || tried(Outcome::Rejected, Some(ErrorClass::Refused), None);
        let both = torn().followed_by(refused());
        assert_eq!(both.meaning.outcome, Outcome::Indeterminate);
        assert_eq!(both.meaning.error, Some(ErrorClass::Refused));
        let neither = refused().followed_by(refused());
        assert_eq!(neither.meaning.outcome, Outcome::Rejected);
        let done = torn().followed_by(tried(Outcome::Acknowledged, None, Some(5)));
        assert_eq!(done.meaning.outcome, Outcome::Acknowledged);
        assert_eq!((done.meaning.error, done.write), (None, Some(7)));
    }

    #[test]
    fn the_first_and_the_last_request_that_left_are_known() {
        let at = |us| tried(Outcome::Indeterminate, Some(ErrorClass::Reset), us);
        let all = at(Some(1)).followed_by(at(Some(5))).followed_by(at(None));
        let us = |us| Some(Elapsed::from_us(us));
        assert_eq!((all.sent, all.resent, all.tries), (us(1), us(5), 3));
        let late = at(None).followed_by(at(Some(4)));
        assert_eq!((late.sent, late.resent, late.tries), (us(4), None, 2));
    }

    #[test]
    fn the_own_request_counts_and_not_the_form_before_it() {
        let us = |us| Some(Elapsed::from_us(us));
        let form = |sent| tried(Outcome::Rejected, Some(ErrorClass::Reset), Some(sent));
        let own = |sent, asked| Attempt {
            asked: us(asked),
            ..tried(Outcome::Indeterminate, Some(ErrorClass::Reset), Some(sent))
        };
        let times = |all: Attempt| (all.left(), all.resent);
        assert_eq!(times(form(1)), (us(1), None));
        assert_eq!(times(own(1, 3)), (us(3), None));
        assert_eq!(times(form(1).followed_by(own(5, 7))), (us(7), None));
        assert_eq!(times(own(1, 3).followed_by(own(5, 7))), (us(3), us(7)));
        assert_eq!(times(own(1, 3).followed_by(form(5))), (us(3), us(5)));
        assert_eq!(times(form(1).followed_by(form(5))), (us(1), us(5)));
    }

    #[test]
    fn a_try_that_could_not_begin_any_more_was_none() {
        let first = tried(Outcome::Indeterminate, Some(ErrorClass::Reset), Some(1));
        let unsent = tried(Outcome::Rejected, Some(ErrorClass::Unsent), None);
        let both = first.followed_by(unsent);
        assert_eq!(
            (both.tries, both.meaning.error),
            (1, Some(ErrorClass::Reset))
        );
    }
}
