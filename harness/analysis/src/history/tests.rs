//! The order of runs, and what keeps their figures from being compared.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use comeback_model::ids::Seed;
use comeback_model::journal::{Machine, VERSION};
use comeback_model::plan::test_plan;
use comeback_model::schedule::expand;
use comeback_model::units::Span;

use super::*;

fn machine() -> Machine {
    Machine {
        system: "Linux 6.1".to_owned(),
        processor: "one".to_owned(),
        cores: 2,
        memory_mib: 4_000,
        data_filesystem: "ext4".to_owned(),
        build: "release".to_owned(),
    }
}

fn header(started: &str) -> Header {
    let plan = test_plan();
    let seed = Seed(7);
    Header {
        comeback_journal: VERSION,
        written_by: "0.1.0".to_owned(),
        started: started.to_owned(),
        seed,
        machine: machine(),
        schedule: expand(&plan, seed),
        plan,
        shards: None,
        label: Some("nightly".to_owned()),
        revision: None,
    }
}

/// The summary of a run in which each arm was measured.
fn summary(header: &Header) -> Summary {
    let arms: Vec<_> = header
        .plan
        .arms
        .iter()
        .map(|arm| arm.name.clone())
        .collect();
    let analysis = crate::measure::Analysis {
        header: header.clone(),
        arms: Vec::new(),
        incomplete: None,
        extensions: Vec::new(),
    };
    let verdict = crate::verdict::judge(&analysis, &[], None);
    let mut summary = crate::summary::summarize(&analysis, &verdict);
    let arm = serde_json::json!({
        "name": "", "status": "measured", "reason": null, "trials": 6, "faults_landed": 6,
    });
    summary.arms = arms
        .into_iter()
        .map(|name| {
            let mut arm: ArmSummary = filled(arm.clone());
            arm.name = name;
            arm
        })
        .collect();
    summary
}

/// An arm with nothing in it but this.
fn filled(given: serde_json::Value) -> ArmSummary {
    let analysis = crate::measure::Analysis {
        header: header("2026-01-01T00:00:00Z"),
        arms: vec![crate::measure::ArmAnalysis {
            id: comeback_model::ids::ArmId(0),
            name: String::new(),
            about: String::new(),
            skipped: None,
            trials: Vec::new(),
            storm: None,
            choices: Vec::new(),
        }],
        incomplete: None,
        extensions: Vec::new(),
    };
    let verdict = crate::verdict::judge(&analysis, &[], None);
    let summary = crate::summary::summarize(&analysis, &verdict);
    let mut arm = serde_json::to_value(&summary.arms[0]).unwrap();
    for (key, value) in given.as_object().unwrap() {
        arm[key] = value.clone();
    }
    serde_json::from_value(arm).unwrap()
}

fn entry(folder: &str, header: Header) -> Entry {
    Entry {
        folder: folder.to_owned(),
        command: None,
        figures: Ok(Box::new(summary(&header))),
        header: Some(Box::new(header)),
    }
}

fn folders(history: &History) -> Vec<&str> {
    history.runs.iter().map(|run| run.folder.as_str()).collect()
}

#[test]
fn runs_stand_in_the_order_of_their_start_and_those_without_one_last() {
    let broken = Entry {
        folder: "broken".to_owned(),
        command: None,
        header: None,
        figures: Err(Trouble {
            state: State::Broken,
            problem: "it is".to_owned(),
            next: None,
        }),
    };
    let history = History::of(
        vec![
            broken,
            entry("b", header("2026-11-28T10:00:31.5Z")),
            entry("c", header("2026-11-28T10:00:32Z")),
            entry("a", header("2026-11-28T10:00:31Z")),
        ],
        Vec::new(),
    );
    assert_eq!(folders(&history), ["a", "b", "c", "broken"]);
    assert_eq!(history.runs[0].label.as_deref(), Some("nightly"));
    assert_eq!(history.runs[3].state, State::Broken);
    let list = history.newest_first();
    assert_eq!(folders(&list), ["c", "b", "a", "broken"]);
}

#[test]
fn what_keeps_figures_from_being_compared_is_named_at_the_later_run() {
    let first = header("2026-11-28T10:00:00Z");
    let mut moved = header("2026-11-28T11:00:00Z");
    moved.machine.processor = "another".to_owned();
    let mut loaded = moved.clone();
    loaded.started = "2026-11-28T12:00:00Z".to_owned();
    loaded.plan.windows.horizon = Span::from_secs(77);
    let history = History::of(
        vec![entry("a", first), entry("b", moved), entry("c", loaded)],
        Vec::new(),
    );
    let arm = |run: usize| &history.runs[run].arms[0];
    assert!(arm(0).other_plan.is_empty() && arm(0).other_machine.is_empty());
    assert!(arm(1).other_plan.is_empty());
    assert_eq!(
        arm(1).other_machine,
        ["processor 'one' then, 'another' now"]
    );
    assert_eq!(arm(2).other_plan, ["the length of its windows differs"]);
    assert!(arm(2).other_machine.is_empty());
}

#[test]
fn a_run_without_its_journal_is_not_said_to_have_the_same_plan() {
    let mut later = entry("b", header("2026-11-28T11:00:00Z"));
    later.header = None;
    let history = History::of(
        vec![entry("a", header("2026-11-28T10:00:00Z")), later],
        Vec::new(),
    );
    assert_eq!(
        history.runs[1].arms[0].other_plan,
        ["its plan is not known, since a journal is missing"]
    );
}
