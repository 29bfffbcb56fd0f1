//! Where a procedure's servers stand: started, reached, weighed and stopped.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::rulings::{Amount, Fact, Heading};
use comeback_model::ids::{Incarnation, Node, Seed, TrialId};
use comeback_model::journal;
use comeback_model::plan::{Arm, Signal, Stop, Target};
use comeback_model::said;
use comeback_model::schedule::Shuffler;

use super::packaged;
use comeback_engine::EngineError;
use comeback_engine::readiness::wait_until_ready;
use comeback_engine::record::RecordError;
use comeback_host::clock::Clock;
use comeback_model::endpoint::Endpoint;
use comeback_supervise::process::{Addresses, Launch, Process};
use comeback_supervise::tag::RunTag;
use comeback_supervise::{ownership, ports};

/// The one server without a TCP port.
const UDP_ECHO: &str = "udp-echo";

/// The pause between two looks at a table of the kernel's.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Why a procedure did not come to its end.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// A server is the reason.
    Server(String),
    /// The harness is.
    Engine(EngineError),
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// A server that does not answer at all.
impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Server(format!("a server did not answer: {error}"))
    }
}

/// A procedure under way.
pub(crate) struct ClaimContext {
    pub(super) seed: Seed,
    pub(super) amount: Amount,
    journal: (PathBuf, RefCell<File>),
    scratch: PathBuf,
    logs: PathBuf,
    tag: RunTag,
    clock: Clock,
    deployments: Cell<u32>,
}

impl ClaimContext {
    pub(super) fn new(
        heading: &Heading,
        journal: &Path,
        (scratch, logs): (&Path, &Path),
        tag: RunTag,
        clock: Clock,
    ) -> Result<Self, EngineError> {
        let file = File::create_new(journal).map_err(|cause| unwritable(journal, cause))?;
        let context = Self {
            seed: Seed(heading.seed),
            amount: heading.amount,
            journal: (journal.to_owned(), RefCell::new(file)),
            scratch: scratch.to_owned(),
            logs: logs.to_owned(),
            tag,
            clock,
            deployments: Cell::new(0),
        };
        context.append(heading)?;
        Ok(context)
    }

    /// Puts a fact on record.
    pub(super) fn tell(&self, fact: &Fact) -> Result<(), EngineError> {
        self.append(fact)
    }

    /// What a server's arm came to; one that does not do what every server does has no figures, and that is on record.
    pub(super) fn record_failure<T>(
        &self,
        arm: &Arm,
        done: Result<T, Trouble>,
    ) -> Result<Option<T>, EngineError> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(Trouble::Server(why)) => {
                self.tell(&Fact::missing(&arm.name, why))?;
                Ok(None)
            }
            Err(Trouble::Engine(error)) => Err(error),
        }
    }

    fn append(&self, line: &impl serde::Serialize) -> Result<(), EngineError> {
        let (path, file) = &self.journal;
        journal::write_line(&mut *file.borrow_mut(), line).map_err(|cause| unwritable(path, cause))
    }

    /// Randomness of its own for each use.
    pub(super) fn shuffler(&self, stream: u64) -> Shuffler {
        Shuffler::new(self.seed, stream)
    }

    /// Ends what is left.
    pub(super) fn end(self) {
        self.tag.kill_all();
    }

    /// A place for the servers of an arm, with their store if they share one.
    pub(super) async fn deployment<'a>(&'a self, arm: &'a Arm) -> Result<Deployment<'a>, Trouble> {
        let number = self.deployments.replace(self.deployments.get() + 1);
        let mut deployment = Deployment {
            context: self,
            arm,
            number,
            folder: std::path::absolute(self.scratch.join(number.to_string()))
                .map_err(|cause| EngineError::folder("find", &self.scratch, cause))?,
            store: None,
            servers: 0,
        };
        make(&deployment.folder.join("shared"))?;
        if let Some(store) = &arm.store {
            let store = deployment.start(store, Node::Store, Slot::Free).await?;
            deployment.store = Some(store);
        }
        Ok(deployment)
    }
}

/// Where the servers of an arm stand.
pub(super) struct Deployment<'a> {
    context: &'a ClaimContext,
    arm: &'a Arm,
    number: u32,
    folder: PathBuf,
    store: Option<Server>,
    servers: u32,
}

/// A server that is up.
pub(super) struct Server {
    pub(super) port: u16,
    /// Its data folder.
    pub(super) data: PathBuf,
    process: Process,
    stop: Stop,
}

/// Which port a server gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// One that is free.
    Free,
    /// This one.
    At(u16),
    /// The one it had before it was killed.
    Again(u16),
}

