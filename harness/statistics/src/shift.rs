//! How much one arm is above the other: the Hodges–Lehmann shift.

use super::order::median_of_sorted;
use super::rank_sum::{approximate_lower_tail, exact_applies, exact_lower_tail};
use super::{CONFIDENCE, Z_TWO_SIDED, assert_no_nan, normal};

/// The 80 % point of the standard normal distribution: the usual power.
const Z_POWER: f64 = 0.841_621_233_572_914_3;

/// How much farther than half of its interval a shift must lie to be seen in four of five runs.
pub(super) const POWER: f64 = (Z_TWO_SIDED + Z_POWER) / Z_TWO_SIDED;

/// How much the first arm lies above the second, in the samples' unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The median of all pairwise differences; infinite when mostly one arm is censored, `None` if so many
    /// pairs are censored on both sides that it can be anything.
    pub estimate: Option<f64>,
    /// The lower end of the interval; −∞ when censored samples leave it open.
    pub low: f64,
    /// The upper end of the interval; ∞ when censored samples leave it open.
    pub high: f64,
    /// The confidence the interval achieves: exact below 50 samples (a minimum when samples tie), else by
    /// the normal approximation.
    pub confidence: f64,
}

/// The Hodges–Lehmann shift of `a` against `b`, with its interval of at least 95 %; `None` if the arms are
/// too small for one (3 against 3, 2 against 7; 4 against 4 suffices).
///
/// Of the mn ascending differences the interval is D(k)..D(mn+1−k), k the largest rank with P(U ≤ k−1) ≤
/// 2.5 % in the Mann–Whitney distribution: it holds the shifts that the test does not reject. Where two
/// censored samples meet, the difference is unknown; it counts as −∞ for the lower and as ∞ for the upper
/// end. Takes memory for mn numbers. Source: J. L. Hodges & E. L. Lehmann, "Estimates of Location Based on
/// Rank Tests", Annals of Mathematical Statistics 34 (1963) 598–611; interval as in M. Hollander & D. A.
/// Wolfe, "Nonparametric Statistical Methods", 2nd ed. 1999, section 4.3.
pub fn hodges_lehmann(a: &[f64], b: &[f64]) -> Option<Shift> {
    shift(&[(a, b)], interval_rank(a.len(), b.len())?)
}

/// The shift of the first arms against the second ones, where only those of one stratum compare with each other, as those
/// measured on one machine do; `None` if all strata together are too small for an interval. With one stratum it is
/// [`hodges_lehmann`].
///
/// The differences are those within strata, and the test that the interval inverts is that of the sum of the strata's
/// Mann–Whitney statistics. That sum's distribution is exact: the convolution of theirs; by the normal approximation
/// where it would be long. What a stratum adds to both of its arms leaves every difference as it is. Source: J. L. Hodges & E. L.
/// Lehmann, "Rank Methods for Combination of Independent Experiments in Analysis of Variance", Annals of Mathematical
/// Statistics 33 (1962) 482–497; E. L. Lehmann, "Nonparametrics: Statistical Methods Based on Ranks", 1975, section 3.3.
pub fn hodges_lehmann_within(strata: &[(&[f64], &[f64])]) -> Option<Shift> {
    match strata {
        [(a, b)] => hodges_lehmann(a, b),
        strata => shift(strata, strata_rank(strata)?),
    }
}

fn shift(strata: &[(&[f64], &[f64])], (rank, confidence): (usize, f64)) -> Option<Shift> {
    for (a, b) in strata {
        assert_no_nan(a);
        assert_no_nan(b);
    }
    let least = differences(strata, f64::NEG_INFINITY);
    let most = differences(strata, f64::INFINITY);
    let estimate = median_of_sorted(&least)?;
    let unique = median_of_sorted(&most)? == estimate;
    Some(Shift {
        estimate: unique.then_some(estimate),
        low: least[rank - 1],
        high: most[most.len() - rank],
        confidence,
    })
}

/// Whether arms of these sizes are large enough for [`hodges_lehmann`].
pub fn has_shift_interval(m: usize, n: usize) -> bool {
    interval_rank(m, n).is_some()
}

