//! What the program prints fits 80 columns where there is no terminal, too: people read it in the logs of their CI.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/recorded.rs"]
#[allow(dead_code, reason = "shards.rs uses all of it")]
mod recorded;
mod support;

use std::path::Path;
use std::process::Output;

use recorded::Recorded;
use support::{CONTRACT_SESSION, PROGRAM, command};

/// Lines that are too long, though they could be shorter: one without a blank behind its beginning is a path, or an address, and a
/// command that is to be copied stands on one line.
fn too_long(text: &str) -> Vec<&str> {
    let could_be_folded =
        |line: &&str| line.trim().contains(' ') && !line.trim_start().starts_with("comeback ");
    let lines = text.lines().filter(|line| line.chars().count() > 80);
    lines.filter(could_be_folded).collect()
}

#[track_caller]
fn fits(what: &str, output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.trim().is_empty(), "{what} printed nothing");
    assert_eq!(too_long(&text), [""; 0], "{what}:\n{text}");
    text
}

fn call(folder: &Path, words: &[&str]) -> Output {
    command(folder, words).output().unwrap()
}

/// A server of sessions in memory, which loses all of them.
fn experiment() -> String {
    format!(
        "trials = 1\nseed = 7\n[target]\ncommand = [\"{PROGRAM}\", \"serve\", \"memory\", \"--port\", \"{{port}}\", \"--data\", \
         \"{{data}}\"]\nready = {{ http = \"/health\" }}\n[load]\nsessions = 10\nrate = 100\n{CONTRACT_SESSION}\n[windows]\n\
         settle = \"600ms\"\nsteady_for = \"300ms\"\nwindow = \"50ms\"\n"
    )
}

#[test]
fn a_run_its_report_and_what_can_be_done_next() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("memory.toml"), experiment()).unwrap();
    let out = "comeback-runs/a-name-of-a-folder-that-is-rather-long-as-those-of-ci-jobs-may-be";
    let run = call(
        folder.path(),
        &["run", "memory.toml", "--out", out, "--verbose"],
    );
    let said = fits("run", &run);
    assert!(said.contains("default gates: "), "{said}");
    if !support::output_ended_with(&run, 1) {
        return;
    }
    let report = call(folder.path(), &["report", out]);
    let said = fits("report", &report);
    // What is copied is a whole command, on one line.
    for next in ["replay", "shrink"] {
        let line = format!("  comeback {next} {out}");
        assert!(said.lines().any(|one| one == line), "{said}");
    }
    assert!(said.contains("seed 7; report:"), "{said}");
}

#[test]
fn a_flow_that_is_tried_out_and_one_that_does_not_work() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("right.toml"), experiment()).unwrap();
    let wrong = experiment().replace(
        "\"/visits\"",
        "\"/a/place/where/no/server/that/anybody/knows/shows/anything\"",
    );
    std::fs::write(folder.path().join("wrong.toml"), wrong).unwrap();
    let tried = call(folder.path(), &["try", "right.toml"]);
    assert_eq!(tried.status.code(), Some(0), "{}", fits("try", &tried));
    fits("try", &tried);
    let tried = call(folder.path(), &["try", "wrong.toml"]);
    assert_eq!(tried.status.code(), Some(1));
    fits("try", &tried);
    // The same before a run.
    let refused = call(folder.path(), &["run", "wrong.toml"]);
    assert_eq!(refused.status.code(), Some(2));
    fits("run", &refused);
}

#[test]
fn files_and_flags_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[target]\ncommand = [\"./a-server-with-a-long-name\", \"--port\", \"{port}\", \"--and-so-on\", \"--and-so-forth\", 7, \"x\"]\n\
                [load]\nrate = \"fast\"\nquux = 1\n[gate]\nspeed = 3\n[[fault]]\nkind = \"explode\"\n";
    std::fs::write(folder.path().join("wrong.toml"), text).unwrap();
    for words in [
        &["validate", "wrong.toml"][..],
        &["run", "wrong.toml"],
        &["run", "--gate", "speed > 9", "--", "./server", "{port}"],
        &["run", "--fault", "explode", "--", "./server", "{port}"],
        &[
            "run", "--logout", "x", "--rate", "-1", "--", "./server", "{port}",
        ],
        &["run", "no-such-file.toml"],
        &["report", "no-such-folder"],
        &["frobnicate"],
        &["metrics", "speed"],
    ] {
        let output = call(folder.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        fits(&words.join(" "), &output);
    }
}

#[test]
fn what_is_listed_and_explained() {
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments");
    let folder = tempfile::tempdir().unwrap();
    // A path that is longer than a line, and has a detour: a file's own folder is part of the commands that it names.
    let far = folder.path().join("a-folder-as-those-of-ci-jobs".repeat(4));
    std::fs::create_dir(&far).unwrap();
    let detour = far.join("..").join(far.file_name().unwrap());
    let mut listed = 0;
    for entry in std::fs::read_dir(experiments).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let copy = detour.join(path.file_name().unwrap());
            std::fs::copy(&path, &copy).unwrap();
            for (name, path) in ["explain", "validate"]
                .into_iter()
                .flat_map(|name| [(name, &path), (name, &copy)])
            {
                let output = call(folder.path(), &[name, path.to_str().unwrap()]);
                let said = fits(&format!("{name} {}", path.display()), &output);
                // What is validated may name a program that is not built.
                if name == "explain" {
                    assert_eq!(output.status.code(), Some(0), "{said}");
                    assert!(!said.contains("/../"), "{said}");
                }
            }
            listed += 1;
        }
    }
    assert!(listed > 10, "{listed} files");
    for words in [
        &["metrics"][..],
        &["faults"],
        &["doctor"],
        &["targets"],
        &["targets", "--all"],
        &["cleanup"],
        &["claims", "--list"],
        &["selftest", "--list"],
        &["init"],
    ] {
        fits(&words.join(" "), &call(folder.path(), words));
    }
}

