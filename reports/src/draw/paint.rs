//! Drawings to bytes: SVG with real text, and PNG, usually at twice the size, with the embedded font.
//!
//! Both are drawn by plotters' backends, which know whole pixels only. The SVG is on a grid of half CSS pixels, and then gets
//! the intended size, so that its own unit is half a CSS pixel.

use plotters::prelude::{
    BitMapBackend, Circle, DrawingArea, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea,
    PathElement, Polygon, Rectangle, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, RGBAColor, ShapeStyle, TextStyle};

use super::text::LINE_PER_EM;
use super::{Align, Drawing, Ink, Paint, Point, Shape, Style};
use crate::RenderError;
use crate::palette::Theme;

/// Backend pixels to a CSS pixel: of each SVG, and of a PNG for which nothing else is asked.
pub(crate) const FINENESS: f64 = 2.0;

/// The font size the SVG backend divides by this before it writes it.
const SVG_PER_EM: f64 = 1.24;

/// How far above its SVG place the PNG backend puts a text, in em.
const PNG_RISE: f64 = 0.15;

/// The font of an SVG shown on its own; on a page it has the page's font.
const FONTS: &str = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif";

/// The drawing as SVG, in a file of its own.
///
/// # Errors
/// If the backend fails.
pub(crate) fn svg(drawing: &Drawing) -> Result<String, RenderError> {
    svg_for(drawing, Place::File, Theme::Light, None)
}

/// The drawing as SVG, in a file of its own, on such a ground, and with a width and a height such as `85mm`, if given.
///
/// # Errors
/// If the backend fails.
pub(crate) fn svg_of_size(
    drawing: &Drawing,
    theme: Theme,
    size: Option<(String, String)>,
) -> Result<String, RenderError> {
    svg_for(drawing, Place::File, theme, size)
}

/// The drawing as SVG on a page that shows the trials: the shapes of a trial link to it.
///
/// # Errors
/// If the backend fails.
pub(crate) fn svg_in_page(drawing: &Drawing) -> Result<String, RenderError> {
    svg_for(drawing, Place::Page, Theme::Light, None)
}

/// Where an SVG is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    File,
    Page,
}

fn svg_for(
    drawing: &Drawing,
    place: Place,
    theme: Theme,
    shown: Option<(String, String)>,
) -> Result<String, RenderError> {
    let brush = Brush {
        format: Format::Svg,
        theme,
        fineness: FINENESS,
    };
    let size = brush.pixels(drawing);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        brush
            .paint(&area, drawing)
            .map_err(|error| failed(drawing, &error))?;
    }
    let text = with_own_parts(text, drawing, place, brush);
    // Screen readers do not see the links inside an image.
    let role = match place {
        Place::File => "img",
        Place::Page => "group",
    };
    let (width, height) = shown.unwrap_or_else(|| {
        let whole = |length: f64| length.ceil().to_string();
        (drawing.width.to_string(), whole(drawing.height))
    });
    let from = format!("<svg width=\"{}\" height=\"{}\"", size.0, size.1);
    let to = format!(
        "<svg width=\"{width}\" height=\"{height}\" font-family=\"{FONTS}\" role=\"{role}\" aria-label=\"{}\"",
        escape(&drawing.label)
    );
    Ok(text
        .replacen(&from, &to, 1)
        .replace(" font-family=\"sans-serif\"", "")
        .replace(" opacity=\"1\"", "")
        // What is filled has no stroke unless one is named.
        .replace(" stroke=\"none\" stroke-width=\"1\"", ""))
}

/// The placeholder in the SVG backend's output for elements that it has no shape for.
const OWN: &str = "<circle cx=\"0\" cy=\"0\" r=\"0\"";

