//! The share of operations that failed before, during and after the outage: a row for each arm, a column for each phase.

use comeback_analysis::measure::ErrorTally;
use comeback_analysis::summary::{ErrorRate, Windowed};
use comeback_model::ids::TrialId;

use super::frame::{Key, Page, jitter, trial, whisker};
use super::no_figures;
use super::sheet::Sheet;
use crate::arms::{ArmView, RunView};
use crate::draw::axis::{Scale, end_for};
use crate::draw::{Align, Datum, Drawing, Ink, Point, Style};
use crate::format::{INTERVAL_NEEDS, TOO_FEW, count, counted, percent, plain};

/// Height of a cell's marks.
const STRIP: f64 = 24.0;

/// The margin above and below the content of a row.
const PAD: f64 = 9.0;

/// Between two columns.
const GAP: f64 = 44.0;

/// Room for the arms' names beside the columns.
const NAMES: f64 = 148.0;

/// A phase of the trials.
struct Phase {
    /// Its name among the figures.
    id: &'static str,
    name: fn(&RunView<'_>) -> &'static str,
    rate: fn(&Windowed<ErrorRate>) -> &ErrorRate,
    tally: fn(&Windowed<ErrorTally>) -> &ErrorTally,
}

impl Phase {
    fn of<'a>(&self, arm: &ArmView<'a>) -> &'a ErrorRate {
        (self.rate)(&arm.summary.errors)
    }

    /// The share of each trial in which anything was asked.
    fn shares(&self, arm: &ArmView<'_>) -> impl Iterator<Item = (TrialId, f64)> {
        let tally = self.tally;
        let trials = arm.crashes();
        trials.filter_map(move |trial| Some((trial.id, tally(&trial.errors).rate()?)))
    }
}

const PHASES: [Phase; 3] = [
    Phase {
        id: "before",
        name: |_| "before",
        rate: |errors| &errors.before,
        tally: |errors| &errors.before,
    },
    Phase {
        id: "during",
        // Worse conditions need be no outage.
        name: |run| if run.degrades() { "during" } else { "outage" },
        rate: |errors| &errors.during,
        tally: |errors| &errors.during,
    },
    Phase {
        id: "after",
        name: |_| "after",
        rate: |errors| &errors.after,
        tally: |errors| &errors.after,
    },
];

/// How to read it.
pub(crate) fn caption(run: &RunView<'_>) -> String {
    format!(
        "An operation counts as before if it was over when {} was sent. It counts to the outage if it was in flight then, or was due until \
         the first correct reply after the fault; and as after if it was due later. Without a recovery the outage lasts to the end of the load, and \
         nothing was asked after it. With several faults the time between them counts as after. Operations that could not be sent in time failed. The strong \
         dot is the share over all trials, a faint dot is one trial, and each trial is one sample of the interval, which needs {INTERVAL_NEEDS} that differ. \
         If none failed, failures in up to the share of trials behind ≤ are not excluded (95 %). The upright stroke is the control: \
         the same server without a fault, over its whole load. What it cannot show: how long the outage was. A short outage may fail all that was due in it.",
        run.fault()
    )
}

/// The chart.
pub(crate) fn draw(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    let noun = run.fault_noun();
    let mut page = Page::new(
        sheet,
        "Share of operations that failed, by phase",
        &format!("Before the {noun}, from the {noun} until the service was back, and after that."),
    );
    let drawn: Vec<&ArmView<'_>> = run
        .arms
        .iter()
        .filter(|arm| arm.silence.is_none())
        .collect();
    let is_any_asked = drawn
        .iter()
        .any(|arm| PHASES.iter().any(|phase| phase.of(arm).rate.is_some()));
    if is_any_asked {
        page.legend(&legend(&drawn));
    }
    let grid = Grid::new(&page, &drawn);
    if is_any_asked {
        grid.heads(&mut page, run);
    }
    for (place, arm) in run.arms.iter().enumerate() {
        // The stripe is drawn below the words, but only they say how high it is.
        let (top, below) = (page.y, page.drawing.shapes.len());
        grid.row(&mut page, run, arm);
        if place % 2 == 0 {
            let (from, to) = ((page.left(), top), (page.right(), page.y));
            page.drawing.fill(from, to, Ink::Stripe);
            page.drawing.shapes[below..].rotate_right(1);
        }
    }
    match is_any_asked {
        true => grid.axis(&mut page),
        false => no_figures(&mut page),
    }
    page.finish()
}

