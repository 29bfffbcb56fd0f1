//! The median and other quantiles, with intervals that assume nothing about the distribution.
//!
//! Order statistics only ask which sample is larger, so a censored sample (∞) is as good as any other.

use super::{CONFIDENCE, Interval, TooFew, binomial, sorted};

/// The median: the middle sample, or the mean of the middle two. `None` without samples.
///
/// Infinite when the middle is censored: then less than half of the trials recovered within the horizon.
pub fn median(samples: &[f64]) -> Option<f64> {
    median_of_sorted(&sorted(samples))
}

/// The median of samples in ascending order.
pub(super) fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(sorted[sorted.len() / 2 - 1].midpoint(upper))
}

/// The distribution-free 95 % interval for the median, with the confidence it achieves; `None` below n = 6.
///
/// x(r)..x(n+1−r) holds the median with probability 1 − 2·P(B ≤ r−1), B binomial(n, 1/2); r is the largest
/// rank for which that is at least 95 %. For n = 5 even the whole range reaches only 93.75 %. Source: H. A.
/// David & H. N. Nagaraja, "Order Statistics", 3rd ed. 2003, section 7.1; `METHOD.md §4`.
pub fn median_interval(samples: &[f64]) -> Option<Interval> {
    let n = samples.len();
    let (rank, confidence) = binomial::cumulative(n, 0.5)
        .map(|tail| 1.0 - 2.0 * tail)
        .take_while(|&confidence| confidence >= CONFIDENCE)
        .enumerate()
        .last()?;
    let sorted = sorted(samples);
    Some(Interval {
        low: sorted[rank],
        high: sorted[n - 1 - rank],
        confidence,
    })
}

/// The fewest samples whose largest one is a 95 % upper bound of the `p`-quantile: the smallest n with
/// 1 − pⁿ ≥ 0.95 (29 for p90, 59 for p95, 299 for p99), for `p` inside (0, 1).
///
/// Source: S. S. Wilks, "Determination of Sample Sizes for Setting Tolerance Limits", Annals of
/// Mathematical Statistics 12 (1941) 91–96; `METHOD.md §4`.
pub fn quantile_needed(p: f64) -> usize {
    assert_share(p);
    let needed = (1.0 - CONFIDENCE).ln() / p.ln();
    // The logarithms are off by some 1e-16; a whole number must not be rounded up to the next.
    (needed * (1.0 - 1e-12)).ceil() as usize
}

/// The empirical `p`-quantile, `p` inside (0, 1): the smallest sample that at least a share `p` of all
/// samples does not exceed, x(⌈n·p⌉).
///
/// This is the inverse of the empirical distribution function, type 1 of R. J. Hyndman & Y. Fan, "Sample
/// Quantiles in Statistical Packages", The American Statistician 50 (1996) 361–365: always a sample that
/// occurred, hence at ease with censored ones.
///
/// # Errors
/// If there are fewer samples than [`quantile_needed`].
pub fn quantile(samples: &[f64], p: f64) -> Result<f64, TooFew> {
    require(samples, p)?;
    let n = samples.len();
    // 0.07·100 is 7.000000000000001 in floating point, and must stay rank 7.
    let rank = (n as f64 * p * (1.0 - 1e-12)).ceil() as usize;
    Ok(sorted(samples)[rank.clamp(1, n) - 1])
}

/// The 95 % upper confidence bound of the `p`-quantile, `p` inside (0, 1): the smallest x(s) with
/// P(B ≤ s−1) ≥ 0.95, B binomial(n, p). Infinite when that sample is censored.
///
/// Source: W. J. Conover, "Practical Nonparametric Statistics", 3rd ed. 1999, section 3.2; `METHOD.md §4`.
///
/// # Errors
/// If there are fewer samples than [`quantile_needed`]: no sample would bound the quantile.
pub fn quantile_upper_bound(samples: &[f64], p: f64) -> Result<f64, TooFew> {
    require(samples, p)?;
    let index = binomial::cumulative(samples.len(), p)
        .position(|below| below >= CONFIDENCE)
        .map_or(samples.len() - 1, |index| index.min(samples.len() - 1));
    Ok(sorted(samples)[index])
}

