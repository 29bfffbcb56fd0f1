//! The warden: a process that undoes what is left of a run when the harness is gone, however it ended.
//!
//! It holds the reading end of a pipe whose writing end only the harness has. The kernel closes that end
//! with the harness, after SIGKILL too; the warden then kills every process of the run, removes the
//! trials' data folders, and ends. Over the same pipe it is told what is started (see `roster.rs`).
//!
//! There are two, which know a run's processes by the same signs. The program's warden is the program again: it
//! kills through a descriptor, so that a recycled process id is never hit. A harness that lives in somebody
//! else's program, such as a test, has no program to start that is sure to be there; for it a shell does the same
//! (`warden.sh`), with an instant between the look and the kill.

use std::fs;
use std::io::{self, BufRead};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use super::tag::{INCARNATION_VARIABLE, RUN_VARIABLE, RunTag, TRIAL_VARIABLE};

/// The warden of a harness in somebody else's program.
const SCRIPT: &str = include_str!("warden.sh");
/// What every POSIX system has.
const SHELL: &str = "/bin/sh";

/// How long the warden may take to end when it is no longer needed.
const DISMISSED_WITHIN: Duration = Duration::from_secs(20);
/// How long the warden tries; a process that waits for a disk may outlive even that.
const UNDONE_WITHIN: Duration = Duration::from_secs(15);
/// Between a scan that found nothing and the next: a start that was under way when the harness died shows
/// up only after its exec.
const SETTLE: Duration = Duration::from_millis(50);
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
    /// it removes.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(tag: &RunTag, scratch: &Path) -> io::Result<Self> {
        Self::start_as(&std::env::current_exe()?, tag, scratch)
    }

    /// The same with another program that has the subcommand.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_as(program: &Path, tag: &RunTag, scratch: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(["warden", "--tag", tag.as_str(), "--scratch"]);
        Self::spawn(command, tag, scratch)
    }

    /// The same with a shell, from within any program.
    ///
    /// # Errors
    /// When there is no `/bin/sh`.
    pub fn start_in_shell(tag: &RunTag, scratch: &Path) -> io::Result<Self> {
        let mut command = Command::new(SHELL);
        command.args(["-c", SCRIPT, "comeback-warden", tag.as_str()]);
        Self::spawn(command, tag, scratch)
    }

    fn spawn(mut command: Command, tag: &RunTag, scratch: &Path) -> io::Result<Self> {
        let scratch: PathBuf = std::path::absolute(scratch)?;
        let mut child = command
            .arg(scratch)
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
    /// When it cannot be waited for, or takes more than 20 seconds.
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
        // After a dismissal this finds it ended; otherwise nobody is left to be told.
        let _ = self.end();
    }
}

/// The warden's own life: waits for the end of the harness, then undoes the run.
///
/// Signals that a terminal or a person sends are held off: it ends when its work is done.
pub fn run_warden(tag: &RunTag, scratch: &Path) {
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
    for line in io::stdin().lock().lines() {
        match line {
            Ok(line) => tag.roster().take_line(&line),
            Err(_) => break,
        }
    }
    undo(tag, scratch);
}

/// Kills and removes until a second look finds nothing either.
fn undo(tag: &RunTag, scratch: &Path) {
    let deadline = Instant::now() + UNDONE_WITHIN;
    // One that is alive and waits for its warden starts nothing more.
    let mut is_settled = tag.harness_is_alive();
    loop {
        let swept = tag.sweep(|_| true);
        let is_removed = remove(scratch);
        let is_clean = swept.killed.is_empty() && swept.remaining.is_empty() && is_removed;
        if (is_clean && is_settled) || Instant::now() >= deadline {
            return;
        }
        is_settled = is_clean;
        std::thread::sleep(SETTLE);
    }
}

fn remove(folder: &Path) -> bool {
    match fs::remove_dir_all(folder) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
