//! The recovery probe: when does the target accept, and when does its new process answer correctly?
//!
//! A prober at a fixed interval measures its interval. This one asks again after a small share of the
//! outage so far, on a fresh connection each time, and keeps the last failed and the first good try, so
//! that the error of the measure is known and in proportion. A probe that is left waiting does not blind
//! it: further ones are made meanwhile.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use comeback_core::event::Evidence;
use comeback_core::ids::BootId;
use comeback_core::operation::{ErrorClass, Step};
use comeback_core::plan::Load;
use comeback_core::units::{Elapsed, Span};

use super::client::Waits;
use super::connection::{Broken, Connection, Dialer, Scratch};
use super::flow::{Flow, Judgement, Next, Session, User};
use super::pacer::Pacer;
use super::wire::Wanted;
use crate::clock::Clock;
use crate::endpoint::Endpoint;

/// The shortest pause between two probes; a refused connection costs some 40 µs of processor time.
const SHORTEST_PAUSE: Span = Span::from_us(200);
/// The pause as a share of the outage so far: 1/200 keeps a 300 ms outage within 1.5 ms.
const PAUSE_SHARE: u64 = 200;
/// The pause while one probe waits for its answer; it doubles with each further one that waits.
const WAITING_PAUSE: Span = Span::from_ms(5);
/// Probes that may wait at once: with the pauses between them they cover the first 600 ms of a stuck start.
const MOST_WAITING: usize = 8;
/// The probe's own user: beyond any client a plan can have.
const PROBE_CLIENT: u32 = u32::MAX;

/// What to probe.
#[derive(Debug)]
pub struct ProbeSetup<'a> {
    /// The traffic: its login, or its only request, is what must be answered correctly.
    pub load: &'a Load,
    /// Where the target is reached.
    pub endpoint: &'a Endpoint,
    /// The header that names the answering process.
    pub boot_header: Option<&'a str>,
    /// What the processes before the fault called themselves, where they said so.
    pub old_boots: Vec<BootId>,
    /// T0.
    pub since: Elapsed,
    /// The run's clock.
    pub clock: Clock,
}

/// A probe under way; what it saw stays when it is given up.
#[derive(Debug)]
pub struct Probe<'a> {
    setup: ProbeSetup<'a>,
    flow: Flow,
    dialer: Dialer,
    scratch: Scratch,
    pacer: Pacer,
    seen: RefCell<Seen>,
}

/// What a probe saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Probes made.
    pub probes: u64,
    /// What the last one that failed saw.
    pub last_failure: Option<String>,
    /// When the latest probe that failed was begun: the target was not back then.
    pub last_failed: Option<Elapsed>,
    /// When the last attempt to connect that failed was begun, before any was accepted.
    last_refused: Option<Elapsed>,
    /// The first accepted connection.
    pub accepted: Option<Accepted>,
}

/// The first accepted connection.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// When it was accepted.
    pub at: Elapsed,
    /// When the last attempt that was not accepted was begun.
    pub last_failed: Option<Elapsed>,
}

/// The first correct reply of the new process.
#[derive(Clone, Copy, Debug)]
pub struct Recovered {
    /// When it was complete.
    pub at: Elapsed,
    /// How it is known to come from the new process.
    pub evidence: Evidence,
}

/// A probe that cannot go on.
#[derive(Debug)]
pub enum ProbeError {
    /// The harness itself failed.
    Harness(io::Error),
    /// The target answers, but nothing tells its new process from its old one.
    Unattributable(String),
}

/// One probe's answer.
struct Answer {
    begun: Elapsed,
    result: Result<(Elapsed, Option<BootId>), Failure>,
}

/// Why a probe found no correct reply.
enum Failure {
    /// The target's doing.
    Target { problem: String, connected: bool },
    /// Ours.
    Harness,
}

type Asking<'p> = Pin<Box<dyn Future<Output = Answer> + 'p>>;