#[test]
fn two_runs_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let journals = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals");
    let [base, new] = ["four-crashes", "listens-late"].map(|name| journals.join(name));
    let words = ["diff", base.to_str().unwrap(), new.to_str().unwrap()];
    let said = fits("diff", &call(folder.path(), &words));
    assert!(said.contains("time to ready"), "{said}");
}

/// Copies of the stored runs, in a folder of the test: their reports are written anew.
fn stored_runs(folder: &Path) -> Vec<String> {
    let journals = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(journals).unwrap() {
        let stored = entry.unwrap().path();
        if !stored.is_dir() {
            continue;
        }
        let name = stored.file_name().unwrap().to_str().unwrap().to_owned();
        let copy = folder.join(&name);
        std::fs::create_dir(&copy).unwrap();
        for file in std::fs::read_dir(&stored).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        names.push(name);
    }
    assert!(names.len() > 10, "{names:?}");
    names
}

#[test]
fn stored_runs_are_listed_reported_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let runs = stored_runs(folder.path());
    let listed = fits("list", &call(folder.path(), &["list", "."]));
    for run in &runs {
        assert!(listed.contains(run.as_str()), "{run}: {listed}");
    }
    // Comparisons of architectures, drawn faults, rolling restarts and others.
    for run in &runs {
        let report = call(folder.path(), &["report", run, "--verbose"]);
        let said = fits(&format!("report {run}"), &report);
        assert!(said.contains("verdict: "), "{said}");
    }
    let trend = call(
        folder.path(),
        &["report", "four-crashes", "listens-late", "--out", "trend"],
    );
    fits("report of several", &trend);
    assert!(trend.status.success());
    for (words, code) in [
        (&["list", "nowhere"][..], 2),
        (&["list", ".", "--last", "0"], 2),
        (&["export", "torn", "--format", "nope"], 2),
        // It must be new.
        (&["export", "torn", "--out", "torn/journal.jsonl"], 2),
        (&["export", "nowhere"], 2),
        (&["shrink", "nowhere"], 2),
        // Neither did fail.
        (&["shrink", "cache"], 2),
        (&["shrink", "void"], 2),
        // No run begins.
        (&["shrink", "several", "--budget", "0s"], 3),
        (&["explore", "several"], 2),
        (
            &["explore", "--disk", "nope", "--", "./server", "{port}"],
            2,
        ),
        (&["replay", "nowhere"], 2),
        (
            &["replay", "four-crashes", "--secret", "x=y", "--out", "torn"],
            2,
        ),
        (&["merge", "torn", "void"], 2),
        (&["merge", "nowhere"], 2),
        (&["compare", "nope", "--quick"], 2),
    ] {
        let output = call(folder.path(), words);
        let said = fits(&words.join(" "), &output);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    }
    for command in [
        "list", "merge", "export", "replay", "compare", "shrink", "explore",
    ] {
        for help in ["--help", "--help-all"] {
            fits(command, &call(folder.path(), &[command, help]));
        }
    }
}

#[test]
fn shards_put_together_and_a_missing_one() {
    let folder = tempfile::tempdir().unwrap();
    Recorded::of(11, &["unrecovered == 0", "outage.median < 5s"], 7).write_shards(folder.path(), 4);
    let words = ["merge", "1", "2", "3", "4", "--out", "whole"];
    let whole = call(folder.path(), &words);
    let said = fits("merge", &whole);
    assert_eq!(whole.status.code(), Some(0), "{said}");
    assert!(said.contains("4 of 4 shards"), "{said}");
    let partly = call(folder.path(), &["merge", "1", "3", "--out", "partly"]);
    let said = fits("merge of some", &partly);
    assert_eq!(partly.status.code(), Some(3), "{said}");
}
