//! The engine's seams filled with real processes, the load generator and its probe.

use std::io;
use std::os::fd::OwnedFd;

use comeback_model::event::{OldProcess, Survivor};
use comeback_model::ids::{BootId, Seed, TrialId};
use comeback_model::plan::{DiskModel, Readiness};
use comeback_model::units::{Elapsed, Span};

use self::external::Watches;
use self::own::Own;
use self::remote::Remotes;
use super::health::HealthWatch;
use super::pressure::PressureWatch;
use super::readiness::{self, NotReady, Ready};
use super::seams::{Book, Checkup, Load, Place, Probe, Processes, Traffic};
use super::{EngineError, Site, health, pressure};
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::load::probe::{self, ProbeError, ProbeSetup, Recovered, Rehearsed, Seen};
use crate::load::{Generator, LoadError, Looked, Opened, Setup, Tally, Trigger};
use crate::record::Recorder;
use crate::supervise::disk::{self as disk_process, Laying};
use crate::supervise::one_shot::OneShotCommand;
use crate::supervise::ownership::{self, Owner};
use crate::supervise::process::{self, Launch, StartError};
use crate::supervise::tag::RunTag;
use crate::supervise::{ports, socket_activation};
use comeback_faults::{ActError, Disk};

mod external;
mod own;
mod remote;
mod started;

pub(super) use started::Started;

/// Processes and load of this machine.
#[derive(Debug)]
pub(super) struct Real {
    tag: RunTag,
    clock: Clock,
    /// The servers that somebody else starts.
    watches: Watches,
    /// And those on other machines.
    remotes: Remotes,
}

impl Real {
    /// Those of a run.
    pub(super) fn of(site: &Site) -> Self {
        Self {
            tag: site.tag.clone(),
            clock: site.clock,
            watches: Watches::default(),
            remotes: Remotes::default(),
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
        if let Some(external) = &launch.target.external {
            if external.remote().is_some() {
                let begun = self.remotes.begin(external, launch);
                let begun = begun.map_err(|cause| StartError::External { cause })?;
                return Ok(Started::Remote(Box::new(begun)));
            }
            let begun = self.watches.begin(external, launch);
            let begun = begun.map_err(|cause| StartError::External { cause })?;
            return Ok(Started::External(Box::new(begun)));
        }
        let own = Own::of(process::Process::spawn(launch)?);
        Ok(Started::Own(Box::new(own)))
    }

    async fn wait_until_ready(
        &self,
        process: &mut Started,
        readiness: &Readiness,
        endpoint: &Endpoint,
        boot_header: Option<&str>,
    ) -> Result<Ready, NotReady> {
        let asked = (readiness, endpoint, boot_header);
        match process {
            Started::Own(own) => readiness::wait_for(&mut own.process, asked, self.clock).await,
            Started::Remote(remote) => {
                readiness::wait_for(remote.as_mut(), asked, self.clock).await
            }
            Started::External(external) => {
                let ready = readiness::wait_for(external.as_mut(), asked, self.clock);
                let ready = ready.await?;
                external
                    .confirm()
                    .await
                    .map_err(|missing| NotReady::Another(missing.to_string()))?;
                Ok(Ready {
                    at: self.clock.now(),
                    ..ready
                })
            }
        }
    }

    async fn run_command(&self, command: OneShotCommand<'_>, within: Span) -> Result<(), String> {
        command.run(within).await
    }

    fn owners(&self, endpoint: &Endpoint) -> io::Result<Vec<Owner>> {
        if let Some(owner) = self.remotes.owner(endpoint.tcp_address()) {
            return Ok(vec![owner]);
        }
        let mut owners = ownership::listeners(endpoint, &self.tag)?;
        self.watches.place(endpoint.port, &mut owners);
        Ok(owners)
    }

    fn older_than_us(&self, endpoint: &Endpoint) -> Option<Survivor> {
        if self.watches.at(endpoint.port).is_some() || self.remotes.has(endpoint.tcp_address()) {
            return None;
        }
        ownership::older_than_us(endpoint, &self.tag)
    }

    fn start_time_of(&self, place: Place) -> Option<u64> {
        let external = self.watches.start_time_of(place);
        external.or_else(|| self.tag.start_time_of(place))
    }

    fn held_on(&self, place: Place) -> bool {
        self.watches.of(place).is_some_and(|watch| watch.held_on())
    }

    fn unseen(&self, place: Place) -> Option<String> {
        self.watches.of(place)?.unseen()
    }

    fn unbegun(&self, place: Place) -> Option<String> {
        if let Some(remote) = self.remotes.of(place) {
            return remote.unbegun(place);
        }
        self.watches.of(place)?.unbegun(place)
    }

    fn members_before(&self, place: Place) -> Vec<i32> {
        if self.remotes.of(place).is_some() {
            return Vec::new();
        }
        match self.watches.of(place) {
            Some(watch) => watch.members_before(place),
            None => self.tag.members_before(place),
        }
    }

    fn old_processes(&self, place: Place, strays: bool) -> Vec<OldProcess> {
        if self.remotes.of(place).is_some() {
            return Vec::new();
        }
        match self.watches.of(place) {
            Some(watch) => watch.old_processes(place),
            None => ownership::old_processes(&self.tag, place, strays),
        }
    }

    fn take_census(&self) {
        self.tag.take_census();
    }

    fn kill_all(&self) -> Vec<i32> {
        self.tag.kill_all()
    }

    fn undo_all(&self) -> Result<(), EngineError> {
        match self.tag.undo_all().into_iter().next() {
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
