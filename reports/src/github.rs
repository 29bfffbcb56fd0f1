//! The verdict as GitHub Actions shows it: a summary in Markdown, and annotations as workflow commands.
//!
//! Both hold foreign text. In the summary it is escaped for Markdown; in a workflow command as GitHub
//! documents: `%`, CR and LF in the message, `:` and `,` too in a property.

mod chart;

use std::collections::BTreeMap;
use std::fmt::Write;

use comeback_analysis::measure::{Analysis, TrialAnalysis};
use comeback_analysis::summary::Summary;
use comeback_analysis::verdict::{Check, Outcome, Verdict, found};

use crate::course::course;
use crate::format::printable;
use crate::markdown::text;
use crate::notes::Notes;
use crate::{comparison, replicas};

/// GitHub shows ten annotations of a kind for each step and drops the others unseen.
const SHOWN_OF_A_KIND: usize = 10;

/// What annotations point to, and what they advise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer {
    /// The experiment's file.
    pub file: Option<String>,
    /// Where its gates stand in it, by their text: line and column, from 1.
    pub places: BTreeMap<String, (usize, usize)>,
    /// What to do about a failed run, such as `comeback replay RUN`.
    pub next: Vec<String>,
}

impl Pointer {
    /// The properties of a workflow command that is about this gate, or about the whole file.
    fn properties(&self, gate: Option<&str>) -> String {
        let Some(file) = &self.file else {
            return String::new();
        };
        let place = gate.and_then(|gate| self.places.get(gate));
        let place = place.map_or_else(String::new, |(line, column)| {
            format!("line={line},col={column},")
        });
        format!("file={},{place}", property(file))
    }
}

/// The run as a part of a job's summary page.
pub fn step_summary(
    analysis: &Analysis,
    verdict: &Verdict,
    summary: &Summary,
    notes: &Notes,
) -> String {
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
    picture_and_story(&mut out, analysis, verdict);
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
    let report = match &notes.artifact {
        // The file is gone with the runner.
        Some(artifact) => {
            let (report, artifact) = (code(&notes.report), code(artifact));
            format!("Report: {report} in the artifact {artifact} of this workflow run\n")
        }
        None => format!("Report: {}\n", code(&notes.report)),
    };
    line(&mut out, &report);
    out
}

/// Of a failed run the chart that shows its gravest broken gate, and what the user of the first failing session met.
fn picture_and_story(out: &mut String, analysis: &Analysis, verdict: &Verdict) {
    let Some((gate, decisive)) = chart::decisive(analysis, verdict) else {
        return;
    };
    if let Some(chart) = chart::chart(&gate, decisive) {
        line(
            out,
            &format!("{}.\n\n{}", shown(&chart.caption), chart.block),
        );
    }
    let is_broken = |name: &str| {
        let mut checks = verdict.checks.iter();
        checks.any(|check| check.outcome == Outcome::Fail && check.arm == name)
    };
    let others = analysis.arms.iter().filter(|arm| is_broken(&arm.name));
    let first = std::iter::once(decisive).chain(others).find_map(|arm| {
        let trials = arm.faulted().chain(arm.faulted_aside());
        let told = trials.filter(|trial| !trial.story.is_empty());
        let first: &TrialAnalysis = told.min_by_key(|trial| trial.id)?;
        Some((arm, first))
    });
    if let Some((arm, trial)) = first {
        line(out, "### The first session that lost something\n");
        line(
            out,
            &format!("In trial {} of {}:\n", trial.id.0, shown(&arm.name)),
        );
        for sentence in &trial.story {
            line(out, &format!("- {}", shown(sentence)));
        }
        line(out, "");
    }
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

/// The run as workflow commands, a line each: what failed, what is missing, or that it passed. What is about a gate stands at
/// its line.
pub fn annotations(
    analysis: &Analysis,
    verdict: &Verdict,
    summary: &Summary,
    at: &Pointer,
) -> Vec<String> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    for check in &verdict.checks {
        let (command, list, advice) = match check.outcome {
            Outcome::Pass | Outcome::Measured => continue,
            Outcome::Fail => ("error", &mut errors, what_next(at)),
            Outcome::Inconclusive => ("warning", &mut warnings, more_trials(check, analysis)),
        };
        let title = format!("{}: {}", check.arm, check.gate);
        let advice = advice.map_or_else(String::new, |advice| format!("\nnext: {advice}"));
        let message = format!(
            "{}: {}{advice}",
            check.outcome.name(),
            found(check, analysis)
        );
        let place = at.properties(Some(&check.gate));
        list.push(annotation(command, &title, &place, &message));
    }
    let is_told = |reason: &str| {
        verdict.checks.iter().any(|check| {
            let about = format!("{}: {}", check.arm, check.gate);
            check.outcome != Outcome::Pass && reason.starts_with(&about)
        })
    };
    let title = format!("comeback {}", summary.name);
    let file = at.properties(None);
    for reason in verdict.reasons.iter().filter(|reason| !is_told(reason)) {
        warnings.push(annotation("warning", &title, &file, reason));
    }
    let mut all = bounded(errors, "error", &title, &file);
    all.append(&mut bounded(warnings, "warning", &title, &file));
    let has_error = verdict
        .checks
        .iter()
        .any(|check| check.outcome == Outcome::Fail);
    match verdict.outcome {
        // What is demanded of every run is no gate of its own.
        Outcome::Fail if !has_error => {
            let advice = what_next(at).map_or_else(String::new, |next| format!("\nnext: {next}"));
            let message = format!("fail: {}{advice}", verdict.headline);
            all.insert(0, annotation("error", &title, &file, &message));
        }
        Outcome::Pass | Outcome::Measured => {
            let message = format!("{}, seed {}", verdict.headline, summary.seed);
            all.push(annotation("notice", &title, &file, &message));
        }
        Outcome::Fail | Outcome::Inconclusive => {}
    }
    all
}

