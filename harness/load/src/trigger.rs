//! The moment of a fault within the load: a client that sends a write, or reads its acknowledgement, fires the fault that the
//! engine has armed. It does so on its own thread, within microseconds.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use comeback_model::event::Mark;
use comeback_model::operation::Step;
use comeback_model::units::{Elapsed, Span};

use super::counting::{Awaiting, Candidate, Counting, OnCounted, OneWrite, Passed, Wanted};
use comeback_host::clock::Clock;
use comeback_session::flow::Known;
use tokio::sync::watch;
use tokio::time::Sleep;

/// The time that a write takes is the median of so many.
const RECENT: usize = 255;

/// A thread stays awake for a reply this long. If replies take longer, waking up is a small part of it.
const AWAKE: Span = Span::from_ms(5);
/// And at most this long, where the very next acknowledgements are waited for.
const AWAKE_AT_MOST: Span = Span::from_ms(250);
/// An acknowledgement is read as soon as it came, when that came no longer ago. On a busy machine many are not.
const PROMPT: Span = Span::from_us(50);
/// The runtime's timers tick at a millisecond; the last stretch is waited for more exactly.
const COARSE: Span = Span::from_ms(2);

/// The moment in a write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// After this share of the time that writes usually take, from when one was sent, if it is not answered by then. For
    /// each that is, the share is halved.
    Within(f64),
    /// When an acknowledgement was read: until then, only one that was read as soon as it came.
    Acknowledged(Elapsed),
}

impl Moment {
    /// The moment that must pass.
    pub const fn mark(self) -> Mark {
        match self {
            Self::Within(_) => Mark::Request,
            Self::Acknowledged(_) => Mark::Reply,
        }
    }
}

/// What happens at the moment; it gets nothing when the moment did not come.
pub type Inject = Box<dyn FnOnce(Option<Passed>) + Send>;

/// Shared by the engine and all clients of a trial.
#[derive(Clone, Debug, Default)]
pub struct Trigger(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// The mark that is waited for, as a number; 0 when none is.
    armed: AtomicU8,
    inject: Mutex<Option<(Moment, Inject)>>,
    /// Events that are counted.
    counting: Arc<Counting>,
    services: Mutex<VecDeque<Span>>,
    /// Operations that were wanted from this moment on, in µs, and how many of them have finished.
    from: AtomicU64,
    finished: AtomicU64,
    /// How many of them were correct since the last one that was not, and when that had finished, in µs; 0 if all were.
    served: AtomicU64,
    failed: AtomicU64,
    /// The fault comes: a session is looked at once more before its user ends it.
    looks: AtomicBool,
    /// So many ends were seen of a server on another machine.
    ends_elsewhere: AtomicU32,
    /// When the first fault that may take logins away is planned, once that is known.
    planned: watch::Sender<Option<Elapsed>>,
    /// Whether that has come, or none will.
    has_come: watch::Sender<bool>,
    /// What the clients know of the bodies of pages and the names of users.
    known: Known,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trigger")
            .field("armed", &self.armed)
            .finish_non_exhaustive()
    }
}

/// Disarms when dropped, so that a trial that ends early injects no fault.
#[derive(Debug)]
#[must_use]
pub struct Armed<'a>(&'a Trigger);

impl Armed<'_> {
    /// Takes back what did not happen yet.
    pub fn disarm(&self) -> Option<Inject> {
        self.0.0.armed.store(0, Ordering::Release);
        lock(&self.0.0.inject).take().map(|(_, inject)| inject)
    }
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        drop(self.disarm());
    }
}

