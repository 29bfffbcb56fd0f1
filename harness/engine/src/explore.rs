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
use super::context::{Early, StartFailed, Trial};
use super::interrupt::Interrupt;
use super::real::Real;
use super::seams::Processes as _;
use super::trial_loop::TrialLoop;
use super::try_out::{EndedEarly, in_words, of_probe};
use super::{EngineError, Site, recovery};
use crate::load::probe::{Carried, Look, Missing, Pace, Patience, Probe, UserHistory};
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
    /// The longest that it took so far where all went well.
    took: Took,
}

/// How long a start on a disk and what followed took, or may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// The start, until the server was up.
    pub start: Span,
    /// The looks at all users after that.
    pub looks: Span,
    /// The slowest of the replies.
    pub reply: Span,
}

/// How long a start on a disk, and the looks at it, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trying {
    /// As long as others took, and many times that: enough for a server that comes back.
    Usual,
    /// Several times as long. What fails even so does not fail since the machine is busy.
    Patient,
    /// As patient, and nothing is believed to be missing before the end: sessions may be read long after the server is up.
    Settled,
}

/// A server is given this many times as long as one took that came back whole, and no less than the least.
const TIMES_AS_LONG: u64 = 10;
const LEAST_START: Span = Span::from_secs(5);
const LEAST_LOOKS: Span = Span::from_secs(3);
/// So many times as long for a patient try.
const PATIENT_TIMES: u64 = 3;
/// A server that is up may still be reading its files: a patient try does not believe before this that something is missing.
const LEAST_SETTLED: Span = Span::from_ms(500);

/// The limits of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    /// Until it is up.
    start: Span,
    /// For a request.
    request: Span,
    looks: Patience,
}

/// What the file says of a start and of a request.
#[derive(Clone, Copy, Debug)]
struct Planned {
    start: Span,
    request: Span,
}

impl Limits {
    fn of(trying: Trying, took: Took, planned: Planned) -> Self {
        let times = |span: Span, times: u64| Span::from_us(span.as_us().saturating_mul(times));
        let start = times(took.start, TIMES_AS_LONG).max(LEAST_START);
        let looks = times(took.looks, TIMES_AS_LONG).max(LEAST_LOOKS);
        match trying {
            Trying::Usual => Self {
                // The file's is what its author waits for at most.
                start: start.min(planned.start),
                request: planned.request,
                looks: Patience {
                    within: looks,
                    // Others had worked by then, and all was there.
                    settles: took.looks,
                },
            },
            Trying::Settled => {
                let patient = Self::of(Trying::Patient, took, planned);
                Self {
                    looks: Patience {
                        settles: patient.looks.within,
                        ..patient.looks
                    },
                    ..patient
                }
            }
            Trying::Patient => Self {
                start: times(start, PATIENT_TIMES).max(times(planned.start, PATIENT_TIMES)),
                request: times(planned.request, PATIENT_TIMES),
                looks: Patience {
                    within: times(looks, PATIENT_TIMES).max(times(planned.request, PATIENT_TIMES)),
                    settles: times(took.looks, 2).max(LEAST_SETTLED),
                },
            },
        }
    }

    const fn tried(self, verified: Verified, took: Took) -> Verification {
        let allowed = Took {
            start: self.start,
            looks: self.looks.within,
            reply: self.request,
        };
        Verification {
            verified,
            took,
            allowed,
        }
    }
}

/// The run's clock on the system's monotonic one. When it began is known but for the time that it takes to read both.
#[derive(Clone, Copy, Debug)]
struct Clocks {
    /// When the run's clock began, or earlier: never after that.
    earliest: Duration,
    /// The same, or later: never before that.
    latest: Duration,
}

/// Both clocks are read so often: one reading may be interrupted for long.
const READINGS: usize = 64;

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
    /// When the client began the request, or earlier: nothing of it was on the disk before that.
    pub begun: Duration,
    /// When the client had the reply, or later.
    pub at: Duration,
    /// The user.
    pub user: u32,
    /// The number of the act, from 1; 0 is the login.
    pub write: usize,
}

