//! What the program prints fits 80 columns where there is no terminal, too: people read it in the logs of their CI.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::process::Output;

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
