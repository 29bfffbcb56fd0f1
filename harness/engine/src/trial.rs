//! A trial: one start of a target, its load, and its faults, phase by phase.
//!
//! Whatever happens on the way, the locals' drops leave no process behind. A target that misbehaves is a
//! recorded fact that ends the trial early; an [`EngineError`] is ours.

use std::time::Duration;

use comeback_model::event::{Doubts, EventKind, Phase};
use comeback_model::ids::{Incarnation, Node};
use comeback_model::operation::ErrorClass;
use comeback_model::plan::{self, Fault, Plan};
use comeback_model::schedule::{PlannedInjection, PlannedTrial};
use comeback_model::status::{is_redirect, is_success};
use comeback_model::units::{Elapsed, Span};
use futures_util::future::try_join_all;
use tokio::sync::mpsc;

use super::context::{Early, Trial, aborted, failed, users};
use super::interrupt::Interrupt;
use super::life::{self, Life};
use super::seams::{Book, Load, Seams};
use super::trial_loop::TrialLoop;
use super::words::called;
use super::{EngineError, Site, health, newcomers, on, recovery};
use crate::endpoint::Endpoint;
use crate::load::{Setup, Users, rounds_of};
use crate::supervise::disk::backing_of;
use crate::supervise::scratch::remove_tree;
use comeback_faults::{Calls, FaultError, Injection};

/// How long the final looks at the sessions may take, at least.
const READ_BACK_WITHIN: Span = Span::from_secs(30);
/// And at most.
const READ_BACK_AT_MOST: Span = Span::from_secs(180);
/// Between two tries to open the sessions that could not be opened.
pub(super) const OPEN_PAUSE: Duration = Duration::from_millis(20);
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
    /// The record of an early end.
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

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finished {
    /// By itself.
    Done(Started),
    /// The run must end.
    Interrupted,
}

/// Runs a trial to its end and leaves nothing of it behind.
pub(super) async fn run<S: Seams>(
    (plan, planned): (&Plan, &PlannedTrial),
    site: &Site,
    seams: &S,
    (interrupt, life): (&mut Interrupt, &mut Life<S::Load>),
) -> Result<Finished, EngineError> {
    let data = life::data_of(plan, site, planned.id);
    let record = |kind| site.recorder.event(Some(planned.id), kind);
    record(EventKind::TrialStarted {
        arm: planned.arm,
        control: planned.is_control(),
    });
    let former = life.take_former();
    let ended = match Trial::prepare((plan, planned), (site, seams), &data, former) {
        Ok(trial) => {
            let ended = trial.run_phases(interrupt, life).await;
            let ended = trial.with_disks_checked(ended);
            life.keep_place_of(trial, &data);
            ended
        }
        Err(early) => Err(early),
    };
    let (complete, started) = match ended {
        Ok(()) => (true, Started::Up),
        Err(Early::Target(kind)) => {
            let started = Started::before(&kind);
            record(kind);
            (false, started)
        }
        Err(Early::Engine(error)) => return Err(error),
        Err(Early::Interrupted) => return Ok(Finished::Interrupted),
    };
    let left = seams.kill_all();
    seams.undo_all()?;
    // A trial that ended early had no stop of its own, so leftovers are not a finding.
    if complete && !left.is_empty() && !life.was_killed() {
        record(EventKind::LeftBehind { pids: left });
    }
    // The target owns this folder. Leftovers that cannot be removed cost this trial. The others have their own folders.
    let remove = || remove_tree(&data).and_then(|()| remove_tree(&backing_of(&data)));
    if !life.is_storm()
        && let Err(stuck) = remove()
    {
        record(EventKind::TrialAborted {
            reason: format!("the trial left something behind: {stuck}"),
        });
    }
    record(EventKind::TrialEnded);
    Ok(Finished::Done(started))
}

