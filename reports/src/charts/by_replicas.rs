//! Figures against the number of replicas: a panel for each family of arms that differ only in that number. They come from
//! control trials, so they show the effect of an architecture without any crash.

use std::collections::BTreeMap;

use comeback_analysis::measure::TrialAnalysis;

use super::frame::{Key, Page, trial};
use super::panels::{Columns, Plot};
use super::sheet::Sheet;
use crate::arms::{ArmView, RunView};
use crate::draw::axis::{Scale, end_for};
use crate::draw::{Align, Datum, Drawing, Ink, Style};
use crate::format::{percent, plain, printable, rate};

/// Height of a panel's plot.
const PLOT: f64 = 120.0;

/// Height of the name above it, with room for the figure of a mark at the top.
const HEAD: f64 = 64.0;

/// Height of the axis below it.
const FOOT: f64 = 30.0;

/// Room for the numbers at its left.
const NUMBERS: f64 = 48.0;

/// More panels side by side than this are too narrow for their figures.
const MOST_COLUMNS: (usize, usize) = (4, 2);

/// The quantity drawn against the number of replicas.
struct Subject {
    title: &'static str,
    subtitle: &'static str,
    /// Of its axis.
    quantity: &'static str,
    /// Of its figures in the file beside the picture.
    unit: &'static str,
    of_trial: fn(&TrialAnalysis) -> Option<f64>,
    of_arm: fn(&ArmView<'_>) -> Option<f64>,
    shown: fn(f64) -> String,
    /// The end of the scale, at least.
    least_end: fn(&RunView<'_>) -> f64,
    /// The value that a mark is compared with, by the number of replicas, and its name.
    reference: (fn(&RunView<'_>, f64) -> f64, &'static str),
}

const CONTINUITY: Subject = Subject {
    title: "Continuity against the number of replicas",
    subtitle: "Requests of a session that are answered as that session, without any crash.",
    quantity: "requests answered as the session",
    unit: "",
    of_trial: |trial| trial.continuity.rate(),
    of_arm: |arm| arm.summary.control.continuity.rate,
    shown: percent,
    least_end: |_| 1.0,
    reference: (
        |_, replicas| 1.0 / replicas,
        "one in as many as there are replicas",
    ),
};

const GOODPUT: Subject = Subject {
    title: "Goodput against the number of replicas",
    subtitle: "Correct operations per second, without any crash.",
    quantity: "correct operations per second",
    unit: "1/s",
    of_trial: TrialAnalysis::goodput,
    of_arm: |arm| arm.summary.control.goodput_per_s,
    shown: |figure| plain(figure.round()),
    least_end: |run| run.analysis.header.plan.load.rate,
    reference: (
        |run, _| run.analysis.header.plan.load.rate,
        "operations that the users intended",
    ),
};

/// Whether continuity was measured with several numbers of replicas.
pub(crate) fn continuity_applies(run: &RunView<'_>) -> bool {
    run.has_sessions() && applies(run, &CONTINUITY)
}

/// Whether goodput was.
pub(crate) fn goodput_applies(run: &RunView<'_>) -> bool {
    applies(run, &GOODPUT)
}

/// The chart of continuity.
pub(crate) fn continuity(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    draw(run, sheet, &CONTINUITY)
}

/// The chart of goodput.
pub(crate) fn goodput(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    draw(run, sheet, &GOODPUT)
}

/// How to read the chart of continuity.
pub(crate) fn continuity_caption(_: &RunView<'_>) -> String {
    "The share of acts and checks within a session that were answered correctly and as that session. It is measured \
     in the trials without a crash, so failures are caused by the architecture. The mark is the share over all of \
     these trials, the faint dots are single trials. The dashed line is the share if each request goes to any \
     replica and only one of them knows the session. What it cannot show: losses by a crash. Those are in the \
     comparison."
        .to_owned()
}

/// How to read the chart of goodput.
pub(crate) fn goodput_caption(run: &RunView<'_>) -> String {
    format!(
        "Correct operations per second after the warm-up, in the trials without a crash; the mark is their mean, the faint dots \
         are single trials. The users intend {} operations per second for any number of replicas. A mark on the dashed line means that all were served correctly. It does not show how many could be served. With more replicas the mark rises only if fewer did not suffice. All replicas share this machine's cores.",
        rate(run.analysis.header.plan.load.rate)
    )
}

/// Arms that differ in the number of replicas alone.
struct Family<'a> {
    name: String,
    members: BTreeMap<u32, &'a ArmView<'a>>,
}

impl Family<'_> {
    /// The measured values, by the number of replicas.
    fn figures(&self, subject: &Subject) -> Vec<(u32, f64)> {
        let members = self.members.iter();
        let measured =
            members.filter_map(|(replicas, arm)| Some((*replicas, (subject.of_arm)(arm)?)));
        measured.collect()
    }

    /// Its members without a figure.
    fn missing(&self, subject: &Subject) -> Vec<String> {
        let members = self.members.iter();
        let missing = members.filter(|(_, arm)| (subject.of_arm)(arm).is_none());
        missing.map(|(replicas, _)| replicas.to_string()).collect()
    }
}

fn families<'a>(run: &'a RunView<'a>) -> Vec<Family<'a>> {
    let mut families: Vec<Family<'a>> = Vec::new();
    for arm in &run.arms {
        let Some(planned) = run.planned(arm) else {
            continue;
        };
        let Some(name) = planned.family.as_deref().map(printable) else {
            continue;
        };
        let place = families.iter().position(|family| family.name == name);
        let place = place.unwrap_or_else(|| {
            let members = BTreeMap::new();
            families.push(Family { name, members });
            families.len() - 1
        });
        // Of two equal ones the first is shown.
        families[place]
            .members
            .entry(planned.replicas)
            .or_insert(arm);
    }
    families
}

fn applies(run: &RunView<'_>, subject: &Subject) -> bool {
    let families = families(run);
    families
        .iter()
        .any(|family| family.figures(subject).len() > 1)
}

fn draw(run: &RunView<'_>, sheet: Sheet, subject: &Subject) -> Drawing {
    let mut page = Page::new(sheet, subject.title, subject.subtitle);
    let families = families(run);
    page.legend(&[
        (Key::Mark(Ink::Measure), "all control trials".to_owned()),
        (Key::Trial, "one of them".to_owned()),
        (Key::Dashes(Ink::Muted), subject.reference.1.to_owned()),
    ]);
    let most = if page.is_wide() {
        MOST_COLUMNS.0
    } else {
        MOST_COLUMNS.1
    };
    // A single panel across the whole page would be all air.
    let least = if page.is_wide() { 2 } else { 1 };
    let columns = Columns::new(&page, families.len().clamp(least, most));
    let (tops, end) = columns.tops(&vec![HEAD + page.drawing.tall(PLOT) + FOOT; families.len()]);
    let frame = Frame::around(run, &families, subject);
    for (place, (family, top)) in families.iter().zip(tops).enumerate() {
        let at = (columns.left(place), top);
        let panel = Panel {
            run,
            family,
            subject,
            frame: &frame,
        };
        panel.draw(&mut page.drawing, at, columns.width);
    }
    page.y = end;
    let place = (page.left() + NUMBERS, page.y + 4.0);
    page.drawing.text(place, "replicas", Style::TICK);
    page.y += 18.0;
    page.finish()
}

/// The scales that hold every panel.
struct Frame {
    fewest: f64,
    most: f64,
    end: f64,
}

impl Frame {
    fn around(run: &RunView<'_>, families: &[Family<'_>], subject: &Subject) -> Self {
        let members = || families.iter().flat_map(|family| &family.members);
        let numbers = || members().map(|(replicas, _)| f64::from(*replicas));
        let trials = members().flat_map(|(_, arm)| arm.analysis.controls());
        let figures = trials.filter_map(subject.of_trial);
        let end = figures.fold((subject.least_end)(run), f64::max);
        Self {
            fewest: numbers().fold(f64::INFINITY, f64::min),
            most: numbers().fold(f64::NEG_INFINITY, f64::max),
            end: end_for(end, 4),
        }
    }
}

