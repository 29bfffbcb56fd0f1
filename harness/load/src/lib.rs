//! Load: real sessions against the target, in an open loop. The outcome of every operation is recorded.
//!
//! ```text
//! worker (a thread, a runtime) ── pacer: waits for the schedule's instants
//!    └── client × n ── flow: the requests, and the meaning of replies (the oracle)
//!          └── connection ── socket: bytes to the target and back, over TCP, a Unix socket, TLS
//!                         ├── wire: parsers of HTTP/1.1 and of protocols of commands
//!                         └── http2: the same for HTTP/2, by a library
//! ```
//! Called by the engine. It knows sockets and sessions, and nothing about processes and faults.

mod client;
mod connection;
pub mod control;
mod counting;
#[cfg(test)]
mod kept_connections;
mod newcomers;
pub mod pacer;
mod plain;
pub mod probe;
mod seen;
mod socket;
#[cfg_attr(not(feature = "tls"), path = "without_tls.rs")]
mod tls;
mod trigger;
mod waits;
mod worker;

use std::fmt;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use comeback_model::ids::{Seed, TrialId};
use comeback_model::operation::Operation;
use comeback_model::plan::Protocol;
use comeback_model::units::{Elapsed, Span};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub use client::{Looked, Tally};
pub use comeback_session::flow::{Known, PageOf, Users};
pub use counting::{Awaiting, Candidate, OnCounted, OneWrite, Passed, Wanted};
use pacer::Pacer;
pub use trigger::{Inject, Moment, Trigger};
use worker::Command;
pub use worker::{Opened, Setup, rounds_of};

use comeback_host::clock::Clock;

/// Between two rounds of looks at the sessions.
const LOOK_PAUSE: Span = Span::from_ms(25);
/// The longest such pause, where the server fails: eight rounds take 3 s then.
const LAST_LOOK_PAUSE: Span = Span::from_ms(800);

/// Sees that this build has what a protocol needs.
///
/// # Errors
/// Names the feature that was left out.
pub fn check_support(protocol: Protocol) -> io::Result<()> {
    let (has_tls, has_http2) = (cfg!(feature = "tls"), cfg!(feature = "http2"));
    missing_feature(protocol, has_tls, has_http2).map_or(Ok(()), |feature| {
        let name = protocol.spec().name;
        let problem = format!(
            "protocol \"{name}\": this build cannot speak it; enable the feature \"{feature}\" of the package comeback"
        );
        Err(io::Error::new(io::ErrorKind::Unsupported, problem))
    })
}

/// The feature that a protocol needs and a build lacks.
fn missing_feature(protocol: Protocol, has_tls: bool, has_http2: bool) -> Option<&'static str> {
    let spec = protocol.spec();
    match spec.is_encrypted && !has_tls {
        true => Some("tls"),
        false => spec.wire.feature().filter(|_| !has_http2),
    }
}

/// How late the pacer is, in ms, over `count` waits of `pause` each: the least lag operations have here.
///
/// # Errors
/// If the kernel has no timer for it.
pub fn measure_lateness(count: u32, pause: Duration) -> io::Result<Vec<f64>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let pacer = Pacer::new()?;
        let mut late = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let wanted = Instant::now() + pause;
            pacer.wait_until(wanted).await?;
            late.push(wanted.elapsed().as_secs_f64() * 1_000.0);
        }
        Ok(late)
    })
}

/// The load of one trial: its workers.
#[derive(Debug)]
pub struct Generator {
    clock: Clock,
    /// The rate of its load.
    rate: f64,
    workers: Vec<Worker>,
    trigger: Trigger,
}

#[derive(Debug)]
struct Worker {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<io::Result<()>>,
}

/// A worker ended although the load had not.
#[derive(Debug)]
pub enum LoadError {
    /// A thread could not be started.
    Start(io::Error),
    /// A worker failed.
    Worker(io::Error),
    /// A worker panicked.
    Panicked,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(_) => f.write_str("the system refused to start a thread of the load generator"),
            Self::Worker(_) => f.write_str("a thread of the load generator failed"),
            Self::Panicked => f.write_str("a thread of the load generator panicked: this is a defect of Comeback, please report it"),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) | Self::Worker(error) => Some(error),
            Self::Panicked => None,
        }
    }
}

