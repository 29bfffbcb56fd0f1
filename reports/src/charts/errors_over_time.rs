//! The share of operations that failed over time around the fault, above that of the control: one panel for each arm.

use comeback_analysis::summary::{RateOverTrials, error_rates_over};

use super::frame::{Key, Page};
use super::no_figures;
use super::over_time::{Axes, Moments, NUMBERS, OverTime};
use super::panels::{Columns, Stretch, band, name_seconds, silent};
use super::sheet::Sheet;
use crate::arms::{ArmView, RunView};
use crate::draw::axis::{Scale, end_for};
use crate::draw::{Datum, Drawing, Ink, Point, Style};
use crate::format::{count, counted, plain, span};

/// Height of a panel's plot.
const PLOT: f64 = 96.0;

/// Height of the name and the facts above it.
const HEAD: f64 = 62.0;

/// Height of the axis below it.
const FOOT: f64 = 26.0;

/// From this many arms on a wide chart has two columns.
const TWO_COLUMNS_FROM: usize = 4;

/// How to read it.
pub(crate) fn caption(run: &RunView<'_>) -> String {
    format!(
        "The line is the share of operations that failed, over all trials together; its band reaches from the smallest to the largest share of a \
         trial. The gray line below is the control: the same server without a fault. Operations count at their intended time, in windows of {}. \
         Where no operation was due, there is no line. Where {} and recovery would be one line, a close-up stands to the right of the plot. What \
         it cannot show: how many operations were due. The chart of goodput has them.",
        span(run.analysis.header.plan.windows.window),
        run.fault_noun()
    )
}

/// An arm's panel, before it is drawn.
struct Panel<'a> {
    arm: &'a ArmView<'a>,
    faulted: Vec<RateOverTrials>,
    control: Vec<RateOverTrials>,
    moments: Moments,
}

impl<'a> Panel<'a> {
    fn of(arm: &'a ArmView<'a>) -> Self {
        let (faulted, control) = match arm.silence {
            None => (
                error_rates_over(arm.crashes()),
                error_rates_over(arm.analysis.controls()),
            ),
            Some(_) => (Vec::new(), Vec::new()),
        };
        Self {
            arm,
            faulted,
            control,
            moments: Moments::of(arm),
        }
    }

    fn end(&self) -> f64 {
        let last = self.faulted.last();
        last.map_or(f64::NEG_INFINITY, |window| window.to)
    }
}

/// The chart.
pub(crate) fn draw(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    let noun = run.fault_noun();
    let mut page = Page::new(
        sheet,
        &format!("Share of operations that failed around the {noun}"),
        &format!(
            "Of the operations due at a time; time 0 is {}.",
            run.fault()
        ),
    );
    let panels: Vec<Panel<'_>> = run.arms.iter().map(Panel::of).collect();
    let (drawn, empty): (Vec<_>, Vec<_>) =
        panels.iter().partition(|panel| !panel.faulted.is_empty());
    if drawn.is_empty() {
        for panel in &panels {
            tell_why(&mut page, panel);
        }
        no_figures(&mut page);
        return page.finish();
    }
    page.legend(&legend(run, &drawn));
    let is_double = page.is_wide() && drawn.len() >= TWO_COLUMNS_FROM;
    let columns = Columns::new(&page, if is_double { 2 } else { 1 });
    let axes = axes(run, &drawn, columns.width);
    let height = HEAD + page.drawing.tall(PLOT) + FOOT;
    let (tops, end) = columns.tops(&vec![height; drawn.len()]);
    for (place, (panel, top)) in drawn.iter().zip(tops).enumerate() {
        plot(&mut page.drawing, panel, (columns.left(place), top), axes);
    }
    page.y = end;
    name_seconds(&mut page, run, NUMBERS);
    for panel in empty {
        tell_why(&mut page, panel);
    }
    page.finish()
}

fn tell_why(page: &mut Page, panel: &Panel<'_>) {
    let reason = panel.arm.silence.as_deref();
    let reason = reason.unwrap_or("no timeline was recorded");
    silent(page, &panel.arm.name, reason);
}

/// Only what occurs.
fn legend(run: &RunView<'_>, panels: &[&Panel<'_>]) -> Vec<(Key, String)> {
    let has_control = panels.iter().any(|panel| !panel.control.is_empty());
    let entries = [
        (true, Key::Band(Ink::Loss), "failed, all trials and range"),
        (
            has_control,
            Key::Line(Ink::Axis),
            "control, without a fault",
        ),
        (true, Key::Moment(Ink::Text), run.fault_noun()),
        (true, Key::Moment(Ink::Good), "ready, median"),
    ];
    let occur = entries.into_iter().filter(|(occurs, _, _)| *occurs);
    occur.map(|(_, key, text)| (key, text.to_owned())).collect()
}

