//! A gate's text, read.

use std::fmt;

use super::metric::{METRICS, Metric, Stat, Unit};
use super::{Allowance, Count, Demand, Gate, Relation};
use crate::units::Span;

/// Longer signs first, so that `<=` is not read as `<`.
const RELATIONS: [(&str, Relation); 5] = [
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("==", Relation::Equal),
    ("<", Relation::Less),
    (">", Relation::Greater),
];

/// The word for a baseline in place of a bound.
const BASELINE: &str = "baseline";

/// What stands behind a bound on zombies that a server is asked for only if its logouts end sessions without a fault.
const IF_CLEAN: &str = "if the control has none";

/// What is nothing to alarm about (METHOD.md §5): a fifth of a start, what a busy machine adds to one, and what the
/// baseline's own trials scatter by, up to a tenth of a second.
const DEFAULT_RELATIVE: f64 = 0.2;
const DEFAULT_MS: f64 = 10.0;
const DEFAULT_LATENCY_MS: f64 = 2.0;
const DEFAULT_NOISE_MS: f64 = 100.0;
/// One percentage point.
const DEFAULT_POINTS: f64 = 0.01;

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

impl TryFrom<String> for Gate {
    type Error = GateError;

    fn try_from(text: String) -> Result<Self, GateError> {
        let read = || {
            let (at, sign, relation) = RELATIONS
                .into_iter()
                .find_map(|(sign, relation)| Some((text.find(sign)?, sign, relation)))
                .ok_or_else(|| match text.contains('=') && !text.contains('!') {
                    true => format!("did you mean '{}'?", text.replacen('=', "==", 1)),
                    false => "write a metric, one of < <= == >= >, and a bound".to_owned(),
                })?;
            let metric = find_metric(text[..at].trim())?;
            let said = text[at + sign.len()..].trim();
            let bare = said.strip_suffix(IF_CLEAN).map(str::trim_end);
            let demand = read_demand(metric, relation, bare.unwrap_or(said))?;
            if bare.is_some() && metric != Metric::Count(Count::ZombieSessions) {
                return Err(format!(
                    "'{IF_CLEAN}' can follow a bound on zombie_sessions alone: leave it out"
                ));
            }
            Ok((metric, demand, bare.is_some()))
        };
        match read() {
            Ok((metric, demand, needs_clean_control)) => Ok(Self {
                metric,
                demand,
                needs_clean_control,
                text,
            }),
            Err(problem) => Err(GateError { text, problem }),
        }
    }
}

impl Gate {
    /// A gate as written in an experiment file: `metric: value`, such as `lost_sessions: 0` or
    /// `time_to_ready.median: "<= baseline + 20%"`. A value without a sign is exact for a count, the least
    /// for what is served (`availability`, `journey_goodput`), and the most for everything else.
    ///
    /// # Errors
    /// When the metric is unknown or the value is not one for it.
    pub fn from_entry(metric: &str, value: &str) -> Result<Self, GateError> {
        let (name, value) = (metric.trim(), value.trim());
        let signed = value.starts_with(['<', '>', '=']);
        let compares = value.starts_with(BASELINE);
        let known = find_metric(name).map_err(|problem| GateError {
            text: format!("{name}: {value}"),
            problem,
        })?;
        let sign = match known {
            _ if signed => "",
            Metric::Count(_) if !compares => "== ",
            Metric::Served(_) => ">= ",
            Metric::Count(_)
            | Metric::ErrorRate(_)
            | Metric::Latency(_, _)
            | Metric::Time(_, _) => "<= ",
        };
        Self::try_from(format!("{name} {sign}{value}"))
    }
}

fn find_metric(name: &str) -> Result<Metric, String> {
    let names = || METRICS.into_iter().map(|(known, _)| known);
    if let Some((_, metric)) = METRICS.into_iter().find(|(known, _)| *known == name) {
        return Ok(metric);
    }
    let begun: Vec<&str> = names()
        .filter(|known| {
            let rest = known.strip_prefix(name);
            !name.is_empty() && rest.is_some_and(|rest| rest.starts_with('.'))
        })
        .collect();
    if !begun.is_empty() {
        return Err(format!(
            "'{name}' is not a metric by itself: write {}",
            begun.join(", ")
        ));
    }
    // A few slips of the finger, not another word.
    let nearest = names()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(edits, known)| *edits <= 1 + known.len() / 4)
        .min();
    Err(match nearest {
        Some((_, nearest)) => format!("'{name}' is not a metric: did you mean {nearest}?"),
        None => {
            let all: Vec<&str> = names().collect();
            format!("'{name}' is not a metric; there are {}", all.join(", "))
        }
    })
}

