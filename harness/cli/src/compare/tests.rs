//! The stored plans of many command lines. None of them must change by accident.
//!
//! After an intended change, `COMEBACK_STORE_PLANS=1 cargo test --workspace --bin comeback the_plan_of_a_command_line` stores them
//! again.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use clap::Parser;
use comeback_claims::{CLAIMS, Experiment};
use comeback_faults::Faults;

use super::{Args, into_plan};

/// The words of a comparison, as they are typed.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(flatten)]
    compare: Args,
}

/// Command lines that make a plan, and such that make none; a tilde is a space within a word.
const LINES: &[&str] = &[
    "",
    "--quick",
    "memory journal --trials 30 --seed 7",
    "token token-newkey memory journal redis",
    "redis postgres sqlite buffered",
    "trivial wrong-answer",
    "journal --listener own,held --restart-after 300ms",
    "memory --listener held --fault pause --pause 250ms",
    "memory --retry-by none,client,client-key --retry 3 --retry-backoff 20ms --try-timeout 200ms",
    "token --fault deploy --deploy token-v2",
    "token --fault deploy --deploy token-v2 --no-drain --listener held",
    "token --fault rolling-restart",
    "memory --fault terminate",
    "--topology token --fault segfault --fault-target replicas",
    "memory --sessions 20 --rate 50 --arrivals constant --timeout 1s --no-keep-alive --looks 3 --horizon 10s",
    "memory --trials 4 --extend-to 9 --replacements 1 --gate lost_sessions~==~0 --gate outage.median~<~2s",
    "--topology",
    "--topology --quick --trials 2",
    "--topology redis postgres --fault-target store",
    "--topology --fault-target store",
    "--topology round-robin sticky token --replicas 1,2,4",
    "--topology token --replicas 4,2 --fault-target replicas",
    "--topology sticky token --fault rolling-restart --balancer haproxy",
    "--topology sticky token --balancer nginx",
    "--topology token --balancer nginx --fault rolling-restart",
    "--topology token redis --balancer nginx --cache nginx --fault-target cache",
    "--topology token sticky --cache builtin --fault-target replicas",
    "--topology token --fault deploy --deploy token-v2",
    "--topology redis --fault deploy --deploy token --restart-after 200ms --fault-target replica",
    "--topology postgres --fault pause --retry-by none,client,client-key --try-timeout 200ms",
    "--topology sticky --retry-by balancer,none --retry 1 --balancer haproxy --restart-after 100ms --fault-target balancer",
    "--topology redis-always redis-everysec sqlite --replicas 1,3 --listener own,held --restart-after 300ms",
    "--topology token --retry-by none,balancer --fault rolling-restart --no-drain",
    "memmory",
    "memory memory",
    "dns",
    "token ftp",
    "memory --fault kill --pause 1s",
    "memory --fault pause --pause 0s",
    "memory --fault pause --pause 40s",
    "memory --no-drain",
    "memory --deploy token",
    "memory --fault deploy",
    "memory --fault deploy --deploy redis",
    "memory --fault deploy --deploy nosuch",
    "memory --retry-by balancer",
    "memory --retry-by client --retry 0",
    "memory --retry-by client --retry 11",
    "memory --trials 0",
    "memory --trials 5 --extend-to 3",
    "memory --sessions 0",
    "memory --rate=-5",
    "memory --horizon 0s",
    "memory --horizon 1s --restart-after 2s",
    "memory --listener held --gate time_to_listen.max~<~1s",
    "--topology nosuch",
    "--topology token --fault-target store",
    "--topology token --fault-target cache",
    "--topology token token",
    "--topology --replicas 2,3,2",
    "--topology token --fault-target balancer --fault rolling-restart",
];

fn parse(line: &str) -> Args {
    let words = line.split_whitespace().map(|word| word.replace('~', " "));
    Line::try_parse_from(words).unwrap().compare
}

/// The stored form of a command line.
fn told(line: &str) -> String {
    let args = parse(line);
    let outcome = match into_plan(&args) {
        Ok(plan) => match plan.validate() {
            Ok(()) => serde_json::json!({ "command": line, "plan": plan }),
            Err(error) => serde_json::json!({ "command": line, "error": error.to_string() }),
        },
        Err(error) => serde_json::json!({ "command": line, "error": error.to_string() }),
    };
    outcome.to_string()
}

#[test]
fn the_plan_of_a_command_line_is_the_stored_one() {
    let mut lines: Vec<String> = LINES.iter().map(|line| (*line).to_owned()).collect();
    for claim in &CLAIMS {
        if let Experiment::Compare(comparisons) = claim.experiment {
            let runs = comparisons.runs(false).into_iter();
            lines.extend(runs.map(|run| run.to_command().join(" ")));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/plans.jsonl");
    let mut now: Vec<String> = lines.iter().map(|line| told(line)).collect();
    for server in comeback_servers::all() {
        let arm = comeback_architectures::replica(server, &Faults).unwrap();
        now.push(serde_json::json!({ "replica": server.name, "arm": arm }).to_string());
    }
    if std::env::var_os("COMEBACK_STORE_PLANS").is_some() {
        fs::write(&path, now.join("\n") + "\n").unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap();
    let stored: Vec<&str> = stored.lines().collect();
    assert_eq!(stored.len(), now.len(), "as many as are stored");
    for (stored, now) in stored.iter().zip(&now) {
        assert_eq!(stored, now);
    }
}

#[test]
fn the_command_of_a_comparison_asks_for_the_same_comparison() {
    let mut checked = 0;
    for line in LINES {
        let Ok(comparison) = parse(line).comparison() else {
            continue;
        };
        let command = comparison.to_command().join(" ");
        assert_eq!(parse(&command).comparison().unwrap(), comparison, "{line}");
        checked += 1;
    }
    assert!(checked > 40, "{checked}");
}
