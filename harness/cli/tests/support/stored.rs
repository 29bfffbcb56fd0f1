//! Runs to compare others with, copied and spoilt as a test wants.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Run, run};

/// A short comparison of one server, with little load: what it is compared with must have the same.
pub(crate) fn compare(target: &str, more: &[&str]) -> Run {
    let mut words = vec![
        "compare",
        target,
        "--quick",
        "--sessions",
        "30",
        "--rate",
        "100",
        "--out",
        "out",
    ];
    // Known to meet a write in flight, where nothing else is said.
    if !more.contains(&"--seed") {
        words.extend(["--seed", "6"]);
    }
    words.extend(more);
    run(&words)
}

/// What a run is judged by: its journal and operations.
const FILES: [&str; 2] = ["journal.jsonl", "operations.csv"];

/// What stands in the files of a run.
pub(crate) fn contents(run: &Path) -> [Vec<u8>; 2] {
    FILES.map(|name| fs::read(run.join(name)).expect(name))
}

/// A run with these contents.
pub(crate) fn with_contents(contents: &[Vec<u8>; 2]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in FILES.iter().zip(contents) {
        fs::write(folder.path().join(name), content).expect(name);
    }
    folder
}

/// A copy of a run.
pub(crate) fn copy(run: &Path) -> TempDir {
    with_contents(&contents(run))
}

/// The path of a folder as a word of a command.
pub(crate) fn word(folder: &TempDir) -> &str {
    folder.path().to_str().expect("UTF-8")
}

/// The header of a run's journal.
pub(crate) fn header(run: &Path) -> Value {
    let text = fs::read_to_string(run.join("journal.jsonl")).expect("a journal");
    serde_json::from_str(text.lines().next().expect("a header")).expect("JSON")
}

/// Changes the header of a run's journal.
pub(crate) fn edit(run: &Path, change: impl FnOnce(&mut Value)) {
    let path = run.join("journal.jsonl");
    let text = fs::read_to_string(&path).expect("a journal");
    let (_, events) = text.split_once('\n').expect("a header");
    let mut header = header(run);
    change(&mut header);
    fs::write(path, format!("{header}\n{events}")).expect("written");
}
