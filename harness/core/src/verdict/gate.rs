//! One demand on a run: how it is written, and whether it holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::analysis::{ArmAnalysis, ErrorTally, TrialAnalysis};
use crate::statistics;
use crate::units::Span;

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

/// Whether a gate holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    Holds,
    /// With what was found.
    Broken(String),
    /// With what is missing.
    Unknown(String),
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
    let number = |text: &str, hint: &str| match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        Ok(_) | Err(_) => Err(format!("'{text}' is not a bound for it: write {hint}")),
    };
    match metric {
        Metric::Count(_) => number(text, "a count such as 0"),
        Metric::Rate(_) => match text.strip_suffix('%') {
            Some(percent) => Ok(number(percent, "a share such as 0.1%")? / 100.0),
            None => number(text, "a share such as 0.001 or 0.1%"),
        },
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

impl Relation {
    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::AtMost => value <= bound,
            Self::Equal => value == bound,
            Self::AtLeast => value >= bound,
            Self::Greater => value > bound,
        }
    }
}

impl Gate {
    /// Whether the gate holds for an arm that has trials.
    pub(super) fn judge(&self, arm: &ArmAnalysis) -> Judged {
        match self.metric {
            Metric::Count(count) => self.judge_count(count, arm),
            Metric::Rate(part) => self.judge_rate(part, arm),
            Metric::Time(time, stat) => {
                let samples: Vec<f64> = arm.faulted().filter_map(|trial| time.of(trial)).collect();
                self.judge_time(stat, &samples, time.unit())
            }
        }
    }

    fn judge_count(&self, count: Count, arm: &ArmAnalysis) -> Judged {
        let (mut found, mut at_risk, mut open) = (0, 0, 0);
        for trial in arm.faulted() {
            let tally = count.of(trial);
            found += tally.found;
            at_risk += tally.at_risk;
            open += tally.open;
        }
        let breaks = |found: u64| !self.relation.holds(found as f64, self.bound);
        if at_risk == 0 {
            return Judged::Unknown("there was nothing to count: zero samples".to_owned());
        }
        if breaks(found) && breaks(found + open) {
            return Judged::Broken(format!("{found} of {at_risk}"));
        }
        if breaks(found) != breaks(found + open) {
            return Judged::Unknown(format!(
                "{found} of {at_risk} for certain, {open} undecided"
            ));
        }
        Judged::Holds
    }

    fn judge_rate(&self, part: Part, arm: &ArmAnalysis) -> Judged {
        let tallies: Vec<&ErrorTally> = arm.faulted().map(|trial| part.of(trial)).collect();
        let Some(rate) = pooled_rate(&tallies.iter().collect::<Vec<_>>()) else {
            return Judged::Unknown("no operation was scheduled there: zero samples".to_owned());
        };
        // Requests of one crash stand or fall together: whole trials are resampled.
        let interval = statistics::bca(
            &tallies,
            |drawn| pooled_rate(drawn).unwrap_or(0.0),
            BOOTSTRAP_SEED,
        );
        let (low, high) = interval.map_or((0.0, 1.0), |interval| (interval.low, interval.high));
        self.judge_interval(rate, (low.min(rate), high.max(rate)), |share| {
            format!("{:.3} %", share * 100.0)
        })
    }

    fn judge_time(&self, stat: Stat, samples: &[f64], unit: &str) -> Judged {
        let show = |value: f64| {
            if value.is_finite() {
                format!("{value:.1} {unit}")
            } else {
                "beyond the horizon".to_owned()
            }
        };
        if samples.is_empty() {
            return Judged::Unknown("no trial has this figure: zero samples".to_owned());
        }
        let n = samples.len();
        match stat {
            Stat::Median => {
                let Some(interval) = statistics::median_interval(samples) else {
                    return Judged::Unknown(format!(
                        "a median's interval needs 6 trials, there are {n}"
                    ));
                };
                let median = statistics::median(samples).unwrap_or(interval.low);
                self.judge_interval(median, (interval.low, interval.high), show)
            }
            Stat::P95 => match (
                statistics::quantile(samples, 0.95),
                statistics::quantile_upper_bound(samples, 0.95),
            ) {
                (Ok(p95), Ok(high)) => self.judge_interval(p95, (p95, high), show),
                (Err(few), _) | (_, Err(few)) => Judged::Unknown(few.to_string()),
            },
            Stat::Max => {
                let max = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                if self.relation.holds(max, self.bound) {
                    Judged::Holds
                } else {
                    Judged::Broken(format!("the largest of {n} is {}", show(max)))
                }
            }
        }
    }