impl<'a> Probe<'a> {
    /// A probe; nothing is sent yet.
    ///
    /// # Errors
    /// When the kernel has no timer for it, TLS cannot be had, or the flow is none.
    pub fn new(setup: ProbeSetup<'a>) -> io::Result<Self> {
        let flow =
            Flow::new(&setup.load.workload, setup.endpoint.port).map_err(io::Error::other)?;
        let wanted = Wanted {
            boot: setup.boot_header.map(str::to_owned),
            headers: flow.headers(),
            relayed: false,
        };
        Ok(Self {
            dialer: Dialer::new(setup.endpoint.clone(), wanted)?,
            flow,
            setup,
            scratch: Scratch::new(),
            pacer: Pacer::new()?,
            seen: RefCell::default(),
        })
    }

    /// What was seen until now.
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Asks until the new process answers correctly; the caller sets the horizon.
    ///
    /// A reply is attributed by its boot id, or else by `owner`: the process of the new incarnation that
    /// holds the listening socket, or why it is not (only) that.
    ///
    /// # Errors
    /// When the harness fails, or replies cannot be attributed.
    pub async fn run(
        &self,
        mut owner: impl FnMut() -> Result<i32, String>,
    ) -> Result<Recovered, ProbeError> {
        let clock = self.setup.clock;
        let mut waiting: Vec<Asking<'_>> = Vec::new();
        let mut next = clock.now();
        loop {
            if waiting.len() < MOST_WAITING && clock.now() >= next {
                self.seen.borrow_mut().probes += 1;
                waiting.push(Box::pin(self.ask(clock.now())));
                next = clock.now() + self.pause(waiting.len());
            }
            match self.answer_until(&mut waiting, clock.instant(next)).await? {
                Some(Answer { begun, result }) => {
                    if let Some(recovered) = self.weigh(begun, result, &mut owner)? {
                        return Ok(recovered);
                    }
                    next = clock.now() + self.pause(waiting.len());
                }
                None if waiting.len() == MOST_WAITING => {
                    next = clock.now() + self.pause(waiting.len());
                }
                None => {}
            }
        }
    }

    /// How long to wait before another probe while `waiting` others wait for their answers.
    fn pause(&self, waiting: usize) -> Span {
        let outage = self.setup.clock.now().since(self.setup.since);
        let share = Span::from_us(outage.as_us() / PAUSE_SHARE).max(SHORTEST_PAUSE);
        match waiting {
            0 => share,
            waiting => share.max(Span::from_us(WAITING_PAUSE.as_us() << (waiting - 1))),
        }
    }

