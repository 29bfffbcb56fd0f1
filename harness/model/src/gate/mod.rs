//! One demand on a run, as it is written. How it is read is in `read`; what it can be about is in `metric`, and what is
//! known of counts in `count`. Whether it holds is the verdict's to say.

mod count;
mod metric;
mod read;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use count::{Bearing, Count, Traits};
pub use metric::{METRICS, Metric, Part, Quantile, Served, Stat, Time, Unit};
pub use read::GateError;

/// Something demanded of every arm, such as `lost_sessions == 0`, `time_to_ready.median < 2s` or
/// `time_to_ready.median <= baseline + 20% + 100ms`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Gate {
    metric: Metric,
    demand: Demand,
    /// It is asked only of an arm whose control has none of what it counts.
    needs_clean_control: bool,
    text: String,
}

/// The demand on a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Demand {
    /// A bound, in the metric's unit.
    Bound(Relation, f64),
    /// To be no worse than a baseline.
    NoWorse(Allowance),
}

/// How much worse than the baseline a figure may be: the largest of the three.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    /// A share of the baseline's figure.
    pub relative: f64,
    /// In the metric's unit. For a count, a share of the whole.
    pub absolute: f64,
    /// As much as two medians of the baseline may lie apart by chance, up to this.
    pub noise: f64,
}

/// How a figure lies to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Below the bound.
    Less,
    /// At the bound or below.
    AtMost,
    /// At the bound.
    Equal,
    /// At the bound or above.
    AtLeast,
    /// Above the bound.
    Greater,
}

impl Relation {
    /// Whether it holds for a figure.
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::AtMost => value <= bound,
            Self::Equal => value == bound,
            Self::AtLeast => value >= bound,
            Self::Greater => value > bound,
        }
    }

    /// Whether it holds for the whole interval or for none of it; `None` when only for a part.
    pub fn holds_within(self, (low, high): (f64, f64), bound: f64) -> Option<bool> {
        match [low, high].map(|end| self.holds(end, bound)) {
            [true, true] => Some(true),
            // The ends of an interval differ from a bound that lies between them.
            [false, false] if self == Self::Equal && low < bound && bound < high => None,
            [false, false] => Some(false),
            [true, false] | [false, true] => None,
        }
    }
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

    /// Its metric.
    pub const fn metric(&self) -> Metric {
        self.metric
    }

    /// Its demand.
    pub const fn demand(&self) -> Demand {
        self.demand
    }

    /// Whether it is asked only of an arm whose control has none of what it counts.
    pub const fn needs_clean_control(&self) -> bool {
        self.needs_clean_control
    }

    /// Whether it is about the first accepted connection.
    pub const fn asks_when_it_listens(&self) -> bool {
        matches!(self.metric, Metric::Time(Time::Listen, _))
    }

    /// Whether it is about trials in which the service did not come back for good.
    pub const fn is_about_recovery(&self) -> bool {
        matches!(self.metric, Metric::Count(Count::Unrecovered))
    }

    /// Its count, if that has a bound.
    pub const fn bounded_count(&self) -> Option<Count> {
        match (self.metric, self.demand) {
            (Metric::Count(count), Demand::Bound(_, _)) => Some(count),
            _ => None,
        }
    }

    /// The order of broken gates, the gravest first: losses before times.
    pub fn weight(&self) -> usize {
        let place = METRICS
            .iter()
            .position(|(_, metric)| *metric == self.metric);
        place.unwrap_or(METRICS.len())
    }

    /// What must be clean without any fault for it to be judged.
    pub const fn borne_on_by(&self) -> &'static [Bearing] {
        self.metric.borne_on_by()
    }

    /// Whether a counterexample counts, whatever caused it.
    pub const fn is_never_excused(&self) -> bool {
        matches!(self.metric.count(), Some(count) if count.traits().is_never_excused)
    }

    /// Whether it counts losses by a fault.
    pub const fn is_about_loss(&self) -> bool {
        matches!(self.metric.count(), Some(count) if count.traits().is_about_loss)
    }

    /// Whether it is judged by an interval, so that chance alone may break it. One failure refutes that nothing
    /// fails, and needs none.
    pub fn is_statistical(&self) -> bool {
        let is_exact_at = |bound: f64| match self.is_upper() {
            true => bound <= 0.0,
            false => bound >= 1.0,
        };
        match (self.metric, self.demand) {
            (Metric::Count(_) | Metric::ErrorRate(Part::Control), _) => false,
            (Metric::Time(_, Stat::Max), _) => false,
            (Metric::ErrorRate(_) | Metric::Served(_), Demand::Bound(_, bound)) => {
                !is_exact_at(bound)
            }
            (_, _) => true,
        }
    }

    /// Whether more is worse.
    pub const fn is_upper(&self) -> bool {
        match self.demand {
            Demand::Bound(Relation::Less | Relation::AtMost | Relation::Equal, _) => true,
            Demand::Bound(Relation::AtLeast | Relation::Greater, _) => false,
            Demand::NoWorse(_) => !self.metric.is_better_when_more(),
        }
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