impl Shift {
    /// The smallest shift that arms of these sizes and this spread could have told from none, in four of
    /// five runs; `None` if the interval is open.
    ///
    /// A shift of the samples moves the interval and leaves its width: whatever the shift was, half of the
    /// width is how far an interval around no shift would have reached. An effect of just that size is
    /// missed in every second run; for a power of 80 % it takes (z₀.₉₇₅ + z₀.₈)/z₀.₉₇₅ = 1.43 times as much,
    /// by the normal approximation of a shift's estimate. Source: J. Cohen, "Statistical Power Analysis for
    /// the Behavioral Sciences", 2nd ed. 1988, chapter 2; that the width is a consistent estimate of the
    /// estimate's error: E. L. Lehmann, "Nonparametric Confidence Intervals for a Shift Parameter", Annals
    /// of Mathematical Statistics 34 (1963) 1507–1512.
    pub fn detectable(&self) -> Option<f64> {
        let half = (self.high - self.low) / 2.0;
        half.is_finite().then_some(half * POWER)
    }
}

/// All differences a − b within strata in ascending order, with `unknown` for ∞ − ∞.
fn differences(strata: &[(&[f64], &[f64])], unknown: f64) -> Vec<f64> {
    let mut differences: Vec<f64> = strata
        .iter()
        .flat_map(|(a, b)| a.iter().flat_map(move |x| b.iter().map(move |y| x - y)))
        .map(|difference| {
            if difference.is_nan() {
                unknown
            } else {
                difference
            }
        })
        .collect();
    differences.sort_unstable_by(f64::total_cmp);
    differences
}

/// k and the achieved confidence 1 − 2·P(U ≤ k−1); `None` if no k is small enough.
fn interval_rank(m: usize, n: usize) -> Option<(usize, f64)> {
    if m == 0 || n == 0 {
        return None;
    }
    let confidence = |tail: f64| 1.0 - 2.0 * tail;
    let (index, confidence) = if exact_applies(m, n) {
        exact_lower_tail(m, n)
            .into_iter()
            .map(confidence)
            .take_while(|&confidence| confidence >= CONFIDENCE)
            .enumerate()
            .last()?
    } else {
        (0..m * n / 2)
            .map(|u| confidence(approximate_lower_tail(m, n, 0.0, u as f64)))
            .take_while(|&confidence| confidence >= CONFIDENCE)
            .enumerate()
            .last()?
    };
    Some((index + 1, confidence))
}

/// Beyond so many differences the distribution of the sum is taken for normal.
const MOST_EXACT: usize = 10_000;

/// The same for the sum of the strata's statistics.
fn strata_rank(strata: &[(&[f64], &[f64])]) -> Option<(usize, f64)> {
    let (index, confidence) = lower_tails(strata)
        .into_iter()
        .map(|tail| 1.0 - 2.0 * tail)
        .take_while(|&confidence| confidence >= CONFIDENCE)
        .enumerate()
        .last()?;
    Some((index + 1, confidence))
}

/// The p-value of samples like these, or more extreme ones, if the first arms are not more than `allowed` above the second ones,
/// where only those of one stratum compare with each other: of the test that [`hodges_lehmann_within`] inverts. What equals the
/// allowed difference, or is not known, speaks for the first arm.
pub fn shift_excess_within(strata: &[(&[f64], &[f64])], allowed: f64) -> f64 {
    let differences = differences(strata, f64::NEG_INFINITY);
    let within = differences.partition_point(|difference| *difference <= allowed);
    lower_tails(strata).get(within).copied().unwrap_or(1.0)
}

