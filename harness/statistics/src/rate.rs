//! Intervals for rates over trials: a share of operations or sessions, where one trial is one sample.
//!
//! What one crash does to its operations it does to many of them at once, so a rate is bursty: only its
//! scatter from trial to trial says how well it is known.

use super::{CONFIDENCE, Interval, Z_TWO_SIDED};

/// So many of so many in one trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// How many.
    pub part: f64,
    /// Of how many.
    pub whole: f64,
}

/// The fewest trials whose rate has an interval of the confidence that is said: with five, and a rate that is
/// zero in most trials, it would hold the truth in 91 %.
pub const RATE_NEEDS: usize = 6;

/// The fewest trials of each arm whose difference has one: it is the wider for the scatter of both.
pub const RATE_DIFFERENCE_NEEDS: usize = 4;

/// The share of all trials together; not a number where nothing is a whole.
pub fn pooled(trials: &[Part]) -> f64 {
    let (part, whole) = trials.iter().fold((0.0, 0.0), |(part, whole), trial| {
        (part + trial.part, whole + trial.whole)
    });
    part / whole
}

/// The 95 % interval of the pooled rate; `None` below [`RATE_NEEDS`] trials, or where nothing is a whole.
///
/// The error of a ratio of sums is that of its residuals over trials (W. G. Cochran, "Sampling Techniques", 3rd
/// ed. 1977, section 6.4), and its interval has Student's quantile at n − 1. It is made twice, on the rate itself and on
/// its logarithm of odds, and the wider end is taken: the first is short where rates are skewed, the second where they
/// have two modes. As a few trials seldom hold the worst one, each end counts one trial more than there are, as far out as
/// the farthest seen. The table of METHOD.md §4 says how often it holds the truth, by simulation.
///
/// Trials that do not differ give a point, which is no proof of certainty. What happens in fewer than
/// 1 − 0.05^(1/n) of crashes may not have been seen at all, and no interval can hold what it never saw.
pub fn rate_interval(trials: &[Part]) -> Option<Interval> {
    (trials.len() >= RATE_NEEDS)
        .then(|| interval(trials))
        .flatten()
}

/// The 95 % interval of how much the pooled rate of `a` lies above that of `b`; `None` below
/// [`RATE_DIFFERENCE_NEEDS`] trials of either.
///
/// The arms' own intervals, combined: each end lies from the difference as far as the root of the squares of those two
/// distances that make it (G. Y. Zou & A. Donner, "Construction of confidence limits about effect measures: a general
/// approach", Statistics in Medicine 27 (2008) 1693–1702).
pub fn rate_difference(a: &[Part], b: &[Part]) -> Option<Interval> {
    if a.len().min(b.len()) < RATE_DIFFERENCE_NEEDS {
        return None;
    }
    let (of_a, of_b) = (interval(a)?, interval(b)?);
    let (rate_a, rate_b) = (pooled(a), pooled(b));
    let difference = rate_a - rate_b;
    Some(Interval {
        low: difference - (rate_a - of_a.low).hypot(of_b.high - rate_b),
        high: difference + (of_a.high - rate_a).hypot(rate_b - of_b.low),
        confidence: CONFIDENCE,
    })
}

fn interval(trials: &[Part]) -> Option<Interval> {
    let rate = pooled(trials);
    if !rate.is_finite() {
        return None;
    }
    if error(trials, rate) == 0.0 {
        return Some(Interval {
            low: rate,
            high: rate,
            confidence: CONFIDENCE,
        });
    }
    let rates = || {
        let wholes = trials.iter().filter(|trial| trial.whole > 0.0);
        wholes.map(|trial| trial.part / trial.whole)
    };
    let least = rates().fold(rate, f64::min);
    let most = rates().fold(rate, f64::max);
    let ends = ends(trials);
    Some(Interval {
        low: ends
            .0
            .min(with_one_more(trials, least).0)
            .min(rate)
            .max(0.0),
        high: ends
            .1
            .max(with_one_more(trials, most).1)
            .max(rate)
            .min(1.0_f64.max(rate)),
        confidence: CONFIDENCE,
    })
}

/// The ends with one more trial of average size that has this rate.
fn with_one_more(trials: &[Part], rate: f64) -> (f64, f64) {
    let whole = trials.iter().map(|trial| trial.whole).sum::<f64>() / trials.len() as f64;
    let one_more = Part {
        part: rate * whole,
        whole,
    };
    let more: Vec<Part> = trials.iter().copied().chain([one_more]).collect();
    ends(&more)
}

/// The wider ends of both scales.
fn ends(trials: &[Part]) -> (f64, f64) {
    let rate = pooled(trials);
    let reach = student(trials.len() - 1) * error(trials, rate);
    let (low, high) = (rate - reach, rate + reach);
    if rate <= 0.0 || rate >= 1.0 {
        return (low, high);
    }
    let odds = (rate / (1.0 - rate)).ln();
    let reach = reach / (rate * (1.0 - rate));
    let share = |odds: f64| 1.0 / (1.0 + (-odds).exp());
    (low.min(share(odds - reach)), high.max(share(odds + reach)))
}

/// The standard error of a ratio of sums, by its residuals.
pub(super) fn error(trials: &[Part], rate: f64) -> f64 {
    let size = trials.len() as f64;
    let whole: f64 = trials.iter().map(|trial| trial.whole).sum();
    let squares: f64 = trials
        .iter()
        .map(|trial| {
            let residual = trial.part - rate * trial.whole;
            // A rounding error is not scatter.
            let noise = 4.0 * f64::EPSILON * trial.whole;
            if residual.abs() <= noise {
                0.0
            } else {
                residual.powi(2)
            }
        })
        .sum();
    (size / (size - 1.0) * squares).sqrt() / whole
}

