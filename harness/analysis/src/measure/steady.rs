//! How far the service was from its own baseline after a fault, and since when it is back there.

use comeback_model::operation::Operation;
use comeback_model::plan::Plan;
use comeback_model::units::{Elapsed, Span};

use super::facts::Facts;
use super::load::{Load, Part};
use super::windows::{Grid, Window};
use super::{Chain, Return, Time};

/// How much smaller than the baseline's share of correct operations a steady window's may be.
const SHARE_SLACK: f64 = 0.05;
/// How many of the windows until the load's end must be within the band.
const WINDOWS_WITHIN: f64 = 0.95;
/// Of so many windows one may be outside, though it is more than that: a load is often observed for no more than ten.
const FEWEST_WINDOWS: usize = 5;
/// Windows are put together until each has so many operations: one that is slow on a busy machine does not decide then.
const FEWEST: u64 = 20;
/// The median: a machine that stands still for some ms delays a third of a window's operations, seldom half of them.
const QUANTILE: f64 = 0.5;
/// How much slower than the whole baseline a steady window may be.
const SLOWER: f64 = 3.0;
/// Or than the baseline's slowest window.
const SLOWER_THAN_WORST: f64 = 1.25;
/// How much slower than 99 % of the baseline an operation must be to count as waiting, where the plan has no objective.
const WAITING: f64 = 3.0;

/// What the service was like before the fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Band {
    /// Correct / scheduled over all windows.
    share: f64,
    /// The largest window's failed / scheduled.
    error_share: f64,
    /// The slowest that a window may be.
    latency_ms: f64,
}

/// Where the windows of a stretch of load are, relative to its begin, and what is in them.
type Placed = (usize, Window);

/// The stretches of load that are compared: a baseline, and what follows the moment to be judged.
struct Stretches<'a> {
    plan: &'a Plan,
    before: (Elapsed, Elapsed),
    after: (Elapsed, Elapsed),
}

impl Stretches<'_> {
    /// The band of the operations before; windows are aligned back from its end. Absent without any.
    fn band<'o>(&self, operations: impl Iterator<Item = &'o Operation>) -> Option<Band> {
        let (from, to) = self.before;
        let windows = Grid::new(to, self.plan.windows.window, from, to).fill(operations);
        let windows = put_together(windows);
        let mut all = Window::default();
        let (mut error_share, mut worst_ms) = (0.0_f64, 0.0_f64);
        for (_, window) in windows {
            error_share = error_share.max(window.errors.rate().unwrap_or(0.0));
            worst_ms = worst_ms.max(window.correct_ms(QUANTILE).unwrap_or(0.0));
            all.absorb(window);
        }
        Some(Band {
            share: all.correct_share()?,
            error_share,
            latency_ms: (all.correct_ms(QUANTILE).unwrap_or(0.0) * SLOWER)
                .max(worst_ms * SLOWER_THAN_WORST),
        })
    }

    /// The earliest window, as its begin and its length, from which on the service stays within the band until the end
    /// of the load; it must do so for the plan's time at least.
    fn steady<'o>(
        &self,
        band: &Band,
        operations: impl Iterator<Item = &'o Operation>,
    ) -> Option<(Elapsed, Span)> {
        let ((from, to), width) = (self.after, self.plan.windows.window);
        let windows = Grid::new(from, width, from, to).fill(operations);
        let (count, windows) = (windows.len(), put_together(windows));
        let length = self.plan.windows.steady_for.as_us() / width.as_us().max(1);
        let last = count.checked_sub(usize::try_from(length).ok()?.max(1))?;
        let (mut outside, mut first) = (0, None);
        for (seen, (place, window)) in windows
            .iter()
            .enumerate()
            .rev()
            .map(|(at, w)| (windows.len() - at, w))
        {
            let is_within = band.holds(window);
            outside += usize::from(!is_within);
            let allowed = (seen as f64 * (1.0 - WINDOWS_WITHIN) + 1e-9).floor() as usize;
            let allowed = allowed.max(usize::from(seen >= FEWEST_WINDOWS));
            if *place <= last && is_within && outside <= allowed {
                first = Some((seen, *place));
            }
        }
        let (seen, place) = first?;
        let next = windows
            .get(windows.len() - seen + 1)
            .map_or(count, |(next, _)| *next);
        let begin = |place: usize| Span::from_us(width.as_us().saturating_mul(place as u64));
        Some((from + begin(place), begin(next - place)))
    }
}

impl Band {
    /// Whether a window is as good as the baseline.
    fn holds(&self, window: &Window) -> bool {
        let share = window.correct_share().unwrap_or(0.0);
        let is_slow = |ms: f64| ms > self.latency_ms;
        share >= (1.0 - SHARE_SLACK) * self.share
            && window.errors.rate().unwrap_or(1.0) <= self.error_share
            && !window.correct_ms(QUANTILE).is_some_and(is_slow)
    }
}

