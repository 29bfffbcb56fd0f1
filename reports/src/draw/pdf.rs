//! Drawings as PDF: a page as large as the drawing, with real text in the embedded font, of which only the used glyphs are in the
//! file. It has no date, so the same drawing gives the same bytes.

use std::collections::BTreeMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{CidFontType, FontFlags, LineCapStyle, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, Stream, TextStr};
use subsetter::GlyphRemapper;
use ttf_parser::Face;

use super::text::{BOLD, REGULAR};
use super::{Align, Drawing, Ink, Paint, Point, Shape, Style};
use crate::RenderError;
use crate::palette::Theme;

/// Control points of a quarter of a circle lie this share of the radius from its ends.
const ROUND: f64 = 0.552_284_75;

/// Adobe's name for a set of characters that are numbered as in the font itself.
const IDENTITY: SystemInfo<'_> = SystemInfo {
    registry: Str(b"Adobe"),
    ordering: Str(b"Identity"),
    supplement: 0,
};

/// The drawing as PDF, on such a ground. `size` is that of the page in points, over the width of the drawing.
///
/// # Errors
/// If the embedded font cannot be read, or a library fails.
pub(crate) fn pdf(
    drawing: &Drawing,
    theme: Theme,
    (width, height): (f64, f64),
) -> Result<Vec<u8>, RenderError> {
    let fonts = [Font::read("F0", REGULAR)?, Font::read("F1", BOLD)?];
    let mut canvas = Canvas {
        content: Content::new(),
        theme,
        opacities: BTreeMap::new(),
        fonts,
    };
    let scale = (width / drawing.width) as f32;
    // From the top, as drawings have it.
    let from_top = [scale, 0.0, 0.0, -scale, 0.0, height as f32];
    canvas.content.transform(from_top);
    let whole = (drawing.width, height / f64::from(scale));
    canvas.fill(Ink::Ground.into(), |content| {
        content.rect(0.0, 0.0, whole.0 as f32, whole.1 as f32);
    });
    for shape in &drawing.shapes {
        canvas.shape(shape);
    }
    canvas.finish(drawing, (width as f32, height as f32))
}

/// A page on which shapes are drawn.
struct Canvas {
    content: Content,
    theme: Theme,
    /// The name of each opacity in percent that is used.
    opacities: BTreeMap<u32, String>,
    fonts: [Font; 2],
}