/// The 97.5 % point of Student's distribution, from the tables up to ten degrees of freedom.
const STUDENT: [f64; 10] = [
    12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004,
    2.262_157, 2.228_139,
];

/// The 97.5 % point of Student's distribution; beyond the table by its expansion around the normal one
/// (Abramowitz & Stegun, "Handbook of Mathematical Functions", 26.7.5), off by less than 0.0002.
pub(super) fn student(freedom: usize) -> f64 {
    if let Some(point) = freedom.checked_sub(1).and_then(|at| STUDENT.get(at)) {
        return *point;
    }
    let (z, freedom) = (Z_TWO_SIDED, freedom as f64);
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    z + (z3 + z) / (4.0 * freedom)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * freedom.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * freedom.powi(3))
}

/// Fisher's exact test of trials: how likely it is that of the trials with an event so many or more are of the
/// first arm, if both arms have them as often. The margin is fixed, so the answer holds whatever the rate is.
pub fn fisher_excess((with_a, of_a): (u64, u64), (with_b, of_b): (u64, u64)) -> f64 {
    let events = with_a + with_b;
    let ln = |n: u64| (1..=n).map(|k| (k as f64).ln()).sum::<f64>();
    let ways = |n: u64, k: u64| ln(n) - ln(k) - ln(n - k);
    let most = events.min(of_a);
    let tail: f64 = (with_a..=most)
        .filter(|of_first| events - of_first <= of_b)
        .map(|of_first| {
            let chosen = ways(of_a, of_first) + ways(of_b, events - of_first);
            (chosen - ways(of_a + of_b, events)).exp()
        })
        .sum();
    tail.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn trials(parts: &[(f64, f64)]) -> Vec<Part> {
        let part = |&(part, whole): &(f64, f64)| Part { part, whole };
        parts.iter().map(part).collect()
    }

    /// Reference: the tables of Abramowitz & Stegun, 26.10, and SciPy's `t.ppf(0.975, ν)`.
    #[test]
    fn student_meets_the_published_points() {
        for (freedom, point) in [
            (1, 12.706_205),
            (5, 2.570_582),
            (10, 2.228_139),
            (11, 2.200_985),
            (20, 2.085_963),
            (40, 2.021_075),
            (120, 1.979_930),
        ] {
            assert_close(student(freedom), point, 1e-4);
        }
    }

    /// Reference: R's `fisher.test(alternative = "greater")`: 15/495, 1/20, 1/2, and a table with both.
    #[test]
    fn trials_with_a_loss_are_told_from_chance_exactly() {
        assert_close(fisher_excess((4, 6), (0, 6)), 15.0 / 495.0, 1e-9);
        assert_close(fisher_excess((3, 3), (0, 3)), 0.05, 1e-9);
        assert_close(fisher_excess((1, 6), (0, 6)), 0.5, 1e-9);
        assert_close(fisher_excess((5, 6), (1, 6)), 37.0 / 924.0, 1e-9);
        assert_close(fisher_excess((0, 6), (0, 6)), 1.0, 1e-9);
    }

    #[test]
    fn few_trials_have_no_interval_and_equal_ones_a_point() {
        let equal = |n| trials(&vec![(5.0, 100.0); n]);
        assert_eq!(rate_interval(&equal(RATE_NEEDS - 1)), None);
        let point = rate_interval(&equal(RATE_NEEDS)).unwrap();
        assert!(point.high - point.low < 1e-9, "{point:?}");
        assert_eq!(rate_difference(&equal(3), &equal(9)), None);
        let point = rate_difference(&equal(4), &equal(9)).unwrap();
        assert!(point.high - point.low < 1e-9, "{point:?}");
        assert_eq!(rate_interval(&trials(&[(0.0, 0.0); 8])), None);
    }

    #[test]
    fn a_rate_that_bursts_in_one_trial_of_six_is_known_as_badly_as_it_is() {
        let mut bursty = trials(&[(0.0, 400.0); 6]);
        bursty[3].part = 120.0;
        let interval = rate_interval(&bursty).unwrap();
        assert!(interval.low < 0.01 && interval.high > 0.25, "{interval:?}");
    }

    proptest! {
        #[test]
        fn an_interval_holds_its_rate_and_both_are_shares(
            parts in vec((0..=u64::MAX, 1..=u64::MAX), 6..20),
        ) {
            let parts: Vec<Part> = parts
                .into_iter()
                .map(|(part, whole)| Part { part: part.min(whole) as f64, whole: whole as f64 })
                .collect();
            let (rate, interval) = (pooled(&parts), rate_interval(&parts).unwrap());
            prop_assert!(0.0 <= interval.low && interval.low <= rate, "{interval:?}");
            prop_assert!(rate <= interval.high && interval.high <= 1.0, "{interval:?}");
            let against = rate_difference(&parts, &parts[..4]).unwrap();
            prop_assert!(-1.0 <= against.low && against.high <= 1.0, "{against:?}");
        }

        #[test]
        fn the_rest_of_a_rate_is_known_as_well_as_the_rate(parts in vec(0..=100_u64, 6..20)) {
            let of = |map: fn(u64) -> u64| -> Vec<Part> {
                let part = |&part: &u64| Part { part: map(part) as f64, whole: 100.0 };
                parts.iter().map(part).collect()
            };
            let (here, rest) = (
                rate_interval(&of(|part| part)).unwrap(),
                rate_interval(&of(|part| 100 - part)).unwrap(),
            );
            prop_assert!((here.low - (1.0 - rest.high)).abs() < 1e-9);
            prop_assert!((here.high - (1.0 - rest.low)).abs() < 1e-9);
        }
    }
}
