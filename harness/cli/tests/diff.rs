//! Stored runs put to further use: compared with one another, run once more, exported.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/stored.rs"]
mod stored;
mod support;

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use stored::{compare, copy, edit, header, word};
use support::{assert_nothing_left, command};
use tempfile::TempDir;

/// A copy of a stored run. Its figures lie as far apart as on a quiet machine, wherever the test runs.
fn stored_run(name: &str) -> TempDir {
    let journals = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals");
    let run = copy(&journals.join(name));
    // A single window in the baseline's band counts as steady: these runs are short.
    edit(run.path(), |header| {
        let windows = &mut header["plan"]["windows"];
        windows["steady_for"] = windows["window"].clone();
    });
    run
}

/// A run of the `token` server with four crashes.
fn base() -> TempDir {
    stored_run("four-crashes")
}

/// A run of a server that listens 300 ms late, under the same plan as [`base`].
fn late() -> TempDir {
    stored_run("listens-late")
}

/// The run itself a second time: other seed and time, the same figures.
fn again(base: &TempDir) -> TempDir {
    let again = copy(base.path());
    edit(again.path(), |header| {
        header["started"] = "2026-01-02T03:04:05.678Z".into();
        header["seed"] = 6.into();
    });
    again
}

fn here(words: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    command(folder.path(), words).output().unwrap()
}

