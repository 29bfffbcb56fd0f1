//! Drawings to bytes: SVG with real text, and PNG at twice the size with the embedded font.
//!
//! Both are drawn by plotters' backends on a grid of half CSS pixels, since a backend knows whole pixels
//! only. The SVG then gets the intended size, so that its own unit is half a CSS pixel.

use plotters::prelude::{
    BitMapBackend, Circle, DrawingArea, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea,
    PathElement, Polygon, Rectangle, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, RGBAColor, ShapeStyle, TextStyle};

use super::text::LINE_PER_EM;
use super::{Align, Drawing, Ink, Paint, Point, Shape, Style};
use crate::RenderError;

/// Backend pixels to a CSS pixel.
const FINENESS: f64 = 2.0;

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
    svg_for(drawing, Place::File)
}

/// The drawing as SVG on a page that shows the trials: the shapes of a trial link to it.
///
/// # Errors
/// If the backend fails.
pub(crate) fn svg_in_page(drawing: &Drawing) -> Result<String, RenderError> {
    svg_for(drawing, Place::Page)
}

/// Where an SVG is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    File,
    Page,
}

fn svg_for(drawing: &Drawing, place: Place) -> Result<String, RenderError> {
    let size = pixels(drawing);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        paint(&area, drawing, Format::Svg).map_err(|error| failed(drawing, &error))?;
    }
    let text = with_own_parts(text, drawing, place);
    // Screen readers do not see the links inside an image.
    let role = match place {
        Place::File => "img",
        Place::Page => "group",
    };
    let from = format!("<svg width=\"{}\" height=\"{}\"", size.0, size.1);
    let to = format!(
        "<svg width=\"{}\" height=\"{}\" font-family=\"{FONTS}\" role=\"{role}\" aria-label=\"{}\"",
        drawing.width,
        drawing.height.ceil(),
        escape(&drawing.label)
    );
    Ok(text
        .replacen(&from, &to, 1)
        .replace(" font-family=\"sans-serif\"", "")
        .replace(" opacity=\"1\"", ""))
}

/// The placeholder in the SVG backend's output for elements that it has no shape for.
const OWN: &str = "<circle cx=\"0\" cy=\"0\" r=\"0\"";

