//! Replicas behind a balancer: whom a fault hits, what it takes with it, and who is to blame.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use comeback_analysis::summary::{ArmSummary, Culprit, NodesSummary};
use serde_json::Value;
use support::{Run, arm};

/// A short comparison of architectures.
fn compare(words: &[&str]) -> Run {
    compare_so(&["--quick", "--rate", "100"], words)
}

/// The same with other words for how long and how much. A load whose baseline is longer is missed by longer stalls only.
fn compare_so(how: &[&str], words: &[&str]) -> Run {
    let small = "compare --topology --trials 1 --seed 4 --sessions 30 --quiet --out out";
    let mut all: Vec<&str> = small.split(' ').collect();
    all.extend(how);
    all.extend(words);
    support::run(&all)
}

fn served(arm: &ArmSummary) -> Vec<&str> {
    let served = &arm.attribution.as_ref().unwrap().served;
    served.keys().map(String::as_str).collect()
}

/// Each node with every start of it, in the order of the first trial with a fault.
fn starts(run: &Run) -> Vec<(String, u64)> {
    let events = run.events();
    let trial = events
        .iter()
        .find(|event| event["kind"]["type"] == "fault_requested")
        .map(|event| event["trial"].clone());
    let executed = events.iter().filter(|event| {
        event["kind"]["type"] == "target_executed" && Some(&event["trial"]) == trial.as_ref()
    });
    executed
        .map(|event| {
            let kind: &Value = &event["kind"];
            (
                kind["node"].as_str().unwrap().to_owned(),
                kind["incarnation"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_killed_replica_takes_what_only_it_had() {
    let run = compare(&["round-robin", "sticky", "token", "sqlite"]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let summary = run.summary();
    for name in ["token", "sqlite"] {
        let arm = arm(&summary, name);
        assert_eq!(arm.sessions.lost, 0, "{name}: {:?}", arm.sessions);
        assert_eq!(arm.writes.lost, 0, "{name}: {:?}", arm.writes);
        assert!(arm.writes.kept > 0, "{name}");
        assert_eq!(
            served(arm),
            ["replica-0", "replica-1", "replica-2"],
            "{name}"
        );
    }
    // One replica's users, about a third: each of 30 is on any with 1/3, so 1 or none of them is 1 in 10,000.
    let sticky = arm(&summary, "sticky");
    let sessions = sticky.sessions;
    assert!((2..25).contains(&sessions.lost), "{sessions:?}");
    assert_eq!(
        sessions.lost + sessions.survived,
        sessions.acknowledged,
        "{sessions:?}"
    );
    assert_eq!(sticky.control.sessions.lost, 0, "{:?}", sticky.control);
    // Login on one, unknown on another: broken without any fault.
    let broken = arm(&summary, "round-robin");
    assert!(broken.control.sessions.lost > 0, "{:?}", broken.control);
    let found_again = |cause: &String| cause.contains("found again at another");
    assert!(broken.causes.iter().any(found_again), "{:?}", broken.causes);
    assert!(
        broken.errors.before.rate.unwrap() > 0.1,
        "{:?}",
        broken.errors
    );
}

#[test]
fn only_what_is_faulted_is_started_again() {
    for (aimed_at, faulted) in [("replica", 1), ("replicas", 3), ("balancer", 1)] {
        // The balancer uses a replica again some checks after it is back.
        let run = compare_so(&["--rate", "100"], &["token", "--fault-target", aimed_at]);
        if !support::ended_with(&run, 0) {
            continue;
        }
        let starts = starts(&run);
        let first: Vec<&str> = starts
            .iter()
            .filter(|(_, start)| *start == 0)
            .map(|(node, _)| node.as_str())
            .collect();
        assert_eq!(
            first,
            ["replica-0", "replica-1", "replica-2", "balancer"],
            "{aimed_at}"
        );
        let again: Vec<&str> = starts
            .iter()
            .filter(|(_, start)| *start == 1)
            .map(|(node, _)| node.as_str())
            .collect();
        assert_eq!(again.len(), faulted, "{aimed_at}: {again:?}");
        assert!(
            again.iter().all(|node| node.starts_with(&aimed_at[..7])),
            "{aimed_at}: {again:?}"
        );
        let arm = &run.summary().arms[0];
        assert_eq!((arm.sessions.lost, arm.writes.lost), (0, 0), "{aimed_at}");
        assert!(
            arm.sessions.survived >= 20,
            "{aimed_at}: {:?}",
            arm.sessions
        );
        check_downtime(aimed_at, arm.nodes.as_ref().unwrap());
    }
}

/// What was down, and what the balancer noticed of it.
fn check_downtime(aimed_at: &str, nodes: &NodesSummary) {
    let partial = nodes.partial_downtime_ms.median.unwrap();
    let (total, back) = (nodes.total_downtime_ms.median, nodes.balancer_return_ms);
    let detect = (nodes.balancer_detect_ms.n, &nodes.balancer_detect_unknown);
    match aimed_at {
        "replica" => {
            assert!(partial > 0.0, "{nodes:?}");
            assert_eq!(total, Some(0.0), "{nodes:?}");
            // A figure, or the reason why there is none.
            assert_eq!(detect.0 as usize + detect.1.len(), 1, "{nodes:?}");
            assert_eq!((back.n, back.censored), (1, 0), "{nodes:?}");
        }
        "replicas" => {
            assert!(total.unwrap() > 0.0, "{nodes:?}");
            // Each is asked itself; the one that took longest to be used again counts.
            assert_eq!(
                (back.n, back.censored, nodes.balancer_return_unknown.len()),
                (1, 0, 0),
                "{nodes:?}"
            );
        }
        _ => {
            assert!(total.unwrap() > 0.0 && partial == 0.0, "{nodes:?}");
            assert_eq!((detect.0, back.n), (0, 0), "there was no replica to notice");
            assert!(detect.1.is_empty(), "{nodes:?}");
        }
    }
    for (name, replica) in &nodes.availability {
        assert!(replica.correct > 0, "{aimed_at}: {name}: {nodes:?}");
    }
}

#[test]
fn with_more_replicas_round_robin_keeps_less_and_a_token_everything() {
    let words = ["round-robin", "token", "--replicas", "4,1,2"];
    let run = compare_so(&["--rate", "150"], &words);
    if !support::was_measured(&run) {
        return;
    }
    let summary = run.summary();
    let arms: Vec<(&str, u32)> = summary
        .arms
        .iter()
        .map(|arm| (arm.name.as_str(), arm.nodes.as_ref().unwrap().replicas))
        .collect();
    assert_eq!(
        arms,
        [
            ("round-robin-1", 1),
            ("round-robin-2", 2),
            ("round-robin-4", 4),
            ("token-1", 1),
            ("token-2", 2),
            ("token-4", 4),
        ]
    );
    for (name, replicas) in arms {
        let control = &arm(&summary, name).control;
        let continuity = control.continuity;
        assert!(continuity.sent > 50, "{name}: {continuity:?}");
        let kept = continuity.rate.unwrap();
        let expected = match name.starts_with("token") {
            true => 1.0,
            false => 1.0 / f64::from(replicas),
        };
        // About 150 requests: five standard deviations.
        assert!((kept - expected).abs() < 0.2, "{name}: {continuity:?}");
        assert!(control.goodput_per_s.unwrap() > 0.0, "{name}");
    }
    let chart = std::fs::read_to_string(run.out().join("charts/continuity.svg")).unwrap();
    assert!(chart.contains("round-robin") && chart.contains("token"));
}

#[test]
fn all_replicas_at_once_take_every_session_that_is_in_them_and_a_balancer_takes_none() {
    let run = compare(&["sticky", "--fault-target", "replicas"]);
    if !support::was_measured(&run) {
        return;
    }
    let summary = run.summary();
    let sessions = arm(&summary, "sticky").sessions;
    // Of one whose logout was not answered nobody knows who ended it.
    let lost = sessions.lost + sessions.undecided;
    assert_eq!(lost, sessions.acknowledged, "{sessions:?}");
    assert!(sessions.lost >= 24, "{sessions:?}");
    // Long enough that something is asked of it meanwhile.
    let run = compare(&[
        "sticky",
        "--fault-target",
        "balancer",
        "--restart-after",
        "200ms",
    ]);
    if !support::was_measured(&run) {
        return;
    }
    let summary = run.summary();
    let sticky = arm(&summary, "sticky");
    assert_eq!(sticky.sessions.lost, 0, "{:?}", sticky.sessions);
    let failed = &sticky.attribution.as_ref().unwrap().failed;
    assert!(
        failed
            .get(&Culprit::Balancer)
            .is_some_and(|failed| *failed > 0),
        "{failed:?}"
    );
    assert!(!failed.contains_key(&Culprit::Replica), "{failed:?}");
}

#[test]
fn what_cannot_be_faulted_is_refused() {
    for (words, told) in [
        (&["token", "--fault-target", "store"][..], "has no store"),
        (&["tokn"], "there is no architecture 'tokn'"),
        (&["token", "--replicas", "0"], "--replicas"),
        (&["token", "--replicas", "1,x"], "--replicas"),
        (&["token", "--replicas", "2,1,2"], "2 is given twice"),
    ] {
        let run = compare(words);
        assert_eq!(run.code(), 2, "{words:?}: {}", run.printed());
        assert!(run.printed().contains(told), "{words:?}: {}", run.printed());
    }
}
