//! Drawings as plain data: a list of shapes in CSS pixels. [`paint`] turns one into SVG and PNG, `pdf` into PDF, and [`data`] its
//! figures into CSV.
//!
//! Charts only ever append shapes, so they know neither file formats nor resolutions, and a test can look
//! at where things are.

pub(crate) mod axis;
pub(crate) mod data;
pub(crate) mod paint;
#[cfg(feature = "pdf")]
pub(crate) mod pdf;
pub(crate) mod text;

use comeback_model::ids::TrialId;

pub(crate) use crate::palette::{Ink, Paint};
pub(crate) use data::Datum;
pub(crate) use text::{Align, Style};

/// A place in a drawing: from the left, from the top.
pub(crate) type Point = (f64, f64);

/// Something drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// A filled rectangle.
    Box {
        from: Point,
        to: Point,
        paint: Paint,
    },
    /// Straight lines from point to point.
    Path {
        points: Vec<Point>,
        width: f64,
        paint: Paint,
    },
    /// A filled polygon.
    Area { points: Vec<Point>, paint: Paint },
    /// Many short straight lines with round ends; one without a length is a dot.
    Strokes {
        lines: Vec<(Point, Point)>,
        width: f64,
        paint: Paint,
    },
    /// A filled circle.
    Dot {
        at: Point,
        radius: f64,
        paint: Paint,
    },
    /// The following shapes belong to this trial, up to the next end.
    Trial(u32),
    /// The end of the shapes of a trial.
    TrialEnd,
    /// Words; `at` is half-way up their small letters.
    Text {
        at: Point,
        text: String,
        style: Style,
    },
}

/// A drawing in progress, or done.
#[derive(Clone, Debug)]
pub(crate) struct Drawing {
    /// Width in CSS pixels.
    pub(crate) width: f64,
    /// Height in CSS pixels.
    pub(crate) height: f64,
    /// Its description, for readers who cannot see it.
    pub(crate) label: String,
    /// By how much plots are higher than usual.
    pub(crate) stretch: f64,
    /// The shapes, in the order they are drawn.
    pub(crate) shapes: Vec<Shape>,
    /// The figures that the shapes stand for, where they are kept.
    pub(crate) data: Option<Vec<Datum>>,
}

impl Drawing {
    /// An empty drawing.
    pub(crate) fn new(width: f64, label: &str) -> Self {
        Self {
            width,
            height: 0.0,
            label: label.to_owned(),
            stretch: 1.0,
            shapes: Vec::new(),
            data: None,
        }
    }

    /// The height of a plot on this drawing.
    pub(crate) fn tall(&self, height: f64) -> f64 {
        height * self.stretch
    }

    /// Keeps a figure that is drawn, if there is to be a file with figures.
    pub(crate) fn record(&mut self, datum: impl FnOnce() -> Datum) {
        if let Some(data) = &mut self.data {
            data.push(datum());
        }
    }

    /// A filled rectangle.
    pub(crate) fn fill(&mut self, from: Point, to: Point, paint: impl Into<Paint>) {
        let paint = paint.into();
        self.shapes.push(Shape::Box { from, to, paint });
    }

    /// A straight line.
    pub(crate) fn line(&mut self, from: Point, to: Point, width: f64, paint: impl Into<Paint>) {
        self.path(vec![from, to], width, paint);
    }

    /// A dashed level or upright line.
    pub(crate) fn dashes(&mut self, from: Point, to: Point, width: f64, paint: impl Into<Paint>) {
        const DASH: f64 = 5.0;
        const GAP: f64 = 3.0;
        let paint = paint.into();
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let along = |s: f64| (from.0 + dx * s / length, from.1 + dy * s / length);
        let mut start = 0.0;
        while start < length {
            let end = (start + DASH).min(length);
            self.line(along(start), along(end), width, paint);
            start += DASH + GAP;
        }
    }

    /// Straight lines from point to point.
    pub(crate) fn path(&mut self, points: Vec<Point>, width: f64, paint: impl Into<Paint>) {
        let paint = paint.into();
        self.shapes.push(Shape::Path {
            points,
            width,
            paint,
        });
    }

    /// A filled polygon.
    pub(crate) fn area(&mut self, points: Vec<Point>, paint: impl Into<Paint>) {
        let paint = paint.into();
        self.shapes.push(Shape::Area { points, paint });
    }

    /// Many short straight lines with round ends. Without a length each is a dot.
    pub(crate) fn strokes(
        &mut self,
        lines: Vec<(Point, Point)>,
        width: f64,
        paint: impl Into<Paint>,
    ) {
        let paint = paint.into();
        self.shapes.push(Shape::Strokes {
            lines,
            width,
            paint,
        });
    }

    /// A filled circle.
    pub(crate) fn dot(&mut self, at: Point, radius: f64, paint: impl Into<Paint>) {
        let paint = paint.into();
        self.shapes.push(Shape::Dot { at, radius, paint });
    }

    /// The shapes drawn within belong to this trial: on a page they link to it.
    pub(crate) fn of_trial(&mut self, trial: TrialId, draw: impl FnOnce(&mut Self)) {
        self.shapes.push(Shape::Trial(trial.0));
        draw(self);
        self.shapes.push(Shape::TrialEnd);
    }

    /// A filled circle with a rim of the ground's colour, so that it stands out from the shapes below it.
    pub(crate) fn mark(&mut self, at: Point, radius: f64, paint: impl Into<Paint>) {
        self.dot(at, radius + 1.5, Ink::Ground);
        self.dot(at, radius, paint);
    }

    /// Words on one line.
    pub(crate) fn text(&mut self, at: Point, text: &str, style: Style) {
        self.shapes.push(Shape::Text {
            at,
            text: text.to_owned(),
            style,
        });
    }
}
