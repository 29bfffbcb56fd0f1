//! No report prints an impossible figure, whatever the run.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use comeback_analysis::difference::compare;
use comeback_analysis::measure::{
    Analysis, Doing, NotBack, Return, Spoils, Time, TrialAnalysis, Void,
};
use comeback_analysis::summary::summarize;
use comeback_analysis::verdict::judge;
use comeback_model::gate::Gate;
use proptest::prelude::*;

use crate::arms::RunView;
use crate::fake::{self, Fake};
use crate::{
    Logs, Notes, charts, comparison, course, difference_markdown, document, draw, github, html,
    junit, markdown, replicas,
};

/// The properties that runs of every kind must have.
const GATES: [&str; 10] = [
    "lost_sessions == 0",
    "duplicated_writes <= baseline + 1%",
    "phantom_writes == 0",
    "phantom_writes <= baseline",
    "time_to_ready.median <= baseline",
    "outage_area.median < 1s",
    "availability >= baseline",
    "error_rate.after <= 1%",
    "latency.after.p99 <= baseline",
    "time_to_detect.max < 1s",
];

/// The end of a trial.
#[derive(Clone, Copy, Debug)]
enum Extreme {
    Void,
    Never,
    DiedAgain,
    Countless,
    NoSessions,
    NoOperations,
    AllFailed,
    Unknown,
    Instant,
}

const EXTREMES: [Extreme; 9] = [
    Extreme::Void,
    Extreme::Never,
    Extreme::DiedAgain,
    Extreme::Countless,
    Extreme::NoSessions,
    Extreme::NoOperations,
    Extreme::AllFailed,
    Extreme::Unknown,
    Extreme::Instant,
];

impl Extreme {
    fn befall(self, trial: &mut TrialAnalysis) {
        let beyond = Some(Time::Beyond { ms: 30_000.0 });
        match self {
            Self::Void => {
                trial.void = Some(Void::new(
                    Spoils::Everything,
                    Doing::Servers,
                    "it was interrupted",
                ))
            }
            Self::Never => {
                trial.chain.ready = beyond;
                trial.chain.listening = beyond;
                trial.time_to_steady = beyond;
            }
            Self::DiedAgain => trial.returned = Some(Return::Not(NotBack::Ended)),
            Self::Countless => {
                trial.writes.duplicated = u64::MAX;
                trial.writes.phantom = u64::MAX;
            }
            Self::NoSessions => {
                trial.sessions = Default::default();
                trial.writes = Default::default();
                trial.faulted = Default::default();
            }
            Self::NoOperations => {
                trial.errors = Default::default();
                trial.latency = Default::default();
                trial.availability = Default::default();
                trial.timeline.clear();
                trial.dots.clear();
            }
            Self::AllFailed => {
                for tally in [&mut trial.errors.during, &mut trial.errors.after] {
                    let failed = tally.scheduled;
                    tally.failed =
                        [(comeback_model::operation::ErrorClass::Refused, failed)].into();
                }
            }
            Self::Unknown => {
                trial.chain = Default::default();
                trial.time_to_detect = None;
                trial.time_to_steady = None;
                trial.longest_gap_ms = None;
                trial.outage_area_s = None;
            }
            Self::Instant => {
                let at = Some(Time::At {
                    ms: 0.0,
                    error_ms: 0.0,
                });
                trial.chain.ready = at;
                trial.time_to_detect = Some(-1_000.0);
                trial.outage_area_s = Some(0.0);
                trial.longest_gap_ms = Some(0.0);
            }
        }
    }
}

fn fake_of(number: usize) -> Fake {
    match number {
        0 => fake::rich(),
        1 => fake::single(),
        2 => fake::never(),
        3 => fake::stateless(),
        4 => fake::empty(),
        _ => fake::replicas(),
    }
}

/// A run whose trials end in these ways, in turn.
fn run(number: usize, befalls: &[Option<usize>]) -> Analysis {
    let mut analysis = fake_of(number).analysis;
    let trials = analysis.arms.iter_mut().flat_map(|arm| &mut arm.trials);
    for (trial, befalls) in trials.zip(befalls.iter().cycle()) {
        if let Some(extreme) = befalls {
            EXTREMES[*extreme].befall(trial);
        }
    }
    analysis
}

