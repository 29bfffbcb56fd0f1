//! How to undo what a run does to this machine outside its own processes and folders: a command, written down before that is
//! done. The harness carries it out itself, or its warden, or `comeback cleanup`, or a person.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long it is tried: what is busy is free when its last process has ended.
const WITHIN: Duration = Duration::from_secs(2);
/// Between two tries, and between two looks at one.
const PAUSE: Duration = Duration::from_millis(5);

/// The variables by which git is told of another repository than that of its folder: within a hook they are set.
pub const GIT_VARIABLES: &str =
    "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_COMMON_DIR GIT_OBJECT_DIRECTORY GIT_PREFIX";

/// A command for `/bin/sh`, in one line. It succeeds if there is nothing to undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo(String);

impl Undo {
    /// This command.
    ///
    /// # Errors
    /// If it is not one line.
    pub fn new(command: &str) -> io::Result<Self> {
        let command = command.trim();
        match command.is_empty() || command.contains(['\n', '\r', '\0']) {
            true => Err(io::ErrorKind::InvalidInput.into()),
            false => Ok(Self(command.to_owned())),
        }
    }

    /// Removes an empty folder, such as a control group.
    ///
    /// # Errors
    /// If its path is not one line of text.
    pub fn remove_folder(path: &Path) -> io::Result<Self> {
        let path = quoted(path.as_os_str())?;
        Self::new(&format!("[ ! -d {path} ] || rmdir {path}"))
    }

    /// Lets a process go on that was stopped where it was (SIGSTOP), if it is still the one that began at this time, in clock ticks
    /// since the machine's start.
    ///
    /// # Errors
    /// None.
    pub fn resume(pid: i32, start_time: u64) -> io::Result<Self> {
        // The start is the 20th word behind the name, which is in parentheses and may hold anything.
        Self::new(&format!(
            "[ ! -e /proc/{pid}/stat ] || ( s=$(cat /proc/{pid}/stat); set -f; set -- ${{s##*\") \"}}; [ \"${{20}}\" != {start_time} ] || \
             kill -CONT {pid} )"
        ))
    }

    /// Unmounts what is mounted at a path, which is as the kernel names it: without links. Whoever waits for a file system that is
    /// a process is answered with an error: it could not even be killed before, and that process no more than others.
    ///
    /// # Errors
    /// If the path is not one line of text.
    pub fn unmount(path: &Path) -> io::Result<Self> {
        let point = quoted(path.as_os_str())?;
        let text = path.to_str().ok_or(io::ErrorKind::InvalidInput)?;
        // As /proc writes it.
        let text = text
            .replace('\\', "\\134")
            .replace(' ', "\\040")
            .replace('\t', "\\011");
        let listed = quoted(OsStr::new(&format!(" {text} ")))?;
        // None of both commands looks at the path itself: the process of a file system may be gone.
        Self::new(&format!(
            "! grep -qF {listed} /proc/self/mountinfo || umount -f -l {point}"
        ))
    }

    /// Takes a working tree out of a git repository. Its files are moved aside, to the same path with `.gone` at its end:
    /// removing them may take long.
    ///
    /// # Errors
    /// If a path is not one line of text.
    pub fn detach_worktree(repository: &Path, worktree: &Path) -> io::Result<Self> {
        let gone = quoted(&[worktree.as_os_str(), OsStr::new(".gone")].join(OsStr::new("")))?;
        let line = OsStr::new("worktree ");
        let listed = quoted(&[line, worktree.as_os_str()].join(OsStr::new("")))?;
        let tree = quoted(worktree.as_os_str())?;
        let git = format!("git -C {}", quoted(repository.as_os_str())?);
        Self::new(&format!(
            "unset {GIT_VARIABLES}; [ ! -d {tree} ] || mv {tree} {gone}; \
             ! {git} worktree list --porcelain | grep -qxF {listed} || {git} worktree remove -f -f {tree}"
        ))
    }

    /// The command.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Carries it out, more than once if it fails at first. It takes no longer than two seconds.
    ///
    /// # Errors
    /// With how it ended last; that it was still under way, only where it never ended.
    pub fn run(&self) -> io::Result<()> {
        let deadline = Instant::now() + WITHIN;
        let mut ended = None;
        loop {
            let Err(error) = self.try_until(deadline) else {
                return Ok(());
            };
            let last = match error.kind() {
                io::ErrorKind::TimedOut => ended.unwrap_or(error),
                _ => error,
            };
            if Instant::now() >= deadline {
                return Err(last);
            }
            ended = Some(last);
            std::thread::sleep(PAUSE);
        }
    }

    fn try_until(&self, deadline: Instant) -> io::Result<()> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &self.0]).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::null()).spawn()?;
        loop {
            match child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(io::Error::other(status.to_string())),
                None if Instant::now() >= deadline => {
                    child.kill()?;
                    child.wait()?;
                    return Err(io::ErrorKind::TimedOut.into());
                }
                None => std::thread::sleep(PAUSE),
            }
        }
    }
}

/// A path as a word for a shell.
fn quoted(path: &OsStr) -> io::Result<String> {
    let path = path.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    Ok(format!("'{}'", path.replace('\'', r"'\''")))
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_removed_whatever_its_name_and_need_not_be_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("it's $HOME; a `folder`");
        let undo = Undo::remove_folder(&path).expect("it is one line");
        undo.run().expect("there is nothing to undo");
        std::fs::create_dir(&path).expect("it is made");
        undo.run().expect("it is removed");
        assert!(!path.exists());
    }

    #[test]
    fn where_nothing_is_mounted_nothing_is_unmounted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("it's a\\folder");
        let undo = Undo::unmount(&path).expect("it is one line");
        let command = undo.as_str();
        assert!(command.contains("\\040a\\134folder"), "{command}");
        undo.run().expect("there is nothing to undo");
    }

    #[test]
    fn what_is_more_than_a_line_is_no_command() {
        assert!(Undo::new("true\nfalse").is_err());
        assert!(Undo::new(" ").is_err());
        assert_eq!(Undo::new(" true ").expect("it is").as_str(), "true");
    }

    #[test]
    fn a_command_that_fails_says_how() {
        let refused = Undo::new("exit 3").expect("it is").run();
        assert!(refused.expect_err("it fails").to_string().contains('3'));
    }
}
