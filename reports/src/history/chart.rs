//! Charts over runs: each run stands where it was started, the oldest at the left; a panel for each arm, all with the same scale.
//!
//! Points are joined where they may be compared. Between runs that may not, there is a dashed line.

use comeback_analysis::history::{History, PastArm, PastRun, State};
use comeback_analysis::summary::{LossShare, Status};

use crate::charts::{Key, Page, Plot, Sheet, arrow_up, whisker_up};
use crate::draw::axis::{Scale, end_for};
use crate::draw::{Align, Drawing, Ink, Style};
use crate::format::{INTERVAL_NEEDS, ms, plain, printable};

/// Height of the marks of a panel.
const HEIGHT: f64 = 104.0;
/// Room for the numbers at the left.
const NUMBERS: f64 = 64.0;
/// Room above the marks, for what lies beyond the axis.
const BEYOND: f64 = 16.0;
/// From this ratio of the longest to the shortest time on, ratios are drawn instead of differences.
const LOGARITHMIC_FROM: f64 = 20.0;
/// The widest name of a run at the axis.
const NAME_MAX: f64 = 108.0;

/// What a chart is about.
pub(super) struct Subject {
    /// Its file's name, without what follows the dot.
    pub(super) name: &'static str,
    title: &'static str,
    subtitle: &'static str,
    /// How to read it, and what it cannot show.
    pub(super) caption: &'static str,
    of: fn(&PastArm) -> Option<Mark>,
    is_time: bool,
}

/// The figure of an arm in a run.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    /// Nothing where it lies beyond what was waited for.
    value: Option<f64>,
    low: Option<f64>,
    /// Nothing where the interval is open, if it has a low end.
    high: Option<f64>,
    ink: Ink,
}

/// The charts of a trend.
pub(super) static SUBJECTS: [Subject; 3] = [
    Subject {
        name: "outage",
        title: "Outage by run: from the kill to the first correct reply",
        subtitle: "The median over each run's crashes; one panel for each arm.",
        caption: "The oldest run is at the left. A dot is the median of a run's crashes, and its stroke the 95 % interval of that median, which \
            needs six trials. An arrow is a run in which more than half of the crashes were not recovered from within the horizon. Medians are \
            joined where machine, load, windows and fault are the same as in the run before; a dashed line stands where they are not. Whether a \
            level changed by more than chance is said above, for all runs together; the command comeback diff asks it of two runs.",
        of: outage,
        is_time: true,
    },
    Subject {
        name: "lost-sessions",
        title: "Share of acknowledged sessions lost, by run",
        subtitle: "All crashes of a run together; one panel for each arm.",
        caption: "The oldest run is at the left. A dot is the share over all crashes of a run, and its stroke the 95 % interval over the trials. \
            A gray dot is a run in which some sessions are undecided or doubted, so that none is known to be lost and not all are known to be kept. Shares are joined where load, windows \
            and fault are the same as in the run before. What it cannot show: that nothing is lost in crashes that were not made. The table has \
            the share of crashes that a zero does not exclude.",
        of: |arm| {
            let sessions = &arm.sessions;
            let all = sessions.acknowledged;
            let open = (sessions.undecided, sessions.lost_doubted);
            loss(sessions.lost, all, open, arm.session_loss)
        },
        is_time: false,
    },
    Subject {
        name: "lost-writes",
        title: "Share of acknowledged writes lost, by run",
        subtitle: "All crashes of a run together; one panel for each arm.",
        caption: "As the chart of sessions, for the changes that those sessions were acknowledged.",
        of: |arm| {
            let writes = &arm.writes;
            let unknown = arm.sessions.undecided + writes.unverifiable;
            let open = (unknown, writes.lost_doubted);
            loss(writes.lost, writes.acknowledged, open, arm.write_loss)
        },
        is_time: false,
    },
];

fn outage(arm: &PastArm) -> Option<Mark> {
    let times = &arm.outage_ms;
    let has_interval = times.n >= INTERVAL_NEEDS;
    (times.n > 0).then(|| Mark {
        value: times.median,
        low: times.low.filter(|_| has_interval),
        high: times.high.filter(|_| has_interval),
        ink: Ink::Measure,
    })
}

