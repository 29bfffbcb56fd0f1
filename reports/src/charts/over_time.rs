//! A plot over the time around a fault: axes, the moments of fault and recovery, and a close-up where these two are nearly one.

use super::panels::Plot;
use crate::arms::ArmView;
use crate::draw::axis::Scale;
use crate::draw::{Drawing, Ink, Point, Style};
use crate::format::plain;

/// Nearer to each other than this, two dashed lines are one.
const APART: f64 = 14.0;

/// Between a plot and its close-up.
const GAP: f64 = 14.0;

/// Width of a close-up: this share of the panel, within these bounds.
const CLOSE_UP: (f64, f64, f64) = (0.27, 84.0, 190.0);

/// Room for the numbers at the left of a plot.
pub(super) const NUMBERS: f64 = 48.0;

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

/// The moments of an arm, in seconds after its first fault.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moments {
    pub(super) faults: Vec<f64>,
    /// The median of the recoveries.
    pub(super) ready: Option<f64>,
}

impl Moments {
    pub(super) fn of(arm: &ArmView<'_>) -> Self {
        Self {
            faults: moments_of_faults(arm).collect(),
            ready: ready_after_fault(arm),
        }
    }
}

/// The ends of the axes of all panels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axes {
    /// In seconds after the fault.
    pub(super) from: f64,
    pub(super) to: f64,
    /// The end of the upright axis, which starts at zero.
    pub(super) most: f64,
    /// Length of a window in seconds.
    pub(super) window: f64,
    /// How wide a panel is.
    pub(super) width: f64,
    /// Whether some panel has a close-up, for which all leave room.
    pub(super) close_up: bool,
}

impl Axes {
    /// The same, with room for close-ups if any of these arms needs one.
    pub(super) fn with_room<'a>(self, arms: impl Iterator<Item = &'a Moments>) -> Self {
        let scale = self.across(0.0);
        let close_up = arms
            .into_iter()
            .any(|it| self.enlarged(it, scale).is_some());
        Self { close_up, ..self }
    }

    fn across(&self, x: f64) -> Scale {
        Scale::linear((self.from, self.to), (x + NUMBERS, x + self.main_width()))
    }

    fn close_up_width(&self) -> f64 {
        let (share, least, most) = CLOSE_UP;
        (self.width * share).clamp(least, most)
    }

    /// How wide the panel is without its close-up.
    fn main_width(&self) -> f64 {
        let whole = self.width - 6.0;
        match self.close_up {
            true => whole - self.close_up_width() - GAP,
            false => whole,
        }
    }

    /// From when to when a close-up goes; nothing where fault and recovery are apart, or where it would show as much as the plot.
    fn enlarged(&self, moments: &Moments, across: Scale) -> Option<(f64, f64)> {
        let ready = moments.ready.filter(|ready| *ready > 0.0)?;
        if across.at(ready) - across.at(0.0) >= APART {
            return None;
        }
        let from = -self.window.max(ready).min(-self.from);
        let to = (self.window * 2.0).max(ready * 2.5).min(self.to);
        (to - from < (self.to - self.from) / 2.0).then_some((from, to))
    }
}

/// What is drawn at a place of a panel: the curves, from when to when, on such scales.
pub(super) type Curves<'a> = dyn Fn(&mut Drawing, (f64, f64), (Scale, Scale)) + 'a;

/// A panel with a plot over time.
pub(super) struct OverTime<'a> {
    pub(super) axes: Axes,
    pub(super) moments: &'a Moments,
    /// What the level lines count.
    pub(super) quantity: &'a str,
    pub(super) tick: fn(f64) -> String,
}

impl OverTime<'_> {
    /// Draws the plot, and its close-up if it needs one; `at` is the top left of the plot with its numbers.
    pub(super) fn draw(
        &self,
        drawing: &mut Drawing,
        (x, top): Point,
        height: f64,
        curves: &Curves<'_>,
    ) {
        let axes = self.axes;
        let across = axes.across(x);
        let plot = Plot {
            left: x + NUMBERS,
            right: x + axes.main_width(),
            top,
            bottom: top + height,
        };
        let up = Scale::linear((0.0, axes.most), (plot.bottom, plot.top));
        let enlarged = axes.enlarged(self.moments, across);
        if let Some((from, to)) = enlarged {
            let (from, to) = (across.at(from), across.at(to));
            drawing.fill((from, plot.top), (to, plot.bottom), Ink::Stripe);
        }
        plot.levels(drawing, up, 3, self.tick);
        plot.name_levels(drawing, x, self.quantity);
        curves(drawing, (axes.from, axes.to), (across, up));
        plot.seconds(drawing, across);
        self.moments(drawing, &plot, (axes.from, axes.to), across);
        if let Some(range) = enlarged {
            self.close_up(drawing, &plot, range, curves);
        }
    }

    fn moments(&self, drawing: &mut Drawing, plot: &Plot, (from, to): (f64, f64), across: Scale) {
        let is_drawn = |at: &&f64| (from..=to).contains(*at);
        for moment in self.moments.faults.iter().filter(is_drawn) {
            plot.moment(drawing, across.at(*moment), Ink::Text);
        }
        if let Some(ready) = self.moments.ready.iter().find(is_drawn) {
            plot.moment(drawing, across.at(*ready), Ink::Good);
        }
    }

    /// The moments around the fault, larger, to the right of the plot.
    fn close_up(
        &self,
        drawing: &mut Drawing,
        beside: &Plot,
        range: (f64, f64),
        curves: &Curves<'_>,
    ) {
        let plot = Plot {
            left: beside.right + GAP,
            right: beside.right + GAP + self.axes.close_up_width(),
            ..*beside
        };
        let up = Scale::linear((0.0, self.axes.most), (plot.bottom, plot.top));
        let across = Scale::linear(range, (plot.left, plot.right));
        drawing.fill(
            (plot.left, plot.top),
            (plot.right, plot.bottom),
            Ink::Stripe,
        );
        for level in up.ticks(3) {
            let y = up.at(level);
            drawing.line((plot.left, y), (plot.right, y), 1.0, Ink::Grid);
        }
        let room = plot.right - plot.left;
        let name = Style::TICK.cut("close-up, ms", room);
        drawing.text((plot.left, plot.top - 15.0), &name, Style::TICK);
        curves(drawing, range, (across, up));
        plot.ground(drawing);
        let in_ms = Scale::linear(
            (range.0 * 1_000.0, range.1 * 1_000.0),
            (plot.left, plot.right),
        );
        let mut free = plot.left - 4.0;
        for tick in in_ms.ticks(((room / 36.0) as usize).max(3)) {
            let (place, text) = (in_ms.at(tick), plain(tick));
            let half = Style::TICK.width(&text) / 2.0;
            if place - half > free && place + half < plot.right + 4.0 {
                plot.tick(drawing, place, &text);
                free = place + half + 4.0;
            }
        }
        self.moments(drawing, &plot, range, across);
    }
}
