//! The outage, from the kill to ready: every trial, the median and its interval. Services that never came back are at the right edge.

use comeback_analysis::measure::TrialAnalysis;
use comeback_model::ids::TrialId;

use super::frame::{Key, Page, arrow, jitter, trial, whisker};
use super::no_figures;
use super::rows::{Note, Row, Rows};
use crate::arms::{ArmView, RunView};
use crate::draw::axis::{Scale, end_for};
use crate::draw::{Align, Drawing, Ink, Style};
use crate::format::{TimeStyle, beyond, counted, ms, plain, span};

/// Height of a row's marks.
const STRIP: f64 = 30.0;

/// From this ratio of the longest to the shortest time on, ratios are drawn instead of differences.
const LOGARITHMIC_FROM: f64 = 20.0;

/// Room at the right for what never came back.
const BEYOND_ROOM: f64 = 84.0;

/// More arrows than this would overlap; then one arrow is drawn, with their number.
const ARROWS: usize = 3;

/// How to read it.
pub(crate) fn caption(run: &RunView<'_>) -> String {
    format!(
        "From the moment {} was sent to the first correct reply of the new process, asked on a fresh \
         connection. Dots are crashes, the upright stroke is their median; its interval needs six \
         trials and assumes nothing about the distribution. An arrow is a crash after which the service was not back for good within {}. It is kept and counts as longer than all others. What it cannot show: \
         ready is not yet steady, and a time measured on one machine holds for that machine.",
        run.fault(),
        span(run.horizon())
    )
}

/// The chart.
pub(crate) fn draw(run: &RunView<'_>, width: f64) -> Drawing {
    let mut page = Page::new(
        width,
        "Outage: from the kill to the first correct reply",
        "How long the service was away; every crash is drawn.",
    );
    let times: Vec<Vec<(TrialId, f64)>> = run
        .arms
        .iter()
        .map(|arm| match arm.silence {
            None => arm.crashes().filter_map(outage).collect(),
            Some(_) => Vec::new(),
        })
        .collect();
    let all: Vec<f64> = times.iter().flatten().map(|(_, time)| *time).collect();
    let censored = all.iter().any(|time| !time.is_finite());
    if !all.is_empty() {
        page.legend(&legend(run, censored));
    }
    let rows: Vec<Row> = run
        .arms
        .iter()
        .zip(&times)
        .map(|(arm, times)| row(run, arm, times))
        .collect();
    let reserved = if censored { BEYOND_ROOM } else { 8.0 };
    let laid = Rows::lay_out(&mut page, &rows, reserved);
    if all.is_empty() {
        no_figures(&mut page);
        return page.finish();
    }
    let (scale, kind) = scale_for(run, &all, (laid.left, laid.right));
    let edge = page.right() - BEYOND_ROOM / 2.0;
    if censored {
        let style = Style::TICK.align(Align::Centre);
        page.drawing
            .text((edge, page.y + 17.0), &beyond(run.horizon()), style);
    }
    let name = format!("outage{kind}");
    laid.axis(&mut page, scale, &name, |tick| {
        format!("{} ms", plain(tick))
    });
    for ((strip, arm), times) in laid.strips.iter().zip(&run.arms).zip(&times) {
        if let Some(strip) = strip {
            marks(&mut page.drawing, arm, times, *strip, &Axis { scale, edge });
        }
    }
    page.finish()
}

/// The outage in ms, infinite when it did not end.
fn outage(trial: &TrialAnalysis) -> Option<(TrialId, f64)> {
    Some((trial.id, trial.outage?.or_infinite()))
}

fn legend(run: &RunView<'_>, censored: bool) -> Vec<(Key, String)> {
    let mut entries = vec![
        (Key::Trial, "one crash".to_owned()),
        (Key::Median, "median, with 95 % interval".to_owned()),
    ];
    if censored {
        entries.push((
            Key::Beyond,
            format!("not back for good within {}", span(run.horizon())),
        ));
    }
    entries
}

fn row(run: &RunView<'_>, arm: &ArmView<'_>, times: &[(TrialId, f64)]) -> Row {
    if let Some(silence) = &arm.silence {
        return Row::silent(&arm.name, silence);
    }
    let figure = &arm.summary.outage_ms;
    if times.is_empty() || figure.n == 0 {
        return Row::silent(&arm.name, "not measured");
    }
    let style = TimeStyle::after_fault(Some(run.horizon()));
    let trials = counted(u64::from(figure.n), "trial");
    let mut text = format!("median {} over {trials}", style.both(figure));
    if figure.censored >= figure.n {
        text = format!("{} in all of {trials}", style.beyond);
    } else if figure.censored > 0 {
        text.push_str(&format!("; {} of them {}", figure.censored, style.beyond));
    } else if let (Some(max), true) = (figure.max, figure.n > 1) {
        text.push_str(&format!("; longest {}", ms(max)));
    }
    Row {
        name: arm.name.clone(),
        notes: vec![Note::Words(text, Ink::Text)],
        strip: Some(STRIP),
    }
}

fn scale_for(run: &RunView<'_>, all: &[f64], pixels: (f64, f64)) -> (Scale, &'static str) {
    let finite = || all.iter().copied().filter(|time| time.is_finite());
    let longest = finite().fold(f64::NEG_INFINITY, f64::max);
    let shortest = finite().fold(f64::INFINITY, f64::min);
    if !longest.is_finite() {
        return (Scale::linear((0.0, run.horizon().as_ms()), pixels), "");
    }
    if shortest > 0.0 && longest / shortest > LOGARITHMIC_FROM {
        let figures = (shortest * 0.8, longest * 1.2);
        return (Scale::logarithmic(figures, pixels), ", logarithmic axis");
    }
    let end = end_for(longest.max(1.0), 8);
    (Scale::linear((0.0, end), pixels), "")
}

struct Axis {
    scale: Scale,
    edge: f64,
}

fn marks(
    drawing: &mut Drawing,
    arm: &ArmView<'_>,
    times: &[(TrialId, f64)],
    (top, bottom): (f64, f64),
    axis: &Axis,
) {
    let middle = f64::midpoint(top, bottom);
    let at = |time: f64| {
        if time.is_finite() {
            axis.scale.at(time)
        } else {
            axis.edge
        }
    };
    for (index, (id, time)) in times.iter().enumerate() {
        if time.is_finite() {
            let y = middle + jitter(index) * (bottom - top - 8.0);
            drawing.of_trial(*id, |drawing| trial(drawing, (at(*time), y)));
        }
    }
    let gone = times.iter().filter(|(_, time)| !time.is_finite());
    let censored = gone.clone().count();
    if censored > ARROWS {
        let style = Style::LABEL.align(Align::Right);
        let number = format!("{censored} ×");
        drawing.text((axis.edge - 12.0, middle), &number, style);
        arrow(drawing, (axis.edge, middle));
    } else {
        for (place, (id, _)) in gone.enumerate() {
            let y = middle + (place as f64 - (censored as f64 - 1.0) / 2.0) * 11.0;
            drawing.of_trial(*id, |drawing| arrow(drawing, (axis.edge, y)));
        }
    }
    let figure = &arm.summary.outage_ms;
    if figure.n >= crate::format::INTERVAL_NEEDS
        && let Some(low) = figure.low
    {
        // An open end stops short of the arrows, which say how it goes on.
        let high = figure.high.map_or(axis.edge - 14.0, at);
        whisker(drawing, (at(low), high), middle, Ink::Measure);
    }
    if let Some(median) = figure.median {
        let x = at(median);
        drawing.line((x, top + 1.0), (x, bottom - 1.0), 3.0, Ink::Measure);
    }
}