impl Canvas {
    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Box { from, to, paint } => {
                let size = (to.0 - from.0, to.1 - from.1);
                self.fill(*paint, |content| {
                    content.rect(from.0 as f32, from.1 as f32, size.0 as f32, size.1 as f32);
                });
            }
            Shape::Path {
                points,
                width,
                paint,
            } => {
                self.stroke(*paint, *width, LineCapStyle::ButtCap, |content| {
                    trace(content, points);
                });
            }
            Shape::Area { points, paint } => self.fill(*paint, |content| {
                trace(content, points);
                content.close_path();
            }),
            Shape::Strokes {
                lines,
                width,
                paint,
            } => self.stroke(*paint, *width, LineCapStyle::RoundCap, |content| {
                for (from, to) in lines {
                    trace(content, &[*from, *to]);
                }
            }),
            Shape::Dot { at, radius, paint } => {
                self.fill(*paint, |content| circle(content, *at, *radius));
            }
            Shape::Trial(_) | Shape::TrialEnd => {}
            Shape::Text { at, text, style } => self.text(*at, text, *style),
        }
    }

    fn fill(&mut self, paint: Paint, trace: impl FnOnce(&mut Content)) {
        self.content.save_state();
        self.set_opacity(paint);
        let [red, green, blue] = self.colour(paint);
        self.content.set_fill_rgb(red, green, blue);
        trace(&mut self.content);
        self.content.fill_nonzero();
        self.content.restore_state();
    }

    fn stroke(
        &mut self,
        paint: Paint,
        width: f64,
        cap: LineCapStyle,
        trace: impl FnOnce(&mut Content),
    ) {
        self.content.save_state();
        self.set_opacity(paint);
        let [red, green, blue] = self.colour(paint);
        self.content.set_stroke_rgb(red, green, blue);
        self.content.set_line_width(width as f32);
        self.content.set_line_cap(cap);
        trace(&mut self.content);
        self.content.stroke();
        self.content.restore_state();
    }

    fn text(&mut self, (x, y): Point, text: &str, style: Style) {
        let font = &mut self.fonts[usize::from(style.bold)];
        let shown = font.encode(text);
        let width = shown.em * style.size;
        let left = match style.align {
            Align::Left => x,
            Align::Centre => x - width / 2.0,
            Align::Right => x - width,
        };
        let line = y + font.x_height / 2.0 * style.size;
        let name = font.name;
        let [red, green, blue] = self.colour(style.ink.into());
        self.content.begin_text();
        self.content.set_fill_rgb(red, green, blue);
        self.content
            .set_font(Name(name.as_bytes()), style.size as f32);
        // Upright again, since the page is turned over.
        let upright = [1.0, 0.0, 0.0, -1.0, left as f32, line as f32];
        self.content.set_text_matrix(upright);
        self.content.show(Str(&shown.glyphs));
        self.content.end_text();
    }

    fn set_opacity(&mut self, paint: Paint) {
        if paint.opacity < 1.0 {
            let percent = (paint.opacity * 100.0).round() as u32;
            let name = self.opacities.entry(percent);
            let name = name.or_insert_with(|| format!("O{percent}"));
            self.content.set_parameters(Name(name.as_bytes()));
        }
    }

    fn colour(&self, paint: Paint) -> [f32; 3] {
        let (red, green, blue) = paint.ink.rgb(self.theme);
        [red, green, blue].map(|part| f32::from(part) / 255.0)
    }

    /// The file.
    fn finish(self, drawing: &Drawing, size: (f32, f32)) -> Result<Vec<u8>, RenderError> {
        let mut refs = (1..).map(Ref::new);
        let mut next = || refs.next().unwrap_or(Ref::new(i32::MAX));
        let (catalog, tree, page, content, info) = (next(), next(), next(), next(), next());
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(tree);
        pdf.pages(tree).kids([page]).count(1);
        let title = TextStr(&drawing.label);
        pdf.document_info(info).title(title);
        let fonts = self.fonts.iter().filter(|font| font.is_used());
        let fonts: Vec<(&Font, Ref)> = fonts.map(|font| (font, next())).collect();
        let opacities = self.opacities.iter();
        let opacities: Vec<_> = opacities
            .map(|(share, name)| (share, name, next()))
            .collect();
        {
            let mut page = pdf.page(page);
            page.media_box(Rect::new(0.0, 0.0, size.0, size.1));
            page.parent(tree).contents(content);
            let mut resources = page.resources();
            let mut named = resources.fonts();
            for (font, at) in &fonts {
                named.pair(Name(font.name.as_bytes()), *at);
            }
            named.finish();
            let mut named = resources.ext_g_states();
            for (_, name, at) in &opacities {
                named.pair(Name(name.as_bytes()), *at);
            }
        }
        for (percent, _, at) in &opacities {
            let share = **percent as f32 / 100.0;
            pdf.ext_graphics(*at)
                .non_stroking_alpha(share)
                .stroking_alpha(share);
        }
        stream(&mut pdf, content, &self.content.finish())?;
        for (font, at) in fonts {
            font.write(&mut pdf, at, &mut next)?;
        }
        Ok(pdf.finish())
    }
}

fn trace(content: &mut Content, points: &[Point]) {
    for (place, (x, y)) in points.iter().enumerate() {
        match place {
            0 => content.move_to(*x as f32, *y as f32),
            _ => content.line_to(*x as f32, *y as f32),
        };
    }
}

fn circle(content: &mut Content, (x, y): Point, radius: f64) {
    let at = |dx: f64, dy: f64| ((x + dx * radius) as f32, (y + dy * radius) as f32);
    let start = at(1.0, 0.0);
    content.move_to(start.0, start.1);
    // From each of the four outermost points to the next.
    for (dx, dy) in [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)] {
        let (to_x, to_y) = (-dy, dx);
        let first = at(dx + to_x * ROUND, dy + to_y * ROUND);
        let second = at(to_x + dx * ROUND, to_y + dy * ROUND);
        let end = at(to_x, to_y);
        content.cubic_to(first.0, first.1, second.0, second.1, end.0, end.1);
    }
    content.close_path();
}

/// Writes a stream, compressed.
fn stream(pdf: &mut Pdf, at: Ref, bytes: &[u8]) -> Result<(), RenderError> {
    stream_with(pdf, at, bytes, |_| {})
}

/// The same with what else its dictionary holds.
fn stream_with(
    pdf: &mut Pdf,
    at: Ref,
    bytes: &[u8],
    also: impl FnOnce(&mut Stream<'_>),
) -> Result<(), RenderError> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    let packed = packed.map_err(|error| RenderError::Draw {
        chart: "PDF".to_owned(),
        problem: error.to_string(),
    })?;
    let mut stream = pdf.stream(at, &packed);
    stream.filter(Filter::FlateDecode);
    also(&mut stream);
    Ok(())
}

/// The embedded font, and which glyphs are used.
struct Font {
    name: &'static str,
    bytes: &'static [u8],
    face: Face<'static>,
    glyphs: GlyphRemapper,
    /// The characters of the used glyphs, by their new numbers.
    characters: BTreeMap<u16, (char, u16)>,
    /// In em.
    x_height: f64,
}

/// A text in a font.
struct Encoded {
    /// The new number of each glyph, in two bytes.
    glyphs: Vec<u8>,
    /// The width in em.
    em: f64,
}

