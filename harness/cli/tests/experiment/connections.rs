//! Faults of connections: a real proxy in front of real servers.

use std::path::Path;

use serde_json::Value;

use super::{SHOP, call, faults_told, run_shop};
use crate::support::{self, Run};

fn disturbed(fault: &str) -> Run {
    let fault = format!("[[fault]]\nkind = \"connections\"\n{fault}");
    run_shop(&SHOP.replace("[[fault]]", &fault), &[])
}

/// What proved that the fault held, when it was over.
fn proofs(run: &Run) -> Vec<String> {
    let events = run.events().into_iter();
    let kinds = events.map(|event| event["kind"].clone());
    let restored = kinds.filter(|kind| kind["type"] == "target_restored");
    restored
        .map(|kind| kind["evidence"].as_str().unwrap().to_owned())
        .collect()
}

/// The count before these words in a proof.
fn count(proof: &str, what: &str) -> u64 {
    let (before, _) = proof.split_once(what).unwrap();
    let digits = before.trim_end().rsplit([' ', ':']).next().unwrap();
    digits.parse().unwrap()
}

/// How long each operation took, in ms, that was sent and answered while the fault held for sure, which lasts so long; and that of
/// all that it did not meet for sure.
fn latencies(run: &Run, lasts_ms: u64) -> (Vec<f64>, Vec<f64>) {
    let at = |wanted: &str| {
        let events = run.events().into_iter();
        let found = events.filter(|event| event["kind"]["type"] == wanted);
        let told = found.map(|event| (event["trial"].clone(), event["at_us"].as_u64().unwrap()));
        told.collect::<Vec<_>>()
    };
    let worse = at("target_degraded").into_iter();
    let spans = worse.zip(at("target_restored"));
    // When it is put on record that the fault is over, it is over already.
    let spans: Vec<(Value, u64, u64, u64)> = spans
        .map(|((trial, from), (_, over))| (trial, from, from + lasts_ms * 1_000, over))
        .collect();
    let text = std::fs::read_to_string(run.out().join("operations.csv")).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let (mut during, mut others) = (Vec::new(), Vec::new());
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let field = |name: &str| fields[names.iter().position(|one| *one == name).unwrap()];
        let (Ok(sent), Ok(finished)) = (
            field("sent_us").parse::<u64>(),
            field("finished_us").parse::<u64>(),
        ) else {
            continue;
        };
        let trial: Value = field("trial").parse::<u64>().unwrap().into();
        let took = (finished - sent) as f64 / 1_000.0;
        let is_within = |(of, from, until, _): &(Value, u64, u64, u64)| {
            *of == trial && sent >= *from && finished <= *until
        };
        let is_beside = |(of, from, _, over): &(Value, u64, u64, u64)| {
            *of != trial || finished < *from || sent > *over
        };
        if spans.iter().any(is_within) {
            during.push(took);
        } else if spans.iter().all(is_beside) {
            others.push(took);
        }
    }
    (during, others)
}

#[test]
fn every_reply_is_late_by_the_delay_of_both_ways_while_it_holds_and_no_other_is() {
    let run = disturbed("delay = \"100ms\"\nbandwidth = \"5KB\"\nlasts = \"900ms\"");
    if !support::ended_with(&run, 0) {
        return;
    }
    let proofs = proofs(&run);
    assert!(!proofs.is_empty());
    for proof in &proofs {
        assert!(count(proof, "bytes delayed") > 0, "{proof}");
        assert!(count(proof, "bytes held back") > 0, "{proof}");
    }
    // 100 ms each way, and what the bytes themselves take at 5 KB/s: 20 ms for each 100 bytes.
    let (during, others) = latencies(&run, 900);
    assert!(!during.is_empty());
    assert!(during.iter().all(|ms| *ms >= 210.0), "{during:?}");
    let median = |mut list: Vec<f64>| {
        list.sort_by(f64::total_cmp);
        list[list.len() / 2]
    };
    assert!(median(others) < median(during));
    // The proxies of all trials, the control's among them, were ended with them.
    let logs = std::fs::read_dir(run.out().join("logs")).unwrap();
    let names = logs.map(|log| log.unwrap().file_name().into_string().unwrap());
    let trials = faults_told(&run, "target_degraded").len() + 1;
    assert!(
        names
            .filter(|name| name.contains("-proxy-replica-0"))
            .count()
            >= trials
    );
    let journal = std::fs::read_to_string(run.out().join("journal.jsonl")).unwrap();
    assert!(!journal.contains("left_behind"), "{journal}");
}

