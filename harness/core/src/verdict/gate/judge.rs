//! Whether a gate holds for an arm: every figure is an interval, and the gate is asked of all of it.

use super::{Count, Gate, Metric, Part, Relation, Stat, Time};
use crate::analysis::{self, ArmAnalysis, ErrorTally, TrialAnalysis};
use crate::statistics;

/// Fixed, so that a stored run is always judged alike.
const BOOTSTRAP_SEED: u64 = 1;

/// The share that the 95th percentile leaves below it.
const P95: f64 = 0.95;

/// Whether a gate holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::verdict) enum Judged {
    Holds,
    /// With what was found.
    Broken(String),
    /// With what is missing.
    Unknown(String),
}

/// A figure, and where the truth may lie; an end is infinite where it lies beyond the horizon.
#[derive(Clone, Copy, Debug)]
struct Figure {
    value: f64,
    low: f64,
    high: f64,
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

    /// Whether it holds for the whole interval or for none of it; `None` when only for a part.
    fn holds_within(self, (low, high): (f64, f64), bound: f64) -> Option<bool> {
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
    /// Whether the gate holds for an arm that has trials.
    pub(in crate::verdict) fn judge(&self, arm: &ArmAnalysis) -> Judged {
        match self.metric {
            Metric::Count(count) => self.judge_count(count, arm),
            Metric::Rate(part) => self.judge_rate(part, arm),
            Metric::Time(time, stat) => self.judge_time(time, stat, arm),
        }
    }

    /// Whether it counts what a fault made a server lose: nothing to blame on one when the server loses
    /// without.
    pub(in crate::verdict) const fn is_about_loss(&self) -> bool {
        match self.metric {
            Metric::Count(Count::LostSessions | Count::ResetSessions | Count::LostWrites) => true,
            Metric::Count(
                Count::WrongIdentity
                | Count::ZombieSessions
                | Count::DuplicatedWrites
                | Count::PhantomWrites
                | Count::Unrecovered,
            )
            | Metric::Rate(_)
            | Metric::Time(_, _) => false,
        }
    }

    fn judge_count(&self, count: Count, arm: &ArmAnalysis) -> Judged {
        let tally = arm
            .faulted()
            .map(|trial| count.of(trial))
            .fold(Tally::default(), Tally::plus);
        let Tally {
            found,
            most,
            out_of,
            undecided,
        } = tally;
        // What was found needs no sample to be drawn from: a counterexample is one.
        if out_of == 0 && found == 0 {
            return Judged::Unknown("there was nothing to count: zero samples".to_owned());
        }
        let counted = if count.is_part_of_the_whole() {
            format!("{found} of {out_of}")
        } else {
            format!("{found} beside {out_of} acknowledged")
        };
        match self
            .relation
            .holds_within((found as f64, most as f64), self.bound)
        {
            Some(true) => Judged::Holds,
            Some(false) => Judged::Broken(counted),
            None => Judged::Unknown(format!("{counted} for certain, {undecided} undecided")),
        }
    }

    fn judge_rate(&self, part: Part, arm: &ArmAnalysis) -> Judged {
        let tallies: Vec<&ErrorTally> = arm
            .faulted()
            .map(|trial| part.of(trial))
            .filter(|tally| tally.scheduled > 0)
            .collect();
        if tallies.is_empty() {
            return Judged::Unknown("no operation was scheduled there: zero samples".to_owned());
        }
        let value = pooled_rate(&tallies.iter().collect::<Vec<_>>());
        // Requests of one crash stand or fall together: whole trials are resampled.
        let interval = statistics::bca(&tallies, pooled_rate, BOOTSTRAP_SEED);
        // Without an interval nothing is known but that it is a share.
        let (low, high) = interval.map_or((0.0, 1.0), |interval| (interval.low, interval.high));
        // One failure is enough to refute that nothing fails.
        let least = if value > 0.0 { f64::MIN_POSITIVE } else { 0.0 };
        let figure = Figure {
            value,
            low: low.min(value).max(least),
            high: high.max(value),
        };
        self.judge_figure(figure, |share| format!("{:.3} %", share * 100.0))
    }

    fn judge_time(&self, time: Time, stat: Stat, arm: &ArmAnalysis) -> Judged {
        let times: Vec<Option<f64>> = arm
            .faulted()
            .map(|trial| time.of(trial).filter(|figure| !figure.is_nan()))
            // A fault that no client noticed has no time to be noticed in; all other times exist.
            .filter(|figure| figure.is_some() || time != Time::Detect)
            .collect();
        let absent = times.iter().filter(|figure| figure.is_none()).count();
        if absent == times.len() {
            return Judged::Unknown("no trial has this figure: zero samples".to_owned());
        }
        // A trial without the figure may have had any.
        let with = |any: f64| -> Vec<f64> {
            let filled = times.iter().map(|figure| figure.unwrap_or(any));
            filled.collect()
        };
        let (least, most) = match (stat.of(&with(0.0)), stat.of(&with(f64::INFINITY))) {
            (Ok(least), Ok(most)) => (least, most),
            (Err(few), _) | (_, Err(few)) => return Judged::Unknown(few),
        };
        let figure = Figure {
            low: least.low,
            ..most
        };
        let judged = self.judge_figure(figure, |value| time.show(value));
        match judged {
            Judged::Unknown(why) if absent > 0 => Judged::Unknown(format!(
                "{why}; {absent} of {} trials lack the figure",
                times.len()
            )),
            Judged::Holds | Judged::Broken(_) | Judged::Unknown(_) => judged,
        }
    }

    /// Holds when the whole interval does, is broken when none of it does, else cannot be told.
    fn judge_figure(&self, figure: Figure, show: impl Fn(f64) -> String) -> Judged {
        let Figure { value, low, high } = figure;
        let found = || {
            if low == high {
                return show(value);
            }
            format!("{} [{}, {}]", show(value), show(low), show(high))
        };
        match self.relation.holds_within((low, high), self.bound) {
            Some(true) => Judged::Holds,
            Some(false) => Judged::Broken(found()),
            None => Judged::Unknown(format!(
                "{} lies on both sides of the bound; more trials would tell",
                found()
            )),
        }
    }
}

impl Stat {
    /// The figure of the samples, or why there are too few of them. The largest is what it is.
    fn of(self, samples: &[f64]) -> Result<Figure, String> {
        match self {
            Self::Median => {
                let (Some(value), Some(interval)) = (
                    statistics::median(samples),
                    statistics::median_interval(samples),
                ) else {
                    return Err(format!(
                        "a median's interval needs 6 trials, there are {}",
                        samples.len()
                    ));
                };
                Ok(Figure {
                    value,
                    low: interval.low,
                    high: interval.high,
                })
            }
            Self::P95 => p95(samples).map_err(|few| few.to_string()),
            Self::Max => {
                let value = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                Ok(Figure {
                    value,
                    low: value,
                    high: value,
                })
            }
        }
    }
}

fn p95(samples: &[f64]) -> Result<Figure, statistics::TooFew> {
    // Seen from above, the 95th percentile is the 5th, and what bounds it from below does so from above.
    let from_above: Vec<f64> = samples.iter().map(|sample| -sample).collect();
    Ok(Figure {
        value: statistics::quantile(samples, P95)?,
        low: -statistics::quantile_upper_bound(&from_above, 1.0 - P95)?,
        high: statistics::quantile_upper_bound(samples, P95)?,
    })
}

/// Failed / scheduled over trials in which something was scheduled.
fn pooled_rate(tallies: &[&&ErrorTally]) -> f64 {
    let failed: u64 = tallies.iter().map(|tally| tally.failures()).sum();
    let scheduled: u64 = tallies.iter().map(|tally| tally.scheduled).sum();
    failed as f64 / scheduled as f64
}

/// What a count found, and what it may be.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// For certain.
    found: u64,
    /// At most, if everything undecided counts.
    most: u64,
    /// How many there were to be counted.
    out_of: u64,
    /// How many of those gave no answer.
    undecided: u64,
}

