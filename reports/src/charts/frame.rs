//! The common parts of all charts: the page with title and legend, and the marks that the legend explains.

use super::sheet::Sheet;
use crate::draw::{Drawing, Ink, Point, Style};

/// From this width on, names are drawn to the left of their rows; on narrower charts, above them.
pub(crate) const WIDE: f64 = 700.0;

/// Free room at the edges.
pub(super) const MARGIN: f64 = 14.0;

/// How a sample in the legend looks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    /// A faint dot: one trial.
    Trial,
    /// A strong dot with an interval.
    Estimate(Ink),
    /// A strong dot with an upright interval.
    EstimateUp(Ink),
    /// A strong dot alone.
    Mark(Ink),
    /// A dashed whisker.
    Bound,
    /// An upright stroke with an interval.
    Median,
    /// A line within its band.
    Band(Ink),
    /// A filled area.
    Area(Ink),
    /// A filled area without a line.
    Fill(Ink),
    /// A thin level line.
    Line(Ink),
    /// A dashed level line.
    Dashes(Ink),
    /// A dashed upright line.
    Moment(Ink),
    /// An upright stroke.
    Upright(Ink),
    /// A few of these marks.
    Signs(Sign, Ink),
    /// An arrow to the right.
    Beyond,
    /// An arrow upwards.
    BeyondUp,
}

/// A mark for one of many, of a form that is known also without its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Dot,
    Upright,
    Level,
    Cross,
    Plus,
}

impl Sign {
    /// Its strokes at a place.
    pub(crate) fn at(self, (x, y): Point) -> Vec<(Point, Point)> {
        const R: f64 = 2.5;
        let upright = ((x, y - R - 0.5), (x, y + R + 0.5));
        let level = ((x - R - 0.5, y), (x + R + 0.5, y));
        match self {
            Self::Dot => vec![((x, y), (x, y))],
            Self::Upright => vec![upright],
            Self::Level => vec![level],
            Self::Cross => vec![
                ((x - R, y - R), (x + R, y + R)),
                ((x - R, y + R), (x + R, y - R)),
            ],
            Self::Plus => vec![upright, level],
        }
    }

    /// How wide its strokes are.
    pub(crate) const fn width(self) -> f64 {
        match self {
            Self::Dot => 2.5,
            Self::Upright | Self::Level | Self::Cross | Self::Plus => 1.5,
        }
    }
}

/// A chart being drawn from top to bottom.
#[derive(Debug)]
pub(crate) struct Page {
    /// The shapes drawn so far.
    pub(crate) drawing: Drawing,
    /// Where the next thing goes.
    pub(crate) y: f64,
}

impl Page {
    /// A page with its title and a line below it, if the sheet is to have them.
    pub(crate) fn new(sheet: Sheet, title: &str, subtitle: &str) -> Self {
        let mut drawing = Drawing::new(sheet.width, title);
        drawing.stretch = sheet.stretch;
        drawing.data = sheet.recorded.then(Vec::new);
        let mut page = Self { drawing, y: MARGIN };
        if !sheet.titled {
            return page;
        }
        page.words(title, Style::TITLE, 3);
        page.y += 1.0;
        page.words(subtitle, Style::NOTE, 4);
        page.y += 4.0;
        page
    }

    /// Left end of what may be drawn on.
    pub(crate) const fn left(&self) -> f64 {
        MARGIN
    }

    /// Right end of it.
    pub(crate) fn right(&self) -> f64 {
        self.drawing.width - MARGIN
    }

    /// Whether names are drawn beside their rows.
    pub(crate) fn is_wide(&self) -> bool {
        self.drawing.width >= WIDE
    }

    fn words(&mut self, text: &str, style: Style, lines: usize) {
        for line in style.wrap(text, self.right() - self.left(), lines) {
            self.y += style.leading() / 2.0;
            self.drawing.text((self.left(), self.y), &line, style);
            self.y += style.leading() / 2.0;
        }
    }

    /// The legend, on as many lines as it needs.
    pub(crate) fn legend(&mut self, entries: &[(Key, String)]) {
        const SAMPLE: f64 = 28.0;
        const GAP: f64 = 9.0;
        const LEADING: f64 = 20.0;
        self.y += LEADING / 2.0;
        let (left, right) = (self.left(), self.right());
        let mut x = left;
        for (key, text) in entries {
            let room = right - left - SAMPLE - GAP;
            let lines = Style::NOTE.wrap(text, room, 3);
            let width = SAMPLE
                + GAP
                + lines
                    .iter()
                    .map(|line| Style::NOTE.width(line))
                    .fold(0.0, f64::max);
            if x > left && x + width > right {
                (x, self.y) = (left, self.y + LEADING);
            }
            self.sample(*key, (x, self.y), SAMPLE);
            for (place, line) in lines.iter().enumerate() {
                self.y += if place > 0 { 17.0 } else { 0.0 };
                self.drawing
                    .text((x + SAMPLE + GAP, self.y), line, Style::NOTE);
            }
            x += width + 20.0;
        }
        self.y += LEADING / 2.0 + 8.0;
    }

