//! The recovery probe: when does the target accept, and when does its new process answer correctly?
//!
//! A probe with a fixed interval measures its interval. This one asks again after a small share of the outage so far, on a fresh
//! connection each time. It keeps the last failed and the first good try, so the error of the measurement is known and
//! proportional. Probes without an answer do not block it: further ones are sent meanwhile. Each probe does the work of a whole
//! session ([`work`]). A rehearsal before the fault shows what its replies must contain.

#[cfg(test)]
mod tests;
mod transcript;
mod users;
mod walk;
mod work;

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use comeback_model::event::{ELSEWHERE, Evidence};
use comeback_model::ids::BootId;
use comeback_model::operation::Step;
use comeback_model::plan::Load;
use comeback_model::units::{Elapsed, Span};

pub use self::transcript::{Exchange, Replied};
pub use self::users::{Carried, Look, Missing, Pace, Patience, UserHistory};
pub use self::walk::{Left, Walk, Walked, Who};
pub use self::work::Work;
use self::work::{Done, Failure};
use super::connection::{Dialer, Scratch};
use super::pacer::Pacer;
use comeback_host::clock::Clock;
use comeback_model::endpoint::Endpoint;
use comeback_session::flow::{Flow, Known, Session};
use comeback_session::wire::Wanted;

/// The shortest pause between two probes; a refused connection costs some 40 µs of processor time.
const SHORTEST_PAUSE: Span = Span::from_us(200);
/// The pause as a share of the outage so far: 1/200 keeps a 300 ms outage within 1.5 ms.
const PAUSE_SHARE: u64 = 200;
/// The same while probes wait for their answers. Each takes a place in the server's queue of connections, so there are
/// fewer: 16 for each doubling of the outage.
const WAITING_SHARE: u64 = 24;
/// The shortest pause while probes wait.
const WAITING_PAUSE: Span = Span::from_ms(5);
/// Probes that may wait at once; the next one takes the place of one of them.
const MOST_WAITING: usize = 16;
/// Work that takes so long without any fault is a slow server's. Then that time, so often, lies between a probe and the next one while
/// others wait: a quarter of what a server bears that does one thing at a time.
const SLOW_WORK: Span = Span::from_ms(20);
const SLOW_PAUSE: u64 = 4;
/// And not longer: a connection that the kernel lost is replaced.
const LONGEST_SLOW_PAUSE: Span = Span::from_ms(500);
/// A connected probe that waits this many times as long as a later one took until it was answered would have been
/// answered, too, had the target been ready when it was begun.
const LEFT_OUT: u64 = 4;
/// The first of the probe's own users; the others count down from it. They are beyond any client a plan can have.
const FIRST_USER: u32 = u32::MAX;
/// Tries at a rehearsal.
const MOST_REHEARSALS: u32 = 6;

/// What to probe.
#[derive(Debug)]
pub struct ProbeSetup<'a> {
    /// The traffic: a session's work, or its only request, is what must be answered correctly.
    pub load: &'a Load,
    /// Where the target is reached.
    pub endpoint: &'a Endpoint,
    /// The header that names the answering process.
    pub boot_header: Option<&'a str>,
    /// The boot ids of the processes before the fault, if they sent any.
    pub old_boots: Vec<BootId>,
    /// What was learnt by a rehearsal; without one all of the work is wanted, and what the flow says of it.
    pub work: Option<Work>,
    /// How long the work took in the rehearsal.
    pub usual: Span,
    /// What the clients know of the bodies of pages and the names of users: a reply that they call wrong is no recovery.
    pub known: Known,
    /// How many users the trial's probes have been.
    pub users: &'a Cell<u32>,
    /// T0.
    pub since: Elapsed,
    /// The run's clock.
    pub clock: Clock,
}

