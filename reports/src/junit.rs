//! The verdict as JUnit XML, for CI systems.
//!
//! One suite for each arm, in it the case `measured` and one for each gate; then a suite for the run with
//! the case `verdict`. A broken gate is a failure. JUnit has no *inconclusive*: it becomes an error of that type, so that a CI
//! system turns red. JUnit has no *measured* either: without gates, the case `verdict` is skipped. What failed is counted once:
//! where another case is red as the verdict is, the case `verdict` is skipped, too. The counts alone give the verdict:
//! failures if and only if it is *fail*, errors without failures if and only if it is *inconclusive*.

use comeback_analysis::measure::{Analysis, ArmAnalysis, causes_of};
use comeback_analysis::summary::Summary;
use comeback_analysis::verdict::{CAUSE, Check, Outcome, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::RenderError;
use crate::format::printable;
use crate::notes::{Notes, Tail};

/// The type of an error that means a missing answer.
const INCONCLUSIVE: &str = "inconclusive";
/// The type of a failure.
const BROKEN: &str = "gate";
/// The suite of what concerns the run as a whole.
const RUN: &str = "comeback";

/// The run as a JUnit document.
///
/// # Errors
/// If analysis and summary are of different runs, or the XML library fails.
pub fn junit(
    analysis: &Analysis,
    verdict: &Verdict,
    summary: &Summary,
    notes: &Notes,
) -> Result<Vec<u8>, RenderError> {
    if analysis.arms.len() != summary.arms.len() {
        return Err(RenderError::Mismatch);
    }
    let mut report = Report::new(printable(&summary.name));
    let mut red = Red::default();
    for arm in &analysis.arms {
        let suite = arm_suite(arm, verdict, summary, notes);
        red.failures += suite.failures;
        red.errors += suite.errors;
        report.add_test_suite(suite);
    }
    report.add_test_suite(run_suite(verdict, summary, notes, red));
    to_bytes(&report)
}

/// The document of a run that has not come to a verdict: written before it starts, so that a CI system finds
/// an error, and not what an earlier run left, when it never ends.
///
/// # Errors
/// If the XML library fails.
pub fn junit_unfinished(name: &str) -> Result<Vec<u8>, RenderError> {
    let problem = "the run did not come to its end";
    let mut suite = TestSuite::new(RUN);
    suite.add_test_case(case(
        name,
        "verdict",
        Problem::inconclusive(problem).status(""),
    ));
    let mut report = Report::new(printable(name));
    report.add_test_suite(suite);
    to_bytes(&report)
}

/// How many cases of the arms are red, of each kind.
#[derive(Clone, Copy, Default)]
struct Red {
    failures: usize,
    errors: usize,
}

fn to_bytes(report: &Report) -> Result<Vec<u8>, RenderError> {
    let mut bytes = Vec::new();
    report.serialize(&mut bytes)?;
    Ok(bytes)
}

fn arm_suite(arm: &ArmAnalysis, verdict: &Verdict, summary: &Summary, notes: &Notes) -> TestSuite {
    let mut suite = TestSuite::new(printable(&arm.name));
    describe(&mut suite, verdict, summary);
    let class = format!("{}.{}", summary.name, arm.name);
    let body = Body {
        summary,
        notes,
        tail: notes.tails.get(&arm.name),
        causes: causes_of(arm),
    };
    suite.add_test_case(case(&class, "measured", measured(arm, verdict, &body)));
    let checks: Vec<&Check> = verdict
        .checks
        .iter()
        .filter(|check| check.arm == arm.name)
        .collect();
    for (place, check) in checks.iter().enumerate() {
        // A gate may occur twice; readers identify cases by their names.
        if checks[..place].contains(check) {
            continue;
        }
        let status = match Problem::of(check) {
            None => TestCaseStatus::success(),
            Some(problem) => problem.status(&body.text(&problem.message)),
        };
        suite.add_test_case(case(&class, &check.gate, status));
    }
    suite
}

/// Whether there are any figures to judge.
fn measured(arm: &ArmAnalysis, verdict: &Verdict, body: &Body<'_>) -> TestCaseStatus {
    if let Some(reason) = &arm.skipped {
        let mut status = TestCaseStatus::skipped();
        status.set_message(printable(reason));
        return status;
    }
    let missing = what_is_missing(arm, verdict);
    if missing.is_empty() {
        return TestCaseStatus::success();
    }
    let message = missing.join("\n");
    Problem::inconclusive(&message).status(&body.text(&message))
}

/// The verdict's sentences about the arm, beside its gates.
fn what_is_missing<'a>(arm: &ArmAnalysis, verdict: &'a Verdict) -> Vec<&'a str> {
    let about_arm = |reason: &'a String| reason.strip_prefix(&arm.name)?.strip_prefix(": ");
    let about_gate = |reason: &str| {
        let mut checks = verdict.checks.iter().filter(|check| check.arm == arm.name);
        checks.any(|check| reason.starts_with(&check.gate))
    };
    verdict
        .reasons
        .iter()
        .filter_map(about_arm)
        .filter(|reason| !about_gate(reason) && !reason.starts_with(CAUSE))
        .collect()
}

