//! The verdict as GitHub Actions shows it: a summary in Markdown, and annotations as workflow commands.
//!
//! Both hold foreign text. In the summary it is escaped for Markdown; in a workflow command as GitHub
//! documents: `%`, CR and LF in the message, `:` and `,` too in a property.

use std::fmt::Write;

use comeback_analysis::summary::Summary;
use comeback_analysis::verdict::{Check, Outcome, Verdict};

use crate::course::course;
use crate::format::printable;
use crate::markdown::text;
use crate::notes::Notes;
use crate::{comparison, replicas};

/// GitHub shows ten annotations of a kind for each step and drops the others unseen.
const SHOWN_OF_A_KIND: usize = 10;

/// The run as a part of a job's summary page.
pub fn step_summary(verdict: &Verdict, summary: &Summary, notes: &Notes) -> String {
    let mut out = String::new();
    let mark = match verdict.outcome {
        Outcome::Pass => "✅",
        Outcome::Fail => "❌",
        Outcome::Inconclusive => "⚠️",
        Outcome::Measured => "📏",
    };
    let name = shown(&summary.name);
    line(
        &mut out,
        &format!("## {mark} comeback {name}: {}\n", verdict.outcome.name()),
    );
    line(&mut out, &format!("{}\n", shown(&verdict.headline)));
    for reason in &verdict.reasons {
        line(&mut out, &format!("- {}", shown(reason)));
    }
    if !verdict.reasons.is_empty() {
        line(&mut out, "");
    }
    let figures = comparison(summary);
    table(&mut out, &figures.headers, &figures.rows);
    if let Some(nodes) = replicas(summary) {
        line(&mut out, "\n### Replicas\n");
        table(&mut out, &nodes.headers, &nodes.rows);
    }
    if !verdict.checks.is_empty() {
        line(&mut out, "\n### Gates\n");
        let headers = ["arm", "gate", "outcome", "found"].map(str::to_owned);
        let rows: Vec<Vec<String>> = verdict.checks.iter().map(gate_row).collect();
        table(&mut out, &headers, &rows);
    }
    line(&mut out, "");
    line(&mut out, &format!("Seed {}.", summary.seed));
    for sentence in course(summary) {
        line(&mut out, &format!("{}.", shown(&sentence)));
    }
    if let Some(command) = &notes.command {
        line(&mut out, &format!("To repeat it: {}\n", code(command)));
    }
    line(&mut out, &format!("Report: {}\n", code(&notes.report)));
    out
}

fn gate_row(check: &Check) -> Vec<String> {
    vec![
        check.arm.clone(),
        check.gate.clone(),
        check.outcome.name().to_owned(),
        check.detail.clone().unwrap_or_default(),
    ]
}

fn table(out: &mut String, headers: &[String], rows: &[Vec<String>]) {
    row(out, headers);
    line(out, &format!("|{}", "---|".repeat(headers.len())));
    for cells in rows {
        row(out, cells);
    }
}

fn row(out: &mut String, cells: &[String]) {
    out.push('|');
    for cell in cells {
        // Writing to a string cannot fail.
        let _ = write!(out, " {} |", shown(cell));
    }
    out.push('\n');
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Foreign text on one line of Markdown.
fn shown(foreign: &str) -> String {
    text(&printable(foreign))
}

/// Foreign text as code: between more backticks than it holds in a row.
fn code(foreign: &str) -> String {
    let foreign = printable(foreign);
    let longest = foreign
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let room = if longest == 0 { "" } else { " " };
    format!("{fence}{room}{foreign}{room}{fence}")
}

/// The run as workflow commands, a line each: what failed, what is missing, or that it passed. `file` is
/// what the annotations point to, such as the experiment's file.
pub fn annotations(verdict: &Verdict, summary: &Summary, file: Option<&str>) -> Vec<String> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    for check in &verdict.checks {
        let (command, list) = match check.outcome {
            Outcome::Pass | Outcome::Measured => continue,
            Outcome::Fail => ("error", &mut errors),
            Outcome::Inconclusive => ("warning", &mut warnings),
        };
        let title = format!("{}: {}", check.arm, check.gate);
        let found = check.detail.as_deref().unwrap_or_default();
        let message = format!("{}: {found}", check.outcome.name());
        list.push(annotation(command, &title, file, &message));
    }
    let is_told = |reason: &str| {
        verdict.checks.iter().any(|check| {
            let about = format!("{}: {}", check.arm, check.gate);
            check.outcome != Outcome::Pass && reason.starts_with(&about)
        })
    };
    let title = format!("comeback {}", summary.name);
    for reason in verdict.reasons.iter().filter(|reason| !is_told(reason)) {
        warnings.push(annotation("warning", &title, file, reason));
    }
    let mut all = bounded(errors, "error", &title, file);
    all.append(&mut bounded(warnings, "warning", &title, file));
    match verdict.outcome {
        Outcome::Pass | Outcome::Measured => {
            let message = format!("{}, seed {}", verdict.headline, summary.seed);
            all.push(annotation("notice", &title, file, &message));
        }
        Outcome::Fail | Outcome::Inconclusive => {}
    }
    all
}

/// A run without a verdict, as a workflow command.
pub fn trouble(problem: &str) -> String {
    annotation("error", "comeback", None, problem)
}

/// Something wrong with a file, as a workflow command that shows it at its line and column, both from 1.
pub fn trouble_at(file: &str, (line, column): (usize, usize), problem: &str) -> String {
    format!(
        "::error file={},line={line},col={column},title=comeback::{}",
        property(file),
        data(problem)
    )
}