/// In percent. `unknown` ones are among all, and `doubted` ones beside them.
fn loss(lost: u64, all: u64, (unknown, doubted): (u64, u64), known: LossShare) -> Option<Mark> {
    if all == 0 || lost == 0 && unknown >= all {
        return None;
    }
    let percent = |share: f64| share * 100.0;
    Some(Mark {
        value: Some(percent(known.share?)),
        low: known.low.map(percent),
        high: known.high.map(percent),
        ink: match (lost, unknown.saturating_add(doubted)) {
            (0, 0) => Ink::Good,
            (0, _) => Ink::Muted,
            _ => Ink::Loss,
        },
    })
}

/// The runs that have figures.
pub(super) fn judged(history: &History) -> Vec<&PastRun> {
    let runs = history.runs.iter();
    runs.filter(|run| run.state == State::Judged).collect()
}

/// The names of all arms, in the order they first come.
pub(super) fn arms<'a>(runs: &[&'a PastRun]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for arm in runs.iter().flat_map(|run| &run.arms) {
        if !names.contains(&arm.name.as_str()) {
            names.push(&arm.name);
        }
    }
    names
}

impl Subject {
    /// Whether any run says something about it.
    pub(super) fn applies(&self, runs: &[&PastRun]) -> bool {
        let mut arms = runs.iter().flat_map(|run| &run.arms);
        arms.any(|arm| self.mark(arm).is_some())
    }

    fn mark(&self, arm: &PastArm) -> Option<Mark> {
        let is_measured = arm.status == Status::Measured;
        is_measured.then(|| (self.of)(arm)).flatten()
    }

    /// Whether an arm's figure may be compared with that of the run before.
    fn is_apart(&self, arm: &PastArm) -> bool {
        !arm.other_plan.is_empty() || self.is_time && !arm.other_machine.is_empty()
    }

