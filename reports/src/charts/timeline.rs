//! Goodput and failures over time around the fault, one panel for each arm on one common scale.

use comeback_analysis::summary::{WindowOverTrials, windows_over};

use super::frame::{Key, Page};
use super::no_figures;
use super::panels::{name_seconds, silent};
use crate::arms::{ArmView, RunView};
use crate::draw::axis::{Scale, end_for};
use crate::draw::{Align, Drawing, Ink, Style};
use crate::format::{TimeStyle, counted, plain, span};

/// Height of a panel's plot.
const PLOT: f64 = 104.0;

/// Height of the name and the facts above it.
const HEAD: f64 = 46.0;

/// Height of the axis below it.
const FOOT: f64 = 26.0;

/// Room for the numbers at its left.
const NUMBERS: f64 = 48.0;

/// From this many arms on a wide chart has two columns.
const TWO_COLUMNS_FROM: usize = 4;

/// How to read it.
pub(crate) fn caption(run: &RunView<'_>) -> String {
    format!(
        "The line is the median over the crashes of correct operations per second, its band is the range. The filled area is the median of failed operations per second, the thin line above it the maximum. Operations count at their intended time, in windows of {}. All panels have the same scales. What it cannot show: what happens within a window. A curve \
         ends where the first of its crashes was no longer observed.",
        span(run.analysis.header.plan.windows.window)
    )
}

/// An arm's panel, before it is drawn.
pub(super) struct Panel<'a> {
    pub(super) arm: &'a ArmView<'a>,
    pub(super) windows: Vec<WindowOverTrials>,
}

impl<'a> Panel<'a> {
    pub(super) fn of(arm: &'a ArmView<'a>) -> Self {
        let windows = match arm.silence {
            None => windows_over(arm.crashes()),
            Some(_) => Vec::new(),
        };
        Self { arm, windows }
    }

    fn came_back(&self) -> bool {
        self.arm.summary.outage_ms.median.is_some()
    }

    fn end(&self) -> f64 {
        self.windows
            .last()
            .map_or(f64::NEG_INFINITY, |window| window.to)
    }

    /// The windows that are shown.
    pub(super) fn seen(&self, frame: &Frame) -> impl Iterator<Item = &WindowOverTrials> {
        let end = frame.to + 1e-9;
        self.windows.iter().filter(move |window| window.to <= end)
    }
}

/// The median moment of the first correct reply, in seconds after the fault was sent.
pub(super) fn ready_after_fault(arm: &ArmView<'_>) -> Option<f64> {
    Some(arm.summary.outage_ms.median? / 1_000.0)
}

/// When the faults of a trial were sent, in seconds after the first: the medians. A plan with one fault has that moment alone.
pub(super) fn moments_of_faults<'a>(arm: &'a ArmView<'_>) -> impl Iterator<Item = f64> + 'a {
    let later = arm.summary.faults.iter().skip(1);
    let moments = later.filter_map(|fault| Some(fault.sent_ms.median? / 1_000.0));
    std::iter::once(0.0).chain(moments)
}

/// Common to all panels.
pub(super) struct Frame {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) most: f64,
    width: f64,
}

/// What it is.
pub(super) fn title(run: &RunView<'_>) -> String {
    format!("Goodput and failures around the {}", run.fault_noun())
}

/// The quantities of its axes.
pub(super) fn subtitle(run: &RunView<'_>) -> String {
    format!("Operations per second; time 0 is {}.", run.fault())
}

/// The chart.
pub(crate) fn draw(run: &RunView<'_>, width: f64) -> Drawing {
    let mut page = Page::new(width, &title(run), &subtitle(run));
    let panels: Vec<Panel<'_>> = run.arms.iter().map(Panel::of).collect();
    let Some(mut frame) = common_frame(&panels) else {
        for panel in &panels {
            tell_why(&mut page, panel);
        }
        no_figures(&mut page);
        return page.finish();
    };
    page.legend(&[
        (
            Key::Band(Ink::Measure),
            "correct, median and range".to_owned(),
        ),
        (
            Key::Area(Ink::Loss),
            "failed, median below the most".to_owned(),
        ),
        (Key::Moment(Ink::Text), run.fault_noun().to_owned()),
        (Key::Moment(Ink::Good), "ready, median".to_owned()),
    ]);
    let (drawn, empty): (Vec<_>, Vec<_>) =
        panels.iter().partition(|panel| !panel.windows.is_empty());
    let columns = if page.is_wide() && drawn.len() >= TWO_COLUMNS_FROM {
        2
    } else {
        1
    };
    let gap = 22.0;
    frame.width = (page.right() - page.left() - gap * (columns as f64 - 1.0)) / columns as f64;
    let top = page.y;
    for (place, panel) in drawn.iter().enumerate() {
        let x = page.left() + (place % columns) as f64 * (frame.width + gap);
        let y = top + (place / columns) as f64 * (HEAD + PLOT + FOOT);
        plot(&mut page.drawing, run, panel, (x, y), &frame);
    }
    page.y = top + drawn.len().div_ceil(columns) as f64 * (HEAD + PLOT + FOOT);
    name_seconds(&mut page, run, NUMBERS);
    for panel in empty {
        tell_why(&mut page, panel);
    }
    page.finish()
}

