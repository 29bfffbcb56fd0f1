//! Latency over time as a cloud: every operation of every trial is a dot, one panel for each arm on common scales.

use std::collections::{BTreeMap, BTreeSet};

use comeback_analysis::measure::{Dot, Ending, Time};

use super::frame::{Key, Page, Sign};
use super::no_figures;
use super::over_time::{moments_of_faults, ready_after_fault};
use super::panels::{Columns, Plot, name_seconds, silent};
use super::sheet::Sheet;
use crate::arms::{ArmView, RunView};
use crate::draw::axis::Scale;
use crate::draw::{Datum, Drawing, Ink, Point, Style};
use crate::format::{count, counted, ms, plain};

/// Height of a panel's plot.
const PLOT: f64 = 132.0;

/// Height of the name and the facts above it.
const HEAD: f64 = 60.0;

/// Height of the axis below it.
const FOOT: f64 = 26.0;

/// Room for the numbers at its left.
const NUMBERS: f64 = 56.0;

/// From this many arms on a wide chart has two columns.
const TWO_COLUMNS_FROM: usize = 4;

/// Side of the square in which marks of one kind are one mark, where there is room for all.
const CELL: f64 = 2.0;

/// Marks other than dots are larger, and so are their squares.
const SIGN_CELL: f64 = 4.0;

/// The most strokes of a drawing: each takes some 8 bytes, and a page has each chart twice.
const MOST_STROKES: usize = 9_000;

/// From so many seconds on, a remark says how much is cut off at the right.
const NOTEWORTHY: f64 = 0.5;

/// How to read it.
pub(crate) fn caption(run: &RunView<'_>) -> String {
    format!(
        "Every operation of all trials with a fault: to the right when it was due, upwards the time from then until its fate was known, on a logarithmic axis. \
         Operations of one kind that would lie on one another are one mark, so a dense cloud shows where they were and not how many. No peak is left out. The \
         short strokes at the top are the single recoveries. A failure is as high as the client waited for it: a refused connection is quick, and no success. \
         What it cannot show: what the next {} was like, and how many operations a mark stands for.",
        run.fault_noun()
    )
}

/// The form and colour of an ending, and its name.
const fn look(ending: Ending) -> (Sign, Ink, &'static str) {
    match ending {
        Ending::Correct => (Sign::Dot, Ink::Measure, "correct"),
        Ending::Failed => (Sign::Cross, Ink::Text, "failed reply"),
        Ending::Cut => (Sign::Upright, Ink::Loss, "refused or reset"),
        Ending::TimedOut => (Sign::Level, Ink::StepTwo, "timed out"),
        Ending::Unsent => (Sign::Plus, Ink::Axis, "not sent in time"),
    }
}

/// An arm's panel, before it is drawn.
struct Panel<'a> {
    arm: &'a ArmView<'a>,
    dots: Vec<&'a Dot>,
}

impl<'a> Panel<'a> {
    fn of(arm: &'a ArmView<'a>) -> Self {
        let dots = match arm.silence {
            None => arm.crashes().flat_map(|trial| &trial.dots).collect(),
            Some(_) => Vec::new(),
        };
        Self { arm, dots }
    }

    fn came_back(&self) -> bool {
        self.arm.summary.outage_ms.median.is_some()
    }

    /// The moment of the last dot, in seconds.
    fn end(&self) -> f64 {
        let ends = self.dots.iter().map(|dot| seconds(dot));
        ends.fold(f64::NEG_INFINITY, f64::max)
    }

    /// When half of its trials have ended, in seconds: one that never came back goes on far beyond the others.
    fn usual_end(&self) -> f64 {
        let trials = self.arm.crashes();
        let ends = trials.filter_map(|trial| trial.dots.iter().map(seconds).max_by(f64::total_cmp));
        let mut ends: Vec<f64> = ends.collect();
        ends.sort_by(f64::total_cmp);
        ends.get(ends.len() / 2)
            .copied()
            .unwrap_or(f64::NEG_INFINITY)
    }

    /// The longest wait for a correct reply, in ms.
    fn slowest(&self) -> Option<f64> {
        let correct = self.dots.iter().filter(|dot| dot.ending == Ending::Correct);
        correct.map(|dot| took_ms(dot)).max_by(f64::total_cmp)
    }
}

fn seconds(dot: &Dot) -> f64 {
    f64::from(dot.at_ms) / 1_000.0
}

/// A logarithmic axis has no place for nothing.
fn took_ms(dot: &Dot) -> f64 {
    f64::from(dot.took_ms).max(0.001)
}

/// Common to all panels: the ends of their axes, in seconds and ms.
#[derive(Clone, Copy)]
struct Frame {
    from: f64,
    to: f64,
    quickest: f64,
    slowest: f64,
}

