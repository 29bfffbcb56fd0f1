//! A run from its plan to a complete journal: everything around the trials.

use std::fs;
use std::io;
use std::path::Path;

use comeback_host::{inside, machine};
use comeback_model::event::Event;
use comeback_model::ids::{ArmId, Seed};
use comeback_model::journal::{self, Header};
use comeback_model::plan::fault::{Effect, Ending};
use comeback_model::plan::{Arm, Plan};
use comeback_model::schedule::{self, PlannedTrial};
use comeback_model::shard::{HeldShard, Shard, Shards};
use tokio::runtime::Runtime;

use super::calibrate::{self, Measured};
use super::explore::Explorer;
use super::interrupt::Interrupt;
use super::trials::{self, Ended, Extension};
use super::try_out::{self, Reach, Tried};
use super::{EngineError, Site};
use crate::clock::Clock;
use crate::record::{Follow, JournalWriter};
use crate::supervise::custody::Custody;
pub use crate::supervise::custody::Host;
use crate::supervise::external::check_restarts;
use crate::supervise::tag::RunTag;

/// Descriptors beside one for each client: journal, pipes, timers, standard streams.
const OTHER_DESCRIPTORS: u64 = 64;

/// A seed, drawn; short enough to be typed again.
///
/// # Errors
/// When the kernel has no random numbers.
pub fn draw_seed() -> io::Result<Seed> {
    let mut bytes = [0; 4];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(Seed(u64::from(u32::from_le_bytes(bytes))))
}

/// Fewer files may be open than a plan needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewFiles {
    /// The needed number.
    pub needed: u64,
    /// The limit of the process.
    pub limit: u64,
}

/// Whether this process may open as many files as a plan needs.
///
/// # Errors
/// When the limit cannot be read.
pub fn check_files(plan: &Plan) -> io::Result<Result<(), TooFewFiles>> {
    let (limit, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)?;
    let needed = u64::from(plan.load.clients) + OTHER_DESCRIPTORS;
    Ok(if needed > limit {
        Err(TooFewFiles { needed, limit })
    } else {
        Ok(())
    })
}

/// Whether each fault of a plan can work on this machine, and a server that others start is started again after it.
///
/// # Errors
/// With the kind of the first that cannot, the reason and the mend.
pub fn check_faults(plan: &Plan) -> Result<(), String> {
    comeback_faults::probe(plan).map_err(|(kind, unavailable)| {
        format!("{kind} cannot work on this machine: {unavailable}")
    })?;
    let endings: Vec<Ending> = plan
        .faults
        .iter()
        .filter_map(|fault| match fault.effect {
            Effect::Ends(ending) => Some(ending),
            Effect::StandsStill(_) | Effect::Replaces | Effect::Degrades(_) | Effect::Surrounds => {
                None
            }
        })
        .collect();
    let external = |arm: &Arm| match &arm.target.external {
        Some(external) => {
            check_restarts(external, &endings).map_err(|error| format!("{}: {error}", arm.name))
        }
        None => Ok(()),
    };
    plan.arms.iter().try_for_each(external)
}

/// The header of a run's journal. Its schedule follows from plan and seed.
pub fn header(plan: Plan, seed: Seed, started: String, folder: &Path) -> Header {
    Header {
        comeback_journal: journal::version_of(&plan, false),
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
        started,
        seed,
        machine: machine::describe(folder),
        schedule: schedule::expand(&plan, seed),
        plan,
        shards: None,
        label: None,
        revision: None,
    }
}

/// The header of a shard's journal: what it carries out of that run's schedule.
///
/// # Errors
/// If there is no such shard.
pub fn shard_of(header: Header, shard: Shard) -> Result<Header, String> {
    let held = HeldShard {
        index: shard.index(),
        started: header.started.clone(),
        machine: header.machine.clone(),
    };
    let shards = Shards::new(shard.count(), vec![held])?;
    let whole = schedule::expand_split(&header.plan, header.seed, shard.count());
    Ok(Header {
        comeback_journal: journal::version_of(&header.plan, true),
        schedule: whole.of_shards(&shards, header.plan.in_each_round()),
        shards: Some(shards),
        ..header
    })
}

