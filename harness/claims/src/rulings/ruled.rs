//! A ruling: whether a claim holds, and the figures that decide it.

use comeback_model::claims::{Chart, Ruling};
use comeback_statistics::wilson;

/// What is found of a claim, or why a run cannot tell.
pub(crate) type RulingResult = Result<Ruled, Open>;

/// A ruling, with its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruled {
    /// Whether the claim holds.
    pub ruling: Ruling,
    /// The figures that decide, with their intervals.
    pub figure: String,
    /// The same, as a chart.
    pub chart: Chart,
    /// Why they decide it so.
    pub because: String,
    /// What would change it.
    pub otherwise: String,
}

/// Why a run cannot tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open(pub(super) String);

impl Ruled {
    /// This run cannot tell, for this reason.
    pub fn open(because: String) -> Self {
        Open(because).into()
    }
}

impl From<Open> for Ruled {
    fn from(Open(because): Open) -> Self {
        Self {
            ruling: Ruling::Inconclusive,
            figure: "–".to_owned(),
            chart: Chart::default(),
            because,
            otherwise: "a run in which all of it is measured".to_owned(),
        }
    }
}

pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

/// `25 % (23 % to 26 %)`: a share with its 95 % interval (Wilson), which takes requests for independent.
pub(super) fn percent_of(part: u64, whole: u64) -> String {
    let of = |share: f64| format!("{:.0} %", share * 100.0);
    let middle = of(share(part, whole));
    match wilson(part, whole) {
        Some(interval) if of(interval.low) != of(interval.high) => {
            format!("{middle} ({} to {})", of(interval.low), of(interval.high))
        }
        Some(_) | None => middle,
    }
}
