//! The timeline's figures: what each window of the trials saw, summed up over the trials of an arm. For charts; they are
//! not in the document.

use std::collections::BTreeMap;

use comeback_statistics::median;

use crate::measure::{TimelineWindow, TrialAnalysis};

/// Median, minimum and maximum over the trials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Option<Self> {
        Some(Self {
            median: median(values)?,
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

/// One window over all trials of an arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowOverTrials {
    /// Its start, in seconds after the fault.
    pub from: f64,
    /// Its end.
    pub to: f64,
    /// Correct operations per second.
    pub goodput: Spread,
    /// Failed ones.
    pub failures: Spread,
}

/// An arm's windows in order, as long as every trial has them: where the quick ones have ended, a median
/// would be one over the slow ones.
pub fn windows_over<'a>(trials: impl Iterator<Item = &'a TrialAnalysis>) -> Vec<WindowOverTrials> {
    summed_up(trials.map(|trial| trial.timeline.as_slice()))
}

fn summed_up<'a>(timelines: impl Iterator<Item = &'a [TimelineWindow]>) -> Vec<WindowOverTrials> {
    let per_second =
        |count: u64, window: &TimelineWindow| count as f64 * 1_000.0 / window.length_ms;
    in_all(timelines)
        .into_iter()
        .filter_map(|seen| {
            let column = |of: &dyn Fn(&TimelineWindow) -> f64| {
                let figures: Vec<f64> = seen.windows.iter().map(|window| of(window)).collect();
                Spread::of(&figures)
            };
            Some(WindowOverTrials {
                from: seen.from,
                to: seen.to,
                goodput: column(&TimelineWindow::goodput)?,
                failures: column(&|window| per_second(window.errors.failures(), window))?,
            })
        })
        .collect()
}

/// One window over all trials of an arm: which share of its operations failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateOverTrials {
    /// Its start, in seconds after the fault.
    pub from: f64,
    /// Its end.
    pub to: f64,
    /// Failed / scheduled, of all trials together; nothing if no operation was due.
    pub share: Option<f64>,
    /// The smallest share of a trial in which an operation was due.
    pub least: Option<f64>,
    /// The largest.
    pub most: Option<f64>,
}

/// The share of operations that failed in each window that every trial has, in order.
pub fn error_rates_over<'a>(
    trials: impl Iterator<Item = &'a TrialAnalysis>,
) -> Vec<RateOverTrials> {
    rates(trials.map(|trial| trial.timeline.as_slice()))
}

fn rates<'a>(timelines: impl Iterator<Item = &'a [TimelineWindow]>) -> Vec<RateOverTrials> {
    let rate = |seen: Seen<'_>| {
        let shares: Vec<f64> = seen
            .windows
            .iter()
            .filter_map(|it| it.errors.rate())
            .collect();
        let spread = Spread::of(&shares);
        let sum =
            |of: fn(&TimelineWindow) -> u64| seen.windows.iter().map(|it| of(it)).sum::<u64>();
        let scheduled = sum(|window| window.errors.scheduled);
        let failed = sum(|window| window.errors.failures());
        RateOverTrials {
            from: seen.from,
            to: seen.to,
            share: (scheduled > 0).then(|| failed as f64 / scheduled as f64),
            least: spread.map(|spread| spread.least),
            most: spread.map(|spread| spread.most),
        }
    };
    in_all(timelines).into_iter().map(rate).collect()
}

/// A window of every trial.
struct Seen<'a> {
    /// In seconds after the fault.
    from: f64,
    to: f64,
    windows: Vec<&'a TimelineWindow>,
}

/// The windows that every trial has, in order.
fn in_all<'a>(timelines: impl Iterator<Item = &'a [TimelineWindow]>) -> Vec<Seen<'a>> {
    let mut places: BTreeMap<i64, Vec<&TimelineWindow>> = BTreeMap::new();
    let (mut count, mut length) = (0, 0.0);
    for timeline in timelines.filter(|timeline| !timeline.is_empty()) {
        count += 1;
        for window in timeline {
            if !(window.length_ms > 0.0 && window.start_ms.is_finite()) {
                continue;
            }
            let place = (window.start_ms / window.length_ms).round() as i64;
            places.entry(place).or_default().push(window);
            length = window.length_ms / 1_000.0;
        }
    }
    places
        .into_iter()
        .filter(|(_, seen)| seen.len() >= count)
        .map(|(place, windows)| Seen {
            from: place as f64 * length,
            to: (place + 1) as f64 * length,
            windows,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::ErrorTally;

    fn trial(failures: &[u64]) -> Vec<TimelineWindow> {
        failures
            .iter()
            .zip(-1i32..)
            .map(|(failed, place)| {
                let mut errors = ErrorTally::default();
                (0..50).for_each(|_| errors.count(None));
                (0..*failed).for_each(|_| {
                    errors.count(Some(comeback_model::operation::ErrorClass::Refused));
                });
                TimelineWindow {
                    start_ms: f64::from(place) * 250.0,
                    length_ms: 250.0,
                    errors,
                    attribution: Default::default(),
                    p50_ms: None,
                    p99_ms: None,
                }
            })
            .collect()
    }

    #[test]
    fn a_curve_ends_with_its_shortest_trial() {
        let timelines = [trial(&[0, 10, 0]), trial(&[0, 30]), trial(&[0, 20, 50, 50])];
        let windows = summed_up(timelines.iter().map(Vec::as_slice));
        assert_eq!(windows.len(), 2);
        let crash = windows[1];
        assert_eq!((crash.from, crash.to), (0.0, 0.25));
        assert_eq!(crash.goodput.median, 200.0);
        let failures = crash.failures;
        assert_eq!(
            (failures.least, failures.median, failures.most),
            (40.0, 80.0, 120.0)
        );
    }

    #[test]
    fn a_share_is_over_all_trials_and_its_range_over_single_ones() {
        let mut idle = trial(&[0, 0]);
        idle[1].errors = ErrorTally::default();
        let timelines = [trial(&[0, 50]), trial(&[0, 0]), idle];
        let rates = rates(timelines.iter().map(Vec::as_slice));
        let crash = rates[1];
        // 50 of 150 operations; nothing was due in the third.
        assert_eq!(crash.share, Some(50.0 / 150.0));
        assert_eq!((crash.least, crash.most), (Some(0.0), Some(0.5)));
        assert_eq!(rates[0].share, Some(0.0));
    }
}
