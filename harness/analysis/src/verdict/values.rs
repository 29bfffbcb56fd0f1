//! Where the figure of a metric stands in a trial's analysis.

use comeback_model::gate::{Part, Quantile, Served, Time};

use crate::measure::{
    ArmAnalysis, Availability, ErrorTally, JourneyOperations, Journeys, LatencyTally, TrialAnalysis,
};

/// So many of so many in one trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) part: u64,
    pub(crate) whole: u64,
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

/// The trials that have it.
pub(crate) fn trials_with(part: Part, arm: &ArmAnalysis) -> Vec<&TrialAnalysis> {
    match part {
        Part::Before | Part::During | Part::After => arm.faulted().collect(),
        Part::Control => arm.controls().collect(),
    }
}

/// Its operations, and those of them that failed.
pub(crate) const fn errors_of(part: Part, trial: &TrialAnalysis) -> &ErrorTally {
    match part {
        Part::Before | Part::Control => &trial.errors.before,
        Part::During => &trial.errors.during,
        Part::After => &trial.errors.after,
    }
}

const fn latency_of(part: Part, trial: &TrialAnalysis) -> &LatencyTally {
    match part {
        Part::Before | Part::Control => &trial.latency.before,
        Part::During => &trial.latency.during,
        Part::After => &trial.latency.after,
    }
}

/// The trial's share.
pub(crate) fn share_served(served: Served, trial: &TrialAnalysis) -> Option<Share> {
    match served {
        Served::Availability => Some(Share::from(trial.availability)),
        Served::Journeys => {
            let operations = trial.journeys.as_ref().map(Journeys::total);
            operations.map(Share::from)
        }
    }
}

/// The trial's share if what is not known of it was bad.
pub(crate) fn least_share_served(served: Served, trial: &TrialAnalysis) -> Option<Share> {
    match served {
        Served::Availability => share_served(served, trial),
        Served::Journeys => {
            let operations = trial.journeys.as_ref().map(Journeys::total)?;
            Some(Share {
                part: operations.whole(),
                whole: operations.scheduled,
            })
        }
    }
}

/// How many journeys of the arm it is not known of.
pub(crate) fn undecided_of(served: Served, arm: &ArmAnalysis) -> u64 {
    match served {
        Served::Availability => 0,
        Served::Journeys => {
            let journeys = arm.faulted().filter_map(|trial| trial.journeys.as_ref());
            journeys.map(|journeys| journeys.undecided).sum()
        }
    }
}

/// In ms: absent where no operation was scheduled, infinite where it falls on a failure.
pub(crate) fn latency_ms(quantile: Quantile, part: Part, trial: &TrialAnalysis) -> Option<f64> {
    latency_of(part, trial).quantile_ms(match quantile {
        Quantile::P50 => 0.5,
        Quantile::P99 => 0.99,
    })
}

/// The most that the trial's figure may be, where it was not seen exactly and may have been more.
pub(crate) fn longest_time(time: Time, trial: &TrialAnalysis) -> Option<f64> {
    let least = trial.figure(time)?;
    let error_ms = trial.blind_time.map_or(0.0, |time| time.error_ms);
    Some(least + if time == Time::Blind { error_ms } else { 0.0 })
}
