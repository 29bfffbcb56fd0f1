//! The decisive chart of a failed run, for GitHub's pages: they show no inline SVG and no image of a private artifact, but draw
//! Mermaid (docs.github.com, *Creating diagrams*). Its `xychart-beta` has bars and lines over trials or seconds.

use std::fmt::Write;

use comeback_analysis::measure::{Analysis, ArmAnalysis, TimelineWindow, TrialAnalysis};
use comeback_analysis::verdict::{Check, OfTrial, Outcome, Verdict, by_trial};
use comeback_model::gate::{Demand, Gate, METRICS, Unit};

/// How many trials have a bar: more are a blur. The worst are shown.
const BARS: usize = 40;
/// How many windows of the timeline are shown before the fault, and from it on.
const WINDOWS: (usize, usize) = (20, 80);
/// A server's counter may say anything: beyond this a bar says nothing.
const LARGEST: f64 = 1e9;

/// A chart as Markdown, with what it shows.
pub(super) struct Chart {
    /// Foreign text in it is not escaped.
    pub(super) caption: String,
    /// A block of code that GitHub draws. No foreign text is in it.
    pub(super) block: String,
}

/// The gravest of the gates that are broken, with its arm.
pub(super) fn decisive<'a>(
    analysis: &'a Analysis,
    verdict: &Verdict,
) -> Option<(Gate, &'a ArmAnalysis)> {
    let broken = verdict
        .checks
        .iter()
        .filter(|check| check.outcome == Outcome::Fail);
    let asked = broken.filter_map(|Check { arm, gate, .. }| {
        let arm = analysis.arms.iter().find(|one| one.name == *arm)?;
        Some((Gate::try_from(gate.clone()).ok()?, arm))
    });
    asked.min_by_key(|(gate, _)| gate.weight())
}

/// The chart of a broken gate: its figure by trial; of a service that did not come back, what it served over time.
pub(super) fn chart(gate: &Gate, arm: &ArmAnalysis) -> Option<Chart> {
    match gate.is_about_recovery() {
        true => over_time(gate, arm),
        false => bars(gate, arm),
    }
}

fn bars(gate: &Gate, arm: &ArmAnalysis) -> Option<Chart> {
    let all = by_trial(gate, arm);
    let is_drawn = |one: &OfTrial| one.figure.abs() <= LARGEST;
    let (mut drawn, others): (Vec<OfTrial>, Vec<OfTrial>) = all.into_iter().partition(is_drawn);
    let left_out = drawn.len().saturating_sub(BARS);
    // Of what is better when it is more, the least is worst.
    drawn.sort_by(|one, other| match gate.is_upper() {
        true => other.figure.total_cmp(&one.figure),
        false => one.figure.total_cmp(&other.figure),
    });
    drawn.truncate(BARS);
    drawn.sort_by_key(|one| one.trial);
    if drawn.is_empty() {
        return None;
    }
    let unit = gate.metric().unit();
    let (scale, sign) = match unit {
        Unit::Count => (1.0, ""),
        Unit::Share => (100.0, " in %"),
        Unit::Ms => (1.0, " in ms"),
        Unit::Seconds => (1.0, " in s"),
    };
    let bound = match gate.demand() {
        Demand::Bound(_, bound) => Some(bound * scale),
        Demand::NoWorse(_) => None,
    };
    let figures: Vec<f64> = drawn.iter().map(|one| one.figure * scale).collect();
    let trials: Vec<String> = drawn
        .iter()
        .map(|one| format!("\"{}\"", one.trial.0))
        .collect();
    let (name, _) = METRICS
        .iter()
        .find(|(_, metric)| *metric == gate.metric())?;
    let mut block = begin(
        &format!("x-axis \"trial\" [{}]", trials.join(", ")),
        &format!("{name}{sign}"),
        figures.iter().copied().chain(bound),
    );
    series(&mut block, "bar", &figures);
    if let Some(bound) = bound {
        series(&mut block, "line", &vec![bound; figures.len()]);
    }
    let mut caption = format!("{}: {gate}, by trial", arm.name);
    if bound.is_some() {
        caption.push_str("; the line is the bound");
    }
    if left_out > 0 {
        let _ = write!(caption, "; the worst {BARS} of {} trials", BARS + left_out);
    }
    if !others.is_empty() {
        let others: Vec<String> = others
            .iter()
            .take(BARS)
            .map(|one| one.trial.0.to_string())
            .collect();
        let _ = write!(
            caption,
            "; beyond the scale, and not drawn: trial {}",
            others.join(", ")
        );
    }
    Some(Chart {
        caption,
        block: end(block),
    })
}

/// What the first trial served over time in which the service did not come back for good.
fn over_time(gate: &Gate, arm: &ArmAnalysis) -> Option<Chart> {
    let not_back = by_trial(gate, arm)
        .into_iter()
        .find(|one| one.figure > 0.0)?;
    let trial: &TrialAnalysis = arm.trials.iter().find(|trial| trial.id == not_back.trial)?;
    let windows = &trial.timeline;
    let fault = windows.iter().position(|window| window.start_ms >= 0.0)?;
    let (before, after) = WINDOWS;
    let shown: &[TimelineWindow] =
        &windows[fault.saturating_sub(before)..windows.len().min(fault + after)];
    let (first, last) = (shown.first()?, shown.last()?);
    if shown.len() < 2 {
        return None;
    }
    let figures: Vec<f64> = shown.iter().map(TimelineWindow::goodput).collect();
    let seconds = |window: &TimelineWindow| number(window.start_ms / 1_000.0);
    let mut block = begin(
        &format!(
            "x-axis \"seconds from the fault\" {} --> {}",
            seconds(first),
            seconds(last)
        ),
        "correct replies per second",
        figures.iter().copied(),
    );
    series(&mut block, "line", &figures);
    let caption = format!(
        "{}: correct replies per second in trial {}, in which the service did not come back for good",
        arm.name, trial.id.0
    );
    Some(Chart {
        caption,
        block: end(block),
    })
}

