//! Small plots in columns, all with the same scales: their places and axes.

use super::frame::Page;
use crate::arms::RunView;
use crate::draw::axis::Scale;
use crate::draw::{Align, Drawing, Ink, Point, Style};
use crate::format::plain;

/// Between two columns.
const GAP: f64 = 22.0;

/// Says below all panels, at this indent, what their axes count.
pub(super) fn name_seconds(page: &mut Page, run: &RunView<'_>, indent: f64) {
    let place = (page.left() + indent, page.y + 4.0);
    let text = format!("seconds after the {}", run.fault_noun());
    page.drawing.text(place, &text, Style::TICK);
    page.y += 18.0;
}

/// An arm without a panel: its name, and why.
pub(super) fn silent(page: &mut Page, name: &str, reason: &str) {
    page.y += 14.0;
    let (left, room) = (page.left(), page.right() - page.left());
    let name = Style::NAME.cut(name, room);
    page.drawing.text((left, page.y), &name, Style::NAME);
    page.y += 10.0;
    for line in Style::NOTE.wrap(reason, room, 4) {
        page.drawing.text((left, page.y + 8.0), &line, Style::NOTE);
        page.y += Style::NOTE.leading();
    }
}

/// Panels of one size, row by row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub(super) count: usize,
    /// Of one panel.
    pub(super) width: f64,
    from: Point,
}

impl Columns {
    /// So many columns from where the page is.
    pub(super) fn new(page: &Page, count: usize) -> Self {
        let count = count.max(1);
        let room = page.right() - page.left() - GAP * (count as f64 - 1.0);
        Self {
            count,
            width: room / count as f64,
            from: (page.left(), page.y),
        }
    }

    /// Left end of the panel at this place.
    pub(super) fn left(&self, place: usize) -> f64 {
        self.from.0 + (place % self.count) as f64 * (self.width + GAP)
    }

    /// Top of each panel, and the end of the last, where each row is as high as its highest panel.
    pub(super) fn tops(&self, heights: &[f64]) -> (Vec<f64>, f64) {
        let mut tops = Vec::with_capacity(heights.len());
        let mut y = self.from.1;
        for row in heights.chunks(self.count) {
            tops.resize(tops.len() + row.len(), y);
            y += row.iter().copied().fold(0.0, f64::max);
        }
        (tops, y)
    }
}

/// Where a panel's marks go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plot {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
}

impl Plot {
    /// Level grid lines, with their numbers at the left.
    pub(crate) fn levels(
        &self,
        drawing: &mut Drawing,
        up: Scale,
        most: usize,
        tick: impl Fn(f64) -> String,
    ) {
        for figure in up.ticks(most) {
            let level = up.at(figure);
            drawing.line((self.left, level), (self.right, level), 1.0, Ink::Grid);
            let style = Style::TICK.align(Align::Right);
            drawing.text((self.left - 6.0, level), &tick(figure), style);
        }
    }

    /// The quantity of the level lines, above their numbers.
    pub(crate) fn name_levels(&self, drawing: &mut Drawing, x: f64, name: &str) {
        let name = Style::TICK.cut(name, self.right - x);
        drawing.text((x, self.top - 15.0), &name, Style::TICK);
    }

    /// The line below, with numbers of seconds.
    pub(crate) fn seconds(&self, drawing: &mut Drawing, across: Scale) {
        self.ground(drawing);
        let most = ((self.right - self.left) / 70.0) as usize;
        for tick in across.ticks(most) {
            self.tick(drawing, across.at(tick), &plain(tick));
        }
    }

    /// The line below.
    pub(crate) fn ground(&self, drawing: &mut Drawing) {
        let (left, right) = ((self.left, self.bottom), (self.right, self.bottom));
        drawing.line(left, right, 1.0, Ink::Axis);
    }

    /// A number below it.
    pub(crate) fn tick(&self, drawing: &mut Drawing, x: f64, text: &str) {
        let bottom = self.bottom;
        drawing.line((x, bottom), (x, bottom + 4.0), 1.0, Ink::Axis);
        let style = Style::TICK.align(Align::Centre);
        drawing.text((x, bottom + 13.0), text, style);
    }

    /// A dashed upright line.
    pub(crate) fn moment(&self, drawing: &mut Drawing, x: f64, ink: Ink) {
        drawing.dashes((x, self.top), (x, self.bottom), 1.5, ink);
    }
}

/// A stretch of time with a figure, in seconds after the fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The area between the low and the high figures of consecutive stretches; none where all are level.
pub(super) fn band(steps: &[Stretch], across: Scale, up: Scale) -> Option<Vec<Point>> {
    if steps.iter().all(|step| step.high <= step.low) {
        return None;
    }
    let edge = |of: fn(&Stretch) -> f64| {
        let points = steps.iter().flat_map(move |step| {
            let level = up.at(of(step));
            [(across.at(step.from), level), (across.at(step.to), level)]
        });
        points.collect::<Vec<Point>>()
    };
    let lower = edge(|step| step.low);
    let mut outline = edge(|step| step.high);
    outline.extend(lower.into_iter().rev());
    Some(outline)
}