struct Panel<'a> {
    run: &'a RunView<'a>,
    family: &'a Family<'a>,
    subject: &'a Subject,
    frame: &'a Frame,
}

impl Panel<'_> {
    fn draw(&self, drawing: &mut Drawing, (x, y): (f64, f64), width: f64) {
        let plot = Plot {
            left: x + NUMBERS,
            right: x + width - 6.0,
            top: y + HEAD,
            bottom: y + HEAD + drawing.tall(PLOT),
        };
        let name = Style::NAME.cut(&self.family.name, width);
        drawing.text((x, y + 8.0), &name, Style::NAME);
        // Room for half a mark and its figure at both sides.
        let inner = (plot.left + 20.0, plot.right - 20.0);
        let across = Scale::linear((self.frame.fewest, self.frame.most), inner);
        let up = Scale::linear((0.0, self.frame.end), (plot.bottom, plot.top));
        plot.levels(drawing, up, 4, self.subject.shown);
        // Above the figures of the highest marks.
        let quantity = Style::TICK.cut(self.subject.quantity, width);
        drawing.text((x, y + 26.0), &quantity, Style::TICK);
        plot.ground(drawing);
        let members = self
            .family
            .members
            .keys()
            .map(|replicas| f64::from(*replicas));
        let mut free = f64::NEG_INFINITY;
        for replicas in members {
            let (place, text) = (across.at(replicas), plain(replicas));
            if place - Style::TICK.width(&text) / 2.0 > free {
                plot.tick(drawing, place, &text);
                free = place + Style::TICK.width(&text) / 2.0 + 3.0;
            }
        }
        self.reference(drawing, across, up);
        self.marks(drawing, across, up);
        let missing = self.family.missing(self.subject);
        if !missing.is_empty() {
            let text = format!("not measured: {}", missing.join(", "));
            let text = Style::TICK.cut(&text, plot.right - plot.left - 8.0);
            drawing.text((plot.left + 6.0, plot.bottom - 10.0), &text, Style::TICK);
        }
    }

    fn reference(&self, drawing: &mut Drawing, across: Scale, up: Scale) {
        let of = self.subject.reference.0;
        // Dashes along a curve: short straight pieces of it, each other one left out.
        let pieces = 40_i32;
        let at = |piece: i32| {
            let share = f64::from(piece) / f64::from(pieces);
            let replicas = self.frame.fewest + share * (self.frame.most - self.frame.fewest);
            (across.at(replicas), up.at(of(self.run, replicas)))
        };
        for piece in (0..pieces).step_by(2) {
            drawing.line(at(piece), at(piece + 1), 1.5, Ink::Muted);
        }
    }

    fn datum(&self, series: &str, replicas: u32, figure: f64) -> Datum {
        Datum::new(&self.family.name, series, Some(figure), self.subject.unit)
            .at(f64::from(replicas), "replicas")
    }

    fn marks(&self, drawing: &mut Drawing, across: Scale, up: Scale) {
        let figures = self.family.figures(self.subject);
        let places: Vec<(f64, f64)> = figures
            .iter()
            .map(|(replicas, figure)| (across.at(f64::from(*replicas)), up.at(*figure)))
            .collect();
        if places.len() > 1 {
            drawing.path(places.clone(), 2.0, Ink::Measure);
        }
        for (replicas, arm) in &self.family.members {
            for control in arm.analysis.controls() {
                if let Some(figure) = (self.subject.of_trial)(control) {
                    let at = (across.at(f64::from(*replicas)), up.at(figure));
                    drawing.of_trial(control.id, |drawing| trial(drawing, at));
                    let datum = self.datum("one control trial", *replicas, figure);
                    drawing.record(|| datum.of_trial(control.id));
                }
            }
        }
        let mut free = f64::NEG_INFINITY;
        for ((replicas, figure), (x, y)) in figures.iter().zip(places) {
            drawing.mark((x, y), 4.5, Ink::Measure);
            drawing.record(|| self.datum("all control trials", *replicas, *figure));
            let text = (self.subject.shown)(*figure);
            let half = Style::TICK.width(&text) / 2.0;
            if x - half > free {
                let style = Style::TICK.align(Align::Centre).ink(Ink::Text);
                drawing.text((x, y - 13.0), &text, style);
                free = x + half + 3.0;
            }
        }
    }
}