/// Puts windows together until each has enough operations; what is left over belongs to the last.
fn put_together(windows: Vec<Window>) -> Vec<Placed> {
    let mut together: Vec<Placed> = Vec::new();
    let mut is_full = true;
    for (place, window) in windows.into_iter().enumerate() {
        match together.last_mut() {
            Some((_, last)) if !is_full => last.absorb(window),
            _ => together.push((place, window)),
        }
        is_full = together
            .last()
            .is_some_and(|(_, last)| last.errors.scheduled >= FEWEST);
    }
    if !is_full && let Some((place, short)) = together.pop() {
        match together.last_mut() {
            Some((_, last)) => last.absorb(short),
            None => together.extend((short.errors.scheduled > 0).then_some((place, short))),
        }
    }
    together
}

/// The earliest moment from which on the service stays within its band until the load's end.
pub(super) fn time_to_steady(
    plan: &Plan,
    facts: &Facts,
    load: &Load<'_>,
    chain: &Chain,
    returned: Option<&Return>,
) -> Option<Time> {
    let confirmed = facts.effect_confirmed()?;
    let Some(recovered) = facts.recovered() else {
        return match chain.ready? {
            Time::Beyond { ms } => Some(Time::Beyond { ms }),
            Time::At { .. } => None,
        };
    };
    let (baseline, fault, end) = (facts.baseline()?, facts.fault()?, load.end?);
    let stretches = Stretches {
        plan,
        before: (baseline, fault),
        after: (recovered, end),
    };
    let band = stretches.band(load.of(Part::Before))?;
    let steady = stretches
        .steady(&band, load.of(Part::After))
        .filter(|_| !matches!(returned, Some(Return::Not(_))));
    Some(match steady {
        Some((start, length)) => Time::At {
            ms: start.ms_after(confirmed),
            error_ms: length.as_ms(),
        },
        None => Time::Beyond {
            ms: recovered.max(end).since(confirmed).as_ms(),
        },
    })
}

/// The same rule over a control trial, as if a fault that took no time had faulted when one would have: the time until
/// the service is called steady, in ms. Anything but 0 is a false alarm.
pub(super) fn false_time_to_steady(plan: &Plan, facts: &Facts, load: &Load<'_>) -> Option<Time> {
    let (from, fault, end) = (facts.baseline()?, facts.origin()?, load.end?);
    if !facts.control || fault <= from {
        return None;
    }
    let stretches = Stretches {
        plan,
        before: (from, fault),
        after: (fault, end),
    };
    let is_before = |op: &&Operation| op.intended < fault;
    let (before, after): (Vec<&Operation>, Vec<&Operation>) =
        load.operations.iter().partition(|op| is_before(op));
    let band = stretches.band(before.into_iter())?;
    Some(match stretches.steady(&band, after.into_iter()) {
        Some((start, length)) => Time::At {
            ms: start.ms_after(fault),
            error_ms: length.as_ms(),
        },
        None => Time::Beyond {
            ms: end.max(fault).since(fault).as_ms(),
        },
    })
}

/// How much service was missing from the fault to the load's end, as equivalent seconds of full outage:
/// Σ w·clip(1 − share/b, 0, 1) over the windows, share being that of what was scheduled in a window, b the baseline's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct OutageArea {
    /// Of the correct operations.
    pub(super) failed_s: f64,
    /// What is missing beyond that of those that were correct and did not have to wait.
    pub(super) slow_s: f64,
}

/// A window without operations adds nothing: arrivals are random, and their absence is no evidence.
pub(super) fn outage_area(plan: &Plan, facts: &Facts, load: &Load<'_>) -> Option<OutageArea> {
    // Only a fault that took effect has an outage, though it is counted from the fault's sending.
    facts.effect_confirmed()?;
    let (baseline, fault, end) = (facts.baseline()?, facts.fault()?, load.end?);
    let width = plan.windows.window;
    let mut before = Window::default();
    let usual = Grid::new(fault, width, baseline, fault).fill(load.of(Part::Before));
    usual.into_iter().for_each(|window| before.absorb(window));
    let limit_ms = match plan.load.objective {
        Some(objective) => objective.as_ms(),
        None => before.correct_ms(0.99)? * WAITING,
    };
    let missing = |share: Option<f64>, usual: f64| match share {
        Some(share) => width.as_secs() * (1.0 - share / usual).clamp(0.0, 1.0),
        None => 0.0,
    };
    let usual_share = before.correct_share().filter(|share| *share > 0.0)?;
    let usual_prompt = before.prompt_share(limit_ms).filter(|share| *share > 0.0);
    let mut area = OutageArea::default();
    let windows = Grid::new(fault, width, fault, end).fill(load.operations.iter().copied());
    for window in &windows {
        let failed_s = missing(window.correct_share(), usual_share);
        let all_s = usual_prompt.map_or(0.0, |usual| missing(window.prompt_share(limit_ms), usual));
        area.failed_s += failed_s;
        area.slow_s += (all_s - failed_s).max(0.0);
    }
    Some(area)
}