impl<S: Seams> Trial<'_, S> {
    async fn run_phases(
        &self,
        interrupt: &mut Interrupt,
        life: &Life<S::Load>,
    ) -> Result<(), Early> {
        let (hands, calls) = mpsc::unbounded_channel();
        let mut nodes = TrialLoop::new(self, interrupt, (hands.clone(), calls));
        self.enter(Phase::Start);
        nodes.start_all().await?;
        // For a daemon that detaches itself while it starts. There is no load yet that a look would disturb.
        self.seams.take_census();
        self.enter(Phase::Open);
        let load = nodes.run(self.open(life)).await??;
        let (load, recovered) = nodes.run(self.measure(load, hands)).await??;
        let known = load.trigger().known().clone();
        // Whoever waits for a disk that hangs could not be stopped, either.
        self.check_disks()?;
        nodes.see_ends().await?;
        if recovered && nodes.are_running() {
            self.enter(Phase::ReadBack);
            nodes.run(self.read_back(load, life)).await??;
        } else {
            load.finish()?;
        }
        let doubts = known.take_doubts();
        if doubts != Doubts::default() {
            self.record(EventKind::RepliesDoubted { doubts });
        }
        self.enter(Phase::Stop);
        nodes.release_all().await?;
        nodes.end_all(life.ends_by_kill(self)).await
    }

    /// What a server did on a disk of ours that failed is not laid to it, whenever that failed.
    fn with_disks_checked(&self, ended: Result<(), Early>) -> Result<(), Early> {
        match ended {
            Err(Early::Engine(_) | Early::Interrupted) => ended,
            Ok(()) | Err(Early::Target(_)) => self.check_disks().and(ended),
        }
    }

    pub(super) fn check_disks(&self) -> Result<(), Early> {
        for node in self.placement.nodes() {
            if let Some(Err(error)) = self
                .placement
                .slot(node)
                .disk
                .as_ref()
                .map(|disk| disk.check())
            {
                let node = called(node);
                return Err(aborted(format!(
                    "the disk below {node} does not answer: {error}"
                )));
            }
        }
        Ok(())
    }

    /// Has the load's users log in, and the probes rehearse.
    async fn open(&self, life: &Life<S::Load>) -> Result<S::Load, Early> {
        let mut load = match life.take_load() {
            Some(mut former) => {
                life.resume(self, &mut former).await?;
                former
            }
            None => self.start_load()?,
        };
        // It is set once in a trial.
        let _ = self.trigger.set(load.trigger().clone());
        self.open_sessions(&mut load).await?;
        recovery::rehearse(self).await?;
        Ok(load)
    }

    /// The load runs, and the fault is done under it; whether all that it addressed is back.
    async fn measure(&self, mut load: S::Load, hands: Calls) -> Result<(S::Load, bool), Early> {
        let clock = self.site.clock;
        let begin = clock.now() + LOAD_LEAD;
        let first = self.planned.stretches().next().unwrap_or_default();
        let windows = &self.plan.windows;
        let baseline_end = begin + windows.warm_up + windows.baseline;
        let moments = first.iter().map(|planned| planned.after);
        let first_fault = baseline_end + moments.min().unwrap_or_default();
        newcomers::plan(self, first, baseline_end);
        load.run(begin);
        let book = Book {
            recorder: self.site.recorder.clone(),
            clock,
            trial: self.planned.id,
        };
        let watch = self.seams.watch(health::checkups(self), book)?;
        self.enter(Phase::WarmUp);
        let ended_early = self.progress.borrow_mut().ended_early.take();
        if let Some(problem) = ended_early {
            return Err(aborted(problem));
        }
        self.wait_until(begin + windows.warm_up).await;
        self.enter(Phase::Baseline);
        load.trigger().count_from(begin + windows.warm_up);
        self.wait_until(first_fault).await;
        life::wait_for_load(self, load.trigger()).await;
        self.enter(Phase::Fault);
        load.trigger().look_before_logouts();
        load.trigger().known().expect_as_before();
        if self.planned.is_control() {
            on::wait_out(self, baseline_end).await;
            newcomers::end(self);
        }
        let recovered = self.inject_all(baseline_end, hands).await?;
        if recovered {
            self.enter(Phase::Settle);
            load.trigger().count_from(clock.now());
            let mut settle = self.planned.settle(self.plan);
            if self.planned.is_control() {
                // A trial without a fault lasts as long as one that is back from its faults: what expires by itself expires here, too.
                let back_in = |fault: &Fault| self.recovery_from(fault);
                settle += self.plan.length_of_faults_and(back_in);
            }
            tokio::time::sleep(settle.into()).await;
            life::wait_until_served(self, load.trigger()).await;
        }
        let tally = load.stop().await?;
        drop(watch);
        self.record(EventKind::LoadStopped {
            scheduled: tally.scheduled,
            sent: tally.sent,
            dropped: tally.dropped,
        });
        Ok((load, recovered))
    }

    /// Injects every fault at its moment, and waits until all is back from each; whether it is. What comes in the calm comes only
    /// when all is: else there is no calm.
    async fn inject_all(&self, baseline_end: Elapsed, calls: Calls) -> Result<bool, Early> {
        let mut begin = baseline_end;
        let mut are_planned = false;
        for stretch in self.planned.stretches() {
            are_planned = are_planned || newcomers::plan_later(self, stretch, begin);
            if !self.inject_stretch(stretch, begin, &calls).await? {
                return Ok(false);
            }
            begin = self.site.clock.now();
        }
        Ok(true)
    }

    /// The same of faults that count from one moment. A fault that misses ends the trial when the others are over: what they show of
    /// the service is known by then.
    async fn inject_stretch(
        &self,
        stretch: &[PlannedInjection],
        begin: Elapsed,
        calls: &Calls,
    ) -> Result<bool, Early> {
        let injected = stretch.iter().map(|planned| async {
            self.wait_until(begin + planned.after).await;
            match self.inject_and_recover(planned, calls.clone()).await {
                Err(Early::Target(missed @ EventKind::FaultMissed { .. })) => Ok(Err(missed)),
                Err(early) => Err(early),
                Ok(recovered) => Ok(Ok(recovered)),
            }
        });
        let ended: Vec<Result<bool, EventKind>> = try_join_all(injected).await?;
        let ended: Result<Vec<bool>, EventKind> = ended.into_iter().collect();
        let recovered = ended.map_err(Early::Target)?;
        Ok(recovered.into_iter().all(|back| back))
    }

    /// Injects the planned faults, starts ended nodes again, and waits until all of them are back. Returns whether they are.
    async fn inject_and_recover(
        &self,
        PlannedInjection { fault, nodes, .. }: &PlannedInjection,
        calls: Calls,
    ) -> Result<bool, Early> {
        let id = *fault;
        let has = |node: &Node| self.placement.nodes().any(|one| one == *node);
        if let Some(node) = nodes.iter().find(|node| !has(node)) {
            let missed = FaultError::Missed(format!("this arm has no {node}"));
            return Err(failed(id, missed));
        }
        let fault = self.fault(id)?;
        let hands = (self.site.clock, calls);
        let on = Injection::new((id, nodes.clone()), fault.reach, fault.lands_within, hands)
            .by_command(self.plan.has_kill_command());
        let injectable = comeback_faults::load(fault).map_err(EngineError::Fault)?;
        let injected = match on::await_event(self, id, &on).await {
            Ok(()) => injectable.inject(&on).await,
            Err(missed) => Err(missed),
        };
        self.progress.borrow_mut().over.insert(id);
        self.effects.notify_waiters();
        injected.map_err(|error| failed(id, error))?;
        self.record(EventKind::FaultEnded { fault: id });
        let (injected, returned, ended) = {
            let progress = self.progress.borrow();
            let of = |node: &Node| progress.of(id, *node);
            let returned: Vec<bool> = nodes.iter().filter_map(|node| of(node).returned).collect();
            let ended = nodes.iter().filter(|node| of(node).has_ended);
            let ended: Vec<Node> = ended.copied().collect();
            (progress.injected(id, nodes), returned, ended)
        };
        if !returned.is_empty() {
            // The fault started them again itself, and waited.
            return Ok(returned.len() == nodes.len() && returned.iter().all(|back| *back));
        }
        let at = injected.at;
        let started = on.each(&ended, async |node| {
            on.start_after(node, Some(at)).await?;
            Ok(at)
        });
        started.await.map_err(|error| failed(id, error))?;
        recovery::run(self, &injected).await
    }

    /// After the load: reads the sessions back, and checks who answers.
    async fn read_back(&self, mut load: S::Load, life: &Life<S::Load>) -> Result<(), Early> {
        recovery::look_around(self);
        let load_plan = &self.plan.load;
        // There is time for all of them where each takes the whole time-out.
        let looks = u64::from(plan::Load::LOOKS_WITHOUT_ANSWER) * rounds_of(load_plan);
        let within = Span::from_us(load_plan.timeout.as_us().saturating_mul(looks));
        let until = self.site.clock.now() + within.clamp(READ_BACK_WITHIN, READ_BACK_AT_MOST);
        let looked = load.look_at_sessions(self.plan.load.looks, until).await?;
        life.note_looked(self, looked);
        recovery::look_around(self);
        recovery::ask_anonymously(self).await?;
        recovery::check_untouched_nodes(self).await?;
        match life.is_storm() {
            true => life.keep_load(load),
            false => load.finish()?,
        }
        Ok(())
    }

    /// Where what stands behind the cache is reached, if there is one.
    fn behind_cache(&self) -> Option<Endpoint> {
        let origin = self.arm.origin();
        (self.arm.front() != origin).then(|| self.placement.reached(origin))
    }

    fn start_load(&self) -> Result<S::Load, EngineError> {
        let recorder = self.site.recorder.clone();
        Ok(self.seams.start_load(&self.setup(), recorder)?)
    }

    fn users(&self) -> Users {
        let before = match self.arm.target.external {
            Some(_) => self.planned.id.0,
            None => 0,
        };
        users(self.first_user, before, self.plan.load.clients)
    }

    /// The setup of its load.
    pub(super) fn setup(&self) -> Setup {
        Setup {
            first_user: self.first_user,
            users: self.users(),
            trial: self.planned.id,
            load: self.plan.load.clone(),
            retry: self.arm.retry,
            seed: self.planned.load_seed,
            closed: self.plan.storm.is_some(),
            newcomers: true,
            endpoint: self.placement.reached(self.arm.front()),
            boot_header: self.arm.target.boot_header.clone(),
            behind_cache: self.behind_cache(),
            balanced: self.arm.balancer.is_some(),
            clock: self.site.clock,
        }
    }

    /// Has every client log in. A server may answer its readiness probe before it can work: what fails is
    /// tried again for as long as the start may take.
    pub(super) async fn open_sessions(&self, load: &mut S::Load) -> Result<(), Early> {
        let clock = self.site.clock;
        let begun = clock.now();
        let deadline = begun + self.arm.target.ready.within;
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
            self.progress.borrow_mut().opened_in = clock.now().since(begun);
        }
    }

    async fn wait_until(&self, until: Elapsed) {
        tokio::time::sleep_until(self.site.clock.instant(until)).await;
    }
}

/// Where more is shown.
const SEE: &str = "; `comeback try` shows each request and its reply";

/// The error of the logins, and a hint.
fn why_not_opened(refusal: Option<(ErrorClass, Option<u16>)>) -> String {
    match refusal {
        None => String::new(),
        Some((class, None)) => format!(": the login failed with '{}'{SEE}", class.label()),
        Some((class, Some(status))) => {
            let mend = match status {
                _ if is_redirect(status) => " (a redirect: follow it, or expect its status)",
                _ if is_success(status) => {
                    " (its content is not as expected: check expect, capture and identity)"
                }
                _ => "",
            };
            format!(
                ": the login was answered with status {status}, which is '{}'{mend}{SEE}",
                class.label()
            )
        }
    }
}
