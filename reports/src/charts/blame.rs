//! Failed operations over time, stacked by the node that failed them. A panel for each arm with several nodes.

use std::collections::BTreeMap;

use comeback_analysis::measure::{TimelineWindow, TrialAnalysis};
use comeback_analysis::summary::Culprit;

use super::frame::{Key, Page};
use super::over_time::ready_after_fault;
use super::panels::{Columns, Plot, Stretch, band, name_seconds};
use super::sheet::Sheet;
use crate::arms::{ArmView, RunView};
use crate::draw::axis::{Scale, end_for};
use crate::draw::{Datum, Drawing, Ink, Style};
use crate::format::{count, counted, plain, span};

/// Height of a panel's plot.
const PLOT: f64 = 96.0;

/// Height of the name and the facts above it.
const HEAD: f64 = 60.0;

/// Height of the axis below it.
const FOOT: f64 = 30.0;

/// Room for the numbers at its left.
const NUMBERS: f64 = 48.0;

/// From this many arms on a wide chart has two columns.
const TWO_COLUMNS_FROM: usize = 3;

/// From the ground up.
const STACK: [(Culprit, Ink, &str); 5] = [
    (Culprit::Replica, Ink::Loss, "a replica"),
    (Culprit::Store, Ink::Measure, "the store"),
    (Culprit::Balancer, Ink::StepTwo, "the balancer"),
    (Culprit::Cache, Ink::StepThree, "the cache"),
    (Culprit::Client, Ink::Muted, "the load generator"),
];

/// Whether there are several culprits to show.
pub(crate) fn applies(run: &RunView<'_>) -> bool {
    run.arms.iter().any(|arm| Panel::of(run, arm).is_some())
}

/// How to read it.
pub(crate) fn caption(run: &RunView<'_>) -> String {
    format!(
        "Failed operations per second by the node that failed them: the mean over the crashes, in windows of {}. The layers add up. A replica failed operations that the balancer asked it for in vain, and those that it answered wrongly. The balancer or the cache failed operations that it refused itself or broke off. The store failed operations that replicas answered with a 5xx while it was down. Failures before the crash have another cause. A curve ends where the first of its crashes was no longer \
         observed.",
        span(run.analysis.header.plan.windows.window)
    )
}

/// Failures per second of one window, by culprit.
struct Window {
    from: f64,
    to: f64,
    failed: BTreeMap<Culprit, f64>,
}

impl Window {
    fn all(&self) -> f64 {
        self.failed.values().sum()
    }
}

struct Panel<'a> {
    arm: &'a ArmView<'a>,
    windows: Vec<Window>,
    total: u64,
}

impl<'a> Panel<'a> {
    fn of(run: &RunView<'a>, arm: &'a ArmView<'a>) -> Option<Self> {
        let has_several = run.planned(arm)?.nodes().count() > 1;
        if !has_several || arm.silence.is_some() {
            return None;
        }
        let windows = means(arm.crashes());
        let failed = arm
            .crashes()
            .flat_map(|trial| trial.attribution.failed.values());
        (!windows.is_empty()).then(|| Self {
            arm,
            windows,
            total: failed.sum(),
        })
    }
}

/// The mean of each window that all crashes have.
fn means<'a>(trials: impl Iterator<Item = &'a TrialAnalysis>) -> Vec<Window> {
    let mut places: BTreeMap<i64, Vec<&TimelineWindow>> = BTreeMap::new();
    let mut trial_count = 0;
    for trial in trials.filter(|trial| !trial.timeline.is_empty()) {
        trial_count += 1;
        for window in trial
            .timeline
            .iter()
            .filter(|window| window.length_ms > 0.0)
        {
            let place = (window.start_ms / window.length_ms).round() as i64;
            places.entry(place).or_default().push(window);
        }
    }
    let seen = places.into_values();
    seen.filter(|seen| seen.len() >= trial_count)
        .filter_map(|seen| mean(&seen))
        .collect()
}

fn mean(seen: &[&TimelineWindow]) -> Option<Window> {
    let first = seen.first()?;
    let mut failed: BTreeMap<Culprit, f64> = BTreeMap::new();
    for window in seen {
        for (culprit, count) in &window.attribution.failed {
            let share = *count as f64 * 1_000.0 / window.length_ms / seen.len() as f64;
            *failed.entry(*culprit).or_default() += share;
        }
    }
    Some(Window {
        from: first.start_ms / 1_000.0,
        to: (first.start_ms + first.length_ms) / 1_000.0,
        failed,
    })
}

/// Common to all panels.
struct Frame {
    from: f64,
    to: f64,
    most: f64,
    width: f64,
}

