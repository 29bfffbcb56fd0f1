//! git, as this program asks it: without hooks, locks and the variables of a hook that it may run in. Called by `--against`, and
//! by every run, which notes the revision of its folder.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use comeback_host::undo::GIT_VARIABLES;
use comeback_model::journal::Revision;

/// How long a run waits for git to tell its revision. A large repository on a cold disk takes a second or two.
const REVISION_WITHIN: Duration = Duration::from_secs(5);

/// The revision of a folder. None where git is not installed, the folder is in no repository, there is no commit, or git does not
/// answer in time: no run fails for it.
pub(crate) fn revision_of(folder: &Path) -> Option<Revision> {
    let until = Instant::now() + REVISION_WITHIN;
    let commit = said_until(folder, &["rev-parse", "--verify", "HEAD"], until)?;
    let commit = commit.trim();
    if commit.is_empty() || !commit.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    // What git does not track, such as the folders of runs, makes nothing dirty.
    let changed = ["status", "--porcelain", "--untracked-files=no"];
    let changed = said_until(folder, &changed, until)?;
    Some(Revision {
        commit: commit.to_owned(),
        dirty: !changed.is_empty(),
    })
}

/// What git prints, if it succeeds until then. Otherwise it is ended.
fn said_until(folder: &Path, words: &[&str], until: Instant) -> Option<String> {
    let mut child = git(folder)
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut printed = child.stdout.take()?;
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        printed.read_to_end(&mut bytes).map(|_| bytes)
    });
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(1)),
            Ok(None) | Err(_) => break None,
        }
    };
    let Some(status) = status else {
        // It may have ended meanwhile. What it started may still hold the pipe, so the thread is left to itself.
        let _ = child.kill();
        let _ = child.wait();
        return None;
    };
    let bytes = reading.join().ok()?.ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    status.success().then_some(text)
}

/// git in a folder: without the hooks and the file monitor that a repository may ask for.
pub(crate) fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    without_git(&mut command)
        .arg("--no-optional-locks")
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.fsmonitor=false",
        ])
        .arg("-C")
        .arg(folder)
        // Its complaints are read.
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

/// Within a hook, git's variables name the repository of the hook.
pub(crate) fn without_git(command: &mut Command) -> &mut Command {
    for name in GIT_VARIABLES.split(' ') {
        command.env_remove(name);
    }
    command
}

/// What it prints, without the last end of a line; or what it complained of.
pub(crate) fn output(mut command: Command) -> Result<OsString, String> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "git was not found in PATH: install it".to_owned(),
        _ => format!("git could not be started: {error}"),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let problem = said.lines().find_map(|line| line.strip_prefix("fatal: "));
        let last = || said.lines().rfind(|line| !line.trim().is_empty());
        let problem = problem.or_else(last);
        // Where git looked for a repository is no news.
        let problem = problem.and_then(|line| line.split(" (or any").next());
        return Err(problem.map_or_else(|| format!("git: {}", output.status), str::to_owned));
    }
    let mut bytes = output.stdout;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(OsString::from_vec(bytes))
}

/// Asks git something in a folder.
pub(crate) fn ask<W: AsRef<OsStr>>(folder: &Path, words: &[W]) -> Result<OsString, String> {
    let mut command = git(folder);
    command.args(words);
    output(command)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn the_revision_of_a_folder_is_its_commit_and_whether_tracked_files_differ() {
        let folder = tempfile::tempdir().unwrap();
        let run = |words: &[&str]| {
            let mut command = git(folder.path());
            command.args(["-c", "user.name=a", "-c", "user.email=a@localhost"]);
            command.args(words);
            output(command).unwrap()
        };
        assert_eq!(revision_of(folder.path()), None, "it is in no repository");
        run(&["init", "--quiet"]);
        assert_eq!(revision_of(folder.path()), None, "there is no commit");
        let file = folder.path().join("server.py");
        std::fs::write(&file, "one").unwrap();
        run(&["add", "--all"]);
        run(&["commit", "--quiet", "--message", "one"]);
        std::fs::create_dir(folder.path().join("comeback-runs")).unwrap();
        std::fs::write(folder.path().join("comeback-runs/x"), "").unwrap();
        let clean = revision_of(folder.path()).unwrap();
        assert_eq!(clean.commit, run(&["rev-parse", "HEAD"]).to_str().unwrap());
        assert!(!clean.dirty, "what git does not track is no change");
        std::fs::write(&file, "two, longer").unwrap();
        let dirty = revision_of(folder.path()).unwrap();
        assert_eq!((&dirty.commit, dirty.dirty), (&clean.commit, true));
    }
}