impl Generator {
    /// Starts the workers; nothing is sent yet. Finished operations go to `sink`, in batches.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(
        setup: &Setup,
        sink: impl Fn(Vec<Operation>) + Clone + Send + 'static,
    ) -> Result<Self, LoadError> {
        let trigger = Trigger::default();
        let workers = (0..setup.load.workers)
            .map(|index| {
                let (commands, inbox) = mpsc::unbounded_channel();
                let (setup, trigger) = (setup.clone(), trigger.clone());
                let sink = Box::new(sink.clone());
                let thread = std::thread::Builder::new()
                    .name(format!("load-{index}"))
                    .spawn(move || worker::run_worker(setup, index, inbox, (sink, trigger)))
                    .map_err(LoadError::Start)?;
                Ok(Worker { commands, thread })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            clock: setup.clock,
            rate: setup.load.rate,
            workers,
            trigger,
        })
    }

    /// The trigger of a fault at a moment of the load.
    pub fn trigger(&self) -> &Trigger {
        &self.trigger
    }

    /// Every client without a session logs in, once.
    ///
    /// # Errors
    /// If a worker ended.
    pub async fn open(&mut self) -> Result<Opened, LoadError> {
        let opened = self.ask(Command::Open).await?;
        Ok(opened
            .into_iter()
            .fold(Opened::default(), |all, part| Opened {
                open: all.open + part.open,
                wanted: all.wanted + part.wanted,
                refusal: all.refusal.or(part.refusal),
            }))
    }

    /// A new trial begins on the same data: every client goes on with its session, if the trial before left that whole and it
    /// still is. What is not learned of one may be asked again.
    ///
    /// # Errors
    /// If a worker ended.
    pub async fn resume(
        &mut self,
        trial: TrialId,
        seed: Seed,
        until: Elapsed,
    ) -> Result<Looked, LoadError> {
        self.trigger.forget();
        let parts = self.ask(|answer| Command::Resume {
            trial,
            seed,
            until,
            answer,
        });
        Ok(parts
            .await?
            .into_iter()
            .fold(Looked::default(), Looked::and))
    }

    /// The schedule begins at `start`.
    pub fn run(&self, start: Elapsed) {
        self.run_at(start, self.rate);
    }

    /// The schedule begins at `start`, with another rate than the load's own.
    pub fn run_at(&self, start: Elapsed, rate: f64) {
        self.tell(|_| Command::Run { start, rate });
    }

    /// A closed loop begins, for benchmarks and for a calibration: so many clients ask again as soon as they are answered.
    pub fn saturate(&self, at_once: u32) {
        let workers = self.workers.len() as u32;
        self.tell(|index| Command::Saturate {
            at_once: (at_once + workers - 1 - index) / workers,
        });
    }

    /// The schedule ends; returns when no operation is in flight.
    ///
    /// # Errors
    /// If a worker ended.
    pub async fn stop(&mut self) -> Result<Tally, LoadError> {
        let tallies = self.ask(Command::Stop).await?;
        Ok(tallies
            .into_iter()
            .fold(Tally::default(), |sum, tally| Tally {
                scheduled: sum.scheduled + tally.scheduled,
                sent: sum.sent + tally.sent,
                dropped: sum.dropped + tally.dropped,
            }))
    }

    /// Looks at every session, in rounds, until each is known with all its acknowledged changes. It ends after `looks`
    /// rounds in which the server answered anybody, and begins nothing after `until`. Where it fails for everybody, a user who
    /// is nobody else logs in, to tell a server that is down from one that lost its sessions. Returns what the last round found.
    ///
    /// # Errors
    /// If a worker ended.
    pub async fn look_at_sessions(
        &mut self,
        looks: u32,
        until: Elapsed,
    ) -> Result<Looked, LoadError> {
        self.trigger.known().begin_looks();
        let mut answered = 0;
        let mut patience = LOOK_PAUSE;
        let mut has_witness = false;
        for round in 0.. {
            let looked = self.look(round, until).await?;
            answered += u32::from(looked.answered > 0);
            let is_decided = looked.undecided == 0 && looked.failed == 0;
            let is_told = answered >= looks || looked.failed == 0 && round + 1 >= looks;
            if is_decided || is_told || self.clock.now() >= until {
                return Ok(looked);
            }
            if looked.failed > 0 && looked.answered == 0 && !has_witness {
                self.ask(Command::Witness).await?;
                has_witness = true;
            }
            // A refusal is repeated at once; what fails is given time.
            if looked.failed > 0 {
                patience = (patience + patience).min(LAST_LOOK_PAUSE);
            }
            let pause = if looked.failed > 0 {
                patience
            } else {
                LOOK_PAUSE
            };
            tokio::time::sleep(pause.min(self.clock.until(until)).into()).await;
        }
        Ok(Looked::default())
    }

    async fn look(&mut self, round: u32, until: Elapsed) -> Result<Looked, LoadError> {
        let parts = self.ask(|answer| Command::Look {
            round,
            until,
            answer,
        });
        Ok(parts
            .await?
            .into_iter()
            .fold(Looked::default(), Looked::and))
    }

    /// Ends the workers and passes on their last records.
    ///
    /// # Errors
    /// If a worker failed.
    pub fn finish(mut self) -> Result<(), LoadError> {
        let joined = self.join();
        joined.into_iter().collect()
    }

    /// Waits until every worker has ended; what became of each.
    fn join(&mut self) -> Vec<Result<(), LoadError>> {
        let (commands, threads): (Vec<_>, Vec<_>) = self
            .workers
            .drain(..)
            .map(|Worker { commands, thread }| (commands, thread))
            .unzip();
        drop(commands);
        let joined = threads.into_iter().map(JoinHandle::join);
        joined
            .map(|ended| {
                ended
                    .map_err(|_| LoadError::Panicked)?
                    .map_err(LoadError::Worker)
            })
            .collect()
    }

    fn tell(&self, command: impl Fn(u32) -> Command) {
        for (index, worker) in (0..).zip(&self.workers) {
            // A worker that ended is noticed, with its reason, at the next question.
            let _ = worker.commands.send(command(index));
        }
    }

    async fn ask<T>(
        &mut self,
        command: impl Fn(oneshot::Sender<T>) -> Command,
    ) -> Result<Vec<T>, LoadError> {
        let mut questions = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (answer, question) = oneshot::channel();
            let _ = worker.commands.send(command(answer));
            questions.push(question);
        }
        let mut answers = Vec::with_capacity(questions.len());
        for (index, question) in questions.into_iter().enumerate() {
            match question.await {
                Ok(answer) => answers.push(answer),
                Err(_) => return Err(self.why_ended(index)),
            }
        }
        Ok(answers)
    }

    fn why_ended(&mut self, index: usize) -> LoadError {
        let worker = self.workers.swap_remove(index);
        match worker.thread.join() {
            Err(_) => LoadError::Panicked,
            Ok(Err(error)) => LoadError::Worker(error),
            Ok(Ok(())) => LoadError::Worker(io::Error::other("it ended by itself")),
        }
    }
}

impl Drop for Generator {
    /// A trial that ends early waits for its workers, too: what they hand on belongs before its end in the journal.
    /// A worker whose engine left ends at once. Why one failed is told by whoever asked it last.
    fn drop(&mut self) {
        drop(self.join());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_that_this_build_leaves_out_is_refused_with_the_feature_it_needs() {
        use Protocol::{H2c, Http, Http2, Https, Redis};
        let all = [Http, Https, Http2, H2c, Redis];
        let missing = |tls, http2| all.map(|protocol| missing_feature(protocol, tls, http2));
        assert_eq!(missing(true, true), [None; 5]);
        let (tls, http2) = (Some("tls"), Some("http2"));
        assert_eq!(missing(false, true), [None, tls, tls, None, None]);
        assert_eq!(missing(true, false), [None, None, http2, http2, None]);
        assert_eq!(missing(false, false), [None, tls, tls, http2, None]);
    }
}