impl Frame {
    /// The scales that hold every panel. Trials and arms that never came back are followed no longer than the others.
    fn of(panels: &[Panel<'_>]) -> Option<Self> {
        let dots = || panels.iter().flat_map(|panel| panel.dots.iter().copied());
        let end = |only_back: bool| {
            let panels = panels
                .iter()
                .filter(|panel| !only_back || panel.came_back());
            panels
                .map(Panel::usual_end)
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let from = dots().map(seconds).fold(f64::INFINITY, f64::min);
        let to = if end(true).is_finite() {
            end(true)
        } else {
            end(false)
        };
        if !(from.is_finite() && to.is_finite()) {
            return None;
        }
        let to = to.max(from + 0.1);
        let took = || dots().filter(|dot| seconds(dot) <= to).map(took_ms);
        Some(Self {
            from,
            to,
            quickest: took().fold(f64::INFINITY, f64::min) * 0.8,
            slowest: took().fold(0.0, f64::max) * 1.25,
        })
    }

    fn scales(&self, plot: &Plot) -> (Scale, Scale) {
        let across = Scale::linear((self.from, self.to), (plot.left, plot.right));
        let ends = (self.quickest, self.slowest);
        (
            across,
            Scale::logarithmic(ends, (plot.bottom - 3.0, plot.top + 3.0)),
        )
    }
}

/// The chart.
pub(crate) fn draw(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    let mut page = Page::new(
        sheet,
        &format!("Latency of every operation around the {}", run.fault_noun()),
        &format!(
            "In ms from the moment an operation was due; time 0 is {}.",
            run.fault()
        ),
    );
    let panels: Vec<Panel<'_>> = run.arms.iter().map(Panel::of).collect();
    let (drawn, empty): (Vec<_>, Vec<_>) = panels.iter().partition(|panel| !panel.dots.is_empty());
    let Some(frame) = Frame::of(&panels) else {
        for panel in &panels {
            tell_why(&mut page, panel);
        }
        no_figures(&mut page);
        return page.finish();
    };
    page.legend(&legend(run, &drawn));
    let is_wide = page.is_wide() && drawn.len() >= TWO_COLUMNS_FROM;
    let columns = Columns::new(&page, if is_wide { 2 } else { 1 });
    let height = page.drawing.tall(PLOT);
    let (tops, end) = columns.tops(&vec![HEAD + height + FOOT; drawn.len()]);
    let plots: Vec<Plot> = tops
        .iter()
        .enumerate()
        .map(|(place, top)| Plot {
            left: columns.left(place) + NUMBERS,
            right: columns.left(place) + columns.width - 6.0,
            top: top + HEAD,
            bottom: top + HEAD + height,
        })
        .collect();
    let clouds = clouds(&drawn, &plots, frame);
    for ((panel, plot), cloud) in drawn.iter().zip(&plots).zip(clouds) {
        head(&mut page.drawing, panel, plot, frame);
        marks(&mut page.drawing, panel, plot, frame, cloud);
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
    silent(
        page,
        &panel.arm.name,
        reason.unwrap_or("no operation was recorded"),
    );
}

/// Only what occurs.
fn legend(run: &RunView<'_>, panels: &[&Panel<'_>]) -> Vec<(Key, String)> {
    let seen: BTreeSet<Ending> = panels
        .iter()
        .flat_map(|panel| panel.dots.iter().map(|dot| dot.ending))
        .collect();
    let endings = seen.into_iter().map(|ending| {
        let (sign, ink, name) = look(ending);
        (Key::Signs(sign, ink), name.to_owned())
    });
    let moments = [
        (Key::Moment(Ink::Text), run.fault_noun().to_owned()),
        (Key::Moment(Ink::Good), "ready, median".to_owned()),
    ];
    endings.chain(moments).collect()
}

/// An arm's marks by how they ended.
type Cloud = BTreeMap<Ending, Vec<(Point, Point)>>;

/// The marks of all panels, as fine as there may be so many.
fn clouds(panels: &[&Panel<'_>], plots: &[Plot], frame: Frame) -> Vec<Cloud> {
    let mut coarse = 1.0;
    loop {
        let each = panels.iter().zip(plots);
        let clouds: Vec<Cloud> = each
            .map(|(panel, plot)| cloud(panel, plot, frame, coarse))
            .collect();
        let strokes = clouds.iter().flat_map(BTreeMap::values).map(Vec::len);
        if strokes.sum::<usize>() <= MOST_STROKES || coarse > 16.0 {
            return clouds;
        }
        coarse *= 1.4;
    }
}

/// An arm's dots, those in one square together, and dots above one another as one stroke.
fn cloud(panel: &Panel<'_>, plot: &Plot, frame: Frame, coarse: f64) -> Cloud {
    let (across, up) = frame.scales(plot);
    let cell = |ending| {
        coarse
            * if ending == Ending::Correct {
                CELL
            } else {
                SIGN_CELL
            }
    };
    let mut squares: BTreeMap<Ending, BTreeSet<(i64, i64)>> = BTreeMap::new();
    for dot in panel.dots.iter().filter(|dot| seconds(dot) <= frame.to) {
        let cell = cell(dot.ending);
        let column = ((across.at(seconds(dot)) - plot.left) / cell).floor();
        let row = ((up.at(took_ms(dot)) - plot.top) / cell).floor();
        let own = squares.entry(dot.ending).or_default();
        own.insert((column as i64, row as i64));
    }
    let each = squares.into_iter();
    each.map(|(ending, squares)| {
        let middle = |place: i64| (place as f64 + 0.5) * cell(ending);
        let at = |column, row| (plot.left + middle(column), plot.top + middle(row));
        let (sign, _, _) = look(ending);
        let strokes = match sign {
            Sign::Dot => columns(&squares)
                .map(|(column, first, last)| (at(column, first), at(column, last)))
                .collect(),
            _ => {
                let places = squares.iter().map(|(column, row)| at(*column, *row));
                places.flat_map(|place| sign.at(place)).collect()
            }
        };
        (ending, strokes)
    })
    .collect()
}

/// Squares of a column that touch: the column, and the first and last row.
fn columns(squares: &BTreeSet<(i64, i64)>) -> impl Iterator<Item = (i64, i64, i64)> {
    let squares: Vec<(i64, i64)> = squares.iter().copied().collect();
    let touching = squares.chunk_by(|a, b| a.0 == b.0 && a.1 + 1 == b.1);
    let runs: Vec<(i64, i64, i64)> = touching
        .filter_map(|run| Some((run.first()?.0, run.first()?.1, run.last()?.1)))
        .collect();
    runs.into_iter()
}

fn head(drawing: &mut Drawing, panel: &Panel<'_>, plot: &Plot, frame: Frame) {
    let (x, y) = (plot.left - NUMBERS, plot.top - HEAD);
    let room = plot.right - x;
    let arm = panel.arm;
    let name = Style::NAME.cut(&arm.name, room);
    drawing.text((x, y + 10.0), &name, Style::NAME);
    let errors = &arm.summary.errors;
    let scheduled = errors.before.scheduled + errors.during.scheduled + errors.after.scheduled;
    let trials = counted(arm.crashes().count() as u64, "trial");
    let mut facts = format!("{trials}, {} operations", count(scheduled));
    // A trial's last operation is due a moment earlier or later than another's.
    if panel.end() > frame.to + NOTEWORTHY {
        let end = plain(panel.end().round());
        facts.push_str(&format!(", cut off (lasts {end} s)"));
    }
    if let Some(slowest) = panel.slowest() {
        facts.push_str(&format!(", slowest correct {}", ms(slowest)));
    }
    let facts = Style::NOTE.cut(&facts, room);
    drawing.text((x, y + 27.0), &facts, Style::NOTE);
    plot.name_levels(drawing, x, "latency, ms");
}

fn marks(drawing: &mut Drawing, panel: &Panel<'_>, plot: &Plot, frame: Frame, cloud: Cloud) {
    let (across, up) = frame.scales(plot);
    for dot in panel.dots.iter().filter(|dot| seconds(dot) <= frame.to) {
        let (_, _, name) = look(dot.ending);
        let took = Some(f64::from(dot.took_ms));
        drawing.record(|| Datum::new(&panel.arm.name, name, took, "ms").at(seconds(dot), "s"));
    }
    plot.levels(drawing, up, 6, plain);
    for (ending, strokes) in cloud {
        let (sign, ink, _) = look(ending);
        drawing.strokes(strokes, sign.width(), ink);
    }
    plot.seconds(drawing, across);
    let is_drawn = |at: &f64| (frame.from..=frame.to).contains(at);
    for moment in moments_of_faults(panel.arm).filter(is_drawn) {
        plot.moment(drawing, across.at(moment), Ink::Text);
    }
    if let Some(ready) = ready_after_fault(panel.arm).filter(is_drawn) {
        plot.moment(drawing, across.at(ready), Ink::Good);
    }
    let outages = panel.arm.crashes().filter_map(|trial| trial.outage);
    let back = outages.map(|outage| Time::or_infinite(outage) / 1_000.0);
    let recoveries: BTreeSet<i64> = back
        .filter(is_drawn)
        .map(|at| across.at(at).round() as i64)
        .collect();
    let strokes = recoveries.into_iter().map(|x| {
        let x = x as f64;
        ((x, plot.top - 5.0), (x, plot.top - 1.0))
    });
    drawing.strokes(strokes.collect(), 1.5, Ink::Good);
}
