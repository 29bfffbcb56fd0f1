//! What is told of a stored run, as if it went on.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use comeback_model::event::EventKind;
use comeback_model::ids::TrialId;
use comeback_model::operation::{Operation, Outcome, Step};
use comeback_model::units::Elapsed;
use comeback_runs::read::Recorded;
use serde_json::Value;

use super::super::board::Board;
use super::*;

fn stored(name: &str) -> Recorded {
    let journals = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals");
    Recorded::open(&journals.join(name)).unwrap()
}

/// The board of a stored run at its end.
fn board_of(run: &Recorded) -> Board {
    let header = run.header();
    let mut board = Board::new(&header.plan, &header.schedule);
    let mut operations: BTreeMap<TrialId, Vec<Operation>> = BTreeMap::new();
    for operation in run.operations().unwrap() {
        let operation = operation.unwrap();
        operations
            .entry(operation.trial)
            .or_default()
            .push(operation);
    }
    for event in run.events().unwrap() {
        let event = event.unwrap();
        if let (EventKind::TrialEnded, Some(trial)) = (&event.kind, event.trial) {
            board.note_operations(&operations.remove(&trial).unwrap_or_default());
        }
        board.note(&event, Some("a line"));
    }
    board
}

/// The samples of a text by their names and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with("# EOF\n"));
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    });
    samples.collect()
}

#[test]
fn the_last_metrics_of_a_run_are_the_figures_of_its_journal() {
    for name in ["compare", "several", "topology"] {
        let run = stored(name);
        let told = samples(&metrics::text_of(&board_of(&run), Elapsed::default()));
        let mut arms: BTreeMap<TrialId, &str> = BTreeMap::new();
        for event in run.events().unwrap() {
            let event = event.unwrap();
            if let (EventKind::TrialStarted { arm, .. }, Some(trial)) = (event.kind, event.trial) {
                arms.insert(trial, &run.header().plan.arms[arm.0 as usize].name);
            }
        }
        let mut counted: BTreeMap<String, f64> = BTreeMap::new();
        for operation in run.operations().unwrap() {
            let operation = operation.unwrap();
            let purpose = match operation.step {
                Step::ReadBack => "read_back",
                _ => "load",
            };
            let outcome = match operation.outcome {
                Outcome::Acknowledged => "acknowledged",
                Outcome::Rejected => "rejected",
                Outcome::Indeterminate => "indeterminate",
            };
            let arm = arms[&operation.trial];
            let key = format!(
                "comeback_live_operations_total{{arm=\"{arm}\",for=\"{purpose}\",outcome=\"{outcome}\"}}"
            );
            *counted.entry(key).or_default() += 1.0;
            if purpose == "load" && operation.is_correct() {
                let key = format!("comeback_live_latency_seconds_count{{arm=\"{arm}\"}}");
                *counted.entry(key).or_default() += 1.0;
            }
        }
        assert!(!counted.is_empty());
        for (key, count) in &counted {
            assert_eq!(told.get(key), Some(count), "{name}: {key}");
        }
        let all: f64 = told
            .iter()
            .filter(|(key, _)| key.starts_with("comeback_live_operations_total"))
            .map(|(_, count)| count)
            .sum();
        assert_eq!(all, run.operations().unwrap().count() as f64, "{name}");
    }
}

#[test]
fn the_sessions_that_a_run_lost_are_gone_in_its_last_metrics_too() {
    let run = stored("compare");
    let told = samples(&metrics::text_of(&board_of(&run), Elapsed::default()));
    let summary = std::fs::read_to_string(run.folder().join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let mut lost = 0;
    for arm in summary["arms"].as_array().unwrap() {
        let name = arm["name"].as_str().unwrap();
        let gone = format!("comeback_live_sessions_gone{{arm=\"{name}\"}}");
        let expected = arm["sessions"]["lost"].as_u64().unwrap();
        if let Some(gone) = told.get(&gone) {
            assert_eq!(*gone, expected as f64, "{name}");
            lost += expected;
        }
    }
    assert!(lost > 0);
}

#[test]
fn a_page_is_told_the_last_minute_with_gaps_where_there_was_no_load() {
    let run = stored("compare");
    let board = board_of(&run);
    let (_, ended) = board.load.unwrap();
    let ended = ended.expect("the load of the last trial ended");
    let shown = serde_json::to_value(snapshot::Snapshot::of(&board, ended)).unwrap();
    let series = &shown["series"];
    let at_s: Vec<f64> = serde_json::from_value(series["at_s"].clone()).unwrap();
    assert!(at_s.len() > 1 && at_s.is_sorted() && at_s.iter().all(|at| (-60.5..0.0).contains(at)));
    for name in [
        "offered_per_s",
        "correct_per_s",
        "failed_per_s",
        "slowest_ms",
    ] {
        assert_eq!(series[name].as_array().unwrap().len(), at_s.len(), "{name}");
    }
    let rates = series["correct_per_s"].as_array().unwrap();
    assert!(
        rates.iter().any(Value::is_null),
        "between two trials: {rates:?}"
    );
    assert!(
        rates.iter().any(|rate| rate.as_f64() > Some(0.0)),
        "{rates:?}"
    );
    let faults: Vec<f64> = serde_json::from_value(series["faults_s"].clone()).unwrap();
    assert!(!faults.is_empty() && faults.iter().all(|at| (-60.0..0.0).contains(at)));
    assert_eq!(shown["load"]["answered"], "–", "there is no load any more");
    assert_eq!(shown["landed"][0]["what"], "a line");
}
