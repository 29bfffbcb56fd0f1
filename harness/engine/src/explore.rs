//! A run without a fault whose disk is recorded, and starts on disks that it could have left: those of a cut of the power that is
//! only thought of. Called by [`crate::campaign::explore`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use comeback_model::ids::Node;
use comeback_model::plan::Plan;
use comeback_model::plan::fault::Needs;
use comeback_model::schedule::PlannedTrial;
use comeback_model::units::{Elapsed, Span};
use futures_util::future::try_join_all;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::context::{Early, Trial};
use super::interrupt::Interrupt;
use super::real::Real;
use super::seams::Processes as _;
use super::trial_loop::TrialLoop;
use super::try_out::{EndedEarly, in_words, of_probe};
use super::{EngineError, Site, recovery};
use crate::load::probe::{Look, Missing, Pace, Probe, UserHistory};
use crate::supervise::disk::backing_of;
use crate::supervise::scratch::remove_tree;

/// Has a server work, and be started again on other disks.
pub struct Explorer<'e> {
    plan: &'e Plan,
    /// Its data lies on no disk of ours, and nothing is done to it.
    bare: Plan,
    planned: PlannedTrial,
    runtime: &'e Runtime,
    site: Site,
    interrupt: &'e mut Interrupt,
    clocks: Clocks,
    users: Vec<UserHistory>,
}

/// The run's clock on the system's monotonic one.
#[derive(Clone, Copy, Debug)]
struct Clocks {
    /// When the run's clock began, or later: never before that.
    origin: Duration,
}

/// What the users do.
#[derive(Clone, Copy, Debug)]
pub struct Acts {
    /// So many users.
    pub users: u32,
    /// So many acts in all.
    pub writes: u32,
    /// Between two of them.
    pub every: Span,
}

/// What became of the run that is recorded.
#[derive(Debug)]
pub enum Worked {
    /// It went to its end.
    Done(Work),
    /// The server was not up to it.
    Failed(EndedEarly),
}

/// A run that was recorded. Moments are on the system's monotonic clock.
#[derive(Clone, Debug)]
pub struct Work {
    /// The record of its disk.
    pub record: PathBuf,
    /// When the server was up for the first time.
    pub ready: Duration,
    /// What was acknowledged, in this order.
    pub acknowledged: Vec<Acknowledged>,
    /// Why users gave up.
    pub problems: Vec<String>,
}

/// A client was told that something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// When the client had the reply, or later.
    pub at: Duration,
    /// The user.
    pub user: u32,
    /// The number of the act, from 1; 0 is the login.
    pub write: usize,
}

/// What a server made of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// It came up, and all is there.
    Whole,
    /// The same, but somebody who never logged in is answered like a user, so that this says nothing.
    Anybody,
    /// It did not come up: why, and the last lines of its output.
    NotBack(String, Vec<String>),
    /// It came up, and serves nobody new.
    NotServed(String),
    /// Something is missing that was acknowledged before this one of the moments, and not before those before it.
    Missing(usize, Vec<Missing>),
}