/// The chart.
pub(crate) fn draw(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    let subtitle = format!(
        "Failed operations per second by the node that failed them; time 0 is {}.",
        run.fault()
    );
    let mut page = Page::new(
        sheet,
        &format!(
            "Which node failed operations around the {}",
            run.fault_noun()
        ),
        &subtitle,
    );
    let panels: Vec<Panel<'_>> = run
        .arms
        .iter()
        .filter_map(|arm| Panel::of(run, arm))
        .collect();
    let occurs = |culprit: Culprit| {
        let mut windows = panels.iter().flat_map(|panel| &panel.windows);
        windows.any(|window| {
            window
                .failed
                .get(&culprit)
                .is_some_and(|failed| *failed > 0.0)
        })
    };
    let stack = STACK.iter().filter(|(culprit, _, _)| occurs(*culprit));
    let mut legend: Vec<(Key, String)> = stack
        .map(|(_, ink, name)| (Key::Fill(*ink), (*name).to_owned()))
        .collect();
    legend.push((Key::Moment(Ink::Text), run.fault_noun().to_owned()));
    legend.push((Key::Moment(Ink::Good), "ready, median".to_owned()));
    page.legend(&legend);
    let is_double = page.is_wide() && panels.len() >= TWO_COLUMNS_FROM;
    let columns = Columns::new(&page, if is_double { 2 } else { 1 });
    let frame = common_frame(&panels, columns.width);
    let (tops, end) = columns.tops(&vec![HEAD + page.drawing.tall(PLOT) + FOOT; panels.len()]);
    for (place, (panel, top)) in panels.iter().zip(tops).enumerate() {
        plot(&mut page.drawing, panel, (columns.left(place), top), &frame);
    }
    page.y = end;
    name_seconds(&mut page, run, NUMBERS);
    page.finish()
}

fn common_frame(panels: &[Panel<'_>], width: f64) -> Frame {
    let all = || panels.iter().flat_map(|panel| &panel.windows);
    let from = all()
        .map(|window| window.from)
        .fold(f64::INFINITY, f64::min);
    let to = all()
        .map(|window| window.to)
        .fold(f64::NEG_INFINITY, f64::max);
    let most = all().map(Window::all).fold(1.0, f64::max);
    Frame {
        from,
        to,
        most: end_for(most, 3),
        width,
    }
}

fn plot(drawing: &mut Drawing, panel: &Panel<'_>, (x, y): (f64, f64), frame: &Frame) {
    let plot = Plot {
        left: x + NUMBERS,
        right: x + frame.width - 6.0,
        top: y + HEAD,
        bottom: y + HEAD + drawing.tall(PLOT),
    };
    let name = Style::NAME.cut(&panel.arm.name, frame.width);
    drawing.text((x, y + 10.0), &name, Style::NAME);
    let trials = counted(panel.arm.crashes().count() as u64, "trial");
    let facts = match panel.total {
        0 => format!("{trials}, no operation failed"),
        total => format!("{trials}, {} failed", count(total)),
    };
    drawing.text(
        (x, y + 27.0),
        &Style::NOTE.cut(&facts, frame.width),
        Style::NOTE,
    );
    let across = Scale::linear((frame.from, frame.to), (plot.left, plot.right));
    let up = Scale::linear((0.0, frame.most), (plot.bottom, plot.top));
    plot.levels(drawing, up, 3, plain);
    plot.name_levels(drawing, x, "failed operations per second");
    layers(drawing, panel, across, up);
    plot.seconds(drawing, across);
    plot.moment(drawing, across.at(0.0), Ink::Text);
    if let Some(ready) = ready_after_fault(panel.arm).filter(|ready| *ready <= frame.to) {
        plot.moment(drawing, across.at(ready), Ink::Good);
    }
}

fn layers(drawing: &mut Drawing, panel: &Panel<'_>, across: Scale, up: Scale) {
    let mut ground = vec![0.0; panel.windows.len()];
    for (culprit, ink, name) in STACK {
        let steps: Vec<Stretch> = panel
            .windows
            .iter()
            .zip(&mut ground)
            .map(|(window, ground)| {
                let low = *ground;
                *ground += window.failed.get(&culprit).copied().unwrap_or(0.0);
                Stretch {
                    from: window.from,
                    to: window.to,
                    low,
                    high: *ground,
                }
            })
            .collect();
        for step in steps.iter().filter(|step| step.high > step.low) {
            let figure = Datum::new(&panel.arm.name, name, Some(step.high - step.low), "1/s");
            drawing.record(|| figure.over(step.from, step.to));
        }
        if let Some(outline) = band(&steps, across, up) {
            drawing.area(outline, ink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn the_layers_are_means_over_the_crashes_that_all_have() {
        let fake = fake::replicas();
        let arm = &fake.analysis.arms[0];
        let mut trials: Vec<TrialAnalysis> = arm.faulted().take(2).cloned().collect();
        for (trial, failures) in trials.iter_mut().zip([[3, 5].as_slice(), &[1]]) {
            trial.timeline.truncate(failures.len());
            for (window, failures) in trial.timeline.iter_mut().zip(failures) {
                window.length_ms = 500.0;
                window.start_ms = window.start_ms / 250.0 * 500.0;
                window.attribution.failed = BTreeMap::from([(Culprit::Balancer, *failures)]);
            }
        }
        let windows = means(trials.iter());
        assert_eq!(windows.len(), 1, "the shorter one ends the curve");
        // Three and one in half a second each.
        assert_eq!(
            windows[0].failed,
            BTreeMap::from([(Culprit::Balancer, 4.0)])
        );
    }
}
