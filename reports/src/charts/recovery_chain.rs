//! The recovery chain: the parts of the time from the kill to the first correct reply, and the further time until the service
//! was as good as before.

use super::frame::{Page, arrow};
use super::no_figures;
use super::rows::{Note, Row, Rows};
use super::sheet::Sheet;
use crate::arms::{ArmView, RunView};
use crate::draw::axis::{Scale, end_for};
use crate::draw::{Align, Datum, Drawing, Ink, Style};
use crate::format::{TimeStyle, beyond, ms, plain};

/// Height of a row's bar.
const STRIP: f64 = 20.0;

/// From this ratio of the longest to the shortest recovery on, each arm has a scale of its own.
const OWN_SCALE_FROM: f64 = 6.0;

/// Width of the second panel, for the time to steady.
const STEADY_ROOM: f64 = 196.0;

/// How to read it.
pub(crate) fn caption(run: &RunView<'_>) -> String {
    format!(
        "Each boundary is the median over the crashes of that moment, so the parts after the black stroke \
         add up to the median time to ready. The stroke is T0, the confirmed exit; left of it is the time \
         {} took to end the process. If the arms differ too much for one axis in ms, each bar has the length of its arm's own time. Compare the figures then, not the lengths. Steady is reached when goodput, errors and latency stay within the band of the time before the crash. It takes longer by nature, and has its own scale. What \
         it cannot show: how much the parts vary from crash to crash (see the table of trials).",
        run.fault()
    )
}

/// The moments of an arm, medians over its crashes in ms after T0; infinite when most did not get there.
struct Moments {
    killed: f64,
    steps: Vec<ChainPart>,
}

/// A part of the chain.
struct ChainPart {
    name: &'static str,
    ink: Ink,
    from: f64,
    to: f64,
}

impl Moments {
    fn of(arm: &ArmView<'_>) -> Option<Self> {
        let summary = arm.summary;
        let effect = summary.time_to_effect_ms.median.unwrap_or(0.0);
        let killed = (0.0 - effect).min(0.0);
        let mut steps = vec![ChainPart {
            name: "exit",
            ink: Ink::Loss,
            from: killed,
            to: 0.0,
        }];
        let mut from = 0.0;
        let moments = [
            ("exec", Ink::StepTwo, summary.time_to_restart_ms),
            ("accept", Ink::StepThree, summary.time_to_listen_ms),
            ("reply", Ink::Measure, summary.time_to_ready_ms),
        ];
        moments.last()?.2.median_or_infinite()?;
        for (name, ink, to) in moments {
            // A moment that was not recorded leaves its time to the next one.
            if let Some(to) = to.median_or_infinite().map(|to| to.max(from)) {
                steps.push(ChainPart {
                    name,
                    ink,
                    from,
                    to,
                });
                from = to;
            }
            if from.is_infinite() {
                break;
            }
        }
        Some(Self { killed, steps })
    }

    /// The last moment that was reached.
    fn reach(&self) -> f64 {
        self.steps
            .iter()
            .map(|step| step.to)
            .filter(|to| to.is_finite())
            .fold(0.0, f64::max)
    }

    /// Whether the last moment is the first correct reply.
    fn came_back(&self) -> bool {
        self.steps.iter().all(|step| step.to.is_finite())
    }

    fn notes(&self, run: &RunView<'_>) -> Note {
        let never = beyond(run.horizon());
        let length = |length: f64| {
            if length.is_finite() {
                ms(length)
            } else {
                never.clone()
            }
        };
        let mut keys: Vec<(Option<Ink>, String)> = self
            .steps
            .iter()
            .map(|step| {
                let text = format!("{} {}", step.name, length(step.to - step.from));
                (Some(step.ink), text)
            })
            .collect();
        if self.came_back() {
            keys.push((None, format!("= {}", ms(self.reach() - self.killed))));
        }
        Note::Keys(keys)
    }
}

/// The chart.
pub(crate) fn draw(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    let mut page = Page::new(
        sheet,
        "Parts of the time to recover",
        "Medians over crashes: kill → exit confirmed (T0) → new process executed → first connection \
         accepted → first correct reply.",
    );
    let moments: Vec<Option<Moments>> = run
        .arms
        .iter()
        .map(|arm| {
            if arm.silence.is_none() {
                Moments::of(arm)
            } else {
                None
            }
        })
        .collect();
    let rows: Vec<Row> = run
        .arms
        .iter()
        .zip(&moments)
        .map(|(arm, moments)| row(run, arm, moments.as_ref(), page.is_wide()))
        .collect();
    let reserved = if page.is_wide() { STEADY_ROOM } else { 20.0 };
    page.y += 6.0;
    let top = page.y;
    let laid = Rows::lay_out(&mut page, &rows, reserved);
    let drawn: Vec<&Moments> = moments.iter().flatten().collect();
    if drawn.is_empty() {
        no_figures(&mut page);
        return page.finish();
    }
    let axis_top = page.y;
    let common = common_scale(&drawn, (laid.left, laid.right));
    match common {
        Some(scale) => laid.axis(&mut page, scale, "after the confirmed exit (T0)", |tick| {
            format!("{} ms", plain(tick))
        }),
        None => {
            let scale = Scale::linear((0.0, 100.0), (laid.left, laid.right));
            let name = "share of each arm's own time from kill to first correct reply";
            laid.axis(&mut page, scale, name, |tick| format!("{} %", plain(tick)));
        }
    }
    for ((strip, moments), arm) in laid.strips.iter().zip(&moments).zip(&run.arms) {
        if let (Some(strip), Some(moments)) = (strip, moments) {
            record(&mut page.drawing, arm, moments);
            let own = (moments.killed, moments.reach().max(moments.killed + 0.1));
            let own = Scale::linear(own, (laid.left, laid.right));
            bar(&mut page.drawing, moments, *strip, common.unwrap_or(own));
        }
    }
    if page.is_wide() {
        steady(&mut page, run, &laid, (top, axis_top));
    }
    page.finish()
}

