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

/// Runs of one plan on one machine whose arms have these median outages.
fn with_outages(outages: &[Option<f64>]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (day, outage) in outages.iter().enumerate() {
        let mut entry = entry(
            &format!("run-{day}"),
            header(&format!("2026-11-{:02}T10:00:00Z", day + 1)),
        );
        let figures = entry.figures.as_mut().unwrap();
        for arm in &mut figures.arms {
            arm.outage_ms.n = 6;
            arm.outage_ms.median = *outage;
        }
        entries.push(entry);
    }
    entries
}

fn outages(history: &History) -> Vec<&Row> {
    let rows = history.rows.iter();
    rows.filter(|row| row.figure == Figure::Outage).collect()
}

#[test]
fn a_change_of_level_is_found_between_its_runs_with_its_interval() {
    let noisy = |level: f64, day: usize| Some(level + (day * 7 % 5) as f64);
    let medians: Vec<Option<f64>> = (0..14)
        .map(|day| noisy(if day < 7 { 100.0 } else { 120.0 }, day))
        .collect();
    let history = History::of(with_outages(&medians), Vec::new()).with_changes();
    let rows = outages(&history);
    assert!(!rows.is_empty());
    for row in rows {
        let Found::Changed(change) = &row.result else {
            panic!("{row:?}");
        };
        assert_eq!(
            (&*change.last_before, &*change.first_after, change.rose),
            ("run-6", "run-7", true)
        );
        let (low, by, high) = (
            change.low.unwrap(),
            change.by.unwrap(),
            change.high.unwrap(),
        );
        assert!(low <= by && by <= high && low > 10.0, "{change:?}");
        assert!((by - 20.0).abs() < 3.0, "{change:?}");
    }
    // Beyond the horizon is longer than anything, by nobody knows how much.
    let medians: Vec<Option<f64>> = (0..14)
        .map(|day| noisy(100.0, day).filter(|_| day < 7))
        .collect();
    let history = History::of(with_outages(&medians), Vec::new()).with_changes();
    let Found::Changed(change) = &outages(&history)[0].result else {
        panic!("{:?}", history.rows);
    };
    assert_eq!((change.rose, change.by), (true, None));
}

#[test]
fn runs_that_may_not_be_compared_are_no_row_and_few_ones_tell_no_change() {
    let mut entries = with_outages(&[Some(100.0); 12]);
    for (day, entry) in entries.iter_mut().enumerate() {
        let figures = entry.figures.as_mut().unwrap();
        let is_moved = day >= 6;
        figures.arms.iter_mut().for_each(|arm| {
            arm.outage_ms.median = Some(if is_moved { 200.0 } else { 100.0 } + day as f64);
        });
        if is_moved {
            let machine = &mut entry.header.as_mut().unwrap().machine;
            machine.processor = "another".to_owned();
            figures.machine = machine.clone();
        }
    }
    let history = History::of(entries, Vec::new()).with_changes();
    for row in outages(&history) {
        assert_eq!(row.runs.len(), 6);
        assert_eq!(row.result, Found::TooFew { needed: 8 });
        assert_eq!(row.runs[0], "run-6", "the newest is told");
    }
    let history = History::of(with_outages(&[Some(100.0); 12]), Vec::new()).with_changes();
    assert!(
        outages(&history)
            .iter()
            .all(|row| row.result == Found::Same)
    );
    assert!(history.newest_first().rows.is_empty());
}