/// The scales that hold every panel. Arms that mostly never came back are followed no longer than the others.
pub(super) fn common_frame(panels: &[Panel<'_>]) -> Option<Frame> {
    let all = || panels.iter().flat_map(|panel| &panel.windows);
    let from = all()
        .map(|window| window.from)
        .fold(f64::INFINITY, f64::min);
    let end = |only_back: bool| {
        panels
            .iter()
            .filter(|panel| !only_back || panel.came_back())
            .map(Panel::end)
            .fold(f64::NEG_INFINITY, f64::max)
    };
    let to = if end(true).is_finite() {
        end(true)
    } else {
        end(false)
    };
    if !(from.is_finite() && to.is_finite()) {
        return None;
    }
    let most = all()
        .map(|window| window.goodput.most.max(window.failures.most))
        .fold(1.0, f64::max);
    Some(Frame {
        from,
        to: to.max(from + 0.1),
        most: end_for(most, 3),
        width: 0.0,
    })
}

fn tell_why(page: &mut Page, panel: &Panel<'_>) {
    silent(page, &panel.arm.name, why_empty(panel));
}

/// Why an arm has no panel.
pub(super) fn why_empty<'a>(panel: &Panel<'a>) -> &'a str {
    let reason = panel.arm.silence.as_deref();
    reason.unwrap_or("no timeline was recorded")
}

fn plot(
    drawing: &mut Drawing,
    run: &RunView<'_>,
    panel: &Panel<'_>,
    (x, y): (f64, f64),
    frame: &Frame,
) {
    let (left, right) = (x + NUMBERS, x + frame.width - 6.0);
    let (top, bottom) = (y + HEAD, y + HEAD + PLOT);
    let across = Scale::linear((frame.from, frame.to), (left, right));
    let up = Scale::linear((0.0, frame.most), (bottom, top));
    head(drawing, run, panel, (x, y), frame);
    for tick in up.ticks(3) {
        let level = up.at(tick);
        drawing.line((left, level), (right, level), 1.0, Ink::Grid);
        let style = Style::TICK.align(Align::Right);
        drawing.text((left - 6.0, level), &plain(tick), style);
    }
    curves(drawing, panel, across, up, frame);
    drawing.line((left, bottom), (right, bottom), 1.0, Ink::Axis);
    for tick in across.ticks(((right - left) / 70.0) as usize) {
        let place = across.at(tick);
        drawing.line((place, bottom), (place, bottom + 4.0), 1.0, Ink::Axis);
        let style = Style::TICK.align(Align::Centre);
        drawing.text((place, bottom + 13.0), &plain(tick), style);
    }
    for moment in moments_of_faults(panel.arm).filter(|at| (frame.from..=frame.to).contains(at)) {
        let place = across.at(moment);
        drawing.dashes((place, top), (place, bottom), 1.5, Ink::Text);
    }
    if let Some(ready) = ready_after_fault(panel.arm).filter(|ready| *ready <= frame.to) {
        drawing.dashes(
            (across.at(ready), top),
            (across.at(ready), bottom),
            1.5,
            Ink::Good,
        );
    }
}

fn head(
    drawing: &mut Drawing,
    run: &RunView<'_>,
    panel: &Panel<'_>,
    (x, y): (f64, f64),
    frame: &Frame,
) {
    let name = Style::NAME.cut(&panel.arm.name, frame.width);
    drawing.text((x, y + 10.0), &name, Style::NAME);
    let facts = Style::NOTE.cut(&about(run, panel, frame), frame.width);
    drawing.text((x, y + 27.0), &facts, Style::NOTE);
}

/// The text below a panel's name.
pub(super) fn about(run: &RunView<'_>, panel: &Panel<'_>, frame: &Frame) -> String {
    let arm = panel.arm;
    let crashes = counted(arm.crashes().count() as u64, "trial");
    let times = &arm.summary.outage_ms;
    let outage = TimeStyle::after_fault(Some(run.horizon())).median(times);
    let mut facts = format!("{crashes}, outage {outage}");
    if panel.end() > frame.to + 1e-9 {
        facts.push_str(&format!(
            "; goes on to {} s, not drawn",
            plain(panel.end().round())
        ));
    }
    facts
}

fn curves(drawing: &mut Drawing, panel: &Panel<'_>, across: Scale, up: Scale, frame: &Frame) {
    let seen: Vec<&WindowOverTrials> = panel.seen(frame).collect();
    let line = |of: fn(&WindowOverTrials) -> f64| steps(&seen, across, up, of);
    let between = |upper: Vec<(f64, f64)>, lower: Vec<(f64, f64)>| -> Vec<(f64, f64)> {
        upper.into_iter().chain(lower.into_iter().rev()).collect()
    };
    let ground = || line(|_| 0.0);
    drawing.area(
        between(line(|w| w.failures.median), ground()),
        Ink::Loss.faint(0.7),
    );
    for run in seen.chunk_by(|a, b| (a.failures.most > 0.0) == (b.failures.most > 0.0)) {
        if let (Some(first), Some(last)) = (run.first(), run.last())
            && first.failures.most > 0.0
        {
            let mut outline = vec![(across.at(first.from), up.at(0.0))];
            outline.extend(steps(run, across, up, |w| w.failures.most));
            // Where the curve breaks off it must not look as if it came down.
            if seen.last().is_some_and(|end| end.to > last.to) {
                outline.push((across.at(last.to), up.at(0.0)));
            }
            drawing.path(outline, 1.0, Ink::Loss);
        }
    }
    drawing.area(
        between(line(|w| w.goodput.most), line(|w| w.goodput.least)),
        Ink::Measure.faint(0.22),
    );
    drawing.path(line(|w| w.goodput.median), 2.0, Ink::Measure);
}

/// A figure of each window, level from its start to its end.
fn steps(
    windows: &[&WindowOverTrials],
    across: Scale,
    up: Scale,
    of: impl Fn(&WindowOverTrials) -> f64,
) -> Vec<(f64, f64)> {
    windows
        .iter()
        .flat_map(|window| {
            let level = up.at(of(window));
            [
                (across.at(window.from), level),
                (across.at(window.to), level),
            ]
        })
        .collect()
}
