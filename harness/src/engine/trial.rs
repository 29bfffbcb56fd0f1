//! A trial: one start of a target, its load, and at most one fault, phase by phase.
//!
//! Whatever happens on the way, the locals' drops leave no process behind. A target that misbehaves is a
//! recorded fact that ends the trial early; an [`EngineError`] is ours.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use comeback_core::event::{EventKind, Exit, ExitCause, Phase};
use comeback_core::ids::{BootId, Incarnation};
use comeback_core::operation::ErrorClass;
use comeback_core::plan::{Arm, Plan, Signal};
use comeback_core::schedule::PlannedTrial;
use comeback_core::units::{Elapsed, Span};

use super::recovery::{self, Fallen};
use super::{EngineError, Site};
use crate::endpoint::Endpoint;
use crate::load::{Generator, Setup};
use crate::supervise::ports;
use crate::supervise::process::{Launch, Process, StartError, resolve_endpoint};
use crate::supervise::readiness::wait_until_ready;

/// How long the final look at the sessions may take.
const READ_BACK_WITHIN: Span = Span::from_secs(30);
/// There is one target in each trial.
const REPLICA: u32 = 0;
/// Between two tries to open the sessions that could not be opened.
const OPEN_PAUSE: Duration = Duration::from_millis(20);
/// Between the command to begin the load and its first possible arrival.
const LOAD_LEAD: Span = Span::from_ms(1);

/// One trial and its surroundings.
pub(super) struct Trial<'a> {
    pub(super) plan: &'a Plan,
    pub(super) arm: &'a Arm,
    pub(super) planned: PlannedTrial,
    pub(super) site: &'a Site,
    pub(super) endpoint: Endpoint,
    data: &'a Path,
}

/// Why a trial ended before its time.
pub(super) enum Early {
    /// The target is the reason, and this tells of it.
    Target(EventKind),
    /// The harness is.
    Engine(EngineError),
}

impl<E: Into<EngineError>> From<E> for Early {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

/// Runs a trial to its end and leaves nothing of it behind.
pub(super) async fn run(
    plan: &Plan,
    arm: &Arm,
    planned: PlannedTrial,
    site: &Site,
) -> Result<(), EngineError> {
    let data = site.scratch.join(format!("trial-{:03}", planned.id.0));
    std::fs::create_dir_all(&data).map_err(|cause| folder_error("create", &data, cause))?;
    let port = ports::free_port().map_err(EngineError::Port)?;
    let record = |kind| site.recorder.event(Some(planned.id), kind);
    record(EventKind::TrialStarted {
        arm: planned.arm,
        control: planned.is_control(),
    });
    let ended = match resolve_endpoint(&arm.target, port, &data, REPLICA) {
        Ok(endpoint) => {
            let trial = Trial {
                plan,
                arm,
                planned,
                site,
                endpoint,
                data: &data,
            };
            trial.run_phases().await
        }
        Err(error) => Err(Early::Target(start_failed(Incarnation(0), &error))),
    };
    let complete = match ended {
        Ok(()) => true,
        Err(Early::Target(kind)) => {
            record(kind);
            false
        }
        Err(Early::Engine(error)) => return Err(error),
    };
    let left = site.tag.kill_all();
    // A trial that ended early never came to its own stop: what it left is no finding.
    if complete && !left.is_empty() {
        record(EventKind::LeftBehind { pids: left });
    }
    remove(&data).map_err(|cause| folder_error("remove", &data, cause))?;
    record(EventKind::TrialEnded);
    Ok(())
}

impl Trial<'_> {
    async fn run_phases(&self) -> Result<(), Early> {
        self.enter(Phase::Start);
        let (mut process, boot) = self.start_first().await?;
        self.enter(Phase::Open);
        let mut load = self.start_load()?;
        self.open_sessions(&mut load).await?;
        let begin = self.site.clock.now() + LOAD_LEAD;
        load.run(begin);
        let windows = &self.plan.windows;
        self.enter(Phase::WarmUp);
        self.wait_until(begin + windows.warm_up, &mut process)
            .await?;
        self.enter(Phase::Baseline);
        let fault_at = begin
            + windows.warm_up
            + windows.baseline
            + self.planned.fault_after.unwrap_or(Span::ZERO);
        self.wait_until(fault_at, &mut process).await?;
        self.enter(Phase::Fault);
        let recovered = if self.planned.is_control() {
            true
        } else {
            let fallen = self.strike(&mut process).await?;
            self.enter(Phase::Recovery);
            recovery::run(self, &mut process, fallen, boot).await?
        };
        if recovered {
            self.enter(Phase::Settle);
            let pause = tokio::time::sleep(windows.settle.into());
            self.alongside(&mut process, pause).await?;
        }
        let tally = self.alongside(&mut process, load.stop()).await??;
        self.record(EventKind::LoadStopped {
            scheduled: tally.scheduled,
            sent: tally.sent,
            dropped: tally.dropped,
        });
        if recovered && process.is_running() {
            self.enter(Phase::ReadBack);
            let until = self.site.clock.now() + READ_BACK_WITHIN;
            self.alongside(&mut process, load.read_back(until))
                .await??;
        }
        load.finish()?;
        self.enter(Phase::Stop);
        self.stop(&mut process).await
    }

