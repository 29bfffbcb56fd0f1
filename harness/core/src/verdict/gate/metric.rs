//! Every metric a gate can speak of: its name, and where its figure stands in a trial's analysis. What is known of counts
//! stands in [`super::count`].

use super::count::Count;
use crate::analysis::{
    self, ArmAnalysis, Availability, ErrorTally, JourneyOperations, Journeys, LatencyTally,
    TrialAnalysis,
};

/// What a gate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verdict) enum Metric {
    Count(Count),
    ErrorRate(Part),
    /// A share of which more is better.
    Served(Served),
    Latency(Part, Quantile),
    Time(Time, Stat),
}

/// What must be clean without any fault for a figure to be laid to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verdict) enum Bearing {
    /// Failed operations.
    Errors,
    LostSessions,
    /// Another user's content.
    Identity,
    Zombies,
    /// Writes that are lost or there too often, and values that count none.
    Writes,
}

/// A part of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verdict) enum Part {
    Before,
    During,
    After,
    /// All of a trial without a fault, after its warm-up.
    Control,
}

/// How much of the load was served well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verdict) enum Served {
    /// Operations within the objective.
    Availability,
    /// Operations of journeys that were not torn.
    Journeys,
}

/// Which latency of a trial; over the trials it is always the median.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verdict) enum Quantile {
    P50,
    P99,
}

/// A figure that each trial has one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verdict) enum Time {
    Detect,
    Restart,
    Listen,
    Ready,
    Outage,
    ClientOutage,
    /// Clients failed while the health check said ready.
    Blind,
    Steady,
    LongestGap,
    OutageArea,
}

/// What is made of the trials' figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verdict) enum Stat {
    Median,
    P95,
    Max,
}

/// Every metric by its name: a new one is a line here and an arm in a match below.
pub(in crate::verdict) const METRICS: [(&str, Metric); 52] = {
    use super::count::Count as C;
    use Metric::{Count, ErrorRate, Latency, Served as S, Time as T};
    use Part::{After, Before, Control, During};
    use Quantile::{P50, P99};
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
        ("in_flight_failed", Count(C::InFlightFailed)),
        ("drain_failed", Count(C::DrainFailed)),
        ("availability", S(Served::Availability)),
        ("journey_goodput", S(Served::Journeys)),
        ("error_rate.before", ErrorRate(Before)),
        ("error_rate.during", ErrorRate(During)),
        ("error_rate.after", ErrorRate(After)),
        ("control.error_rate", ErrorRate(Control)),
        ("latency.before.p50", Latency(Before, P50)),
        ("latency.before.p99", Latency(Before, P99)),
        ("latency.during.p50", Latency(During, P50)),
        ("latency.during.p99", Latency(During, P99)),
        ("latency.after.p50", Latency(After, P50)),
        ("latency.after.p99", Latency(After, P99)),
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
        ("outage.median", T(Time::Outage, Median)),
        ("outage.p95", T(Time::Outage, P95)),
        ("outage.max", T(Time::Outage, Max)),
        ("client_outage.median", T(Time::ClientOutage, Median)),
        ("client_outage.p95", T(Time::ClientOutage, P95)),
        ("client_outage.max", T(Time::ClientOutage, Max)),
        ("blind_time.median", T(Time::Blind, Median)),
        ("blind_time.p95", T(Time::Blind, P95)),
        ("blind_time.max", T(Time::Blind, Max)),
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

/// What a metric's figures are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verdict) enum Unit {
    /// How many.
    Count,
    /// A share of one.
    Share,
    Ms,
    Seconds,
}

impl Unit {
    /// A figure for people.
    pub(in crate::verdict) fn show(self, value: f64) -> String {
        if value.is_infinite() {
            return "beyond the horizon".to_owned();
        }
        match self {
            Self::Count => format!("{value}"),
            Self::Share => format!("{:.3} %", value * 100.0),
            Self::Ms => format!("{value:.1} ms"),
            Self::Seconds => format!("{value:.2} s"),
        }
    }

    /// A difference for people, with its sign.
    pub(in crate::verdict) fn show_difference(self, value: f64) -> String {
        if value.is_nan() {
            return "an unknown size".to_owned();
        }
        if value.is_infinite() {
            return if value > 0.0 {
                "more than was waited for"
            } else {
                "less than can be said"
            }
            .to_owned();
        }
        // No sign for a zero that has none.
        let value = value + 0.0;
        match self {
            Self::Count => format!("{value:+}"),
            Self::Share => format!("{:+.3} points", value * 100.0),
            Self::Ms => format!("{value:+.1} ms"),
            Self::Seconds => format!("{value:+.2} s"),
        }
    }
}

impl Metric {
    pub(in crate::verdict) const fn unit(self) -> Unit {
        match self {
            Self::Count(_) => Unit::Count,
            Self::ErrorRate(_) | Self::Served(_) => Unit::Share,
            Self::Time(Time::OutageArea, _) => Unit::Seconds,
            Self::Latency(_, _)
            | Self::Time(
                Time::Detect
                | Time::Restart
                | Time::Listen
                | Time::Ready
                | Time::Outage
                | Time::ClientOutage
                | Time::Blind
                | Time::Steady
                | Time::LongestGap,
                _,
            ) => Unit::Ms,
        }
    }

    /// Whether less of it is worse.
    pub(in crate::verdict) const fn is_better_when_more(self) -> bool {
        matches!(self, Self::Served(_))
    }

