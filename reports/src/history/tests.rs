//! What a trend draws and what it does not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use comeback_analysis::history::{PastRun, SCHEMA, State};
use comeback_analysis::summary::{Distribution, LossShare, RecoverySummary};
use comeback_analysis::verdict::Outcome;
use comeback_model::journal::Revision;

use super::*;
use crate::draw::{Drawing, Ink, Shape, Style};

fn arm(outage: Option<f64>, lost: u64) -> PastArm {
    PastArm {
        name: "shop".to_owned(),
        status: Status::Measured,
        reason: None,
        trials: 6,
        sessions: SessionCounts {
            acknowledged: 100,
            lost,
            ..SessionCounts::default()
        },
        writes: WriteCounts {
            acknowledged: 400,
            kept: 400,
            ..WriteCounts::default()
        },
        session_loss: LossShare {
            share: Some(lost as f64 / 100.0),
            ..LossShare::default()
        },
        write_loss: LossShare {
            share: Some(0.0),
            loss_not_excluded: Some(0.39),
            ..LossShare::default()
        },
        recovery: RecoverySummary::default(),
        outage_ms: Distribution {
            n: 6,
            median: outage,
            low: outage.map(|ms| ms * 0.9),
            high: outage.map(|ms| ms * 1.2),
            max: outage.map(|ms| ms * 1.2),
            ..Distribution::default()
        },
        other_plan: Vec::new(),
        other_machine: Vec::new(),
    }
}

fn run(day: usize, arm: PastArm) -> PastRun {
    PastRun {
        folder: format!("runs/shop-{day}"),
        state: State::Judged,
        problem: None,
        next: None,
        name: Some("shop".to_owned()),
        command: None,
        started: Some(format!("2026-11-{:02}T10:00:00Z", day + 1)),
        seed: Some(7),
        label: Some(format!("nightly-{day}")),
        revision: Some(Revision {
            commit: "3f2a91c4d5e6f708192a3b4c5d6e7f8091a2b3c4".to_owned(),
            dirty: day == 2,
        }),
        verdict: Some(Outcome::Pass),
        headline: Some("PASS: nothing was lost".to_owned()),
        arms: vec![arm],
    }
}

fn history(arms: Vec<PastArm>) -> History {
    let arms = arms.into_iter().enumerate();
    History {
        schema: SCHEMA,
        runs: arms.map(|(day, arm)| run(day, arm)).collect(),
        others: Vec::new(),
        rows: Vec::new(),
    }
}

fn drawn(history: &History, name: &str, width: f64) -> Drawing {
    text::register().unwrap();
    let runs = chart::judged(history);
    let subject = chart::SUBJECTS.iter().find(|one| one.name == name);
    subject.unwrap().draw(&runs, charts::Sheet::new(width))
}

/// How many points each joining line has.
fn joined(drawing: &Drawing) -> Vec<usize> {
    let lines = drawing.shapes.iter().filter_map(|shape| match shape {
        Shape::Path { points, paint, .. } if *paint == Ink::Text.faint(0.32) => Some(points.len()),
        _ => None,
    });
    lines.collect()
}

fn says(drawing: &Drawing, words: &str) -> bool {
    let mut shapes = drawing.shapes.iter();
    shapes.any(|shape| matches!(shape, Shape::Text { text, .. } if text == words))
}

#[test]
fn medians_are_joined_within_one_machine_and_losses_within_one_plan() {
    let mut arms: Vec<PastArm> = (0..5)
        .map(|day| arm(Some(100.0 + f64::from(day)), 1))
        .collect();
    arms[2].other_machine = vec!["2 cores then, 4 now".to_owned()];
    let history = history(arms);
    assert_eq!(joined(&drawn(&history, "outage", 960.0)), [2, 3]);
    assert_eq!(joined(&drawn(&history, "lost-sessions", 960.0)), [5]);
    let mut other = history;
    other.runs[3].arms[0].other_plan = vec!["its load differs".to_owned()];
    assert_eq!(joined(&drawn(&other, "lost-sessions", 960.0)), [3, 2]);
}

#[test]
fn runs_are_not_joined_across_a_change_whose_first_run_has_no_mark() {
    let mut arms = vec![arm(None, 0), arm(None, 0), arm(None, 0)];
    arms[1].sessions.undecided = 100;
    arms[1].other_plan = vec!["its load differs".to_owned()];
    let drawing = drawn(&history(arms), "lost-sessions", 960.0);
    assert_eq!(joined(&drawing), [0_usize; 0]);
    assert!(says(&drawing, "other plan: not to be compared"));
    // Nothing stands before the first mark that it could be apart from.
    let mut arms = vec![arm(None, 0), arm(None, 0), arm(None, 0)];
    arms[0].sessions.undecided = 100;
    arms[1].other_plan = vec!["its load differs".to_owned()];
    let drawing = drawn(&history(arms), "lost-sessions", 960.0);
    assert_eq!(joined(&drawing), [2]);
    assert!(!says(&drawing, "other plan: not to be compared"));
}