fn require(samples: &[f64], p: f64) -> Result<(), TooFew> {
    let need = quantile_needed(p).max(1);
    if samples.len() < need {
        return Err(TooFew {
            have: samples.len(),
            need,
        });
    }
    Ok(())
}

fn assert_share(p: f64) {
    debug_assert!(p > 0.0 && p < 1.0, "{p} does not lie inside (0, 1)");
}

#[cfg(test)]
mod tests {
    use super::super::random::Uniform;
    use super::super::testing::{assert_close, exponential};
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// 1, 2, … n, so that a sample is its own rank.
    fn ranks(n: usize) -> Vec<f64> {
        (1..=n).map(|rank| rank as f64).collect()
    }

    #[test]
    fn median_is_the_middle_or_the_mean_of_the_middle_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[f64::MAX, f64::MAX]), Some(f64::MAX));
    }

    #[test]
    fn median_with_a_censored_middle_is_infinite() {
        let inf = f64::INFINITY;
        assert_eq!(median(&[1.0, inf, 2.0]), Some(2.0));
        assert_eq!(median(&[1.0, inf]), Some(inf));
        assert_eq!(median(&[inf, inf]), Some(inf));
    }

    /// Reference: `scipy.stats.binom.cdf`, SciPy 1.17.1, searched for the largest rank.
    #[test]
    fn median_interval_has_the_published_ranks_and_confidence() {
        for (n, low, high, confidence) in [
            (6, 1.0, 6.0, 0.96875),
            (8, 1.0, 8.0, 0.9921875),
            (9, 2.0, 8.0, 0.9609375),
            (10, 2.0, 9.0, 0.978515625),
            (15, 4.0, 12.0, 0.96484375),
            (20, 6.0, 15.0, 0.9586105346679688),
            (30, 10.0, 21.0, 0.9572260547429323),
            (50, 18.0, 33.0, 0.9671608624357315),
            (100, 40.0, 61.0, 0.9647997997822951),
            (1_000, 469.0, 532.0, 0.9537088026395019),
        ] {
            let interval = median_interval(&ranks(n)).unwrap();
            assert_eq!((interval.low, interval.high), (low, high), "n = {n}");
            assert_close(interval.confidence, confidence, 1e-11);
        }
    }

    #[test]
    fn fewer_than_six_samples_have_no_median_interval() {
        for n in 0..6 {
            assert_eq!(median_interval(&ranks(n)), None);
        }
    }

    #[test]
    fn censored_samples_leave_the_upper_end_open() {
        let mut samples = ranks(10);
        samples[8] = f64::INFINITY;
        samples[9] = f64::INFINITY;
        let interval = median_interval(&samples).unwrap();
        assert_eq!((interval.low, interval.high), (2.0, f64::INFINITY));
    }

    #[test]
    fn quantiles_need_as_many_samples_as_published() {
        for (p, need) in [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2_995)] {
            assert_eq!(quantile_needed(p), need);
            assert!(1.0 - p.powi(need as i32) >= 0.95 && 1.0 - p.powi(need as i32 - 1) < 0.95);
        }
    }

    #[test]
    fn quantile_of_too_few_samples_is_no_number() {
        let expected = Err(TooFew { have: 28, need: 29 });
        assert_eq!(quantile(&ranks(28), 0.9), expected);
        assert_eq!(quantile_upper_bound(&ranks(28), 0.9), expected);
        assert_eq!(quantile(&[], 0.01), Err(TooFew { have: 0, need: 1 }));
    }

    #[test]
    fn quantile_is_the_sample_of_the_rank_rounded_up() {
        for (n, p, rank) in [
            (30, 0.9, 27.0),
            (29, 0.9, 27.0),
            (100, 0.07, 7.0),
            (100, 0.95, 95.0),
            (301, 0.99, 298.0),
        ] {
            assert_eq!(quantile(&ranks(n), p), Ok(rank), "n = {n}, p = {p}");
        }
    }

    /// Reference: `scipy.stats.binom.cdf`, SciPy 1.17.1, searched for the smallest rank.
    #[test]
    fn upper_bound_is_the_smallest_sample_with_the_confidence() {
        for (p, n, rank) in [
            (0.5, 5, 5.0),
            (0.5, 10, 9.0),
            (0.5, 20, 15.0),
            (0.9, 29, 29.0),
            (0.9, 46, 45.0),
            (0.9, 100, 96.0),
            (0.9, 1_000, 916.0),
            (0.95, 59, 59.0),
            (0.95, 93, 92.0),
            (0.99, 299, 299.0),
            (0.99, 473, 472.0),
            (0.99, 1_000, 996.0),
        ] {
            let bound = quantile_upper_bound(&ranks(n), p);
            assert_eq!(bound, Ok(rank), "n = {n}, p = {p}");
        }
    }

    /// The share of 4,000 samples from an exponential distribution whose interval holds its median, ln 2.
    fn coverage(n: usize, seed: u64) -> f64 {
        let mut random = Uniform::new(seed);
        let runs = 4_000;
        let hits = (0..runs)
            .filter(|_| {
                let samples: Vec<f64> = (0..n).map(|_| exponential(&mut random)).collect();
                median_interval(&samples).unwrap().contains(2.0_f64.ln())
            })
            .count();
        hits as f64 / f64::from(runs)
    }

    #[test]
    fn median_interval_holds_the_median_as_often_as_it_says() {
        // Three standard errors of 4,000 runs are 0.007 (n = 10) and 0.0095 (n = 20, 30).
        for (n, said, band) in [
            (10, 0.9785, 0.007),
            (20, 0.9586, 0.0095),
            (30, 0.9572, 0.0095),
        ] {
            let coverage = coverage(n, 20);
            assert!((coverage - said).abs() < band, "n = {n}: {coverage}");
        }
    }

    proptest! {
        #[test]
        fn interval_holds_the_median_estimate(samples in vec(-1e6..1e6_f64, 6..80)) {
            let interval = median_interval(&samples).unwrap();
            prop_assert!(interval.contains(median(&samples).unwrap()));
            prop_assert!(interval.confidence >= 0.95);
        }

        #[test]
        fn censored_sample_never_lowers_the_median(
            mut samples in vec(prop_oneof![9 => 0.0..1e6_f64, 1 => Just(f64::INFINITY)], 6..80),
        ) {
            let before = (median(&samples).unwrap(), median_interval(&samples).unwrap());
            let last = samples.len() - 1;
            samples.push(f64::INFINITY);
            prop_assert!(median(&samples).unwrap() >= before.0);
            samples.pop();
            samples[last] = f64::INFINITY;
            let after = median_interval(&samples).unwrap();
            prop_assert!(median(&samples).unwrap() >= before.0);
            prop_assert!(after.low >= before.1.low && after.high >= before.1.high);
        }

        #[test]
        fn scale_of_the_samples_is_the_scale_of_the_figures(
            samples in vec(-1e6..1e6_f64, 29..80),
            power in -20..20_i32,
        ) {
            // A power of two scales floating-point numbers without rounding.
            let scale = 2.0_f64.powi(power);
            let scaled: Vec<f64> = samples.iter().map(|sample| sample * scale).collect();
            let (small, large) = (median_interval(&samples).unwrap(), median_interval(&scaled).unwrap());
            prop_assert_eq!(median(&scaled), median(&samples).map(|median| median * scale));
            prop_assert_eq!((large.low, large.high), (small.low * scale, small.high * scale));
            prop_assert_eq!(quantile(&scaled, 0.9), quantile(&samples, 0.9).map(|q| q * scale));
        }

        #[test]
        fn upper_bound_is_not_below_the_quantile(samples in vec(0.0..1e6_f64, 59..200), p in 0.1..0.95_f64) {
            prop_assert!(quantile_upper_bound(&samples, p).unwrap() >= quantile(&samples, p).unwrap());
        }

        #[test]
        fn upper_bound_exists_exactly_from_the_needed_size(p in 0.01..0.995_f64) {
            let need = quantile_needed(p);
            prop_assert!(binomial::cumulative(need, p).nth(need - 1).unwrap() >= 0.95 - 1e-9);
            prop_assert!(need == 1 || binomial::cumulative(need - 1, p).nth(need - 2).unwrap() < 0.95);
        }
    }
}
