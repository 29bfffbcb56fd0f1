//! The table of charts, each with an explanation of how to read it and what it cannot show.
//!
//! A chart is a pure function from a run and a sheet to a drawing. A page contains each chart twice, for wide and for narrow
//! screens, so that its words keep their size.

mod blame;
mod by_replicas;
mod error_rate;
mod errors_over_time;
mod footer;
mod frame;
mod latency;
mod live;
mod lost;
mod over_time;
mod panels;
mod recovery_chain;
mod recovery_ecdf;
mod recovery_time;
mod rows;
mod sheet;
mod timeline;
mod who_served;

use crate::arms::RunView;
use crate::draw::Drawing;

pub(crate) use footer::with_footer;
pub(crate) use frame::{Key, Page, arrow_up, whisker_up};
pub(crate) use live::Live;
pub(crate) use panels::Plot;
pub(crate) use sheet::Sheet;

/// A chart on a page and in a file.
pub(crate) const WIDE: Sheet = Sheet::new(960.0);

/// The same on a small screen.
pub(crate) const NARROW: Sheet = Sheet::new(400.0);

/// A chart.
#[derive(Clone, Copy)]
pub(crate) struct Chart {
    /// Its file's name, without what follows the dot.
    pub(crate) name: &'static str,
    /// Whether it says something about this run.
    pub(crate) applies: fn(&RunView<'_>) -> bool,
    /// Draws it on a sheet.
    pub(crate) draw: fn(&RunView<'_>, Sheet) -> Drawing,
    /// How to read it, and what it cannot show.
    pub(crate) caption: fn(&RunView<'_>) -> String,
    /// Its figures, where the page's script draws it anew.
    pub(crate) live: fn(&RunView<'_>) -> Option<Live>,
}

/// The charts that say something about a run, in the order they are shown.
pub(crate) fn of(run: &RunView<'_>) -> impl Iterator<Item = Chart> {
    ALL.into_iter().filter(|chart| (chart.applies)(run))
}

const ALL: [Chart; 13] = [
    Chart {
        name: "lost-sessions",
        applies: |_| true,
        draw: lost::sessions,
        caption: lost::sessions_caption,
        live: |_| None,
    },
    Chart {
        name: "lost-writes",
        applies: |_| true,
        draw: lost::writes,
        caption: lost::writes_caption,
        live: |_| None,
    },
    Chart {
        name: "error-rate",
        applies: |_| true,
        draw: error_rate::draw,
        caption: error_rate::caption,
        live: |_| None,
    },
    Chart {
        name: "errors-over-time",
        applies: |_| true,
        draw: errors_over_time::draw,
        caption: errors_over_time::caption,
        live: |_| None,
    },
    Chart {
        name: "timeline",
        applies: |_| true,
        draw: timeline::draw,
        caption: timeline::caption,
        live: live::timeline,
    },
    Chart {
        name: "latency",
        applies: |_| true,
        draw: latency::draw,
        caption: latency::caption,
        live: |_| None,
    },
    Chart {
        name: "who-served",
        applies: who_served::applies,
        draw: who_served::draw,
        caption: who_served::caption,
        live: |_| None,
    },
    Chart {
        name: "who-failed",
        applies: blame::applies,
        draw: blame::draw,
        caption: blame::caption,
        live: |_| None,
    },
    Chart {
        name: "continuity",
        applies: by_replicas::continuity_applies,
        draw: by_replicas::continuity,
        caption: by_replicas::continuity_caption,
        live: |_| None,
    },
    Chart {
        name: "goodput",
        applies: by_replicas::goodput_applies,
        draw: by_replicas::goodput,
        caption: by_replicas::goodput_caption,
        live: |_| None,
    },
    Chart {
        name: "recovery-time",
        applies: |run| !run.degrades(),
        draw: recovery_time::draw,
        caption: recovery_time::caption,
        live: |_| None,
    },
    Chart {
        name: "recovery-ecdf",
        applies: recovery_ecdf::applies,
        draw: recovery_ecdf::draw,
        caption: recovery_ecdf::caption,
        live: |_| None,
    },
    Chart {
        name: "recovery-chain",
        applies: |run| !run.degrades(),
        draw: recovery_chain::draw,
        caption: recovery_chain::caption,
        live: |_| None,
    },
];

/// The text of a chart if no arm has figures.
fn no_figures(page: &mut Page) {
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