/// A start on a disk, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// What the server made of it.
    pub verified: Verified,
    /// How long that took, as far as it came.
    pub took: Took,
    /// How long it might have taken.
    pub allowed: Took,
}

/// What a server made of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// It came up, and all is there.
    Whole,
    /// The same, but somebody who never logged in is answered like a user, so that this says nothing.
    Anybody,
    /// It did not come up.
    NotBack(NotBack),
    /// It came up, and serves nobody new.
    NotServed(String),
    /// Something is missing that was acknowledged before this one of the moments, and not before those before it.
    Missing(usize, Vec<Missing>),
    /// It could not be started, or was not asked, for a reason that is not its own.
    Unclear(String),
}

/// A server that did not come up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotBack {
    /// Why.
    pub problem: String,
    /// The last lines of its output.
    pub tail: Vec<String>,
    /// It went on, and was not up in time.
    pub is_late: bool,
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
            clocks: Clocks::of(site.clock),
            site,
            interrupt,
            users: Vec::new(),
            took: Took::default(),
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
            Ok((ready, start, users)) => {
                self.took.start = start;
                (self.clocks.latest(ready), users)
            }
            Err(Early::Target(kind)) => return Ok(Some(Worked::Failed(in_words(&kind)))),
            Err(Early::Engine(error)) => return Err(error),
            Err(Early::Interrupted) => return Ok(None),
        };
        let mut acknowledged = Vec::new();
        for history in &users {
            acknowledged.extend(
                history
                    .acknowledged()
                    .enumerate()
                    .map(|(write, (begun, at))| Acknowledged {
                        begun: self.clocks.earliest(begun),
                        at: self.clocks.latest(at),
                        user: history.number(),
                        write,
                    }),
            );
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
        trying: Trying,
    ) -> Result<Option<Verification>, EngineError> {
        self.clear()?;
        let data = self.site.data_of(self.planned.id);
        let laid = fs::create_dir_all(&data).and_then(|()| lay(&data));
        laid.map_err(|cause| EngineError::folder("fill", &data, cause))?;
        let moments = moments.iter().map(|at| at.map(|at| self.clocks.before(at)));
        let mut plan = self.bare.clone();
        let limits = limit(&mut plan, trying, self.took);
        let asked = Asked {
            users: &self.users,
            moments: moments.collect(),
            patience: limits.looks,
            carried: Carried::default(),
        };
        let ended = self.runtime.block_on(verify(
            (&plan, &self.planned),
            &self.site,
            self.interrupt,
            asked,
        ));
        self.clear()?;
        match ended {
            Ok((verified, took)) => {
                if verified == Verified::Whole {
                    self.took = self.took.at_least(took);
                }
                Ok(Some(limits.tried(verified, took)))
            }
            // Before anything was started.
            Err(Early::Target(kind)) => {
                let verified = Verified::Unclear(in_words(&kind).problem);
                Ok(Some(limits.tried(verified, Took::default())))
            }
            Err(Early::Engine(error)) => Err(error),
            Err(Early::Interrupted) => Ok(None),
        }
    }

    /// Lets so much time pass. `None` when the run shall end.
    pub fn wait(&mut self, time: Duration) -> Option<()> {
        let interrupt = &mut *self.interrupt;
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = interrupt.raised() => None,
                () = tokio::time::sleep(time) => Some(()),
            }
        })
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

impl Took {
    fn at_least(self, other: Self) -> Self {
        Self {
            start: self.start.max(other.start),
            looks: self.looks.max(other.looks),
            reply: self.reply.max(other.reply),
        }
    }
}

/// Sets a plan's limits.
fn limit(plan: &mut Plan, trying: Trying, took: Took) -> Limits {
    let starts = plan.arms.iter().map(|arm| arm.target.ready.within);
    let planned = Planned {
        start: starts.max().unwrap_or_default(),
        request: plan.load.timeout,
    };
    let limits = Limits::of(trying, took, planned);
    for arm in &mut plan.arms {
        arm.target.ready.within = limits.start;
    }
    plan.load.timeout = limits.request;
    limits
}

