//! How charts are to look outside of the report: for a paper or a slide.

use std::fmt;
use std::str::FromStr;

use crate::palette::Theme;

/// How charts are to look in files of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The files of each chart.
    pub formats: Vec<Picture>,
    /// The size of each chart. Without it a chart is as wide as in the report.
    pub size: Option<Size>,
    /// The size of ordinary words, in points. Title and numbers are larger or smaller in proportion.
    pub font_size: Option<f64>,
    /// The colours.
    pub theme: Theme,
    /// Whether title and subtitle are drawn. In a paper, they are in the caption.
    pub titled: bool,
}

impl Default for Look {
    /// As the charts beside a report.
    fn default() -> Self {
        Self {
            formats: vec![Picture::Svg, Picture::Png],
            size: None,
            font_size: None,
            theme: Theme::Light,
            titled: true,
        }
    }
}

/// A format of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Lines and words, in the reader's own font.
    Svg,
    /// Pixels.
    Png,
    /// Lines and words, with the font.
    #[cfg(feature = "pdf")]
    Pdf,
}

impl Picture {
    /// Every format.
    pub const ALL: &[Self] = &[
        Self::Svg,
        Self::Png,
        #[cfg(feature = "pdf")]
        Self::Pdf,
    ];

    /// Its name, which also ends the names of its files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
            #[cfg(feature = "pdf")]
            Self::Pdf => "pdf",
        }
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Picture {
    type Err = LookError;

    fn from_str(text: &str) -> Result<Self, LookError> {
        let named = Self::ALL.iter().find(|picture| picture.name() == text);
        named
            .copied()
            .ok_or_else(|| LookError::Format(text.to_owned()))
    }
}

/// A unit of length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Millimetres.
    Millimetre,
    /// Inches.
    Inch,
    /// Points, 72 to an inch.
    Point,
    /// CSS pixels, 96 to an inch.
    Pixel,
}

impl Unit {
    const ALL: [Self; 4] = [Self::Millimetre, Self::Inch, Self::Point, Self::Pixel];

    const fn name(self) -> &'static str {
        match self {
            Self::Millimetre => "mm",
            Self::Inch => "in",
            Self::Point => "pt",
            Self::Pixel => "px",
        }
    }

    const fn points(self) -> f64 {
        match self {
            Self::Millimetre => 72.0 / 25.4,
            Self::Inch => 72.0,
            Self::Point => 1.0,
            Self::Pixel => 72.0 / 96.0,
        }
    }
}

/// A length on paper or on a screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    value: f64,
    unit: Unit,
}

/// The shortest and the longest side of a chart, in points: a stamp and a poster.
const SIDES: (f64, f64) = (36.0, 7_200.0);

impl Length {
    /// One CSS pixel.
    pub(crate) const PIXEL: Self = Self {
        value: 1.0,
        unit: Unit::Pixel,
    };

    /// In points, 72 to an inch.
    pub fn points(self) -> f64 {
        self.value * self.unit.points()
    }

    /// Its unit.
    pub const fn unit(self) -> Unit {
        self.unit
    }

    /// So many points in this one's unit, up to a whole or a tenth of it.
    pub(crate) fn rounded_up(self, points: f64) -> Self {
        let fine = match self.unit {
            Unit::Inch => 10.0,
            Unit::Millimetre | Unit::Point | Unit::Pixel => 1.0,
        };
        let value = (points / self.unit.points() * fine).ceil() / fine;
        Self { value, ..self }
    }

    /// The length of so many points, in this one's unit.
    pub(crate) fn with_points(self, points: f64) -> Self {
        let value = points / self.unit.points();
        // So many digits are enough for any printer.
        let value = (value * 1_000.0).round() / 1_000.0;
        Self { value, ..self }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.value, self.unit.name())
    }
}

impl FromStr for Length {
    type Err = LookError;

    fn from_str(text: &str) -> Result<Self, LookError> {
        let wrong = || LookError::Length(text.to_owned());
        let ends = |unit: &Unit| text.ends_with(unit.name());
        let unit = Unit::ALL.into_iter().find(ends).ok_or_else(wrong)?;
        let number = text[..text.len() - unit.name().len()].trim_end();
        let is_plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
        let value = number.parse().ok().filter(|_| is_plain);
        let length = Self {
            value: value.ok_or_else(wrong)?,
            unit,
        };
        match (SIDES.0..=SIDES.1).contains(&length.points()) {
            true => Ok(length),
            false => Err(LookError::Side(text.to_owned())),
        }
    }
}

