//! The warden: a process that cleans up after a run when the harness is gone, however it ended.
//!
//! It holds the reading end of a pipe whose writing end only the harness has. The kernel closes that end
//! with the harness, even after SIGKILL. Then the warden kills every process of the run, undoes what else was done to the machine,
//! removes the scratch folder, the shared memory, the control group and the run's record, and ends. The same pipe tells it about started processes (see `roster.rs`).
//! Anything that cannot be removed stays on record for `comeback cleanup`.
//!
//! There are two wardens, which identify a run's processes in the same way. The program's warden is the program itself. It
//! kills through a descriptor, so that a recycled process id is never hit. The library runs in another program, such as a test, and
//! cannot rely on a program of ours. Its warden is a shell (`warden.sh`). There, a moment passes between the look and the kill, and
//! shared memory is left to `comeback cleanup`.

use std::io::{self, BufRead};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use super::cgroup::Cgroup;
use super::roster::{DISMISSED, Elders};
use super::tag::RunTag;
use super::variables::{INCARNATION_VARIABLE, RUN_VARIABLE, TRIAL_VARIABLE};
use super::{lease, proc, scratch};

/// The warden of a harness in somebody else's program.
const SCRIPT: &str = include_str!("warden.sh");
/// What every POSIX system has.
const SHELL: &str = "/bin/sh";

/// The time limit for the end of a dismissed warden.
const DISMISSED_WITHIN: Duration = Duration::from_secs(20);
/// How long the warden tries; a process that waits for a disk may outlive even that.
const UNDONE_WITHIN: Duration = Duration::from_secs(15);
/// Between a scan that found nothing and the next: a start that was under way when the harness died shows
/// up only after its exec.
const SETTLE: Duration = Duration::from_millis(50);
/// How long it tries to remove a folder in which nothing writes any more.
const REMOVED_WITHIN: Duration = Duration::from_secs(1);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// The harness's side of its warden. Dropping it has the warden act, and waits for that.
#[derive(Debug)]
#[must_use = "without it nothing undoes a run whose harness is killed"]
pub struct Warden {
    child: Child,
    tag: RunTag,
}

impl Warden {
    /// Starts the warden of a run: this program again, with its hidden subcommand. `scratch` is the folder
    /// it removes, if the run has marked it as its own.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(tag: &RunTag, scratch: &Path) -> io::Result<Self> {
        Self::start_as(&std::env::current_exe()?, tag, scratch)
    }

    /// The same with another program that has the subcommand.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_as(program: &Path, tag: &RunTag, scratch: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(["warden", "--tag", tag.as_str()]);
        if let Some(record) = tag.roster().record() {
            command.arg("--record").arg(record);
        }
        if let Some(group) = tag.roster().cgroup() {
            command.arg("--cgroup").arg(group.path());
        }
        command.arg("--scratch").arg(std::path::absolute(scratch)?);
        Self::spawn(command, tag)
    }

    /// The same with a shell, from within any program.
    ///
    /// # Errors
    /// If there is no `/bin/sh`.
    pub fn start_in_shell(tag: &RunTag, scratch: &Path) -> io::Result<Self> {
        let mut command = Command::new(SHELL);
        command.args(["-c", SCRIPT, "comeback-warden", tag.as_str()]);
        command.arg(std::path::absolute(scratch)?);
        let roster = tag.roster();
        let or_nothing = |path: Option<&Path>| path.map(Path::to_owned).unwrap_or_default();
        command.arg(or_nothing(roster.record()));
        command.arg(or_nothing(roster.cgroup().map(Cgroup::path)));
        drop(roster);
        Self::spawn(command, tag)
    }

    fn spawn(mut command: Command, tag: &RunTag) -> io::Result<Self> {
        let mut child = command
            // It must not find itself, nor hold a folder.
            .env_remove(RUN_VARIABLE)
            .env_remove(TRIAL_VARIABLE)
            .env_remove(INCARNATION_VARIABLE)
            .current_dir("/")
            // Ctrl-C goes to the group of the harness.
            .process_group(0)
            // The standard library makes pipes close-on-exec: no target inherits our end.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(pipe) = child.stdin.take() {
            tag.roster().connect(pipe);
        }
        let tag = tag.clone();
        Ok(Self { child, tag })
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Lets it do its work and waits for its end: nothing of the run is left then, the scratch folder
    /// neither.
    ///
    /// # Errors
    /// If it cannot be waited for, or takes more than 20 seconds.
    pub fn dismiss(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.tag.roster().disconnect();
        let deadline = Instant::now() + DISMISSED_WITHIN;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("the warden, process {}, does not end", self.pid()),
                ));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        // After a dismissal it has ended. Otherwise there is no caller left for the error.
        let _ = self.end();
    }
}

