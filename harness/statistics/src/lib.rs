//! Statistics over trials: intervals for medians, quantiles, proportions and differences.
//!
//! Pure functions over `f64` samples, the project's `METHOD.md §4` in code. The unit of replication is the
//! trial, so one sample is one trial's figure. A right-censored sample ("not within the horizon") is
//! `f64::INFINITY`: order statistics work with it, an interval's end may be infinite, and a figure that
//! needs finite samples is `None`, never a guess. NaN is a bug of the caller and is asserted against in
//! debug builds.
//!
//! Nothing here judges, rounds or prints. The analysis and the verdict call it.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod binomial;
mod change;
mod excess;
mod holm;
mod normal;
mod order;
mod permutation;
mod proportion;
mod random;
mod rank_sum;
mod rate;
mod shift;
pub mod simulate;
mod trend;

pub use binomial::upper_tail;
pub use change::{CHANGE_NEEDS, ChangePoint, change_point};
pub use excess::{
    median_excess, median_sees, rate_excess, rate_sees, rate_shift_excess, shift_excess,
    shift_sees, student_tail,
};
pub use holm::holm;
pub use order::{median, median_interval, quantile, quantile_needed, quantile_upper_bound};
pub use permutation::permutation_test;
pub use proportion::{first_event_at, surely_above, wilson, zero_event_upper_bound};
pub use rank_sum::{MannWhitney, cliffs_delta, mann_whitney};
pub use rate::{
    Part, RATE_DIFFERENCE_NEEDS, RATE_NEEDS, fisher_excess, pooled, rate_difference, rate_interval,
};
pub use shift::{
    Shift, has_shift_interval, hodges_lehmann, hodges_lehmann_within, shift_excess_within,
};

pub use trend::trend;

use std::fmt;

/// The confidence that every interval and bound of this crate aims at.
pub const CONFIDENCE: f64 = 0.95;

/// The 97.5 % point of the standard normal distribution: two-sided 95 %.
const Z_TWO_SIDED: f64 = 1.959_963_984_540_054;

/// An interval, both ends included, for an unknown figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end; may be infinite when samples are censored.
    pub low: f64,
    /// The upper end; infinite when the censored samples leave it open.
    pub high: f64,
    /// The share of such intervals that hold the figure: exact for an order-statistic interval (a minimum
    /// when samples tie), nominal for all others.
    pub confidence: f64,
}

impl Interval {
    /// Whether `value` lies in the interval.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// There are fewer samples than the figure needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFew {
    /// The samples there are.
    pub have: usize,
    /// The samples it takes.
    pub need: usize,
}

impl fmt::Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too few samples: {} of {}", self.have, self.need)
    }
}

impl std::error::Error for TooFew {}

/// The samples in ascending order, censored ones last.
fn sorted(samples: &[f64]) -> Vec<f64> {
    assert_no_nan(samples);
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

fn assert_no_nan(samples: &[f64]) {
    debug_assert!(
        samples.iter().all(|sample| !sample.is_nan()),
        "a sample is not a number"
    );
}

/// What several tests of this crate share.
#[cfg(test)]
mod testing {
    use super::random::Uniform;

    /// Asserts that two figures agree but for a relative error of `tolerance`.
    pub(super) fn assert_close(actual: f64, expected: f64, tolerance: f64) {
        let error = (actual - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
        assert!(
            actual == expected || error <= tolerance,
            "{actual} is not {expected}: relative error {error:e}"
        );
    }

    /// A draw from the exponential distribution of mean 1 (skewness 2), by inversion.
    pub(super) fn exponential(random: &mut Uniform) -> f64 {
        -random.open_unit().ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_says_how_many_of_how_many() {
        let error = TooFew { have: 12, need: 29 };
        assert_eq!(error.to_string(), "too few samples: 12 of 29");
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "not a number")]
    fn nan_is_a_bug_of_the_caller() {
        median(&[1.0, f64::NAN]);
    }
}
