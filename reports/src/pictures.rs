//! Charts as files of their own: the pictures, and the figures that are drawn as CSV.

use comeback_analysis::measure::Analysis;
use comeback_analysis::summary::Summary;

use crate::arms::RunView;
use crate::charts::{self, Chart, Sheet};
use crate::draw::data::csv;
use crate::draw::paint::{self, FINENESS, Resolution};
use crate::draw::{Drawing, Style, text};
use crate::look::{Length, Look, Picture, Size, Unit};
use crate::{Artifact, RenderError, artifact};

/// The size of ordinary words in charts of a given size, in points: that of captions in most journals.
const FONT_SIZE: f64 = 8.0;

/// Points to a CSS pixel.
const POINTS_PER_PX: f64 = 0.75;

/// Pixels of a PNG to an inch of paper: what most journals ask for.
const PIXELS_PER_INCH: f64 = 300.0;

/// The narrowest sheet, in CSS pixels at the usual size of words: less than a phone, and words are cut.
const NARROWEST: f64 = 300.0;

/// The widest sheet: beyond that, lines can hardly be seen.
const WIDEST: f64 = 4_000.0;

/// Plots are made lower down to this share of their usual height, to fit in the height that was asked for.
const LOWEST: f64 = 0.5;

/// Every chart of a run in such a look, as `NAME.svg` and so on, each with its figures as `NAME.csv`.
///
/// # Errors
/// If analysis and summary are of different runs, if a chart does not fit into the size, or if a library fails.
pub fn charts(
    analysis: &Analysis,
    summary: &Summary,
    look: &Look,
) -> Result<Vec<Artifact>, RenderError> {
    text::register()?;
    let run = RunView::new(analysis, summary)?;
    let place = Placed::of(look)?;
    let mut artifacts = Vec::new();
    for chart in charts::of(&run) {
        artifacts.extend(place.files(&run, &chart, &look.formats)?);
    }
    Ok(artifacts)
}

/// A look, worked out: the sheet, and the size of a CSS pixel of it.
pub(crate) struct Placed {
    sheet: Sheet,
    look: Look,
    /// Points to a CSS pixel of the sheet.
    scale: f64,
}

impl Placed {
    /// # Errors
    /// If words of that size have no room.
    pub(crate) fn of(look: &Look) -> Result<Self, RenderError> {
        let usual = Style::LABEL.size * POINTS_PER_PX;
        let font_size = match (look.font_size, look.size) {
            (Some(size), _) => size,
            (None, Some(_)) => FONT_SIZE,
            (None, None) => usual,
        };
        let width = match look.size {
            Some(size) => size.width.points(),
            None => charts::WIDE.width * POINTS_PER_PX,
        };
        let sheet_width = (width * Style::LABEL.size / font_size).round();
        if !(NARROWEST..=WIDEST).contains(&sheet_width) {
            return Err(RenderError::NoRoom {
                problem: format!(
                    "words of {font_size} pt do not go with a width of {} mm: take a size of words from {} to {} pt",
                    (width / 72.0 * 25.4).round(),
                    tenths((width * Style::LABEL.size / WIDEST).max(4.0), f64::ceil),
                    tenths(width * Style::LABEL.size / NARROWEST, f64::floor)
                ),
            });
        }
        Ok(Self {
            sheet: Sheet {
                titled: look.titled,
                recorded: true,
                ..Sheet::new(sheet_width)
            },
            look: look.clone(),
            scale: width / sheet_width,
        })
    }

    /// The files of a chart.
    ///
    /// # Errors
    /// If it does not fit, or a library fails.
    pub(crate) fn files(
        &self,
        run: &RunView<'_>,
        chart: &Chart,
        formats: &[Picture],
    ) -> Result<Vec<Artifact>, RenderError> {
        let drawing = self.draw(run, chart)?;
        let name = |ending: &str| format!("{}.{ending}", chart.name);
        let mut files = Vec::new();
        for format in formats {
            files.push(artifact(
                &name(format.name()),
                self.paint(&drawing, *format)?,
            ));
        }
        files.push(artifact(&name("csv"), csv(&drawing)?));
        Ok(files)
    }

