//! The JUnit document of invented runs.

use super::*;
use crate::fake::{self, Fake};

fn check(arm: &str, gate: &str, outcome: Outcome, detail: Option<&str>) -> Check {
    Check {
        arm: arm.to_owned(),
        gate: gate.to_owned(),
        outcome,
        detail: detail.map(str::to_owned),
        more_trials: None,
        sharpness: None,
    }
}

/// A run of one arm with this verdict.
fn judged(outcome: Outcome, reasons: &[&str], checks: Vec<Check>) -> Fake {
    let mut fake = fake::single();
    fake.verdict = Verdict {
        headline: format!("{}: so it is", outcome.name().to_uppercase()),
        outcome,
        reasons: reasons.iter().map(|&reason| reason.to_owned()).collect(),
        checks,
        baseline: None,
    };
    fake
}

fn arm_of(fake: &Fake) -> &str {
    &fake.analysis.arms[0].name
}

/// Reads the document back with the library's own reader.
fn read(fake: &Fake, notes: &Notes) -> (String, Report) {
    let bytes = junit(&fake.analysis, &fake.verdict, &fake.summary, notes).expect("a document");
    let text = String::from_utf8(bytes).expect("a text");
    let report = Report::deserialize_from_str(&text).expect("a JUnit document");
    (text, report)
}

#[test]
fn a_pass_has_cases_and_all_are_green() {
    let fake = judged(Outcome::Pass, &[], Vec::new());
    let (text, report) = read(&fake, &Notes::default());
    assert_eq!(
        (report.tests, report.failures, report.errors),
        (2, 0, 0),
        "{text}"
    );
    assert_eq!(
        report.test_suites[0].test_cases[0].name.as_str(),
        "measured"
    );
    assert_eq!(report.test_suites[1].test_cases[0].name.as_str(), "verdict");
}

#[test]
fn where_nothing_was_demanded_no_demand_is_shown_green() {
    let fake = judged(Outcome::Measured, &[], Vec::new());
    let (text, report) = read(&fake, &Notes::default());
    assert_eq!(
        (report.tests, report.failures, report.errors),
        (2, 0, 0),
        "{text}"
    );
    let verdict = &report.test_suites[1].test_cases[0];
    let is_skipped = matches!(verdict.status, TestCaseStatus::Skipped { .. });
    assert!(is_skipped, "{text}");
    assert!(
        text.contains("MEASURED: so it is; nothing was demanded"),
        "{text}"
    );
}