    async fn start_first(&self) -> Result<(Process, Option<BootId>), Early> {
        let incarnation = Incarnation(0);
        let mut process = self.launch(incarnation).map_err(Early::Target)?;
        let ready = &self.arm.target.ready;
        let boot_header = self.arm.target.boot_header.as_deref();
        let clock = self.site.clock;
        match wait_until_ready(&mut process, ready, &self.endpoint, boot_header, clock).await {
            Ok(ready) => {
                if ready.boot.is_none() {
                    self.check_attribution(incarnation)?;
                }
                let kind = EventKind::TargetReady { boot: ready.boot };
                self.site
                    .recorder
                    .event_at(ready.at, Some(self.planned.id), kind);
                Ok((process, ready.boot))
            }
            Err(not_ready) => Err(Early::Target(EventKind::TargetStartFailed {
                incarnation,
                problem: not_ready.to_string(),
                tail: process.tail(),
            })),
        }
    }

    /// A server that does not name its start is known by its listening socket. When that does not work even
    /// before the fault, nothing could be said about what answers after it.
    fn check_attribution(&self, incarnation: Incarnation) -> Result<(), Early> {
        match recovery::owner_of(self, incarnation) {
            Ok(_) => Ok(()),
            Err(problem) => Err(aborted(format!(
                "its replies could not be told from those of another process ({problem}); a response header that                  changes with each start would do it (--boot-header)"
            ))),
        }
    }

    /// Starts an incarnation and records it; says what to record when that fails.
    pub(super) fn launch(&self, incarnation: Incarnation) -> Result<Process, EventKind> {
        let started = Process::spawn(Launch {
            target: &self.arm.target,
            port: self.endpoint.port,
            data: self.data,
            replica: REPLICA,
            trial: self.planned.id,
            incarnation,
            tag: &self.site.tag,
            log: self.log_of(incarnation),
            clock: self.site.clock,
        });
        match started {
            Ok(process) => {
                let kind = EventKind::TargetExecuted {
                    incarnation,
                    pid: process.pid(),
                    requested_us: process.requested(),
                };
                let at = process.executed();
                self.site.recorder.event_at(at, Some(self.planned.id), kind);
                Ok(process)
            }
            Err(error) => Err(start_failed(incarnation, &error)),
        }
    }

    fn log_of(&self, incarnation: Incarnation) -> PathBuf {
        let name = format!(
            "trial-{:03}-{}-{}.log",
            self.planned.id.0, self.arm.name, incarnation.0
        );
        self.site.logs.join(name)
    }

    fn start_load(&self) -> Result<Generator, EngineError> {
        let setup = Setup {
            trial: self.planned.id,
            load: self.plan.load.clone(),
            seed: self.planned.load_seed,
            endpoint: self.endpoint.clone(),
            boot_header: self.arm.target.boot_header.clone(),
            clock: self.site.clock,
        };
        let recorder = self.site.recorder.clone();
        Ok(Generator::start(&setup, move |done| {
            recorder.operations(done)
        })?)
    }

    /// Has every client log in. A server may answer its readiness probe before it can work: what fails is
    /// tried again for as long as the start may take.
    async fn open_sessions(&self, load: &mut Generator) -> Result<(), Early> {
        let clock = self.site.clock;
        let deadline = clock.now() + self.arm.target.ready.within;
        loop {
            let opened = load.open().await?;
            let (wanted, failed) = (opened.wanted, opened.wanted - opened.open);
            if failed == 0 || clock.now() > deadline {
                self.record(EventKind::SessionsOpened {
                    opened: opened.open,
                    failed,
                });
                if failed == 0 {
                    return Ok(());
                }
                return Err(aborted(format!(
                    "{failed} of {wanted} sessions could not be opened before the fault{}",
                    why_not_opened(opened.refusal)
                )));
            }
            tokio::time::sleep(OPEN_PAUSE).await;
        }
    }

