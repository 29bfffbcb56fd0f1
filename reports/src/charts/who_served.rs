//! Which replica served which operations around one crash: a lane for each replica.

use comeback_analysis::measure::{Attribution, NodeOutage, TimelineWindow, TrialAnalysis};
use comeback_model::ids::Node;

use super::frame::{Key, Page};
use super::panels::{Columns, Plot, Stretch, band, name_seconds};
use super::sheet::Sheet;
use crate::arms::{ArmView, RunView};
use crate::draw::axis::{Scale, end_for};
use crate::draw::{Align, Datum, Drawing, Ink, Style};
use crate::format::plain;

/// Height of a lane's plot, and of the gap below it.
const LANE: (f64, f64) = (30.0, 7.0);

/// Height of the texts above the lanes.
const HEAD: f64 = 64.0;

/// Height of the axis below them.
const FOOT: f64 = 32.0;

/// Room for the lanes' names.
const NAMES: f64 = 82.0;

/// More lanes of an arm than this are not drawn.
const MOST_LANES: usize = 8;

/// From this many arms on a wide chart has two columns.
const TWO_COLUMNS_FROM: usize = 3;

/// Whether there are several groups to show.
pub(crate) fn applies(run: &RunView<'_>) -> bool {
    run.arms.iter().any(|arm| Panel::of(run, arm).is_some())
}

/// How to read it.
pub(crate) fn caption(run: &RunView<'_>) -> String {
    format!(
        "The first crash of each arm that counts: the correct replies of every replica and, above them, the \
         operations that it failed, per second, in windows of {}. All lanes have the same scale, which ends at the \
         number beside the first lane. An operation is in the lane of the replica that its reply names. What it \
         cannot show: failures of other nodes. Those are in the next chart. One crash is one sample.",
        crate::format::span(run.analysis.header.plan.windows.window)
    )
}

/// An arm's crash, before it is drawn.
struct Panel<'a> {
    arm: &'a ArmView<'a>,
    trial: &'a TrialAnalysis,
    lanes: Vec<Node>,
    /// Replicas that are not drawn.
    others: usize,
}

impl<'a> Panel<'a> {
    /// The first crash that counts, of an arm with several replicas.
    fn of(run: &RunView<'a>, arm: &'a ArmView<'a>) -> Option<Self> {
        let replicas = run.planned(arm)?.replicas;
        if replicas < 2 || arm.silence.is_some() {
            return None;
        }
        let trial = arm.crashes().find(|trial| !trial.timeline.is_empty())?;
        let mut lanes: Vec<Node> = (0..replicas).map(Node::Replica).collect();
        // Where not all have room, those that were faulted have.
        let is_down = |node: &Node| trial.nodes.outages.iter().any(|it| it.node == *node);
        lanes.sort_by_key(|node| !is_down(node));
        lanes.truncate(MOST_LANES);
        lanes.sort_unstable();
        Some(Self {
            arm,
            trial,
            others: replicas as usize - lanes.len(),
            lanes,
        })
    }

    /// Its height, with lanes of this height.
    fn height(&self, lane: f64) -> f64 {
        HEAD + FOOT + self.lanes.len() as f64 * (lane + LANE.1)
    }

    /// The most that any lane shows in a window, per second.
    fn most(&self) -> f64 {
        let windows = self.trial.timeline.iter();
        let all = windows.flat_map(|window| {
            let lanes = self.lanes.iter();
            lanes.map(|node| {
                per_second(
                    window,
                    served(&window.attribution, *node) + failed(&window.attribution, *node),
                )
            })
        });
        all.fold(1.0, f64::max)
    }

    fn facts(&self) -> String {
        let outages = self.trial.nodes.outages.iter();
        let mut names: Vec<String> = outages.map(|outage| shown(outage.node)).collect();
        names.dedup();
        let down = match names.as_slice() {
            [] => "nothing went down".to_owned(),
            names => format!("{} went down", names.join(", ")),
        };
        let others = match self.others {
            0 => String::new(),
            others => format!("; {others} more replicas, not drawn"),
        };
        format!("trial {}: {down}{others}", self.trial.id.0)
    }
}

fn shown(node: Node) -> String {
    match node {
        Node::Replica(number) => format!("replica {number}"),
        Node::Balancer | Node::Cache | Node::Store => format!("the {node}"),
    }
}

fn served(attribution: &Attribution, node: Node) -> u64 {
    attribution.served.get(&Some(node)).copied().unwrap_or(0)
}

fn failed(attribution: &Attribution, node: Node) -> u64 {
    attribution.failed_by.get(&node).copied().unwrap_or(0)
}

fn per_second(window: &TimelineWindow, count: u64) -> f64 {
    count as f64 * 1_000.0 / window.length_ms
}

