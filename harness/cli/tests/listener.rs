//! A listening socket that the harness holds: while the server is dead connections wait, where else they are refused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use comeback_analysis::summary::{ArmSummary, ErrorRate};
use support::{Run, arm};

/// How the crash looks to clients with the one and the other, a second long; nothing where a busy machine kept it from
/// being measured.
fn compare(words: &[&str]) -> Option<Run> {
    let mut all = vec!["compare"];
    all.extend(words);
    all.extend([
        "--listener",
        "own,held",
        "--restart-after",
        "1s",
        "--quick",
        "--trials",
        "1",
        "--seed",
        "6",
        "--sessions",
        "30",
        "--rate",
        "100",
        "--timeout",
        "10s",
        "--quiet",
        "--out",
        "out",
    ]);
    let run = support::run(&all);
    support::ended_with(&run, 0).then_some(run)
}

fn class(errors: &ErrorRate, class: &str) -> f64 {
    errors.by_class.get(class).copied().unwrap_or(0.0)
}

#[test]
fn where_a_server_refuses_connections_with_its_own_socket_they_wait_with_a_held_one() {
    let Some(run) = compare(&["journal"]) else {
        return;
    };
    let summary = run.summary();
    let (own, held) = (arm(&summary, "journal"), arm(&summary, "journal-held"));
    let refused = |arm: &ArmSummary| class(&arm.errors.during, "refused");
    assert!(refused(own) > 0.5, "{:?}", own.errors.during);
    assert_eq!(refused(held), 0.0, "{:?}", held.errors.during);
    // What was in flight is still torn: that is all that fails.
    assert!(
        held.errors.during.rate.unwrap() < 0.25,
        "{:?}",
        held.errors.during
    );
    // They did wait: half of them for a good part of the second that the server was gone.
    let median = held.latency_ms.during.p50.unwrap();
    assert!(median > 100.0, "{:?}", held.latency_ms.during);
    for arm in [own, held] {
        assert_eq!(arm.sessions.lost, 0, "{}: {:?}", arm.name, arm.sessions);
        assert!(
            arm.time_to_ready_ms.median.unwrap() >= 1000.0,
            "{}",
            arm.name
        );
    }
    // It accepted all the while: nothing shows when it listens again.
    assert_eq!((own.time_to_listen_ms.n, held.time_to_listen_ms.n), (1, 0));
    // The time of the start is known better than the launcher took.
    let executed = run.events();
    let executed = executed.iter().filter_map(|event| {
        let kind = &event["kind"];
        (kind["type"] == "target_executed" && kind["launched_us"].is_u64()).then(|| {
            let at = |field: &str| kind[field].as_u64().unwrap();
            (
                at("requested_us"),
                at("launched_us"),
                event["at_us"].as_u64().unwrap(),
            )
        })
    });
    let executed: Vec<_> = executed.collect();
    // Two starts of the trial with a fault, one of that without.
    assert_eq!(executed.len(), 3);
    for (requested, launched, executed) in executed {
        assert!(requested < launched && launched < executed);
    }
}

#[test]
fn a_balancer_waits_for_replicas_whose_sockets_are_held() {
    let Some(run) = compare(&["token", "--topology", "--fault-target", "replicas"]) else {
        return;
    };
    let summary = run.summary();
    let (own, held) = (arm(&summary, "token"), arm(&summary, "token-held"));
    let turned_away = |arm: &ArmSummary| class(&arm.errors.during, "server_error");
    assert!(turned_away(own) > 0.5, "{:?}", own.errors.during);
    // What was in flight is torn, and on a busy machine that is a good part of 30 users.
    assert!(turned_away(held) < 0.25, "{:?}", held.errors.during);
    for arm in [own, held] {
        let nodes = arm.nodes.as_ref().unwrap();
        assert!(
            nodes.total_downtime_ms.median.unwrap() >= 1000.0,
            "{}: {nodes:?}",
            arm.name
        );
    }
}

#[test]
fn a_server_that_binds_the_port_itself_is_told_what_to_do() {
    // This one does not know LISTEN_FDS.
    let run = support::run(&[
        "run",
        "--listener",
        "held",
        "--boot-header",
        "x-boot-id",
        "--trials",
        "1",
        "--quiet",
        "--out",
        "out",
        "--",
        "{comeback}",
        "balance",
        "--port",
        "{port}",
        "--to",
        "127.0.0.1:1",
    ]);
    assert_ne!(run.code(), 0, "{}", run.printed());
    let printed = run.printed();
    assert!(printed.contains("descriptor 3 (LISTEN_FDS"), "{printed}");
    assert!(printed.contains("listener = \"held\""), "{printed}");
}

#[test]
fn without_a_boot_header_nothing_is_started() {
    let run = support::run(&["run", "--listener", "held", "--out", "out", "--", "true"]);
    assert_eq!(run.code(), 2, "{}", run.printed());
    assert!(
        run.printed().contains("boot_header") && run.printed().contains("listener"),
        "{}",
        run.printed()
    );
    assert!(!run.out().exists());
}