    /// Sends the fault and confirms its effect.
    async fn strike(&self, process: &mut Process) -> Result<Fallen, Early> {
        let fault = &self.plan.fault;
        self.record(EventKind::FaultRequested {
            signal: fault.signal,
        });
        process
            .signal_group(fault.signal)
            .map_err(EngineError::Process)?;
        let exited = tokio::time::timeout(fault.lands_within.into(), process.exited()).await;
        let Ok(exited) = exited else {
            return Err(Early::Target(EventKind::FaultMissed {
                reason: format!(
                    "process {} was still running {} after {}",
                    process.pid(),
                    fault.lands_within,
                    fault.signal
                ),
            }));
        };
        let (exit, at) = exited.map_err(EngineError::Process)?;
        self.record_exit(process, (exit, at), ExitCause::Injected);
        if fault.signal == Signal::Kill && exit != Exit::Signal(Signal::Kill.number()) {
            return Err(Early::Target(EventKind::FaultMissed {
                reason: format!("the process {exit} before SIGKILL reached it"),
            }));
        }
        process.clear_group().await.map_err(EngineError::Process)?;
        Ok(Fallen { at })
    }

    /// Waits for a moment; ends early when the target ends by itself.
    async fn wait_until(&self, until: Elapsed, process: &mut Process) -> Result<(), Early> {
        let pause = tokio::time::sleep_until(self.site.clock.instant(until).into());
        tokio::select! {
            biased;
            exited = process.exited() => {
                let (exit, at) = exited.map_err(EngineError::Process)?;
                self.record_exit(process, (exit, at), ExitCause::Unasked);
                Err(aborted(format!("the target {exit} by itself")))
            }
            () = pause => Ok(()),
        }
    }

    /// Waits for `work`, and records it when the target ends by itself meanwhile.
    pub(super) async fn alongside<T>(
        &self,
        process: &mut Process,
        work: impl Future<Output = T>,
    ) -> Result<T, EngineError> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                exited = process.exited(), if process.is_running() => {
                    let exited = exited.map_err(EngineError::Process)?;
                    self.record_exit(process, exited, ExitCause::Unasked);
                }
            }
        }
    }

    /// Stops a target that still runs. What one that ended by itself left is found by its tag: its group's
    /// number may be somebody else's by now.
    async fn stop(&self, process: &mut Process) -> Result<(), Early> {
        // It may have ended unasked in this very moment.
        self.alongside(process, std::future::ready(())).await?;
        if process.is_running() {
            let stopped = process
                .stop(&self.arm.target.stop)
                .await
                .map_err(EngineError::Process)?;
            self.record_exit(process, (stopped.exit, stopped.at), ExitCause::Stopped);
            process.clear_group().await.map_err(EngineError::Process)?;
        }
        Ok(())
    }

    pub(super) fn record_exit(
        &self,
        process: &Process,
        (exit, at): (Exit, Elapsed),
        cause: ExitCause,
    ) {
        let tail = match cause {
            ExitCause::Injected | ExitCause::Stopped => Vec::new(),
            ExitCause::Unasked => process.tail(),
        };
        let kind = EventKind::TargetExited {
            incarnation: process.incarnation(),
            exit,
            cause,
            tail,
        };
        self.site.recorder.event_at(at, Some(self.planned.id), kind);
    }

    pub(super) fn record(&self, kind: EventKind) {
        self.site.recorder.event(Some(self.planned.id), kind);
    }

    fn enter(&self, phase: Phase) {
        self.record(EventKind::PhaseEntered { phase });
        force_panic(phase);
    }
}

/// In debug builds a test can ask for a panic in a phase, to see that nothing is left behind.
fn force_panic(phase: Phase) {
    if cfg!(debug_assertions) && std::env::var("COMEBACK_PANIC_IN").as_deref() == Ok(phase.name()) {
        panic!("forced in phase {}", phase.name());
    }
}

/// What the logins met, and what may mend it.
fn why_not_opened(refusal: Option<(ErrorClass, Option<u16>)>) -> String {
    match refusal {
        None => String::new(),
        Some((class, None)) => format!(": the login met '{}'", class.label()),
        Some((class, Some(status))) => {
            let mend = match status {
                300..400 => " (a redirect: follow it, or expect its status)",
                200..300 => {
                    " (its content is not as expected: look at expect, capture and identity)"
                }
                _ => "",
            };
            format!(
                ": the login was answered with status {status}, which is '{}'{mend}",
                class.label()
            )
        }
    }
}

pub(super) fn aborted(reason: String) -> Early {
    Early::Target(EventKind::TrialAborted { reason })
}

/// What to record of a target that could not be started at all.
fn start_failed(incarnation: Incarnation, error: &StartError) -> EventKind {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    EventKind::TargetStartFailed {
        incarnation,
        problem: text,
        tail: Vec::new(),
    }
}

/// Removes a data folder. It is the target's to spoil: gone already, or something else put in its place.
fn remove(data: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(data) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => std::fs::remove_file(data),
        removed => removed,
    }
}

fn folder_error(operation: &'static str, path: &Path, cause: std::io::Error) -> EngineError {
    EngineError::Folder {
        operation,
        path: path.to_owned(),
        cause,
    }
}
