//! A trial: one start of a target, its load, and at most one fault, phase by phase.
//!
//! Whatever happens on the way, the locals' drops leave no process behind. A target that misbehaves is a
//! recorded fact that ends the trial early; an [`EngineError`] is ours.

use std::cell::Cell;
use std::time::Duration;

use comeback_model::event::{EventKind, ExitCause, Phase};
use comeback_model::ids::Incarnation;
use comeback_model::operation::ErrorClass;
use comeback_model::plan::{Arm, Plan};
use comeback_model::schedule::PlannedTrial;
use comeback_model::units::{Elapsed, Span};

use super::context::{Early, Trial, aborted};
use super::nodes::{Nodes, start_failed};
use super::seats::{Seats, Unseated};
use super::{EngineError, Site, health, recovery, strike};
use crate::endpoint::Endpoint;
use crate::load::{Generator, Setup};
use crate::supervise::scratch::remove_tree;

/// How long the final looks at the sessions may take.
const READ_BACK_WITHIN: Span = Span::from_secs(30);
/// Between two tries to open the sessions that could not be opened.
const OPEN_PAUSE: Duration = Duration::from_millis(20);
/// Between the command to begin the load and its first possible arrival.
const LOAD_LEAD: Span = Span::from_ms(1);

/// Whether the target came up for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Started {
    /// It did.
    Up,
    /// Its first start failed.
    Not,
}

impl Started {
    /// What an early end says of it.
    const fn before(ended: &EventKind) -> Self {
        match ended {
            // Another program that took the port once will not take the next one.
            EventKind::TargetStartFailed {
                incarnation: Incarnation(0),
                port_taken_by: None,
                ..
            } => Self::Not,
            _ => Self::Up,
        }
    }
}

/// Runs a trial to its end and leaves nothing of it behind.
pub(super) async fn run(
    plan: &Plan,
    arm: &Arm,
    planned: PlannedTrial,
    site: &Site,
) -> Result<Started, EngineError> {
    let data = site.scratch.join(format!("trial-{:03}", planned.id.0));
    std::fs::create_dir_all(&data).map_err(|cause| EngineError::folder("create", &data, cause))?;
    let record = |kind| site.recorder.event(Some(planned.id), kind);
    record(EventKind::TrialStarted {
        arm: planned.arm,
        control: planned.is_control(),
    });
    let ended = match Seats::prepare(arm, &data) {
        Ok(seats) => {
            let trial = Trial {
                plan,
                arm,
                planned,
                site,
                seats,
                probe_users: Cell::new(0),
            };
            trial.run_phases().await
        }
        Err(Unseated::Target(node, error)) => {
            Err(Early::Target(start_failed(node, Incarnation(0), &error)))
        }
        Err(Unseated::Engine(error)) => Err(Early::Engine(error)),
    };
    let (complete, started) = match ended {
        Ok(()) => (true, Started::Up),
        Err(Early::Target(kind)) => {
            let started = Started::before(&kind);
            record(kind);
            (false, started)
        }
        Err(Early::Engine(error)) => return Err(error),
    };
    let left = site.tag.kill_all();
    // A trial that ended early never came to its own stop: what it left is no finding.
    if complete && !left.is_empty() {
        record(EventKind::LeftBehind { pids: left });
    }
    // It is the target's to spoil. What cannot be removed costs this trial; the others have folders of their own.
    if let Err(stuck) = remove_tree(&data) {
        record(EventKind::TrialAborted {
            reason: format!("the trial left something behind: {stuck}"),
        });
    }
    record(EventKind::TrialEnded);
    Ok(started)
}

impl Trial<'_> {
    async fn run_phases(&self) -> Result<(), Early> {
        self.enter(Phase::Start);
        let mut nodes = Nodes::start(self).await?;
        // For a daemon that detaches itself while it starts: there is no load yet that a look would disturb.
        self.site.tag.take_census();
        self.enter(Phase::Open);
        let mut load = self.start_load()?;
        self.open_sessions(&mut load).await?;
        recovery::rehearse(self, &mut nodes).await?;
        let begin = self.site.clock.now() + LOAD_LEAD;
        load.run(begin);
        let health = health::Watch::begin(self)?;
        let windows = &self.plan.windows;
        self.enter(Phase::WarmUp);
        self.wait_until(begin + windows.warm_up, &mut nodes).await?;
        self.enter(Phase::Baseline);
        let fault_at = begin
            + windows.warm_up
            + windows.baseline
            + self.planned.fault_after.unwrap_or(Span::ZERO);
        self.wait_until(fault_at, &mut nodes).await?;
        self.enter(Phase::Fault);
        load.trigger().look_before_logouts();
        let recovered = if self.planned.is_control() {
            true
        } else {
            strike::run(self, &mut nodes, load.trigger()).await?
        };
        if recovered {
            self.enter(Phase::Settle);
            let pause = tokio::time::sleep(windows.settle.into());
            nodes.alongside(self, pause).await?;
        }
        let tally = nodes.alongside(self, load.stop()).await??;
        drop(health);
        self.record(EventKind::LoadStopped {
            scheduled: tally.scheduled,
            sent: tally.sent,
            dropped: tally.dropped,
        });
        if recovered && nodes.are_running() {
            self.enter(Phase::ReadBack);
            recovery::look_around(self, &nodes);
            let until = self.site.clock.now() + READ_BACK_WITHIN;
            let looks = load.look_at_sessions(self.plan.load.looks, until);
            nodes.alongside(self, looks).await??;
            recovery::look_around(self, &nodes);
            recovery::ask_as_a_stranger(self, &mut nodes).await?;
            nodes.see_bystanders(self).await?;
        }
        load.finish()?;
        self.enter(Phase::Stop);
        nodes.stop(self).await?;
        Ok(())
    }

    /// Where what stands behind the cache is reached, if there is one.
    fn behind_cache(&self) -> Option<&Endpoint> {
        let origin = self.arm.origin();
        (self.arm.front() != origin).then(|| self.seats.endpoint(origin))
    }

    fn start_load(&self) -> Result<Generator, EngineError> {
        let setup = Setup {
            trial: self.planned.id,
            load: self.plan.load.clone(),
            retry: self.arm.retry,
            seed: self.planned.load_seed,
            endpoint: self.seats.endpoint(self.arm.front()).clone(),
            boot_header: self.arm.target.boot_header.clone(),
            behind_cache: self.behind_cache().cloned(),
            balanced: self.arm.balancer.is_some(),
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

    /// Waits for a moment; ends early when a node ends by itself.
    async fn wait_until(&self, until: Elapsed, nodes: &mut Nodes) -> Result<(), Early> {
        let pause = tokio::time::sleep_until(self.site.clock.instant(until));
        tokio::select! {
            biased;
            (place, exited) = nodes.next_exit() => {
                let (exit, at) = exited.map_err(EngineError::Process)?;
                let process = &nodes.all()[place].process;
                self.record_exit(process, (exit, at), ExitCause::Unasked);
                let name = match self.seats.is_alone() {
                    true => "target".to_owned(),
                    false => process.node().to_string(),
                };
                Err(aborted(format!("the {name} {exit} by itself")))
            }
            () = pause => Ok(()),
        }
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
