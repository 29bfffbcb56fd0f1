//! What a chart is drawn on: its width, the height of its plots, and whether it has a title.

/// A sheet for one chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sheet {
    /// Width in CSS pixels at the usual size of words.
    pub(crate) width: f64,
    /// By how much plots are higher than usual.
    pub(crate) stretch: f64,
    /// Whether title and subtitle are drawn.
    pub(crate) titled: bool,
    /// Whether the drawing keeps the figures that are drawn.
    pub(crate) recorded: bool,
}

impl Sheet {
    /// A sheet of this width with a title, on which plots have their usual height.
    pub(crate) const fn new(width: f64) -> Self {
        Self {
            width,
            stretch: 1.0,
            titled: true,
            recorded: false,
        }
    }
}
