//! `comeback report --charts`: the charts of a run in files of their own, in the look of a paper or a slide.

use std::fs;
use std::path::Path;

use comeback_reports::Theme;
use comeback_reports::look::{Look, Picture, Size, parse_font_size};
use comeback_reports::{RenderError, chart_files};
use comeback_runs::finish::{Judged, write_artifact};

use crate::choice::of_table;
use crate::{CliError, say};

/// Where charts are, within a run's folder.
const CHARTS: &str = "charts";

const THEMES: &[(Theme, &str, &str)] = &[
    (Theme::Light, "light", "For paper"),
    (Theme::Dark, "dark", "For slides with a dark ground"),
];

/// How charts are to look.
#[derive(Debug, clap::Args)]
pub(super) struct Looks {
    /// Draw each chart in these formats: svg, png, pdf, with commas between; and its figures as CSV
    #[arg(long, value_name = "FORMATS", value_delimiter = ',')]
    charts: Vec<Picture>,
    /// Width of each chart, or width and height: 85mm, 180mmx90mm; also in in, pt, px
    #[arg(long, value_name = "SIZE", requires = "charts")]
    size: Option<Size>,
    /// Size of the words in points [default: 8 with --size, otherwise 9.4]
    #[arg(long, value_name = "PT", requires = "charts", value_parser = parse_font_size)]
    font_size: Option<f64>,
    /// Colours of the charts
    #[arg(
        long,
        requires = "charts",
        default_value = "light",
        hide_possible_values = true,
        value_name = "light|dark",
        value_parser = of_table(THEMES)
    )]
    theme: Theme,
    /// Leave out title and subtitle of the charts
    #[arg(long, requires = "charts")]
    no_title: bool,
}

impl Looks {
    /// The look that is asked for, if any.
    pub(super) fn asked(&self) -> Option<Look> {
        let mut formats: Vec<Picture> = Vec::new();
        for format in &self.charts {
            if !formats.contains(format) {
                formats.push(*format);
            }
        }
        (!formats.is_empty()).then_some(Look {
            formats,
            size: self.size,
            font_size: self.font_size,
            theme: self.theme,
            titled: !self.no_title,
        })
    }
}

/// Draws the charts into this folder, or into the run's own.
pub(super) fn draw(
    judged: &Judged,
    look: &Look,
    run: &Path,
    out: Option<&Path>,
) -> Result<(), CliError> {
    let files =
        chart_files(&judged.analysis, &judged.summary, look).map_err(|error| match error {
            RenderError::NoRoom { problem } => CliError::Usage(format!("--size: {problem}")),
            error => error.into(),
        })?;
    let folder = out.map_or_else(|| run.join(CHARTS), Path::to_path_buf);
    fs::create_dir_all(&folder).map_err(|error| {
        CliError::Usage(format!("cannot write into {}: {error}", folder.display()))
    })?;
    for file in files {
        write_artifact(&folder, &file.path, &file.bytes)?;
    }
    let formats: Vec<&str> = look.formats.iter().map(|format| format.name()).collect();
    let formats = formats.join(", ");
    say(&format!("charts as {formats}: {}", folder.display()));
    Ok(())
}
