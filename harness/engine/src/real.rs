//! The engine's seams filled with real processes, the load generator and its probe.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use comeback_model::event::{Exit, OldProcess, Survivor};
use comeback_model::ids::{BootId, Incarnation, Node, Seed, TrialId};
use comeback_model::plan::{DiskModel, Reach, Readiness, Signal, Stop};
use comeback_model::said::Line;
use comeback_model::schedule::Draws;
use comeback_model::units::{Elapsed, Span};

use super::health::HealthWatch;
use super::pressure::PressureWatch;
use super::readiness::{self, NotReady, Ready};
use super::seams::{
    Book, Checkup, End, Load, On, Place, Probe, Process, Processes, SeenEnd, Shot, Traffic,
};
use super::{EngineError, Site, health, pressure};
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::load::probe::{self, ProbeError, ProbeSetup, Recovered, Rehearsed, Seen};
use crate::load::{Generator, LoadError, Looked, Opened, Setup, Tally, Trigger};
use crate::record::Recorder;
use crate::supervise::addressed::Addressed;
use crate::supervise::disk::{self as disk_process, Laying};
use crate::supervise::one_shot::OneShotCommand;
use crate::supervise::output::OnLine;
use crate::supervise::ownership::{self, Owner};
use crate::supervise::process::{self, Launch, StartError, Stopped};
use crate::supervise::tag::RunTag;
use crate::supervise::{ports, socket_activation};
use comeback_faults::{Act, ActError, Disk, Step, Target};

/// Processes and load of this machine.
#[derive(Debug)]
pub(super) struct Real {
    tag: RunTag,
    clock: Clock,
}

impl Real {
    /// Those of a run.
    pub(super) fn of(site: &Site) -> Self {
        Self {
            tag: site.tag.clone(),
            clock: site.clock,
        }
    }
}

impl Processes for Real {
    type Process = Started;

    fn free_port(&self) -> io::Result<u16> {
        ports::free_port()
    }

    fn hold(&self, endpoint: &Endpoint) -> io::Result<OwnedFd> {
        socket_activation::hold(endpoint)
    }

    fn lay_disk(&self, laying: &Laying<'_>) -> Result<Box<dyn Disk>, EngineError> {
        Ok(Box::new(RealDisk {
            disk: disk_process::Disk::lay(laying).map_err(EngineError::Disk)?,
            model: laying.model,
        }))
    }

    fn start(&self, launch: Launch<'_>) -> Result<Started, StartError> {
        Ok(Started {
            process: process::Process::spawn(launch)?,
            addressed: None,
        })
    }

    async fn wait_until_ready(
        &self,
        process: &mut Started,
        readiness: &Readiness,
        endpoint: &Endpoint,
        boot_header: Option<&str>,
    ) -> Result<Ready, NotReady> {
        let process = &mut process.process;
        readiness::wait_until_ready(process, readiness, endpoint, boot_header, self.clock).await
    }

    async fn run_command(&self, command: OneShotCommand<'_>, within: Span) -> Result<(), String> {
        command.run(within).await
    }

    fn owners(&self, endpoint: &Endpoint) -> io::Result<Vec<Owner>> {
        ownership::listeners(endpoint, &self.tag)
    }

    fn older_than_us(&self, endpoint: &Endpoint) -> Option<Survivor> {
        ownership::older_than_us(endpoint, &self.tag)
    }

    fn start_time_of(&self, place: Place) -> Option<u64> {
        self.tag.start_time_of(place)
    }

    fn members_before(&self, place: Place) -> Vec<i32> {
        self.tag.members_before(place)
    }

    fn old_processes(&self, place: Place, strays: bool) -> Vec<OldProcess> {
        ownership::old_processes(&self.tag, place, strays)
    }

    fn take_census(&self) {
        self.tag.take_census();
    }

    fn kill_all(&self) -> Vec<i32> {
        self.tag.kill_all()
    }

    fn settle(&self) -> Result<(), EngineError> {
        match self.tag.settle().into_iter().next() {
            None => Ok(()),
            Some((undo, cause)) => Err(EngineError::NotUndone { undo, cause }),
        }
    }
}

/// A disk, as an act sees it.
#[derive(Debug)]
struct RealDisk {
    disk: disk_process::Disk,
    model: DiskModel,
}

