//! Surroundings that are odd: each is told, or does not matter.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{PROGRAM, assert_nothing_left};

/// Ends in another program, which inherits what was set up before.
const EXECUTE: &str = "os.execvp(sys.argv[1], sys.argv[1:])";

/// A program run with what this Python sets up.
fn python(setup: &str, folder: &Path) -> Command {
    let script = format!("import os, resource, signal, sys\n{setup}\n{EXECUTE}");
    let mut command = Command::new("python3");
    command.args(["-c", &script]).current_dir(folder);
    command
}

const IGNORED: &str =
    "for number in signal.SIGCHLD, signal.SIGXFSZ: signal.signal(number, signal.SIG_IGN)";

/// A short run in these surroundings.
fn run_under(setup: &str) -> (TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    let words = "run --trials 1 --sessions 5 --rate 50 --seed 1 --quiet --out out --get /health";
    let server = "{comeback} serve memory --port {port} --data {data}";
    let output = python(setup, folder.path())
        .arg(PROGRAM)
        .args(words.split(' '))
        .arg("--")
        .args(server.split(' '))
        .output()
        .unwrap();
    (folder, output)
}

#[test]
fn ignored_signals_and_a_small_stack_do_not_matter() {
    let stack = "resource.setrlimit(resource.RLIMIT_STACK, (65536, 65536))";
    let (folder, output) = run_under(&format!("{IGNORED}\n{stack}"));
    crate::support::output_ended_with(&output, 0);
    assert_nothing_left(folder.path());
}

#[test]
fn a_limit_of_the_file_size_is_an_error_with_its_reason() {
    let (folder, output) = run_under("resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))");
    let said = crate::support::said(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("File too large"), "{said}");
    assert_nothing_left(folder.path());
}

/// What the program ignores or handles is none of the server's business.
#[test]
fn a_server_has_its_signals_at_their_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let server = "grep SigIgn /proc/self/status > ignored; exit 3";
    let output = python(IGNORED, folder.path())
        .args([
            PROGRAM, "run", "--trials", "1", "--rate", "20", "--out", "out", "--",
        ])
        .args(["sh", "-c", server, "{port}"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let ignored = std::fs::read_to_string(folder.path().join("ignored")).unwrap();
    let mask = ignored.split_whitespace().last().unwrap();
    let mask = u64::from_str_radix(mask, 16).unwrap();
    assert_eq!(mask & (1 << 16 | 1 << 24), 0, "{ignored}");
}

/// Where a mount namespace of one's own is allowed.
#[test]
fn a_missing_proc_is_told_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let hide =
        "mount -t tmpfs none /proc || exit 77; exec \"$0\" run --out out -- touch started {port}";
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", hide, PROGRAM])
        .current_dir(folder.path())
        .output();
    let Ok(output) = output else { return };
    let said = crate::support::said(&output);
    if output.status.code() != Some(77) && !said.starts_with("unshare:") {
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("/proc cannot be read"), "{said}");
    }
    assert!(!folder.path().join("started").exists());
}