impl Clocks {
    fn of(clock: Clock) -> Self {
        let readings = (0..READINGS).map(|_| {
            let before = now();
            let elapsed = clock.now();
            (before, elapsed, now())
        });
        Self::between(readings)
    }

    /// From readings of the run's clock, each with the system's before and after it.
    fn between(readings: impl IntoIterator<Item = (Duration, Elapsed, Duration)>) -> Self {
        let mut clocks = Self {
            earliest: Duration::ZERO,
            latest: Duration::MAX,
        };
        for (before, elapsed, after) in readings {
            // The run's clock counts whole microseconds that are over.
            let most = Duration::from_micros(elapsed.as_us() + 1);
            let least = Duration::from_micros(elapsed.as_us());
            clocks.earliest = clocks.earliest.max(before.saturating_sub(most));
            clocks.latest = clocks.latest.min(after.saturating_sub(least));
        }
        clocks
    }

    /// A moment of the run's clock; not too early.
    fn latest(self, at: Elapsed) -> Duration {
        self.latest + Duration::from_micros(at.as_us() + 1)
    }

    /// A moment of the run's clock; not too late.
    fn earliest(self, at: Elapsed) -> Duration {
        self.earliest + Duration::from_micros(at.as_us())
    }

    /// What comes before this on the run's clock comes before the moment on the system's.
    fn before(self, moment: Duration) -> Elapsed {
        let since = moment.saturating_sub(self.latest);
        Elapsed::from_us(since.as_micros() as u64)
    }
}

/// The present on the system's monotonic clock.
fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

/// What is asked of a server that came up.
struct Asked<'u> {
    users: &'u [UserHistory],
    /// In their order.
    moments: Vec<Option<Elapsed>>,
    patience: Patience,
    carried: Carried,
}

/// Has users act, and stops the server. Returns when it was up, how long that took, and what the users know.
async fn work(
    (plan, planned): (&Plan, &PlannedTrial),
    site: &Site,
    interrupt: &mut Interrupt,
    pace: Pace,
) -> Result<(Elapsed, Span, Vec<UserHistory>), Early> {
    let real = Real::of(site);
    let data = site.data_of(planned.id);
    let trial = Trial::prepare((plan, planned), (site, &real), &data, None)?;
    let mut nodes = TrialLoop::new(&trial, interrupt, mpsc::unbounded_channel());
    nodes.start_all().await?;
    let (ready, start) = (site.clock.now(), started_in(&trial));
    let users = nodes.run(live(&trial, pace)).await??;
    trial.see_early_end()?;
    trial.check_disks()?;
    nodes.stop_all().await?;
    trial.check_disks()?;
    Ok((ready, start, users))
}

async fn live(trial: &Trial<'_, Real>, pace: Pace) -> Result<Vec<UserHistory>, Early> {
    let probe = prober(trial)?;
    let begin = trial.site.clock.now();
    let users = (0..pace.users).map(|number| probe.live(number, pace, begin));
    try_join_all(users).await.map_err(of_probe)
}

/// How long the server took to be up.
fn started_in(trial: &Trial<'_, Real>) -> Span {
    let progress = trial.progress.borrow();
    progress
        .started_in
        .values()
        .copied()
        .max()
        .unwrap_or_default()
}

async fn verify(
    (plan, planned): (&Plan, &PlannedTrial),
    site: &Site,
    interrupt: &mut Interrupt,
    asked: Asked<'_>,
) -> Result<(Verified, Took), Early> {
    let real = Real::of(site);
    let data = site.data_of(planned.id);
    let trial = Trial::prepare((plan, planned), (site, &real), &data, None)?;
    let mut took = Took::default();
    match start_and_look(&trial, interrupt, (asked, &mut took)).await {
        Ok(verified) => Ok((verified, took)),
        Err(Early::Target(kind)) => {
            let start_failed = trial.progress.borrow().start_failed;
            Ok((of_start(start_failed, in_words(&kind)), took))
        }
        Err(early) => Err(early),
    }
}