/// One scale in ms for all arms, or none when the quickest would be too small to read beside the slowest.
fn common_scale(drawn: &[&Moments], pixels: (f64, f64)) -> Option<Scale> {
    let back = || drawn.iter().filter(|moments| moments.came_back());
    let longest = back().map(|moments| moments.reach()).fold(0.1, f64::max);
    let shortest = back()
        .map(|moments| moments.reach())
        .fold(longest, f64::min);
    if longest > OWN_SCALE_FROM * shortest {
        return None;
    }
    let start = drawn
        .iter()
        .map(|moments| moments.killed)
        .fold(0.0, f64::min);
    Some(Scale::linear((start, end_for(longest, 6)), pixels))
}

fn row(run: &RunView<'_>, arm: &ArmView<'_>, moments: Option<&Moments>, wide: bool) -> Row {
    if let Some(silence) = &arm.silence {
        return Row::silent(&arm.name, silence);
    }
    let Some(moments) = moments else {
        return Row::silent(&arm.name, "not measured");
    };
    let mut notes = vec![moments.notes(run)];
    if !wide {
        let text = format!("steady after {}", steady_text(arm));
        notes.push(Note::Words(text, Ink::Text));
    }
    Row {
        name: arm.name.clone(),
        notes,
        strip: Some(STRIP),
    }
}

/// Keeps the parts, in ms after T0, and the time to steady.
fn record(drawing: &mut Drawing, arm: &ArmView<'_>, moments: &Moments) {
    for step in &moments.steps {
        drawing.record(|| {
            Datum::new(&arm.name, step.name, Some(step.to - step.from), "ms")
                .between(Some(step.from), Some(step.to))
        });
    }
    let steady = arm.summary.time_to_steady_ms.median_or_infinite();
    drawing.record(|| Datum::new(&arm.name, "steady", steady, "ms"));
}

fn bar(drawing: &mut Drawing, moments: &Moments, (top, bottom): (f64, f64), scale: Scale) {
    let (top, bottom) = (top + 3.0, bottom - 3.0);
    if !moments.came_back() {
        let (from, edge) = (scale.at(moments.killed), scale.at(f64::INFINITY));
        let ink = moments.steps.last().map_or(Ink::Measure, |step| step.ink);
        drawing.fill((from, top), (edge, bottom), ink.faint(0.25));
        arrow(drawing, (edge + 6.0, f64::midpoint(top, bottom)));
        return;
    }
    for step in &moments.steps {
        let from = scale.at(step.from);
        let to = scale.at(step.to).max(from + 0.5);
        drawing.fill((from, top), (to, bottom), step.ink);
    }
    let zero = scale.at(0.0);
    drawing.line((zero, top - 3.0), (zero, bottom + 3.0), 1.5, Ink::Text);
}

fn steady_text(arm: &ArmView<'_>) -> String {
    TimeStyle::steady().median(&arm.summary.time_to_steady_ms)
}

/// The second panel: time to steady, with the figure above its bar.
fn steady(page: &mut Page, run: &RunView<'_>, laid: &Rows, (top, bottom): (f64, f64)) {
    let (left, right) = (laid.right + 52.0, page.right() - 24.0);
    let reach = run
        .arms
        .iter()
        .filter(|arm| arm.silence.is_none())
        .filter_map(|arm| arm.summary.time_to_steady_ms.median)
        .fold(1_000.0, f64::max);
    let end = end_for(reach / 1_000.0, 3);
    let scale = Scale::linear((0.0, end), (left, right));
    let parting = laid.right + 30.0;
    page.drawing
        .line((parting, top), (parting, bottom), 1.0, Ink::Axis);
    for (strip, arm) in laid.strips.iter().zip(&run.arms) {
        let Some((top, bottom)) = strip else {
            continue;
        };
        let text = format!("steady {}", steady_text(arm));
        page.drawing.text((left, top - 11.0), &text, Style::LABEL);
        if arm.summary.time_to_steady_ms.n == 0 {
            continue;
        }
        let (top, bottom) = (top + 3.0, bottom - 3.0);
        match arm.summary.time_to_steady_ms.median {
            Some(median) => {
                let to = scale.at(median / 1_000.0);
                page.drawing.fill((left, top), (to, bottom), Ink::Good);
            }
            None => {
                page.drawing
                    .fill((left, top), (right, bottom), Ink::Good.faint(0.25));
                arrow(&mut page.drawing, (right + 6.0, f64::midpoint(top, bottom)));
            }
        }
    }
    let y = bottom + 4.0;
    page.drawing.line((left, y), (right, y), 1.0, Ink::Axis);
    for tick in scale.ticks(3) {
        let x = scale.at(tick);
        page.drawing.line((x, y), (x, y + 4.0), 1.0, Ink::Axis);
        let style = Style::TICK.align(Align::Centre);
        page.drawing
            .text((x, y + 13.0), &format!("{} s", plain(tick)), style);
    }
    page.drawing
        .text((left, y + 30.0), "time to steady", Style::TICK);
}
