//! Every metric of gates: its name, its unit, and which direction is better. Properties of counts are in
//! [`Count::traits`].

use super::count::{Bearing, Count};

/// The metric of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// How many, over all trials.
    Count(Count),
    /// The share of operations that failed.
    ErrorRate(Part),
    /// A share of which more is better.
    Served(Served),
    /// The latency of operations.
    Latency(Part, Quantile),
    /// A figure of each trial, reduced.
    Time(Time, Stat),
}

/// A part of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Before the fault.
    Before,
    /// From the fault to the return.
    During,
    /// After the return.
    After,
    /// All of a trial without a fault, after its warm-up.
    Control,
}

/// How much of the load was served well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Operations within the objective.
    Availability,
    /// Operations of journeys that were not torn.
    Journeys,
}

/// Which latency of a trial; over the trials it is always the median.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantile {
    /// The median.
    P50,
    /// The 99th percentile.
    P99,
}

/// A figure that each trial has one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Until a client noticed the fault.
    Detect,
    /// Until the new process was executed.
    Restart,
    /// Until the first accepted connection.
    Listen,
    /// Until the first correct reply of the new process.
    Ready,
    /// From the sending of the fault to that reply.
    Outage,
    /// Between the last correct reply before and the first one after.
    ClientOutage,
    /// Clients failed while the health check said ready.
    Blind,
    /// Until the service was as before.
    Steady,
    /// The longest time between two correct replies.
    LongestGap,
    /// Failed and slow together, as seconds of full outage.
    OutageArea,
}

/// The statistic over the trials' figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stat {
    /// The median.
    Median,
    /// The 95th percentile.
    P95,
    /// The largest.
    Max,
}

/// Every metric by its name: the counts, and the others.
pub const METRICS: [(&str, Metric); Count::ALL.len() + OTHERS.len()] = {
    let mut all = [OTHERS[0]; Count::ALL.len() + OTHERS.len()];
    let mut place = 0;
    while place < all.len() {
        all[place] = match place.checked_sub(Count::ALL.len()) {
            Some(other) => OTHERS[other],
            None => {
                let count = Count::ALL[place];
                (count.traits().name, Metric::Count(count))
            }
        };
        place += 1;
    }
    all
};

/// The metrics that are no counts: a new one is a line here and an arm in a match below.
const OTHERS: [(&str, Metric); 42] = {
    use Metric::{ErrorRate, Latency, Served as S, Time as T};
    use Part::{After, Before, Control, During};
    use Quantile::{P50, P99};
    use Stat::{Max, Median, P95};
    [
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

/// The unit of a metric's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// A share of one.
    Share,
    /// Milliseconds.
    Ms,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// A figure for people.
    pub fn show(self, value: f64) -> String {
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
    pub fn show_difference(self, value: f64) -> String {
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
    /// What its figures are measured in.
    pub const fn unit(self) -> Unit {
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

    /// What it is, as a noun without its quantile, and without a word on the part of a trial that its name says.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Count(count) => count.traits().meaning,
            Self::ErrorRate(Part::Control) => "failed operations of the control trials",
            Self::ErrorRate(_) => "failed operations",
            Self::Served(Served::Availability) => {
                "operations with a correct reply within the objective"
            }
            Self::Served(Served::Journeys) => "operations of journeys that no fault tore",
            Self::Latency(_, _) => "from the intended moment of an operation to its reply",
            Self::Time(time, _) => match time {
                Time::Detect => "T0 to the first failed operation",
                Time::Restart => "T0 to the start of the new process",
                Time::Listen => "T0 to the first accepted connection",
                Time::Ready => "T0 to the first correct reply of the new process",
                Time::Outage => "from the moment the fault was sent to ready",
                Time::ClientOutage => "the longest time without a correct reply around the fault",
                Time::Blind => "how long clients failed while the health check said ready",
                Time::Steady => "T0 until the service is as good as before, for good",
                Time::LongestGap => "the longest time between two correct replies",
                Time::OutageArea => {
                    "failed and slow operations together, as seconds of full outage"
                }
            },
        }
    }

    /// A gate on it that makes sense for many services.
    pub const fn example(self) -> &'static str {
        match self.unit() {
            Unit::Count => "== 0",
            Unit::Share if self.is_better_when_more() => ">= 99 %",
            Unit::Share => "<= 1 %",
            Unit::Ms => match self {
                Self::Latency(_, _) => "<= 50ms",
                _ => "<= 2s",
            },
            Unit::Seconds => "<= 2s",
        }
    }

    /// Whether less of it is worse.
    pub const fn is_better_when_more(self) -> bool {
        matches!(self, Self::Served(_))
    }

    /// What must be clean without any fault for it to be judged. Of what happens before the fault, or without one, and of
    /// times after it, nothing.
    pub const fn borne_on_by(self) -> &'static [Bearing] {
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

    /// The count, if it is one.
    pub const fn count(self) -> Option<Count> {
        match self {
            Self::Count(count) => Some(count),
            Self::ErrorRate(_) | Self::Served(_) | Self::Latency(_, _) | Self::Time(_, _) => None,
        }
    }
}