/// As many as are shown; the last one says how many are not.
fn bounded(mut list: Vec<String>, command: &str, title: &str, file: Option<&str>) -> Vec<String> {
    if list.len() > SHOWN_OF_A_KIND {
        let beyond = list.split_off(SHOWN_OF_A_KIND - 1).len();
        let message = format!("{beyond} more: see the report");
        list.push(annotation(command, title, file, &message));
    }
    list
}

fn annotation(command: &str, title: &str, file: Option<&str>, message: &str) -> String {
    let file = file.map_or_else(String::new, |file| format!("file={},", property(file)));
    format!(
        "::{command} {file}title={}::{}",
        property(title),
        data(message)
    )
}

/// The message of a workflow command. Line ends are kept, as GitHub wants them written.
fn data(foreign: &str) -> String {
    let mut escaped = String::with_capacity(foreign.len());
    for c in foreign.chars() {
        match c {
            '%' => escaped.push_str("%25"),
            '\r' => escaped.push_str("%0D"),
            '\n' => escaped.push_str("%0A"),
            _ => escaped.push_str(&printable(c.encode_utf8(&mut [0; 4]))),
        }
    }
    escaped
}

fn property(foreign: &str) -> String {
    data(foreign).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_wrong_with_a_file_is_shown_at_its_line() {
        assert_eq!(
            trouble_at("a,b.toml", (3, 7), "no such key\n100 %"),
            "::error file=a%2Cb.toml,line=3,col=7,title=comeback::no such key%0A100 %25"
        );
    }

    use super::*;
    use crate::fake;

    fn check(gate: &str, outcome: Outcome, detail: Option<&str>) -> Check {
        Check {
            arm: "shop".to_owned(),
            gate: gate.to_owned(),
            outcome,
            detail: detail.map(str::to_owned),
            more_trials: None,
            sharpness: None,
        }
    }

    fn verdict(outcome: Outcome, reasons: &[&str], checks: Vec<Check>) -> Verdict {
        Verdict {
            headline: format!("{}: so it is", outcome.name().to_uppercase()),
            outcome,
            reasons: reasons.iter().map(|&reason| reason.to_owned()).collect(),
            checks,
            baseline: None,
        }
    }

    #[test]
    fn a_pass_and_a_measurement_are_one_notice_each() {
        let mut summary = fake::single().summary;
        summary.name = "nightly".to_owned();
        summary.seed = 7;
        assert_eq!(
            annotations(&verdict(Outcome::Pass, &[], Vec::new()), &summary, None),
            ["::notice title=comeback nightly::PASS: so it is, seed 7"]
        );
        assert_eq!(
            annotations(&verdict(Outcome::Measured, &[], Vec::new()), &summary, None),
            ["::notice title=comeback nightly::MEASURED: so it is, seed 7"]
        );
    }

    #[test]
    fn each_broken_gate_is_an_error_and_each_missing_answer_a_warning() {
        let mut summary = fake::single().summary;
        summary.name = "nightly".to_owned();
        let verdict = verdict(
            Outcome::Fail,
            &[
                "shop: lost_writes == 0 is broken: 3 lost",
                "shop: trial 2 does not count: it never started",
            ],
            vec![
                check("lost_writes == 0", Outcome::Fail, Some("3 lost")),
                check(
                    "time_to_ready.p95 < 2s",
                    Outcome::Inconclusive,
                    Some("n too small"),
                ),
                check("unrecovered == 0", Outcome::Pass, None),
            ],
        );
        assert_eq!(
            annotations(&verdict, &summary, Some("ci/a,b.toml")),
            [
                "::error file=ci/a%2Cb.toml,title=shop%3A lost_writes == 0::fail: 3 lost",
                "::warning file=ci/a%2Cb.toml,title=shop%3A time_to_ready.p95 < 2s::inconclusive: n too small",
                "::warning file=ci/a%2Cb.toml,title=comeback nightly::shop: trial 2 does not count: it never started",
            ]
        );
    }

    #[test]
    fn foreign_text_cannot_end_a_command_or_begin_another() {
        let line = annotation(
            "error",
            "a:b,c%\nd",
            None,
            "100 %\r\n::set-env x::\u{1b}[0m",
        );
        assert_eq!(
            line,
            r"::error title=a%3Ab%2Cc%25%0Ad::100 %25%0D%0A::set-env x::\x1b[0m"
        );
    }

    #[test]
    fn more_than_github_shows_is_said_to_be_more() {
        let many = (0..13)
            .map(|number| check(&format!("gate {number}"), Outcome::Fail, Some("no")))
            .collect();
        let summary = fake::single().summary;
        let lines = annotations(&verdict(Outcome::Fail, &[], many), &summary, None);
        assert_eq!(lines.len(), SHOWN_OF_A_KIND);
        assert!(lines[9].ends_with("::4 more: see the report"), "{lines:#?}");
    }

    #[test]
    fn the_summary_has_verdict_figures_gates_reasons_and_the_way_to_the_report() {
        let mut fake = fake::rich();
        fake.verdict.checks = vec![check("a | b", Outcome::Fail, Some("<b>3</b>\nlost"))];
        let notes = Notes {
            command: Some("comeback run `x`".to_owned()),
            report: "out/report.html".to_owned(),
            ..Notes::default()
        };
        let markdown = step_summary(&fake.verdict, &fake.summary, &notes);
        for expected in [
            "## ❌ comeback stateless against stateful: fail\n",
            "\n- lost\\_sessions == 0 does not hold for memory",
            "\n| arm | sessions lost |",
            "\n| journal |",
            "\n| shop | a \\| b | fail | &lt;b&gt;3&lt;/b&gt;\\\\nlost |\n",
            "To repeat it: `` comeback run `x` ``",
            "Report: `out/report.html`",
        ] {
            assert!(markdown.contains(expected), "{expected}: {markdown}");
        }
        assert!(!markdown.contains("<script>"), "{markdown}");
    }
}
