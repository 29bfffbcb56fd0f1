//! Goodput and failures over time around the fault, one panel for each arm on one common scale.

use comeback_analysis::summary::{Spread, WindowOverTrials, windows_over};

use super::frame::{Key, Page};
use super::no_figures;
use super::over_time::{Axes, Moments, NUMBERS, OverTime};
use super::panels::{Columns, name_seconds, silent};
use super::sheet::Sheet;
use crate::arms::{ArmView, RunView};
use crate::draw::axis::{Scale, end_for};
use crate::draw::{Datum, Drawing, Ink, Style};
use crate::format::{TimeStyle, counted, plain, span};

/// Height of a panel's plot.
const PLOT: f64 = 104.0;

/// Height of the name and the facts above it.
const HEAD: f64 = 62.0;

/// Height of the axis below it.
const FOOT: f64 = 26.0;

/// From this many arms on a wide chart has two columns.
const TWO_COLUMNS_FROM: usize = 4;

/// How to read it.
pub(crate) fn caption(run: &RunView<'_>) -> String {
    format!(
        "The line is the median over the crashes of correct operations per second, its band is the range. The filled area is the median of failed operations per second, the thin line above it the maximum. The thin gray line below is the control: the median of the correct ones in trials without a fault. Where crash and recovery would be one line, a close-up stands to the right of the plot. Operations count at their intended time, in windows of {}. All panels have the same scales. What it cannot show: what happens within a window. A curve \
         ends where the first of its crashes was no longer observed.",
        span(run.analysis.header.plan.windows.window)
    )
}

/// An arm's panel, before it is drawn.
pub(super) struct Panel<'a> {
    pub(super) arm: &'a ArmView<'a>,
    pub(super) windows: Vec<WindowOverTrials>,
    /// Those of the trials without a fault.
    control: Vec<WindowOverTrials>,
    moments: Moments,
}

impl<'a> Panel<'a> {
    pub(super) fn of(arm: &'a ArmView<'a>) -> Self {
        let (windows, control) = match arm.silence {
            None => (
                windows_over(arm.crashes()),
                windows_over(arm.analysis.controls()),
            ),
            Some(_) => (Vec::new(), Vec::new()),
        };
        Self {
            arm,
            windows,
            control,
            moments: Moments::of(arm),
        }
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

/// Common to all panels.
pub(super) struct Frame {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) most: f64,
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
pub(crate) fn draw(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    let mut page = Page::new(sheet, &title(run), &subtitle(run));
    let panels: Vec<Panel<'_>> = run.arms.iter().map(Panel::of).collect();
    let Some(frame) = common_frame(&panels) else {
        for panel in &panels {
            tell_why(&mut page, panel);
        }
        no_figures(&mut page);
        return page.finish();
    };
    page.legend(&legend(run, &panels));
    let (drawn, empty): (Vec<_>, Vec<_>) =
        panels.iter().partition(|panel| !panel.windows.is_empty());
    let is_double = page.is_wide() && drawn.len() >= TWO_COLUMNS_FROM;
    let columns = Columns::new(&page, if is_double { 2 } else { 1 });
    let axes = Axes {
        from: frame.from,
        to: frame.to,
        most: frame.most,
        window: run.analysis.header.plan.windows.window.as_secs(),
        width: columns.width,
        close_up: false,
    };
    let axes = axes.with_room(drawn.iter().map(|panel| &panel.moments));
    let height = HEAD + page.drawing.tall(PLOT) + FOOT;
    let (tops, end) = columns.tops(&vec![height; drawn.len()]);
    for (place, (panel, top)) in drawn.iter().zip(tops).enumerate() {
        let at = (columns.left(place), top);
        plot(&mut page.drawing, run, panel, at, &frame, axes);
    }
    page.y = end;
    name_seconds(&mut page, run, NUMBERS);
    for panel in empty {
        tell_why(&mut page, panel);
    }
    page.finish()
}

/// Only what occurs.
fn legend(run: &RunView<'_>, panels: &[Panel<'_>]) -> Vec<(Key, String)> {
    let has_control = panels.iter().any(|panel| !panel.control.is_empty());
    let entries = [
        (true, Key::Band(Ink::Measure), "correct, median and range"),
        (true, Key::Area(Ink::Loss), "failed, median below the most"),
        (has_control, Key::Line(Ink::Axis), "control, correct"),
        (true, Key::Moment(Ink::Text), run.fault_noun()),
        (true, Key::Moment(Ink::Good), "ready, median"),
    ];
    let occur = entries.into_iter().filter(|(occurs, _, _)| *occurs);
    occur.map(|(_, key, text)| (key, text.to_owned())).collect()
}

/// The scales that hold every panel. Arms that mostly never came back are followed no longer than the others.
pub(super) fn common_frame(panels: &[Panel<'_>]) -> Option<Frame> {
    let all = || panels.iter().flat_map(|panel| &panel.windows);
    let control = || panels.iter().flat_map(|panel| &panel.control);
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
        .chain(control().map(|window| window.goodput.median))
        .fold(1.0, f64::max);
    Some(Frame {
        from,
        to: to.max(from + 0.1),
        most: end_for(most, 3),
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
    axes: Axes,
) {
    head(drawing, run, panel, (x, y), frame, axes.width);
    let over_time = OverTime {
        axes,
        moments: &panel.moments,
        quantity: "operations per second",
        tick: plain,
    };
    let height = drawing.tall(PLOT);
    over_time.draw(drawing, (x, y + HEAD), height, &|drawing, range, scales| {
        curves(drawing, panel, range, scales);
    });
    record(drawing, panel, frame);
}

/// Keeps the curves and moments of a panel.
fn record(drawing: &mut Drawing, panel: &Panel<'_>, frame: &Frame) {
    let name = &panel.arm.name;
    let mut keep = |window: &WindowOverTrials, series: &str, spread: Spread| {
        drawing.record(|| {
            Datum::new(name, series, Some(spread.median), "1/s")
                .between(Some(spread.least), Some(spread.most))
                .over(window.from, window.to)
        });
    };
    for window in panel.seen(frame) {
        keep(window, "correct", window.goodput);
        keep(window, "failed", window.failures);
    }
    for window in panel.control.iter().filter(|it| it.to <= frame.to + 1e-9) {
        keep(window, "control, correct", window.goodput);
    }
    for moment in &panel.moments.faults {
        drawing.record(|| Datum::new(name, "fault, median", Some(*moment), "s"));
    }
    if let Some(ready) = panel.moments.ready {
        drawing.record(|| Datum::new(name, "ready, median", Some(ready), "s"));
    }
}

fn head(
    drawing: &mut Drawing,
    run: &RunView<'_>,
    panel: &Panel<'_>,
    (x, y): (f64, f64),
    frame: &Frame,
    width: f64,
) {
    let name = Style::NAME.cut(&panel.arm.name, width);
    drawing.text((x, y + 10.0), &name, Style::NAME);
    let facts = Style::NOTE.cut(&about(run, panel, frame), width);
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

fn curves(
    drawing: &mut Drawing,
    panel: &Panel<'_>,
    (from, to): (f64, f64),
    (across, up): (Scale, Scale),
) {
    let within = |window: &&WindowOverTrials| window.to > from + 1e-9 && window.from < to - 1e-9;
    let control: Vec<&WindowOverTrials> = panel.control.iter().filter(within).collect();
    if !control.is_empty() {
        let level = steps(&control, across, up, |window| window.goodput.median);
        drawing.path(level, 1.5, Ink::Axis);
    }
    let seen: Vec<&WindowOverTrials> = panel.windows.iter().filter(within).collect();
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