/// The SVG with these parts in their places: strokes, each group as one path of a number or two for each line, and links to trials.
fn with_own_parts(text: String, drawing: &Drawing, place: Place) -> String {
    let own = drawing.shapes.iter().filter_map(|shape| match shape {
        Shape::Strokes {
            lines,
            width,
            paint,
        } => Some(path(lines, *width, *paint) + "\n"),
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

/// Lines as a path, each from where the last one began.
fn path(lines: &[(Point, Point)], width: f64, paint: Paint) -> String {
    let mut data = String::with_capacity(lines.len() * 8);
    let (mut x, mut y) = (0, 0);
    for (from, to) in lines {
        let ((left, top), (right, bottom)) = (pixel(*from), pixel(*to));
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
    let (red, green, blue) = paint.ink.rgb();
    let opacity = match paint.opacity < 1.0 {
        true => format!(" opacity=\"{}\"", paint.opacity),
        false => String::new(),
    };
    format!(
        "<path fill=\"none\"{opacity} stroke=\"#{red:02X}{green:02X}{blue:02X}\" stroke-width=\"{}\" stroke-linecap=\"round\" d=\"{data}\"/>",
        width * FINENESS
    )
}

/// The drawing as PNG.
///
/// # Errors
/// If the backend or the encoder fails.
pub(crate) fn png(drawing: &Drawing) -> Result<Vec<u8>, RenderError> {
    let (width, height) = pixels(drawing);
    let mut pixels = vec![0xff; width as usize * height as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        paint(&area, drawing, Format::Png).map_err(|error| failed(drawing, &error))?;
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
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

fn pixels(drawing: &Drawing) -> (u32, u32) {
    let whole = |length: f64| (length.ceil() * FINENESS) as u32;
    (whole(drawing.width), whole(drawing.height))
}

fn pixel((x, y): Point) -> (i32, i32) {
    ((x * FINENESS).round() as i32, (y * FINENESS).round() as i32)
}

type Area<B> = DrawingArea<B, plotters::coord::Shift>;
type Failure<B> = DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>;

fn paint<B: DrawingBackend>(
    area: &Area<B>,
    drawing: &Drawing,
    format: Format,
) -> Result<(), Failure<B>> {
    let whole = (drawing.width, drawing.height.ceil());
    area.draw(&Rectangle::new(
        [pixel((0.0, 0.0)), pixel(whole)],
        colour(Ink::Ground.into()).filled(),
    ))?;
    for shape in &drawing.shapes {
        draw(area, shape, format)?;
    }
    area.present()
}

fn draw<B: DrawingBackend>(
    area: &Area<B>,
    shape: &Shape,
    format: Format,
) -> Result<(), Failure<B>> {
    match shape {
        Shape::Box { from, to, paint } => area.draw(&Rectangle::new(
            [pixel(*from), pixel(*to)],
            colour(*paint).filled(),
        )),
        Shape::Path {
            points,
            width,
            paint,
        } => area.draw(&PathElement::new(
            points.iter().copied().map(pixel).collect::<Vec<_>>(),
            ShapeStyle {
                color: colour(*paint),
                filled: false,
                stroke_width: (width * FINENESS).round() as u32,
            },
        )),
        Shape::Strokes { .. } | Shape::Trial(_) | Shape::TrialEnd if format == Format::Svg => {
            area.draw(&Circle::new((0, 0), 0, colour(Ink::Text.into()).filled()))
        }
        Shape::Trial(_) | Shape::TrialEnd => Ok(()),
        Shape::Strokes {
            lines,
            width,
            paint,
        } => lines
            .iter()
            .try_for_each(|line| stroke(area, *line, *width, *paint)),
        Shape::Area { points, paint } => area.draw(&Polygon::new(
            points.iter().copied().map(pixel).collect::<Vec<_>>(),
            colour(*paint).filled(),
        )),
        Shape::Dot { at, radius, paint } => area.draw(&Circle::new(
            pixel(*at),
            (radius * FINENESS).round() as i32,
            colour(*paint).filled(),
        )),
        Shape::Text { at, text, style } => draw_text(area, *at, text, *style, format),
    }
}

/// A short line with round ends.
fn stroke<B: DrawingBackend>(
    area: &Area<B>,
    (from, to): (Point, Point),
    width: f64,
    paint: Paint,
) -> Result<(), Failure<B>> {
    let ends = [pixel(from), pixel(to)];
    for end in ends {
        let radius = (width * FINENESS / 2.0).round() as i32;
        area.draw(&Circle::new(end, radius, colour(paint).filled()))?;
    }
    let style = ShapeStyle {
        color: colour(paint),
        filled: false,
        stroke_width: (width * FINENESS).round() as u32,
    };
    area.draw(&PathElement::new(ends.to_vec(), style))
}

fn draw_text<B: DrawingBackend>(
    area: &Area<B>,
    at: Point,
    text: &str,
    style: Style,
    format: Format,
) -> Result<(), Failure<B>> {
    let (per_em, rise) = match format {
        Format::Svg => (SVG_PER_EM, 0.0),
        Format::Png => (LINE_PER_EM, PNG_RISE),
    };
    // Made whole: a font's style changed later does not change its glyphs.
    let font = FontDesc::new(
        FontFamily::SansSerif,
        style.size * FINENESS * per_em,
        style.weight(),
    );
    let side = match style.align {
        Align::Left => HPos::Left,
        Align::Centre => HPos::Center,
        Align::Right => HPos::Right,
    };
    let ink = colour(style.ink.into());
    let style_of_text = TextStyle::from(font)
        .color(&ink)
        .pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(
        text,
        pixel((at.0, at.1 + rise * style.size)),
        style_of_text,
    ))
}

fn colour(paint: Paint) -> RGBAColor {
    let (red, green, blue) = paint.ink.rgb();
    RGBAColor(red, green, blue, paint.opacity)
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
