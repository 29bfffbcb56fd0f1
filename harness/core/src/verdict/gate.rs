//! One demand on a run: how it is written. Whether it holds is asked in [`judge`].

mod judge;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Span;
pub(super) use judge::Judged;

/// Something demanded of every arm, such as `lost_sessions == 0` or `time_to_ready.median < 2s`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Gate {
    metric: Metric,
    relation: Relation,
    /// In ms for times, in s for areas, as a share for rates.
    bound: f64,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Count(Count),
    Rate(Part),
    Time(Time, Stat),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    LostSessions,
    ResetSessions,
    WrongIdentity,
    ZombieSessions,
    LostWrites,
    DuplicatedWrites,
    PhantomWrites,
    Unrecovered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Before,
    During,
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    Detect,
    Restart,
    Listen,
    Ready,
    Steady,
    LongestGap,
    OutageArea,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stat {
    Median,
    P95,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Less,
    AtMost,
    Equal,
    AtLeast,
    Greater,
}

/// Every metric by its name: a new one is a line here and an arm in a match below.
const METRICS: [(&str, Metric); 32] = {
    use super::gate::Count as C;
    use Metric::{Count, Rate, Time as T};
    use Stat::{Max, Median, P95};
    [
        ("lost_sessions", Count(C::LostSessions)),
        ("reset_sessions", Count(C::ResetSessions)),
        ("wrong_identity", Count(C::WrongIdentity)),
        ("zombie_sessions", Count(C::ZombieSessions)),
        ("lost_writes", Count(C::LostWrites)),
        ("duplicated_writes", Count(C::DuplicatedWrites)),
        ("phantom_writes", Count(C::PhantomWrites)),
        ("unrecovered", Count(C::Unrecovered)),
        ("error_rate.before", Rate(Part::Before)),
        ("error_rate.during", Rate(Part::During)),
        ("error_rate.after", Rate(Part::After)),
        ("time_to_detect.median", T(Time::Detect, Median)),
        ("time_to_detect.p95", T(Time::Detect, P95)),
        ("time_to_detect.max", T(Time::Detect, Max)),
        ("time_to_restart.median", T(Time::Restart, Median)),
        ("time_to_restart.p95", T(Time::Restart, P95)),
        ("time_to_restart.max", T(Time::Restart, Max)),
        ("time_to_listen.median", T(Time::Listen, Median)),
        ("time_to_listen.p95", T(Time::Listen, P95)),
        ("time_to_listen.max", T(Time::Listen, Max)),
        ("time_to_ready.median", T(Time::Ready, Median)),
        ("time_to_ready.p95", T(Time::Ready, P95)),
        ("time_to_ready.max", T(Time::Ready, Max)),
        ("time_to_steady.median", T(Time::Steady, Median)),
        ("time_to_steady.p95", T(Time::Steady, P95)),
        ("time_to_steady.max", T(Time::Steady, Max)),
        ("longest_gap.median", T(Time::LongestGap, Median)),
        ("longest_gap.p95", T(Time::LongestGap, P95)),
        ("longest_gap.max", T(Time::LongestGap, Max)),
        ("outage_area.median", T(Time::OutageArea, Median)),
        ("outage_area.p95", T(Time::OutageArea, P95)),
        ("outage_area.max", T(Time::OutageArea, Max)),
    ]
};

/// Longer signs first, so that `<=` is not read as `<`.
const RELATIONS: [(&str, Relation); 5] = [
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("==", Relation::Equal),
    ("<", Relation::Less),
    (">", Relation::Greater),
];

/// A gate that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateError {
    text: String,
    problem: String,
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not a gate: {}", self.text, self.problem)
    }
}

impl std::error::Error for GateError {}

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

impl TryFrom<String> for Gate {
    type Error = GateError;

    fn try_from(text: String) -> Result<Self, GateError> {
        let wrong = |problem: String| GateError {
            text: text.clone(),
            problem,
        };
        let (at, sign, relation) = RELATIONS
            .into_iter()
            .find_map(|(sign, relation)| Some((text.find(sign)?, sign, relation)))
            .ok_or_else(|| wrong("write a metric, one of < <= == >= >, and a bound".to_owned()))?;
        let name = text[..at].trim();
        let (_, metric) = METRICS
            .into_iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| {
                let names: Vec<_> = METRICS.iter().map(|(name, _)| *name).collect();
                wrong(format!(
                    "'{name}' is not a metric; there are {}",
                    names.join(", ")
                ))
            })?;
        let bound = parse_bound(metric, text[at + sign.len()..].trim()).map_err(wrong)?;
        Ok(Self {
            metric,
            relation,
            bound,
            text,
        })
    }
}

fn parse_bound(metric: Metric, text: &str) -> Result<f64, String> {
    let wrong = |hint: &str| format!("'{text}' is not a bound for it: write {hint}");
    let number = |text: &str| text.trim().parse::<f64>().ok();
    match metric {
        Metric::Count(_) => number(text)
            .filter(|count| *count >= 0.0 && count.fract() == 0.0)
            .ok_or_else(|| wrong("a count such as 0")),
        // A share above one would hold whatever happens: most likely its % was forgotten.
        Metric::Rate(_) => match text.strip_suffix('%') {
            Some(percent) => number(percent).map(|percent| percent / 100.0),
            None => number(text),
        }
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| wrong("a share such as 0.001 or 0.1%")),
        Metric::Time(Time::OutageArea, _) => text
            .parse::<Span>()
            .map(Span::as_secs)
            .map_err(|error| error.to_string()),
        Metric::Time(_, _) => text
            .parse::<Span>()
            .map(Span::as_ms)
            .map_err(|error| error.to_string()),
    }
}
