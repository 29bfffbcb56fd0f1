//! A run from its plan to a complete journal: everything around the trials. Called by the cli and the library.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use comeback_core::analysis::Analysis;
use comeback_core::event::Event;
use comeback_core::ids::Seed;
use comeback_core::journal::{self, Header};
use comeback_core::plan::Plan;
use comeback_core::schedule;
use comeback_core::verdict::{self, Verdict};
use tokio::runtime::Runtime;

use super::interrupt::Interrupt;
use super::{Ended, EngineError, More, Site, folder};
use crate::clock::Clock;
use crate::machine;
use crate::record::Journalist;
use crate::supervise::custody::Custody;
pub use crate::supervise::custody::Host;
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
    /// What it needs.
    pub needed: u64,
    /// What the process may have.
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

/// What a run's journal begins with; its schedule follows from plan and seed.
pub fn header(plan: Plan, seed: Seed, started: String, folder: &Path) -> Header {
    Header {
        comeback_journal: journal::VERSION,
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
        started,
        seed,
        machine: machine::describe(folder),
        schedule: schedule::expand(&plan, seed),
        plan,
    }
}

/// The parts of a run's folder that the trials use.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
    scratch: PathBuf,
    logs: PathBuf,
}

impl Layout {
    /// Makes them in the run's folder; the scratch folder is made with the run's [`Custody`].
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let layout = Self {
            folder: folder.to_owned(),
            scratch: folder.join("data"),
            logs: folder.join("logs"),
        };
        folder::create_private(&layout.logs)?;
        Ok(layout)
    }
}

/// Who goes along with a run.
#[derive(Debug)]
pub struct Company<L, F, J> {
    /// Whose program it is.
    pub host: Host,
    /// Says by what the run can be ended early.
    pub listen: L,
    /// Sees each event.
    pub follow: F,
    /// Judges the run by what its folder holds so far.
    pub judge: J,
}

/// Why a run could not be judged on its way.
pub type JudgeError = Box<dyn std::error::Error + Send + Sync>;

/// Runs the trials and leaves their journal, and nothing else of them.
///
/// # Errors
/// When the harness or its surroundings fail.
pub fn run<L, F, J>(
    header: &Header,
    layout: Layout,
    company: Company<L, F, J>,
) -> Result<Ended, EngineError>
where
    L: FnOnce(&RunTag) -> io::Result<Interrupt>,
    F: FnMut(&Event) + Send + 'static,
    J: Fn(&Path) -> Result<(Analysis, Verdict), JudgeError>,
{
    let clock = Clock::start();
    let Layout {
        folder,
        scratch,
        logs,
    } = layout;
    let tag = RunTag::new().map_err(EngineError::Setup)?;
    let custody = Custody::begin(company.host, &tag, &scratch).map_err(EngineError::Warden)?;
    let mut interrupt = (company.listen)(&tag).map_err(EngineError::Setup)?;
    let journalist = Journalist::create(&folder, header, clock, company.follow)?;
    let site = Site {
        tag,
        clock,
        recorder: journalist.recorder().clone(),
        scratch,
        logs: logs.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(EngineError::Setup)?;
    let judge = || (company.judge)(&folder);
    let ended = run_and_extend(header, judge, &runtime, &site, &mut interrupt);
    // What still reads a target's output, or has records to hand on, ends with the runtime.
    drop(runtime);
    drop(site);
    journalist.finish()?;
    custody.end().map_err(EngineError::Warden)?;
    remove_empty(&logs)?;
    ended
}

/// Runs the declared trials; then, as long as nothing but more trials is missing to judge the run, those
/// that the plan has for that: first in the place of void ones, then beside those that count.
fn run_and_extend(
    header: &Header,
    judge: impl Fn() -> Result<(Analysis, Verdict), JudgeError>,
    runtime: &Runtime,
    site: &Site,
    interrupt: &mut Interrupt,
) -> Result<Ended, EngineError> {
    let Header { plan, schedule, .. } = header;
    let mut ended = runtime.block_on(super::run(plan, schedule, site, interrupt))?;
    let mut further = schedule.further.as_slice();
    let mut rounds = plan.trials;
    while ended == Ended::Complete && !(further.is_empty() && schedule.spares.is_empty()) {
        if !site.recorder.settle() {
            return Err(EngineError::Journal);
        }
        let (analysis, verdict) = judge().map_err(EngineError::Judge)?;
        let replacements = verdict::replacements(&analysis, &verdict);
        let more = if !replacements.is_empty() {
            More::replacing(replacements)
        } else if let Some(wanted) = verdict
            .rounds_wanted(rounds)
            .filter(|_| !further.is_empty())
        {
            let trials;
            (trials, further) = schedule::split_rounds(further, wanted);
            rounds += wanted;
            More::added(trials, verdict.reasons)
        } else {
            break;
        };
        ended = runtime.block_on(super::extend(plan, more, site, interrupt))?;
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