/// Who goes along with a run.
#[derive(Debug)]
pub struct RunHooks<L, F, E> {
    /// Whose program it is.
    pub host: Host,
    /// Passes on the handle that ends the run early.
    pub listen: L,
    /// Sees what is recorded.
    pub follow: F,
    /// Returns the next trials, based on the stored trials in the folder.
    pub extend: E,
}

/// Why a run could not be judged on its way.
pub type JudgeError = Box<dyn std::error::Error + Send + Sync>;

/// Runs the trials in a folder that is there, and leaves their journal, and nothing else of them.
///
/// # Errors
/// When the harness or its surroundings fail.
pub fn run<L, F, E>(
    header: &Header,
    folder: &Path,
    hooks: RunHooks<L, F, E>,
) -> Result<Ended, EngineError>
where
    L: FnOnce(&RunTag) -> io::Result<Interrupt>,
    F: Follow,
    E: FnMut(&Path) -> Result<Option<Extension>, JudgeError>,
{
    let RunHooks {
        host,
        listen,
        follow,
        mut extend,
    } = hooks;
    in_place(
        (header, folder, Keeps::Results),
        (host, listen, follow),
        |runtime, site, interrupt| {
            run_and_extend(header, || extend(folder), runtime, site, interrupt)
        },
    )
}

/// Takes one user through the flow of each arm that is not skipped, on a first start and after a restart. The folder is made
/// for that, and removed. `None` when the run shall end.
///
/// # Errors
/// When the harness or its surroundings fail.
pub fn try_out<L>(
    header: &Header,
    (folder, reach): (&Path, Reach),
    host: Host,
    listen: L,
) -> Result<Option<Vec<Tried>>, EngineError>
where
    L: FnOnce(&RunTag) -> io::Result<Interrupt>,
{
    with_each_arm(
        header,
        folder,
        (host, listen),
        |planned, (runtime, site), interrupt| {
            let done = try_out::run((&header.plan, planned, reach), site, interrupt);
            runtime.block_on(done)
        },
    )
}

/// Measures how much load each arm bears that is not skipped, on a fresh start of each, and tells before which it is. The folder is
/// made for that, and removed. `None` when the run shall end.
///
/// # Errors
/// When the harness or its surroundings fail.
pub fn calibrate<L>(
    header: &Header,
    folder: &Path,
    (host, listen): (Host, L),
    mut begin: impl FnMut(&Arm),
) -> Result<Option<Vec<Measured>>, EngineError>
where
    L: FnOnce(&RunTag) -> io::Result<Interrupt>,
{
    let plan = &header.plan;
    with_each_arm(
        header,
        folder,
        (host, listen),
        |planned, (runtime, site), interrupt| {
            begin(&plan.arms[planned.arm.0 as usize]);
            runtime.block_on(calibrate::run((plan, planned), site, interrupt))
        },
    )
}