impl Font {
    fn read(name: &'static str, bytes: &'static [u8]) -> Result<Self, RenderError> {
        let face = Face::parse(bytes, 0).map_err(|_| RenderError::Font)?;
        let x_height = face.x_height().map_or(0.5, |height| {
            f64::from(height) / f64::from(face.units_per_em())
        });
        Ok(Self {
            name,
            bytes,
            face,
            glyphs: GlyphRemapper::new(),
            characters: BTreeMap::new(),
            x_height,
        })
    }

    fn is_used(&self) -> bool {
        !self.characters.is_empty()
    }

    fn encode(&mut self, text: &str) -> Encoded {
        let mut encoded = Encoded {
            glyphs: Vec::with_capacity(text.len() * 2),
            em: 0.0,
        };
        for character in text.chars() {
            let glyph = self.face.glyph_index(character).unwrap_or_default();
            let advance = self.face.glyph_hor_advance(glyph).unwrap_or_default();
            let number = self.glyphs.remap(glyph.0);
            self.characters.insert(number, (character, advance));
            encoded.glyphs.extend(number.to_be_bytes());
            encoded.em += f64::from(advance) / f64::from(self.face.units_per_em());
        }
        encoded
    }

    /// In thousandths of an em.
    fn thousandths(&self, units: i16) -> f32 {
        f32::from(units) * 1_000.0 / f32::from(self.face.units_per_em())
    }

    /// The name in the file: six letters say that it is a part of the font.
    fn full_name(&self) -> &'static str {
        match self.face.is_bold() {
            true => "COMEBK+DejaVuSans-Bold",
            false => "COMEBK+DejaVuSans",
        }
    }

    /// Writes the font with the used glyphs, below this number.
    fn write(
        &self,
        pdf: &mut Pdf,
        at: Ref,
        mut next: impl FnMut() -> Ref,
    ) -> Result<(), RenderError> {
        let (cid, descriptor, file, map) = (next(), next(), next(), next());
        let name = Name(self.full_name().as_bytes());
        pdf.type0_font(at)
            .base_font(name)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(cid)
            .to_unicode(map);
        let mut font = pdf.cid_font(cid);
        font.subtype(CidFontType::Type2)
            .base_font(name)
            .system_info(IDENTITY)
            .font_descriptor(descriptor)
            .default_width(0.0)
            .cid_to_gid_map_predefined(Name(b"Identity"));
        let mut widths = font.widths();
        for (number, (_, advance)) in &self.characters {
            let per_em = f32::from(self.face.units_per_em());
            widths.consecutive(*number, [f32::from(*advance) * 1_000.0 / per_em]);
        }
        widths.finish();
        font.finish();
        let bounds = self.face.global_bounding_box();
        let rect = Rect::new(
            self.thousandths(bounds.x_min),
            self.thousandths(bounds.y_min),
            self.thousandths(bounds.x_max),
            self.thousandths(bounds.y_max),
        );
        pdf.font_descriptor(descriptor)
            .name(name)
            .flags(FontFlags::SYMBOLIC)
            .bbox(rect)
            .italic_angle(0.0)
            .ascent(self.thousandths(self.face.ascender()))
            .descent(self.thousandths(self.face.descender()))
            .cap_height(self.thousandths(self.face.capital_height().unwrap_or_default()))
            .stem_v(if self.face.is_bold() { 160.0 } else { 90.0 })
            .font_file2(file);
        let part = subsetter::subset(self.bytes, 0, &self.glyphs);
        let part = part.map_err(|_| RenderError::Font)?;
        let length = i32::try_from(part.len()).unwrap_or(i32::MAX);
        stream_with(pdf, file, &part, |stream| {
            stream.pair(Name(b"Length1"), length);
        })?;
        let mut unicode = UnicodeCmap::new(Name(b"Custom"), IDENTITY);
        for (number, (character, _)) in &self.characters {
            unicode.pair(*number, *character);
        }
        stream(pdf, map, &unicode.finish())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn the_same_drawing_gives_the_same_file_and_only_used_glyphs_are_in_it() {
        let mut drawing = Drawing::new(100.0, "a chart");
        drawing.height = 50.0;
        drawing.text((5.0, 10.0), "1 trial … ≤ 95 %", Style::LABEL);
        drawing.dot((20.0, 20.0), 4.0, Ink::Loss.faint(0.5));
        let made = || pdf(&drawing, Theme::Dark, (240.0, 120.0)).unwrap();
        let bytes = made();
        assert_eq!(bytes, made());
        assert!(bytes.starts_with(b"%PDF-"));
        assert!((1_000..60_000).contains(&bytes.len()), "{}", bytes.len());
        let text = String::from_utf8_lossy(&bytes);
        // Not the bold one, in which nothing is written.
        assert!(text.contains("COMEBK+DejaVuSans") && !text.contains("Sans-Bold"));
        assert!(text.contains("/FontFile2") && text.contains("[0 0 240 120]"));
    }
}