    /// The first of the waiting probes to be answered before `until`, taken from among them.
    async fn answer_until(
        &self,
        waiting: &mut Vec<Asking<'_>>,
        until: std::time::Instant,
    ) -> Result<Option<Answer>, ProbeError> {
        let answered = std::future::poll_fn(|cx| {
            for place in 0..waiting.len() {
                if let Poll::Ready(answer) = waiting[place].as_mut().poll(cx) {
                    drop(waiting.swap_remove(place));
                    return Poll::Ready(answer);
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

    /// What an answer means: recovery, or one more failure to remember.
    fn weigh(
        &self,
        begun: Elapsed,
        result: Result<(Elapsed, Option<BootId>), Failure>,
        owner: &mut impl FnMut() -> Result<i32, String>,
    ) -> Result<Option<Recovered>, ProbeError> {
        let problem = match result {
            Ok((at, boot)) => match self.attribute(boot, owner)? {
                Ok(evidence) => return Ok(Some(Recovered { at, evidence })),
                Err(problem) => {
                    // Whoever answered, it was not the new process: its accepting counts for nothing.
                    let mut seen = self.seen.borrow_mut();
                    seen.accepted = None;
                    seen.last_refused = Some(begun);
                    problem
                }
            },
            Err(Failure::Target { problem, connected }) => {
                if !connected {
                    let mut seen = self.seen.borrow_mut();
                    seen.last_refused = seen.last_refused.max(Some(begun));
                }
                problem
            }
            Err(Failure::Harness) => {
                return Err(ProbeError::Harness(io::Error::other(
                    "the probe got no descriptor or local port, or its request cannot be told in the target's protocol",
                )));
            }
        };
        let mut seen = self.seen.borrow_mut();
        seen.last_failed = seen.last_failed.max(Some(begun));
        seen.last_failure = Some(problem);
        Ok(None)
    }

    /// One probe: a fresh connection, the request, the reply.
    async fn ask(&self, begun: Elapsed) -> Answer {
        let result = self.connect_and_ask().await;
        Answer { begun, result }
    }

    async fn connect_and_ask(&self) -> Result<(Elapsed, Option<BootId>), Failure> {
        let limit: Duration = self.setup.load.timeout.into();
        let waits = Waits::default();
        let mut connection = self.connect(limit, &waits).await?;
        let step = if self.flow.has_sessions() {
            Step::Login
        } else {
            Step::Get
        };
        // Each probe is a user's first login: what is kept of one must not help the next.
        let user = User {
            number: PROBE_CLIENT,
            login: self.seen.borrow().probes as u32,
            seed: 0,
        };
        let mut session = Session::default();
        let mut turn = self.flow.begin(step, &mut session);
        let mut request = Vec::new();
        loop {
            request.clear();
            self.flow
                .write_request(&mut turn, user, &mut session, &mut request)
                .map_err(|_| Failure::Harness)?;
            let exchange = connection.exchange(&request, &self.scratch, &waits, |reply| {
                let next = self.flow.judge(&mut turn, user, &mut session, reply);
                (reply.boot, reply.status, next)
            });
            let (boot, status, next, reusable) = match tokio::time::timeout(limit, exchange).await {
                Err(_) => return Err(failed(ErrorClass::ResponseTimeout, true)),
                Ok(Err(Broken { class, .. })) => return Err(failed(class, true)),
                Ok(Ok(((boot, status, next), reusable))) => (boot, status, next, reusable),
            };
            if let Next::Done(judgement) = next {
                correct(&judgement, status)?;
                return Ok((self.setup.clock.now(), boot));
            }
            if !reusable {
                connection = self.connect(limit, &waits).await?;
            }
        }
    }

    async fn connect(&self, limit: Duration, waits: &Waits) -> Result<Connection, Failure> {
        let accepted = Cell::new(false);
        let opening = self.dialer.open(waits, || {
            accepted.set(true);
            self.note_accepted(self.setup.clock.now());
        });
        match tokio::time::timeout(limit, opening).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(broken)) => Err(failed(broken.class, accepted.get())),
            Err(_) => Err(failed(ErrorClass::ConnectTimeout, accepted.get())),
        }
    }

    fn note_accepted(&self, at: Elapsed) {
        let mut seen = self.seen.borrow_mut();
        let last_failed = seen.last_refused;
        seen.accepted.get_or_insert(Accepted { at, last_failed });
    }

    /// How a correct reply is known to come from the new process, or why it does not.
    fn attribute(
        &self,
        boot: Option<BootId>,
        owner: &mut impl FnMut() -> Result<i32, String>,
    ) -> Result<Result<Evidence, String>, ProbeError> {
        let old = &self.setup.old_boots;
        match boot.filter(|_| !old.is_empty()) {
            Some(boot) if !old.contains(&boot) => Ok(Ok(Evidence::BootId(boot))),
            Some(boot) => match owner() {
                Ok(_) => Err(ProbeError::Unattributable(format!(
                    "the new process calls itself {boot} like the old one: the boot header does not change with \
                     each start"
                ))),
                Err(_) => Ok(Err(format!(
                    "the old process still answers (boot id {boot})"
                ))),
            },
            // A name without one to compare it with proves nothing.
            None => Ok(owner().map(Evidence::SocketOwner)),
        }
    }
}

fn failed(class: ErrorClass, connected: bool) -> Failure {
    if class == ErrorClass::HarnessError {
        return Failure::Harness;
    }
    Failure::Target {
        problem: class.label(),
        connected,
    }
}

fn correct(judgement: &Judgement, status: u16) -> Result<(), Failure> {
    match judgement.error {
        None => Ok(()),
        Some(class) => Err(Failure::Target {
            problem: format!("{} (HTTP {status})", class.label()),
            connected: true,
        }),
    }
}
