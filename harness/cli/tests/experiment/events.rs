//! Faults at an event, with real processes.

use serde_json::Value;

use super::{call, folder_with};
use crate::support::{CONTRACT_SESSION, Run, read_events};

/// Trials of a server of the zoo, each with one kill.
fn experiment(server: &str, fault: &str) -> String {
    // It stores a visit so long after it was acknowledged that a kill on a busy machine is sooner.
    format!(
        r#"
trials = 5
controls = 1
seed = 17
[target]
command = ["{{comeback}}", "serve", "{server}", "--port", "{{port}}", "--data", "{{data}}"]
environment = {{ COMEBACK_EARLY_ACK_US = "20000" }}
[load]
sessions = 10
rate = 30
{CONTRACT_SESSION}
[[fault]]
kind = "kill"
at = "400ms"
{fault}
[windows]
settle = "400ms"
steady_for = "200ms"
window = "50ms"
"#
    )
}

fn run(server: &str, fault: &str) -> Run {
    let folder = folder_with("events.toml", &experiment(server, fault));
    let words = ["run", "events.toml", "--out", "out", "--quiet"];
    let output = call(folder.path(), &words);
    crate::support::assert_nothing_left(folder.path());
    Run { folder, output }
}

/// What each trial's fault had waited for, and how many µs later it came.
fn met(run: &Run) -> Vec<(Value, u64)> {
    let events = read_events(&run.out()).into_iter();
    let aimed = events.filter(|event| event["kind"]["type"] == "fault_aimed");
    let met = aimed.map(|event| {
        let kind = &event["kind"];
        (kind["met"].clone(), kind["after_us"].as_u64().unwrap())
    });
    met.collect()
}

const ACKNOWLEDGEMENT: &str = "on = \"acknowledgement\"\nnth = \"1..20\"";

#[test]
fn a_server_that_acknowledges_before_it_stores_loses_the_write_at_whose_acknowledgement_it_is_killed()
 {
    let run = run("early-ack", ACKNOWLEDGEMENT);
    let met = met(&run);
    assert!(met.len() >= 5, "{}", run.printed());
    let mut drawn: Vec<u64> = met
        .iter()
        .map(|(met, _)| met["write"]["nth"].as_u64().unwrap())
        .collect();
    assert!(drawn.iter().all(|nth| (1..=20).contains(nth)), "{drawn:?}");
    drawn.sort_unstable();
    drawn.dedup();
    assert!(drawn.len() > 1, "the trials differ");
    let writes = &run.summary().arms[0].writes;
    assert!(writes.lost >= 4, "{}", run.printed());
    assert_eq!(run.code(), 1, "{}", run.printed());
}

#[test]
fn its_twin_that_stores_first_loses_nothing_at_the_same_events() {
    let run = run("late-ack", ACKNOWLEDGEMENT);
    assert!(met(&run).len() >= 5, "{}", run.printed());
    let summary = run.summary();
    assert_eq!(summary.arms[0].writes.lost, 0, "{}", run.printed());
    assert_eq!(summary.arms[0].sessions.lost, 0, "{}", run.printed());
}

#[test]
fn a_write_that_was_sent_and_is_not_answered_is_indeterminate() {
    let run = run("late-ack", "on = \"sent\"\nnth = 3");
    let met = met(&run);
    assert!(met.len() >= 5, "{}", run.printed());
    // A later one where the third was answered before its moment.
    let nth = |met: &Value| met["write"]["nth"].as_u64().unwrap();
    assert!(met.iter().all(|(met, _)| nth(met) >= 3), "{met:?}");
    let writes = &run.summary().arms[0].writes;
    assert_eq!(writes.lost, 0, "{}", run.printed());
    assert!(writes.indeterminate >= 1, "{}", run.printed());
}

#[test]
fn a_line_that_is_never_written_voids_the_trials_and_says_what_to_change() {
    let never = "on = \"log\"\nmatches = \"no such line\"\ncomes_within = \"300ms\"";
    let run = run("late-ack", never);
    assert_eq!(run.code(), 3, "{}", run.printed());
    let missed = read_events(&run.out()).into_iter();
    let mut missed = missed.filter(|event| event["kind"]["type"] == "fault_missed");
    let reason = missed.next().unwrap()["kind"]["reason"].to_string();
    assert!(reason.contains("no line of the output"), "{reason}");
    assert!(reason.contains("raise comes_within"), "{reason}");
}