    /// Whether a dashed line stands between two of these marks.
    fn is_parted<'a>(&self, series: impl Iterator<Item = (usize, &'a PastArm)>) -> bool {
        let after_first = series
            .map(|(_, arm)| (self.mark(arm).is_some(), self.is_apart(arm)))
            .skip_while(|(is_marked, _)| !is_marked)
            .skip(1);
        let mut from_first_change = after_first.skip_while(|(_, is_apart)| !is_apart);
        from_first_change.any(|(is_marked, _)| is_marked)
    }

    /// The chart.
    pub(super) fn draw(&self, runs: &[&PastRun], sheet: Sheet) -> Drawing {
        let mut page = Page::new(sheet, self.title, self.subtitle);
        let marks: Vec<Mark> = runs
            .iter()
            .flat_map(|run| &run.arms)
            .filter_map(|arm| self.mark(arm))
            .collect();
        let is_any_apart = arms(runs)
            .iter()
            .any(|name| self.is_parted(series(runs, name)));
        page.legend(&self.legend(&marks, is_any_apart));
        let (figures, is_logarithmic) = self.range(&marks);
        if is_logarithmic {
            page.y += 6.0;
            let place = (page.left(), page.y);
            page.drawing.text(
                place,
                "Logarithmic axes: equal distances are equal ratios.",
                Style::NOTE,
            );
            page.y += 6.0;
        }
        let names = arms(runs);
        let drawn: Vec<&str> = names
            .into_iter()
            .filter(|name| series(runs, name).any(|(_, arm)| self.mark(arm).is_some()))
            .collect();
        for (place, name) in drawn.iter().enumerate() {
            let plot = self.panel(&mut page, name);
            let up = match is_logarithmic {
                true => Scale::logarithmic(figures, (plot.bottom, plot.top)),
                false => Scale::linear(figures, (plot.bottom, plot.top)),
            };
            plot.levels(&mut page.drawing, up, 4, |tick| self.tick(tick));
            plot.ground(&mut page.drawing);
            let across = Across::new(&plot, runs.len());
            self.marks(&mut page.drawing, series(runs, name), &plot, (across, up));
            if place + 1 == drawn.len() {
                across.names(&mut page.drawing, &plot, runs);
                page.y += 34.0;
            }
        }
        page.finish()
    }

    fn legend(&self, marks: &[Mark], is_any_apart: bool) -> Vec<(Key, String)> {
        let any = |is: fn(&Mark) -> bool| marks.iter().any(is);
        let has_interval = any(|mark| mark.low.is_some());
        let behind = if has_interval {
            ", with 95 % interval"
        } else {
            ""
        };
        let of = |ink: Ink| match has_interval {
            true => Key::EstimateUp(ink),
            false => Key::Mark(ink),
        };
        let entries = [
            (
                self.is_time,
                of(Ink::Measure),
                format!("median of a run{behind}"),
            ),
            (
                any(|mark| mark.ink == Ink::Loss),
                of(Ink::Loss),
                format!("share lost in a run{behind}"),
            ),
            (
                any(|mark| mark.ink == Ink::Good),
                Key::Mark(Ink::Good),
                "none lost".to_owned(),
            ),
            (
                any(|mark| mark.ink == Ink::Muted),
                Key::Mark(Ink::Muted),
                "none lost for certain".to_owned(),
            ),
            (
                any(|mark| mark.value.is_none()),
                Key::BeyondUp,
                "not back within the horizon".to_owned(),
            ),
            (
                is_any_apart,
                Key::Moment(Ink::Axis),
                match self.is_time {
                    true => "other machine or plan: not to be compared",
                    false => "other plan: not to be compared",
                }
                .to_owned(),
            ),
        ];
        let occur = entries.into_iter().filter(|(occurs, _, _)| *occurs);
        occur.map(|(_, key, text)| (key, text)).collect()
    }

    /// The ends of the axis, and whether ratios are drawn.
    fn range(&self, marks: &[Mark]) -> ((f64, f64), bool) {
        let ends = marks
            .iter()
            .flat_map(|mark| [mark.low, mark.value, mark.high]);
        let ends: Vec<f64> = ends.flatten().collect();
        let longest = ends.iter().copied().fold(0.0, f64::max);
        let shortest = ends.iter().copied().fold(f64::INFINITY, f64::min);
        if !self.is_time {
            return ((0.0, end_for(longest.max(1.0), 4).min(100.0)), false);
        }
        if shortest > 0.0 && shortest.is_finite() && longest / shortest > LOGARITHMIC_FROM {
            return ((shortest * 0.8, longest * 1.2), true);
        }
        ((0.0, end_for(longest.max(1.0), 4)), false)
    }

    fn tick(&self, figure: f64) -> String {
        match self.is_time {
            true => ms(figure),
            false => format!("{} %", plain(figure)),
        }
    }

    /// The place of an arm's marks, below its name.
    fn panel(&self, page: &mut Page, name: &str) -> Plot {
        page.y += 16.0;
        let (left, right) = (page.left(), page.right());
        let name = Style::NAME.cut(&printable(name), right - left);
        page.drawing.text((left, page.y), &name, Style::NAME);
        let top = page.y + 12.0 + BEYOND;
        let plot = Plot {
            left: left + NUMBERS,
            right: right - 6.0,
            top,
            bottom: top + HEIGHT,
        };
        page.y = plot.bottom + 14.0;
        plot
    }

    fn marks<'a>(
        &self,
        drawing: &mut Drawing,
        series: impl Iterator<Item = (usize, &'a PastArm)>,
        plot: &Plot,
        (across, up): (Across, Scale),
    ) {
        let mut line: Vec<(f64, f64)> = Vec::new();
        let mut lines = Vec::new();
        let mut places = Vec::new();
        let mut last = None;
        let mut is_apart = false;
        for (place, arm) in series {
            // Each run is compared with the one before, and that one may have no mark.
            is_apart |= self.is_apart(arm);
            let Some(mark) = self.mark(arm) else {
                continue;
            };
            let x = across.at(place);
            if std::mem::take(&mut is_apart) {
                lines.push(std::mem::take(&mut line));
                if let Some(before) = last {
                    plot.moment(drawing, f64::midpoint(before, x), Ink::Axis);
                }
            }
            match mark.value {
                Some(value) => line.push((x, up.at(value))),
                None => lines.push(std::mem::take(&mut line)),
            }
            last = Some(x);
            places.push((x, mark));
        }
        lines.push(line);
        for line in lines.into_iter().filter(|line| line.len() > 1) {
            drawing.path(line, 1.5, Ink::Text.faint(0.32));
        }
        for (x, mark) in places {
            if let Some(low) = mark.low {
                // An open end goes on to the arrow's place.
                let high = mark.high.map_or(plot.top - 4.0, |high| up.at(high));
                whisker_up(drawing, x, (up.at(low), high), across.cap(), mark.ink);
            }
            match mark.value {
                Some(value) => drawing.mark((x, up.at(value)), across.radius(), mark.ink),
                None => arrow_up(drawing, (x, plot.top - 4.0)),
            }
        }
    }
}

