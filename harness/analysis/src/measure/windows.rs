//! The load cut into windows of equal length, by the time an operation was wanted.

use comeback_model::operation::Operation;
use comeback_model::units::{Elapsed, Span};

use super::attribution::Rules;
use super::load::latency_us;
use super::{Attribution, ErrorTally, TimelineWindow};

/// More windows than any trial has (a window of 250 ms: half a day); a journal that asks for more has a
/// time in it that cannot be.
pub(super) const MAX_WINDOWS: i128 = 200_000;

/// Windows of one length, aligned at an origin, that lie wholly within a stretch of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    origin: Elapsed,
    width: Span,
    /// Windows from the origin to the first one; negative when it lies before.
    first: i128,
    /// How many there are.
    count: i128,
}

/// The operations of one window.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    pub(super) errors: ErrorTally,
    /// Of the correct ones, in ascending order.
    latencies_us: Vec<u64>,
}

impl Grid {
    /// The windows of length `width`, aligned at `origin`, within `from` to `to`.
    pub(super) fn new(origin: Elapsed, width: Span, from: Elapsed, to: Elapsed) -> Self {
        let length = i128::from(width.as_us()).max(1);
        let offset = |at: Elapsed| i128::from(at.as_us()) - i128::from(origin.as_us());
        let first = -(-offset(from)).div_euclid(length);
        let end = offset(to).div_euclid(length);
        let count = if width == Span::ZERO { 0 } else { end - first };
        Self {
            origin,
            width,
            first,
            count: count.max(0),
        }
    }

    /// Whether there are more windows than can be meant; none of them is then filled.
    pub(super) const fn is_too_fine(&self) -> bool {
        self.count > MAX_WINDOWS
    }

    /// Puts each operation into its window.
    pub(super) fn fill<'a>(&self, operations: impl Iterator<Item = &'a Operation>) -> Vec<Window> {
        let count = if self.is_too_fine() {
            0
        } else {
            self.count as usize
        };
        let mut windows = vec![Window::default(); count];
        for operation in operations {
            if let Some(window) = self
                .place(operation.intended)
                .and_then(|place| windows.get_mut(place))
            {
                window.errors.count(operation.error);
                window.latencies_us.extend(latency_us(operation));
            }
        }
        for window in &mut windows {
            window.latencies_us.sort_unstable();
        }
        windows
    }

    /// Who failed and who served the operations of each window.
    pub(super) fn attribute<'a>(
        &self,
        operations: impl Iterator<Item = &'a Operation>,
        rules: &Rules<'_>,
    ) -> Vec<Attribution> {
        let count = if self.is_too_fine() { 0 } else { self.count };
        let mut windows = vec![Attribution::default(); count as usize];
        for operation in operations {
            let place = self.place(operation.intended);
            if let Some(window) = place.and_then(|place| windows.get_mut(place)) {
                rules.count(operation, window);
            }
        }
        windows
    }

    /// Where the `place`-th window starts, in ms after the origin.
    pub(super) fn start_ms(&self, place: usize) -> f64 {
        (self.first + place as i128) as f64 * self.width.as_ms()
    }

    fn place(&self, at: Elapsed) -> Option<usize> {
        let offset = i128::from(at.as_us()) - i128::from(self.origin.as_us());
        let place = offset.div_euclid(i128::from(self.width.as_us()).max(1)) - self.first;
        usize::try_from(place).ok()
    }
}

impl Window {
    /// Correct / scheduled. A share of what was scheduled, not a rate: arrivals are random, and how many
    /// fall into a window is not the server's doing. Absent when none did.
    pub(super) fn correct_share(&self) -> Option<f64> {
        self.errors.rate().map(|failed| 1.0 - failed)
    }

    /// The 99th percentile of latency in ms, infinite where the failures reach into it.
    pub(super) fn p99_ms(&self) -> Option<f64> {
        quantile_ms(&self.latencies_us, 0.99, self.errors.scheduled)
    }

    /// The median latency of the correct operations in ms.
    pub(super) fn p50_ms(&self) -> Option<f64> {
        self.correct_ms(0.5)
    }

    /// The q-quantile of the latency of the correct operations in ms.
    pub(super) fn correct_ms(&self, q: f64) -> Option<f64> {
        quantile_ms(&self.latencies_us, q, self.latencies_us.len() as u64)
    }

    /// Those that were correct within `limit_ms` / scheduled; absent when none was scheduled.
    pub(super) fn prompt_share(&self, limit_ms: f64) -> Option<f64> {
        let is_prompt = |us: &u64| *us as f64 / 1_000.0 <= limit_ms;
        let prompt = self.latencies_us.partition_point(is_prompt);
        (self.errors.scheduled > 0).then(|| prompt as f64 / self.errors.scheduled as f64)
    }

    /// Takes in the operations of another window.
    pub(super) fn absorb(&mut self, other: Self) {
        self.errors.merge(&other.errors);
        self.latencies_us.extend(other.latencies_us);
        self.latencies_us.sort_unstable();
    }
}

/// The windows as the charts want them.
pub(super) fn timeline(
    grid: &Grid,
    windows: Vec<Window>,
    attributions: Vec<Attribution>,
    width: Span,
) -> Vec<TimelineWindow> {
    windows
        .into_iter()
        .zip(attributions)
        .enumerate()
        .map(|(place, (window, attribution))| TimelineWindow {
            start_ms: grid.start_ms(place),
            length_ms: width.as_ms(),
            p50_ms: window.p50_ms(),
            p99_ms: window.p99_ms(),
            errors: window.errors,
            attribution,
        })
        .collect()
}

/// The smallest of `total` samples that a share `q` of them does not exceed; those beyond the sorted
/// ones are infinite. Absent without samples.
fn quantile_ms(sorted_us: &[u64], q: f64, total: u64) -> Option<f64> {
    if total == 0 {
        return None;
    }
    let rank = ((q * total as f64).ceil() as usize).max(1);
    Some(match sorted_us.get(rank - 1) {
        Some(us) => *us as f64 / 1_000.0,
        None => f64::INFINITY,
    })
}