fn what_next(at: &Pointer) -> Option<String> {
    (!at.next.is_empty()).then(|| at.next.join(", or "))
}

/// How many trials a gate asks for that only lacks some.
fn more_trials(check: &Check, analysis: &Analysis) -> Option<String> {
    let more = check.more_trials?;
    let plan = &analysis.header.plan;
    let arm = analysis.arms.iter().find(|arm| arm.name == check.arm);
    // A run that went on by itself has more than the plan says.
    let had = arm.map_or(0, |arm| arm.faulted().count() as u32);
    let trials = had.max(plan.trials).saturating_add(more);
    Some(format!(
        "run it with --trials {trials}, or with --extend-to {trials}"
    ))
}

/// A run without a verdict, as a workflow command.
pub fn trouble(problem: &str) -> String {
    annotation("error", "comeback", "", problem)
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
fn bounded(mut list: Vec<String>, command: &str, title: &str, file: &str) -> Vec<String> {
    if list.len() > SHOWN_OF_A_KIND {
        let beyond = list.split_off(SHOWN_OF_A_KIND - 1).len();
        let message = format!("{beyond} more: see the report");
        list.push(annotation(command, title, file, &message));
    }
    list
}

/// `place` are properties that are written already, each with a comma behind it.
fn annotation(command: &str, title: &str, place: &str, message: &str) -> String {
    format!(
        "::{command} {place}title={}::{}",
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
    use super::*;
    use crate::fake;

    #[test]
    fn what_is_wrong_with_a_file_is_shown_at_its_line() {
        assert_eq!(
            trouble_at("a,b.toml", (3, 7), "no such key\n100 %"),
            "::error file=a%2Cb.toml,line=3,col=7,title=comeback::no such key%0A100 %25"
        );
    }

    /// The annotations of this verdict on an invented run.
    fn annotations(verdict: &Verdict, name: &str, at: &Pointer) -> Vec<String> {
        let mut fake = fake::single();
        (fake.summary.name, fake.summary.seed) = (name.to_owned(), 7);
        super::annotations(&fake.analysis, verdict, &fake.summary, at)
    }

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
        let at = Pointer::default();
        assert_eq!(
            annotations(&verdict(Outcome::Pass, &[], Vec::new()), "nightly", &at),
            ["::notice title=comeback nightly::PASS: so it is, seed 7"]
        );
        assert_eq!(
            annotations(&verdict(Outcome::Measured, &[], Vec::new()), "nightly", &at),
            ["::notice title=comeback nightly::MEASURED: so it is, seed 7"]
        );
    }

    #[test]
    fn each_broken_gate_is_an_error_and_each_missing_answer_a_warning() {
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
        let at = Pointer {
            file: Some("ci/a,b.toml".to_owned()),
            places: [("lost_writes == 0".to_owned(), (12, 3))].into(),
            next: vec![
                "comeback replay out".to_owned(),
                "comeback shrink out".to_owned(),
            ],
        };
        assert_eq!(
            annotations(&verdict, "nightly", &at),
            [
                "::error file=ci/a%2Cb.toml,line=12,col=3,title=shop%3A lost_writes == 0::fail: 3 lost%0Anext: comeback replay \
                 out, or comeback shrink out",
                "::warning file=ci/a%2Cb.toml,title=shop%3A time_to_ready.p95 < 2s::inconclusive: n too small",
                "::warning file=ci/a%2Cb.toml,title=comeback nightly::shop: trial 2 does not count: it never started",
            ]
        );
    }

    #[test]
    fn a_run_that_fails_without_a_gate_of_its_own_is_an_error() {
        let checks = vec![check("lost_writes == 0", Outcome::Pass, None)];
        let reasons = ["shop: unrecovered == 0, which every run with gates demands, is broken"];
        let at = Pointer {
            next: vec!["comeback replay out".to_owned()],
            ..Pointer::default()
        };
        let lines = annotations(&verdict(Outcome::Fail, &reasons, checks), "nightly", &at);
        assert_eq!(
            lines[0],
            "::error title=comeback nightly::fail: FAIL: so it is%0Anext: comeback replay out"
        );
    }

    #[test]
    fn a_broken_gate_says_what_it_counted_and_one_that_lacks_trials_how_many() {
        let mut fake = fake::single();
        let arm = &mut fake.analysis.arms[0];
        let trial = arm
            .trials
            .iter_mut()
            .find(|trial| !trial.control && trial.void.is_none());
        let trial = trial.expect("a trial with a fault");
        (trial.sessions.lost, trial.sessions.acknowledged) = (42, 100);
        arm.trials = vec![trial.clone()];
        let trials = fake.analysis.header.plan.trials + 3;
        let mut lost = check("lost_sessions == 0", Outcome::Fail, Some("42 of 100"));
        let mut late = check(
            "time_to_ready.p95 < 2s",
            Outcome::Inconclusive,
            Some("too few"),
        );
        late.more_trials = Some(3);
        for check in [&mut lost, &mut late] {
            check.arm.clone_from(&fake.analysis.arms[0].name);
        }
        let verdict = verdict(Outcome::Fail, &[], vec![lost, late]);
        let at = Pointer::default();
        let lines = super::annotations(&fake.analysis, &verdict, &fake.summary, &at);
        assert!(
            lines[0].ends_with("::fail: lost 42 of 100 sessions"),
            "{lines:#?}"
        );
        let advice =
            format!("%0Anext: run it with --trials {trials}, or with --extend-to {trials}");
        assert!(lines[1].ends_with(&advice), "{lines:#?}");
    }

    #[test]
    fn foreign_text_cannot_end_a_command_or_begin_another() {
        let line = annotation("error", "a:b,c%\nd", "", "100 %\r\n::set-env x::\u{1b}[0m");
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
        let at = Pointer::default();
        let lines = annotations(&verdict(Outcome::Fail, &[], many), "nightly", &at);
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
        let markdown = step_summary(&fake.analysis, &fake.verdict, &fake.summary, &notes);
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
        let notes = Notes {
            artifact: Some("crash`s".to_owned()),
            ..notes
        };
        let markdown = step_summary(&fake.analysis, &fake.verdict, &fake.summary, &notes);
        let place =
            "Report: `out/report.html` in the artifact `` crash`s `` of this workflow run\n";
        assert!(markdown.contains(place), "{markdown}");
    }

    #[test]
    fn a_failed_run_shows_its_decisive_chart_and_what_the_first_failing_session_met() {
        let mut fake = fake::single();
        let name = fake.analysis.arms[0].name.clone();
        let broken = Check {
            arm: name.clone(),
            ..check("lost_sessions == 0", Outcome::Fail, Some("1 of 9"))
        };
        let mut trials = fake.analysis.arms[0].trials.iter_mut();
        let trial = trials.find(|trial| !trial.control && trial.void.is_none());
        let trial = trial.expect("a trial with a fault");
        trial.story = vec!["It had <b>7</b> writes.".to_owned()];
        let told = format!(
            "### The first session that lost something\n\nIn trial {} of {name}:\n\n- It had &lt;b&gt;7&lt;/b&gt; writes.\n",
            trial.id.0
        );
        fake.verdict = verdict(Outcome::Fail, &[], vec![broken]);
        let page = |fake: &fake::Fake| {
            step_summary(
                &fake.analysis,
                &fake.verdict,
                &fake.summary,
                &Notes::default(),
            )
        };
        let markdown = page(&fake);
        assert!(markdown.contains(&told), "{markdown}");
        assert!(
            markdown.contains("```mermaid\nxychart-beta\n"),
            "{markdown}"
        );
        fake.verdict = verdict(Outcome::Pass, &[], Vec::new());
        let markdown = page(&fake);
        for unwanted in ["mermaid", "first session"] {
            assert!(!markdown.contains(unwanted), "{markdown}");
        }
    }
}