async fn start_and_look(
    trial: &Trial<'_, Real>,
    interrupt: &mut Interrupt,
    (asked, took): (Asked<'_>, &mut Took),
) -> Result<Verified, Early> {
    let clock = trial.site.clock;
    let mut nodes = TrialLoop::new(trial, interrupt, mpsc::unbounded_channel());
    nodes.start_all().await?;
    took.start = started_in(trial);
    let begun = clock.now();
    let (verified, reply) = nodes.run(look(trial, asked)).await??;
    (took.looks, took.reply) = (clock.now().since(begun), reply);
    nodes.see_ends().await?;
    let ended_early = trial.progress.borrow_mut().ended_early.take();
    if ended_early.is_some() || !nodes.are_running() {
        let by_itself = "it ended by itself soon after it had come up";
        return Ok(Verified::NotBack(NotBack {
            problem: ended_early.unwrap_or_else(|| by_itself.to_owned()),
            tail: Vec::new(),
            is_late: false,
        }));
    }
    nodes.end_all(true).await?;
    Ok(verified)
}

/// What a start came to that failed.
fn of_start(failed: Option<StartFailed>, ended: EndedEarly) -> Verified {
    let EndedEarly { problem, tail, .. } = ended;
    let is_late = match failed {
        Some(StartFailed::Ended) => false,
        Some(StartFailed::TooLate) => true,
        None => return Verified::Unclear(problem),
    };
    Verified::NotBack(NotBack {
        problem,
        tail,
        is_late,
    })
}

/// What is there, and how long the slowest reply took.
async fn look(trial: &Trial<'_, Real>, asked: Asked<'_>) -> Result<(Verified, Span), Early> {
    // Before anybody new is there, who could be given the session that somebody else lost. This probe must not learn from sessions
    // that may be lost how the server treats one that it knows.
    let first = prober(trial)?;
    if let Some(missing) = missing(&first, &asked).await? {
        return Ok((missing, first.slowest()));
    }
    let probe = prober(trial)?;
    let verified = look_again(&probe, &asked).await?;
    Ok((verified, first.slowest().max(probe.slowest())))
}

/// Looks whether somebody new is served, and at the users again: it is known then how this server treats the cookie of a session that
/// it knows, and nobody may have lost a session to the newcomer.
async fn look_again(probe: &Probe<'_>, asked: &Asked<'_>) -> Result<Verified, Early> {
    let newcomer = probe.serves_a_newcomer(asked.patience).await;
    if let Look::NotServed(problem) = newcomer.map_err(of_probe)? {
        return Ok(Verified::NotServed(problem));
    }
    if let Some(missing) = missing(probe, asked).await? {
        return Ok(missing);
    }
    let anybody = probe.knows_anonymous_by(asked.users).await;
    Ok(match anybody.map_err(of_probe)? {
        true => Verified::Anybody,
        false => Verified::Whole,
    })
}

/// What is missing, if anything is.
async fn missing(probe: &Probe<'_>, asked: &Asked<'_>) -> Result<Option<Verified>, Early> {
    let Asked {
        users,
        moments,
        patience,
        carried,
    } = asked;
    let at = |place: usize| moments.get(place).copied().flatten();
    let last = moments.len().saturating_sub(1);
    let looked = probe
        .look_at_users(users, at(last), (*patience, carried))
        .await;
    let Look::Missing(mut missing) = looked.map_err(of_probe)? else {
        return Ok(None);
    };
    // More and more was acknowledged, so that what is missing once is missing from then on. It was given its time.
    let patience = Patience {
        settles: Span::ZERO,
        ..*patience
    };
    let (mut whole, mut first) = (0, last);
    while whole < first {
        let middle = usize::midpoint(whole, first);
        let looked = probe
            .look_at_users(users, at(middle), (patience, carried))
            .await;
        match looked.map_err(of_probe)? {
            Look::Missing(found) => (first, missing) = (middle, found),
            Look::Whole | Look::NotServed(_) => whole = middle + 1,
        }
    }
    Ok(Some(Verified::Missing(first, missing)))
}

fn prober<'a>(trial: &'a Trial<'_, Real>) -> Result<Probe<'a>, Early> {
    let setup = recovery::setup_of(trial, trial.arm.front());
    Ok(Probe::new(setup).map_err(EngineError::Probe)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn nanos(nanos: u64) -> Duration {
        Duration::from_nanos(nanos)
    }

    #[test]
    fn an_acknowledgement_is_before_a_moment_only_if_it_surely_was() {
        let clocks = Clocks {
            earliest: nanos(5_000_100),
            latest: nanos(5_000_400),
        };
        // It came between 7 and 8 us after the origin, which is not later than said.
        let received = Elapsed::from_us(7);
        let latest = clocks.latest(received);
        assert_eq!(latest, nanos(5_008_400));
        for (at, is_before) in [(5_007_400, false), (5_008_399, false), (5_008_400, true)] {
            let moment = clocks.before(nanos(at));
            assert_eq!(received < moment, is_before, "{at}");
        }
        // What was begun then was not begun before this.
        assert_eq!(clocks.earliest(received), nanos(5_007_100));
    }

    #[test]
    fn a_reading_of_the_clocks_that_was_interrupted_moves_no_acknowledgement() {
        // The run's clock began at 5_000_400 ns.
        let quick = (nanos(5_009_300), Elapsed::from_us(9), nanos(5_009_500));
        let interrupted = (nanos(5_020_300), Elapsed::from_us(20), nanos(55_020_300));
        let late = (
            nanos(6_000_300),
            Elapsed::from_us(51_000),
            nanos(56_000_500),
        );
        for readings in [
            vec![quick, interrupted, late],
            vec![interrupted, late, quick],
            vec![quick],
        ] {
            let clocks = Clocks::between(readings.iter().copied());
            assert_eq!(clocks.latest, nanos(5_000_500), "{readings:?}");
            assert!(clocks.earliest <= nanos(5_000_400), "{readings:?}");
            assert!(clocks.earliest >= nanos(4_999_300), "{readings:?}");
        }
    }

    #[test]
    fn a_slow_server_is_given_more_time_and_a_second_try_more_than_the_first() {
        let planned = Planned {
            start: Span::from_secs(10),
            request: Span::from_secs(2),
        };
        let of = |trying, start, looks| {
            let took = Took {
                start: Span::from_ms(start),
                looks: Span::from_ms(looks),
                ..Took::default()
            };
            Limits::of(trying, took, planned)
        };
        let quick = of(Trying::Usual, 100, 20);
        assert_eq!(
            (quick.start, quick.looks.within, quick.request),
            (LEAST_START, LEAST_LOOKS, planned.request)
        );
        let slow = of(Trying::Usual, 800, 2_000);
        assert_eq!(
            (slow.start, slow.looks.within),
            (Span::from_secs(8), Span::from_secs(20))
        );
        // The file's own limit holds at first.
        assert_eq!(of(Trying::Usual, 9_000, 20).start, planned.start);
        for (start, looks) in [(100, 20), (800, 2_000), (9_000, 20)] {
            let [usual, patient] =
                [Trying::Usual, Trying::Patient].map(|trying| of(trying, start, looks));
            let doubled = |span: Span| Span::from_us(span.as_us() * 2);
            assert!(patient.start >= doubled(usual.start), "{patient:?}");
            assert!(patient.request >= doubled(usual.request), "{patient:?}");
            assert!(patient.looks.within >= doubled(usual.looks.within));
            assert!(patient.looks.settles > usual.looks.settles);
            let settled = of(Trying::Settled, start, looks);
            assert_eq!(settled.looks.settles, patient.looks.within);
        }
    }

    #[test]
    fn a_start_that_failed_for_a_reason_that_is_not_the_servers_says_nothing() {
        let ended = || EndedEarly {
            node: None,
            problem: "no".to_owned(),
            tail: vec!["line".to_owned()],
        };
        let unclear = of_start(None, ended());
        assert_eq!(unclear, Verified::Unclear("no".to_owned()));
        for (failed, is_late) in [(StartFailed::Ended, false), (StartFailed::TooLate, true)] {
            let not_back = Verified::NotBack(NotBack {
                problem: "no".to_owned(),
                tail: vec!["line".to_owned()],
                is_late,
            });
            assert_eq!(of_start(Some(failed), ended()), not_back);
        }
    }
}