impl Disk for RealDisk {
    fn model(&self) -> DiskModel {
        self.model
    }

    fn cut_power(&self, commits: bool) -> Result<String, ActError> {
        let missed = |problem| Err(ActError::Missed(problem));
        let (order, moment) = match (self.model, commits) {
            (DiskModel::Ext4, false) => ("drop", ", with no commit since the last fsync"),
            (DiskModel::Ext4, true) => ("commit, drop", ", the five-second commit had just come"),
            (DiskModel::Strict | DiskModel::Lazy, _) => ("drop", ""),
        };
        let answer = match self.disk.ask(order) {
            Ok(answer) => answer,
            Err(error) => return missed(format!("the disk does not answer: {error}")),
        };
        match answer.split(' ').collect::<Vec<_>>().as_slice() {
            ["dropped", entries, bytes] => {
                let entries = match *entries {
                    "1" => "1 entry".to_owned(),
                    more => format!("{more} entries"),
                };
                Ok(format!(
                    "the disk ({}) dropped {entries} and {bytes} bytes{moment}; a file that was not synced is gone, one that was is \
                     there",
                    self.model
                ))
            }
            ["failed", problem @ ..] => {
                missed(format!("the disk dropped nothing: {}", problem.join(" ")))
            }
            _ => missed(format!("the disk said {answer:?}")),
        }
    }

    fn check(&self) -> io::Result<()> {
        self.disk.check()
    }
}

/// A started process, and whom a fault addresses with it.
#[derive(Debug)]
pub(super) struct Started {
    process: process::Process,
    addressed: Option<Addressed>,
}

impl Started {
    fn addressed(&self) -> io::Result<&Addressed> {
        let nobody = || io::Error::other("nobody was addressed before the signal");
        self.addressed.as_ref().ok_or_else(nobody)
    }
}

impl Process for Started {
    fn node(&self) -> Node {
        self.process.node()
    }

    fn incarnation(&self) -> Incarnation {
        self.process.incarnation()
    }

    fn pid(&self) -> i32 {
        self.process.pid()
    }

    fn requested(&self) -> Elapsed {
        self.process.requested()
    }

    fn launched(&self) -> Option<Elapsed> {
        self.process.launched()
    }

    fn executed(&self) -> Elapsed {
        self.process.executed()
    }

    fn exit(&self) -> Option<(Exit, Elapsed)> {
        self.process.exit()
    }

    fn is_cleared(&self) -> bool {
        self.process.is_cleared()
    }

    fn tail(&self) -> Vec<Line> {
        self.process.tail()
    }

    fn on_line(&self, text: String, found: OnLine) {
        self.process.output().on_line(text, found);
    }

    async fn next_end(&mut self) -> io::Result<End> {
        let Self { process, addressed } = self;
        let is_running = process.is_running();
        let others = async {
            match addressed {
                Some(addressed) if addressed.has_living() => addressed.others_gone().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            exited = process.exited(), if is_running => {
                let (exit, at) = exited?;
                Ok(End::Exited(exit, at))
            }
            gone = others => gone.map(|()| End::Others),
        }
    }

    fn seen_end(&self) -> io::Result<SeenEnd> {
        Ok(Box::pin(self.process.seen_end()?))
    }

    fn address(&mut self, reach: Reach) -> io::Result<()> {
        self.addressed = Some(self.process.address(reach)?);
        Ok(())
    }

    fn shot(&self, signal: Signal) -> io::Result<Shot> {
        let shot = self.process.shot(self.addressed()?, signal)?;
        Ok(Box::new(move || shot.fire()))
    }

    fn has_others(&self) -> bool {
        self.addressed.as_ref().is_some_and(Addressed::has_living)
    }

    fn last_end_of_others(&self) -> Option<Elapsed> {
        self.addressed.as_ref().and_then(Addressed::last_end)
    }

    fn take_newcomers(&mut self) -> io::Result<bool> {
        self.addressed
            .as_mut()
            .map_or(Ok(false), Addressed::take_newcomers)
    }

    fn kill_rest(&self) -> io::Result<Vec<i32>> {
        self.process.kill_rest(self.addressed()?)
    }

    fn survivors(&mut self) -> io::Result<Vec<Survivor>> {
        self.process.survivors()
    }

    fn pause(&self, reach: Reach) -> io::Result<()> {
        self.process.pause(reach)
    }

    fn stands_still(&self, reach: Reach) -> io::Result<bool> {
        self.process.stands_still(reach)
    }

    fn resume(&self, reach: Reach) -> io::Result<()> {
        self.process.resume(reach)
    }

    fn carry_out(&self, step: Step, act: &mut dyn Act, on: On<'_>) -> Result<String, ActError> {
        let process = &self.process;
        let on = Reached { process, on };
        if step == Step::Apply
            && let Some(undo) = act.lease(&on)?
        {
            process.lease(undo)?;
        }
        step.carry_out(act, &on)
    }

    async fn stop(&mut self, stop: &Stop) -> io::Result<Stopped> {
        self.process.stop(stop).await
    }

    async fn clear_group(&mut self) -> io::Result<()> {
        self.process.clear_group().await
    }
}

/// A node, as an act sees it.
struct Reached<'a> {
    process: &'a process::Process,
    on: On<'a>,
}

