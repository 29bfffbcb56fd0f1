//! The files of a revision: a working tree of the user's repository in a temporary folder, for as long as a run takes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use comeback_host::undo::Undo;
use comeback_supervise::custody::{Custody, Host};
use comeback_supervise::scratch;
use comeback_supervise::tag::RunTag;
use comeback_supervise::variables::RUN_VARIABLE;

use crate::git::{git, output, without_git};
use crate::{CliError, warn};

/// How much of a failed build's output is shown, in lines.
const LINES_MAX: usize = 20;
/// The end of a build's output in which they are looked for, in bytes.
const TAIL_MAX: usize = 16 * 1024;

/// A working tree of a revision. Dropping it removes it; if this process is killed, its warden does.
#[derive(Debug)]
#[must_use = "it is removed when it is dropped"]
pub(crate) struct Worktree {
    tag: RunTag,
    custody: Option<Custody>,
    /// The folder around it.
    scratch: PathBuf,
    tree: PathBuf,
}

impl Worktree {
    /// Checks a commit out. Neither the files nor the index of the repository's own working tree are touched.
    pub(crate) fn add(repository: &Path, commit: &str) -> Result<Self, CliError> {
        let tag = RunTag::new()?;
        // As git will name it: without links.
        let folder = std::env::temp_dir().canonicalize()?;
        let scratch = folder.join(format!("comeback-against-{tag}"));
        let tree = scratch.join("tree");
        let custody = Custody::begin(Host::Guest, &tag, &scratch)?;
        let added = Self {
            tag,
            custody: Some(custody),
            scratch,
            tree,
        };
        added
            .tag
            .lease(Undo::detach_worktree(repository, &added.tree)?)?;
        let mut command = git(repository);
        command
            .args(["worktree", "add", "--quiet", "--detach"])
            .arg(&added.tree)
            .arg(commit)
            .env(RUN_VARIABLE, added.tag.as_str());
        output(command)
            .map_err(|why| CliError::Usage(format!("--against: git cannot check it out: {why}")))?;
        Ok(added)
    }

    /// Its files.
    pub(crate) fn path(&self) -> &Path {
        &self.tree
    }

    /// Runs a build command in a folder. It is ended with this process. Fails with how it ended and its last lines.
    pub(crate) fn build(&self, words: &[String], folder: &Path) -> Result<(), String> {
        let log = self.scratch.join("build.log");
        let started = || {
            let output = File::create(&log)?;
            let mut command = Command::new(program_in(folder, &words[0]));
            without_git(&mut command)
                .args(&words[1..])
                .current_dir(folder)
                .env(RUN_VARIABLE, self.tag.as_str())
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output)
                .status()
        };
        match started() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{status}{}", last_lines(&log))),
            Err(error) => Err(format!("it could not be started: {error}")),
        }
    }

    fn remove(&mut self) -> io::Result<()> {
        let Some(custody) = self.custody.take() else {
            return Ok(());
        };
        let left = self.tag.undo_all();
        // What the warden finds is little then: it has a time limit.
        let removed = match left.is_empty() {
            true => scratch::remove_tree(&self.tree.with_extension("gone")),
            false => Ok(()),
        };
        custody.end()?;
        match self.scratch.exists() {
            true => {
                removed.map_err(io::Error::other)?;
                Err(io::Error::other("something in it could not be removed"))
            }
            // Whatever went wrong before.
            false => Ok(()),
        }
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            warn(&format!(
                "--against: {} is left behind ({error}): `comeback cleanup --yes` removes it",
                self.scratch.display()
            ));
        }
    }
}

/// A program that is named by a path lies in the folder where it is started.
fn program_in(folder: &Path, name: &str) -> PathBuf {
    match name.contains('/') {
        true => folder.join(name),
        false => PathBuf::from(name),
    }
}

/// The last lines of a build's output, each on a line of its own.
fn last_lines(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL_MAX)..]).into_owned();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(LINES_MAX)..];
    last.iter().map(|line| format!("\n  | {line}")).collect()
}