/// P(U ≤ 0), P(U ≤ 1), … of the sum of the strata's statistics, up to its middle.
fn lower_tails(strata: &[(&[f64], &[f64])]) -> Vec<f64> {
    let sizes = strata.iter().map(|(a, b)| (a.len(), b.len()));
    let sizes: Vec<(usize, usize)> = sizes.filter(|(m, n)| m * n > 0).collect();
    let pairs: usize = sizes.iter().map(|(m, n)| m * n).sum();
    if pairs <= MOST_EXACT && sizes.iter().all(|(m, n)| exact_applies(*m, *n)) {
        let chances = sizes.iter().fold(vec![1.0], |sum, (m, n)| {
            convolved(&sum, &chances_of(*m, *n))
        });
        let tails = chances.iter().scan(0.0, |tail, chance| {
            *tail += chance;
            Some(*tail)
        });
        return tails.take(pairs.div_ceil(2)).collect();
    }
    let variance: f64 = sizes
        .iter()
        .map(|(m, n)| (m * n * (m + n + 1)) as f64 / 12.0)
        .sum();
    let tail = |u: usize| {
        let below_middle = pairs as f64 / 2.0 - u as f64 - 0.5;
        normal::cdf(-below_middle / variance.sqrt())
    };
    (0..pairs / 2).map(tail).collect()
}

/// P(U = 0), P(U = 1), … P(U = mn): the lower half, and the same mirrored.
fn chances_of(m: usize, n: usize) -> Vec<f64> {
    let tails = exact_lower_tail(m, n);
    let before = std::iter::once(0.0).chain(tails.iter().copied());
    let lower: Vec<f64> = tails
        .iter()
        .zip(before)
        .map(|(tail, before)| tail - before)
        .collect();
    let pairs = m * n;
    (0..=pairs).map(|u| lower[u.min(pairs - u)]).collect()
}

