//! A revision of the user's repository, measured beside the working tree.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/repository.rs"]
mod repository;
mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use comeback_analysis::summary::Summary;
use comeback_analysis::verdict::Outcome;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use repository::Repository;
use support::{
    CONTRACT_SESSION, assert_nothing_left, command, has, has_void_trial, output_ended_with,
    processes_of,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// An experiment with this server.
fn experiment(target: &str) -> String {
    format!(
        r#"
trials = 4
[target]
{target}
[load]
sessions = 10
rate = 100
[windows]
settle = "1s"
steady_for = "500ms"
horizon = "10s"
{CONTRACT_SESSION}
"#
    )
}

/// The program in the repository, its results in `out` of the folder around it.
fn start(repository: &Repository, file: &str, words: &[&str]) -> Command {
    let usual = ["run", file, "--seed", "3", "--out", "../out"];
    let words: Vec<&str> = usual.iter().chain(words).copied().collect();
    let mut command = command(&repository.path(), &words);
    command.env("TMPDIR", repository.temporary());
    command
}

fn summary(output: &Output, around: &Path) -> Summary {
    let text = std::fs::read_to_string(around.join("out/summary.json"));
    serde_json::from_str(&text.unwrap_or_else(|error| panic!("{error}: {output:?}"))).unwrap()
}

fn outcomes<'a>(summary: &'a Summary, metric: &str) -> Vec<(&'a str, Outcome)> {
    let gates = summary.gates.iter();
    let gates = gates.filter(|gate| gate.gate.starts_with(metric));
    gates
        .map(|gate| (gate.arm.as_str(), gate.outcome))
        .collect()
}

#[test]
fn a_change_that_moves_sessions_into_memory_fails_against_the_revision_before() {
    if !has("git", &["git", "--version"]) {
        return;
    }
    let repository = Repository::new();
    repository.write_server(true);
    repository.commit();
    // The file is new, and so is its folder.
    std::fs::create_dir(repository.path().join("ci")).unwrap();
    repository.write(
        "ci/crash.toml",
        &experiment("command = [\"python3\", \"{here}/../server.py\", \"{port}\", \"{data}\"]"),
    );
    repository.write_server(false);
    repository.commit();
    let output = start(&repository, "ci/crash.toml", &["--against", "HEAD~1"])
        .output()
        .unwrap();
    assert_nothing_left(repository.around());
    assert!(repository.is_clean());
    let said = support::said(&output);
    assert!(
        said.contains(
            "default gates: unrecovered == 0, lost_sessions <= baseline, wrong_identity == 0, \
             lost_writes <= baseline, time_to_ready.median <= baseline"
        ),
        "{said}"
    );
    if has_void_trial(&repository.around().join("out")) || !output_ended_with(&output, 1) {
        return;
    }
    let summary = summary(&output, repository.around());
    let short = repository.git(&["rev-parse", "--short=7", "HEAD~1"]);
    let name = format!("crash@{}", short.trim());
    let names: Vec<&str> = summary.arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(names, ["crash", name.as_str()]);
    let report = std::fs::read_to_string(repository.around().join("out/report.md")).unwrap();
    let report = report.replace('\\', "");
    let revision = format!("{name} is HEAD~1 ({}): ", short.trim());
    assert!(report.contains(&revision), "{report}");
    assert_eq!(
        outcomes(&summary, "lost_sessions"),
        [("crash", Outcome::Fail)]
    );
}

#[test]
fn a_change_that_is_not_committed_passes_where_it_loses_less_than_its_revision() {
    if !has("git", &["git", "--version"]) {
        return;
    }
    let repository = Repository::new();
    repository.write_server(false);
    repository.write(".gitignore", "built.py\n");
    // What is built lies beside its source, in each tree.
    repository.write(
        "crash.toml",
        &experiment(
            "command = [\"python3\", \"built.py\", \"{port}\", \"{data}\"]\n\
             build = [\"cp\", \"server.py\", \"built.py\"]",
        ),
    );
    repository.commit();
    repository.write_server(true);
    let before = repository.git(&["status", "--porcelain"]);
    let gates = [
        "--gate",
        "lost_sessions <= baseline",
        // Demanded of the working tree, and not of the revision, which loses all.
        "--gate",
        "lost_writes == 0",
    ];
    let words = [["--against", "HEAD"].as_slice(), &gates].concat();
    let output = start(&repository, "crash.toml", &words).output().unwrap();
    assert_nothing_left(repository.around());
    assert!(repository.is_clean());
    assert_eq!(repository.git(&["status", "--porcelain"]), before);
    if has_void_trial(&repository.around().join("out")) || !output_ended_with(&output, 0) {
        return;
    }
    let summary = summary(&output, repository.around());
    assert_eq!(
        outcomes(&summary, "lost_writes"),
        [("crash", Outcome::Pass)]
    );
    let lost: Vec<bool> = (summary.arms.iter())
        .map(|arm| arm.sessions.lost > 0)
        .collect();
    assert_eq!(lost, [false, true]);
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_worktree_is_removed_whatever_ends_the_run_and_when() {
    if !has("git", &["git", "--version"]) {
        return;
    }
    let build = "touch ../building; exec sleep 600";
    let while_building = Some(build);
    for (signal, build) in [
        // Not SIGINT: while it builds, that is whatever the shell behind these tests made of it.
        (Signal::SIGTERM, while_building),
        (Signal::SIGKILL, while_building),
        (Signal::SIGINT, None),
        (Signal::SIGKILL, None),
    ] {
        let repository = Repository::new();
        repository.write_server(false);
        repository.write(
            "crash.toml",
            &experiment("command = [\"python3\", \"server.py\", \"{port}\", \"{data}\"]"),
        );
        repository.commit();
        repository.write_server(true);
        let mut words = vec!["--against", "HEAD"];
        words.extend(build.iter().flat_map(|line| ["--build", line]));
        let mut child = start(&repository, "crash.toml", &words).spawn().unwrap();
        let is_there = |name: &str| repository.around().join(name).exists();
        wait_until("the moment", || match build {
            // The revision is built in its own tree, in a folder of the temporary ones.
            Some(_) => std::fs::read_dir(repository.temporary())
                .unwrap()
                .flatten()
                .any(|entry| entry.path().join("building").exists()),
            None => is_there("out/journal.jsonl"),
        });
        assert!(!repository.is_clean(), "it is in use");
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success(), "{signal}: {status}");
        wait_until("the end of its warden", || {
            repository.is_clean() && processes_of(repository.around()).is_empty()
        });
        if signal == Signal::SIGINT && build.is_none() {
            assert_eq!(status.code(), Some(130));
        }
    }
}