#[test]
fn what_did_not_come_back_is_an_arrow_and_joined_with_nothing() {
    let history = history(vec![
        arm(Some(100.0), 0),
        arm(Some(110.0), 0),
        arm(None, 0),
        arm(Some(90.0), 0),
    ]);
    let drawing = drawn(&history, "outage", 960.0);
    assert_eq!(joined(&drawing), [2]);
    let arrows = drawing
        .shapes
        .iter()
        .filter(|shape| matches!(shape, Shape::Area { paint, .. } if *paint == Ink::Loss.into()));
    // The other is in the legend.
    assert_eq!(arrows.count(), 2);
}

#[test]
fn sessions_of_which_nothing_is_known_are_not_drawn_as_kept() {
    let mut unknown = arm(Some(100.0), 0);
    unknown.sessions.undecided = 100;
    let mut open = arm(Some(100.0), 0);
    open.sessions.undecided = 3;
    let history = history(vec![unknown, open]);
    let drawing = drawn(&history, "lost-sessions", 960.0);
    let dots = |ink: Ink| {
        let dots = drawing.shapes.iter();
        dots.filter(|shape| matches!(shape, Shape::Dot { paint, .. } if *paint == ink.into()))
            .count()
    };
    // One at its run, and one in the legend.
    assert_eq!((dots(Ink::Good), dots(Ink::Muted)), (0, 2));
}

#[test]
fn sessions_whose_loss_is_doubted_are_not_drawn_or_told_as_kept() {
    let mut doubted = arm(Some(100.0), 0);
    doubted.sessions.lost_doubted = 3;
    let told = past_arm(&doubted);
    assert!(
        told.contains("sessions lost none for certain; 3 doubted"),
        "{told}"
    );
    assert!(told.contains("writes lost 0 / 400"), "{told}");
    let history = history(vec![doubted.clone(), doubted]);
    let drawing = drawn(&history, "lost-sessions", 960.0);
    let dots = |ink: Ink| {
        let dots = drawing.shapes.iter();
        dots.filter(|shape| matches!(shape, Shape::Dot { paint, .. } if *paint == ink.into()))
            .count()
    };
    // Two runs, and the legend.
    assert_eq!((dots(Ink::Good), dots(Ink::Muted)), (0, 3));
}

#[test]
fn all_words_stay_on_the_drawing_and_the_newest_run_is_named() {
    for count in [1, 2, 7, 60] {
        let arms = (0..count).map(|_| arm(Some(100.0), 0)).collect();
        let history = history(arms);
        for width in [charts::WIDE.width, charts::NARROW.width] {
            let drawing = drawn(&history, "outage", width);
            let mut names = Vec::new();
            for shape in &drawing.shapes {
                let Shape::Text { at, text, style } = shape else {
                    continue;
                };
                let room = style.width(text);
                let from = match style.align {
                    crate::draw::Align::Left => at.0,
                    crate::draw::Align::Centre => at.0 - room / 2.0,
                    crate::draw::Align::Right => at.0 - room,
                };
                assert!(
                    from >= -0.5 && from + room <= width + 0.5,
                    "{count}, {width}: {text}"
                );
                if text.starts_with("nightly") {
                    names.push((from, from + room));
                }
            }
            let last = format!("nightly-{}", count - 1);
            let is_named =
                |shape: &Shape| matches!(shape, Shape::Text { text, .. } if *text == last);
            assert!(drawing.shapes.iter().any(is_named), "{count}, {width}");
            for pair in names.windows(2) {
                assert!(pair[0].1 < pair[1].0, "{count}, {width}: names overlap");
            }
        }
    }
    assert!(Style::TICK.width("nightly-59") > 0.0);
}

#[test]
fn foreign_words_are_text_on_the_page() {
    let mut history = history(vec![arm(Some(100.0), 0), arm(Some(100.0), 0)]);
    history.runs[0].label = Some("<script>alert(1)</script>".to_owned());
    history.runs[0].headline = Some("FAIL: <img src=x>".to_owned());
    history.runs[1].state = State::Broken;
    history.runs[1].problem = Some("<b>\u{1b}[31m".to_owned());
    history.runs[1].arms.clear();
    history.runs[1].verdict = None;
    let artifacts = trend(&history).unwrap();
    let page = artifacts
        .iter()
        .find(|one| one.path == "trend.html")
        .unwrap();
    let page = String::from_utf8(page.bytes.clone()).unwrap();
    for raw in ["<script", "<img", "<b>", "\u{1b}"] {
        assert!(!page.contains(raw), "{raw}");
    }
    assert!(
        page.contains("broken") && page.contains("&lt;b&gt;"),
        "{page}"
    );
}