    /// Holds when the whole interval does, is broken when none of it does, else cannot be told. With an
    /// equality only the figure itself is asked.
    fn judge_interval(
        &self,
        figure: f64,
        (low, high): (f64, f64),
        show: impl Fn(f64) -> String,
    ) -> Judged {
        let found = || format!("{} [{}, {}]", show(figure), show(low), show(high));
        if self.relation == Relation::Equal {
            return if figure == self.bound {
                Judged::Holds
            } else {
                Judged::Broken(found())
            };
        }
        match [low, high].map(|end| self.relation.holds(end, self.bound)) {
            [true, true] => Judged::Holds,
            [false, false] => Judged::Broken(found()),
            [true, false] | [false, true] => Judged::Unknown(format!(
                "{} lies on both sides of the bound; more trials would tell",
                found()
            )),
        }
    }
}

/// Fixed, so that a stored run is always judged alike.
const BOOTSTRAP_SEED: u64 = 1;

fn pooled_rate(tallies: &[&&ErrorTally]) -> Option<f64> {
    let failed: u64 = tallies.iter().map(|tally| tally.failures()).sum();
    let scheduled: u64 = tallies.iter().map(|tally| tally.scheduled).sum();
    (scheduled > 0).then(|| failed as f64 / scheduled as f64)
}

/// What a count found, out of how many that could have been, and how many are open.
struct Tally {
    found: u64,
    at_risk: u64,
    open: u64,
}

impl Count {
    fn of(self, trial: &TrialAnalysis) -> Tally {
        let (sessions, writes) = (&trial.sessions, &trial.writes);
        let of_sessions = |found| Tally {
            found,
            at_risk: sessions.acknowledged,
            open: sessions.undecided,
        };
        let of_writes = |found| Tally {
            found,
            at_risk: writes.acknowledged,
            open: 0,
        };
        match self {
            Self::LostSessions => of_sessions(sessions.lost),
            Self::ResetSessions => of_sessions(sessions.reset),
            Self::WrongIdentity => of_sessions(sessions.wrong_identity),
            Self::ZombieSessions => of_sessions(sessions.zombie),
            Self::LostWrites => of_writes(writes.lost),
            Self::DuplicatedWrites => of_writes(writes.duplicated),
            Self::PhantomWrites => of_writes(writes.phantom),
            Self::Unrecovered => Tally {
                found: u64::from(
                    trial
                        .chain
                        .ready
                        .is_none_or(|ready| ready.or_infinite().is_infinite()),
                ),
                at_risk: 1,
                open: 0,
            },
        }
    }
}

impl Part {
    const fn of(self, trial: &TrialAnalysis) -> &ErrorTally {
        match self {
            Self::Before => &trial.errors.before,
            Self::During => &trial.errors.during,
            Self::After => &trial.errors.after,
        }
    }
}

impl Time {
    fn of(self, trial: &TrialAnalysis) -> Option<f64> {
        let infinite =
            |time: Option<crate::analysis::Time>| time.map(crate::analysis::Time::or_infinite);
        match self {
            Self::Detect => trial.time_to_detect,
            Self::Restart => infinite(trial.chain.executed),
            Self::Listen => infinite(trial.chain.listening),
            Self::Ready => infinite(trial.chain.ready),
            Self::Steady => infinite(trial.time_to_steady),
            Self::LongestGap => trial.longest_gap_ms,
            Self::OutageArea => trial.outage_area_s,
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::OutageArea => "s",
            Self::Detect
            | Self::Restart
            | Self::Listen
            | Self::Ready
            | Self::Steady
            | Self::LongestGap => "ms",
        }
    }
}