/// The arms of this name, each with the place of its run.
fn series<'a>(
    runs: &'a [&'a PastRun],
    name: &'a str,
) -> impl Iterator<Item = (usize, &'a PastArm)> {
    let runs = runs.iter().enumerate();
    runs.filter_map(move |(place, run)| {
        let arm = run.arms.iter().find(|arm| arm.name == name)?;
        Some((place, arm))
    })
}

/// Where runs stand: at equal distances, in their order.
#[derive(Clone, Copy)]
struct Across {
    left: f64,
    step: f64,
}

impl Across {
    fn new(plot: &Plot, count: usize) -> Self {
        Self {
            left: plot.left,
            step: (plot.right - plot.left) / count.max(1) as f64,
        }
    }

    /// Of a dot: many runs have small ones, so that they do not touch.
    fn radius(self) -> f64 {
        (self.step * 0.25).clamp(1.5, 4.5)
    }

    /// Half the width of the ends of an interval.
    fn cap(self) -> f64 {
        (self.step * 0.3).clamp(1.5, 5.0)
    }

    fn at(self, place: usize) -> f64 {
        self.left + self.step * (place as f64 + 0.5)
    }

    /// The names of as many runs as have room, the newest always.
    fn names(self, drawing: &mut Drawing, plot: &Plot, runs: &[&PastRun]) {
        let style = Style::TICK.align(Align::Centre);
        let names: Vec<[String; 2]> = runs.iter().map(|run| name_of(run)).collect();
        let names: Vec<[String; 2]> = names
            .into_iter()
            .map(|lines| lines.map(|line| style.cut(&line, NAME_MAX.max(self.step - 12.0))))
            .collect();
        let widest = names.iter().flatten().map(|line| style.width(line));
        let widest = widest.fold(0.0, f64::max);
        let every = ((widest + 12.0) / self.step).ceil().max(1.0) as usize;
        let count = names.len();
        let span = |place: usize, lines: &[String; 2]| {
            let half = lines
                .iter()
                .map(|line| style.width(line))
                .fold(0.0, f64::max)
                / 2.0;
            // A name at an edge stays on the drawing.
            let right = (plot.right + 6.0 - half).max(half);
            let x = self.at(place).clamp(half.min(right), right);
            (x - half, x + half)
        };
        // From the newest on, which may be moved to the left: one that it would touch has no name.
        let mut is_named = vec![false; count];
        let mut free = f64::INFINITY;
        for (place, lines) in names.iter().enumerate().rev() {
            let (from, to) = span(place, lines);
            if (count - 1 - place).is_multiple_of(every) && to < free {
                is_named[place] = true;
                free = from - 6.0;
            }
        }
        for (place, lines) in names.iter().enumerate() {
            let x = self.at(place);
            let bottom = plot.bottom;
            drawing.line((x, bottom), (x, bottom + 4.0), 1.0, Ink::Axis);
            if is_named[place] {
                for (number, line) in lines.iter().enumerate() {
                    let half = style.width(line) / 2.0;
                    let right = (plot.right + 6.0 - half).max(half);
                    let x = x.clamp(half.min(right), right);
                    let y = bottom + 14.0 + 15.0 * number as f64;
                    drawing.text((x, y), line, style);
                }
            }
        }
    }
}

/// What a run is called at the axis, and its day.
fn name_of(run: &PastRun) -> [String; 2] {
    let started = run.started.as_deref().unwrap_or_default();
    let day = started.get(5..10).unwrap_or_default().to_owned();
    let time = started.get(11..16).unwrap_or_default().to_owned();
    let revision = run.revision.as_ref().map(|revision| {
        let digits: String = revision.commit.chars().take(7).collect();
        let dirty = if revision.dirty { "+" } else { "" };
        format!("{digits}{dirty}")
    });
    match (&run.label, revision) {
        (Some(label), Some(revision)) => [printable(label), revision],
        (Some(name), None) => [printable(name), day],
        (None, Some(revision)) => [printable(&revision), day],
        (None, None) => [day, time],
    }
}
