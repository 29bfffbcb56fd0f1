//! A git repository of a user, with a server in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The server, with its sessions in memory.
const SERVER: &str = include_str!("../data/sessions.py");
/// How the server is told from one that keeps its sessions.
const IN_MEMORY: &str = "STORE = False";
const IN_A_FILE: &str = "STORE = True";

/// A repository, and a folder for temporary files beside it.
pub(crate) struct Repository {
    folder: TempDir,
}

impl Repository {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = Self { folder };
        for place in ["repository", "temporary"] {
            std::fs::create_dir(repository.folder.path().join(place)).expect("it is made");
        }
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository
    }

    /// Its working tree.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// Where temporary files go.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.folder.path().join("temporary")
    }

    /// The folder around both.
    pub(crate) fn around(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("it is written");
    }

    /// Writes the server, with its sessions in memory or in a file.
    #[allow(dead_code, reason = "each test file uses its part")]
    pub(crate) fn write_server(&self, keeps: bool) {
        let storage = if keeps { IN_A_FILE } else { IN_MEMORY };
        self.write("server.py", &SERVER.replace(IN_MEMORY, storage));
    }

    /// Commits everything; the same content always gets the same hash.
    pub(crate) fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "A version"]);
    }

    /// What git prints.
    pub(crate) fn git(&self, words: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(words).current_dir(self.path());
        for (name, value) in [
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.org"),
            ("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.org"),
            ("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z"),
        ] {
            command.env(name, value);
        }
        let output = command.output().expect("git starts");
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Whether git knows of no other working tree, and no temporary file is left.
    pub(crate) fn is_clean(&self) -> bool {
        let trees = self.git(&["worktree", "list"]);
        let mut left = std::fs::read_dir(self.temporary()).expect("it is there");
        trees.lines().count() == 1 && left.next().is_none()
    }
}