/// The size of a chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// How wide it is.
    pub width: Length,
    /// How high it is. Without it a chart is as high as what is on it.
    pub height: Option<Length>,
}

impl FromStr for Size {
    type Err = LookError;

    fn from_str(text: &str) -> Result<Self, LookError> {
        // A pixel has an x, too, but ends with it.
        let parting = text.char_indices().find(|(place, c)| {
            let is_of_pixel = text[..*place].ends_with('p');
            matches!(c, 'x' | '×') && !is_of_pixel
        });
        let Some((place, sign)) = parting else {
            let width = text.trim().parse()?;
            return Ok(Self {
                width,
                height: None,
            });
        };
        Ok(Self {
            width: text[..place].trim().parse()?,
            height: Some(text[place + sign.len_utf8()..].trim().parse()?),
        })
    }
}

/// The smallest and the largest size of ordinary words, in points.
const FONT_SIZES: (f64, f64) = (4.0, 72.0);

/// Reads a size of words in points, such as `8` or `8pt`.
///
/// # Errors
/// If it is no number, or cannot be read by anyone.
pub fn parse_font_size(text: &str) -> Result<f64, LookError> {
    let number = text.strip_suffix("pt").unwrap_or(text).trim_end();
    let size = number.parse().ok();
    let is_one = |size: &f64| (FONT_SIZES.0..=FONT_SIZES.1).contains(size);
    size.filter(is_one)
        .ok_or_else(|| LookError::FontSize(text.to_owned()))
}

/// A look that there cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookError {
    /// There is no such format.
    Format(String),
    /// This is no length with a unit.
    Length(String),
    /// Such a chart is too small or too large.
    Side(String),
    /// Words cannot have this size.
    FontSize(String),
}

impl fmt::Display for LookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(text) => {
                let names: Vec<&str> = Picture::ALL.iter().map(|it| it.name()).collect();
                write!(
                    f,
                    "'{text}' is no format of charts: write some of {}, with commas between",
                    names.join(", ")
                )
            }
            Self::Length(text) => write!(
                f,
                "'{text}' is no length: write a number with mm, in, pt or px, such as 85mm or 180mmx90mm"
            ),
            Self::Side(text) => write!(
                f,
                "{text} cannot be the side of a chart: write a length from half an inch (13mm) to 100 inches"
            ),
            Self::FontSize(text) => write!(
                f,
                "'{text}' is no size of words: write a number of points from {} to {}, such as 8",
                FONT_SIZES.0, FONT_SIZES.1
            ),
        }
    }
}

impl std::error::Error for LookError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        let points = |text: &str| {
            let size: Size = text.parse().unwrap();
            let side = |length: Length| (length.points() * 100.0).round() / 100.0;
            (side(size.width), size.height.map(side))
        };
        assert_eq!(points("85mm"), (240.94, None));
        assert_eq!(points("3.5in"), (252.0, None));
        assert_eq!(points("180mmx90mm"), (510.24, Some(255.12)));
        assert_eq!(points("1280pxx720px"), (960.0, Some(540.0)));
        assert_eq!(points("1280px × 400 pt"), (960.0, Some(400.0)));
    }

    #[test]
    fn nonsense_is_no_size() {
        for text in [
            "",
            "85",
            "mm",
            "-85mm",
            "1e3mm",
            "infmm",
            "NaNmm",
            "0mm",
            "85cm",
            "85mmx",
            "x85mm",
            "99999in",
            "85mmx90mmx3mm",
        ] {
            let size: Result<Size, LookError> = text.parse();
            assert!(size.is_err(), "{text}: {size:?}");
        }
        for text in ["", "0", "-8", "inf", "NaN", "8mm", "100"] {
            assert!(parse_font_size(text).is_err(), "{text}");
        }
        assert_eq!(parse_font_size("8pt"), Ok(8.0));
        assert!("gif".parse::<Picture>().is_err());
    }
}
