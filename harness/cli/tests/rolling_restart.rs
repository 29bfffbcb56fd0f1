//! Faults that are no kill: pauses, rolling restarts and deploys, with and without the balancer being told; and that those
//! who were not faulted are the same processes as before.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "rolling_restart/processes.rs"]
mod processes;
mod support;

use std::path::Path;

use comeback_analysis::summary::ArmSummary;
use serde_json::Value;
use support::{Run, arm};

const SMALL: [&str; 11] = [
    "--trials",
    "1",
    "--seed",
    "4",
    "--sessions",
    "30",
    "--rate",
    "150",
    "--quiet",
    "--out",
    "out",
];

fn compare(words: &[&str]) -> Run {
    let mut all = vec!["compare"];
    all.extend(SMALL);
    all.extend(words);
    support::run(&all)
}

/// Runs an experiment that is written here.
fn experiment(text: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rolling-restart.toml");
    std::fs::write(&file, text).unwrap();
    run(&file)
}

fn run(file: &Path) -> Run {
    let mut all = vec!["run", file.to_str().unwrap()];
    all.extend(SMALL);
    support::run(&all)
}

/// The events of a kind.
fn of_kind<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let events = events
        .iter()
        .filter(move |event| event["kind"]["type"] == kind);
    events.map(|event| &event["kind"])
}

/// The nodes of the events of a kind, in order.
fn nodes(events: &[Value], kind: &str) -> Vec<String> {
    let nodes = of_kind(events, kind).map(|kind| kind["node"].as_str().unwrap().to_owned());
    nodes.collect()
}

const REPLICAS: [&str; 3] = ["replica-0", "replica-1", "replica-2"];

/// What a machine that is too busy for the load costs clients: they give up waiting, and servers say that they are overloaded.
const BY_A_BUSY_MACHINE: [&str; 4] = [
    "connect_timeout",
    "response_timeout",
    "unsent",
    "server_error",
];

/// Not one operation failed from the first drain on, and there were some.
fn assert_lossless(arm: &ArmSummary) {
    let (name, injection) = (&arm.name, &arm.injection);
    assert!(injection.since > 50, "{name}: {injection:?}");
    let lost = injection.since_lost() + injection.in_flight_failed.values().sum::<u64>();
    let since = injection.since_failed.keys();
    let mut classes = since.chain(injection.in_flight_failed.keys());
    let is_borne = classes.all(|class| BY_A_BUSY_MACHINE.contains(&class.as_str()))
        && support::how_busy().is_some();
    assert!(lost == 0 || is_borne, "{name}: {injection:?}");
}

fn check_rolling_restart(words: &[&str]) {
    let mut all = vec![
        "--topology",
        "token",
        "sqlite",
        "--fault",
        "rolling-restart",
    ];
    all.extend(words);
    let run = compare(&all);
    if !support::ended_with(&run, 0) {
        return;
    }
    let summary = run.summary();
    for name in ["token", "sqlite"] {
        let arm = arm(&summary, name);
        assert_lossless(arm);
        assert_eq!((arm.sessions.lost, arm.writes.lost), (0, 0), "{name}");
        assert!(arm.writes.kept > 0, "{name}");
    }
    let events = run.events();
    let twice = [REPLICAS, REPLICAS].concat();
    for kind in [
        "drain_begun",
        "drained",
        "fault_requested",
        "target_returned",
        "drain_ended",
    ] {
        assert_eq!(nodes(&events, kind), twice, "{kind}");
    }
    for kind in ["drained", "drain_ended"] {
        for event in of_kind(&events, kind) {
            assert_eq!(event["problem"], Value::Null, "{kind}");
        }
    }
    // The balancer has no name of its own, and there is nobody else.
    let seen = nodes(&events, "target_seen");
    assert_eq!(seen, twice, "those of the trial without a fault");
    support::assert_nothing_left(run.folder.path());
}

#[test]
fn a_rolling_restart_behind_a_balancer_that_is_told_loses_nothing() {
    check_rolling_restart(&[]);
}