impl Tally {
    /// A server may answer with counters that add up to more than can be counted.
    const fn plus(self, other: Self) -> Self {
        Self {
            found: self.found.saturating_add(other.found),
            most: self.most.saturating_add(other.most),
            out_of: self.out_of.saturating_add(other.out_of),
            undecided: self.undecided.saturating_add(other.undecided),
        }
    }
}

impl Count {
    fn of(self, trial: &TrialAnalysis) -> Tally {
        let (sessions, writes) = (&trial.sessions, &trial.writes);
        let undecided = sessions.undecided;
        let of_sessions = |found: u64| Tally {
            found,
            most: found.saturating_add(undecided),
            out_of: sessions.acknowledged,
            undecided,
        };
        // How many writes the undecided sessions hold, and how many logged-out ones went unanswered with
        // them, nobody counted.
        let uncounted = |found: u64, out_of: u64| Tally {
            found,
            most: if undecided > 0 { u64::MAX } else { found },
            out_of,
            undecided,
        };
        match self {
            Self::LostSessions => of_sessions(sessions.lost),
            Self::ResetSessions => of_sessions(sessions.reset),
            Self::WrongIdentity => of_sessions(sessions.wrong_identity),
            Self::ZombieSessions => uncounted(sessions.zombie, sessions.logged_out),
            Self::LostWrites => uncounted(writes.lost, writes.acknowledged),
            Self::DuplicatedWrites => uncounted(writes.duplicated, writes.acknowledged),
            Self::PhantomWrites => uncounted(writes.phantom, writes.acknowledged),
            Self::Unrecovered => {
                let (found, most) = match trial.chain.ready {
                    // Back and gone again is not back.
                    Some(analysis::Time::At { .. }) if trial.died_again => (1, 1),
                    Some(analysis::Time::At { .. }) => (0, 0),
                    Some(analysis::Time::Beyond { .. }) => (1, 1),
                    None => (0, 1),
                };
                Tally {
                    found,
                    most,
                    out_of: 1,
                    undecided: most - found,
                }
            }
        }
    }

