//! Reports: an analysed run as documents and pictures. Everything here is a pure function to bytes. The caller decides where
//! they go.
//!
//! [`render`] makes every file of a report. [`comparison`] is its table as plain strings for terminals, and [`replicas()`] is the
//! table of several nodes. [`mod@format`] formats figures as in the reports. [`junit()`] and [`github`] are for CI systems. They
//! also show the [`Notes`]. [`live_page`] is the page of a run that goes on.
//!
//! The feature `charts` draws pictures. Without it, reports have only words and tables. [`chart_files`] draws the charts alone, in a
//! [`look`] for papers and slides. The feature `pdf` adds a format to these.

#![cfg_attr(
    not(feature = "charts"),
    allow(dead_code, reason = "some of it only charts read")
)]

mod arms;
#[cfg(feature = "charts")]
mod charts;
#[cfg(feature = "charts")]
mod claims;
mod course;
mod difference;
mod document;
#[cfg(feature = "charts")]
mod draw;
mod faults;
pub mod format;
pub mod github;
mod glossary;
mod history;
mod html;
mod junit;
mod live;
#[cfg(feature = "charts")]
pub mod look;
mod markdown;
mod notes;
mod page;
mod palette;
#[cfg(feature = "charts")]
mod pictures;
mod replicas;
mod storm;
mod table;

#[cfg(all(test, feature = "charts"))]
#[path = "../examples/fake/run/mod.rs"]
mod fake;
#[cfg(all(test, feature = "charts"))]
mod range;
#[cfg(all(test, feature = "charts"))]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use comeback_analysis::measure::{Analysis, worth_telling};
use comeback_analysis::summary::Summary;
use comeback_analysis::verdict::Verdict;
use comeback_model::ids::TrialId;

#[cfg(feature = "charts")]
pub use claims::{claims, claims_table};
pub use course::course;
pub use difference::{
    DIFFERENCE_LEGEND, difference_heads, difference_markdown, difference_reasons, difference_table,
    difference_title,
};
pub use faults::faults;
#[cfg(feature = "charts")]
pub use history::trend;
pub use history::{changes, past_arm};
pub use junit::{junit, junit_unfinished};
pub use live::{LivePage, live_page};
pub use notes::{Logs, Notes, Tail};
pub use palette::Theme;
#[cfg(feature = "charts")]
pub use pictures::charts as chart_files;
pub use replicas::replicas;
pub use storm::storm;
pub use table::{Table, comparison};

use arms::RunView;

/// A file of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Where it belongs, relative to the report's folder, with `/` between the parts.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A report that could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum RenderError {
    /// Analysis and summary do not have the same arms.
    Mismatch,
    /// The embedded font cannot be read.
    Font,
    /// A chart could not be painted.
    Draw {
        /// Its title.
        chart: String,
        /// The problem.
        problem: String,
    },
    /// A chart does not fit into the size that was asked for.
    NoRoom {
        /// Which one, and what to do.
        problem: String,
    },
    /// The page could not be filled in.
    Page(minijinja::Error),
    /// A document could not be written as JSON.
    Json(serde_json::Error),
    /// A document could not be written as XML.
    Xml(quick_junit::SerializeError),
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch => f.write_str("analysis and summary are not of the same run"),
            Self::Font => f.write_str("the embedded font cannot be read"),
            Self::Draw { chart, problem } => {
                write!(f, "failed to paint the chart '{chart}': {problem}")
            }
            Self::NoRoom { problem } => f.write_str(problem),
            Self::Page(_) => f.write_str("failed to fill in the report's page"),
            Self::Json(_) => f.write_str("failed to write the summary as JSON"),
            Self::Xml(_) => f.write_str("failed to write the JUnit document"),
        }
    }
}

impl std::error::Error for RenderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Page(error) => Some(error),
            Self::Json(error) => Some(error),
            Self::Xml(error) => Some(error),
            Self::Mismatch | Self::Font | Self::Draw { .. } | Self::NoRoom { .. } => None,
        }
    }
}

impl From<serde_json::Error> for RenderError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl From<quick_junit::SerializeError> for RenderError {
    fn from(error: quick_junit::SerializeError) -> Self {
        Self::Xml(error)
    }
}

impl From<minijinja::Error> for RenderError {
    fn from(error: minijinja::Error) -> Self {
        Self::Page(error)
    }
}

/// The trials that the page shows from close by.
pub fn shown_from_close(analysis: &Analysis) -> BTreeSet<TrialId> {
    worth_telling(analysis, document::MOST_TRIALS)
}

/// Every file of a run's report: `summary.json`, `report.md`, `report.html` (which needs no other file) and
/// each chart as `charts/NAME.svg` and `charts/NAME.png`, with its figures in `charts/NAME.csv`. `logs` has the ends of the logs of the
/// trials in [`shown_from_close`].
///
/// # Errors
/// If analysis and summary are of different runs, or a library fails.
pub fn render(
    analysis: &Analysis,
    verdict: &Verdict,
    summary: &Summary,
    logs: &Logs,
) -> Result<Vec<Artifact>, RenderError> {
    let run = RunView::new(analysis, summary)?;
    let mut json = serde_json::to_vec_pretty(summary)?;
    json.push(b'\n');
    let document = document::Document::of(&run, verdict, logs)?;
    let (figures, pictures) = figures(&run)?;
    let page = html::render(&document, &figures)?;
    let markdown = markdown::render(&document, &figures);
    let mut artifacts = vec![
        artifact("summary.json", json),
        artifact("report.md", markdown.into_bytes()),
        artifact("report.html", page.into_bytes()),
    ];
    artifacts.extend(pictures);
    Ok(artifacts)
}

/// The charts of a run: as the page shows them, and as files.
#[cfg(feature = "charts")]
fn figures(run: &RunView<'_>) -> Result<(Vec<html::PageChart>, Vec<Artifact>), RenderError> {
    draw::text::register()?;
    let (mut figures, mut pictures) = (Vec::new(), Vec::new());
    let look = look::Look::default();
    let place = pictures::Placed::of(&look)?;
    for chart in charts::of(run) {
        let wide = (chart.draw)(run, charts::WIDE);
        let narrow = (chart.draw)(run, charts::NARROW);
        let live = (chart.live)(run);
        figures.push(html::PageChart {
            name: chart.name,
            wide: draw::paint::svg_in_page(&wide)?,
            narrow: draw::paint::svg_in_page(&narrow)?,
            caption: (chart.caption)(run),
            live: live.map(|live| page::data(&live)).transpose()?,
        });
        let files = place.files(run, &chart, &look.formats)?;
        pictures.extend(files.into_iter().map(|file| Artifact {
            path: format!("charts/{}", file.path),
            ..file
        }));
    }
    Ok((figures, pictures))
}

/// No charts.
#[cfg(not(feature = "charts"))]
#[expect(clippy::unnecessary_wraps, reason = "as with charts")]
fn figures(_: &RunView<'_>) -> Result<(Vec<html::PageChart>, Vec<Artifact>), RenderError> {
    Ok((Vec::new(), Vec::new()))
}

fn artifact(path: &str, bytes: Vec<u8>) -> Artifact {
    Artifact {
        path: path.to_owned(),
        bytes,
    }
}