    /// The chart with its footer, as high as it is to be.
    fn draw(&self, run: &RunView<'_>, chart: &Chart) -> Result<Drawing, RenderError> {
        let drawn = |stretch| {
            let sheet = Sheet {
                stretch,
                ..self.sheet
            };
            charts::with_footer((chart.draw)(run, sheet), run)
        };
        let Some(height) = self.look.size.and_then(|size| size.height) else {
            return Ok(drawn(1.0));
        };
        let room = (height.points() / self.scale).floor();
        let (usual, higher) = (drawn(1.0), drawn(2.0));
        let more = higher.height - usual.height;
        // Without plots there is nothing to stretch. A pixel is for what is rounded up.
        let stretch = match more > 0.0 {
            true => (1.0 + (room - 1.0 - usual.height) / more).max(LOWEST),
            false => 1.0,
        };
        let mut fitted = highest_within(room, stretch, drawn);
        if fitted.height > room {
            let least = drawn(LOWEST).height * self.scale;
            return Err(RenderError::NoRoom {
                problem: format!(
                    "the chart '{}' needs a height of {}: give it more, take smaller words or a greater width, or give only a width",
                    chart.name,
                    height.rounded_up(least)
                ),
            });
        }
        fitted.height = room;
        Ok(fitted)
    }

    /// The whole size, in points.
    fn points(&self, drawing: &Drawing) -> (f64, f64) {
        let width = drawing.width * self.scale;
        let given = self.look.size.and_then(|size| size.height);
        let height = given.map_or(drawing.height.ceil() * self.scale, Length::points);
        (width, height)
    }

    fn paint(&self, drawing: &Drawing, format: Picture) -> Result<Vec<u8>, RenderError> {
        let theme = self.look.theme;
        match format {
            Picture::Svg => Ok(match self.look.size {
                None if self.look.font_size.is_none() => paint::svg_of_size(drawing, theme, None),
                size => {
                    let (width, height) = self.points(drawing);
                    let unit = size.map_or(Length::PIXEL, |size| size.width);
                    let shown = |points| unit.with_points(points).to_string();
                    paint::svg_of_size(drawing, theme, Some((shown(width), shown(height))))
                }
            }?
            .into_bytes()),
            Picture::Png => paint::png(drawing, theme, self.resolution()),
            #[cfg(feature = "pdf")]
            Picture::Pdf => crate::draw::pdf::pdf(drawing, theme, self.points(drawing)),
        }
    }

    fn resolution(&self) -> Resolution {
        let per_inch = match self.look.size {
            None => FINENESS * 96.0,
            Some(Size { width, .. }) if width.unit() == Unit::Pixel => 96.0,
            Some(_) => PIXELS_PER_INCH,
        };
        let is_for_paper = per_inch == PIXELS_PER_INCH;
        Resolution {
            fineness: self.scale / 72.0 * per_inch,
            per_metre: is_for_paper.then_some((PIXELS_PER_INCH / 0.0254).round() as u32),
        }
    }
}

/// The drawing that is the highest within this room: stretched so much, or less where rows with many words grow later than others.
/// One that is too high if none fits.
fn highest_within(room: f64, stretch: f64, drawn: impl Fn(f64) -> Drawing) -> Drawing {
    /// Halvings of the interval: finer than a pixel.
    const HALVINGS: usize = 12;
    let first = drawn(stretch);
    if first.height <= room {
        return first;
    }
    let mut best = drawn(LOWEST);
    let (mut low, mut high) = (LOWEST, stretch);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        let drawing = drawn(middle);
        if drawing.height <= room {
            (low, best) = (middle, drawing);
        } else {
            high = middle;
        }
    }
    best
}

fn tenths(figure: f64, whole: fn(f64) -> f64) -> f64 {
    whole(figure * 10.0) / 10.0
}