/// The scales that hold every panel. Arms that mostly never came back are followed no longer than the others.
fn axes(run: &RunView<'_>, panels: &[&Panel<'_>], width: f64) -> Axes {
    let all = || panels.iter().flat_map(|panel| &panel.faulted);
    let from = all().map(|it| it.from).fold(f64::INFINITY, f64::min);
    let back = panels.iter().filter(|panel| panel.moments.ready.is_some());
    let end_of_back = back
        .map(|panel| panel.end())
        .fold(f64::NEG_INFINITY, f64::max);
    let end = panels.iter().map(|panel| panel.end()).fold(from, f64::max);
    let to = if end_of_back.is_finite() {
        end_of_back
    } else {
        end
    };
    let control = panels.iter().flat_map(|panel| &panel.control);
    let most = all().filter_map(|it| it.most);
    let most = most
        .chain(control.filter_map(|it| it.share))
        .fold(0.01, f64::max);
    let axes = Axes {
        from,
        to: to.max(from + 0.1),
        most: end_for(most * 100.0, 4).min(100.0),
        window: run.analysis.header.plan.windows.window.as_secs(),
        width,
        close_up: false,
    };
    axes.with_room(panels.iter().map(|panel| &panel.moments))
}

fn plot(drawing: &mut Drawing, panel: &Panel<'_>, (x, y): Point, axes: Axes) {
    let name = Style::NAME.cut(&panel.arm.name, axes.width);
    drawing.text((x, y + 10.0), &name, Style::NAME);
    let facts = Style::NOTE.cut(&facts(panel), axes.width);
    drawing.text((x, y + 27.0), &facts, Style::NOTE);
    let over_time = OverTime {
        axes,
        moments: &panel.moments,
        quantity: "failed, % of the operations due",
        tick: |share| format!("{} %", plain(share)),
    };
    let height = drawing.tall(PLOT);
    over_time.draw(drawing, (x, y + HEAD), height, &|drawing, range, scales| {
        curves(drawing, panel, range, scales);
    });
    record(drawing, panel, axes);
}

fn facts(panel: &Panel<'_>) -> String {
    let trials = counted(panel.arm.crashes().count() as u64, "trial");
    let controls = panel.arm.analysis.controls();
    let controls = controls.filter(|trial| !trial.timeline.is_empty()).count();
    match controls {
        0 => format!("{trials}, no control"),
        controls => format!("{trials}, {} without a fault", count(controls as u64)),
    }
}

/// The control first, so that it lies below.
fn curves(
    drawing: &mut Drawing,
    panel: &Panel<'_>,
    range: (f64, f64),
    (across, up): (Scale, Scale),
) {
    for (level, _) in stretches(&panel.control, range) {
        drawing.path(edge(&level, across, up), 1.5, Ink::Axis);
    }
    for (level, spread) in stretches(&panel.faulted, range) {
        if let Some(outline) = band(&spread, across, up) {
            drawing.area(outline, Ink::Loss.faint(0.22));
        }
        drawing.path(edge(&level, across, up), 2.0, Ink::Loss);
    }
}

/// The windows with a share, in unbroken rows: the share, and the range.
fn stretches(
    windows: &[RateOverTrials],
    (from, to): (f64, f64),
) -> Vec<(Vec<Stretch>, Vec<Stretch>)> {
    let within = |window: &&RateOverTrials| window.to > from + 1e-9 && window.from < to - 1e-9;
    let seen: Vec<&RateOverTrials> = windows.iter().filter(within).collect();
    let rows = seen.chunk_by(|a, b| a.share.is_some() == b.share.is_some());
    rows.map(|row| {
        let stretch = |low: Option<f64>, high: Option<f64>, window: &RateOverTrials| {
            let (low, high) = (low? * 100.0, high? * 100.0);
            let (from, to) = (window.from, window.to);
            Some(Stretch {
                from,
                to,
                low,
                high,
            })
        };
        let level = row.iter().filter_map(|it| stretch(it.share, it.share, it));
        let spread = row.iter().filter_map(|it| stretch(it.least, it.most, it));
        (level.collect(), spread.collect())
    })
    .filter(|(level, _): &(Vec<Stretch>, Vec<Stretch>)| !level.is_empty())
    .collect()
}

/// A level line for each stretch, joined.
fn edge(level: &[Stretch], across: Scale, up: Scale) -> Vec<Point> {
    let points = level.iter().flat_map(|step| {
        let y = up.at(step.high);
        [(across.at(step.from), y), (across.at(step.to), y)]
    });
    points.collect()
}

/// Keeps the curves of a panel.
fn record(drawing: &mut Drawing, panel: &Panel<'_>, axes: Axes) {
    let percent = |share: Option<f64>| share.map(|share| share * 100.0);
    let both = [("failed", &panel.faulted), ("control", &panel.control)];
    for (series, windows) in both {
        for window in windows.iter().filter(|it| it.to <= axes.to + 1e-9) {
            if window.share.is_none() {
                continue;
            }
            drawing.record(|| {
                Datum::new(&panel.arm.name, series, percent(window.share), "%")
                    .between(percent(window.least), percent(window.most))
                    .over(window.from, window.to)
            });
        }
    }
}
