//! Emptying a process group whose leader has ended.

use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use super::{orphans, proc};

/// How long killed processes may take to be gone; only one that waits for a disk takes longer.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Kills a group until nothing of it is left. Its leader must have been reaped, or its status would be
/// lost; and it must have been so recently, since its number names this group only while that exists.
pub(super) async fn clear(group: Pid) -> io::Result<()> {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        match kill_process_group(group, Signal::KILL) {
            Err(Errno::SRCH) => return Ok(()),
            killed => killed?,
        }
        tokio::time::sleep(PAUSE).await;
        orphans::reap_group(group);
        let rest = rest_of(group)?;
        if rest.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(survived(group, &rest, GONE_WITHIN));
        }
    }
}

/// The remaining processes of a group, without zombies that only another process can reap.
fn rest_of(group: Pid) -> io::Result<Vec<i32>> {
    let own = proc::own_pid();
    let mut all = proc::all()?;
    all.retain(|stat| stat.group == group.as_raw_pid() && (!stat.is_zombie || stat.parent == own));
    Ok(all.into_iter().map(|stat| stat.pid).collect())
}

/// Says that SIGKILL did not help.
pub(super) fn survived(group: Pid, pids: &[i32], waited: Duration) -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!(
            "{pids:?} of process group {} are still there {} s after SIGKILL",
            group.as_raw_pid(),
            waited.as_secs()
        ),
    )
}