impl<'e> Explorer<'e> {
    pub(super) fn new(
        (plan, planned): (&'e Plan, &PlannedTrial),
        (runtime, site): (&'e Runtime, &Site),
        interrupt: &'e mut Interrupt,
    ) -> Self {
        let mut bare = plan.clone();
        for fault in &mut bare.faults {
            fault.needs = Needs::default();
        }
        bare.surroundings.clear();
        let mut planned = planned.clone();
        planned.faults.clear();
        planned.surroundings.clear();
        let site = Site {
            records_disks: true,
            ..site.clone()
        };
        Self {
            plan,
            bare,
            planned,
            runtime,
            clocks: Clocks::now(site.clock),
            site,
            interrupt,
            users: Vec::new(),
        }
    }

    /// Has users act on a server whose disk is recorded, and stops it. `None` when the run shall end.
    ///
    /// # Errors
    /// When the harness or its surroundings fail.
    pub fn work(&mut self, acts: Acts) -> Result<Option<Worked>, EngineError> {
        self.clear()?;
        let pace = Pace {
            users: acts.users,
            writes: acts.writes,
            every: acts.every,
            seed: self.planned.load_seed.0,
        };
        let ended = self.runtime.block_on(work(
            (self.plan, &self.planned),
            &self.site,
            self.interrupt,
            pace,
        ));
        self.clear()?;
        let (ready, users) = match ended {
            Ok(done) => done,
            Err(Early::Target(kind)) => return Ok(Some(Worked::Failed(in_words(&kind)))),
            Err(Early::Engine(error)) => return Err(error),
            Err(Early::Interrupted) => return Ok(None),
        };
        let mut acknowledged = Vec::new();
        for history in &users {
            acknowledged.extend(history.acknowledged().enumerate().map(|(write, at)| {
                Acknowledged {
                    at: self.clocks.latest(at),
                    user: history.number(),
                    write,
                }
            }));
        }
        acknowledged.sort_by_key(|one| one.at);
        let problems = users.iter().filter_map(|history| history.problem.clone());
        let work = Work {
            record: self
                .site
                .disk_file_of(self.planned.id, Node::default(), "record"),
            ready,
            acknowledged,
            problems: problems.collect(),
        };
        self.users = users;
        Ok(Some(Worked::Done(work)))
    }

    /// Starts the server on what is laid into its folder, and asks for what had been acknowledged before the last of these moments;
    /// without a moment, for all. If something is missing, the first of them is found before which it was acknowledged. `None` when
    /// the run shall end.
    ///
    /// # Errors
    /// When the harness or its surroundings fail.
    pub fn verify(
        &mut self,
        lay: impl FnOnce(&Path) -> io::Result<()>,
        moments: &[Option<Duration>],
    ) -> Result<Option<Verified>, EngineError> {
        self.clear()?;
        let data = self.site.data_of(self.planned.id);
        let laid = fs::create_dir_all(&data).and_then(|()| lay(&data));
        laid.map_err(|cause| EngineError::folder("fill", &data, cause))?;
        let moments = moments.iter().map(|at| at.map(|at| self.clocks.before(at)));
        let asked = Asked {
            users: &self.users,
            moments: moments.collect(),
        };
        let ended = self.runtime.block_on(verify(
            (&self.bare, &self.planned),
            &self.site,
            self.interrupt,
            asked,
        ));
        self.clear()?;
        match ended {
            Ok(verified) => Ok(Some(verified)),
            Err(Early::Target(kind)) => {
                let EndedEarly { problem, tail, .. } = in_words(&kind);
                Ok(Some(Verified::NotBack(problem, tail)))
            }
            Err(Early::Engine(error)) => Err(error),
            Err(Early::Interrupted) => Ok(None),
        }
    }

    /// Leaves nothing of what was started.
    fn clear(&self) -> Result<(), EngineError> {
        let data = self.site.data_of(self.planned.id);
        let real = Real::of(&self.site);
        let _ = real.kill_all();
        // A disk that is still mounted could keep whoever looks into the folder waiting for good.
        real.undo_all()?;
        let removed = remove_tree(&data).and_then(|()| remove_tree(&backing_of(&data)));
        removed.map_err(|stuck| EngineError::Setup(io::Error::other(stuck.to_string())))
    }
}

impl Clocks {
    fn now(clock: Clock) -> Self {
        // The system's clock is read after the run's: the origin is not too early.
        let elapsed = Duration::from_micros(clock.now().as_us());
        let now = clock_gettime(ClockId::Monotonic);
        let now = Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32);
        Self {
            origin: now.saturating_sub(elapsed),
        }
    }

    /// A moment of the run's clock; not too early.
    fn latest(self, at: Elapsed) -> Duration {
        // The run's clock counts whole microseconds that are over.
        self.origin + Duration::from_micros(at.as_us() + 1)
    }

    /// What comes before this on the run's clock comes before the moment on the system's.
    fn before(self, moment: Duration) -> Elapsed {
        let since = moment.saturating_sub(self.origin);
        Elapsed::from_us(since.as_micros() as u64)
    }
}

/// What is asked of a server that came up.
struct Asked<'u> {
    users: &'u [UserHistory],
    /// In their order.
    moments: Vec<Option<Elapsed>>,
}