impl Deployment<'_> {
    /// Starts one more server, a fresh one.
    pub(super) async fn open(&mut self) -> Result<Server, Trouble> {
        let arm = self.arm;
        let node = Node::Replica(self.servers);
        self.servers += 1;
        self.start(&arm.target, node, Slot::Free).await
    }

    /// Starts what stands in front of a server.
    pub(super) async fn put_before(
        &mut self,
        target: &Target,
        port: u16,
    ) -> Result<Server, Trouble> {
        self.start(target, Node::Balancer, Slot::At(port)).await
    }

    /// The data folder of a node; it is there.
    pub(super) fn data(&self, node: Node) -> Result<PathBuf, EngineError> {
        let data = self.folder.join(node.to_string());
        make(&data)?;
        Ok(data)
    }

    async fn start(&self, target: &Target, node: Node, slot: Slot) -> Result<Server, Trouble> {
        let context = self.context;
        let data = self.data(node)?;
        let port = match slot {
            Slot::At(port) | Slot::Again(port) => port,
            Slot::Free => ports::free_port().map_err(EngineError::Port)?,
        };
        packaged::furnish(&self.arm.name, &data, port)
            .map_err(|cause| EngineError::folder("fill", &data, cause))?;
        let incarnation = Incarnation(u32::from(matches!(slot, Slot::Again(_))));
        let addresses = Addresses {
            store: self.store.as_ref().map(|store| store.port),
            shared: Some(self.folder.join("shared")),
            ..Addresses::default()
        };
        let name = format!(
            "{:03}-{}-{node}-{}.log",
            self.number, self.arm.name, incarnation.0
        );
        let mut process = Process::spawn(Launch {
            target,
            port,
            data: &data,
            node,
            addresses: &addresses,
            trial: TrialId(self.number),
            incarnation,
            tag: &context.tag,
            log: context.logs.join(name),
            clock: context.clock,
            listener: None,
        })
        .map_err(|error| Trouble::Server(format!("{node} could not be started: {error}")))?;
        let not_up = |process: &Process, error: &dyn std::fmt::Display| {
            let said = said::quote(&process.tail());
            let said = said.map_or_else(String::new, |said| format!(" ({said})"));
            Trouble::Server(format!("{node} did not come up: {error}{said}"))
        };
        if self.arm.name == UDP_ECHO {
            wait_until_bound(port, target.ready.within.into())
                .await
                .map_err(|error| not_up(&process, &error))?;
        } else {
            let endpoint = Endpoint::at(port);
            wait_until_ready(&mut process, &target.ready, &endpoint, None, context.clock)
                .await
                .map_err(|error| not_up(&process, &error))?;
        }
        Ok(Server {
            port,
            data,
            process,
            stop: target.stop.clone(),
        })
    }

    /// Kills a server with all that it started, and starts it again on its port and data folder.
    pub(super) async fn kill_and_restart(&self, server: Server) -> Result<Server, Trouble> {
        let Server {
            port, mut process, ..
        } = server;
        process
            .signal_group(Signal::Kill)
            .map_err(EngineError::Process)?;
        process.exited().await.map_err(EngineError::Process)?;
        process.clear_group().await.map_err(EngineError::Process)?;
        let (node, trial) = (process.node(), TrialId(self.number));
        let place = (trial, node, process.incarnation());
        // A server of one process for each connection may have put each into a group of its own.
        let swept = self.context.tag.sweep(|member| member.place == Some(place));
        if !swept.remaining.is_empty() {
            return Err(Trouble::Server(format!(
                "{node} is still running after SIGKILL"
            )));
        }
        self.start(&self.arm.target, node, Slot::Again(port)).await
    }

    /// The memory that a server and its store take, in bytes.
    pub(super) fn memory(&self, server: &Server) -> Result<u64, Trouble> {
        let own = server.process.resident_bytes()?;
        match &self.store {
            None => Ok(own),
            Some(store) => Ok(own + store.process.resident_bytes()?),
        }
    }

    /// What lies in its folders, in bytes.
    pub(super) fn disk(&self) -> Result<u64, Trouble> {
        Ok(weigh(&self.folder)?)
    }

    /// Stops its last server and the store, and removes the folders.
    pub(super) async fn close(mut self, last: Server) -> Result<(), Trouble> {
        last.stop().await?;
        if let Some(store) = self.store.take() {
            store.stop().await?;
        }
        fs::remove_dir_all(&self.folder)
            .map_err(|cause| EngineError::folder("remove", &self.folder, cause).into())
    }
}

impl Server {
    /// Asks it to end; how long that took.
    pub(super) async fn stop(mut self) -> Result<Duration, Trouble> {
        let begun = Instant::now();
        self.process
            .stop(&self.stop)
            .await
            .map_err(EngineError::Process)?;
        let took = begun.elapsed();
        self.process
            .clear_group()
            .await
            .map_err(EngineError::Process)?;
        Ok(took)
    }
}

/// Waits until a UDP port is bound, which no connection can tell.
async fn wait_until_bound(port: u16, within: Duration) -> io::Result<()> {
    let deadline = Instant::now() + within;
    while !ownership::is_bound_udp(port)? {
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

fn make(folder: &Path) -> Result<(), EngineError> {
    fs::create_dir_all(folder).map_err(|cause| EngineError::folder("create", folder, cause))
}

/// The bytes of all files below; one that went away while it was looked for weighs nothing.
fn weigh(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(about) if about.is_dir() => weigh(&entry.path())?,
            Ok(about) => about.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(bytes)
}

fn unwritable(path: &Path, cause: io::Error) -> EngineError {
    EngineError::Record(RecordError::new(path.to_owned(), cause))
}
