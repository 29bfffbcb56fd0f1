//! What this machine lets a process change of the limits of others.

use std::io;

use rustix::process::{Pid, Resource, getrlimit, prlimit};

/// Tries to set a process's own limit of open descriptors as it would set another's, to what it is.
///
/// # Errors
/// With what the system says instead.
pub fn try_prlimit() -> io::Result<()> {
    let own: Pid = rustix::process::getpid();
    let limits = getrlimit(Resource::Nofile);
    prlimit(Some(own), Resource::Nofile, limits)?;
    // By which it is read back.
    std::fs::metadata("/proc/self/limits")?;
    Ok(())
}