/// The run of a warden.
#[derive(Clone, Debug)]
pub struct Post {
    /// The run.
    pub tag: RunTag,
    /// Its scratch folder.
    pub scratch: PathBuf,
    /// Its record, where it has one.
    pub record: Option<PathBuf>,
    /// Its control group, where it has one.
    pub cgroup: Option<PathBuf>,
}

/// The warden's own life: waits for the end of the harness, then undoes the run.
///
/// Signals that a terminal or a person sends are held off: it ends when its work is done.
pub fn run_warden(post: &Post) {
    let mut held_off = SigSet::empty();
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        held_off.add(signal);
    }
    // Were it refused, the warden would still serve whenever it is left alone.
    let _ = held_off.thread_block();
    let tag = &post.tag;
    if let Some(group) = &post.cgroup {
        let group = Cgroup::of_run(tag.as_str(), group);
        if let Some(group) = group {
            tag.roster().hold_in(group, true);
        }
    }
    let mut is_dismissed = false;
    for line in io::stdin().lock().lines() {
        match line {
            Ok(line) if line == DISMISSED => is_dismissed = true,
            Ok(line) => tag.roster().take_line(&line),
            Err(_) => break,
        }
    }
    if !is_dismissed {
        mourn(tag);
    }
    undo(post, is_dismissed);
}

/// Waits until the harness is gone, whose end closed the pipe, and kills what is in the run's control group at once.
fn mourn(tag: &RunTag) {
    let deadline = Instant::now() + UNDONE_WITHIN;
    while tag.harness_is_alive() && Instant::now() < deadline {
        std::thread::sleep(PAUSE);
    }
    // The process that adopted this one also adopted the harness's other orphans.
    let adopter = proc::stat(proc::own_pid()).map(|own| own.parent);
    tag.roster().set_elders(Elders {
        adopters: adopter.into_iter().collect(),
        ..Elders::default()
    });
    // For what their memory shares: that cannot be seen any more once they are gone.
    tag.take_census();
    let group = tag.roster().cgroup().cloned();
    if let Some(group) = group.filter(|_| !tag.harness_is_alive()) {
        group.kill();
    }
}

/// Kills and removes until a second look finds nothing either.
fn undo(post: &Post, is_dismissed: bool) {
    let tag = &post.tag;
    let deadline = Instant::now() + UNDONE_WITHIN;
    // A harness that is alive and waits for its warden starts nothing more.
    let mut is_settled = is_dismissed;
    loop {
        let swept = tag.sweep(|_| true);
        let is_clean = swept.killed.is_empty() && swept.remaining.is_empty();
        if is_clean && is_settled {
            break;
        }
        if !swept.remaining.is_empty() {
            free(tag);
        }
        if Instant::now() >= deadline {
            return;
        }
        is_settled = is_clean;
        std::thread::sleep(SETTLE);
    }
    if put_away(tag, &post.scratch)
        && let Some(record) = &post.record
    {
        lease::remove(record);
    }
}

/// Undoes what processes that cannot be killed may wait for: a file system that nobody answers for. What is not undone yet is
/// tried again with the rest.
pub(super) fn free(tag: &RunTag) {
    let _ = tag.settle();
}

/// Undoes and removes everything of a run but its processes, which must be gone, and its record: whether nothing is left.
pub(super) fn put_away(tag: &RunTag, scratch: &Path) -> bool {
    let is_undone = tag.settle().is_empty();
    let is_freed = tag.free_memory().is_empty();
    let group = tag.roster().cgroup().cloned();
    let is_disbanded = group.is_none_or(|group| group.remove().is_ok());
    let deadline = Instant::now() + REMOVED_WITHIN;
    while scratch::remove(scratch, tag.as_str()).is_err() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(SETTLE);
    }
    is_undone && is_freed && is_disbanded
}