    /// Whether what is found was part of what there was to be counted.
    const fn is_part_of_the_whole(self) -> bool {
        match self {
            Self::LostSessions
            | Self::ResetSessions
            | Self::WrongIdentity
            | Self::ZombieSessions
            | Self::LostWrites
            | Self::Unrecovered => true,
            Self::DuplicatedWrites | Self::PhantomWrites => false,
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
        let infinite = |time: Option<analysis::Time>| time.map(analysis::Time::or_infinite);
        // What ends with the load in a trial that never recovered is no more than a lower bound.
        let open_ended = |figure: Option<f64>| match trial.chain.ready {
            Some(analysis::Time::Beyond { .. }) => figure.map(|_| f64::INFINITY),
            Some(analysis::Time::At { .. }) | None => figure,
        };
        match self {
            Self::Detect => trial.time_to_detect,
            Self::Restart => infinite(trial.chain.executed),
            Self::Listen => infinite(trial.chain.listening),
            Self::Ready => infinite(trial.chain.ready),
            Self::Steady => infinite(trial.time_to_steady),
            Self::LongestGap => open_ended(trial.longest_gap_ms),
            Self::OutageArea => open_ended(trial.outage_area_s),
        }
    }

    fn show(self, value: f64) -> String {
        if value.is_infinite() {
            return "beyond the horizon".to_owned();
        }
        match self {
            Self::OutageArea => format!("{value:.1} s"),
            Self::Detect
            | Self::Restart
            | Self::Listen
            | Self::Ready
            | Self::Steady
            | Self::LongestGap => format!("{value:.1} ms"),
        }
    }
}