#[track_caller]
fn check(words: &[&str], code: i32) -> String {
    let output = here(words);
    let said = support::unfolded(&String::from_utf8_lossy(
        &[output.stdout, output.stderr].concat(),
    ));
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[test]
fn runs_that_do_not_differ_end_with_0_and_say_what_they_would_have_shown() {
    let base = base();
    let said = check(&["diff", word(&base), word(&again(&base))], 0);
    for part in [
        "token: 4 crashes against 4 of the base",
        "of 2026-01-02 03:04:05 UTC, seed 6",
        "time to ready",
        "✓ same; shows from",
        "✓ none; ≤ 53 % of crashes",
        "verdict: ✓ PASS (nothing is worse than allowed)",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_run_that_became_slower_ends_with_1_and_says_in_what() {
    let (base, late) = (base(), late());
    let said = check(&["diff", word(&base), word(&late)], 1);
    assert!(
        said.contains("late-listener: 4 crashes against 4 of 'token' in the base"),
        "{said}"
    );
    assert!(
        said.contains("late-listener: worse in outage; time to ready"),
        "{said}"
    );
    // A row of so many figures is a list where there are 80 columns.
    let (_, ready) = said.split_once("\ntime to ready").unwrap();
    let ready = ready.split("\n\n").next().unwrap();
    assert!(ready.contains("✗ worse; +10 ms allowed"), "{ready}");
    // What is known to differ by 300 ms may be allowed to.
    let wide = [
        "outage.median <= baseline + 5s",
        "time_to_ready.median <= baseline + 5s",
        "time_to_steady.median <= baseline + 5s",
        "longest_gap.median <= baseline + 5s",
        "outage_area.median <= baseline + 5s",
        "availability >= baseline - 90%",
        "error_rate.after <= baseline + 90%",
        "latency.after.p50 <= baseline + 5s",
        "latency.after.p99 <= baseline + 5s",
    ];
    let gates = wide.iter().flat_map(|gate| ["--gate", *gate]);
    let words: Vec<&str> = ["diff", word(&base), word(&late)]
        .into_iter()
        .chain(gates)
        .collect();
    check(&words, 0);
}

#[test]
fn a_run_of_another_machine_ends_with_3_and_names_the_difference_and_the_mend() {
    let (base, late) = (base(), late());
    edit(base.path(), |header| {
        header["machine"]["data_filesystem"] = "tapefs".into()
    });
    let said = check(&["diff", word(&base), word(&late)], 3);
    assert!(said.contains("data file system 'tapefs' then"), "{said}");
    assert!(
        said.contains("comeback run --baseline BASE --remeasure"),
        "{said}"
    );
    let ready = said
        .lines()
        .find(|line| line.contains("time to ready "))
        .unwrap();
    assert!(ready.contains("– not compared"), "{ready}");
    edit(base.path(), |header| {
        header["plan"]["load"]["rate"] = 7.0.into()
    });
    let said = check(&["diff", word(&base), word(&late)], 3);
    assert!(said.contains("its load differs"), "{said}");
}

#[test]
fn an_incomplete_run_is_never_a_pass() {
    let base = base();
    let cut = again(&base);
    let path = cut.path().join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let end = text.trim_end().rfind('\n').unwrap() + 1;
    std::fs::write(&path, &text[..end]).unwrap();
    for words in [
        ["diff", word(&base), word(&cut)],
        ["diff", word(&cut), word(&base)],
    ] {
        let said = check(&words, 3);
        assert!(
            said.contains("the journal ends before the run does"),
            "{said}"
        );
    }
}

#[test]
fn what_cannot_be_compared_at_all_ends_with_2() {
    let base = base();
    let copy = copy(base.path());
    let said = check(&["diff", word(&base), word(&copy)], 2);
    assert!(said.contains("are the same run"), "{said}");
    let said = check(&["diff", word(&base), "/nowhere"], 2);
    assert!(said.contains("NEW: /nowhere is not a run folder"), "{said}");
    let bound = [
        "diff",
        word(&base),
        word(&copy),
        "--gate",
        "lost_sessions == 0",
    ];
    let said = check(&bound, 2);
    assert!(said.contains("does not compare"), "{said}");
}

#[test]
fn the_document_keeps_to_its_schema_and_markdown_has_the_same_rows() {
    let (base, late) = (base(), late());
    let schema = serde_json::from_slice(&here(&["schema", "difference"]).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let output = here(&["diff", word(&base), word(&late), "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&printed)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(printed["verdict"], "fail");
    let metrics = printed["arms"][0]["metrics"].as_array().unwrap();
    let ready = metrics
        .iter()
        .find(|metric| metric["metric"] == "time_to_ready.median")
        .unwrap();
    let shift = ready["shift"]["estimate"].as_f64().unwrap();
    // The server sleeps 300 ms before it listens.
    assert!((295.0..310.0).contains(&shift), "{shift}");
    assert_eq!(
        (&ready["standing"], &ready["cliffs_delta"]),
        (&"worse".into(), &1.0.into())
    );
    let markdown = check(&["diff", word(&base), word(&late), "--markdown"], 1);
    let rows = markdown
        .lines()
        .filter(|line| line.starts_with("| "))
        .count();
    assert_eq!(rows, metrics.len() + 1, "{markdown}");
}

#[test]
fn a_replay_has_the_same_plan_seed_and_schedule_in_a_new_folder() {
    let first = compare("token", &["--trials", "1", "--quiet"]);
    if !support::ended_with(&first, 0) {
        return;
    }
    let words = ["replay", "out", "--out", "again", "--quiet"];
    let replay = command(first.folder.path(), &words).output().unwrap();
    support::output_ended_with(&replay, 0);
    assert_nothing_left(first.folder.path());
    let (one, other) = (
        header(&first.out()),
        header(&first.folder.path().join("again")),
    );
    for part in ["plan", "seed", "schedule"] {
        assert_eq!(one[part], other[part]);
    }
    assert_ne!(one["started"], other["started"]);
}

#[test]
fn an_export_holds_every_operation() {
    let base = base();
    let stored = std::fs::read(base.path().join("operations.csv")).unwrap();
    let csv = here(&["export", word(&base)]);
    assert_eq!(csv.status.code(), Some(0));
    assert_eq!(csv.stdout, stored);
    let folder = tempfile::tempdir().unwrap();
    let words = [
        "export",
        word(&base),
        "--format",
        "jsonl",
        "--out",
        "all.jsonl",
    ];
    let written = command(folder.path(), &words).output().unwrap();
    assert_eq!(written.status.code(), Some(0));
    let lines = std::fs::read_to_string(folder.path().join("all.jsonl")).unwrap();
    let rows = stored.iter().filter(|byte| **byte == b'\n').count() - 1;
    assert!(rows > 900 && lines.lines().count() == rows, "{rows}");
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["step"], "login");
    let twice = command(folder.path(), &words).output().unwrap();
    assert_eq!(twice.status.code(), Some(2), "nothing is overwritten");
    assert!(!Path::new("all.jsonl").exists());
    check(&["export", "/nowhere"], 2);
    check(&["replay", "/nowhere"], 2);
}