/// A probe under way. Its observations stay when it is given up.
#[derive(Debug)]
pub struct Probe<'a> {
    setup: ProbeSetup<'a>,
    flow: Flow,
    work: Work,
    dialer: Dialer,
    scratch: Scratch,
    pacer: Pacer,
    seen: RefCell<Seen>,
    /// What was sent and answered, where that is kept.
    transcript: RefCell<Vec<Exchange>>,
    keeps_transcript: bool,
    /// The longest that a whole reply took so far.
    slowest: Cell<Span>,
}

/// The result of a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// The work of the probe.
    pub work: Work,
    /// How long it took, at its quickest.
    pub usual: Span,
    /// Why that is the login alone.
    pub limit: Option<String>,
    /// A check is answered as within a known session though its sender never logged in.
    pub anonymous_known: bool,
}

/// The owner of the listening socket of the restarted node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This process of the new start, and no older one.
    New(i32),
    /// A process that is not of the new start, in words.
    Old(String),
    /// Somebody who may be of the new start, and who cannot be seen, or told from others; and why.
    Unseen(String),
    /// That cannot be told, and why.
    Unknown(String),
}

/// The observations of a probe.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Probes made.
    pub probes: u64,
    /// The observation of the last failed one.
    pub last_failure: Option<String>,
    /// The last answer was correct, and counts for nothing only since its sender cannot be seen: why not.
    pub unseen: Option<String>,
    /// The begin of the latest failed probe. The target was not back then.
    pub last_failed: Option<Elapsed>,
    /// The begin of the last failed attempt to connect before any was accepted.
    last_refused: Option<Elapsed>,
    /// The first accepted connection.
    pub accepted: Option<Accepted>,
}

/// The first accepted connection.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// When it was accepted.
    pub at: Elapsed,
    /// The begin of the last attempt that was not accepted.
    pub last_failed: Option<Elapsed>,
}

/// The first correct reply of the new process.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// When it was complete.
    pub at: Elapsed,
    /// How it is known to come from the new process.
    pub evidence: Evidence,
    /// Why the listening socket's owner could not be asked, too.
    pub unowned: Option<String>,
}

/// A probe that cannot go on.
#[derive(Debug)]
pub enum ProbeError {
    /// The harness itself failed.
    Harness(io::Error),
    /// The target answers, but nothing tells its new process from its old one.
    Unattributable(String),
}

/// A probe without an answer yet.
struct Asking<'p> {
    begun: Elapsed,
    connected: Rc<Cell<bool>>,
    answer: Pin<Box<dyn Future<Output = Result<Done, Failure>> + 'p>>,
}

/// Why a correct answer is not taken for the new process's.
struct NotNew {
    problem: String,
    /// It may be, and cannot be seen.
    is_unseen: bool,
}

/// One probe's answer.
struct Answer {
    begun: Elapsed,
    result: Result<Done, Failure>,
}

impl<'a> Probe<'a> {
    /// A probe; nothing is sent yet.
    ///
    /// # Errors
    /// If the kernel has no timer for it, TLS cannot be had, or the flow is none.
    pub fn new(setup: ProbeSetup<'a>) -> io::Result<Self> {
        let flow = Flow::new(&setup.load.workload, setup.endpoint.port)
            .map_err(io::Error::other)?
            .sent_to(setup.endpoint.tcp_address());
        let flow = flow.knowing(setup.known.clone());
        let wanted = wanted_of(&setup, &flow);
        let work = setup.work.clone();
        Ok(Self {
            dialer: Dialer::new(setup.endpoint.clone(), wanted)?,
            work: work.unwrap_or_else(|| Work::whole(&flow)),
            flow,
            setup,
            scratch: Scratch::new(),
            pacer: Pacer::new()?,
            seen: RefCell::default(),
            transcript: RefCell::default(),
            keeps_transcript: false,
            slowest: Cell::new(Span::ZERO),
        })
    }