#[test]
fn an_effect_that_nobody_met_is_no_fault_that_landed() {
    // Clients keep their connections: no new one is refused, and 10 MB a second are more than they send.
    for (fault, missing) in [
        ("refuse = true", "0 new connections reset while it held"),
        (
            "bandwidth = \"10MB\"",
            "0 bytes held back by the bandwidth while it held",
        ),
        // One effect of two is not enough.
        (
            "delay = \"5ms\"\ncut_after = \"1MiB\"",
            "0 connections cut while it held",
        ),
    ] {
        let run = disturbed(&format!("{fault}\nlasts = \"200ms\""));
        assert_eq!(run.code(), 3, "{fault}: {}", run.printed());
        let printed = run.printed();
        let printed: Vec<&str> = printed.split_whitespace().collect();
        let printed = printed.join(" ");
        assert!(printed.contains(missing), "{fault}: {printed}");
        assert_eq!(faults_told(&run, "target_restored"), [0_u64; 0]);
    }
}

#[test]
fn without_load_nothing_is_delayed_and_the_fault_did_not_land() {
    let fault =
        "[[fault]]\nkind = \"connections\"\ndelay = \"50ms\"\nlasts = \"150ms\"\nwithin = \"any\"";
    let text = SHOP.replace("[[fault]]", fault);
    // About one operation a minute.
    let run = run_shop(&text.replace("rate = 100", "rate = 0.02"), &[]);
    assert_eq!(run.code(), 3, "{}", run.printed());
    assert_eq!(faults_told(&run, "target_restored"), [0_u64; 0]);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    for (fault, told) in [
        ("connections:lasts=1s", "it does nothing: say delay"),
        (
            "connections:lasts=1s,delay=1s,jitter=2s",
            "the delay less the jitter must be longer than 1ms",
        ),
        ("connections:lasts=1s,bandwidth=5", "bandwidth"),
        ("connections:lasts=1s,bandwidth=0B", "at least 1B a second"),
        (
            "connections:lasts=1s,refuse=true,percent=0",
            "1 to 100 percent",
        ),
        ("connections:refuse=true", "say how long it lasts"),
        ("connections:lasts=1s,delay=1ms", "longer than 1ms"),
    ] {
        let words = [
            "run", "--get", "/", "--fault", fault, "--", "true", "{port}",
        ];
        let refused = call(folder.path(), &words);
        let stderr = support::said(&refused);
        assert_eq!(refused.status.code(), Some(2), "{fault}: {stderr}");
        assert!(stderr.contains(told), "{fault}: {stderr}");
        assert!(!Path::new(folder.path()).join("comeback-runs").exists());
    }
}

/// Without sessions: two replicas behind a balancer.
const REPLICAS: &str = r#"
trials = 1
seed = 7
[target]
command = ["{comeback}", "serve", "trivial", "--port", "{port}", "--data", "{data}"]
replicas = 2
[balancer]
kind = "builtin"
[load]
sessions = 10
rate = 100
[operation]
request = "GET /"
[[fault]]
at = "400ms"
[windows]
settle = "600ms"
steady_for = "300ms"
window = "50ms"
"#;

