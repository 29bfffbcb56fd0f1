//! Limits for a while: of a real kernel, on real servers.

use std::path::Path;

use serde_json::Value;

use super::{SHOP, call, faults_told, run_shop};
use crate::support::{self, Run};

/// Whether this kind works here; where it does not, it is refused before anything is started.
fn works(kind: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let listed = call(folder.path(), &["faults", "--json"]);
    let kinds: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let mut kinds = kinds.as_array().unwrap().iter();
    if kinds.any(|one| one["name"] == kind && one["works"] == true) {
        return true;
    }
    let run = limited(&format!("kind = \"{kind}\"\nlasts = \"200ms\""));
    assert_eq!(run.code(), 2, "{}", run.printed());
    let why = run.printed();
    assert!(
        why.contains("control group") || why.contains("nft"),
        "{why}"
    );
    false
}

fn limited(fault: &str) -> Run {
    run_shop(
        &SHOP.replace("[[fault]]", &format!("[[fault]]\n{fault}")),
        &[],
    )
}

fn journal(run: &Run) -> String {
    std::fs::read_to_string(run.out().join("journal.jsonl")).unwrap()
}

/// The control group that stands before this in the journal is not there any more.
fn assert_no_group(journal: &str, behind: &str) {
    let (before, _) = journal.split_once(behind).unwrap();
    let (_, file) = before.rsplit_once('"').unwrap();
    let group = Path::new(file).parent().unwrap();
    let parent = group.parent().unwrap();
    assert!(parent.exists() && !group.exists(), "{file}");
}

#[test]
fn a_limit_as_a_surrounding_holds_for_whole_trials_and_leaves_no_control_group() {
    if !works("cpu_quota") {
        return;
    }
    // Much more than it needs.
    let quota = "[surroundings]\nkind = \"cpu_quota\"\npercent = 400\n[windows]";
    let run = run_shop(&SHOP.replace("[windows]", quota), &[]);
    if !support::ended_with(&run, 0) {
        return;
    }
    // Two starts with a fault, and the control's one. A trial that is void is replaced, and told once more.
    assert!(faults_told(&run, "surrounding_applied").len() >= 3);
    assert!(faults_told(&run, "surrounding_removed").len() >= 2);
    assert_no_group(&journal(&run), ": 400000, every process");
}

#[test]
fn a_server_is_limited_for_a_while_and_then_goes_on() {
    if !works("cpu_quota") {
        return;
    }
    let run = limited("kind = \"cpu_quota\"\npercent = 1\nlasts = \"600ms\"");
    if !support::ended_with(&run, 0) {
        return;
    }
    assert!(!faults_told(&run, "target_degraded").is_empty());
    assert!(!faults_told(&run, "target_restored").is_empty());
    let journal = journal(&run);
    assert_no_group(&journal, ": 1000, every process");
    // The server that was limited goes on.
    let exits = journal.matches("\"type\":\"target_exited\"");
    assert_eq!(
        exits.count(),
        journal.matches("\"cause\":\"stopped\"").count()
    );
}

#[test]
fn a_limit_that_nobody_reaches_is_no_fault_that_landed() {
    if !works("cpu_quota") {
        return;
    }
    let run = limited("kind = \"cpu_quota\"\npercent = 100000\nlasts = \"200ms\"");
    assert_eq!(run.code(), 3, "{}", run.printed());
    let printed = run
        .printed()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(printed.contains("the limit was never reached"), "{printed}");
    let run = limited("kind = \"descriptor_limit\"\nopen = 5000\nlasts = \"200ms\"");
    assert_eq!(run.code(), 3, "{}", run.printed());
}

#[test]
fn a_server_that_the_kernel_kills_for_its_memory_is_started_again_and_has_lost_what_it_held() {
    if !works("memory_limit") {
        return;
    }
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/out_of_memory.py");
    let command = format!(
        "command = [\"python3\", {:?}, \"{{port}}\"]",
        server.to_str().unwrap()
    );
    let (_, rest) = SHOP.split_once("[target]\n").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let fault = "[[fault]]\nkind = \"memory_limit\"\nmib = 2\nlasts = \"1s\"";
    let text = format!("trials = 1\nseed = 7\n[target]\n{command}\n{rest}");
    let run = run_shop(&text.replace("[[fault]]", fault), &[]);
    if !support::ended_with(&run, 1) {
        return;
    }
    assert!(run.summary().arms[0].sessions.lost > 0, "{}", run.printed());
    let journal = journal(&run);
    assert!(
        journal.contains("\"exit\":{\"signal\":9},\"cause\":\"unasked\""),
        "{journal}"
    );
    assert!(journal.contains("\"type\":\"first_correct\""), "{journal}");
}

#[test]
fn packets_are_lost_or_reset_for_a_while_and_no_write_is_lost_with_them() {
    if !works("network") {
        return;
    }
    for (how, fails) in [("drop", false), ("reset", true)] {
        let run = limited(&format!(
            "kind = \"network\"\nhow = \"{how}\"\nlasts = \"300ms\""
        ));
        if !support::ended_with(&run, 0) {
            return;
        }
        assert!(!faults_told(&run, "target_restored").is_empty(), "{how}");
        let errors = &run.summary().arms[0].errors.during;
        assert_eq!(
            errors.by_class.values().any(|share| *share > 0.0),
            fails,
            "{how}: {errors:?}"
        );
    }
}
