//! A control group for each run. Everything that the run starts begins in it, and cannot leave it by a fork, a new session, or
//! another environment. If this process may not create one, a run works without it (see `comeback doctor`).
//!
//! The program enters the group itself, so that no process starts outside it. The library must not move the process of a test.
//! There, each target is moved right after its start.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use comeback_host::cgroups::own_group;
use rustix::fs::{Access, access};

/// The file of a group that lists its processes, and that they are moved by.
const PROCESSES: &str = "cgroup.procs";
/// The file of a group of version 2 that kills all of it in one step.
const KILL: &str = "cgroup.kill";
/// Hierarchies of version 1 that put no condition on who is in them.
const PLAIN: [&str; 2] = ["freezer", "pids"];
/// How long the kernel may take to see that a group is empty.
const EMPTY_WITHIN: Duration = Duration::from_secs(1);

/// The control group of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes one for the run of this name, in the group that this process is in; none where that is not allowed.
    pub(super) fn create(run: &str) -> Option<Self> {
        hierarchies().find_map(|own| {
            // To move a process takes the right to write this file of the group above both.
            access(own.join(PROCESSES), Access::WRITE_OK).ok()?;
            let path = own.join(name_of(run));
            fs::create_dir(&path).ok()?;
            Some(Self { path })
        })
    }

    /// The one that a run of this name made here; another folder is none.
    pub(super) fn of_run(run: &str, path: &Path) -> Option<Self> {
        let is_named = path.file_name().is_some_and(|name| *name == *name_of(run));
        let found = is_named && path.join(PROCESSES).is_file();
        found.then(|| Self {
            path: path.to_owned(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves this process in.
    pub(super) fn enter(&self) -> io::Result<()> {
        self.join(0)
    }

    /// Moves this process back to the group above.
    pub(super) fn leave(&self) -> io::Result<()> {
        let above = self.path.parent().ok_or(io::ErrorKind::NotFound)?;
        write(&above.join(PROCESSES), 0)
    }

    /// Moves a process in; 0 is this one.
    pub(super) fn join(&self, pid: i32) -> io::Result<()> {
        write(&self.path.join(PROCESSES), pid)
    }

    /// The processes in it, and in groups that they made below it.
    pub(super) fn processes(&self) -> Vec<i32> {
        let mut found = Vec::new();
        for folder in self.folders() {
            let list = fs::read_to_string(folder.join(PROCESSES)).unwrap_or_default();
            found.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
        // Those of another pid namespace are listed as 0.
        found.retain(|pid| *pid > 0);
        found
    }

    /// Whether it contains no process, of any pid namespace.
    pub(super) fn is_empty(&self) -> bool {
        let is_empty = |folder: &PathBuf| {
            fs::read_to_string(folder.join(PROCESSES)).is_ok_and(|list| list.trim().is_empty())
        };
        self.folders().iter().all(is_empty)
    }

    /// Kills all of it in one step, where the kernel can: before Linux 5.14, and in version 1, it cannot.
    pub(super) fn kill(&self) {
        if let Ok(mut file) = fs::OpenOptions::new()
            .write(true)
            .open(self.path.join(KILL))
        {
            // The remaining processes are killed one by one.
            let _ = file.write_all(b"1");
        }
    }

    /// Removes it, when nothing is in it.
    pub(super) fn remove(&self) -> io::Result<()> {
        let deadline = Instant::now() + EMPTY_WITHIN;
        loop {
            let removed = self.folders().iter().rev().try_for_each(fs::remove_dir);
            match removed {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(_) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                done => return done,
            }
        }
    }

    /// Its folder and those below it, parents first.
    fn folders(&self) -> Vec<PathBuf> {
        let mut found = vec![self.path.clone()];
        let mut next = 0;
        while next < found.len() {
            let entries = fs::read_dir(&found[next]).into_iter().flatten().flatten();
            let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let folders: Vec<_> = folders.map(|entry| entry.path()).collect();
            found.extend(folders);
            next += 1;
        }
        found
    }
}

/// What this process may do, tried with a process that is moved.
///
/// # Errors
/// If no group can be made, or a process cannot be moved.
pub fn try_out() -> io::Result<String> {
    let group = Cgroup::create(&format!("doctor-{}", std::process::id()))
        .ok_or_else(|| io::Error::other("no control group can be created here"))?;
    let tried = || {
        let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
        let moved = group.join(child.id() as i32);
        let is_unified = group.path.join(KILL).exists();
        child.kill()?;
        child.wait()?;
        moved.map(|()| is_unified)
    };
    let is_unified = tried();
    group.remove()?;
    Ok(match is_unified? {
        true => "a control group that is killed in one step".to_owned(),
        false => "a control group".to_owned(),
    })
}

fn name_of(run: &str) -> String {
    format!("comeback-{run}")
}

fn write(list: &Path, pid: i32) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(list)?;
    file.write_all(pid.to_string().as_bytes())
}

/// The groups that this process is in, of version 2 before those of version 1.
fn hierarchies() -> impl Iterator<Item = PathBuf> {
    let wanted = [""].into_iter().chain(PLAIN);
    wanted.filter_map(own_group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_another_name_is_no_group_of_the_run() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(PROCESSES), "1\n").expect("it is written");
        assert_eq!(Cgroup::of_run("1-2-00000003", folder.path()), None);
    }
}
