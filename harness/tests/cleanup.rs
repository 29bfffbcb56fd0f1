//! Whatever ends a run, and in whichever phase: no process of it, and no data folder, is left.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use comeback_core::event::Phase;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{assert_nothing_left, command, processes_of, read_events};

const PATIENCE: Duration = Duration::from_secs(20);

/// Long windows, so that each phase can be met; a target whose orphan survives the killing of its group.
fn start(folder: &Path, target: &str) -> Child {
    command(
        folder,
        &[
            "compare",
            target,
            "--trials",
            "1",
            "--sessions",
            "5",
            "--rate",
            "50",
            "--seed",
            "3",
            "--horizon",
            "3s",
            "--out",
            "out",
            "--quiet",
        ],
    )
    .spawn()
    .unwrap()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn has_entered(folder: &Path, phase: Phase) -> bool {
    let wanted = serde_json::to_value(phase).unwrap();
    let out = folder.join("out");
    out.join("journal.jsonl").exists()
        && read_whole_events(&out)
            .iter()
            .any(|event| event["kind"]["phase"] == wanted)
}

/// The run is still writing: a line without its end is not read.
fn read_whole_events(out: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(out.join("journal.jsonl")).unwrap();
    let end = text.rfind('\n').map_or(0, |at| at + 1);
    text[..end]
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn end_of(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_until("its end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

fn interrupt(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

#[test]
fn an_interrupt_in_any_phase_leaves_nothing_and_keeps_the_journal() {
    for phase in Phase::ALL {
        let folder = tempfile::tempdir().unwrap();
        // A control trial has no recovery: the run is interrupted in whichever trial meets the phase first.
        let mut child = start(folder.path(), "memory");
        wait_until(phase.name(), || has_entered(folder.path(), phase));
        interrupt(&child, Signal::SIGINT);
        let status = end_of(&mut child);
        assert_eq!(status.code(), Some(130), "in phase {}", phase.name());
        assert_nothing_left(folder.path());
        let events = read_events(&folder.path().join("out"));
        assert_eq!(events.last().unwrap()["kind"]["type"], "run_interrupted");
        assert!(folder.path().join("out/summary.json").exists());
    }
}

#[test]
fn sigterm_ends_a_run_like_an_interrupt() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), "token");
    wait_until("baseline", || has_entered(folder.path(), Phase::Baseline));
    interrupt(&child, Signal::SIGTERM);
    assert_eq!(end_of(&mut child).code(), Some(130));
    assert_nothing_left(folder.path());
}

#[test]
fn a_second_interrupt_ends_at_once_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), "orphan-keeps-port");
    wait_until("baseline", || has_entered(folder.path(), Phase::Baseline));
    interrupt(&child, Signal::SIGINT);
    interrupt(&child, Signal::SIGINT);
    assert_eq!(end_of(&mut child).code(), Some(130));
    wait_until("the warden's end", || {
        processes_of(folder.path()).is_empty()
    });
    assert_nothing_left(folder.path());
}

#[test]
fn an_orphan_in_a_session_of_its_own_is_found_after_an_interrupt() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), "orphan-keeps-port");
    wait_until("recovery", || has_entered(folder.path(), Phase::Recovery));
    interrupt(&child, Signal::SIGINT);
    assert_eq!(end_of(&mut child).code(), Some(130));
    assert_nothing_left(folder.path());
}

#[test]
fn a_killed_harness_leaves_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), "orphan-keeps-port");
    wait_until("baseline", || has_entered(folder.path(), Phase::Baseline));
    interrupt(&child, Signal::SIGKILL);
    end_of(&mut child);
    wait_until("the warden's end", || {
        processes_of(folder.path()).is_empty()
    });
    assert_nothing_left(folder.path());
}

#[test]
fn what_outlived_even_the_warden_is_found_and_ended_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    // The tag of a run whose harness ended long ago: its process id is beyond any the kernel gives.
    let mut left = std::process::Command::new("sleep")
        .arg("300")
        .env("COMEBACK_RUN", "99999999-1-89abcdef")
        .spawn()
        .unwrap();
    let listed = command(folder.path(), &["cleanup", "--dry-run"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains(&left.id().to_string()));
    assert!(left.try_wait().unwrap().is_none(), "a dry run ends nothing");
    let ended = command(folder.path(), &["cleanup"]).output().unwrap();
    // The ended process stays a zombie until we, its parent, take leave of it.
    assert!(!end_of(&mut left).success());
    assert_eq!(
        ended.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

/// Panics can be forced in debug builds only, and tests are one.
#[cfg(debug_assertions)]
#[test]
fn a_panic_in_any_phase_leaves_nothing() {
    for phase in Phase::ALL {
        let folder = tempfile::tempdir().unwrap();
        let mut child = command(
            folder.path(),
            &[
                "compare",
                "memory",
                "--quick",
                "--trials",
                "1",
                "--sessions",
                "5",
                "--rate",
                "50",
                "--seed",
                "3",
                "--out",
                "out",
                "--quiet",
            ],
        )
        .env("COMEBACK_PANIC_IN", phase.name())
        .spawn()
        .unwrap();
        let status = end_of(&mut child);
        assert_eq!(status.code(), Some(4), "in phase {}", phase.name());
        assert_nothing_left(folder.path());
    }
}
