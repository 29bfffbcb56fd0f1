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
    let mut places: BTreeMap<i64, Vec<(f64, f64)>> = BTreeMap::new();
    let (mut count, mut length) = (0, 0.0);
    for timeline in timelines.filter(|timeline| !timeline.is_empty()) {
        count += 1;
        for window in timeline {
            if !(window.length_ms > 0.0 && window.start_ms.is_finite()) {
                continue;
            }
            let place = (window.start_ms / window.length_ms).round() as i64;
            let failures = window.errors.failures() as f64 * 1_000.0 / window.length_ms;
            places
                .entry(place)
                .or_default()
                .push((window.goodput(), failures));
            length = window.length_ms / 1_000.0;
        }
    }
    places
        .into_iter()
        .filter(|(_, seen)| seen.len() >= count)
        .filter_map(|(place, seen)| {
            let column = |of: fn(&(f64, f64)) -> f64| seen.iter().map(of).collect::<Vec<_>>();
            Some(WindowOverTrials {
                from: place as f64 * length,
                to: (place + 1) as f64 * length,
                goodput: Spread::of(&column(|seen| seen.0))?,
                failures: Spread::of(&column(|seen| seen.1))?,
            })
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
}