/// The run as a whole: what no arm's case may show, such as a journal that ends early.
fn run_suite(verdict: &Verdict, summary: &Summary, notes: &Notes, red: Red) -> TestSuite {
    let mut suite = TestSuite::new(RUN);
    describe(&mut suite, verdict, summary);
    let body = Body {
        summary,
        notes,
        tail: None,
        causes: Vec::new(),
    };
    let not_green = |kind| {
        let message = verdict.headline.clone();
        Problem { kind, message }.status(&body.text(&verdict.reasons.join("\n")))
    };
    let skipped = |why: &str| {
        let mut status = TestCaseStatus::skipped();
        status.set_message(printable(&format!("{}; {why}", verdict.headline)));
        status
    };
    let status = match verdict.outcome {
        Outcome::Pass => TestCaseStatus::success(),
        Outcome::Fail if red.failures > 0 => skipped("counted where the gate is broken"),
        Outcome::Inconclusive if red.errors > 0 => skipped("counted where the evidence is missing"),
        Outcome::Fail => not_green(NonSuccessKind::Failure),
        Outcome::Inconclusive => not_green(NonSuccessKind::Error),
        Outcome::Measured => skipped("nothing was demanded"),
    };
    suite.add_test_case(case(&summary.name, "verdict", status));
    suite
}

fn describe(suite: &mut TestSuite, verdict: &Verdict, summary: &Summary) {
    suite.add_property(("seed", summary.seed.to_string().as_str()));
    suite.add_property(("verdict", verdict.outcome.name()));
    suite.add_property(("started", printable(&summary.started).as_str()));
}

fn case(class: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(printable(name), status);
    case.set_classname(printable(class));
    case
}

/// Why a case is not green.
struct Problem {
    kind: NonSuccessKind,
    message: String,
}

impl Problem {
    fn inconclusive(message: &str) -> Self {
        Self {
            kind: NonSuccessKind::Error,
            message: message.to_owned(),
        }
    }

    /// The problem of a gate, if it has one.
    fn of(check: &Check) -> Option<Self> {
        let kind = match check.outcome {
            Outcome::Pass | Outcome::Measured => return None,
            Outcome::Fail => NonSuccessKind::Failure,
            Outcome::Inconclusive => NonSuccessKind::Error,
        };
        let message = check.detail.clone().unwrap_or_default();
        Some(Self { kind, message })
    }

    fn status(&self, body: &str) -> TestCaseStatus {
        let mut status = TestCaseStatus::non_success(self.kind);
        // An attribute holds one line.
        status.set_message(printable(&self.message.replace('\n', "; ")));
        status.set_type(match self.kind {
            NonSuccessKind::Failure => BROKEN,
            NonSuccessKind::Error => INCONCLUSIVE,
        });
        status.set_description(body);
        status
    }
}

/// The text of a case that did not pass: all that is needed to look into it.
struct Body<'a> {
    summary: &'a Summary,
    notes: &'a Notes,
    tail: Option<&'a Tail>,
    /// Why the arm's trials went as they did.
    causes: Vec<String>,
}

impl Body<'_> {
    fn text(&self, reason: &str) -> String {
        let mut lines: Vec<String> = reason.lines().map(printable).collect();
        let causes = self.causes.iter();
        lines.extend(causes.map(|cause| printable(&format!("{CAUSE}{cause}"))));
        lines.push(String::new());
        lines.push(format!("seed: {}", self.summary.seed));
        if let Some(command) = &self.notes.command {
            lines.push(format!("to repeat it: {}", printable(command)));
        }
        if !self.notes.report.is_empty() {
            lines.push(format!("report: {}", printable(&self.notes.report)));
        }
        if let Some(tail) = self.tail {
            lines.push(String::new());
            lines.push(format!(
                "the server's last lines of output ({}):",
                printable(&tail.whose)
            ));
            lines.extend(
                tail.lines
                    .iter()
                    .map(|line| format!("  | {}", printable(line))),
            );
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests;
