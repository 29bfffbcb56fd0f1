//! The outage, from the kill to ready: every trial, the median and its interval. Services that never came back are at the right edge.

use std::collections::BTreeSet;

use comeback_analysis::measure::{Time, TrialAnalysis};
use comeback_model::ids::TrialId;

use super::frame::{Key, Page, RADIUS, arrow, jitter, trial, whisker};
use super::no_figures;
use super::rows::{Note, Row, Rows};
use super::sheet::Sheet;
use crate::arms::{ArmView, RunView};
use crate::draw::axis::{Scale, end_for};
use crate::draw::{Align, Datum, Drawing, Ink, Style};
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
         trials and assumes nothing about the distribution.{} A faint stroke to the left of a dot is the measured error of its time: the \
         truth lies at most so much earlier. An arrow is a crash after which the service was not back for good within {}. It is kept and counts as longer than all others. What it cannot show: \
         ready is not yet steady, and a time measured on one machine holds for that machine.",
        run.fault(),
        range_note(run),
        span(run.horizon())
    )
}

/// Says that an interval is nothing but the range, where it is: of 6 to 8 trials.
pub(super) fn range_note(run: &RunView<'_>) -> String {
    let measured = run.arms.iter().filter(|arm| arm.silence.is_none());
    let numbers = measured.filter_map(|arm| {
        let figure = &arm.summary.outage_ms;
        let shortest = arm
            .crashes()
            .filter_map(|trial| Some(trial.outage?.or_infinite()));
        let shortest = shortest.fold(f64::INFINITY, f64::min);
        let is_range =
            figure.low == Some(shortest) && (figure.high == figure.max || figure.high.is_none());
        is_range.then_some(figure.n)
    });
    let numbers: BTreeSet<u32> = numbers.collect();
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    match numbers.is_empty() {
        true => String::new(),
        false => format!(
            " With n = {} it is the range, from the shortest to the longest.",
            numbers.join(" and ")
        ),
    }
}

/// The outage of a crash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) trial: TrialId,
    /// In ms, infinite when it did not end.
    pub(super) time: f64,
    /// How much earlier it may have ended, in ms.
    pub(super) error: f64,
}

impl Outage {
    /// Those of an arm that has figures.
    pub(super) fn all(arm: &ArmView<'_>) -> Vec<Self> {
        match arm.silence {
            None => arm.crashes().filter_map(Self::of).collect(),
            Some(_) => Vec::new(),
        }
    }

    fn of(trial: &TrialAnalysis) -> Option<Self> {
        let outage = trial.outage?;
        Some(Self {
            trial: trial.id,
            time: outage.or_infinite(),
            error: match outage {
                Time::At { error_ms, .. } => error_ms,
                Time::Beyond { .. } => 0.0,
            },
        })
    }

    /// Its figure in the file beside the picture.
    fn datum(&self, arm: &str) -> Datum {
        let datum = Datum::new(arm, "one crash", Some(self.time), "ms").of_trial(self.trial);
        match self.time.is_finite() {
            true => datum.between(Some(self.time - self.error), Some(self.time)),
            false => datum,
        }
    }
}

/// The chart.
pub(crate) fn draw(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    let mut page = Page::new(
        sheet,
        "Outage: from the kill to the first correct reply",
        "How long the service was away; every crash is drawn.",
    );
    let times: Vec<Vec<Outage>> = run.arms.iter().map(Outage::all).collect();
    let all: Vec<f64> = times.iter().flatten().map(|it| it.time).collect();
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

fn row(run: &RunView<'_>, arm: &ArmView<'_>, times: &[Outage]) -> Row {
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

pub(super) fn scale_for(
    run: &RunView<'_>,
    all: &[f64],
    pixels: (f64, f64),
) -> (Scale, &'static str) {
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
    times: &[Outage],
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
    for (index, outage) in times.iter().enumerate() {
        drawing.record(|| outage.datum(&arm.name));
        if outage.time.is_finite() {
            let y = middle + jitter(index) * (bottom - top - 8.0);
            let (x, earliest) = (at(outage.time), at(outage.time - outage.error));
            // A shorter one lies below its dot.
            if x - earliest > RADIUS {
                drawing.line((earliest, y), (x, y), 1.5, Ink::Text.faint(0.4));
            }
            drawing.of_trial(outage.trial, |drawing| trial(drawing, (x, y)));
        }
    }
    let gone = times.iter().filter(|it| !it.time.is_finite());
    let censored = gone.clone().count();
    if censored > ARROWS {
        let style = Style::LABEL.align(Align::Right);
        let number = format!("{censored} ×");
        drawing.text((axis.edge - 12.0, middle), &number, style);
        arrow(drawing, (axis.edge, middle));
    } else {
        for (place, outage) in gone.enumerate() {
            let y = middle + (place as f64 - (censored as f64 - 1.0) / 2.0) * 11.0;
            drawing.of_trial(outage.trial, |drawing| arrow(drawing, (axis.edge, y)));
        }
    }
    let figure = &arm.summary.outage_ms;
    drawing.record(|| {
        let median = figure.median_or_infinite();
        Datum::new(&arm.name, "median", median, "ms").between(figure.low, figure.high)
    });
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
