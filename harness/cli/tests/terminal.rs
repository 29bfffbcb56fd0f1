//! Color and verbosity, with and without a terminal.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
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
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let path = Path::new(name.to_str().unwrap());
    let theirs = File::options().read(true).write(true).open(path).unwrap();
    let mut words = vec!["report", "out"];
    words.extend(more);
    let mut command = command(folder, &words);
    command.envs(variables.iter().copied()).stdout(theirs);
    let mut child = command.spawn().unwrap();
    // It holds the terminal's other end: while it does, there is no end to read.
    drop(command);
    let mut printed = Vec::new();
    // A terminal whose other end is gone answers with an error, not with an end.
    let mut ours = File::from(ours);
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = ours.read(&mut chunk) {
        printed.extend_from_slice(&chunk[..length]);
    }
    assert!(child.wait().unwrap().success());
    String::from_utf8(printed).unwrap()
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
