//! Processes in `/proc`: their family and their environment.
//!
//! Processes come and go while they are read. A process that is gone is left out. That is not an error.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use procfs::prelude::FromRead;
use rustix::io::Errno;

/// How long a process that is executing a program is waited for.
const EXEC_TAKES: Duration = Duration::from_millis(50);
/// Few environments are longer, in bytes.
const ONE_STEP: usize = 128 * 1024;
/// Between two looks at it.
const PAUSE: Duration = Duration::from_micros(200);

/// A process as it stood at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// Clock ticks since the machine's start; with the pid, this names a process for good.
    pub(super) start_time: u64,
    /// It has ended, with all its threads, and waits to be reaped.
    pub(super) is_zombie: bool,
}

/// One process.
///
/// # Errors
/// If there is none with this pid.
pub(super) fn stat(pid: i32) -> io::Result<Stat> {
    let stat = procfs::process::Stat::from_file(format!("/proc/{pid}/stat")).map_err(into_io)?;
    Ok(Stat {
        pid: stat.pid,
        parent: stat.ppid,
        group: stat.pgrp,
        session: stat.session,
        start_time: stat.starttime,
        // A process whose first thread has ended looks like a zombie, and lives on in its others.
        is_zombie: matches!(stat.state, 'Z' | 'X' | 'x') && stat.num_threads <= 1,
    })
}

/// Whether this process ignores SIGCHLD: the kernel then reaps its children, and keeps how they ended to itself.
///
/// # Errors
/// If `/proc` cannot be read.
pub(super) fn ignores_ended_children() -> io::Result<bool> {
    let status = procfs::process::Status::from_file("/proc/self/status").map_err(into_io)?;
    let bit = nix::sys::signal::SIGCHLD as i32 - 1;
    Ok(status.sigign >> bit & 1 == 1)
}

/// The memory that a process has resident, in bytes.
///
/// # Errors
/// If there is none with this pid.
pub(super) fn resident_bytes(pid: i32) -> io::Result<u64> {
    let pages = procfs::process::StatM::from_file(format!("/proc/{pid}/statm")).map_err(into_io)?;
    Ok(pages.resident * rustix::param::page_size() as u64)
}

/// Whether every thread of a process is stopped, by a signal or a tracer, or has ended.
///
/// # Errors
/// `NotFound` when there is none with this pid.
pub(super) fn is_stopped(pid: i32) -> io::Result<bool> {
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = thread?.path().join("stat");
        match procfs::process::Stat::from_file(path).map_err(into_io) {
            Ok(stat) if matches!(stat.state, 'T' | 't' | 'Z' | 'X' | 'x') => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Every process there is.
///
/// # Errors
/// If `/proc` cannot be listed.
pub(super) fn all() -> io::Result<Vec<Stat>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok());
        if let Some(stat) = pid.and_then(|pid| stat(pid).ok()) {
            found.push(stat);
        }
    }
    Ok(found)
}

/// How much of a command line is shown.
const COMMAND_MAX: usize = 200;

/// Program and arguments as a process shows them, in one line and cut where they are long; its name in brackets where it
/// shows none.
pub(super) fn command(pid: i32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&words).replace(['\0', '\n'], " ");
    match text.trim() {
        "" => {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("[{}]", name.trim())
        }
        shown => shown.chars().take(COMMAND_MAX).collect(),
    }
}

/// A process's environment as it lies in its memory: `NAME=value` entries, each ended by a zero byte.
///
/// # Errors
/// If the process is gone, or another user's.
pub(super) fn environment(pid: i32) -> io::Result<Vec<u8>> {
    environment_within(pid, EXEC_TAKES)
}

/// While a process executes a program, the kernel shows it without an environment for a moment. It is asked again, or a
/// process of a run would look like one of another run just then.
fn environment_within(pid: i32, exec_takes: Duration) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + exec_takes;
    let mut is_empty = false;
    loop {
        let found = read_at_once(&format!("/proc/{pid}/environ"))?;
        if !found.is_empty() || Instant::now() >= deadline {
            return Ok(found);
        }
        let stat = procfs::process::Stat::from_file(format!("/proc/{pid}/stat"));
        let stat = stat.map_err(into_io)?;
        // Kernel threads, and processes that are ending, have no memory.
        let is_without = stat.vsize == 0;
        // The kernel sets its begin first, so that a short one is empty at first.
        let was_empty = is_empty;
        is_empty = stat.env_end > Some(0) && stat.env_end == stat.env_start;
        if is_without || (was_empty && is_empty) {
            return Ok(found);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Reads a file of a process in one step, unless it is very long: after an execution, a second step would find its end.
fn read_at_once(path: &str) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let mut found = vec![0; ONE_STEP];
    let length = file.read(&mut found)?;
    found.truncate(length);
    if length == ONE_STEP {
        file.read_to_end(&mut found)?;
    }
    Ok(found)
}

/// The value of a variable of an environment.
pub(super) fn variable<'a>(environment: &'a [u8], name: &str) -> Option<&'a str> {
    environment.split(|byte| *byte == 0).find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(value).ok()
    })
}

/// Whether an environment is as it was at the start: one that a title was written over is padded with zeros to its end,
/// and one that was taken away is empty.
pub(super) fn is_intact(environment: &[u8]) -> bool {
    !environment.is_empty() && !environment.ends_with(b"\0\0")
}

/// The pid namespace that a process is in, as the kernel numbers them: pids of another name other processes.
///
/// # Errors
/// If the process is gone, or another user's.
pub(super) fn pid_namespace(pid: i32) -> io::Result<u64> {
    Ok(fs::metadata(format!("/proc/{pid}/ns/pid"))?.ino())
}

