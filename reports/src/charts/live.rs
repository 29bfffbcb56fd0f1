//! The timeline's figures for the script of the page, which draws them with zoom and exact values. They are those of the drawing.

use comeback_analysis::summary::{Spread, WindowOverTrials};
use serde::Serialize;

use super::over_time;
use super::timeline::{self, Frame, Panel};
use crate::arms::RunView;

/// A chart's figures, as `templates/script/timeline.js` reads them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Live {
    title: String,
    subtitle: String,
    /// The name of the moment at which the fault hits.
    fault: String,
    /// Common to all panels: from when to when, in seconds, the length of a window, and the most operations per second.
    from: f64,
    to: f64,
    window: f64,
    most: f64,
    panels: Vec<LivePanel>,
    /// Arms without a panel: the name, and why.
    silent: Vec<(String, String)>,
}

/// An arm's figures.
#[derive(Clone, Debug, Serialize)]
struct LivePanel {
    name: String,
    about: String,
    /// From, to; correct operations per second: median, least, most; failed ones likewise.
    windows: Vec<[f64; 8]>,
    /// When faults were sent, and when the service was back, in seconds: the medians.
    faults: Vec<f64>,
    ready: Option<f64>,
}

/// The figures of the timeline; nothing where there are none.
pub(super) fn timeline(run: &RunView<'_>) -> Option<Live> {
    let panels: Vec<Panel<'_>> = run.arms.iter().map(Panel::of).collect();
    let frame = timeline::common_frame(&panels)?;
    let (drawn, empty): (Vec<_>, Vec<_>) =
        panels.iter().partition(|panel| !panel.windows.is_empty());
    let silent = empty.iter().map(|panel| {
        let why = timeline::why_empty(panel).to_owned();
        (panel.arm.name.clone(), why)
    });
    Some(Live {
        title: timeline::title(run),
        subtitle: timeline::subtitle(run),
        fault: run.fault_noun().to_owned(),
        from: short(frame.from),
        to: short(frame.to),
        window: run.analysis.header.plan.windows.window.as_secs(),
        most: frame.most,
        panels: drawn
            .into_iter()
            .map(|panel| live(run, panel, &frame))
            .filter(|panel| !panel.windows.is_empty())
            .collect(),
        silent: silent.collect(),
    })
}

fn live(run: &RunView<'_>, panel: &Panel<'_>, frame: &Frame) -> LivePanel {
    LivePanel {
        name: panel.arm.name.clone(),
        about: timeline::about(run, panel, frame),
        windows: panel.seen(frame).map(figures).collect(),
        faults: over_time::moments_of_faults(panel.arm).map(short).collect(),
        ready: over_time::ready_after_fault(panel.arm).map(short),
    }
}

fn figures(window: &WindowOverTrials) -> [f64; 8] {
    let of = |spread: Spread| [spread.median, spread.least, spread.most].map(short);
    let ([a, b, c], [d, e, f]) = (of(window.goodput), of(window.failures));
    [short(window.from), short(window.to), a, b, c, d, e, f]
}

/// The number of digits that is still readable.
fn short(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}