    /// What must be clean without any fault for it to be judged. Of what happens before the fault, or without one, and of
    /// times after it, nothing.
    pub(in crate::verdict) const fn borne_on_by(self) -> &'static [Bearing] {
        use Bearing as B;
        match self {
            Self::Count(count) => count.traits().borne_on_by,
            Self::ErrorRate(Part::During | Part::After)
            | Self::Served(Served::Availability)
            | Self::Latency(Part::During | Part::After, _) => &[B::Errors],
            Self::Served(Served::Journeys) => &[B::Errors, B::LostSessions, B::Writes],
            Self::ErrorRate(Part::Before | Part::Control)
            | Self::Latency(Part::Before | Part::Control, _)
            | Self::Time(_, _) => &[],
        }
    }

    /// What it counts, if it is a count.
    pub(in crate::verdict) const fn count(self) -> Option<Count> {
        match self {
            Self::Count(count) => Some(count),
            Self::ErrorRate(_) | Self::Served(_) | Self::Latency(_, _) | Self::Time(_, _) => None,
        }
    }
}

/// So many of so many in one trial.
#[derive(Clone, Copy, Debug)]
pub(in crate::verdict) struct Share {
    pub(in crate::verdict) part: u64,
    pub(in crate::verdict) whole: u64,
}

impl From<&ErrorTally> for Share {
    fn from(tally: &ErrorTally) -> Self {
        Self {
            part: tally.failures(),
            whole: tally.scheduled,
        }
    }
}

impl From<JourneyOperations> for Share {
    fn from(operations: JourneyOperations) -> Self {
        Self {
            part: operations.whole(),
            whole: operations.known(),
        }
    }
}

impl From<Availability> for Share {
    fn from(availability: Availability) -> Self {
        Self {
            part: availability.met,
            whole: availability.scheduled,
        }
    }
}

impl Part {
    /// The trials that have it.
    pub(in crate::verdict) fn trials(self, arm: &ArmAnalysis) -> Vec<&TrialAnalysis> {
        match self {
            Self::Before | Self::During | Self::After => arm.faulted().collect(),
            Self::Control => arm.controls().collect(),
        }
    }

    pub(in crate::verdict) const fn errors(self, trial: &TrialAnalysis) -> &ErrorTally {
        match self {
            Self::Before | Self::Control => &trial.errors.before,
            Self::During => &trial.errors.during,
            Self::After => &trial.errors.after,
        }
    }

    const fn latency(self, trial: &TrialAnalysis) -> &LatencyTally {
        match self {
            Self::Before | Self::Control => &trial.latency.before,
            Self::During => &trial.latency.during,
            Self::After => &trial.latency.after,
        }
    }
}

impl Served {
    /// The trial's share.
    pub(in crate::verdict) fn of(self, trial: &TrialAnalysis) -> Option<Share> {
        match self {
            Self::Availability => Some(Share::from(trial.availability)),
            Self::Journeys => {
                let operations = trial.journeys.as_ref().map(Journeys::total);
                operations.map(Share::from)
            }
        }
    }

    /// The trial's share if what is not known of it was bad.
    pub(in crate::verdict) fn least_of(self, trial: &TrialAnalysis) -> Option<Share> {
        match self {
            Self::Availability => self.of(trial),
            Self::Journeys => {
                let operations = trial.journeys.as_ref().map(Journeys::total)?;
                Some(Share {
                    part: operations.whole(),
                    whole: operations.scheduled,
                })
            }
        }
    }

    /// How many journeys of the arm it is not known of.
    pub(in crate::verdict) fn undecided(self, arm: &ArmAnalysis) -> u64 {
        match self {
            Self::Availability => 0,
            Self::Journeys => {
                let journeys = arm.faulted().filter_map(|trial| trial.journeys.as_ref());
                journeys.map(|journeys| journeys.undecided).sum()
            }
        }
    }
}

impl Quantile {
    /// In ms: absent where no operation was scheduled, infinite where it falls on a failure.
    pub(in crate::verdict) fn of(self, part: Part, trial: &TrialAnalysis) -> Option<f64> {
        part.latency(trial).quantile_ms(match self {
            Self::P50 => 0.5,
            Self::P99 => 0.99,
        })
    }
}

impl Time {
    /// The trial's figure; infinite when it lies beyond the horizon.
    pub(in crate::verdict) fn of(self, trial: &TrialAnalysis) -> Option<f64> {
        let infinite = |time: Option<analysis::Time>| time.map(analysis::Time::or_infinite);
        match self {
            Self::Detect => trial.time_to_detect,
            Self::Restart => infinite(trial.chain.executed),
            Self::Listen => infinite(trial.chain.listening),
            Self::Ready => infinite(trial.chain.ready),
            Self::Outage => infinite(trial.outage),
            Self::ClientOutage => infinite(trial.client_outage),
            Self::Blind => trial.blind_time.map(|time| time.ms),
            Self::Steady => infinite(trial.time_to_steady),
            Self::LongestGap => trial.longest_gap(),
            Self::OutageArea => trial.outage_area(),
        }
        .filter(|figure| !figure.is_nan())
    }

    /// The most that the trial's figure may be, where it was not seen exactly and may have been more.
    pub(in crate::verdict) fn most_of(self, trial: &TrialAnalysis) -> Option<f64> {
        let least = self.of(trial)?;
        let error_ms = trial.blind_time.map_or(0.0, |time| time.error_ms);
        Some(least + if self == Self::Blind { error_ms } else { 0.0 })
    }
}
