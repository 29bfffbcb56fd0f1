//! Does a procedure: its journal, its processes, and what is left of it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use crate::rulings::{Fact, FactsError, Findings, Heading};
use comeback_model::plan::Arm;

use super::context::{ClaimContext, Trouble};
use comeback_engine::campaign;
use comeback_engine::interrupt::Interrupt;
use comeback_engine::{Ended, EngineError};
use comeback_host::clock::Clock;
use comeback_host::inside;
use comeback_supervise::custody::{Custody, Host};
use comeback_supervise::tag::RunTag;

/// What was found, in the claim's folder.
pub const FACTS: &str = "facts.jsonl";

/// What is done with servers that no comparison does.
#[derive(Clone, Copy, Debug)]
pub struct Procedure(Way);

type Doing<'a, E> = Pin<Box<dyn Future<Output = Result<(), E>> + 'a>>;

#[derive(Clone, Copy, Debug)]
enum Way {
    /// With one server after the other.
    OfEach(for<'a> fn(&'a ClaimContext, &'a Arm) -> Doing<'a, Trouble>),
    /// With all of them at a time.
    OfAll(for<'a> fn(&'a ClaimContext, &'a [&'a Arm]) -> Doing<'a, EngineError>),
}

impl Procedure {
    /// With one server after the other.
    pub(crate) const fn of_each(
        run: for<'a> fn(&'a ClaimContext, &'a Arm) -> Doing<'a, Trouble>,
    ) -> Self {
        Self(Way::OfEach(run))
    }

    /// With all of them at a time.
    pub(crate) const fn of_all(
        run: for<'a> fn(&'a ClaimContext, &'a [&'a Arm]) -> Doing<'a, EngineError>,
    ) -> Self {
        Self(Way::OfAll(run))
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The first line of its journal.
    pub heading: &'a Heading,
    /// What it is.
    pub procedure: Procedure,
    /// With which servers.
    pub arms: &'a [Arm],
    /// Where its journal and the servers' output go; it exists.
    pub folder: &'a Path,
    /// Whose program it is done in.
    pub host: Host,
    /// Hears which server's turn it is.
    pub follow: fn(&str),
}

/// Does it, and leaves its journal and nothing else.
///
/// # Errors
/// If the harness or its surroundings fail; what a server does is a fact.
pub fn run(
    task: &Task<'_>,
    listen: impl FnOnce(&RunTag) -> io::Result<Interrupt>,
) -> Result<Ended, EngineError> {
    let tag = RunTag::new().map_err(EngineError::Setup)?;
    let scratch = task.folder.join("data");
    let logs = task.folder.join("logs");
    inside::create_private(&logs).map_err(|cause| EngineError::folder("create", &logs, cause))?;
    let custody = Custody::begin(task.host, &tag, &scratch).map_err(EngineError::Warden)?;
    let mut interrupt = listen(&tag).map_err(EngineError::Setup)?;
    let journal = task.folder.join(FACTS);
    let context = ClaimContext::new(
        task.heading,
        &journal,
        (&scratch, &logs),
        tag,
        Clock::start(),
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(EngineError::Setup)?;
    let ended = runtime.block_on(async {
        tokio::select! {
            biased;
            () = interrupt.raised() => Ok(Ended::Interrupted),
            done = carry_out(task, &context) => done.map(|()| Ended::Complete),
        }
    });
    drop(runtime);
    context.end();
    custody.end().map_err(EngineError::Warden)?;
    campaign::remove_empty(&logs)?;
    ended
}

async fn carry_out(task: &Task<'_>, context: &ClaimContext) -> Result<(), EngineError> {
    let mut able = Vec::new();
    for arm in task.arms {
        match &arm.skip {
            Some(why) => context.tell(&Fact::missing(&arm.name, why.clone()))?,
            None => able.push(arm),
        }
    }
    match task.procedure.0 {
        Way::OfAll(run) => run(context, &able).await,
        Way::OfEach(run) => {
            for arm in able {
                (task.follow)(&arm.name);
                context.record_failure(arm, run(context, arm).await)?;
            }
            Ok(())
        }
    }
}

/// A journal that is not there, or is none.
#[derive(Debug)]
pub enum ReadError {
    /// It cannot be read.
    File(PathBuf, io::Error),
    /// It is none.
    Facts(PathBuf, FactsError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, _) => write!(f, "failed to read {}", path.display()),
            Self::Facts(path, _) => write!(f, "{} is not a journal of facts", path.display()),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, cause) => Some(cause),
            Self::Facts(_, cause) => Some(cause),
        }
    }
}

/// Reads the journal in a claim's folder.
///
/// # Errors
/// If there is none, or a line of it is damaged.
pub fn read(folder: &Path) -> Result<Findings, ReadError> {
    let path = folder.join(FACTS);
    let text =
        inside::read_in(folder, FACTS).map_err(|cause| ReadError::File(path.clone(), cause))?;
    Findings::parse(&text).map_err(|cause| ReadError::Facts(path, cause))
}