/// Every text that is made of a run and an earlier one, with what it is.
fn texts(base: &Analysis, new: &Analysis) -> Vec<(&'static str, String)> {
    draw::text::register().unwrap();
    let gates: Vec<Gate> = GATES
        .iter()
        .map(|text| Gate::try_from((*text).to_owned()).unwrap())
        .collect();
    let verdict = judge(new, &gates, Some(base));
    let summary = summarize(new, &verdict);
    let view = RunView::new(new, &summary).unwrap();
    let document = document::Document::of(&view, &verdict, &Logs::new()).unwrap();
    let mut made = vec![
        ("markdown", markdown::render(&document, &[])),
        ("page", html::render(&document, &[]).unwrap()),
        ("course", course(&summary).join("\n")),
        (
            "step summary",
            github::step_summary(new, &verdict, &summary, &Notes::default()),
        ),
        (
            "annotations",
            github::annotations(new, &verdict, &summary, &github::Pointer::default()).join("\n"),
        ),
        (
            "junit",
            String::from_utf8(junit(new, &verdict, &summary, &Notes::default()).unwrap()).unwrap(),
        ),
        ("diff", difference_markdown(&compare(base, new, &gates))),
    ];
    for table in [Some(comparison(&summary)), replicas(&summary)]
        .into_iter()
        .flatten()
    {
        let cells = table.rows.into_iter().flatten();
        made.push(("table", cells.collect::<Vec<_>>().join("\n")));
    }
    for chart in charts::of(&view) {
        made.push(("caption", (chart.caption)(&view)));
        made.push((
            "chart",
            draw::paint::svg(&(chart.draw)(&view, charts::WIDE)).unwrap(),
        ));
    }
    made
}

/// A statement in a text that is wrong for every run.
fn absurd(text: &str) -> Option<String> {
    if let Some(at) = text.find('∞') {
        return Some(around(text, at));
    }
    let is_of_word = |c: char| c.is_alphanumeric();
    for word in text.split(|c: char| !is_of_word(c)) {
        if matches!(word, "NaN" | "inf" | "Infinity") {
            return Some(word.to_owned());
        }
    }
    let plain = text.replace(',', "");
    for number in plain.split(|c: char| !c.is_ascii_digit()) {
        if number.len() > 15 {
            return Some(number.to_owned());
        }
    }
    let text = text.replace('\u{a0}', " ");
    for (at, _) in text.match_indices(" %") {
        let number: String = text[..at]
            .chars()
            .rev()
            .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | '−'))
            .collect();
        let number: String = number.chars().rev().filter(|c| *c != ',').collect();
        let is_share = |share: f64| (0.0..=100.0).contains(&share);
        if number.parse().is_ok_and(|share| !is_share(share)) || number.starts_with('−') {
            return Some(around(&text, at));
        }
    }
    None
}

fn around(text: &str, at: usize) -> String {
    let before: String = text[..at].chars().rev().take(40).collect();
    let after: String = text[at..].chars().take(40).collect();
    before.chars().rev().chain(after.chars()).collect()
}

#[track_caller]
fn check(number: usize, base: &[Option<usize>], new: &[Option<usize>]) {
    for (what, text) in texts(&run(number, base), &run(number, new)) {
        assert_eq!(absurd(&text), None, "{what} of {number}: {base:?}, {new:?}");
    }
}

#[test]
fn absurd_figures_are_noticed() {
    for text in [
        "a NaN ms",
        "−∞ ms better",
        "18,446,744,073,709,551,615",
        "147 %",
        "−2 %",
    ] {
        assert!(absurd(text).is_some(), "{text}");
    }
    for text in ["100 %", "−2.1 ms, 39 %", "> 1,000,000,000,000", "infinite"] {
        assert_eq!(absurd(text), None);
    }
}

#[test]
fn what_is_extreme_in_all_trials_is_said_in_figures_that_can_be() {
    for extreme in 0..EXTREMES.len() {
        check(0, &[None], &[Some(extreme)]);
        check(5, &[Some(extreme)], &[None]);
        check(1, &[Some(extreme)], &[Some(extreme)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_report_prints_what_cannot_be(
        number in 0..6_usize,
        base in proptest::collection::vec(proptest::option::of(0..EXTREMES.len()), 1..8),
        new in proptest::collection::vec(proptest::option::of(0..EXTREMES.len()), 1..8),
    ) {
        check(number, &base, &new);
    }
}