/// The chart.
pub(crate) fn draw(run: &RunView<'_>, sheet: Sheet) -> Drawing {
    let subtitle = format!(
        "Operations per second of each replica; time 0 is {}.",
        run.fault()
    );
    let mut page = Page::new(
        sheet,
        &format!(
            "Which replica served operations around a {}",
            run.fault_noun()
        ),
        &subtitle,
    );
    let panels: Vec<Panel<'_>> = run
        .arms
        .iter()
        .filter_map(|arm| Panel::of(run, arm))
        .collect();
    page.legend(&[
        (Key::Fill(Ink::Measure), "answered correctly".to_owned()),
        (Key::Fill(Ink::Loss), "failed through it".to_owned()),
        (Key::Moment(Ink::Text), "went down".to_owned()),
        (Key::Moment(Ink::Good), "its first correct reply".to_owned()),
    ]);
    let is_double = page.is_wide() && panels.len() >= TWO_COLUMNS_FROM;
    let columns = Columns::new(&page, if is_double { 2 } else { 1 });
    let lane = page.drawing.tall(LANE.0);
    let heights: Vec<f64> = panels.iter().map(|panel| panel.height(lane)).collect();
    let (tops, end) = columns.tops(&heights);
    let most = panels.iter().map(Panel::most).fold(1.0, f64::max);
    let most = end_for(most, 4);
    for (place, (panel, top)) in panels.iter().zip(tops).enumerate() {
        let at = (columns.left(place), top);
        plot(&mut page.drawing, panel, at, (columns.width, most));
    }
    page.y = end;
    name_seconds(&mut page, run, NAMES);
    page.finish()
}

fn plot(drawing: &mut Drawing, panel: &Panel<'_>, (x, y): (f64, f64), (width, most): (f64, f64)) {
    let name = Style::NAME.cut(&panel.arm.name, width);
    drawing.text((x, y + 10.0), &name, Style::NAME);
    let facts = Style::NOTE.cut(&panel.facts(), width);
    drawing.text((x, y + 27.0), &facts, Style::NOTE);
    let timeline = &panel.trial.timeline;
    let from = timeline.first().map_or(0.0, |window| window.start_ms);
    let to = timeline
        .last()
        .map_or(0.0, |window| window.start_ms + window.length_ms);
    let (left, right) = (x + NAMES, x + width - 6.0);
    let across = Scale::linear((from / 1_000.0, to / 1_000.0), (left, right));
    let height = drawing.tall(LANE.0);
    let mut top = y + HEAD;
    for (place, node) in panel.lanes.iter().enumerate() {
        let lane = Plot {
            left,
            right,
            top,
            bottom: top + height,
        };
        draw_lane(drawing, panel, *node, lane, (across, most));
        if place == 0 {
            let style = Style::TICK.align(Align::Right);
            drawing.text((left - 6.0, top + 2.0), &plain(most), style);
            lane.name_levels(drawing, x, "operations per second");
        }
        top += height + LANE.1;
    }
    let axis = Plot {
        left,
        right,
        top: y + HEAD,
        bottom: top,
    };
    axis.seconds(drawing, across);
}

fn draw_lane(
    drawing: &mut Drawing,
    panel: &Panel<'_>,
    node: Node,
    lane: Plot,
    (across, most): (Scale, f64),
) {
    let up = Scale::linear((0.0, most), (lane.bottom, lane.top));
    drawing.fill(
        (lane.left, lane.top),
        (lane.right, lane.bottom),
        Ink::Stripe,
    );
    let style = Style::LABEL.align(Align::Right);
    drawing.text((lane.left - 6.0, lane.bottom - 8.0), &shown(node), style);
    let steps = |low: fn(&Attribution, Node) -> u64, high: fn(&Attribution, Node) -> u64| {
        let windows = panel.trial.timeline.iter();
        windows
            .map(|window| {
                let low = low(&window.attribution, node);
                Stretch {
                    from: window.start_ms / 1_000.0,
                    to: (window.start_ms + window.length_ms) / 1_000.0,
                    low: per_second(window, low),
                    high: per_second(window, low + high(&window.attribution, node)),
                }
            })
            .collect::<Vec<Stretch>>()
    };
    let layers = [
        ("answered correctly", steps(|_, _| 0, served)),
        ("failed through it", steps(served, failed)),
    ];
    for (name, steps) in &layers {
        let series = format!("{}, {name}", shown(node));
        for step in steps {
            let figure = Some(step.high - step.low);
            drawing.record(|| {
                Datum::new(&panel.arm.name, &series, figure, "1/s")
                    .of_trial(panel.trial.id)
                    .over(step.from, step.to)
            });
        }
    }
    if let Some(outline) = band(&steps(|_, _| 0, served), across, up) {
        drawing.area(outline, Ink::Measure.faint(0.75));
    }
    if let Some(outline) = band(&steps(served, failed), across, up) {
        drawing.area(outline, Ink::Loss);
    }
    lane.ground(drawing);
    let outages = panel.trial.nodes.outages.iter();
    for outage in outages.filter(|outage| outage.node == node) {
        mark_outage(drawing, outage, lane, across);
    }
}

fn mark_outage(drawing: &mut Drawing, outage: &NodeOutage, lane: Plot, across: Scale) {
    lane.moment(drawing, across.at(outage.from_ms / 1_000.0), Ink::Text);
    if let Some(to) = outage.to_ms {
        lane.moment(drawing, across.at(to / 1_000.0), Ink::Good);
    }
}
