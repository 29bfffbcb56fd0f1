//! The figure that a gate asks for, trial by trial: what a chart of a broken gate shows. Called by the reports.

use comeback_model::gate::{Gate, Metric};
use comeback_model::ids::TrialId;

use super::samples::figure;
use super::values::{Share, errors_of, share_served, trials_with};
use crate::measure::{ArmAnalysis, TrialAnalysis};

/// A trial, and its figure of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfTrial {
    /// Which.
    pub trial: TrialId,
    /// In the metric's unit; infinite where it lies beyond the horizon.
    pub figure: f64,
}

/// The figure of each trial that has one, of those that count. Of a count it is what was found for certain.
pub fn by_trial(gate: &Gate, arm: &ArmAnalysis) -> Vec<OfTrial> {
    let metric = gate.metric();
    let trials: Vec<&TrialAnalysis> = match metric {
        Metric::ErrorRate(part) => trials_with(part, arm),
        Metric::Count(count) if count.traits().is_certain_at_any_load => {
            arm.faulted().chain(arm.faulted_aside()).collect()
        }
        Metric::Count(_) | Metric::Served(_) | Metric::Latency(_, _) | Metric::Time(_, _) => {
            arm.faulted().collect()
        }
    };
    let share = |share: Share| (share.whole > 0).then(|| share.part as f64 / share.whole as f64);
    let mut all: Vec<OfTrial> = trials
        .into_iter()
        .filter_map(|trial| {
            let figure = match metric {
                Metric::Count(count) => Some(trial.tally(count).found as f64),
                Metric::ErrorRate(part) => share(Share::from(errors_of(part, trial))),
                Metric::Served(served) => share_served(served, trial).and_then(share),
                Metric::Latency(_, _) | Metric::Time(_, _) => figure(metric, trial),
            };
            Some(OfTrial {
                trial: trial.id,
                figure: figure?,
            })
        })
        .collect();
    all.sort_by_key(|one| one.trial);
    all
}