/// Has users act, and stops the server. Returns when it was up, and what the users know.
async fn work(
    (plan, planned): (&Plan, &PlannedTrial),
    site: &Site,
    interrupt: &mut Interrupt,
    pace: Pace,
) -> Result<(Duration, Vec<UserHistory>), Early> {
    let real = Real::of(site);
    let data = site.data_of(planned.id);
    let trial = Trial::prepare((plan, planned), (site, &real), &data, None)?;
    let mut nodes = TrialLoop::new(&trial, interrupt, mpsc::unbounded_channel());
    nodes.start_all().await?;
    let ready = Clocks::now(site.clock).latest(site.clock.now());
    let users = nodes.run(live(&trial, pace)).await??;
    trial.see_early_end()?;
    trial.check_disks()?;
    nodes.stop_all().await?;
    trial.check_disks()?;
    Ok((ready, users))
}

async fn live(trial: &Trial<'_, Real>, pace: Pace) -> Result<Vec<UserHistory>, Early> {
    let probe = prober(trial)?;
    let begin = trial.site.clock.now();
    let users = (0..pace.users).map(|number| probe.live(number, pace, begin));
    try_join_all(users).await.map_err(of_probe)
}

async fn verify(
    (plan, planned): (&Plan, &PlannedTrial),
    site: &Site,
    interrupt: &mut Interrupt,
    asked: Asked<'_>,
) -> Result<Verified, Early> {
    let real = Real::of(site);
    let data = site.data_of(planned.id);
    let trial = Trial::prepare((plan, planned), (site, &real), &data, None)?;
    let mut nodes = TrialLoop::new(&trial, interrupt, mpsc::unbounded_channel());
    nodes.start_all().await?;
    let verified = nodes.run(look(&trial, asked)).await??;
    trial.see_early_end()?;
    nodes.see_ends().await?;
    if !nodes.are_running() {
        let problem = "it ended by itself soon after it had come up".to_owned();
        return Ok(Verified::NotBack(problem, Vec::new()));
    }
    nodes.end_all(true).await?;
    Ok(verified)
}

async fn look(trial: &Trial<'_, Real>, asked: Asked<'_>) -> Result<Verified, Early> {
    let Asked { users, moments } = asked;
    let probe = prober(trial)?;
    if let Look::NotServed(problem) = probe.serves_a_newcomer().await.map_err(of_probe)? {
        return Ok(Verified::NotServed(problem));
    }
    let at = |place: usize| moments.get(place).copied().flatten();
    let last = moments.len().saturating_sub(1);
    let looked = probe.look_at_users(users, at(last)).await;
    let Look::Missing(mut missing) = looked.map_err(of_probe)? else {
        let anybody = probe.takes_a_stranger_for(users).await.map_err(of_probe)?;
        return Ok(if anybody {
            Verified::Anybody
        } else {
            Verified::Whole
        });
    };
    // More and more was acknowledged, so that what is missing once is missing from then on.
    let (mut whole, mut first) = (0, last);
    while whole < first {
        let middle = usize::midpoint(whole, first);
        let looked = probe.look_at_users(users, at(middle)).await;
        match looked.map_err(of_probe)? {
            Look::Missing(found) => (first, missing) = (middle, found),
            Look::Whole | Look::NotServed(_) => whole = middle + 1,
        }
    }
    Ok(Verified::Missing(first, missing))
}

fn prober<'a>(trial: &'a Trial<'_, Real>) -> Result<Probe<'a>, Early> {
    let setup = recovery::setup_of(trial, trial.arm.front());
    Ok(Probe::new(setup).map_err(EngineError::Probe)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_before_a_moment_only_if_it_surely_was() {
        let clocks = Clocks {
            origin: Duration::from_nanos(5_000_400),
        };
        // It came between 7 and 8 us after the origin, which is not later than said.
        let received = Elapsed::from_us(7);
        let latest = clocks.latest(received);
        assert_eq!(latest, Duration::from_nanos(5_008_400));
        for (nanos, is_before) in [(5_007_400, false), (5_008_399, false), (5_008_400, true)] {
            let moment = clocks.before(Duration::from_nanos(nanos));
            assert_eq!(received < moment, is_before, "{nanos}");
        }
    }
}
