//! The warden: a small process that undoes what a run leaves when the harness dies, by SIGKILL too.
//!
//! It holds one end of a pipe whose other end only the harness has. When that closes, whatever the reason,
//! it kills every process that carries the run's tag, removes the trials' data, and ends.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use super::tag::RunTag;

/// How long it may take to end once it is not needed.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// The harness's hold on its warden; when it is dropped, the warden does its work.
#[derive(Debug)]
pub struct Warden {
    process: Child,
}

impl Warden {
    /// Starts the warden, before anything else is started.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(tag: &RunTag, scratch: &Path) -> io::Result<Self> {
        let scratch: PathBuf = std::path::absolute(scratch)?;
        // A group of its own, so that Ctrl-C on the terminal does not reach it.
        let process = Command::new(std::env::current_exe()?)
            .arg("warden")
            .args(["--tag", &tag.to_string()])
            .arg("--scratch")
            .arg(&scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { process })
    }

    /// Closes the pipe and waits until the warden has found nothing left to do.
    ///
    /// # Errors
    /// When it does not end.
    pub fn dismiss(mut self) -> io::Result<()> {
        self.close_and_wait()
    }

    fn close_and_wait(&mut self) -> io::Result<()> {
        drop(self.process.stdin.take());
        let deadline = Instant::now() + ENDS_WITHIN;
        while self.process.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(io::Error::other("the warden does not end"));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        // On the way out of an error or a panic: nobody is left to be told of another.
        let _ = self.close_and_wait();
    }
}

/// The warden's own life: waits for the pipe to close, then undoes what is left.
pub fn run_warden(tag: &RunTag, scratch: &Path) {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    // Were this refused, it would only be easier to end before its time.
    let _ = signals.thread_block();
    let mut nothing = Vec::new();
    // Whether the pipe closes or breaks, the harness is gone.
    let _ = io::stdin().read_to_end(&mut nothing);
    tag.kill_all();
    // Usually it is gone already; what cannot be removed is at worst left lying.
    let _ = std::fs::remove_dir_all(scratch);
}