/// Only what occurs.
fn legend(arms: &[&ArmView<'_>]) -> Vec<(Key, String)> {
    let any = |is: fn(&ErrorRate) -> bool| {
        arms.iter()
            .any(|arm| PHASES.iter().any(|phase| is(phase.of(arm))))
    };
    let entries = [
        (true, Key::Trial, "one trial"),
        (
            any(|rate| rate.failed > 0),
            Key::Estimate(Ink::Loss),
            "all trials, with 95 % interval",
        ),
        (
            any(|rate| rate.failed == 0 && rate.rate.is_some()),
            Key::Mark(Ink::Good),
            "none failed",
        ),
        (
            arms.iter()
                .any(|arm| arm.summary.control.errors.rate.is_some()),
            Key::Upright(Ink::Measure),
            "control, without a fault",
        ),
    ];
    let occur = entries.into_iter().filter(|(occurs, _, _)| *occurs);
    occur.map(|(_, key, text)| (key, text.to_owned())).collect()
}

/// Where the cells are: beside each other where there is room, else below each other.
struct Grid {
    wide: bool,
    left: f64,
    width: f64,
    /// The end of all axes, in percent.
    end: f64,
}

impl Grid {
    fn new(page: &Page, arms: &[&ArmView<'_>]) -> Self {
        let wide = page.is_wide();
        let columns = PHASES.len() as f64;
        let left = page.left() + if wide { NAMES + 16.0 } else { 8.0 };
        let room = page.right() - 10.0 - left;
        let width = match wide {
            true => (room - GAP * (columns - 1.0)) / columns,
            false => room,
        };
        let reach = arms.iter().map(|arm| reach(arm)).fold(0.01, f64::max);
        Self {
            wide,
            left,
            width,
            end: end_for(reach * 100.0, 4).min(100.0),
        }
    }

    fn column(&self, place: usize) -> f64 {
        match self.wide {
            true => self.left + place as f64 * (self.width + GAP),
            false => self.left,
        }
    }

    fn scale(&self, left: f64) -> Scale {
        Scale::linear((0.0, self.end), (left + 6.0, left + self.width - 6.0))
    }

    /// The phases' names above their columns.
    fn heads(&self, page: &mut Page, run: &RunView<'_>) {
        if !self.wide {
            return;
        }
        page.y += 8.0;
        for (place, phase) in PHASES.iter().enumerate() {
            let at = (self.column(place), page.y);
            page.drawing.text(at, (phase.name)(run), Style::NAME);
        }
        page.y += 14.0;
    }

    fn row(&self, page: &mut Page, run: &RunView<'_>, arm: &ArmView<'_>) {
        let top = page.y + PAD;
        let name_end = self.name(page, arm, top);
        let mut y = if self.wide { top } else { name_end + 6.0 };
        if let Some(silence) = &arm.silence {
            let room = page.right() - self.left - 8.0;
            for line in Style::NOTE.wrap(silence, room, 4) {
                let at = (self.left, y + Style::NOTE.leading() / 2.0);
                page.drawing.text(at, &line, Style::NOTE);
                y += Style::NOTE.leading();
            }
            page.y = y.max(name_end) + PAD;
            return;
        }
        let mut end = y;
        for (place, phase) in PHASES.iter().enumerate() {
            // Below each other each says what it is.
            let name = (!self.wide).then(|| (phase.name)(run));
            let at = (self.column(place), y);
            let bottom = self.cell(&mut page.drawing, arm, (phase, name), at);
            end = end.max(bottom);
            if !self.wide {
                y = bottom + 8.0;
            }
        }
        page.y = end.max(name_end) + PAD;
    }

    /// The arm's name and its trials; says where they end.
    fn name(&self, page: &mut Page, arm: &ArmView<'_>, top: f64) -> f64 {
        let (x, mut y) = (page.left() + 8.0, top);
        let room = if self.wide { NAMES } else { self.width };
        let mut words = |text: &str, style: Style, lines| {
            for line in style.wrap(text, room, lines) {
                let at = (x, y + style.leading() / 2.0);
                page.drawing.text(at, &line, style);
                y += style.leading();
            }
        };
        words(&arm.name, Style::NAME, 3);
        if arm.silence.is_none() {
            for line in about_trials(arm) {
                words(&line, Style::TICK, 2);
            }
        }
        y
    }

    /// A phase of an arm; says where it ends.
    fn cell(
        &self,
        drawing: &mut Drawing,
        arm: &ArmView<'_>,
        (phase, name): (&Phase, Option<&str>),
        (left, top): Point,
    ) -> f64 {
        let rate = phase.of(arm);
        let (mut figure, of) = words(rate, arm.summary.trials);
        if let Some(name) = name {
            figure = format!("{name}: {figure}");
        }
        let ink = match rate.rate {
            Some(_) => Ink::Text,
            None => Ink::Muted,
        };
        record(drawing, arm, phase);
        let mut y = top;
        let lines = [(figure, Style::LABEL.ink(ink)), (of, Style::TICK)];
        for (text, style) in lines.iter().filter(|(text, _)| !text.is_empty()) {
            let text = style.cut(text, self.width);
            drawing.text((left, y + style.leading() / 2.0), &text, *style);
            y += style.leading();
        }
        if rate.rate.is_none() {
            return y;
        }
        let scale = self.scale(left);
        let height = drawing.tall(STRIP);
        let (top, bottom) = (y + 1.0, y + 1.0 + height);
        for tick in scale.ticks(4) {
            let x = scale.at(tick);
            drawing.line((x, top), (x, bottom), 1.0, Ink::Grid);
        }
        let middle = f64::midpoint(top, bottom);
        let at = |share: f64| scale.at(share * 100.0);
        if let Some(control) = arm.summary.control.errors.rate {
            let x = at(control);
            drawing.line((x, top), (x, bottom), 2.0, Ink::Measure);
        }
        let shares = phase.shares(arm);
        for (index, (id, share)) in shares.enumerate() {
            let y = middle + jitter(index) * (height - 8.0);
            drawing.of_trial(id, |drawing| trial(drawing, (at(share), y)));
        }
        let ink = if rate.failed == 0 {
            Ink::Good
        } else {
            Ink::Loss
        };
        if let (Some(low), Some(high)) = (rate.low, rate.high) {
            whisker(drawing, (at(low), at(high)), middle, ink);
        }
        if let Some(share) = rate.rate {
            drawing.mark((at(share), middle), 5.0, ink);
        }
        bottom
    }

    fn axis(&self, page: &mut Page) {
        page.y += 4.0;
        let columns = if self.wide { PHASES.len() } else { 1 };
        for place in 0..columns {
            let scale = self.scale(self.column(place));
            let (from, to) = (scale.at(0.0), scale.at(self.end));
            let drawing = &mut page.drawing;
            drawing.line((from, page.y), (to, page.y), 1.0, Ink::Axis);
            for tick in scale.ticks(4) {
                let x = scale.at(tick);
                drawing.line((x, page.y), (x, page.y + 4.0), 1.0, Ink::Axis);
                let style = Style::TICK.align(Align::Centre);
                drawing.text((x, page.y + 13.0), &format!("{} %", plain(tick)), style);
            }
        }
        page.y += 30.0;
        let at = (self.column(0), page.y);
        page.drawing.text(
            at,
            "failed, % of the operations due in the phase",
            Style::TICK,
        );
        page.y += 8.0;
    }
}

/// Keeps what a cell shows.
fn record(drawing: &mut Drawing, arm: &ArmView<'_>, phase: &Phase) {
    const UNIT: &str = "%";
    let percent = |share: f64| share * 100.0;
    let name = phase.id;
    for (id, share) in phase.shares(arm) {
        let series = format!("{name}, one trial");
        drawing.record(|| Datum::new(&arm.name, &series, Some(percent(share)), UNIT).of_trial(id));
    }
    let rate = phase.of(arm);
    if rate.rate.is_some() {
        drawing.record(|| {
            let series = format!("{name}, all trials");
            Datum::new(&arm.name, &series, rate.rate.map(percent), UNIT)
                .between(rate.low.map(percent), rate.high.map(percent))
        });
        if let Some(control) = arm.summary.control.errors.rate {
            let series = format!("{name}, control");
            drawing.record(|| Datum::new(&arm.name, &series, Some(percent(control)), UNIT));
        }
    }
}

/// The largest share that is drawn of an arm.
fn reach(arm: &ArmView<'_>) -> f64 {
    let phases = PHASES.iter().flat_map(|phase| {
        let rate = phase.of(arm);
        let shares = phase.shares(arm).map(|(_, share)| share);
        shares.chain(rate.rate).chain(rate.high)
    });
    phases
        .chain(arm.summary.control.errors.rate)
        .fold(0.0, f64::max)
}

/// How many trials there are, how many did not come back, and what the control shows.
fn about_trials(arm: &ArmView<'_>) -> Vec<String> {
    let recovery = arm.summary.recovery;
    let mut lines = vec![counted(u64::from(arm.summary.trials), "trial")];
    let gone = recovery.never + recovery.not_for_good;
    if gone > 0 {
        lines.push(format!("{gone} not back for good"));
    }
    let control = &arm.summary.control.errors;
    lines.push(match control.rate {
        Some(_) if control.failed == 0 => "control: none failed".to_owned(),
        Some(rate) => format!("control: {}", percent(rate)),
        None => "no control".to_owned(),
    });
    lines
}

/// The text of a phase: the share, its interval, and the number of operations.
fn words(rate: &ErrorRate, trials: u32) -> (String, String) {
    let Some(share) = rate.rate else {
        return ("nothing was asked".to_owned(), String::new());
    };
    let mut of = format!("{} of {}", count(rate.failed), count(rate.scheduled));
    if rate.trials < trials {
        of.push_str(&format!(
            ", in {}",
            counted(u64::from(rate.trials), "trial")
        ));
    }
    let bound = |bound: Option<f64>| {
        bound.map_or_else(String::new, |bound| {
            format!(" (≤ {} of trials)", percent(bound))
        })
    };
    if rate.failed == 0 {
        return (
            format!("none failed{}", bound(rate.failure_not_excluded)),
            of,
        );
    }
    if rate.failed == rate.scheduled {
        return ("all failed".to_owned(), of);
    }
    let sure = match (rate.low, rate.high) {
        (Some(low), Some(high)) => format!(" [{}, {}]", percent(low), percent(high)),
        _ if rate.trials < INTERVAL_NEEDS => format!(" [{TOO_FEW}]"),
        _ => " [all trials equal]".to_owned(),
    };
    (format!("{}{sure}", percent(share)), of)
}
