//! The outage as a distribution: which share of the crashes was over after how long, one panel for each arm on one scale.

use super::frame::{Key, Page, arrow, whisker};
use super::no_figures;
use super::panels::{Columns, Plot, silent};
use super::recovery_time::{Outage, range_note, scale_for};
use super::sheet::Sheet;
use crate::arms::{ArmView, RunView};
use crate::draw::axis::Scale;
use crate::draw::{Datum, Drawing, Ink, Point, Style};
use crate::format::{INTERVAL_NEEDS, TimeStyle, counted, plain};

/// Height of a panel's plot.
const PLOT: f64 = 110.0;

/// Height of the name and the facts above it.
const HEAD: f64 = 62.0;

/// Height of the axis below it.
const FOOT: f64 = 28.0;

/// Room for the numbers at its left.
const NUMBERS: f64 = 48.0;

/// Room at the right for what never came back.
const BEYOND: f64 = 16.0;

/// Whether some arm has more than one outage.
pub(crate) fn applies(run: &RunView<'_>) -> bool {
    !run.degrades() && run.arms.iter().any(|arm| Outage::all(arm).len() > 1)
}

/// How to read it.
pub(crate) fn caption(run: &RunView<'_>) -> String {
    format!(
        "The empirical distribution of the outage: the line is at the share of crashes after which the service was back within that time, counted from the moment {} was sent. \
         The band to its left is the measured error: the truth lies at most so much earlier. The stroke across is the interval of the median.{} The gray lines are the other arms. \
         A crash after which the service was not back counts among all, so its line does not reach 100 %. What it cannot show: anything between or beyond so few crashes.",
        run.fault(),
        range_note(run)
    )
}

/// An arm's panel, before it is drawn.
struct Panel<'a> {
    arm: &'a ArmView<'a>,
    /// The shortest first.
    outages: Vec<Outage>,
}

impl<'a> Panel<'a> {
    fn of(arm: &'a ArmView<'a>) -> Self {
        let mut outages = Outage::all(arm);
        outages.sort_by(|a, b| a.time.total_cmp(&b.time));
        Self { arm, outages }
    }

    /// Those that ended, each with the share before and after it.
    fn ended(&self) -> impl Iterator<Item = (&Outage, f64, f64)> {
        let all = self.outages.len() as f64;
        let ended = self.outages.iter().filter(|it| it.time.is_finite());
        ended.enumerate().map(move |(place, outage)| {
            let before = place as f64;
            (outage, before / all * 100.0, (before + 1.0) / all * 100.0)
        })
    }

    /// The curve from the axis to the right end.
    fn curve(&self, across: Scale, up: Scale, end: f64) -> Vec<Point> {
        let mut points = Vec::with_capacity(self.outages.len() * 2 + 1);
        let mut last = 0.0;
        for (outage, before, after) in self.ended() {
            let x = across.at(outage.time);
            points.extend([(x, up.at(before)), (x, up.at(after))]);
            last = after;
        }
        if !points.is_empty() {
            points.push((end, up.at(last)));
        }
        points
    }

    fn facts(&self, run: &RunView<'_>) -> String {
        let times = &self.arm.summary.outage_ms;
        let style = TimeStyle::after_fault(Some(run.horizon()));
        let trials = counted(self.outages.len() as u64, "trial");
        let gone = self.outages.len() - self.ended().count();
        let gone = match gone {
            0 => String::new(),
            gone => format!("; {gone} {}", style.beyond),
        };
        format!("{trials}, median {}{gone}", style.both(times))
    }
}

/// The chart.
pub(crate) fn draw(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    let mut page = Page::new(
        sheet,
        "Outage: how many had ended after a time",
        "From the kill to the first correct reply.",
    );
    let panels: Vec<Panel<'_>> = run.arms.iter().map(Panel::of).collect();
    let (drawn, empty): (Vec<_>, Vec<_>) =
        panels.iter().partition(|panel| !panel.outages.is_empty());
    if drawn.is_empty() {
        no_figures(&mut page);
        return page.finish();
    }
    page.legend(&legend(&drawn));
    let most = if page.is_wide() { 3 } else { 1 };
    let least = if page.is_wide() { 2 } else { 1 };
    let columns = Columns::new(&page, drawn.len().clamp(least, most));
    let height = HEAD + page.drawing.tall(PLOT) + FOOT;
    let (tops, end) = columns.tops(&vec![height; drawn.len()]);
    let mut name = String::new();
    for (place, (panel, top)) in drawn.iter().zip(tops).enumerate() {
        let at = (columns.left(place), top);
        name = draw_panel(&mut page.drawing, run, (panel, &drawn), at, columns.width);
    }
    page.y = end;
    let place = (page.left() + NUMBERS, page.y + 4.0);
    page.drawing.text(place, &name, Style::TICK);
    page.y += 18.0;
    for panel in empty {
        let reason = panel.arm.silence.as_deref();
        silent(&mut page, &panel.arm.name, reason.unwrap_or("not measured"));
    }
    page.finish()
}

