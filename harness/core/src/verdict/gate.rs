//! One demand on a run. How it is written is read in [`read`]; what it can be about is in [`metric`].
//! What is known of counts is in [`count`]. Whether it holds is asked in [`judge`], against an absolute bound, and in [`against`], against a
//! baseline; both go by the intervals of [`figure`] and the counts of [`tally`].

mod against;
pub(super) mod contrast;
pub(super) mod count;
pub(super) mod figure;
pub(super) mod judge;
pub(super) mod metric;
mod read;
mod sharpness;
pub(super) mod tally;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(super) use against::REMEASURE;
use count::Count;
pub(super) use figure::Missing;
pub(super) use judge::{Base, Judged};
use metric::{Bearing, METRICS, Metric};
pub use read::GateError;

/// Something demanded of every arm, such as `lost_sessions == 0`, `time_to_ready.median < 2s` or
/// `time_to_ready.median <= baseline + 20% + 100ms`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Gate {
    metric: Metric,
    demand: Demand,
    text: String,
}

/// What is demanded of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Demand {
    /// A bound, in the metric's unit.
    Bound(Relation, f64),
    /// To be no worse than a baseline.
    NoWorse(Allowance),
}

/// How much worse than the baseline a figure may be: the largest of the three.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Allowance {
    /// A share of the baseline's figure.
    relative: f64,
    /// In the metric's unit; of a count, a share of what was counted.
    absolute: f64,
    /// As much as two medians of the baseline may lie apart by chance, up to this.
    noise: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Less,
    AtMost,
    Equal,
    AtLeast,
    Greater,
}

impl Gate {
    /// Whether it is about a baseline, not a bound.
    pub const fn needs_baseline(&self) -> bool {
        match self.demand {
            Demand::NoWorse(_) => true,
            Demand::Bound(_, _) => false,
        }
    }

    /// Whether both are about the same metric.
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        self.metric == other.metric
    }

    /// What it is about.
    pub(super) const fn metric(&self) -> Metric {
        self.metric
    }

    /// Whether it is about the first accepted connection.
    pub(crate) const fn asks_when_it_listens(&self) -> bool {
        matches!(self.metric, Metric::Time(metric::Time::Listen, _))
    }

    /// How much worse than these trials of a baseline a figure may be, in the metric's unit; a bound allows
    /// nothing of the kind.
    pub(super) fn allowed(&self, base: &[Option<f64>]) -> f64 {
        match self.demand {
            Demand::NoWorse(allowance) => allowance.of_samples(base).1,
            Demand::Bound(_, _) => 0.0,
        }
    }

    /// Whether it is about trials in which the service did not come back for good.
    pub(super) const fn is_about_recovery(&self) -> bool {
        matches!(self.metric, Metric::Count(Count::Unrecovered))
    }

    /// What it counts, where that has a bound.
    pub(super) const fn bounded_count(&self) -> Option<Count> {
        match (self.metric, self.demand) {
            (Metric::Count(count), Demand::Bound(_, _)) => Some(count),
            _ => None,
        }
    }

    /// How grave it is when it is broken, the gravest first: what is lost for good before what took long.
    pub(super) fn weight(&self) -> usize {
        let place = METRICS
            .iter()
            .position(|(_, metric)| *metric == self.metric);
        place.unwrap_or(METRICS.len())
    }

    /// What must be clean without any fault for it to be judged.
    pub(super) const fn borne_on_by(&self) -> &'static [Bearing] {
        self.metric.borne_on_by()
    }

    /// Whether a counterexample is one whoever caused it.
    pub(super) const fn is_never_excused(&self) -> bool {
        matches!(self.metric.count(), Some(count) if count.traits().is_never_excused)
    }

    /// Whether it counts what a fault made a server lose.
    pub(super) const fn is_about_loss(&self) -> bool {
        matches!(self.metric.count(), Some(count) if count.traits().is_about_loss)
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Gate> for String {
    fn from(gate: Gate) -> Self {
        gate.text
    }
}