    fn sample(&mut self, key: Key, (x, y): Point, width: f64) {
        let (end, middle) = (x + width, x + width / 2.0);
        let drawing = &mut self.drawing;
        match key {
            Key::Trial => trial(drawing, (middle, y)),
            Key::Estimate(ink) => {
                whisker(drawing, (x, end), y, ink);
                drawing.mark((middle, y), 5.0, ink);
            }
            Key::EstimateUp(ink) => {
                whisker_up(drawing, middle, (y + 8.0, y - 8.0), 5.0, ink);
                drawing.mark((middle, y), 4.5, ink);
            }
            Key::Mark(ink) => drawing.mark((middle, y), 5.0, ink),
            Key::Bound => bound(drawing, (x, end), y),
            Key::Median => {
                whisker(drawing, (x, end), y, Ink::Measure);
                drawing.line((middle, y - 8.0), (middle, y + 8.0), 3.0, Ink::Measure);
            }
            Key::Band(ink) => {
                drawing.fill((x, y - 6.0), (end, y + 6.0), ink.faint(0.22));
                drawing.line((x, y), (end, y), 2.0, ink);
            }
            Key::Area(ink) => {
                drawing.fill((x, y - 2.0), (end, y + 6.0), ink.faint(0.7));
                drawing.line((x, y - 6.0), (end, y - 6.0), 1.0, ink);
            }
            Key::Fill(ink) => drawing.fill((x, y - 5.0), (end, y + 5.0), ink),
            Key::Line(ink) => drawing.line((x, y), (end, y), 1.5, ink),
            Key::Dashes(ink) => drawing.dashes((x, y), (end, y), 1.5, ink),
            Key::Moment(ink) => drawing.dashes((middle, y - 8.0), (middle, y + 8.0), 1.5, ink),
            Key::Upright(ink) => drawing.line((middle, y - 8.0), (middle, y + 8.0), 2.0, ink),
            Key::Signs(sign, ink) => {
                let places = [(-9.0, 2.0), (0.0, -2.0), (9.0, 1.0)];
                let strokes = places
                    .iter()
                    .flat_map(|(dx, dy)| sign.at((middle + dx, y + dy)));
                drawing.strokes(strokes.collect(), sign.width(), ink);
            }
            Key::Beyond => arrow(drawing, (middle, y)),
            Key::BeyondUp => arrow_up(drawing, (middle, y + 4.0)),
        }
    }

    /// The drawing, as high as what is on it.
    pub(crate) fn finish(mut self) -> Drawing {
        self.drawing.height = (self.y + MARGIN).ceil();
        self.drawing
    }
}

/// The radius of the dot that is a trial.
pub(crate) const RADIUS: f64 = 4.0;

/// One trial's figure.
pub(crate) fn trial(drawing: &mut Drawing, at: Point) {
    drawing.dot(at, RADIUS, Ink::Text.faint(0.32));
}

/// An interval with an end at each side.
pub(crate) fn whisker(drawing: &mut Drawing, (from, to): (f64, f64), y: f64, ink: Ink) {
    drawing.line((from, y), (to, y), 2.0, ink);
    for x in [from, to] {
        drawing.line((x, y - 5.0), (x, y + 5.0), 2.0, ink);
    }
}

/// The same, upright.
pub(crate) fn whisker_up(
    drawing: &mut Drawing,
    x: f64,
    (from, to): (f64, f64),
    cap: f64,
    ink: Ink,
) {
    drawing.line((x, from), (x, to), 2.0, ink);
    for y in [from, to] {
        drawing.line((x - cap, y), (x + cap, y), 2.0, ink);
    }
}

/// A figure that lies higher than the chart reaches.
pub(crate) fn arrow_up(drawing: &mut Drawing, (x, y): Point) {
    drawing.area(vec![(x - 5.0, y), (x, y - 8.0), (x + 5.0, y)], Ink::Loss);
}

/// A one-sided bound: dashed, with an end at the side it bounds.
pub(crate) fn bound(drawing: &mut Drawing, (from, to): (f64, f64), y: f64) {
    drawing.dashes((from, y), (to, y), 1.5, Ink::Muted);
    drawing.line((to, y - 5.0), (to, y + 5.0), 2.0, Ink::Muted);
}

/// A figure that lies further to the right than the chart reaches.
pub(crate) fn arrow(drawing: &mut Drawing, (x, y): Point) {
    drawing.line((x - 8.0, y), (x + 1.0, y), 2.0, Ink::Loss);
    drawing.area(vec![(x, y - 5.0), (x + 8.0, y), (x, y + 5.0)], Ink::Loss);
}

/// How far the `index`-th trial's dot is above or below the middle, from −0.5 to 0.5: the same each time,
/// and neighbours far apart.
pub(crate) fn jitter(index: usize) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    ((index + 1) as f64 * GOLDEN).fract() - 0.5
}
