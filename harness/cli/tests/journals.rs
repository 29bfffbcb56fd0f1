//! Stored journals of every kind keep their summaries, byte for byte: what changes one of them changes a number that
//! somebody has published. `tests/data/journals/make.sh` writes them anew where that is meant.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::Command;

use comeback_analysis::measure;
use comeback_model::journal::{self, Journal};

use support::command;

/// Operations of a run that does not fit into the memory below: an operation takes 160 bytes.
const OPERATIONS: usize = 640_000;
/// Room for the program, for two trials and for charts, in bytes.
const MOST_MEMORY: usize = 80 * 1024 * 1024;

/// The folders of the stored journals.
fn stored() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals");
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut journals: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    journals.sort();
    journals
}

/// The summary that `comeback report` writes for a copy of a journal.
fn summary_of(journal: &Path) -> String {
    let work = tempfile::tempdir().unwrap();
    // The folder's name is told in no summary, but let it be the same.
    let copy = work.path().join(journal.file_name().unwrap());
    fs::create_dir(&copy).unwrap();
    for file in ["journal.jsonl", "operations.csv"] {
        fs::copy(journal.join(file), copy.join(file)).unwrap();
    }
    let words = ["report".as_ref(), copy.as_os_str()];
    let told = command(work.path(), &words).output().unwrap();
    let summary = fs::read_to_string(copy.join("summary.json"));
    summary.unwrap_or_else(|error| panic!("{error}: {}", support::said(&told)))
}

#[test]
fn stored_journals_keep_their_summaries() {
    let journals = stored();
    assert!(journals.len() >= 12, "{journals:?}");
    for journal in journals {
        let expected = fs::read_to_string(journal.join("summary.json")).unwrap();
        let found = summary_of(&journal);
        let mut lines = expected.lines().zip(found.lines());
        let differing = lines.find(|(expected, found)| expected != found);
        assert_eq!(differing, None, "{}", journal.display());
        assert_eq!(expected, found, "{}", journal.display());
    }
}

/// A stored run, all of it in memory at once.
fn read_at_once(folder: &Path) -> Journal {
    let open = |name| BufReader::new(File::open(folder.join(name)).unwrap());
    journal::read(open("journal.jsonl"), open("operations.csv")).unwrap()
}

#[test]
fn stored_journals_are_understood_trial_by_trial_as_at_once() {
    for folder in stored() {
        let at_once = measure::analyze(&read_at_once(&folder));
        let by_trial = comeback_runs::read::analyze(&folder).unwrap();
        let (at_once, by_trial) = (format!("{at_once:?}"), format!("{by_trial:?}"));
        assert!(at_once == by_trial, "{}", folder.display());
    }
}

#[test]
fn memory_depends_on_a_trial_and_not_on_the_run() {
    let compare = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals/compare");
    let work = tempfile::tempdir().unwrap();
    let run = work.path().join("run");
    fs::create_dir(&run).unwrap();
    let create = |name| BufWriter::new(File::create(run.join(name)).unwrap());
    let (lines, rows) = (create("journal.jsonl"), create("operations.csv"));
    journal::write_enlarged(read_at_once(&compare), (64, OPERATIONS), lines, rows).unwrap();
    for words in [&["report"][..], &["export", "--out", "operations.csv"]] {
        let told = Command::new("sh")
            .args(["-c", r#"ulimit -d "$1" && shift && exec "$@""#, "sh"])
            .arg((MOST_MEMORY / 1024).to_string())
            .arg(support::PROGRAM)
            .args(words)
            .arg(&run)
            .current_dir(work.path())
            .output()
            .unwrap();
        let said = support::said(&told);
        assert_eq!(told.status.code(), Some(0), "{words:?}: {said}");
    }
}

/// What was recorded, each with its time and type.
fn recorded(lines: &str) -> Vec<(u64, String)> {
    let events = lines.lines().map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let kind = event["kind"]["type"].as_str().unwrap();
        (event["at_us"].as_u64().unwrap(), kind.to_owned())
    });
    events.collect()
}

#[test]
fn an_export_of_events_holds_every_event() {
    for journal in stored() {
        let words = ["export", "--format", "events"].map(AsRef::as_ref);
        let words: Vec<_> = words.into_iter().chain([journal.as_os_str()]).collect();
        let told = command(&journal, &words).output().unwrap();
        if !told.status.success() {
            let said = support::said(&told);
            assert!(journal.ends_with("torn"), "{}: {said}", journal.display());
            continue;
        }
        let exported = String::from_utf8(told.stdout).unwrap();
        let stored = fs::read_to_string(journal.join("journal.jsonl")).unwrap();
        // The first line is the header; the last one may be torn.
        let (_, events) = stored.split_once('\n').unwrap();
        let whole = events.rsplit_once('\n').map_or("", |(whole, _)| whole);
        assert_eq!(
            recorded(&exported),
            recorded(whole),
            "{}",
            journal.display()
        );
    }
}

#[test]
fn charts_for_a_paper_have_their_size_their_font_and_their_figures() {
    let work = tempfile::tempdir().unwrap();
    let run = work.path().join("run");
    fs::create_dir(&run).unwrap();
    let journal = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals/compare");
    for file in ["journal.jsonl", "operations.csv"] {
        fs::copy(journal.join(file), run.join(file)).unwrap();
    }
    let report = |words: &str| {
        let words = ["report", "run"].into_iter().chain(words.split(' '));
        let words: Vec<&str> = words.collect();
        command(work.path(), &words).output().unwrap()
    };
    let told = report("--charts svg,pdf --size 85mm --theme dark --no-title --out figures");
    assert!(told.status.success(), "{}", support::said(&told));
    let read = |name: &str| fs::read(work.path().join("figures").join(name)).unwrap();
    let svg = String::from_utf8(read("timeline.svg")).unwrap();
    assert!(svg.starts_with("<svg width=\"85mm\""), "{svg:.200}");
    let pdf = read("timeline.pdf");
    assert!(pdf.starts_with(b"%PDF-"));
    let text = String::from_utf8_lossy(&pdf);
    assert!(text.contains("/FontFile2") && text.contains("/MediaBox"));
    assert!(read("timeline.csv").starts_with(b"arm,series,trial,"));
    for (words, problem) in [
        ("--charts gif", "no format of charts"),
        ("--charts pdf --size 85", "is no length"),
        ("--charts pdf --size 85mmx10mm", "cannot be the side"),
        ("--charts pdf --size 85mm --font-size 40", "take a size of"),
        ("--charts pdf --size 85mmx20mm", "needs a height of"),
        ("--size 85mm", "--charts"),
        ("--out figures", "--charts"),
    ] {
        let told = report(words);
        let said = support::said(&told);
        assert_eq!(told.status.code(), Some(2), "{words}: {said}");
        assert!(said.contains(problem), "{words}: {said}");
    }
}
