//! Orphans: the harness adopts detached processes of a target, and reaps them when they end.

use std::io;

use rustix::process::{Pid, WaitId, WaitIdOptions};

use super::proc;
use super::tag::RunTag;

/// Makes this process the one that inherits orphaned descendants (a child subreaper), so that they stay
/// visible and their ends can be reaped.
///
/// Meant for a program whose children are all started through this room, as the harness is: an adopted
/// process in a session of its own is reaped, and counts as the run's when its environment is overwritten.
///
/// # Errors
/// If the kernel does not know of it (before Linux 3.4).
pub fn adopt_orphans() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Whether this process adopts orphans.
pub(super) fn are_adopted() -> bool {
    rustix::process::child_subreaper().is_ok_and(|reaper| reaper.is_some())
}

/// Reaps adopted processes of the run that have ended. It never takes the status of a process that was
/// started directly: that belongs to whoever started it. `known` are pids seen to be the run's.
pub(super) fn reap(tag: &RunTag, known: &[i32]) {
    if !are_adopted() {
        return;
    }
    let own = proc::own_pid();
    let (Ok(own_stat), Ok(all)) = (proc::stat(own), proc::all()) else {
        return;
    };
    let is_adopted = |stat: &proc::Stat| {
        let roster = tag.roster();
        !roster.is_leader(stat)
            && (known.contains(&stat.pid)
                || stat.session != own_stat.session
                || roster.place_of(stat).is_some())
    };
    for stat in all {
        if stat.is_zombie && stat.parent == own && is_adopted(&stat) {
            reap_one(stat.pid);
        }
    }
}

fn reap_one(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // Gone already is as good.
        let _ = rustix::process::waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        );
    }
}

/// Reaps ended processes of a group whose leader has been reaped.
pub(super) fn reap_group(group: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    while let Ok(Some(_)) = rustix::process::waitid(WaitId::Pgid(Some(group)), options) {}
}