#[test]
fn the_way_from_a_balancer_to_its_replicas_is_slow_and_each_proxy_proves_it() {
    let fault = "[[fault]]\nkind = \"connections\"\ntarget = \"replicas:all\"\ndelay = \"60ms\"\nlasts = \"600ms\"";
    let run = run_shop(&REPLICAS.replace("[[fault]]", fault), &[]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let proofs = proofs(&run);
    assert!(proofs.len() >= 2, "{proofs:?}");
    assert!(proofs.iter().all(|proof| count(proof, "bytes delayed") > 0));
    let journal = std::fs::read_to_string(run.out().join("journal.jsonl")).unwrap();
    assert!(!journal.contains("left_behind"), "{journal}");
}

#[test]
fn one_slow_replica_of_two_slows_the_requests_that_it_answers() {
    let fault = "[[fault]]\nkind = \"connections\"\ntarget = \"replica:1\"\ndelay = \"60ms\"\nlasts = \"600ms\"";
    let run = run_shop(&REPLICAS.replace("[[fault]]", fault), &[]);
    if !support::ended_with(&run, 0) {
        return;
    }
    assert!(!proofs(&run).is_empty());
    let logs = std::fs::read_dir(run.out().join("logs")).unwrap();
    let names = logs.map(|log| log.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.collect();
    assert!(names.iter().any(|name| name.contains("-proxy-replica-1")));
    assert!(!names.iter().any(|name| name.contains("-proxy-replica-0")));
    let (during, _) = latencies(&run, 600);
    let slow = during.iter().filter(|ms| **ms >= 120.0).count();
    assert!(slow > 0, "{during:?}");
}

#[test]
fn the_way_to_a_store_is_slow_and_the_servers_find_it_behind_the_proxy() {
    if !support::has("redis-server", &["redis-server", "--version"]) {
        return;
    }
    let server = "[target]\ncommand = [\"{comeback}\", \"serve\", \"redis\", \"--port\", \"{port}\", \"--data\", \"{data}\", \"--store\", \"127.0.0.1:{store}\"]\n[target.ready]\nhttp = \"/health\"\n[store]\nkind = \"redis\"\n[load]";
    let (before, rest) = SHOP.split_once("[target]").unwrap();
    let (_, rest) = rest.split_once("[load]").unwrap();
    let fault = "[[fault]]\nkind = \"connections\"\ntarget = \"store\"\ndelay = \"40ms\"\nlasts = \"500ms\"";
    let text = format!("{before}{server}{rest}").replace("[[fault]]", fault);
    let run = run_shop(&text, &[]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let proofs = proofs(&run);
    assert!(!proofs.is_empty());
    assert!(proofs.iter().all(|proof| count(proof, "bytes delayed") > 0));
    let (during, _) = latencies(&run, 500);
    assert!(during.iter().any(|ms| *ms >= 80.0), "{during:?}");
}

#[test]
fn a_kill_behind_a_proxy_is_refused_and_recovered_from_as_without_one() {
    let surrounding = "[[surroundings]]\nkind = \"connections\"\ndelay = \"10ms\"\n[windows]";
    let text = SHOP.replace("[windows]", surrounding);
    let text = text.replace("[load]", "restart = { after = \"400ms\" }\n[load]");
    // Most writes wait in the proxy: one kill proves nothing of losses.
    let losses = "lost_sessions = 0\nlost_writes = 0";
    let run = run_shop(&text.replace(losses, "unrecovered = 0"), &[]);
    if !support::ended_with(&run, 0) {
        return;
    }
    // Two starts with a fault, and the control's one.
    assert!(faults_told(&run, "surrounding_applied").len() >= 3);
    assert!(faults_told(&run, "surrounding_removed").len() >= 2);
    let arm = &run.summary().arms[0];
    assert!(arm.sessions.survived >= 10 && arm.sessions.lost == 0);
    // For 400 ms nobody listens: what clients open then is refused, and not taken and reset by the proxy.
    let classes = &arm.errors.during.by_class;
    let of = |name: &str| classes.get(name).copied().unwrap_or(0.0);
    assert!(of("refused") > 0.0, "{classes:?}");
    // It held for every request, that of the control trial, too.
    let (_, all) = latencies(&run, 0);
    let slow = all.iter().filter(|ms| **ms >= 19.0).count();
    assert!(slow * 2 > all.len(), "{all:?}");
    let events = run.events();
    let told = |wanted: &str| events.iter().any(|event| event["kind"]["type"] == wanted);
    assert!(told("first_accept") && told("first_correct"));
    assert!(!told("old_processes_alive") && !told("survivors_found") && !told("left_behind"));
}

#[test]
fn a_write_that_waits_for_a_bandwidth_is_no_evidence_of_what_a_kill_takes() {
    let surrounding = "[[surroundings]]\nkind = \"connections\"\nbandwidth = \"100KB\"\n[windows]";
    let run = run_shop(&SHOP.replace("[windows]", surrounding), &[]);
    if !support::was_measured(&run) {
        return;
    }
    let printed = run.printed();
    assert_eq!(run.code(), 3, "{printed}");
    let printed: Vec<&str> = printed.split_whitespace().collect();
    let printed = printed.join(" ");
    let named = "not in a proxy that held data back or reset connections (connections)";
    assert!(printed.contains(named), "{printed}");
}

#[test]
fn replies_are_cut_and_new_connections_fail_while_it_holds_and_no_write_is_lost() {
    for (load, fault, what) in [
        ("", "cut_after = \"500B\"", "connections cut"),
        (
            "",
            "cut_after = \"500B\"\ncut = \"close\"",
            "connections cut",
        ),
        (
            "keep_alive = false\n",
            "refuse = true",
            "new connections reset",
        ),
        (
            "keep_alive = false\n",
            "fail_first = 3",
            "new connections reset",
        ),
        (
            "keep_alive = false\n",
            "refuse = true\npercent = 50",
            "new connections reset",
        ),
        (
            "keep_alive = false\n",
            "slow_close = \"50ms\"",
            "ends of connections delayed",
        ),
    ] {
        let fault = format!("[[fault]]\nkind = \"connections\"\n{fault}\nlasts = \"400ms\"");
        let text = SHOP.replace("[[fault]]", &fault);
        let run = run_shop(&text.replace("[load]\n", &format!("[load]\n{load}")), &[]);
        if !support::ended_with(&run, 0) {
            return;
        }
        let proofs = proofs(&run);
        assert!(!proofs.is_empty(), "{fault}");
        assert!(
            proofs.iter().all(|proof| count(proof, what) > 0),
            "{proofs:?}"
        );
        let errors = &run.summary().arms[0].errors.during;
        let has_failed = errors.by_class.values().any(|share| *share > 0.0);
        assert_eq!(
            has_failed,
            !fault.contains("slow_close"),
            "{fault}: {errors:?}"
        );
        if fault.contains("fail_first") {
            assert!(
                proofs.iter().all(|proof| count(proof, what) == 3),
                "{proofs:?}"
            );
        }
    }
}

#[test]
fn a_run_without_such_a_fault_has_no_proxy() {
    let run = run_shop(SHOP, &[]);
    let logs = std::fs::read_dir(run.out().join("logs")).unwrap();
    let mut names = logs.map(|log| log.unwrap().file_name().into_string().unwrap());
    assert!(names.all(|name| !name.contains("proxy")));
}