    /// A probe that can [`Probe::walk`]: it keeps all that is sent and answered.
    ///
    /// # Errors
    /// As [`Probe::new`].
    pub fn with_transcript(setup: ProbeSetup<'a>) -> io::Result<Self> {
        let mut probe = Self::new(setup)?;
        probe.keeps_transcript = true;
        let mut wanted = wanted_of(&probe.setup, &probe.flow);
        wanted.headers.extend(transcript::SHOWN.map(str::to_owned));
        wanted.headers.sort();
        wanted.headers.dedup();
        probe.dialer = Dialer::new(probe.setup.endpoint.clone(), wanted)?;
        Ok(probe)
    }

    /// The longest that a whole reply took so far.
    pub const fn slowest(&self) -> Span {
        self.slowest.get()
    }

    /// The observations so far.
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Before the fault: does the work until it went well `wanted` times, and keeps what all replies showed.
    ///
    /// Where a session is not known on a fresh connection, as behind a balancer that goes round servers which share
    /// nothing, only the login can be asked for after the fault.
    ///
    /// # Errors
    /// If the harness fails, or even the login failed, with its error.
    pub async fn rehearse(&self, wanted: u32) -> Result<Result<Rehearsed, String>, ProbeError> {
        let limit = match self.rehearse_work(&Work::whole(&self.flow), wanted).await? {
            Ok((work, usual, session)) => {
                let anonymous_known = self.flow.has_sessions()
                    && self
                        .is_anonymous_known(&session)
                        .await
                        .map_err(|_| of_the_harness())?;
                return Ok(Ok(Rehearsed {
                    work,
                    usual,
                    limit: None,
                    anonymous_known,
                }));
            }
            Err((Step::Login | Step::Get, problem)) => return Ok(Err(problem)),
            Err((_, problem)) => problem,
        };
        let login = self.rehearse_work(&Work::login(), wanted).await?;
        Ok(login
            .map(|(work, usual, _)| Rehearsed {
                work,
                usual,
                limit: Some(limit),
                anonymous_known: false,
            })
            .map_err(|(_, problem)| problem))
    }

    async fn rehearse_work(
        &self,
        work: &Work,
        wanted: u32,
    ) -> Result<Result<(Work, Span, Session), (Step, String)>, ProbeError> {
        let mut common: Option<Work> = None;
        let (mut done, mut met) = (0, None);
        let mut usual: Option<Span> = None;
        for _ in 0..MOST_REHEARSALS {
            let begun = self.setup.clock.now();
            match self.perform(work, &Cell::new(false)).await {
                Ok(Done {
                    at, shown, session, ..
                }) => {
                    done += 1;
                    let took = at.since(begun);
                    usual = Some(usual.map_or(took, |usual| usual.min(took)));
                    let all = common.map_or_else(|| shown.clone(), |before| before.common(&shown));
                    if done == wanted {
                        return Ok(Ok((all, usual.unwrap_or(took), session)));
                    }
                    common = Some(all);
                }
                Err(Failure::Target {
                    step,
                    problem,
                    unknown,
                    ..
                }) => {
                    met = Some((step, problem));
                    if unknown {
                        break;
                    }
                }
                Err(Failure::Harness) => return Err(of_the_harness()),
            }
        }
        Ok(Err(met.unwrap_or_else(|| (Step::Login, String::new()))))
    }

    /// Asks until the new process answers correctly; the caller sets the horizon.
    ///
    /// A reply is attributed by its boot id, and by `owner`, who holds the listening socket.
    ///
    /// # Errors
    /// If the harness fails, or replies cannot be attributed.
    pub async fn run(&self, mut owner: impl FnMut() -> Owner) -> Result<Recovered, ProbeError> {
        let clock = self.setup.clock;
        let mut waiting: Vec<Asking<'_>> = Vec::new();
        let mut next = clock.now();
        loop {
            let now = clock.now();
            if now >= next {
                self.seen.borrow_mut().probes += 1;
                make_room(&mut waiting, now);
                waiting.push(self.begin(now));
                next = now + self.pause(&waiting);
            }
            let answer = self.answer_until(&mut waiting, clock.instant(next)).await?;
            if let Some(answer) = answer {
                if let Some(recovered) = self.weigh(answer, &waiting, &mut owner)? {
                    return Ok(recovered);
                }
                next = next.min(clock.now() + self.pause(&waiting));
            }
        }
    }