/// The start of the machine that is going on: pids and start times of another one mean nothing.
///
/// # Errors
/// If `/proc` does not tell.
pub(super) fn boot() -> io::Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim().to_owned())
}

/// The time of day at this many clock ticks after the machine's start, to about a second.
pub(super) fn time_of(ticks: u64) -> Option<SystemTime> {
    let booted = SystemTime::UNIX_EPOCH + Duration::from_secs(procfs::boot_time_secs().ok()?);
    Some(booted + Duration::from_secs(ticks / procfs::ticks_per_second().max(1)))
}

/// The parents of a process, nearest first, each with its session.
pub(super) fn ancestors(pid: i32) -> Vec<(i32, i32)> {
    let mut found = Vec::new();
    let mut next = stat(pid).map_or(0, |stat| stat.parent);
    while let Ok(stat) = stat(next) {
        found.push((stat.pid, stat.session));
        next = stat.parent;
    }
    found
}

/// The command line of a process, as one line. Empty if it is gone.
pub(super) fn command_line(pid: i32) -> String {
    arguments(pid).join(" ").trim_end().to_owned()
}

/// The command line of a process. Empty if it is gone.
pub(super) fn arguments(pid: i32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0);
    words
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// How a process ended, as wait(2) has it, if it waits to be reaped and this may be seen. An end with status 0 looks like one that
/// may not be seen.
pub(super) fn wait_status(pid: i32, start_time: u64) -> Option<i32> {
    let stat = procfs::process::Stat::from_file(format!("/proc/{pid}/stat")).ok()?;
    let is_it = stat.starttime == start_time && stat.state == 'Z';
    stat.exit_code.filter(|status| is_it && *status != 0)
}

/// Now, in clock ticks since the machine's start.
pub(super) fn now_in_ticks() -> u64 {
    let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    let per_second = procfs::ticks_per_second();
    part(up.tv_sec) * per_second + part(up.tv_nsec) * per_second / 1_000_000_000
}

/// Where the stack of a process begins, if it may be seen. The kernel draws it at each execution, and a forked process keeps it.
pub(super) fn stack_start(pid: i32) -> Option<u64> {
    let stat = procfs::process::Stat::from_file(format!("/proc/{pid}/stat")).ok()?;
    (stat.startstack > 0).then_some(stat.startstack)
}

/// The file that a process executes, if it may be seen. It may be gone by now.
pub(super) fn executable(pid: i32) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let text = path.to_str()?;
    Some(text.strip_suffix(" (deleted)").unwrap_or(text).into())
}

/// The user that a process runs as.
pub(super) fn owner(pid: i32) -> Option<u32> {
    fs::metadata(format!("/proc/{pid}"))
        .ok()
        .map(|found| found.uid())
}

/// The users that a process may act as: its real, effective, saved and file system user. Empty if it is gone.
pub(super) fn users(pid: i32) -> Vec<u32> {
    let status = procfs::process::Status::from_file(format!("/proc/{pid}/status"));
    status.map_or_else(
        |_| Vec::new(),
        |status| vec![status.ruid, status.euid, status.suid, status.fuid],
    )
}

/// The pid of this process.
pub(super) fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_pid()
}

pub(super) fn into_io(error: procfs::ProcError) -> io::Error {
    match error {
        // It ended between the opening and the reading of its file.
        procfs::ProcError::Io(error, _)
            if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) =>
        {
            io::ErrorKind::NotFound.into()
        }
        procfs::ProcError::Io(error, _) => error,
        procfs::ProcError::NotFound(_) => io::ErrorKind::NotFound.into(),
        procfs::ProcError::PermissionDenied(_) => io::ErrorKind::PermissionDenied.into(),
        other => io::Error::other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environment = b"XCOMEBACK_RUN=no\0COMEBACK_RUN=yes=1\0COMEBACK_RUNNER=no\0";
        assert_eq!(variable(environment, "COMEBACK_RUN"), Some("yes=1"));
        assert_eq!(variable(environment, "COMEBACK"), None);
    }

    #[test]
    fn a_process_shows_its_environment_also_while_it_executes_a_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("again.sh");
        fs::write(&script, "exec sh \"$0\"").expect("it is written");
        let mut child = std::process::Command::new("sh")
            .arg(&script)
            .env("MARK", "yes")
            .spawn()
            .expect("there is a shell");
        let pid = child.id().cast_signed();
        let seen: Vec<_> = (0..1_000)
            .map(|_| environment_within(pid, Duration::from_secs(60)).expect("it runs"))
            .filter(|found| variable(found, "MARK") != Some("yes"))
            .collect();
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert!(seen.is_empty(), "{} times: {:?}", seen.len(), seen[0]);
        // One that has none is not waited for.
        let mut bare = std::process::Command::new("sleep");
        let mut bare = bare.arg("60").env_clear().spawn().expect("it is there");
        let begun = Instant::now();
        let found = environment_within(bare.id().cast_signed(), Duration::from_secs(600));
        bare.kill().expect("it runs");
        bare.wait().expect("it ends");
        assert_eq!(found.expect("it runs"), b"");
        assert!(begun.elapsed() < Duration::from_secs(300));
    }

    #[test]
    fn this_process_is_among_all() {
        let own = stat(own_pid()).expect("it runs");
        assert!(!own.is_zombie);
        let listed = all().expect("/proc is there");
        let same = |other: &Stat| other.pid == own.pid && other.start_time == own.start_time;
        assert!(listed.iter().any(same));
    }
}