/// Only what occurs.
fn legend(panels: &[&Panel<'_>]) -> Vec<(Key, String)> {
    let has_interval = panels.iter().any(|panel| interval(panel.arm).is_some());
    let is_censored = panels
        .iter()
        .any(|panel| panel.ended().count() < panel.outages.len());
    let entries = [
        (true, Key::Line(Ink::Measure), "outages that had ended"),
        (true, Key::Fill(Ink::StepThree), "measured error"),
        (
            has_interval,
            Key::Estimate(Ink::Text),
            "median, with 95 % interval",
        ),
        (panels.len() > 1, Key::Line(Ink::Axis), "the other arms"),
        (is_censored, Key::Beyond, "the rest had not"),
    ];
    let occur = entries.into_iter().filter(|(occurs, _, _)| *occurs);
    occur.map(|(_, key, text)| (key, text.to_owned())).collect()
}

/// The ends of the median's interval, in ms; the high one is open where crashes were not over.
fn interval(arm: &ArmView<'_>) -> Option<(f64, Option<f64>)> {
    let times = &arm.summary.outage_ms;
    let low = times.low.filter(|_| times.n >= INTERVAL_NEEDS)?;
    Some((low, times.high))
}

/// Draws a panel, and says what its axis below is.
fn draw_panel(
    drawing: &mut Drawing,
    run: &RunView<'_>,
    (panel, all): (&Panel<'_>, &[&Panel<'_>]),
    (x, y): Point,
    width: f64,
) -> String {
    let plot = Plot {
        left: x + NUMBERS,
        right: x + width - 6.0,
        top: y + HEAD,
        bottom: y + HEAD + drawing.tall(PLOT),
    };
    let name = Style::NAME.cut(&panel.arm.name, width);
    drawing.text((x, y + 10.0), &name, Style::NAME);
    let facts = Style::NOTE.cut(&panel.facts(run), width);
    drawing.text((x, y + 27.0), &facts, Style::NOTE);
    let times = all.iter().flat_map(|panel| &panel.outages);
    let times: Vec<f64> = times.map(|outage| outage.time).collect();
    let end = plot.right - BEYOND;
    let (across, kind) = scale_for(run, &times, (plot.left, end));
    let up = Scale::linear((0.0, 100.0), (plot.bottom, plot.top));
    plot.levels(drawing, up, 4, |share| format!("{} %", plain(share)));
    plot.name_levels(drawing, x, "ended, % of crashes");
    for other in all.iter().filter(|other| other.arm.name != panel.arm.name) {
        let curve = other.curve(across, up, end);
        drawing.path(curve, 1.0, Ink::Axis.faint(0.7));
    }
    curve(drawing, panel, (across, up), end);
    plot.ground(drawing);
    let most = ((end - plot.left) / 60.0) as usize;
    let mut free = f64::NEG_INFINITY;
    for tick in across.ticks(most.max(2)) {
        let (place, text) = (across.at(tick), plain(tick));
        let half = Style::TICK.width(&text) / 2.0;
        if place - half > free {
            plot.tick(drawing, place, &text);
            free = place + half + 4.0;
        }
    }
    format!("outage, ms{kind}")
}

fn curve(drawing: &mut Drawing, panel: &Panel<'_>, (across, up): (Scale, Scale), end: f64) {
    for (outage, before, after) in panel.ended() {
        let earliest = across.at(outage.time - outage.error);
        let (top, bottom) = (up.at(after), up.at(before));
        drawing.fill(
            (earliest, top),
            (across.at(outage.time), bottom),
            Ink::StepThree,
        );
        drawing.record(|| {
            Datum::new(&panel.arm.name, "ended", Some(after), "%")
                .of_trial(outage.trial)
                .over_ms(outage.time - outage.error, outage.time)
        });
    }
    let points = panel.curve(across, up, end);
    let last = points.last().copied();
    if !points.is_empty() {
        drawing.path(points, 2.0, Ink::Measure);
    }
    if panel.ended().count() < panel.outages.len() {
        let y = last.map_or(up.at(0.0), |(_, y)| y);
        arrow(drawing, (end + 8.0, y));
    }
    let times = &panel.arm.summary.outage_ms;
    let level = up.at(50.0);
    if let Some((low, high)) = interval(panel.arm) {
        let high = high.map_or(end, |high| across.at(high));
        whisker(drawing, (across.at(low), high), level, Ink::Text);
    }
    if let Some(median) = times.median {
        drawing.mark((across.at(median), level), 4.0, Ink::Text);
    }
    drawing.record(|| {
        Datum::new(&panel.arm.name, "median", times.median_or_infinite(), "ms")
            .between(times.low, times.high)
    });
}