fn begin(x_axis: &str, y_title: &str, figures: impl Iterator<Item = f64>) -> String {
    let most = figures.fold(0.0, f64::max);
    // A bar of nothing but zeros needs a scale too.
    let top = if most > 0.0 { most * 1.1 } else { 1.0 };
    format!(
        "```mermaid\nxychart-beta\n    {x_axis}\n    y-axis \"{y_title}\" 0 --> {}\n",
        number(top)
    )
}

fn series(block: &mut String, kind: &str, figures: &[f64]) {
    let figures: Vec<String> = figures.iter().copied().map(number).collect();
    let _ = writeln!(block, "    {kind} [{}]", figures.join(", "));
}

fn end(block: String) -> String {
    block + "```\n"
}

/// A number as Mermaid reads it: without an exponent.
fn number(figure: f64) -> String {
    let text = format!("{figure:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use comeback_analysis::measure::{NotBack, Return, Time};
    use comeback_model::ids::TrialId;

    use super::*;
    use crate::fake;

    fn gate(text: &str) -> Gate {
        Gate::try_from(text.to_owned()).expect("a gate")
    }

    fn arm() -> ArmAnalysis {
        fake::single().analysis.arms.remove(0)
    }

    #[test]
    fn a_count_has_a_bar_for_each_trial_and_the_bound() {
        let mut arm = arm();
        let mut trial = arm.faulted().next().expect("a trial").clone();
        trial.sessions.lost = 42;
        let mut other = trial.clone();
        (other.id, other.sessions.lost) = (TrialId(trial.id.0 + 9), 0);
        let trials = format!("[\"{}\", \"{}\"]", trial.id.0, other.id.0);
        arm.trials = vec![other, trial];
        let chart = chart(&gate("lost_sessions == 0"), &arm).expect("a chart");
        assert_eq!(
            chart.block,
            format!(
                "```mermaid\nxychart-beta\n    x-axis \"trial\" {trials}\n    y-axis \"lost_sessions\" 0 --> 46.2\n    bar [42, 0]\n    line [0, 0]\n```\n"
            )
        );
        assert_eq!(
            chart.caption,
            format!(
                "{}: lost_sessions == 0, by trial; the line is the bound",
                arm.name
            )
        );
    }

    #[test]
    fn what_lies_beyond_the_horizon_has_no_bar_and_is_named() {
        let mut arm = arm();
        let mut trial = arm.faulted().next().expect("a trial").clone();
        trial.returned = None;
        trial.chain.ready = Some(Time::At {
            ms: 80.0,
            error_ms: 0.0,
        });
        let mut never = trial.clone();
        (never.id, never.chain.ready) = (TrialId(77), Some(Time::Beyond { ms: 30_000.0 }));
        arm.trials = vec![trial, never];
        let chart = chart(&gate("time_to_ready.median < 50ms"), &arm).expect("a chart");
        assert!(
            chart.block.contains("    bar [80]\n    line [50]\n"),
            "{}",
            chart.block
        );
        assert!(
            chart.block.contains("time_to_ready.median in ms"),
            "{}",
            chart.block
        );
        assert!(
            chart
                .caption
                .ends_with("beyond the scale, and not drawn: trial 77"),
            "{}",
            chart.caption
        );
        arm.trials.remove(0);
        assert!(super::chart(&gate("time_to_ready.median < 50ms"), &arm).is_none());
    }

    #[test]
    fn of_many_trials_the_worst_are_drawn_in_their_order() {
        let mut arm = arm();
        let trial = arm.faulted().next().expect("a trial").clone();
        arm.trials = (0..100)
            .map(|number| {
                let mut trial = trial.clone();
                (trial.id, trial.sessions.lost) = (TrialId(number), u64::from(number % 50));
                trial
            })
            .collect();
        let chart = chart(&gate("lost_sessions == 0"), &arm).expect("a chart");
        assert!(chart.block.contains("bar [30, 31, "), "{}", chart.block);
        assert_eq!(chart.block.matches('"').count(), 2 * (BARS + 2));
        assert!(
            chart.caption.contains("the worst 40 of 100 trials"),
            "{}",
            chart.caption
        );
    }

    #[test]
    fn a_service_that_did_not_come_back_is_shown_over_time() {
        let mut arm = arm();
        let mut trial = arm.faulted().next().expect("a trial").clone();
        trial.returned = Some(Return::Not(NotBack::Ended));
        assert!(trial.timeline.iter().any(|window| window.start_ms >= 0.0));
        let id = trial.id.0;
        arm.trials = vec![trial];
        let chart = chart(&gate("unrecovered == 0"), &arm).expect("a chart");
        assert!(
            chart.block.contains("x-axis \"seconds from the fault\" -"),
            "{}",
            chart.block
        );
        assert!(
            chart.caption.contains(&format!("in trial {id}, in which")),
            "{}",
            chart.caption
        );
    }
}
