//! Disks that forget: each is a process of its own, this program again, which mounts a file system over a node's data folder. It is
//! started before the node, and ended after it.
//!
//! How to unmount it is on the run's record before it is mounted. The process ends by itself when the harness is gone, since
//! its socket closes then. No call here waits for the file system: each waits for the socket, and not for long.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use comeback_host::program;
use comeback_host::undo::Undo;
use comeback_model::ids::{Incarnation, Node, TrialId};
use comeback_model::plan::DiskModel;

use super::tag::RunTag;
use super::variables::{INCARNATION_VARIABLE, NODE_VARIABLE, RUN_VARIABLE, TRIAL_VARIABLE};

/// How long an answer may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// How long it may take to end by itself.
const ENDS_WITHIN: Duration = Duration::from_secs(2);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);
/// It belongs to no start of its node, and is older than none of them.
const NO_START: Incarnation = Incarnation(u32::MAX);

/// Which disk is laid below what.
#[derive(Clone, Copy, Debug)]
pub struct Laying<'a> {
    /// The run.
    pub tag: &'a RunTag,
    /// The trial.
    pub trial: TrialId,
    /// The node.
    pub node: Node,
    /// Its data folder, which is empty.
    pub data: &'a Path,
    /// Where the contents will lie; made here.
    pub backing: &'a Path,
    /// By which rule things become durable.
    pub model: DiskModel,
    /// Where its errors are written.
    pub log: &'a Path,
    /// Where its calls are put on record, if they are: a new file.
    pub record: Option<&'a Path>,
}

/// A mounted disk. Dropping it unmounts it.
#[derive(Debug)]
pub struct Disk {
    child: Child,
    socket: Mutex<Option<BufReader<UnixStream>>>,
}

/// Why there is no disk.
#[derive(Debug)]
pub struct NoDisk {
    what: &'static str,
    cause: io::Error,
}

impl fmt::Display for NoDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl std::error::Error for NoDisk {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl Disk {
    /// Mounts a disk, and waits until it answers.
    ///
    /// # Errors
    /// If it cannot be. Nothing is left of it then, but the way to undo it on record.
    pub fn lay(laying: &Laying<'_>) -> Result<Self, NoDisk> {
        let failed = |what| move |cause| NoDisk { what, cause };
        let missing = || io::Error::new(io::ErrorKind::NotFound, "it is not in PATH");
        let program = program::find().ok_or_else(missing).map_err(failed(
            "the comeback program, which is the disk, is missing",
        ))?;
        let data = fs::canonicalize(laying.data).map_err(failed("the data folder is missing"))?;
        let backing = fs::create_dir_all(laying.backing)
            .and_then(|()| fs::canonicalize(laying.backing))
            .map_err(failed("the folder of its contents cannot be made"))?;
        let undo = Undo::unmount(&data).map_err(failed("its path is not one line of text"))?;
        let recorded = laying.tag.lease(undo);
        recorded.map_err(failed("how to unmount it cannot be put on record"))?;
        let (ours, theirs) = UnixStream::pair().map_err(failed("it gets no socket"))?;
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(laying.log)
            .map_err(failed("its log cannot be written"))?;
        let mut command = Command::new(program);
        command.args(["disk", "--model", laying.model.name()]);
        command.arg("--mount").arg(&data);
        command.arg("--backing").arg(backing);
        if let Some(record) = laying.record {
            command.arg("--record").arg(record);
        }
        let child = command
            .env(RUN_VARIABLE, laying.tag.as_str())
            .env(TRIAL_VARIABLE, laying.trial.0.to_string())
            .env(NODE_VARIABLE, laying.node.to_string())
            .env(INCARNATION_VARIABLE, NO_START.0.to_string())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(failed("its process cannot be started"))?;
        drop(command);
        let set = ours.set_read_timeout(Some(ANSWERS_WITHIN));
        let disk = Self {
            child,
            socket: Mutex::new(Some(BufReader::new(ours))),
        };
        set.and_then(|()| disk.check())
            .map_err(failed("it does not answer: its log says why"))?;
        Ok(disk)
    }

    /// Has it look through its own mount.
    ///
    /// # Errors
    /// If it does not answer, or its file system does not.
    pub fn check(&self) -> io::Result<()> {
        let answer = self.ask("health")?;
        match answer == "ok" {
            true => Ok(()),
            false => Err(io::Error::other(answer)),
        }
    }

    /// Gives it an order. Returns its answer.
    ///
    /// # Errors
    /// If it has ended, or takes too long: it is not asked again then.
    pub fn ask(&self, order: &str) -> io::Result<String> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = socket.as_mut().map_or_else(
            || Err(io::ErrorKind::NotConnected.into()),
            |socket| ask(socket, order),
        );
        if answer.is_err() {
            // A late answer would be taken for that of the next order.
            *socket = None;
        }
        answer
    }
}

fn ask(socket: &mut BufReader<UnixStream>, order: &str) -> io::Result<String> {
    socket
        .get_mut()
        .write_all(format!("{order}\n").as_bytes())?;
    let mut answer = String::new();
    match socket.read_line(&mut answer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(answer.trim_end().to_owned()),
    }
}

impl Drop for Disk {
    /// It unmounts itself when its socket closes; the run's record says how to do it where it cannot.
    fn drop(&mut self) {
        *self
            .socket
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner) = None;
        if self.ends() {
            return;
        }
        // What waits for the file system is answered with an error then. If it waits for itself, it ends when it is unmounted.
        let _ = self.child.kill();
        self.ends();
    }
}

impl Disk {
    /// Whether it ends soon.
    fn ends(&mut self) -> bool {
        let deadline = Instant::now() + ENDS_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        true
    }
}

/// The folder of the contents of a trial's disks, beside its data folder.
pub fn backing_of(data: &Path) -> PathBuf {
    let mut name = data.file_name().unwrap_or_default().to_owned();
    name.push("-disks");
    data.with_file_name(name)
}
