//! Flags that make no sense: exit code 2, what is wrong with which, and nothing started.

use std::process::Command;

use super::bench::folder;
use super::messages;
use crate::support::PROGRAM;

/// What is typed before the command, and what must be told.
type Case = (&'static [&'static str], &'static [&'static str]);

const TIMES: &[Case] = &[
    (&["--timeout", "5"], &["--timeout", "250ms, 2s or 1m"]),
    (
        &["--timeout", "5 parsecs"],
        &["'5 parsecs' is not a length of time"],
    ),
    (&["--timeout", "0s"], &["timeout", "longer than 0s"]),
    (&["--timeout=-5s"], &["'-5s' is not a length of time"]),
    (&["--timeout", ""], &["--timeout"]),
    (&["--horizon", "0s"], &["horizon", "longer than 0s"]),
    (
        &["--horizon", "99999999999h"],
        &["--horizon", "not a length of time"],
    ),
    (
        &["--ready-within", "0s"],
        &["ready-within", "longer than 0s"],
    ),
    (
        &["--restart-after", "31s"],
        &["horizon", "pause before the restart"],
    ),
];

const NUMBERS: &[Case] = &[
    (&["--rate", "0"], &["rate", "above 0"]),
    (&["--rate=-1"], &["rate", "above 0"]),
    (&["--rate", "1e9"], &["at most 100000"]),
    (&["--rate", "NaN"], &["rate", "above 0"]),
    (&["--rate", "inf"], &["at most 100000"]),
    (&["--rate", "fast"], &["--rate", "fast"]),
    (&["--sessions", "0"], &["sessions", "from 1 to 15000"]),
    (&["--sessions=-3"], &["--sessions", "-3"]),
    (&["--sessions", "20000"], &["from 1 to 15000"]),
    (&["--trials", "0"], &["at least one trial"]),
    (&["--trials=-1"], &["--trials", "-1"]),
    (&["--trials", "4000000000"], &["trials", "at most"]),
    (
        &["--trials", "1", "--trials", "2"],
        &["--trials", "multiple times"],
    ),
    (&["--seed", "x"], &["--seed"]),
];

const GATES: &[Case] = &[
    (
        &["--gate", "speed < 3"],
        &["'speed' is not a metric", "lost_sessions"],
    ),
    (
        &["--gate", "time_to_ready < 2s"],
        &["is not a metric", "time_to_ready.median"],
    ),
    (
        &["--gate", "lost_sessions"],
        &["a metric, one of < <= == >= >"],
    ),
    (
        &["--gate", "lost_sessions 0"],
        &["a metric, one of < <= == >= >"],
    ),
    (
        &["--gate", "lost_sessions = 0"],
        &["did you mean 'lost_sessions == 0'?"],
    ),
    (&["--gate", "lost_sessions < 2s"], &["'2s' is not a bound"]),
    (&["--gate", "lost_sessions == -1"], &["'-1' is not a bound"]),
    (
        &["--gate", "time_to_ready.median < 2"],
        &["a number and a unit"],
    ),
    (
        &["--gate", "error_rate.after <= 5"],
        &["'5' is not a bound", "0.1%"],
    ),
    (
        &["--gate", "error_rate.after <= NaN"],
        &["'NaN' is not a bound"],
    ),
    (
        &["--gate", "lost_sessions == 0 if the control has none"],
        &["'if the control has none' can follow a bound on zombie_sessions alone: leave it out"],
    ),
    (&["--gate", ""], &["--gate"]),
];

