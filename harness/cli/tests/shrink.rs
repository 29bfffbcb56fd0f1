//! `comeback shrink` on servers that lose something only in certain pairs of faults, and on runs that it refuses.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use support::{assert_nothing_left, command, output_ended_with};

/// A file of the tests.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn said(output: &Output) -> String {
    support::said(output)
}

/// Runs an experiment of four faults, shrinks the failing run, and runs the written file.
fn shrinks_to(file: &str, gate: &str, expected: &[(&str, Option<&str>)]) {
    let folder = tempfile::tempdir().unwrap();
    let done = |words: &[&str]| {
        let output = command(folder.path(), words).output().unwrap();
        assert_nothing_left(folder.path());
        output
    };
    let file = data(file);
    let run = done(&["run", file.to_str().unwrap(), "--out", "out", "--quiet"]);
    if !output_ended_with(&run, 1) {
        return;
    }
    let words = "shrink out --confirm 1 --tries 2 --budget 3m --out small.toml --json";
    let shrunk = done(&words.split(' ').collect::<Vec<_>>());
    if !output_ended_with(&shrunk, 0) {
        return;
    }
    let document: Value = serde_json::from_slice(&shrunk.stdout).unwrap();
    assert_eq!(document["gate"], gate, "{document:#}");
    let tries = document["tries"].as_array().unwrap();
    assert_eq!(document["before"]["faults"], 4);
    let told = said(&shrunk);
    let lines = told.lines().filter(|line| line.starts_with("try "));
    assert_eq!(tries.len(), lines.count(), "a line for each: {told}");
    // On a busy machine a run may be void, and then a part stays that could go.
    let is_open = tries
        .iter()
        .any(|one| one["inconclusive"] != 0 && one["still_fails"] == false);
    if (is_open || document["complete"] == false) && support::how_busy().is_some() {
        return;
    }

    let text = fs::read_to_string(folder.path().join("small.toml")).unwrap();
    let small: toml::Table = toml::from_str(&text).unwrap();
    let faults = small["fault"].as_array().unwrap().iter();
    let text_of = |fault: &toml::Value, key| Some(fault.get(key)?.as_str()?.to_owned());
    let faults: Vec<_> = faults
        .map(|fault| (text_of(fault, "kind").unwrap(), text_of(fault, "after")))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(kind, after)| ((*kind).to_owned(), after.map(str::to_owned)))
        .collect();
    assert_eq!(faults, expected, "{text}\n{}", said(&shrunk));
    assert_eq!(small["load"]["sessions"].as_integer(), Some(1));

    // Of all the runs, the newest failing one is left, and it has a report.
    let mut left: Vec<_> = fs::read_dir(folder.path().join("out-shrunk"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["run"]);
    assert!(folder.path().join("out-shrunk/run/report.html").is_file());

    let again = done(&["run", "small.toml", "--out", "again", "--quiet"]);
    if !output_ended_with(&again, 1) {
        return;
    }
    let told = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(told.contains(&format!("{gate} is broken")), "{told}");
}

#[test]
fn of_four_faults_the_two_kills_that_lose_every_session_are_left() {
    let faults = [("kill", None), ("kill", Some("300ms"))];
    shrinks_to("cut_recovery.toml", "lost_sessions == 0", &faults);
}

#[test]
fn of_four_faults_the_pause_and_the_kill_that_lose_writes_are_left() {
    let faults = [("pause", None), ("kill", Some("1400ms"))];
    shrinks_to("after_stall.toml", "lost_writes == 0", &faults);
}

/// What it says of a run that it does not take.
fn refusal(folder: &Path, words: &[&str]) -> String {
    let words: Vec<&str> = ["shrink"]
        .into_iter()
        .chain(words.iter().copied())
        .collect();
    let output = command(folder, &words).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    said(&output)
}

#[test]
fn a_run_that_did_not_fail_is_refused_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    for (name, wanted) in [
        ("cache", "the run did not fail"),
        ("compare", "the run did not fail"),
        ("void", "the run is inconclusive"),
        ("torn", "the run is incomplete"),
    ] {
        let run = data("journals").join(name);
        let told = refusal(folder.path(), &[run.to_str().unwrap()]);
        assert!(told.contains(wanted), "{name}: {told}");
        assert!(!data("journals").join(format!("{name}-shrunk")).exists());
    }
    let told = refusal(folder.path(), &["nowhere"]);
    assert!(told.contains("is not a run folder"), "{told}");
}

#[test]
fn a_file_is_not_overwritten_and_needs_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run = data("journals/several");
    let run = run.to_str().unwrap();
    fs::write(folder.path().join("mine.toml"), "precious").unwrap();
    let told = refusal(folder.path(), &[run, "--out", "mine.toml"]);
    assert!(told.contains("already exists"), "{told}");
    let told = refusal(folder.path(), &[run, "--out", "no/such.toml"]);
    assert!(told.contains("there is no folder no"), "{told}");
    let told = refusal(folder.path(), &[run, "--confirm", "0"]);
    assert!(told.contains("0 is not in 1..=100"), "{told}");
}

#[test]
fn where_the_failure_does_not_come_again_in_time_there_is_no_file_and_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("several");
    fs::create_dir(&run).unwrap();
    for name in ["journal.jsonl", "operations.csv"] {
        fs::copy(data("journals/several").join(name), run.join(name)).unwrap();
    }
    // No run begins.
    let words = ["shrink", "several", "--budget", "0s"];
    let output = command(folder.path(), &words).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("raise --budget"), "{told}");
    assert!(!folder.path().join("several-shrunk").exists());
}
