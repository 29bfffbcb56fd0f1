//! The charts: what there is, how to read it, and what it cannot show.
//!
//! Each is a pure function from a run and a width to a drawing. On a page each stands twice, once for wide
//! and once for narrow screens, so that its words keep their size.

mod frame;
mod lost;
mod recovery_chain;
mod recovery_time;
mod rows;
mod timeline;
mod windows;

use crate::arms::RunView;
use crate::draw::Drawing;

/// Width of a chart in CSS pixels.
pub(crate) const WIDE: f64 = 960.0;

/// Its width on a small screen.
pub(crate) const NARROW: f64 = 400.0;

/// A chart.
#[derive(Clone, Copy)]
pub(crate) struct Chart {
    /// Its file's name, without what follows the dot.
    pub(crate) name: &'static str,
    /// Draws it at a width.
    pub(crate) draw: fn(&RunView<'_>, f64) -> Drawing,
    /// How to read it, and what it cannot show.
    pub(crate) caption: fn(&RunView<'_>) -> String,
}

/// Every chart, in the order they are shown.
pub(crate) const ALL: [Chart; 5] = [
    Chart {
        name: "lost-sessions",
        draw: lost::sessions,
        caption: lost::sessions_caption,
    },
    Chart {
        name: "lost-writes",
        draw: lost::writes,
        caption: lost::writes_caption,
    },
    Chart {
        name: "timeline",
        draw: timeline::draw,
        caption: timeline::caption,
    },
    Chart {
        name: "recovery-time",
        draw: recovery_time::draw,
        caption: recovery_time::caption,
    },
    Chart {
        name: "recovery-chain",
        draw: recovery_chain::draw,
        caption: recovery_chain::caption,
    },
];

/// What a chart says instead of marks when no arm has figures.
fn no_figures(page: &mut frame::Page) {
    use crate::draw::Style;
    page.y += 14.0;
    let left = page.left();
    page.drawing.text(
        (left, page.y),
        "No trial counts, so there is nothing to draw.",
        Style::LABEL,
    );
    page.y += 18.0;
}