#[test]
fn a_broken_gate_is_a_failure_with_all_it_takes_to_repeat_it() {
    let mut fake = judged(Outcome::Fail, &[], Vec::new());
    let arm = arm_of(&fake).to_owned();
    fake.verdict.checks = vec![
        check(&arm, "lost_sessions == 0", Outcome::Fail, Some("7 lost")),
        check(&arm, "lost_writes == 0", Outcome::Pass, None),
    ];
    fake.verdict.reasons = vec![format!("{arm}: lost_sessions == 0 is broken: 7 lost")];
    let notes = Notes {
        command: Some("comeback compare memory --seed 7".to_owned()),
        report: "out/report.html".to_owned(),
        tails: [(
            arm,
            Tail {
                whose: "trial 0, start 1".to_owned(),
                lines: vec!["it is gone".to_owned()],
            },
        )]
        .into(),
        ..Notes::default()
    };
    let (text, report) = read(&fake, &notes);
    assert_eq!(
        (report.tests, report.failures, report.errors),
        (4, 1, 0),
        "{text}"
    );
    for expected in [
        r#"<failure message="7 lost" type="gate">"#,
        "to repeat it: comeback compare memory --seed 7",
        "(trial 0, start 1):\n  | it is gone",
        "report: out/report.html",
        &format!("seed: {}", fake.summary.seed),
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn what_failed_is_counted_once_and_a_verdict_that_no_gate_shows_is_counted_itself() {
    let status = |fake: &Fake| {
        let (text, report) = read(fake, &Notes::default());
        let last = report.test_suites.last().expect("a suite of the run");
        let is_skipped = matches!(last.test_cases[0].status, TestCaseStatus::Skipped { .. });
        (report.failures, report.errors, is_skipped, text)
    };
    // Of a fail, what cannot be judged tells nothing.
    let mut fake = judged(Outcome::Fail, &["it is so"], Vec::new());
    let arm = arm_of(&fake).to_owned();
    fake.verdict.checks = vec![check(&arm, "lost_writes == 0", Outcome::Inconclusive, None)];
    let (failures, errors, is_skipped, text) = status(&fake);
    assert_eq!((failures, errors, is_skipped), (1, 1, false), "{text}");
    fake.verdict.checks.push(check(
        &arm,
        "lost_sessions == 0",
        Outcome::Fail,
        Some("7 lost"),
    ));
    let (failures, errors, is_skipped, text) = status(&fake);
    assert_eq!((failures, errors, is_skipped), (1, 1, true), "{text}");
    assert!(
        text.contains("FAIL: so it is; counted where the gate is broken"),
        "{text}"
    );
}

#[test]
fn what_is_inconclusive_is_an_error_so_that_no_ci_shows_it_green() {
    let mut fake = judged(Outcome::Inconclusive, &[], Vec::new());
    let arm = arm_of(&fake).to_owned();
    let gate = "time_to_ready.p95 < 2s";
    fake.verdict.checks = vec![check(
        &arm,
        gate,
        Outcome::Inconclusive,
        Some("n too small"),
    )];
    fake.verdict.reasons = vec![format!("{arm}: {gate} cannot be judged: n too small")];
    let (text, report) = read(&fake, &Notes::default());
    assert_eq!(
        (report.tests, report.failures, report.errors),
        (3, 0, 1),
        "{text}"
    );
    assert!(
        text.contains(r#"<error message="n too small" type="inconclusive">"#),
        "{text}"
    );
}

#[test]
fn a_gate_that_is_asked_twice_is_one_case() {
    let mut fake = judged(Outcome::Pass, &[], Vec::new());
    let twice = check(arm_of(&fake), "unrecovered == 0", Outcome::Pass, None);
    fake.verdict.checks = vec![twice.clone(), twice];
    let (text, report) = read(&fake, &Notes::default());
    assert_eq!(report.test_suites[0].tests, 2, "{text}");
}

#[test]
fn what_does_not_count_is_an_error_of_the_arm() {
    let mut fake = judged(Outcome::Inconclusive, &[], Vec::new());
    let reason = format!(
        "{}: trial 0 does not count: the fault did not land",
        arm_of(&fake)
    );
    fake.verdict.reasons = vec![reason];
    let (text, report) = read(&fake, &Notes::default());
    assert_eq!(report.test_suites[0].errors, 1, "{text}");
    assert!(
        text.contains(r#"message="trial 0 does not count: the fault did not land""#),
        "{text}"
    );
}

#[test]
fn a_skipped_arm_is_skipped_and_the_run_is_still_no_pass() {
    let mut fake = judged(Outcome::Inconclusive, &[], Vec::new());
    fake.analysis.arms[0].skipped = Some("redis is not installed".to_owned());
    fake.verdict.reasons = vec![format!(
        "{}: skipped: redis is not installed",
        arm_of(&fake)
    )];
    let (text, report) = read(&fake, &Notes::default());
    assert_eq!(
        (report.skipped, report.failures, report.errors),
        (1, 0, 1),
        "{text}"
    );
    assert!(
        text.contains(r#"<skipped message="redis is not installed"/>"#),
        "{text}"
    );
}

#[test]
fn a_run_that_never_ended_is_an_error() {
    let text = String::from_utf8(junit_unfinished("mine").expect("a document")).expect("a text");
    let report = Report::deserialize_from_str(&text).expect("a JUnit document");
    assert_eq!((report.tests, report.errors), (1, 1), "{text}");
}

#[test]
fn whatever_a_server_writes_the_document_stays_well_formed() {
    let mut fake = judged(Outcome::Fail, &[], Vec::new());
    let arm = arm_of(&fake).to_owned();
    let nasty = "\u{0}\u{1b}[31mred\u{7}\u{fffe} ]]> </failure> & \"q\" \u{202e}";
    fake.verdict.checks = vec![check(&arm, "lost_writes == 0", Outcome::Fail, Some(nasty))];
    let notes = Notes {
        tails: [(
            arm,
            Tail {
                whose: nasty.to_owned(),
                lines: vec![nasty.to_owned()],
            },
        )]
        .into(),
        ..Notes::default()
    };
    let (text, report) = read(&fake, &notes);
    assert_eq!(report.failures, 1);
    assert!(!text.contains("]]>"), "{text}");
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "{text:?}"
    );
    assert!(text.contains(r"\x00\x1b[31mred\x07\u{fffe}"), "{text}");
}
