//! Whether a process is ending: SIGKILL is pending, its end has begun, or it dumps core. A large process takes a while for that.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// How much of a file is read in one step.
const ONE_STEP: usize = 4096;

/// What `/proc` says of a process. The files are open, so that a look is quick, and is never at another process.
#[derive(Debug)]
pub(super) struct Vitals {
    pid: i32,
    status: Option<File>,
    stat: Option<File>,
}

impl Vitals {
    /// Those of a process. Of one that is gone nothing is said.
    pub(super) fn open(pid: i32) -> Self {
        let open = |file: &str| File::open(format!("/proc/{pid}/{file}")).ok();
        Self {
            pid,
            status: open("status"),
            stat: open("stat"),
        }
    }

    /// Whether it is ending.
    pub(super) fn is_dying(&self) -> bool {
        let status = self.status.as_ref().map_or_else(String::new, read);
        let stat = self.stat.as_ref().map_or_else(String::new, read);
        let goes_on = || lives_in_others(&stat) && !self.others_are_dying();
        is_killed(&status) || dumps_core(&status) || (is_ending(&stat) && !goes_on())
    }

    /// Whether all threads are ending but the first, which has ended.
    fn others_are_dying(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid)) else {
            return true;
        };
        let text = |thread: &fs::DirEntry, file: &str| {
            fs::read_to_string(thread.path().join(file)).unwrap_or_default()
        };
        let is_dying = |thread: fs::DirEntry| {
            let stat = text(&thread, "stat");
            stat.is_empty() || is_ending(&stat) || is_killed(&text(&thread, "status"))
        };
        threads.flatten().all(is_dying)
    }
}

/// Whether a process is ending.
pub(super) fn is_dying(pid: i32) -> bool {
    Vitals::open(pid).is_dying()
}

/// What a file says now; nothing where its process is gone. The kernel fills what it is given, and writes the file anew for each step.
fn read(file: &File) -> String {
    let mut text = Vec::with_capacity(ONE_STEP);
    let mut part = [0; ONE_STEP];
    while let Ok(length) = file.read_at(&mut part, text.len() as u64) {
        text.extend_from_slice(&part[..length]);
        if length < ONE_STEP {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn dumps_core(status: &str) -> bool {
    let mut words = status
        .lines()
        .filter_map(|line| line.strip_prefix("CoreDumping:"));
    words.any(|word| word.trim() == "1")
}

/// Whether SIGKILL is pending, for the thread or for all of them.
fn is_killed(status: &str) -> bool {
    const KILL: u64 = 1 << 8;
    let pending = status.lines().filter_map(|line| {
        line.strip_prefix("SigPnd:")
            .or(line.strip_prefix("ShdPnd:"))
    });
    let mut masks = pending.filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    masks.any(|mask| mask & KILL != 0)
}

/// Whether the kernel's flags of a thread say that it exits.
fn is_ending(stat: &str) -> bool {
    const EXITING: u64 = 0x4;
    let flags = field(stat, 9).and_then(|flags| flags.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & EXITING != 0)
}

/// Whether the first thread of a process has ended, and there are others.
fn lives_in_others(stat: &str) -> bool {
    let threads = field(stat, 20).and_then(|threads| threads.parse::<u32>().ok());
    field(stat, 3) == Some("Z") && threads > Some(1)
}

/// A field of `stat`, by its number in proc(5); the first two are none.
fn field(stat: &str, number: usize) -> Option<&str> {
    // The name, which is the second, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(number.checked_sub(3)?)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::proc;

    #[test]
    fn a_process_that_dies_is_told_from_one_that_lives() {
        assert!(is_killed(
            "Name:\tx\nSigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n"
        ));
        assert!(is_killed(
            "SigPnd:\t0000000000000000\nShdPnd:\t0000000000004100\n"
        ));
        assert!(!is_killed(
            "SigPnd:\t0000000000004000\nSigBlk:\t0000000000000100\n"
        ));
        assert!(is_ending("7 (a) b) R 1 7 7 0 -1 4194308 0 0"));
        assert!(!is_ending("7 (a) b) R 1 7 7 0 -1 4194304 0 0"));
        assert!(dumps_core("Name:\tx\nCoreDumping:\t1\n"));
        assert!(!dumps_core("Name:\tx\nCoreDumping:\t0\n"));
        assert!(!is_dying(proc::own_pid()));
    }

    #[test]
    fn a_process_whose_first_thread_has_ended_lives_on_in_the_others() {
        let threads = |state: &str, count: u32| {
            format!("7 (a) b) {state} 1 7 7 0 -1 4194308 1 2 3 4 5 6 7 8 9 10 {count} 0 0")
        };
        assert!(lives_in_others(&threads("Z", 2)));
        assert!(!lives_in_others(&threads("Z", 1)));
        assert!(!lives_in_others(&threads("S", 2)));
        let script = "import ctypes, threading, time\n\
             threading.Thread(target=time.sleep, args=(600,)).start()\n\
             ctypes.CDLL(None).pthread_exit(None)\n";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is there");
        let pid = child.id().cast_signed();
        let vitals = Vitals::open(pid);
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut has_ended = false;
        while !has_ended {
            assert!(Instant::now() < deadline, "its first thread goes on");
            std::thread::sleep(Duration::from_millis(2));
            let stat = vitals.stat.as_ref().map(read).unwrap_or_default();
            has_ended = lives_in_others(&stat);
        }
        let is_dying = vitals.is_dying();
        child.kill().expect("it is there");
        child.wait().expect("it ends");
        assert!(!is_dying);
    }
}