/// Has a server work while its disk is recorded, and start again on disks that this could have left. The folder is made for that, and
/// removed. `None` when the run shall end.
///
/// # Errors
/// When the harness or its surroundings fail.
pub fn explore<L, T>(
    header: &Header,
    folder: &Path,
    (host, listen): (Host, L),
    mut work: impl FnMut(&mut Explorer<'_>) -> Result<Option<T>, EngineError>,
) -> Result<Option<T>, EngineError>
where
    L: FnOnce(&RunTag) -> io::Result<Interrupt>,
{
    let plan = &header.plan;
    let explored = with_each_arm(
        header,
        folder,
        (host, listen),
        |planned, (runtime, site), interrupt| {
            work(&mut Explorer::new(
                (plan, planned),
                (runtime, site),
                interrupt,
            ))
        },
    )?;
    Ok(explored.and_then(|mut arms| arms.pop()))
}

/// Does some work with the first trial of each arm that is not skipped, in a folder that is removed. `None` when the run shall end.
fn with_each_arm<L, T>(
    header: &Header,
    folder: &Path,
    (host, listen): (Host, L),
    mut work: impl FnMut(
        &PlannedTrial,
        (&Runtime, &Site),
        &mut Interrupt,
    ) -> Result<Option<T>, EngineError>,
) -> Result<Option<Vec<T>>, EngineError>
where
    L: FnOnce(&RunTag) -> io::Result<Interrupt>,
{
    let Header { plan, schedule, .. } = header;
    in_place(
        (header, folder, Keeps::Nothing),
        (host, listen, |_: &Event| ()),
        |runtime, site, interrupt| {
            let mut done = Vec::new();
            for arm in (0..).map(ArmId).take(plan.arms.len()) {
                let mut trials = schedule.trials.iter();
                let Some(planned) = trials.find(|trial| trial.arm == arm) else {
                    continue;
                };
                match work(planned, (runtime, site), interrupt)? {
                    Some(one) => done.push(one),
                    None => return Ok(None),
                }
            }
            Ok(Some(done))
        },
    )
}

/// What is left of a folder at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    /// The journal, and what targets printed.
    Results,
    /// Nothing, also if this process is killed.
    Nothing,
}

/// Does some work where a run takes place.
fn in_place<L, F, T>(
    (header, folder, keeps): (&Header, &Path, Keeps),
    (host, listen, follow): (Host, L, F),
    work: impl FnOnce(&Runtime, &Site, &mut Interrupt) -> Result<T, EngineError>,
) -> Result<T, EngineError>
where
    L: FnOnce(&RunTag) -> io::Result<Interrupt>,
    F: Follow,
{
    let clock = Clock::start();
    let (scratch, logs) = (folder.join("data"), folder.join("logs"));
    let removed = match keeps {
        Keeps::Results => &scratch,
        Keeps::Nothing => folder,
    };
    let tag = RunTag::new().map_err(EngineError::Setup)?;
    if header.plan.is_external() {
        tag.start_nothing();
    }
    let custody = Custody::begin(host, &tag, removed).map_err(EngineError::Warden)?;
    inside::create_private(&logs).map_err(|cause| EngineError::folder("create", &logs, cause))?;
    let mut interrupt = listen(&tag).map_err(EngineError::Setup)?;
    let journal = JournalWriter::create(folder, header, clock, follow)?;
    let site = Site {
        tag,
        clock,
        recorder: journal.recorder().clone(),
        scratch,
        logs: logs.clone(),
        records_disks: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(EngineError::Setup)?;
    let done = work(&runtime, &site, &mut interrupt);
    // What still reads a target's output, or has records to hand on, ends with the runtime.
    drop(runtime);
    drop(site);
    journal.finish()?;
    custody.end().map_err(EngineError::Warden)?;
    if keeps == Keeps::Results {
        remove_empty(&logs)?;
    }
    done
}

/// Runs the declared trials; then, as long as `extend` has any, those that the plan holds for the case that they do
/// not suffice.
fn run_and_extend(
    header: &Header,
    mut extend: impl FnMut() -> Result<Option<Extension>, JudgeError>,
    runtime: &Runtime,
    site: &Site,
    interrupt: &mut Interrupt,
) -> Result<Ended, EngineError> {
    let Header { plan, schedule, .. } = header;
    let mut ended = runtime.block_on(trials::run(plan, schedule, site, interrupt))?;
    while ended == Ended::Complete {
        if !site.recorder.flush() {
            return Err(EngineError::Journal);
        }
        let Some(extension) = extend().map_err(EngineError::Judge)? else {
            break;
        };
        ended = runtime.block_on(trials::extend(plan, extension, site, interrupt))?;
    }
    Ok(ended)
}

/// Removes the logs of those that said nothing.
///
/// # Errors
/// When the folder cannot be read or changed.
pub fn remove_empty(logs: &Path) -> Result<(), EngineError> {
    let remove = || -> io::Result<()> {
        for entry in fs::read_dir(logs)? {
            let entry = entry?;
            if entry.metadata()?.len() == 0 {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    remove().map_err(|cause| EngineError::folder("clear", logs, cause))
}