/// The SVG with these parts in their places: strokes, each group as one path of a number or two for each line, and links to trials.
fn with_own_parts(text: String, drawing: &Drawing, place: Place, brush: Brush) -> String {
    let own = drawing.shapes.iter().filter_map(|shape| match shape {
        Shape::Strokes {
            lines,
            width,
            paint,
        } => Some(brush.path(lines, *width, *paint) + "\n"),
        Shape::Trial(_) | Shape::TrialEnd if place == Place::File => Some(String::new()),
        // The keyboard reaches trials by their table: a thousand dots would bar its way.
        Shape::Trial(trial) => Some(format!(
            "<a href=\"#trial-{trial}\" tabindex=\"-1\" aria-label=\"trial {trial}\">"
        )),
        Shape::TrialEnd => Some("</a>".to_owned()),
        Shape::Box { .. }
        | Shape::Path { .. }
        | Shape::Area { .. }
        | Shape::Dot { .. }
        | Shape::Text { .. } => None,
    });
    let mut parts = text.split(OWN);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for (part, own) in parts.zip(own) {
        whole.push_str(&own);
        let rest = part.split_once("/>").map_or("", |(_, rest)| rest);
        whole.push_str(rest.strip_prefix('\n').unwrap_or(rest));
    }
    whole
}

/// A PNG's pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Resolution {
    /// Pixels to a CSS pixel of the drawing.
    pub(crate) fineness: f64,
    /// Pixels to a metre of paper, if it is for paper.
    pub(crate) per_metre: Option<u32>,
}

impl Resolution {
    /// That of a chart beside a report.
    pub(crate) const USUAL: Self = Self {
        fineness: FINENESS,
        per_metre: None,
    };
}

