//! The servers: what each does is in `server.py`, under the same name.

use std::path::Path;

use super::bench::{Row, check};
use super::stranger;

/// Short waits, for servers that do not come up; long enough for each to start beside the others and to show why.
const BRIEF: &str = "--ready-within 5s";
/// For servers that are up and never answer well: the run goes on until it can say so.
const NEVER_RIGHT: &str = "--ready tcp --timeout 300ms --horizon 1s";

/// For servers that work: a load that they can keep up with beside the others.
const CALM: &str = "--rate 20";

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}

/// Python as its distribution brings it, so that a test does not depend on who runs it.
fn python() -> &'static str {
    let system = "/usr/bin/python3";
    if Path::new(system).exists() {
        system
    } else {
        "python3"
    }
}

fn server(
    name: &'static str,
    flags: &'static str,
    code: i32,
    told: &'static [&'static str],
) -> Row {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bad_input/server.py");
    Row {
        name,
        command: words(&[python(), "-I", "-S", script, name, "{port}", "{data}"]),
        flags,
        code,
        told,
        beside: None,
    }
}

/// A program that cannot be started, which is seen before anything is.
fn program(command: &[&str], told: &'static [&'static str]) -> Row {
    Row {
        name: told[0],
        command: words(command),
        flags: "",
        code: 2,
        told,
        beside: None,
    }
}

#[test]
fn what_cannot_be_started_says_why() {
    check(&[
        program(
            &["./no-such-server", "{port}"],
            &["was not found (from", "build it, or correct its path"],
        ),
        program(
            &["no-such-program", "{port}"],
            &["was not found in PATH", "install it, or give its path"],
        ),
        program(
            &["./not-executable", "{port}"],
            &["is not executable", "chmod +x"],
        ),
        program(
            &["./a-folder", "{port}"],
            &["is a folder: name the program"],
        ),
        // Only the kernel can tell.
        Row {
            code: 3,
            ..program(
                &["./bad-interpreter", "{port}"],
                &["the interpreter that its first line names"],
            )
        },
        Row {
            code: 3,
            ..program(
                &["./no-program", "{port}"],
                &["is not a program that this machine can execute"],
            )
        },
        program(
            &["./\u{1b}[31m\u{202e}red", "{port}"],
            &["./\\x1b[31m\\u{202e}red was not found"],
        ),
    ]);
}

#[test]
fn a_server_that_ends_or_is_not_reached_at_its_start_says_why() {
    check(&[
        server(
            "exits-0",
            "",
            3,
            &["exited with status 0", "before it was ready"],
        ),
        server(
            "exits-1",
            "",
            3,
            &[
                "exited with status 1",
                "| line 39 of 40",
                "cannot open the database",
            ],
        ),
        server(
            "exits-noisily",
            "",
            3,
            &["\\x1b[31mred\\x1b]0;title\\x07\\x00"],
        ),
        server("aborts", "", 3, &["ended by signal 6 (SIGABRT)"]),
        server(
            "listens-on-nothing",
            BRIEF,
            3,
            &["not ready within 5s", "listens on no TCP port"],
        ),
        server(
            "listens-elsewhere",
            BRIEF,
            3,
            &["it listens on 127.0.0.1:", "does the command use {port}?"],
        ),
        server(
            "listens-on-ipv6",
            BRIEF,
            3,
            &["it listens on [::1]:", "let it listen there"],
        ),
        server("stops-itself", BRIEF, 3, &["not ready within 5s"]),
        server(
            "daemonizes",
            "",
            3,
            &[
                "put itself into the background",
                "start it in the foreground",
            ],
        ),
        Row {
            beside: Some(stranger::take_and_keep_silent),
            ..server(
                "port-taken",
                "",
                3,
                &["its output: ", "Address already in use"],
            )
        },
        Row {
            beside: Some(stranger::take_and_answer),
            ..server(
                "port-taken-and-waits",
                "",
                3,
                &[
                    "the target could not be started: process ",
                    "which is older than this run, answered on its port",
                ],
            )
        },
    ]);
}

