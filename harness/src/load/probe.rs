//! The recovery probe: when does the target accept, and when does its new process answer correctly?
//!
//! A prober at a fixed interval measures its interval. This one asks again after a small share of the
//! outage so far, on a fresh connection each time, and keeps the last failed and the first good try, so
//! that the error of the measure is known and in proportion.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use comeback_core::event::Evidence;
use comeback_core::ids::BootId;
use comeback_core::operation::{ErrorClass, Step};
use comeback_core::plan::Load;
use comeback_core::units::{Elapsed, Span};

use super::client::Waits;
use super::connection::{Broken, Connection, Scratch};
use super::flow::{Flow, Judgement, Session};
use super::pacer::Pacer;
use crate::clock::Clock;

/// The shortest pause between two probes; a refused connection costs some 40 µs of processor time.
const SHORTEST_PAUSE: Span = Span::from_us(200);
/// The pause as a share of the outage so far: 1/200 keeps a 300 ms outage within 1.5 ms.
const PAUSE_SHARE: u64 = 200;
/// The probe's own user: beyond any client a plan can have.
const PROBE_CLIENT: u32 = u32::MAX;

/// What to probe.
#[derive(Debug)]
pub struct ProbeSetup<'a> {
    /// The traffic: its login, or its only request, is what must be answered correctly.
    pub load: &'a Load,
    /// The target's port on 127.0.0.1.
    pub port: u16,
    /// The header that names the answering process.
    pub boot_header: Option<&'a str>,
    /// What the processes before the fault called themselves.
    pub old_boots: &'a [BootId],
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
    scratch: Scratch,
    waits: Waits,
    pacer: Pacer,
    seen: Seen,
}

/// What a probe saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Probes made.
    pub probes: u64,
    /// What the last one that failed saw.
    pub last_failure: Option<String>,
    /// When it ended.
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

impl<'a> Probe<'a> {
    /// A probe; nothing is sent yet.
    ///
    /// # Errors
    /// When the kernel has no timer for it.
    pub fn new(setup: ProbeSetup<'a>) -> io::Result<Self> {
        Ok(Self {
            flow: Flow::new(&setup.load.workload, setup.port),
            setup,
            scratch: Scratch::new(),
            waits: Waits::default(),
            pacer: Pacer::new()?,
            seen: Seen::default(),
        })
    }

    /// What was seen until now.
    pub const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Asks until the new process answers correctly; the caller sets the horizon.
    ///
    /// A reply without a boot id is attributed by `owner`: the process of the new incarnation that holds
    /// the listening socket, or why it is not (only) that.
    ///
    /// # Errors
    /// When the kernel's timer fails.
    pub async fn run(
        &mut self,
        mut owner: impl FnMut() -> Result<i32, String>,
    ) -> io::Result<Recovered> {
        let clock = self.setup.clock;
        loop {
            match self.ask(&mut owner).await {
                Ok(recovered) => return Ok(recovered),
                Err(failure) => {
                    self.seen.last_failure = Some(failure);
                    self.seen.last_failed = Some(clock.now());
                }
            }
            let outage = clock.now().since(self.setup.since);
            let pause = Span::from_us(outage.as_us() / PAUSE_SHARE).max(SHORTEST_PAUSE);
            self.pacer
                .wait_until(clock.instant(clock.now() + pause))
                .await?;
        }
    }

    async fn ask(
        &mut self,
        owner: &mut impl FnMut() -> Result<i32, String>,
    ) -> Result<Recovered, String> {
        let clock = self.setup.clock;
        self.seen.probes += 1;
        let begun = clock.now();
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, self.setup.port));
        let boot_header = self.setup.boot_header.map(Rc::from);
        let limit: Duration = self.setup.load.timeout.into();
        let opened =
            tokio::time::timeout(limit, Connection::open(to, boot_header, &self.waits)).await;
        let connection = match opened {
            Ok(Ok(connection)) => connection,
            Ok(Err(broken)) => {
                self.seen.last_refused = Some(begun);
                return Err(format!("connection: {}", broken.class.label()));
            }
            Err(_) => {
                self.seen.last_refused = Some(begun);
                return Err(ErrorClass::ConnectTimeout.label());
            }
        };
        let last_failed = self.seen.last_refused;
        self.seen.accepted.get_or_insert_with(|| Accepted {
            at: clock.now(),
            last_failed,
        });
        let step = if self.flow.has_sessions() {
            Step::Login
        } else {
            Step::Get
        };
        let mut session = Session::default();
        let mut request = Vec::new();
        self.flow
            .write_request(step, PROBE_CLIENT, &session, &mut request);
        let exchange = connection.exchange(&request, &self.scratch, &self.waits, |reply| {
            let judgement = self.flow.judge(step, PROBE_CLIENT, &mut session, reply);
            (reply.boot, reply.status, judgement)
        });
        let answered = tokio::time::timeout(limit, exchange).await;
        let at = clock.now();
        match answered {
            Err(_) => Err(ErrorClass::ResponseTimeout.label()),
            Ok(Err(Broken { class, .. })) => Err(class.label()),
            Ok(Ok(((boot, status, judgement), _))) => {
                correct(judgement, status)?;
                let evidence = self.attribute(boot, owner)?;
                Ok(Recovered { at, evidence })
            }
        }
    }

    fn attribute(
        &self,
        boot: Option<BootId>,
        owner: &mut impl FnMut() -> Result<i32, String>,
    ) -> Result<Evidence, String> {
        match boot {
            Some(boot) if self.setup.old_boots.contains(&boot) => {
                Err(format!("the old process still answers (boot id {boot})"))
            }
            Some(boot) => Ok(Evidence::BootId(boot)),
            None => owner().map(Evidence::SocketOwner),
        }
    }
}

fn correct(judgement: Judgement, status: u16) -> Result<(), String> {
    match judgement.error {
        None => Ok(()),
        Some(class) => Err(format!("{} (HTTP {status})", class.label())),
    }
}
