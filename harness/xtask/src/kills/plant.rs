//! One thing of each sort, left behind on purpose: what is not counted here would not be counted later.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::left::{self, Place, SORTS};
use super::{WORK, reap};

/// How long the planted process may take to be there, and to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Leaves one of each, sees that each is counted, and takes all of it away.
///
/// # Errors
/// If something is not counted, or the place is not clean before or after.
pub(super) fn try_out(place: &mut Place) -> Result<(), String> {
    expect(place, [0; SORTS.len()])?;
    let run = PathBuf::from(format!("{WORK}/planted"));
    let failed = |error: std::io::Error| format!("nothing can be planted: {error}");
    let own = std::process::id();
    place.harnesses.insert(own as i32);
    let group = PathBuf::from(format!("{}/comeback-{own}-planted", own_group()?));
    let registry = left::registry();
    fs::create_dir_all(run.join("out/data")).map_err(failed)?;
    fs::create_dir(&registry).map_err(failed)?;
    fs::write(format!("{registry}/planted.lease"), "").map_err(failed)?;
    fs::write("/dev/shm/planted", "").map_err(failed)?;
    fs::create_dir(&group).map_err(failed)?;
    let tcp = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
    let unix = UnixListener::bind(run.join("socket")).map_err(failed)?;
    let script = format!(
        "/usr/sbin/nft add table inet planted && ipcmk -M 4096 && mkdir {WORK}/planted/mount && mount -t tmpfs none {WORK}/planted/mount && \
         env -i /bin/sh -c 'cd /; setsid sleep 300 & '"
    );
    shell(&script)?;
    let deadline = Instant::now() + PATIENCE;
    while left::descendants().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    expect(place, [1, 2, 1, 1, 2, 1, 1, 1])?;
    drop((tcp, unix));
    for pid in left::descendants() {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    shell(&format!(
        "/usr/sbin/nft delete table inet planted && ipcrm --all=shm && umount {WORK}/planted/mount && rm -r {WORK}/planted {registry} /dev/shm/planted"
    ))?;
    fs::remove_dir(&group).map_err(failed)?;
    place.harnesses.clear();
    let deadline = Instant::now() + PATIENCE;
    while !left::descendants().is_empty() && Instant::now() < deadline {
        reap();
        std::thread::sleep(Duration::from_millis(5));
    }
    expect(place, [0; SORTS.len()])
}

/// A control group that this process may make others in.
fn own_group() -> Result<String, String> {
    let hierarchies = [
        "/sys/fs/cgroup/freezer",
        "/sys/fs/cgroup/pids",
        "/sys/fs/cgroup",
    ];
    let found = hierarchies
        .iter()
        .find(|path| fs::exists(format!("{path}/cgroup.procs")).unwrap_or_default());
    found
        .map(|&path| path.to_owned())
        .ok_or_else(|| "there are no control groups".to_owned())
}

fn expect(place: &Place, wanted: [usize; SORTS.len()]) -> Result<(), String> {
    let left = place.look().0;
    let counted: Vec<_> = left.iter().map(Vec::len).collect();
    if counted == wanted {
        return Ok(());
    }
    Err(format!(
        "the count is wrong: of {SORTS:?} there are {wanted:?}, and counted were {counted:?}: {left:#?}"
    ))
}

fn shell(script: &str) -> Result<(), String> {
    let status = Command::new("sh")
        .args(["-c", script])
        .stdout(std::process::Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{script}` ended with {status}")),
        Err(error) => Err(format!("sh: {error}")),
    }
}