impl Trigger {
    /// The first client that comes to the moment sets this off.
    pub fn arm(&self, moment: Moment, inject: Inject) -> Armed<'_> {
        *lock(&self.0.inject) = Some((moment, inject));
        self.0.armed.store(number(moment.mark()), Ordering::Release);
        Armed(self)
    }

    /// From now on such events are counted; the client that comes to the wanted one sets this off, unless that is dropped before.
    pub fn count(&self, wanted: Wanted, happens: OnCounted) -> Awaiting {
        self.0.counting.wait_for(wanted, happens)
    }

    /// How long an acknowledged write took of late, if there was one.
    pub fn usual_service(&self) -> Option<Span> {
        let mut services: Vec<Span> = lock(&self.0.services).iter().copied().collect();
        services.sort_unstable();
        services.get(services.len() / 2).copied()
    }

    fn waits_for(&self, mark: Mark) -> bool {
        self.0.armed.load(Ordering::Acquire) == number(mark)
    }

    /// How long after a write was sent the moment comes, where it is within one.
    fn delay(&self) -> Option<Span> {
        if !self.waits_for(Mark::Request) {
            return None;
        }
        let Some((Moment::Within(share), _)) = *lock(&self.0.inject) else {
            return None;
        };
        Some(self.share_of_service(share))
    }

    fn share_of_service(&self, share: f64) -> Span {
        let usual = self.usual_service().unwrap_or(Span::ZERO);
        Span::from_us((usual.as_us() as f64 * share) as u64)
    }

    /// A client has read the acknowledgement of a write.
    pub fn acknowledge(&self, write: OneWrite, passed: Passed) {
        self.0.counting.note_acknowledged(passed, write);
        if self.waits_for(Mark::Reply) && self.is_prompt(passed) {
            self.pass(Mark::Reply, passed);
        }
        self.note_service(passed.at.since(write.sent));
    }

    /// Whether it was read as soon as it came, as far as that is asked for.
    fn is_prompt(&self, passed: Passed) -> bool {
        let is_over = match *lock(&self.0.inject) {
            Some((Moment::Acknowledged(until), _)) => passed.at >= until,
            _ => true,
        };
        let waited = passed.quiet.map(|quiet| passed.at.since(quiet));
        let is_usually_slow = || self.usual_service().is_some_and(|usual| usual > AWAKE);
        is_over || waited.is_some_and(|waited| waited <= PROMPT) || is_usually_slow()
    }

    /// From now on it is counted how many operations finish that are wanted from then on.
    pub fn count_from(&self, from: Elapsed) {
        self.0.from.store(from.as_us(), Ordering::Release);
        self.0.finished.store(0, Ordering::Release);
        self.0.served.store(0, Ordering::Release);
        self.0.failed.store(0, Ordering::Release);
    }

    /// How many that were so far.
    pub fn finished(&self) -> u64 {
        self.0.finished.load(Ordering::Acquire)
    }

    /// Whether so many of them were correct since the last one that was not, for at least as long as it took until then: what fails
    /// at first and then serves has served at last.
    pub fn has_served(&self, enough: u64, now: Elapsed) -> bool {
        let [from, failed] = [&self.0.from, &self.0.failed]
            .map(|moment| Elapsed::from_us(moment.load(Ordering::Acquire)));
        let is_long = now.since(failed.max(from)) >= failed.since(from);
        self.0.served.load(Ordering::Acquire) >= enough && is_long
    }

    /// An operation has finished, correctly or not.
    pub fn note_finished(&self, intended: Elapsed, (at, is_correct): (Elapsed, bool)) {
        if intended.as_us() < self.0.from.load(Ordering::Acquire) {
            return;
        }
        self.0.finished.fetch_add(1, Ordering::AcqRel);
        if is_correct {
            self.0.served.fetch_add(1, Ordering::AcqRel);
        } else {
            self.0.served.store(0, Ordering::Release);
            self.0.failed.fetch_max(at.as_us(), Ordering::AcqRel);
        }
    }

    /// From now on each client looks at its session before it logs out: afterwards nobody could tell whether the session
    /// had outlived the fault.
    pub fn look_before_logouts(&self) {
        self.0.looks.store(true, Ordering::Release);
    }

    /// What all clients know of the bodies of pages and the names of users: whoever looks for the recovery judges replies by it, too.
    pub fn known(&self) -> &Known {
        &self.0.known
    }

    /// A server on another machine was seen to end: who asks from now on uses no older connection. A process that lives on with them would
    /// answer in the place of the new one.
    pub fn note_end_elsewhere(&self) {
        self.0.ends_elsewhere.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn ends_elsewhere(&self) -> u32 {
        self.0.ends_elsewhere.load(Ordering::Acquire)
    }

    /// The first fault that may take logins away is planned for this moment, or would be: newcomers log in right before it.
    pub fn plan_fault(&self, at: Elapsed) {
        self.0.planned.send_replace(Some(at));
    }

    /// Waits until it is known when the first fault that may take logins away is planned. Without one, for ever.
    pub async fn planned_fault(&self) -> Elapsed {
        let mut planned = self.0.planned.subscribe();
        match planned.wait_for(Option::is_some).await.map(|at| *at) {
            Ok(Some(at)) => at,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// It has come, or none will that takes logins away: nobody logs in for it any more.
    pub fn note_fault_came(&self) {
        self.0.has_come.send_replace(true);
    }

    /// Waits until it has come.
    pub async fn fault_has_come(&self) {
        let mut has_come = self.0.has_come.subscribe();
        if has_come.wait_for(|come| *come).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// No longer: a new trial begins, and its fault is far.
    pub(super) fn forget(&self) {
        self.0.planned.send_replace(None);
        self.0.has_come.send_replace(false);
        self.0.counting.forget();
        self.0.known.end_looks();
        self.0.looks.store(false, Ordering::Release);
    }

    /// Whether a client has to look first.
    pub(super) fn looks_before_logouts(&self) -> bool {
        self.0.looks.load(Ordering::Acquire)
    }

    fn pass(&self, mark: Mark, passed: Passed) {
        if !self.waits_for(mark) {
            return;
        }
        let taken = lock(&self.0.inject).take();
        if let Some((_, inject)) = taken {
            self.0.armed.store(0, Ordering::Release);
            inject(Some(passed));
        }
    }

    /// Waits for the reply to an operation, and sets off what is to happen meanwhile. Beside the reply: when it had surely
    /// not come yet, if it is the acknowledgement that is waited for.
    pub(super) async fn attend<T>(
        &self,
        (step, clock): (Step, Clock),
        exchange: impl Future<Output = T>,
    ) -> (T, Option<Elapsed>) {
        if step != Step::Act {
            (exchange.await, None)
        } else if self.waits_for(Mark::Reply) || self.0.counting.counts(Mark::Reply) {
            // Whether its thread stays awake shows while it is under way: others are answered meanwhile.
            let _under_way = self.0.counting.begin();
            let (reply, quiet) = self.listen(clock, exchange).await;
            (reply, Some(quiet))
        } else if let Some(delay) = self.delay() {
            (self.inject_within(clock, delay, exchange).await, None)
        } else {
            (exchange.await, None)
        }
    }

    /// Whether the next acknowledgement may set something off.
    fn listens(&self) -> bool {
        self.waits_for(Mark::Reply) || self.0.counting.is_near()
    }

    /// The same exchange; when the last byte of the write has left and no reply is there, that is counted. One that may set something
    /// off does when it is not answered a share of the usual time later: a server that is woken by it has begun with it by then.
    pub(super) async fn see_sent<T>(
        &self,
        (write, clock): (OneWrite, Clock),
        has_left: impl Fn() -> bool,
        exchange: impl Future<Output = T>,
    ) -> T {
        let mut exchange = pin!(exchange);
        let mut is_seen = false;
        let mut candidate: Option<(Candidate, Elapsed, Doze)> = None;
        poll_fn(|cx| {
            if let Poll::Ready(reply) = exchange.as_mut().poll(cx) {
                if let Some((candidate, ..)) = candidate.take() {
                    self.0.counting.come_sooner(candidate);
                }
                return Poll::Ready(reply);
            }
            if !is_seen && has_left() {
                is_seen = true;
                let left = clock.now();
                candidate = self.note_sent().map(|(candidate, delay)| {
                    let doze = Doze::until((clock, left + delay), delay);
                    (candidate, left, doze)
                });
            }
            let is_due = |(.., doze): &mut (Candidate, Elapsed, Doze)| doze.is_over(cx);
            if let Some((candidate, left, _)) = candidate.take_if(is_due) {
                self.note_unanswered(candidate, write, left);
            }
            Poll::Pending
        })
        .await
    }

    /// From when after the request on a thread stays awake for its reply, and how long. What an event waits for must be read as soon as
    /// it comes, however slow writes are: around the time that they usually take.
    fn awake(&self) -> (Span, Span) {
        let usual = match self.0.counting.is_near() {
            true => self.usual_service().unwrap_or(Span::ZERO),
            false => Span::ZERO,
        };
        let stretch = Span::from_us(usual.as_us().saturating_mul(2)).clamp(AWAKE, AWAKE_AT_MOST);
        let half = AWAKE_AT_MOST.as_us() / 2;
        (Span::from_us(usual.as_us().saturating_sub(half)), stretch)
    }

    /// The last byte of a write's request has left, and its reply has not come. If it may set something off: how much later it does.
    pub fn note_sent(&self) -> Option<(Candidate, Span)> {
        let candidate = self.0.counting.note_sent()?;
        // Without a usual time the server would be hit before it has read the request.
        self.usual_service()?;
        Some((candidate, self.share_of_service(candidate.share)))
    }

    /// The moment of a write has come, whose last byte left then, and it is not answered.
    pub fn note_unanswered(&self, candidate: Candidate, write: OneWrite, left: Elapsed) {
        let passed = Passed {
            at: left,
            quiet: None,
        };
        let counting = &self.0.counting;
        counting.note_unanswered(candidate, passed, write);
    }

    /// The thread stays awake for the reply if that may be the wanted one: a sleeping thread is woken when the moment has passed.
    async fn listen<T>(&self, clock: Clock, exchange: impl Future<Output = T>) -> (T, Elapsed) {
        let begun = clock.now();
        let mut awake: Option<(Doze, Elapsed)> = None;
        let mut nearer = pin!(self.0.counting.nearer());
        // The runtime asks the kernel between two polls: what the second does not find came after the first.
        let (mut before, mut latest) = (begun, begun);
        let mut exchange = pin!(exchange);
        poll_fn(|cx| {
            if let Poll::Ready(reply) = exchange.as_mut().poll(cx) {
                return Poll::Ready((reply, before));
            }
            let now = clock.now();
            // Polled before it is asked, so that none is missed.
            if nearer.as_mut().poll(cx).is_ready() {
                // Another write woke it, and the runtime need not have asked the kernel since the poll before.
                nearer.set(self.0.counting.nearer());
                let _ = nearer.as_mut().poll(cx);
            } else {
                (before, latest) = (latest, now);
            }
            if self.listens() {
                let (doze, until) = awake.get_or_insert_with(|| {
                    let (from, long) = self.awake();
                    let from = begun + from;
                    (
                        Doze::until((clock, from), from.since(now)),
                        from.max(now) + long,
                    )
                });
                if now < *until && doze.is_over(cx) {
                    stay_awake(cx);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// The moment comes this long after the request was sent, unless the reply comes first.
    async fn inject_within<T>(
        &self,
        clock: Clock,
        delay: Span,
        exchange: impl Future<Output = T>,
    ) -> T {
        let sent = clock.now();
        let mut doze = Doze::until((clock, sent + delay), delay);
        let mut exchange = pin!(exchange);
        poll_fn(|cx| {
            if let Poll::Ready(reply) = exchange.as_mut().poll(cx) {
                self.come_sooner();
                return Poll::Ready(reply);
            }
            if self.waits_for(Mark::Request) && doze.is_over(cx) {
                let (at, quiet) = (sent, None);
                self.pass(Mark::Request, Passed { at, quiet });
            }
            Poll::Pending
        })
        .await
    }

    /// A write was answered before its moment: on a busy machine most may be. That of the next comes after half the time.
    fn come_sooner(&self) {
        if self.waits_for(Mark::Request)
            && let Some((Moment::Within(share), _)) = &mut *lock(&self.0.inject)
        {
            *share /= 2.0;
        }
    }

    fn note_service(&self, service: Span) {
        let mut services = lock(&self.0.services);
        if services.len() == RECENT {
            services.pop_front();
        }
        services.push_back(service);
    }
}

/// A wait whose last stretch is exact: the thread stays awake for it.
struct Doze {
    clock: Clock,
    due: Elapsed,
    nap: Option<Pin<Box<Sleep>>>,
}

impl Doze {
    /// A wait that is over after this time, and then it is so late.
    fn until((clock, due): (Clock, Elapsed), left: Span) -> Self {
        let nap = Span::from_us(left.as_us().saturating_sub(COARSE.as_us()));
        let nap = (nap > Span::ZERO).then(|| Box::pin(tokio::time::sleep(nap.into())));
        Self { clock, due, nap }
    }

    /// Whether it is over. Otherwise the task is polled again.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if self.clock.now() >= self.due {
            return true;
        }
        self.nap.take_if(|nap| nap.as_mut().poll(cx).is_ready());
        if self.nap.is_none() {
            stay_awake(cx);
        }
        false
    }
}

/// Has the runtime poll this task again as soon as it has looked at the sockets.
fn stay_awake(cx: &mut Context<'_>) {
    // It is never ready at once.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

const fn number(mark: Mark) -> u8 {
    match mark {
        Mark::Request => 1,
        Mark::Reply => 2,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    fn us(us: u64) -> Elapsed {
        Elapsed::from_us(us)
    }

    fn sent(at: u64) -> OneWrite {
        OneWrite {
            client: comeback_model::ids::ClientId(0),
            generation: 0,
            write: None,
            sent: us(at),
        }
    }

    /// Sends what passed the mark.
    fn told() -> (Inject, std::sync::mpsc::Receiver<Option<Passed>>) {
        let (tell, told) = channel();
        let inject = Box::new(move |passed| tell.send(passed).expect("it is heard"));
        (inject, told)
    }

    /// A fault waits for this acknowledgement.
    fn await_reply(trigger: &Trigger, nth: u32) -> Awaiting {
        let wanted = Wanted {
            mark: Mark::Reply,
            nth,
            share: 0.0,
        };
        trigger.count(wanted, Box::new(|_, _| ()))
    }

    #[test]
    fn only_the_first_acknowledgement_that_is_waited_for_sets_it_off() {
        let trigger = Trigger::default();
        let (inject, told) = told();
        let passed = |at| Passed {
            at: us(at),
            quiet: Some(us(at - 1)),
        };
        trigger.acknowledge(sent(1), passed(2));
        let armed = trigger.arm(Moment::Acknowledged(us(9)), inject);
        trigger.acknowledge(sent(1), passed(3));
        trigger.acknowledge(sent(1), passed(4));
        assert_eq!(told.iter().collect::<Vec<_>>(), [Some(passed(3))]);
        assert!(armed.disarm().is_none());
    }

    #[test]
    fn an_acknowledgement_that_was_read_late_counts_where_all_take_long_or_no_other_came() {
        let late = |at, waited: Option<u64>| Passed {
            at: us(at),
            quiet: waited.map(|waited| us(at - waited)),
        };
        for (passed, usual, counts) in [
            (late(1_300, None), 300, false),
            (late(1_300, Some(51)), 300, false),
            (late(1_300, Some(50)), 300, true),
            (late(9_000, None), 300, false),
            (late(9_000, None), 8_000, true),
            (late(20_000, Some(200)), 300, true),
        ] {
            let trigger = Trigger::default();
            trigger.note_service(Span::from_us(usual));
            let (inject, told) = told();
            let _armed = trigger.arm(Moment::Acknowledged(us(10_000)), inject);
            trigger.acknowledge(sent(1_000), passed);
            assert_eq!(told.try_recv().is_ok(), counts, "{passed:?}");
        }
    }

    #[test]
    fn what_failed_at_first_has_served_when_it_has_for_as_long() {
        let trigger = Trigger::default();
        trigger.count_from(us(1_000));
        // Wanted before.
        trigger.note_finished(us(900), (us(1_500), true));
        for at in 1..=12 {
            trigger.note_finished(us(1_000), (us(1_000 + at), false));
        }
        assert_eq!(trigger.finished(), 12);
        assert!(!trigger.has_served(2, us(9_000)));
        trigger.note_finished(us(1_000), (us(1_015), true));
        assert!(!trigger.has_served(2, us(9_000)));
        trigger.note_finished(us(1_000), (us(1_016), true));
        assert!(!trigger.has_served(2, us(1_023)));
        assert!(trigger.has_served(2, us(1_024)));
        trigger.count_from(us(2_000));
        assert!(!trigger.has_served(1, us(9_000)));
    }

    #[test]
    fn what_is_disarmed_does_not_happen() {
        let trigger = Trigger::default();
        drop(trigger.arm(
            Moment::Acknowledged(us(9)),
            Box::new(|_| panic!("it was disarmed")),
        ));
        let (at, quiet) = (us(2), Some(us(1)));
        trigger.acknowledge(sent(1), Passed { at, quiet });
    }

    #[tokio::test]
    async fn only_a_write_whose_reply_is_waited_for_keeps_the_thread_awake() {
        let trigger = Trigger::default();
        let clock = Clock::start();
        let reply = || tokio::time::sleep(Duration::from_millis(1));
        assert_eq!(trigger.attend((Step::Act, clock), reply()).await.1, None);
        let armed = trigger.arm(Moment::Acknowledged(us(9)), Box::new(|_| ()));
        assert_eq!(trigger.attend((Step::Check, clock), reply()).await.1, None);
        let before = clock.now();
        let attended = trigger.attend((Step::Act, clock), reply()).await;
        let quiet = attended.1.expect("it was awake");
        assert!(before <= quiet && quiet <= clock.now());
        drop(armed);
        assert_eq!(trigger.attend((Step::Act, clock), reply()).await.1, None);
    }

    #[test]
    fn for_the_acknowledgement_that_an_event_is_a_thread_stays_awake_as_long_as_writes_take() {
        let awake = |usual: u64, nth: Option<u32>| {
            let trigger = Trigger::default();
            trigger.note_service(Span::from_ms(usual));
            let _awaiting = nth.map(|nth| await_reply(&trigger, nth));
            trigger.awake()
        };
        let ms = Span::from_ms;
        let now = |long| (Span::ZERO, ms(long));
        assert_eq!((awake(20, None), awake(20, Some(1_000))), (now(5), now(5)));
        assert_eq!((awake(20, Some(1)), awake(1, Some(1))), (now(40), now(5)));
        assert_eq!(awake(900, Some(1)), (ms(775), ms(250)));
    }

    #[tokio::test]
    async fn a_look_that_another_write_brings_about_says_nothing_of_the_reply() {
        let trigger = Trigger::default();
        let clock = Clock::start();
        let _awaiting = await_reply(&trigger, 1);
        let is_there = std::cell::Cell::new(false);
        let reply = poll_fn(|_| match is_there.get() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        let mut attended = pin!(trigger.attend((Step::Act, clock), reply));
        // The runtime has no turn between these polls, in which it would ask the kernel.
        let (looked, quiet) = poll_fn(|cx| {
            assert!(attended.as_mut().poll(cx).is_pending());
            let looked = clock.now();
            for _ in 0..2 {
                while clock.now() <= looked {
                    std::hint::spin_loop();
                }
                drop(trigger.0.counting.begin());
                assert!(attended.as_mut().poll(cx).is_pending());
            }
            is_there.set(true);
            attended.as_mut().poll(cx).map(|(_, quiet)| (looked, quiet))
        })
        .await;
        assert!(quiet.expect("it was listened to") <= looked);
    }

    #[tokio::test]
    async fn of_many_slow_writes_under_way_each_may_be_the_wanted_one() {
        let trigger = Trigger::default();
        trigger.note_service(Span::from_ms(120));
        let clock = Clock::start();
        let _awaiting = await_reply(&trigger, 8);
        let writes: Vec<_> = (120..128)
            .map(|ms| {
                let trigger = trigger.clone();
                tokio::spawn(async move {
                    let reply = tokio::time::sleep(Duration::from_millis(ms));
                    let (.., quiet) = trigger.attend((Step::Act, clock), reply).await;
                    let at = clock.now();
                    trigger.acknowledge(sent(at.as_us()), Passed { at, quiet });
                    at.since(quiet.expect("it was listened to"))
                })
            })
            .collect();
        let mut all = Vec::new();
        for write in writes {
            all.push(write.await.expect("it ends"));
        }
        // A sleeping thread would have looked last when its write was sent.
        assert!(
            all.iter().all(|waited| *waited < Span::from_ms(90)),
            "{all:?}"
        );
    }

    #[tokio::test]
    async fn a_thread_is_awake_when_a_slow_write_is_due() {
        let trigger = Trigger::default();
        trigger.note_service(Span::from_ms(300));
        let clock = Clock::start();
        let _awaiting = await_reply(&trigger, 1);
        let reply = tokio::time::sleep(Duration::from_millis(350));
        let (.., quiet) = trigger.attend((Step::Act, clock), reply).await;
        let waited = clock.now().since(quiet.expect("it was listened to"));
        assert!(waited < Span::from_ms(80), "{waited:?}");
    }

    #[tokio::test]
    async fn a_write_is_hit_only_while_it_is_not_answered() {
        let trigger = Trigger::default();
        trigger.note_service(Span::from_ms(20));
        let clock = Clock::start();
        let (inject, told) = told();
        let _armed = trigger.arm(Moment::Within(0.5), inject);
        let at_once = std::future::ready(());
        trigger.attend((Step::Act, clock), at_once).await;
        assert!(told.try_recv().is_err(), "its reply was there");
        // It is answered when it has been faulted: a quarter of the usual time after it was sent, for one came too soon.
        let faulted = until_passed(&trigger);
        trigger.attend((Step::Act, clock), faulted).await;
        let answered = clock.now();
        let passed = told.recv().expect("it was faulted").expect("at a mark");
        assert!(passed.at + Span::from_ms(5) <= answered);
    }

    /// As where the thread is often late, and finds the reply when it looks.
    #[tokio::test]
    async fn writes_that_are_answered_too_soon_bring_the_moment_nearer() {
        let trigger = Trigger::default();
        trigger.note_service(Span::from_secs(60));
        let clock = Clock::start();
        let (inject, told) = told();
        let _armed = trigger.arm(Moment::Within(1.0), inject);
        for _ in 0..32 {
            assert!(told.try_recv().is_err());
            trigger
                .attend((Step::Act, clock), std::future::ready(()))
                .await;
        }
        let faulted = trigger.attend((Step::Act, clock), until_passed(&trigger));
        let faulted = tokio::time::timeout(Duration::from_secs(30), faulted).await;
        faulted.expect("it does not wait for as long as writes usually take");
        assert!(told.try_recv().is_ok());
    }

    /// A fault that waits for the second write that is sent, and comes this share of the usual time later.
    struct AfterSecond {
        trigger: Trigger,
        write: (OneWrite, Clock),
        /// How long after the write it came, and which write it was.
        came: std::sync::mpsc::Receiver<(Span, u32)>,
        _awaiting: Awaiting,
    }

    impl AfterSecond {
        fn by(share: f64, usual: Option<Span>) -> Self {
            let trigger = Trigger::default();
            if let Some(usual) = usual {
                trigger.note_service(usual);
            }
            let clock = Clock::start();
            let (tell, came) = channel();
            let happens = Box::new(
                move |passed: Passed, met: comeback_model::event::MetWrite| {
                    tell.send((clock.now().since(passed.at), met.nth))
                        .expect("it is heard");
                },
            );
            let wanted = Wanted {
                mark: Mark::Request,
                nth: 2,
                share,
            };
            Self {
                _awaiting: trigger.count(wanted, happens),
                write: (sent(1), clock),
                trigger,
                came,
            }
        }

        /// Sends a write of which all bytes have left, or not, and waits for this reply.
        async fn send(&self, has_left: bool, reply: impl Future<Output = ()>) {
            self.trigger.see_sent(self.write, || has_left, reply).await;
        }

        fn nth(&self) -> Option<u32> {
            self.came.try_recv().ok().map(|(_, nth)| nth)
        }
    }

    fn soon() -> impl Future<Output = ()> {
        tokio::time::sleep(Duration::from_millis(1))
    }

    #[tokio::test]
    async fn a_write_is_sent_once_its_last_byte_has_left_and_its_reply_is_not_there() {
        let fault = AfterSecond::by(0.5, Some(Span::from_us(1)));
        // The reply is there at once; bytes are left; and it is sent, and waited for, twice.
        fault.send(true, std::future::ready(())).await;
        fault.send(false, soon()).await;
        fault.send(true, soon()).await;
        assert_eq!(fault.nth(), None);
        fault.send(true, soon()).await;
        assert_eq!(fault.nth(), Some(2));
    }

    #[tokio::test]
    async fn a_write_that_is_sent_sets_nothing_off_before_it_is_known_how_long_one_takes() {
        let fault = AfterSecond::by(0.0, None);
        for _ in 0..3 {
            fault.send(true, soon()).await;
        }
        assert_eq!(fault.nth(), None);
        fault.trigger.note_service(Span::from_us(1));
        fault.send(true, soon()).await;
        assert_eq!(fault.nth(), Some(4));
    }

    #[tokio::test]
    async fn a_write_that_is_sent_sets_it_off_a_share_of_the_usual_time_later() {
        let fault = AfterSecond::by(0.5, Some(Span::from_secs(60)));
        let at_once = || {
            let mut polls = 0;
            poll_fn(move |cx| {
                polls += 1;
                stay_awake(cx);
                if polls > 1 {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
        };
        fault.send(true, at_once()).await;
        // The second is answered before its moment, which is nearer for the third.
        fault.send(true, at_once()).await;
        assert_eq!(fault.nth(), None);
        fault.trigger.note_service(Span::from_ms(20));
        fault.trigger.note_service(Span::from_ms(20));
        let faulted = poll_fn(|cx| {
            stay_awake(cx);
            match fault.trigger.0.counting.counts(Mark::Request) {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        });
        fault.send(true, faulted).await;
        let (after, nth) = fault.came.try_recv().expect("it came");
        assert_eq!(nth, 3);
        assert!(after >= Span::from_ms(5), "{after}");
    }

    async fn until_passed(trigger: &Trigger) {
        poll_fn(|cx| {
            stay_awake(cx);
            match trigger.waits_for(Mark::Request) {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        })
        .await;
    }

    #[test]
    fn the_usual_service_is_the_median() {
        let trigger = Trigger::default();
        assert_eq!(trigger.usual_service(), None);
        for us in [900, 100, 300] {
            trigger.note_service(Span::from_us(us));
        }
        assert_eq!(trigger.usual_service(), Some(Span::from_us(300)));
    }
}
