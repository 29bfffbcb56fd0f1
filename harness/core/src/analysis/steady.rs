//! How far the service was from its own baseline after a fault, and since when it is back there.

use super::facts::Facts;
use super::load::{Load, Part};
use super::windows::{Grid, Window};
use super::{Chain, Return, Time};
use crate::plan::Plan;
use crate::units::{Elapsed, Span};

/// How much smaller than the baseline's share of correct operations a steady window's may be.
const SHARE_SLACK: f64 = 0.05;
/// How many of the windows must be within the band.
const WINDOWS_WITHIN: f64 = 0.95;
/// How much slower than the baseline's slowest window a steady window may be.
const LATENCY_FACTOR: f64 = 1.25;
/// And by at least this much: on a shared machine the scheduler alone moves a sub-millisecond p99 so far.
const LATENCY_SLACK_MS: f64 = 5.0;

/// What the service was like before the fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Band {
    /// Correct / scheduled over all windows.
    share: f64,
    /// The largest window's failed / scheduled.
    error_share: f64,
    /// The largest window's 99th percentile of latency.
    p99_ms: f64,
}

impl Band {
    /// The band of a trial's baseline: the windows aligned back from the fault, without the operations
    /// that were in flight at it. Absent without a fault, or without an operation in such a window.
    pub(super) fn of(plan: &Plan, facts: &Facts, load: &Load<'_>) -> Option<Self> {
        let (baseline, fault) = (facts.baseline()?, facts.fault()?);
        let grid = Grid::new(fault, plan.windows.window, baseline, fault);
        let windows = grid.fill(load.of(Part::Before));
        let (mut correct, mut scheduled) = (0, 0);
        let (mut error_share, mut p99_ms) = (0.0_f64, 0.0_f64);
        for window in &windows {
            correct += window.errors.correct();
            scheduled += window.errors.scheduled;
            error_share = error_share.max(window.errors.rate().unwrap_or(0.0));
            p99_ms = p99_ms.max(window.p99_ms().unwrap_or(0.0));
        }
        (scheduled > 0).then(|| Self {
            share: correct as f64 / scheduled as f64,
            error_share,
            p99_ms,
        })
    }

    /// Whether a window is as good as the baseline; absent for a window without operations.
    fn holds(&self, window: &Window) -> Option<bool> {
        let share = window.correct_share()?;
        let slowest = (self.p99_ms * LATENCY_FACTOR).max(self.p99_ms + LATENCY_SLACK_MS);
        Some(
            share >= (1.0 - SHARE_SLACK) * self.share
                && window.errors.rate()? <= self.error_share
                && window.p99_ms()? <= slowest,
        )
    }
}

/// Equivalent seconds of full outage: Σ w·clip(1 − share/b, 0, 1) over the windows from the fault on,
/// share being a window's correct / scheduled and b the baseline's.
///
/// A window without operations adds nothing: arrivals are random, and their absence is no evidence.
pub(super) fn outage_area_s(
    band: &Band,
    width: Span,
    windows_after: impl Iterator<Item = Option<f64>>,
) -> Option<f64> {
    (band.share > 0.0).then(|| {
        windows_after
            .flatten()
            .map(|share| width.as_secs() * (1.0 - share / band.share).clamp(0.0, 1.0))
            .sum()
    })
}

/// The earliest start of a window from which on the service stays within its band for the plan's time.
pub(super) fn time_to_steady(
    plan: &Plan,
    facts: &Facts,
    load: &Load<'_>,
    chain: &Chain,
    returned: Option<&Return>,
) -> Option<Time> {
    let cut = facts.cut()?;
    let Some(recovered) = facts.recovered() else {
        return match chain.ready? {
            Time::Beyond { ms } => Some(Time::Beyond { ms }),
            Time::At { .. } => None,
        };
    };
    let (band, end) = (Band::of(plan, facts, load)?, load.end?);
    let width = plan.windows.window;
    let windows = Grid::new(recovered, width, recovered, end).fill(load.of(Part::After));
    let steady =
        first_steady(&band, &windows, plan).filter(|_| !matches!(returned, Some(Return::Not(_))));
    let steady = steady.map(|place| {
        let start = recovered + Span::from_us(width.as_us().saturating_mul(place as u64));
        Time::At {
            ms: start.ms_after(cut),
            error_ms: width.as_ms(),
        }
    });
    Some(steady.unwrap_or_else(|| beyond(cut, recovered.max(end))))
}

fn beyond(cut: Elapsed, end: Elapsed) -> Time {
    Time::Beyond {
        ms: end.since(cut).as_ms(),
    }
}

/// The first window that begins a steady stretch. A window without operations is no evidence for or
/// against, but a stretch without a single operation is not steady.
fn first_steady(band: &Band, windows: &[Window], plan: &Plan) -> Option<usize> {
    let width = plan.windows.window.as_us().max(1);
    let length = usize::try_from(plan.windows.steady_for.as_us() / width)
        .ok()?
        .max(1);
    let verdicts: Vec<Option<bool>> = windows.iter().map(|window| band.holds(window)).collect();
    let allowed = (length as f64 * (1.0 - WINDOWS_WITHIN) + 1e-9).floor() as usize;
    let is_steady = |stretch: &[Option<bool>]| {
        let outside = stretch
            .iter()
            .filter(|within| **within == Some(false))
            .count();
        outside <= allowed && stretch.contains(&Some(true))
    };
    verdicts.windows(length).position(is_steady)
}