#[test]
fn a_server_that_is_never_ready_says_what_it_answered() {
    check(&[
        server("garbage", BRIEF, 3, &["invalid HTTP version"]),
        server("http-0.9", BRIEF, 3, &["invalid HTTP version"]),
        server("endless-header", BRIEF, 3, &["message head is too large"]),
        server("huge-headers", BRIEF, 3, &["message head is too large"]),
        server("endless-interim", BRIEF, 3, &["not ready within 5s"]),
        server("says-nothing", BRIEF, 3, &["had not answered yet"]),
        server("redirects", BRIEF, 3, &["it answered 302 Found"]),
        server(
            "answers-404",
            BRIEF,
            3,
            &[
                "it answered 404 Not Found",
                "nothing is at this path",
                "--ready http:/PATH",
            ],
        ),
        server(
            "answers-500",
            BRIEF,
            3,
            &["it answered 500 Internal Server Error"],
        ),
        server(
            "closes",
            BRIEF,
            3,
            &["connection closed before message completed"],
        ),
        server("resets", BRIEF, 3, &["not ready within 5s"]),
        server("length-too-long", BRIEF, 3, &["its answer broke off"]),
        server("length-is-nonsense", BRIEF, 3, &["not ready within 5s"]),
        server("length-overflows", BRIEF, 3, &["not ready within 5s"]),
        server("chunked-garbage", BRIEF, 3, &["its answer broke off"]),
        server(
            "slow",
            "--ready-within 700ms",
            3,
            &["not ready within 700ms"],
        ),
    ]);
}

#[test]
fn a_server_that_never_answers_well_has_nothing_to_come_back_to() {
    check(&[
        server(
            "garbage",
            NEVER_RIGHT,
            3,
            &["did not work before the fault", "met: malformed"],
        ),
        server(
            "redirects",
            NEVER_RIGHT,
            3,
            &["met: wrong answer (HTTP 302)"],
        ),
        server(
            "answers-404",
            NEVER_RIGHT,
            3,
            &["met: client error (HTTP 404)"],
        ),
        server(
            "answers-500",
            NEVER_RIGHT,
            3,
            &["met: server error (HTTP 500)"],
        ),
        server("resets", NEVER_RIGHT, 3, &["met: reset"]),
        server("says-nothing", NEVER_RIGHT, 3, &["met: response timeout"]),
        server("slow", NEVER_RIGHT, 3, &["met: response timeout"]),
        server("endless-body", NEVER_RIGHT, 3, &["met: response timeout"]),
        server("endless-chunks", NEVER_RIGHT, 3, &["met: response timeout"]),
        server(
            "endless-trailers",
            NEVER_RIGHT,
            3,
            &["did not work before the fault"],
        ),
        server("endless-header", NEVER_RIGHT, 3, &["met: malformed"]),
        server(
            "endless-interim",
            NEVER_RIGHT,
            3,
            &["did not work before the fault"],
        ),
        server(
            "length-too-long-kept-open",
            NEVER_RIGHT,
            3,
            &["met: response timeout"],
        ),
        server("two-lengths", NEVER_RIGHT, 3, &["met: malformed"]),
        server("chunk-size-overflows", NEVER_RIGHT, 3, &["met: malformed"]),
    ]);
}

#[test]
fn a_server_that_works_may_be_odd_and_is_measured_or_told_why_not() {
    check(&[
        server("fine", CALM, 0, &[]),
        server(
            "ignores-sigterm",
            CALM,
            0,
            &["did not end within 5s of SIGTERM"],
        ),
        server("floods", CALM, 0, &[]),
        server("endless-line", CALM, 0, &[]),
        server("chatters", CALM, 0, &[]),
        server(
            "forks-a-little",
            CALM,
            0,
            &["processes", "outlived the trial and had to be killed"],
        ),
        server("deletes-its-folder", CALM, 0, &[]),
        server("replaces-its-folder", CALM, 0, &[]),
        server("fills-its-folder", CALM, 0, &[]),
        // What follows a whole reply may be dropped with its connection (RFC 9112, section 6.3), and whether it
        // comes in time to be seen is chance.
        server("length-too-short", CALM, 0, &[]),
        // How much of the load it slows down depends on the machine: nearly all or all of it.
        server("huge-body", "--horizon 1s", 3, &["does not count"]),
        server("dies-soon", "", 3, &["exited with status 7 by itself"]),
        server(
            "new-boot-id-each-time",
            "--boot-header x-boot-id",
            3,
            &["the boot header must stay the same until it is started again"],
        ),
    ]);
}
