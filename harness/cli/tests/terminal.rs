//! Color, verbosity and the live view, with and without a terminal.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/pty.rs"]
mod pty;
mod support;

use std::path::Path;
use std::process::Stdio;

use pty::{OnTerminal, Outputs, seen};
use rustix::process::Signal;
use support::{command, run};

const RUN: [&str; 11] = [
    "compare",
    "token",
    "--quick",
    "--trials",
    "1",
    "--sessions",
    "10",
    "--rate",
    "100",
    "--out",
    "out",
];

/// What `comeback report out` prints to a terminal.
fn on_a_terminal(folder: &Path, more: &[&str], variables: &[(&str, &str)]) -> String {
    let mut words = vec!["report", "out"];
    words.extend(more);
    let program = OnTerminal::start(folder, &words, variables, Outputs::Stdout);
    let (code, printed) = program.end();
    assert_eq!(code, Some(0), "{printed}");
    printed
}

#[test]
fn color_is_for_terminals_and_never_against_the_users_word() {
    let run = run(&RUN);
    if !support::ended_with(&run, 0) {
        return;
    }
    assert!(!run.printed().contains('\x1b'), "a pipe: {}", run.printed());
    let folder = run.folder.path();
    for (more, variables, colored) in [
        (&[][..], &[("TERM", "xterm")][..], true),
        (&[], &[("TERM", "dumb")], false),
        (&[], &[("TERM", "xterm"), ("NO_COLOR", "1")], false),
        (&["--color", "never"], &[("TERM", "xterm")], false),
        (&["--color", "always"], &[("NO_COLOR", "1")], true),
    ] {
        let printed = on_a_terminal(folder, more, variables);
        assert!(printed.contains("· MEASURED"), "{printed}");
        let expected = "verdict: \x1b[1;39m· MEASURED\x1b[0m: lost none of ";
        assert_eq!(
            printed.contains(expected),
            colored,
            "{more:?} {variables:?}: {printed:?}"
        );
        assert_eq!(
            printed.contains('\x1b'),
            colored,
            "{more:?} {variables:?}: {printed:?}"
        );
    }
    for (more, variables, colored) in [
        (&[][..], &[("CLICOLOR_FORCE", "1")][..], true),
        (&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&["--color", "always"], &[], true),
        (&["--json", "--color", "always"], &[], false),
    ] {
        let mut words = vec!["report", "out"];
        words.extend(more);
        let mut command = command(folder, &words);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let has_escape = output.stdout.contains(&b'\x1b');
        assert_eq!(has_escape, colored, "piped, {more:?} {variables:?}");
    }
}

#[test]
fn more_is_told_on_stderr_and_json_stays_pure() {
    let mut words = RUN.to_vec();
    words.extend(["--verbose", "--json"]);
    let run = run(&words);
    if !support::ended_with(&run, 0) {
        return;
    }
    serde_json::from_slice::<serde_json::Value>(&run.output.stdout).unwrap();
    let said = support::said(&run.output);
    for expected in [
        "ms  phase baseline",
        "ms  SIGKILL sent",
        "ms  start 0 was ended by signal 9 (SIGKILL), by the fault",
        "ms  first correct reply of the new process",
        ": ready ",
        "sessions lost 0 / ",
        ": no fault, ",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn quiet_and_verbose_contradict_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut words = RUN.to_vec();
    words.extend(["--verbose", "--quiet"]);
    let output = command(folder.path(), &words).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!folder.path().join("out").exists());
}

const VIEW: &str = "\x1b[?2026h";
const TERM: (&str, &str) = ("TERM", "xterm-256color");

/// Starts a run with a live view, and waits until its load runs.
fn start_run(folder: &Path, more: &[&str], variables: &[(&str, &str)]) -> OnTerminal {
    let mut words = RUN.to_vec();
    words.extend(more);
    let mut run = OnTerminal::start(folder, &words, variables, Outputs::Both);
    run.wait_for("\u{25b8}baseline", 0);
    run
}

/// What stays on the terminal: nothing of the view, and a cursor.
#[track_caller]
fn what_stays(written: &str) -> String {
    let (stays, has_cursor) = seen(written);
    assert!(has_cursor, "{written:?}");
    for part in ["ledger", "\u{25b8}", " left"] {
        assert!(!stays.contains(part), "{part}: {stays}");
    }
    stays
}