#[test]
fn nor_behind_haproxy() {
    if support::has("haproxy", &["haproxy", "-v"]) {
        check_rolling_restart(&["--balancer", "haproxy"]);
    }
}

/// nginx closes its idle connections at each change of its configuration, and a request that is sent over one at that moment
/// is reset. A connection that has carried no request yet is not idle to nginx.
#[test]
fn nor_behind_nginx_for_clients_that_keep_no_connection() {
    if support::has("nginx", &["nginx", "-v"]) {
        check_rolling_restart(&["--balancer", "nginx", "--no-keep-alive"]);
    }
}

#[test]
fn a_balancer_that_is_not_told_loses_requests() {
    let run = compare(&[
        "--topology",
        "token",
        "--fault",
        "rolling-restart",
        "--no-drain",
    ]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let summary = run.summary();
    let arm = arm(&summary, "token");
    assert!(arm.injection.since_lost() > 0, "{:?}", arm.injection);
    // What was acknowledged is kept all the same.
    assert_eq!((arm.sessions.lost, arm.writes.lost), (0, 0));
    let events = run.events();
    assert_eq!(nodes(&events, "drain_begun"), [""; 0]);
    assert_eq!(nodes(&events, "target_returned"), REPLICAS);
}

#[test]
fn a_server_alone_is_away_while_it_restarts() {
    let run = compare(&["memory", "journal", "--fault", "rolling-restart"]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let summary = run.summary();
    let (memory, journal) = (arm(&summary, "memory"), arm(&summary, "journal"));
    assert_eq!(memory.sessions.survived, 0, "{:?}", memory.sessions);
    assert_eq!(journal.sessions.lost, 0, "{:?}", journal.sessions);
}

#[test]
fn a_paused_process_loses_time_and_nothing_else() {
    let run = compare(&["memory", "--fault", "pause", "--pause", "300ms"]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let summary = run.summary();
    let memory = arm(&summary, "memory");
    // The same process goes on: even what only it had in memory is there.
    assert_eq!((memory.sessions.lost, memory.writes.lost), (0, 0));
    assert!(memory.writes.kept > 0);
    assert!(memory.time_to_ready_ms.median.unwrap() >= 300.0);
    assert!(
        memory.longest_gap_ms.median.unwrap() >= 250.0,
        "nobody was answered meanwhile"
    );
    let events = run.events();
    for kind in ["target_paused", "target_resumed", "target_returned"] {
        assert_eq!(nodes(&events, kind), ["replica-0"], "{kind}");
    }
    let starts = of_kind(&events, "target_executed");
    assert!(starts.into_iter().all(|start| start["incarnation"] == 0));
}

#[test]
fn a_paused_store_is_waited_for_with_all_its_processes() {
    let run = compare(&[
        "--topology",
        "postgres",
        "--fault-target",
        "store",
        "--fault",
        "pause",
        "--pause",
        "300ms",
    ]);
    if !support::was_measured(&run) {
        return;
    }
    let summary = run.summary();
    let is_there = summary.arms[0].trials == 1;
    if !support::is_there_or_skipped("postgresql", is_there) {
        return;
    }
    let arm = arm(&summary, "postgres");
    assert_eq!((arm.sessions.lost, arm.writes.lost), (0, 0));
    // Its backends are in groups of their own; had they gone on, so would the replies.
    assert!(
        arm.longest_gap_ms.median.unwrap() >= 250.0,
        "{:?}",
        arm.longest_gap_ms
    );
}

#[test]
fn a_deploy_shows_whether_the_next_version_knows_the_sessions() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/deploy.toml");
    let run = run(&file);
    if !support::ended_with(&run, 1) {
        return;
    }
    let summary = run.summary();
    let reasons = &summary.reasons;
    assert!(
        reasons
            .iter()
            .all(|reason| reason.starts_with("breaking: ")),
        "{reasons:?}"
    );
    let compatible = arm(&summary, "compatible");
    assert_lossless(compatible);
    assert_eq!((compatible.sessions.lost, compatible.writes.lost), (0, 0));
    assert!(compatible.writes.kept > 0);
    let breaking = arm(&summary, "breaking");
    assert_eq!(breaking.sessions.survived, 0, "{:?}", breaking.sessions);
    assert!(breaking.sessions.lost > 0);
    // Not for want of an answer: the old version's cookies are refused.
    let classes: Vec<&String> = breaking.injection.since_failed.keys().collect();
    assert_eq!(classes, ["session_rejected"]);
}

/// Three replicas behind a balancer of the user's own, with what is told to it.
fn own_balancer(fault: &str, begin: &str, server: &str) -> String {
    format!(
        r#"
[target]
command     = {server}
ready       = {{ http = "/health" }}
boot_header = "x-boot-id"
replicas    = 3
stop        = {{ grace = "300ms" }}

[balancer]
command = ["{{comeback}}", "balance", "--port", "{{port}}", "--to", "{{replicas}}", "--policy", "sticky"]
drain   = {{ begin = {begin}, end = ["true"] }}

[[fault]]
{fault}

[operation]
request = "GET /health"

[windows]
warm_up    = "100ms"
settle     = "300ms"
steady_for = "200ms"
"#
    )
}

const SERVER: &str = r#"["{comeback}", "serve", "memory", "--port", "{port}", "--data", "{data}"]"#;

/// What is to be known of each trial, as the report has it.
fn report(run: &Run) -> String {
    std::fs::read_to_string(run.out().join("report.html")).unwrap()
}

#[test]
fn a_drain_that_fails_is_told_and_the_rolling_restart_goes_on() {
    let begin = r#"["sh", "-c", "echo replica {replica} is busy >&2; exit 3"]"#;
    let run = experiment(&own_balancer("kind = \"rolling_restart\"", begin, SERVER));
    if !support::ended_with(&run, 0) {
        return;
    }
    let events = run.events();
    let problems: Vec<&str> = of_kind(&events, "drained")
        .map(|kind| kind["problem"].as_str().unwrap())
        .collect();
    assert_eq!(
        problems,
        [
            "replica 0 is busy",
            "replica 1 is busy",
            "replica 2 is busy"
        ]
    );
    assert_eq!(nodes(&events, "target_returned"), REPLICAS);
    let told = "replica 2 was stopped although it was not drained: replica 2 is busy";
    assert!(report(&run).contains(told));
}

#[test]
fn a_drain_that_hangs_is_ended() {
    let begin = r#"["sh", "-c", "sleep 60"]"#;
    let fault = "kind = \"rolling_restart\"\ntarget = \"replica:1\"\ndrain = \"100ms\"";
    let run = experiment(&own_balancer(fault, begin, SERVER));
    if !support::ended_with(&run, 0) {
        return;
    }
    let events = run.events();
    let drained: Vec<&Value> = of_kind(&events, "drained").collect();
    let problem = drained[0]["problem"].as_str().unwrap();
    assert!(problem.contains("took longer than"), "{problem}");
    assert_eq!(nodes(&events, "target_returned"), ["replica-1"]);
    support::assert_nothing_left(run.folder.path());
}

#[test]
fn a_replica_that_had_to_be_killed_is_told() {
    let deaf = r#"["sh", "-c", "{comeback} serve memory --port {port} --data {data} & trap '' TERM; while :; do sleep 0.1; done"]"#;
    let fault = "kind = \"rolling_restart\"\ntarget = \"replica:0\"";
    let run = experiment(&own_balancer(fault, "[\"true\"]", deaf));
    if !support::ended_with(&run, 0) {
        return;
    }
    let told = "replica 0 did not end in its time of grace, and was killed";
    assert!(report(&run).contains(told), "{}", run.printed());
}

/// Each replica's shell starts its server again when that ends; the second start of the one that is faulted takes the
/// server of replica 2 down first.
#[test]
fn an_untouched_node_that_is_another_process_afterwards_is_collateral_damage() {
    let server = r#"["sh", "-c", """
[ -e {data}/again ] && kill -KILL $(cat {shared}/server-2)
touch {data}/again
trap 'kill $server; exit' TERM
while :; do
    {comeback} serve memory --port {port} --data {data} &
    server=$!
    echo $server > {shared}/server-{replica}
    wait $server
done
"""]"#;
    let run = experiment(
        &own_balancer("target = \"replica:0\"", "[\"true\"]", server)
            .replace("\"300ms\"\nsteady_for", "\"2s\"\nsteady_for"),
    );
    let told = "collateral damage: replica 2 was not faulted, and is another process than before";
    let report = report(&run);
    assert!(report.contains(told), "{}", run.printed());
    assert!(!report.contains("replica 1 was not faulted"));
}

#[test]
fn what_does_not_fit_together_is_refused_before_anything_starts() {
    let whole = |fault: &str| own_balancer(fault, "[\"true\"]", SERVER);
    let rolling = "kind = \"rolling_restart\"";
    let without = |text: String, what: &str| {
        let lines = text.lines().filter(|line| !line.starts_with(what));
        lines.collect::<Vec<_>>().join("\n")
    };
    for (text, told) in [
        (
            whole(&format!("{rolling}\ntarget = \"store\"")),
            "there is no [store]",
        ),
        (
            whole(&format!("{rolling}\ntarget = \"balancer\"")),
            "only replicas are restarted one after the other",
        ),
        (
            whole(&format!("{rolling}\nlasts = \"1s\"")),
            "only these kinds of faults have this key: pause",
        ),
        (
            whole("kind = \"pause\"\nlasts = \"0s\""),
            "a pause needs a length, such as 1s",
        ),
        (
            whole("kind = \"pause\"\nlasts = \"40s\""),
            "outlasts the horizon of 30s",
        ),
        (
            whole("kind = \"pause\"\ndrain = false"),
            "only these kinds of faults have this key: rolling_restart, deploy",
        ),
        (
            whole(&format!("{rolling}\ndrain = true")),
            "say how long it may take",
        ),
        (whole("kind = \"deploy\""), "what replaces the server?"),
        (
            whole("kind = \"deploy\"").replace(
                "[windows]",
                "[deploy]\ncommand = [\"no-such-program-here\", \"{port}\"]\n[windows]",
            ),
            "deploy: ",
        ),
        (
            without(whole(rolling), "drain"),
            "how is it told that a replica is about to be stopped?",
        ),
        (
            whole(rolling).replace(
                "[windows]",
                "[deploy]\nenvironment = { A = \"1\" }\n[windows]",
            ),
            "no fault of this plan replaces the server",
        ),
        (
            whole(rolling).replace("end = [\"true\"]", "end = []"),
            "give a program to run",
        ),
    ] {
        let run = experiment(&text);
        assert_eq!(run.code(), 2, "{told}: {}", run.printed());
        assert!(run.printed().contains(told), "{told}: {}", run.printed());
        assert!(!run.out().exists(), "{told}");
    }
    for (words, told) in [
        (
            &["memory", "--no-drain"][..],
            "only these kinds of faults have this key: rolling_restart, deploy",
        ),
        (&["memory", "--fault", "deploy"], "give both"),
        (&["memory", "--deploy", "token-v2"], "give both"),
        (
            &["memory", "--fault", "deploy", "--deploy", "dns"],
            "dns speaks DNS",
        ),
        (
            &["memory", "--fault", "deploy", "--deploy", "redis"],
            "it does not use the store of 'memory'",
        ),
        (
            &["memory", "--pause", "1s"],
            "--pause: only these kinds of faults have this key: pause",
        ),
        (
            &[
                "--topology",
                "token",
                "--fault",
                "rolling-restart",
                "--fault-target",
                "balancer",
            ],
            "only replicas are restarted",
        ),
    ] {
        let run = compare(words);
        assert_eq!(run.code(), 2, "{told}: {}", run.printed());
        assert!(run.printed().contains(told), "{told}: {}", run.printed());
    }
}