/// The drawing as PNG.
///
/// # Errors
/// If the backend or the encoder fails.
pub(crate) fn png(
    drawing: &Drawing,
    theme: Theme,
    resolution: Resolution,
) -> Result<Vec<u8>, RenderError> {
    let brush = Brush {
        format: Format::Png,
        theme,
        fineness: resolution.fineness,
    };
    let (width, height) = brush.pixels(drawing);
    let mut pixels = vec![0xff; width as usize * height as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        brush
            .paint(&area, drawing)
            .map_err(|error| failed(drawing, &error))?;
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let dims = resolution.per_metre.map(|per_metre| png::PixelDimensions {
        xppu: per_metre,
        yppu: per_metre,
        unit: png::Unit::Meter,
    });
    encoder.set_pixel_dims(dims);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels))
        .map_err(|error| failed(drawing, &error))?;
    Ok(bytes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

fn failed(drawing: &Drawing, error: &dyn std::fmt::Display) -> RenderError {
    RenderError::Draw {
        chart: drawing.label.clone(),
        problem: error.to_string(),
    }
}

type Area<B> = DrawingArea<B, plotters::coord::Shift>;
type Failure<B> = DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>;

/// How shapes become pixels.
#[derive(Clone, Copy)]
struct Brush {
    format: Format,
    theme: Theme,
    /// Backend pixels to a CSS pixel.
    fineness: f64,
}

impl Brush {
    fn pixels(self, drawing: &Drawing) -> (u32, u32) {
        let whole = |length: f64| (length.ceil() * self.fineness).round() as u32;
        (whole(drawing.width), whole(drawing.height))
    }

    fn pixel(self, (x, y): Point) -> (i32, i32) {
        let whole = |place: f64| (place * self.fineness).round() as i32;
        (whole(x), whole(y))
    }

    /// A width in backend pixels, of which there is at least one.
    fn stroke_width(self, width: f64) -> u32 {
        ((width * self.fineness).round() as u32).max(1)
    }

    fn colour(self, paint: Paint) -> RGBAColor {
        let (red, green, blue) = paint.ink.rgb(self.theme);
        RGBAColor(red, green, blue, paint.opacity)
    }

    /// Lines as a path, each from where the last one began.
    fn path(self, lines: &[(Point, Point)], width: f64, paint: Paint) -> String {
        let mut data = String::with_capacity(lines.len() * 8);
        let (mut x, mut y) = (0, 0);
        for (from, to) in lines {
            let ((left, top), (right, bottom)) = (self.pixel(*from), self.pixel(*to));
            let step = format!("m{} {}", left - x, top - y);
            data.push_str(&step.replace(" -", "-"));
            let stroke = match (right - left, bottom - top) {
                (dx, 0) => format!("h{dx}"),
                (0, dy) => format!("v{dy}"),
                (dx, dy) => format!("l{dx} {dy}").replace(" -", "-"),
            };
            data.push_str(&stroke);
            (x, y) = (right, bottom);
        }
        let (red, green, blue) = paint.ink.rgb(self.theme);
        let opacity = match paint.opacity < 1.0 {
            true => format!(" opacity=\"{}\"", paint.opacity),
            false => String::new(),
        };
        format!(
            "<path fill=\"none\"{opacity} stroke=\"#{red:02X}{green:02X}{blue:02X}\" stroke-width=\"{}\" stroke-linecap=\"round\" d=\"{data}\"/>",
            width * self.fineness
        )
    }

    fn paint<B: DrawingBackend>(self, area: &Area<B>, drawing: &Drawing) -> Result<(), Failure<B>> {
        let whole = (drawing.width, drawing.height.ceil());
        area.draw(&Rectangle::new(
            [self.pixel((0.0, 0.0)), self.pixel(whole)],
            self.colour(Ink::Ground.into()).filled(),
        ))?;
        for shape in &drawing.shapes {
            self.shape(area, shape)?;
        }
        area.present()
    }

    fn shape<B: DrawingBackend>(self, area: &Area<B>, shape: &Shape) -> Result<(), Failure<B>> {
        match shape {
            Shape::Box { from, to, paint } => area.draw(&Rectangle::new(
                [self.pixel(*from), self.pixel(*to)],
                self.colour(*paint).filled(),
            )),
            Shape::Path {
                points,
                width,
                paint,
            } => {
                let points = points.iter().map(|point| self.pixel(*point));
                let style = self.line(*width, *paint);
                area.draw(&PathElement::new(points.collect::<Vec<_>>(), style))
            }
            Shape::Strokes { .. } | Shape::Trial(_) | Shape::TrialEnd
                if self.format == Format::Svg =>
            {
                let style = self.colour(Ink::Text.into()).filled();
                area.draw(&Circle::new((0, 0), 0, style))
            }
            Shape::Trial(_) | Shape::TrialEnd => Ok(()),
            Shape::Strokes {
                lines,
                width,
                paint,
            } => lines
                .iter()
                .try_for_each(|line| self.stroke(area, *line, *width, *paint)),
            Shape::Area { points, paint } => {
                let points = points.iter().map(|point| self.pixel(*point));
                let style = self.colour(*paint).filled();
                area.draw(&Polygon::new(points.collect::<Vec<_>>(), style))
            }
            Shape::Dot { at, radius, paint } => area.draw(&Circle::new(
                self.pixel(*at),
                (radius * self.fineness).round() as i32,
                self.colour(*paint).filled(),
            )),
            Shape::Text { at, text, style } => self.text(area, *at, text, *style),
        }
    }

    fn line(self, width: f64, paint: Paint) -> ShapeStyle {
        ShapeStyle {
            color: self.colour(paint),
            filled: false,
            stroke_width: self.stroke_width(width),
        }
    }

    /// A short line with round ends.
    fn stroke<B: DrawingBackend>(
        self,
        area: &Area<B>,
        (from, to): (Point, Point),
        width: f64,
        paint: Paint,
    ) -> Result<(), Failure<B>> {
        let ends = [self.pixel(from), self.pixel(to)];
        for end in ends {
            let radius = (width * self.fineness / 2.0).round() as i32;
            area.draw(&Circle::new(end, radius, self.colour(paint).filled()))?;
        }
        area.draw(&PathElement::new(ends.to_vec(), self.line(width, paint)))
    }

    fn text<B: DrawingBackend>(
        self,
        area: &Area<B>,
        at: Point,
        text: &str,
        style: Style,
    ) -> Result<(), Failure<B>> {
        let (per_em, rise) = match self.format {
            Format::Svg => (SVG_PER_EM, 0.0),
            Format::Png => (LINE_PER_EM, PNG_RISE),
        };
        // Made whole: a font's style changed later does not change its glyphs.
        let font = FontDesc::new(
            FontFamily::SansSerif,
            style.size * self.fineness * per_em,
            style.weight(),
        );
        let side = match style.align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        let ink = self.colour(style.ink.into());
        let style_of_text = TextStyle::from(font)
            .color(&ink)
            .pos(Pos::new(side, VPos::Center));
        area.draw(&Text::new(
            text,
            self.pixel((at.0, at.1 + rise * style.size)),
            style_of_text,
        ))
    }
}

/// Text as the value of an XML attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(c),
        }
    }
    escaped
}