const WORDS: &[Case] = &[
    (
        &["--kill", "NOPE"],
        &["'NOPE' is not a signal", "KILL, TERM"],
    ),
    (&["--kill", "99"], &["'99' is not a signal"]),
    (
        &["--kil", "TERM"],
        &["--kil", "a similar argument exists: '--kill'"],
    ),
    (&["--frobnicate"], &["unexpected argument '--frobnicate'"]),
    (
        &["--ready", "nonsense"],
        &["--ready", "http:/path, tcp, or log:TEXT"],
    ),
    (
        &["--ready", "http:health"],
        &["http:/path, tcp, or log:TEXT"],
    ),
    (&["--ready", "log:"], &["http:/path, tcp, or log:TEXT"]),
    (&["--get", "health"], &["must begin with /"]),
    (&["--get", "/a b"], &["is not a path", "%20"]),
    (&["--get", "/a HTTP/1.1\r\nX: y"], &["is not a path"]),
    (&["--get", "/ü"], &["is not a path"]),
    (&["--boot-header", "x y"], &["is not the name of a header"]),
    (&["--boot-header", ""], &["boot-header"]),
    (&["--env", "PORT"], &["NAME=VALUE"]),
    (&["--env", "=x"], &["NAME=VALUE"]),
    (&["--name", "a/b"], &["cannot be a file's name"]),
    (&["--name", "a\u{1b}[31m"], &["cannot be a file's name"]),
    (&["--arrivals", "bursts"], &["poisson, constant"]),
    (&["--out", "full"], &["full is not empty"]),
    (&["--out", "full/file"], &["full/file cannot be used"]),
    (
        &["--out", "/proc/nowhere"],
        &["/proc/nowhere cannot be used"],
    ),
];

/// Without a command, or with another.
const COMMANDS: &[Case] = &[
    (&[], &["<COMMAND>", "Usage"]),
    (
        &["rum", "--", "touch", "started", "{port}"],
        &["a similar subcommand exists: 'run'"],
    ),
    (&["run"], &["<COMMAND>"]),
    (&["run", "--"], &["<COMMAND>"]),
    (&["run", "--", "", "{port}"], &["command", "empty"]),
    (
        &["run", "--", "touch", "started"],
        &["{port}", "--env PORT={port}"],
    ),
    (
        &["run", "--env", "X=1", "--", "touch", "started"],
        &["would not know its port"],
    ),
    (
        &["run", "touch", "started", "{port}"],
        &["unexpected argument 'started'", "[-- <COMMAND>...]"],
    ),
];

#[test]
fn flags_that_make_no_sense_are_refused_before_anything_is_started() {
    let run = |flags: &[&'static str]| {
        let mut words = vec!["run"];
        words.extend(flags);
        words.extend(["--", "touch", "started", "{port}"]);
        words
    };
    let mut cases: Vec<_> = [TIMES, NUMBERS, GATES, WORDS]
        .concat()
        .into_iter()
        .map(|(flags, told)| (run(flags), told))
        .collect();
    cases.extend(COMMANDS.iter().map(|(words, told)| (words.to_vec(), *told)));
    let (mut said, mut failures) = (Vec::new(), Vec::new());
    for (words, told) in &cases {
        match refused(words, told) {
            Ok(message) => said.push(message),
            Err(failure) => failures.push(failure),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    messages::are_the_stored_ones("flags", &said);
}

#[test]
fn the_command_of_these_cases_would_have_left_a_trace() {
    let folder = folder();
    let output = Command::new(PROGRAM)
        .args([
            "run", "--trials", "1", "--rate", "20", "--", "touch", "started", "{port}",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(folder.path().join("started").exists());
    assert!(folder.path().join("comeback-runs").exists());
}

/// What is said of flags that are refused as they should be.
fn refused(words: &[&str], told: &[&str]) -> Result<String, String> {
    let folder = folder();
    std::fs::create_dir(folder.path().join("full")).unwrap();
    std::fs::write(folder.path().join("full/file"), "precious").unwrap();
    let output = Command::new(PROGRAM)
        .args(words)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = crate::support::said(&output);
    let wrong = |problem: String| Err(format!("{words:?}: {problem}\n{said}"));
    if output.status.code() != Some(2) {
        return wrong(format!("ended with {}", output.status));
    }
    if let Some(text) = told.iter().find(|text| !said.contains(**text)) {
        return wrong(format!("{text:?} is not told"));
    }
    for trace in ["started", "comeback-runs", "out"] {
        if folder.path().join(trace).exists() {
            return wrong(format!("{trace} was made"));
        }
    }
    Ok(said.replace(&folder.path().display().to_string(), "FOLDER"))
}