    fn begin(&self, begun: Elapsed) -> Asking<'_> {
        let connected = Rc::new(Cell::new(false));
        let noted = Rc::clone(&connected);
        Asking {
            begun,
            connected,
            answer: Box::pin(async move { self.perform(&self.work, &noted).await }),
        }
    }

    /// How long to wait before another probe while these wait for their answers.
    fn pause(&self, waiting: &[Asking<'_>]) -> Span {
        let outage = self.setup.clock.now().since(self.setup.since).as_us();
        let Some(latest) = waiting.last() else {
            return Span::from_us(outage / PAUSE_SHARE).max(SHORTEST_PAUSE);
        };
        // Where nobody accepts them, probes are no work for the server.
        let slow = match latest.connected.get() {
            true => self.pause_of_a_slow_server(),
            false => Span::ZERO,
        };
        Span::from_us(outage / WAITING_SHARE)
            .max(WAITING_PAUSE)
            .max(slow)
    }

    /// A server that takes its time is not helped by more questions: those would be most of its work, and their users' replies late.
    fn pause_of_a_slow_server(&self) -> Span {
        let usual = self.setup.usual;
        match usual >= SLOW_WORK {
            true => Span::from_us(usual.as_us() * SLOW_PAUSE).min(LONGEST_SLOW_PAUSE),
            false => Span::ZERO,
        }
    }

    /// The first of the waiting probes to be answered before `until`, taken from among them.
    async fn answer_until(
        &self,
        waiting: &mut Vec<Asking<'_>>,
        until: tokio::time::Instant,
    ) -> Result<Option<Answer>, ProbeError> {
        let answered = std::future::poll_fn(|cx| {
            for place in 0..waiting.len() {
                if let Poll::Ready(result) = waiting[place].answer.as_mut().poll(cx) {
                    let begun = waiting.remove(place).begun;
                    return Poll::Ready(Answer { begun, result });
                }
            }
            Poll::Pending
        });
        tokio::select! {
            biased;
            answer = answered => Ok(Some(answer)),
            waited = self.pacer.wait_until(until) => {
                waited.map_err(ProbeError::Harness)?;
                Ok(None)
            }
        }
    }

    /// Judges an answer: recovery, or one more failure.
    fn weigh(
        &self,
        Answer { begun, result }: Answer,
        waiting: &[Asking<'_>],
        owner: &mut impl FnMut() -> Owner,
    ) -> Result<Option<Recovered>, ProbeError> {
        let mut unseen = None;
        let problem = match result {
            Ok(done) => match self.attribute(&done, owner)? {
                Ok(recovered) => {
                    self.note_left_out(begun, recovered.at, waiting);
                    return Ok(Some(recovered));
                }
                Err(not) => {
                    // The answer was not from the new process, so the accepted connection does not count.
                    let mut seen = self.seen.borrow_mut();
                    seen.accepted = None;
                    seen.last_refused = Some(begun);
                    unseen = not.is_unseen.then(|| not.problem.clone());
                    not.problem
                }
            },
            Err(Failure::Target {
                problem, connected, ..
            }) => {
                if !connected {
                    let mut seen = self.seen.borrow_mut();
                    seen.last_refused = seen.last_refused.max(Some(begun));
                }
                problem
            }
            Err(Failure::Harness) => return Err(of_the_harness()),
        };
        let mut seen = self.seen.borrow_mut();
        seen.last_failed = seen.last_failed.max(Some(begun));
        seen.last_failure = Some(problem);
        seen.unseen = unseen;
        Ok(None)
    }

    /// Probes that still wait although a later one was answered long ago have failed.
    fn note_left_out(&self, begun: Elapsed, at: Elapsed, waiting: &[Asking<'_>]) {
        let took = at.since(begun).as_us();
        let left_out = waiting.iter().filter(|asking| {
            let waited = at.since(asking.begun).as_us();
            asking.begun < begun && asking.connected.get() && waited >= took * LEFT_OUT
        });
        let latest = left_out.map(|asking| asking.begun).max();
        let mut seen = self.seen.borrow_mut();
        seen.last_failed = seen.last_failed.max(latest);
    }

    /// The next of the probe's own users.
    fn next_user(&self) -> u32 {
        let users = self.setup.users.get();
        self.setup.users.set(users.wrapping_add(1));
        FIRST_USER.wrapping_sub(users)
    }

    fn note_accepted(&self, at: Elapsed) {
        let mut seen = self.seen.borrow_mut();
        let last_failed = seen.last_refused;
        seen.accepted.get_or_insert(Accepted { at, last_failed });
    }

    /// How a correct reply is known to come from the new process, or why it does not.
    fn attribute(
        &self,
        done: &Done,
        owner: &mut impl FnMut() -> Owner,
    ) -> Result<Result<Recovered, NotNew>, ProbeError> {
        let old = &self.setup.old_boots;
        let not_new = |problem, is_unseen| NotNew { problem, is_unseen };
        let mut boots = done.boots.iter().flatten();
        let recovered = |evidence, unowned| Recovered {
            at: done.at,
            evidence,
            unowned,
        };
        if let Some(boot) = boots.find(|boot| old.contains(boot)) {
            return match owner() {
                Owner::New(_) => Err(ProbeError::Unattributable(format!(
                    "the new process calls itself {boot} like the old one: the boot header does not change with \
                     each start"
                ))),
                Owner::Old(_) | Owner::Unseen(_) | Owner::Unknown(_) => Ok(Err(not_new(
                    format!("the old process still answers (boot id {boot})"),
                    false,
                ))),
            };
        }
        // A name without one to compare it with proves nothing.
        let named = done.boots.last().copied().flatten();
        Ok(match (named.filter(|_| !old.is_empty()), owner()) {
            (Some(boot), Owner::New(_)) => Ok(recovered(Evidence::BootId(boot), None)),
            (Some(boot), Owner::Unknown(why)) => Ok(recovered(Evidence::BootId(boot), Some(why))),
            // One that outlived the fault may have taken a new name.
            (Some(boot), Owner::Old(problem)) => Err(not_new(
                format!("{problem}, though the reply carries a new boot id ({boot})"),
                false,
            )),
            (None, Owner::New(ELSEWHERE)) => Ok(recovered(Evidence::AfterEnd, None)),
            (None, Owner::New(pid)) => Ok(recovered(Evidence::SocketOwner(pid), None)),
            (None, Owner::Old(problem) | Owner::Unknown(problem)) => Err(not_new(problem, false)),
            (_, Owner::Unseen(problem)) => Err(not_new(problem, true)),
        })
    }
}

/// Where as many wait as may, one is given up: neither the oldest, which a slow server answers first, nor the latest,
/// but the one whose wait is most like its neighbours'.
fn make_room(waiting: &mut Vec<Asking<'_>>, now: Elapsed) {
    if waiting.len() < MOST_WAITING {
        return;
    }
    let wait = |place: usize| now.since(waiting[place].begun).as_us().max(1) as f64;
    let spread = |place: &usize| wait(place - 1) / wait(place + 1);
    let inner = 1..waiting.len() - 1;
    let least = inner.min_by(|one, other| spread(one).total_cmp(&spread(other)));
    if let Some(place) = least {
        drop(waiting.remove(place));
    }
}

/// What replies are looked at for.
fn wanted_of(setup: &ProbeSetup<'_>, flow: &Flow) -> Wanted {
    Wanted {
        boot: setup.boot_header.map(str::to_owned),
        headers: flow.headers(),
        relayed: false,
    }
}

fn of_the_harness() -> ProbeError {
    ProbeError::Harness(io::Error::other(
        "the probe got no descriptor or local port, or its request cannot be told in the target's protocol",
    ))
}