fn read_demand(metric: Metric, relation: Relation, text: &str) -> Result<Demand, String> {
    let Some(terms) = text.strip_prefix(BASELINE) else {
        return Ok(Demand::Bound(relation, parse_bound(metric, text)?));
    };
    let more_is_better = metric.is_better_when_more();
    let (wanted, sign, example) = if more_is_better {
        (Relation::AtLeast, '-', ">= baseline - 1%")
    } else {
        (Relation::AtMost, '+', "<= baseline")
    };
    if relation != wanted {
        return Err(format!("no worse than the baseline is written '{example}'"));
    }
    match metric {
        Metric::Time(_, Stat::P95 | Stat::Max) => Err(
            "only medians are compared with a baseline, since only their difference has an interval: write \
             .median"
                .to_owned(),
        ),
        Metric::Time(_, Stat::Median)
        | Metric::Latency(_, _)
        | Metric::Count(_)
        | Metric::ErrorRate(_)
        | Metric::Served(_) => Ok(Demand::NoWorse(read_allowance(metric, sign, terms)?)),
    }
}

/// The text after `baseline`: the allowance. Without text, the defaults apply.
fn read_allowance(metric: Metric, sign: char, terms: &str) -> Result<Allowance, String> {
    let is_time = matches!(metric.unit(), Unit::Ms | Unit::Seconds);
    let example = match (is_time, sign) {
        (true, _) => "baseline + 20% + 100ms",
        (false, '-') => "baseline - 1%",
        (false, _) => "baseline + 1%",
    };
    let invalid = || format!("'baseline{terms}' is not a bound for it: write such as '{example}'");
    if terms.trim().is_empty() {
        return Ok(default_allowance(metric));
    }
    let terms = terms.trim_start().strip_prefix(sign).ok_or_else(invalid)?;
    let (mut percent, mut time) = (None, None);
    for term in terms.split(sign).map(str::trim) {
        let twice = match term.strip_suffix('%') {
            Some(number) => {
                let number: f64 = number.trim().parse().map_err(|_| invalid())?;
                if !(number >= 0.0 && number.is_finite()) || !is_time && number > 100.0 {
                    return Err(invalid());
                }
                percent.replace(number / 100.0).is_some()
            }
            None if is_time => time.replace(parse_bound(metric, term)?).is_some(),
            None => return Err(invalid()),
        };
        if twice {
            return Err(invalid());
        }
    }
    Ok(if is_time {
        Allowance {
            relative: percent.unwrap_or(0.0),
            absolute: time.unwrap_or(0.0),
            noise: 0.0,
        }
    } else {
        // Of shares a percentage is meant as points: 20 % of next to nothing is nothing.
        Allowance {
            relative: 0.0,
            absolute: percent.unwrap_or(0.0),
            noise: 0.0,
        }
    })
}

const fn default_allowance(metric: Metric) -> Allowance {
    let (relative, absolute, noise) = match (metric.unit(), metric) {
        (Unit::Ms, Metric::Latency(_, _)) => {
            (DEFAULT_RELATIVE, DEFAULT_LATENCY_MS, DEFAULT_NOISE_MS)
        }
        (Unit::Ms, _) => (DEFAULT_RELATIVE, DEFAULT_MS, DEFAULT_NOISE_MS),
        (Unit::Seconds, _) => (
            DEFAULT_RELATIVE,
            DEFAULT_MS / 1_000.0,
            DEFAULT_NOISE_MS / 1_000.0,
        ),
        (Unit::Share, _) => (0.0, DEFAULT_POINTS, 0.0),
        // A count of losses must not become a little worse.
        (Unit::Count, _) => (0.0, 0.0, 0.0),
    };
    Allowance {
        relative,
        absolute,
        noise,
    }
}

fn parse_bound(metric: Metric, text: &str) -> Result<f64, String> {
    let invalid = |hint: &str| format!("'{text}' is not a bound for it: write {hint}");
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let span = || text.parse::<Span>().map_err(|error| error.to_string());
    match metric.unit() {
        Unit::Count => number(text)
            .filter(|count| *count >= 0.0 && count.fract() == 0.0)
            .ok_or_else(|| invalid("a count such as 0")),
        // A share above one always holds. Probably its % was forgotten.
        Unit::Share => match text.strip_suffix('%') {
            Some(percent) => number(percent).map(|percent| percent / 100.0),
            None => number(text),
        }
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| invalid("a share such as 0.001 or 0.1%")),
        Unit::Seconds => span().map(Span::as_secs),
        Unit::Ms => span().map(Span::as_ms),
    }
}