/// The distribution of the sum of two independent counts.
fn convolved(one: &[f64], other: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; one.len() + other.len() - 1];
    for (i, chance) in one.iter().enumerate() {
        for (j, of_other) in other.iter().enumerate() {
            sum[i + j] += chance * of_other;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::super::random::Uniform;
    use super::super::testing::{assert_close, exponential};
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const INF: f64 = f64::INFINITY;

    #[track_caller]
    fn check(a: &[f64], b: &[f64], estimate: f64, low: f64, high: f64, confidence: f64) {
        let shift = hodges_lehmann(a, b).unwrap();
        assert_close(shift.estimate.unwrap(), estimate, 1e-12);
        assert_close(shift.low, low, 1e-12);
        assert_close(shift.high, high, 1e-12);
        assert_close(shift.confidence, confidence, 1e-12);
    }

    /// Reference: numpy over all differences, ranks from SciPy 1.17.1's exact Mann–Whitney distribution.
    #[test]
    fn shift_and_interval_match_the_reference() {
        check(
            &[78.0, 64.0, 75.0, 45.0, 82.0],
            &[110.0, 70.0, 53.0, 51.0],
            6.5,
            -46.0,
            29.0,
            0.9682539682539683,
        );
        check(
            &[1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30],
            &[
                0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06001, 3.15, 1.29001,
            ],
            0.56,
            -0.37,
            1.183,
            0.9600164541341012,
        );
        let low = [1.0, 2.0, 3.0, 4.0, 5.0];
        check(
            &low,
            &low.map(|x| x + 5.0),
            -5.0,
            -8.0,
            -2.0,
            0.9682539682539683,
        );
    }

    #[test]
    fn arms_too_small_for_the_confidence_have_no_interval() {
        for (m, n, possible) in [
            (3, 3, false),
            (2, 7, false),
            (2, 8, true),
            (4, 4, true),
            (0, 9, false),
        ] {
            let (a, b) = (vec![1.0; m], vec![2.0; n]);
            assert_eq!(
                hodges_lehmann(&a, &b).is_some(),
                possible,
                "{m} against {n}"
            );
        }
    }

    #[test]
    fn one_censored_trial_leaves_the_estimate_and_opens_an_end_if_it_must() {
        let shift = hodges_lehmann(&[1.0, 2.0, 3.0, INF], &[5.0, 6.0, 7.0, 8.0]).unwrap();
        assert_eq!((shift.low, shift.high), (-7.0, INF));
        assert_eq!(shift.estimate, Some(-4.0));
    }

    #[test]
    fn arms_censored_on_both_sides_say_nothing_about_the_shift() {
        let shift = hodges_lehmann(&[INF; 5], &[INF; 5]).unwrap();
        assert_eq!((shift.low, shift.high, shift.estimate), (-INF, INF, None));
        let shift = hodges_lehmann(&[INF; 5], &[1.0; 5]).unwrap();
        assert_eq!(
            (shift.low, shift.high, shift.estimate),
            (INF, INF, Some(INF))
        );
    }

    /// Twelve strata of one pair each: the sum is binomial(12, 1/2), and the interval that of the sign test, D(3)..D(10).
    #[test]
    fn strata_of_a_pair_each_are_judged_by_the_signs() {
        let samples: Vec<([f64; 1], [f64; 1])> = (1..=12_u32)
            .map(|d| {
                (
                    [1_000.0 * f64::from(d) + f64::from(d)],
                    [1_000.0 * f64::from(d)],
                )
            })
            .collect();
        let strata: Vec<(&[f64], &[f64])> = samples.iter().map(|(a, b)| (&a[..], &b[..])).collect();
        let shift = hodges_lehmann_within(&strata).unwrap();
        assert_eq!((shift.low, shift.high), (3.0, 10.0));
        assert_eq!(shift.estimate, Some(6.5));
        assert_close(shift.confidence, 1.0 - 2.0 * 79.0 / 4096.0, 1e-9);
        assert_eq!(hodges_lehmann_within(&strata[..5]), None);
        assert_eq!(hodges_lehmann_within(&[]), None);
    }

    #[test]
    fn one_stratum_is_the_shift_itself_and_an_empty_one_adds_nothing() {
        let (a, b) = ([78.0, 64.0, 75.0, 45.0, 82.0], [110.0, 70.0, 53.0, 51.0]);
        let alone = hodges_lehmann(&a, &b).unwrap();
        assert_eq!(hodges_lehmann_within(&[(&a, &b)]), Some(alone));
        let beside = hodges_lehmann_within(&[(&a, &b), (&[1.0], &[])]).unwrap();
        assert_eq!((beside.low, beside.high), (alone.low, alone.high));
        assert_close(beside.confidence, alone.confidence, 1e-12);
    }

    #[test]
    fn exact_and_approximate_ranks_of_strata_meet() {
        let sample: Vec<f64> = (0..22).map(f64::from).collect();
        let strata = |count| vec![(&sample[..], &sample[..]); count];
        // 20 strata of 22 against 22 are 9,680 pairs, and 21 are more than are exact.
        let exact = strata_rank(&strata(20)).unwrap().0 as f64;
        let variance = 20.0 * 22.0 * 22.0 * 45.0 / 12.0_f64;
        let expected = 9_680.0 / 2.0 - Z_TWO_SIDED * variance.sqrt();
        assert!(
            (exact - expected).abs() < 3.0,
            "{exact}, expected {expected}"
        );
        let approximate = strata_rank(&strata(21)).unwrap().0 as f64;
        let variance = variance * 21.0 / 20.0;
        let expected = 10_164.0 / 2.0 - Z_TWO_SIDED * variance.sqrt();
        assert!(
            (approximate - expected).abs() < 3.0,
            "{approximate}, expected {expected}"
        );
    }

    /// Machines that differ by ten times the samples' scatter, and have unequally many of each arm.
    #[test]
    fn what_machines_differ_by_is_no_shift_of_arms() {
        let mut random = Uniform::new(31);
        let (runs, sizes) = (2_000, [(2, 3), (3, 2), (4, 1), (1, 4)]);
        let mut said = 0.0;
        let hits = (0..runs)
            .filter(|_| {
                let mut draw = |count: usize, shift: f64| -> Vec<f64> {
                    (0..count)
                        .map(|_| exponential(&mut random) + shift)
                        .collect()
                };
                let samples: Vec<(Vec<f64>, Vec<f64>)> = sizes
                    .iter()
                    .zip([0.0, 10.0, 20.0, 30.0])
                    .map(|((m, n), machine)| (draw(*m, machine + 0.75), draw(*n, machine)))
                    .collect();
                let strata: Vec<(&[f64], &[f64])> =
                    samples.iter().map(|(a, b)| (&a[..], &b[..])).collect();
                let shift = hodges_lehmann_within(&strata).unwrap();
                said = shift.confidence;
                shift.low <= 0.75 && 0.75 <= shift.high
            })
            .count();
        let coverage = hits as f64 / f64::from(runs);
        assert!((coverage - said).abs() < 0.015, "{coverage}, said {said}");
    }

    #[test]
    fn the_chance_of_an_excess_is_that_of_the_interval_that_it_lies_beyond() {
        let (a, b) = ([10.0, 11.0, 12.0, 13.0], [1.0, 2.0, 3.0, 4.0]);
        let strata: [(&[f64], &[f64]); 2] = [(&a, &b), (&b, &b)];
        // Of the first stratum all 16 differences are larger than 5, of the second none of 16: the middle.
        assert_close(shift_excess_within(&strata, 5.0), 1.0, 0.0);
        let both: [(&[f64], &[f64]); 2] = [(&a, &b), (&a, &b)];
        // One of 70² ways to put four of eight into each arm.
        assert_close(shift_excess_within(&both, 5.0), 1.0 / 4_900.0, 1e-12);
        // It breaks what the interval excludes, and nothing else: a tie speaks for the first arm.
        let shift = hodges_lehmann_within(&both).unwrap();
        let alpha = (1.0 - shift.confidence) / 2.0;
        assert!(shift_excess_within(&both, shift.low - 1e-9) <= alpha + 1e-12);
        assert!(shift_excess_within(&both, shift.low) > alpha);
    }

    #[test]
    fn exact_and_approximate_ranks_meet_where_they_change_over() {
        let (exact, _) = interval_rank(49, 49).unwrap();
        let (approximate, confidence) = interval_rank(50, 50).unwrap();
        // μ − z·σ for 49 is 924.8 and for 50 is 965.6.
        assert!((922..=927).contains(&exact), "{exact}");
        assert!((963..=968).contains(&approximate), "{approximate}");
        assert!((0.95..0.951).contains(&confidence), "{confidence}");
    }

    #[test]
    fn interval_holds_the_shift_as_often_as_it_says() {
        let mut random = Uniform::new(30);
        let runs = 4_000;
        let mut said = 0.0;
        let hits = (0..runs)
            .filter(|_| {
                let a: Vec<f64> = (0..10).map(|_| exponential(&mut random) + 0.75).collect();
                let b: Vec<f64> = (0..12).map(|_| exponential(&mut random)).collect();
                let shift = hodges_lehmann(&a, &b).unwrap();
                said = shift.confidence;
                shift.low <= 0.75 && 0.75 <= shift.high
            })
            .count();
        // Three standard errors of 4,000 runs are 0.01.
        let coverage = hits as f64 / f64::from(runs);
        assert!((coverage - said).abs() < 0.01, "{coverage}, said {said}");
    }

    proptest! {
        #[test]
        fn interval_holds_the_estimate(a in vec(0.0..1e3_f64, 4..20), b in vec(0.0..1e3_f64, 4..20)) {
            let shift = hodges_lehmann(&a, &b).unwrap();
            let estimate = shift.estimate.unwrap();
            prop_assert!(shift.low <= estimate && estimate <= shift.high);
            prop_assert!(shift.confidence >= 0.95);
        }

        #[test]
        fn scale_of_the_samples_is_the_scale_of_the_shift(
            a in vec(0.0..1e3_f64, 4..12),
            b in vec(0.0..1e3_f64, 4..12),
            power in -20..20_i32,
        ) {
            let scale = 2.0_f64.powi(power);
            let scaled = |samples: &[f64]| samples.iter().map(|x| x * scale).collect::<Vec<f64>>();
            let small = hodges_lehmann(&a, &b).unwrap();
            let large = hodges_lehmann(&scaled(&a), &scaled(&b)).unwrap();
            prop_assert_eq!((large.low, large.high), (small.low * scale, small.high * scale));
            prop_assert_eq!(large.estimate, small.estimate.map(|estimate| estimate * scale));
        }
    }
}