impl Target for Reached<'_> {
    fn pid(&self) -> i32 {
        self.process.pid()
    }

    fn each_process(&self, call: &mut dyn FnMut(i32) -> io::Result<()>) -> io::Result<()> {
        self.process.each_reached(self.on.reach, call)
    }

    fn label(&self) -> String {
        self.process.label()
    }

    fn data(&self) -> &Path {
        self.on.data
    }

    fn disk(&self) -> Option<&dyn Disk> {
        self.on.disk
    }

    fn port(&self) -> Option<u16> {
        self.on.port
    }

    fn proxy(&self) -> Option<&str> {
        self.on.proxy
    }

    fn draws(&self) -> Draws {
        self.on.draws.clone()
    }
}

impl Traffic for Real {
    type Load = Generator;
    type Probe<'a> = probe::Probe<'a>;
    type Watch = (HealthWatch, PressureWatch);

    fn start_load(&self, setup: &Setup, recorder: Recorder) -> Result<Generator, LoadError> {
        Generator::start(setup, move |done| recorder.operations(done))
    }

    fn probe<'a>(&'a self, setup: ProbeSetup<'a>) -> io::Result<probe::Probe<'a>> {
        probe::Probe::new(setup)
    }

    fn watch(&self, checkups: Vec<Checkup>, book: Book) -> Result<Self::Watch, EngineError> {
        let pressure = pressure::watch(book.clone())?;
        Ok((health::watch(checkups, book)?, pressure))
    }

    async fn boot_of(
        &self,
        readiness: &Readiness,
        endpoint: &Endpoint,
        boot_header: Option<&str>,
    ) -> io::Result<Option<BootId>> {
        readiness::boot_of(readiness, endpoint, boot_header).await
    }
}

impl Load for Generator {
    fn trigger(&self) -> &Trigger {
        Self::trigger(self)
    }

    async fn open(&mut self) -> Result<Opened, LoadError> {
        Self::open(self).await
    }

    fn run(&self, start: Elapsed) {
        Self::run(self, start);
    }

    async fn stop(&mut self) -> Result<Tally, LoadError> {
        Self::stop(self).await
    }

    async fn resume(
        &mut self,
        (trial, seed): (TrialId, Seed),
        until: Elapsed,
    ) -> Result<Looked, LoadError> {
        Self::resume(self, trial, seed, until).await
    }

    async fn look_at_sessions(&mut self, looks: u32, until: Elapsed) -> Result<Looked, LoadError> {
        Self::look_at_sessions(self, looks, until).await
    }

    fn finish(self) -> Result<(), LoadError> {
        Self::finish(self)
    }
}

impl Probe for probe::Probe<'_> {
    async fn rehearse(&self, wanted: u32) -> Result<Result<Rehearsed, String>, ProbeError> {
        Self::rehearse(self, wanted).await
    }

    async fn run(&self, owner: impl FnMut() -> probe::Owner) -> Result<Recovered, ProbeError> {
        Self::run(self, owner).await
    }

    fn seen(&self) -> Seen {
        Self::seen(self)
    }
}