#[test]
fn a_run_on_a_terminal_shows_its_state_and_leaves_its_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = start_run(folder.path(), &[], &[TERM]);
    assert!(!run.echoes(), "typed keys would be written into the view");
    run.wait_for("acknowledged", 0);
    run.wait_for("SIGKILL sent", 0);
    run.wait_for("first correct reply of the new process", 0);
    let (code, written) = run.end();
    let during = written.split("\u{25b8}baseline").next().unwrap();
    let (shown, has_cursor) = seen(during);
    assert!(!has_cursor);
    assert!(shown.contains("1 of 2"), "{shown}");
    let stays = what_stays(&written);
    assert!(stays.starts_with("seed "), "{stays}");
    let report = stays.find("\nverdict: ").expect("a verdict");
    assert!(stays[..report].contains("token"), "the table: {stays}");
    let view = written.rfind(VIEW).unwrap();
    let verdict = written.rfind("verdict: ").unwrap();
    assert!(view < verdict, "nothing is drawn below the verdict");
    assert!([Some(0), Some(3)].contains(&code), "{stays}");
    support::assert_nothing_left(folder.path());
}

/// As in a container, whose session and its leader live outside.
#[test]
fn a_run_whose_session_is_not_of_its_namespace_has_a_view() {
    let Some(mut inside) = support::in_a_pid_namespace() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    inside
        .args(RUN)
        .current_dir(folder.path())
        .stdin(Stdio::null());
    let run = OnTerminal::start_command(inside, &[TERM], Outputs::Both);
    let (code, written) = run.end();
    assert!([Some(0), Some(3)].contains(&code), "{written}");
    assert!(written.contains("\u{25b8}baseline"), "{written}");
    assert!(what_stays(&written).contains("\nverdict: "), "{written}");
    support::assert_nothing_left(folder.path());
}

#[test]
fn an_interrupted_run_gives_the_terminal_back_and_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let run = start_run(folder.path(), &[], &[TERM]);
    run.send(Signal::INT);
    let (code, written) = run.end();
    assert_eq!(code, Some(130), "{written}");
    let stays = what_stays(&written);
    let kept = "interrupted; the measurements so far are kept";
    assert!(stays.contains(kept), "{stays}");
    assert!(stays.contains("\nverdict: "), "{stays}");
    support::assert_nothing_left(folder.path());
}

#[test]
fn a_run_that_is_quit_gives_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = start_run(folder.path(), &[], &[TERM]);
    run.wait_for("acknowledged", 0);
    assert!(!run.echoes());
    run.send(Signal::QUIT);
    let (code, written) = run.end();
    assert_eq!(code, Some(131), "{written}");
    what_stays(&written);
}

#[test]
fn a_panic_gives_the_terminal_back_before_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [TERM, ("COMEBACK_PANIC_IN", "fault")];
    let run = start_run(folder.path(), &[], &variables);
    let (code, written) = run.end();
    assert_eq!(code, Some(4), "{written}");
    let stays = what_stays(&written);
    assert!(stays.contains("forced in phase fault"), "{stays}");
    support::assert_nothing_left(folder.path());
}

#[test]
fn a_view_follows_the_size_of_its_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = start_run(folder.path(), &[], &[TERM]);
    run.resize(40, 10);
    let resized = run.written.len();
    run.wait_for(" of 9)", resized);
    run.wait_for(VIEW, run.written.len());
    let narrow = run.written[resized..].find(" of 9)").unwrap();
    let frame = run.written[..resized + narrow].rfind(VIEW).unwrap();
    let frame = run.written[frame..].split("\x1b[?2026l").next().unwrap();
    let (shown, _) = seen(frame.split_once('A').unwrap().1);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.len() < 10, "{shown}");
    assert!(
        lines.iter().all(|line| line.chars().count() < 40),
        "{shown}"
    );
    let (_, written) = run.end();
    let last = |code| written.rfind(code);
    assert!(last("\x1b[?25h") > last("\x1b[?25l"), "{written:?}");
}

#[test]
fn lines_are_printed_where_a_view_is_not_wanted() {
    for (more, variables) in [
        (&["--plain"][..], &[TERM][..]),
        (&[], &[TERM, ("CI", "true")]),
        (&[], &[("TERM", "dumb")]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut words = RUN.to_vec();
        words.extend(more);
        let run = OnTerminal::start(folder.path(), &words, variables, Outputs::Both);
        let (_, written) = run.end();
        assert!(written.contains("trial 1/2 token"), "{written}");
        assert!(
            !written.contains(VIEW) && !written.contains("\x1b[?25"),
            "{written:?}"
        );
    }
}
