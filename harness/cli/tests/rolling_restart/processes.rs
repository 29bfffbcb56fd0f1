//! Servers of several processes: each fault does what was asked and no more, and what lives on is named.

use serde_json::Value;

use super::{experiment, of_kind, report};
use crate::support::{Run, ended_with};

/// How long the return is waited for of one that comes back: a busy machine takes its time for a few starts.
const BACK: &str = "20s";
/// And of one that never does.
const AWAY: &str = "3s";

/// `prefork.py` with this worker, and what is done to it.
fn prefork(mode: &str, horizon: &str, rest: &str) -> Run {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/prefork.py");
    // One that heeds the signal is done long before its grace is over.
    let grace = if mode == "flush" { "10s" } else { "1s" };
    experiment(&format!(
        r#"
[target]
command = ["python3", "{script}", "{mode}", "{{port}}", "{{data}}"]
stop.grace = "{grace}"
restart = {{ attempts = 4, backoff = "20ms" }}
[session]
value = "/visits"
identity = {{ at = "/user", name = "u{{{{ session }}}}" }}
login.request = "POST /login/u{{{{ session }}}}"
act.request = "POST /visit/u{{{{ session }}}}"
check.request = "GET /me/u{{{{ session }}}}"
[windows]
settle = "300ms"
steady_for = "200ms"
horizon = "{horizon}"
{rest}
"#
    ))
}

fn confirmed(run: &Run) -> Value {
    let events = run.events();
    let confirmed = of_kind(&events, "fault_confirmed").next();
    confirmed
        .unwrap_or_else(|| panic!("{}", run.printed()))
        .clone()
}

/// The trial with the fault came back.
fn is_back(run: &Run) -> bool {
    of_kind(&run.events(), "first_correct").next().is_some()
}

fn at(run: &Run, kind: &str) -> u64 {
    let events = run.events();
    let found = events.iter().find(|event| event["kind"]["type"] == kind);
    found.unwrap()["at_us"].as_u64().unwrap()
}

#[test]
fn a_worker_that_saves_its_state_within_the_grace_loses_nothing() {
    let run = prefork(
        "flush",
        BACK,
        "[[fault]]\nkind = \"terminate\"\nat = \"500ms\"",
    );
    if !ended_with(&run, 0) {
        return;
    }
    let arm = &run.summary().arms[0];
    assert!(arm.writes.kept > 0, "{}", run.printed());
    assert_eq!(
        (arm.sessions.lost, arm.writes.lost),
        (0, 0),
        "{}",
        run.printed()
    );
    let confirmed = confirmed(&run);
    assert_eq!(confirmed["took_kill"], Value::Null, "it heeded the signal");
    assert_eq!(confirmed["left"], Value::Null);
    assert!(
        at(&run, "fault_confirmed") > at(&run, "target_exited"),
        "T0 is the worker's end, and the master's was before"
    );
}

#[test]
fn a_worker_that_heeds_no_sigterm_is_killed_after_the_grace_and_named() {
    let run = prefork(
        "deaf",
        BACK,
        "[[fault]]\nkind = \"terminate\"\nat = \"500ms\"",
    );
    assert_eq!(confirmed(&run)["took_kill"].as_array().unwrap().len(), 1);
    assert!(is_back(&run), "{}", run.printed());
    let told = "did not end in its time of grace, and was killed: process";
    assert!(report(&run).contains(told), "{}", report(&run));
}

/// The worker keeps the port, so that no new start can bind it; nothing of ours takes it out of the way.
#[test]
fn a_master_that_is_ended_alone_leaves_its_worker_which_is_named() {
    let fault = "[[fault]]\nkind = \"kill\"\nto = \"process\"\nat = \"500ms\"";
    let run = prefork("deaf", AWAY, fault);
    let left = confirmed(&run)["left"].clone();
    let command = left[0]["command"].as_str().unwrap();
    assert!(command.contains("prefork.py deaf"), "{command}");
    assert!(!is_back(&run), "{}", run.printed());
    let report = report(&run);
    assert!(
        report.contains("of the old server outlived the fault"),
        "{report}"
    );
    assert!(report.contains("prefork.py deaf"), "{report}");
    ended_with(&run, 1);
}

#[test]
fn a_worker_in_a_session_of_its_own_is_in_the_tree_and_not_in_the_group() {
    let fault = "[[fault]]\nat = \"500ms\"\nto = ";
    let tree = prefork("detached", BACK, &format!("{fault}\"tree\""));
    assert!(is_back(&tree), "{}", tree.printed());
    assert_eq!(confirmed(&tree)["left"], Value::Null);
    let group = prefork("detached", AWAY, &format!("{fault}\"group\""));
    assert_eq!(confirmed(&group)["left"].as_array().unwrap().len(), 1);
    assert!(!is_back(&group), "{}", group.printed());
}

#[test]
fn a_server_that_crashes_twice_before_it_serves_is_back_at_the_third_start() {
    let fault = "[[fault]]\nat = \"500ms\"";
    let run = prefork("crashes", BACK, fault);
    assert!(is_back(&run), "{}", run.printed());
    let events = run.events();
    let starts = of_kind(&events, "target_executed").map(|event| event["incarnation"].as_u64());
    let starts: Vec<u64> = starts.flatten().collect();
    assert!(starts.ends_with(&[1, 2, 3]), "{starts:?}");
    let report = report(&run);
    let told = "was back at its third start: 2 starts ended before it served";
    assert!(report.contains(told), "{report}");
    let cause = "RuntimeError: the journal is locked";
    assert!(report.contains(cause), "{report}");
}
