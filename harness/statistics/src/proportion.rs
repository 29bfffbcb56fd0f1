//! Proportions: how often something happened, out of how many times it could have.

use super::{CONFIDENCE, Interval, Z_TWO_SIDED};

/// The Wilson 95 % interval for a proportion; `None` if `n` is zero.
///
/// (p̂ + z²/2n ± z·√(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n), z = Φ⁻¹(0.975). Source: E. B. Wilson, "Probable
/// Inference, the Law of Succession, and Statistical Inference", Journal of the American Statistical
/// Association 22 (1927) 209–212. The `n` trials must be independent of one another: requests or sessions
/// in one crash are not, take whole trials for those ([`rate_interval`](super::rate_interval)).
pub fn wilson(successes: u64, n: u64) -> Option<Interval> {
    debug_assert!(successes <= n, "{successes} successes in {n} trials");
    if n == 0 {
        return None;
    }
    let (size, z_squared) = (n as f64, Z_TWO_SIDED * Z_TWO_SIDED);
    let share = successes as f64 / size;
    let centre = share + z_squared / (2.0 * size);
    let spread =
        Z_TWO_SIDED * (share * (1.0 - share) / size + z_squared / (4.0 * size * size)).sqrt();
    let scale = 1.0 + z_squared / size;
    // At 0 of n and n of n one end is the estimate itself; rounding must not push it past.
    Some(Interval {
        low: ((centre - spread) / scale).clamp(0.0, share),
        high: ((centre + spread) / scale).clamp(share, 1.0),
        confidence: CONFIDENCE,
    })
}

/// The 95 % upper bound of an event's probability when `n` trials saw none of it: 1 − 0.05^(1/n), about
/// 3/n (30 trials: 9.5 %). `None` if `n` is zero.
///
/// It solves (1−p)ⁿ = 0.05. Source: J. A. Hanley & A. Lippman-Hand, "If Nothing Goes Wrong, Is Everything
/// All Right?", JAMA 249 (1983) 1743–1745; `METHOD.md §4`.
pub fn zero_event_upper_bound(n: u64) -> Option<f64> {
    (n > 0).then(|| -((1.0 - CONFIDENCE).ln() / n as f64).exp_m1())
}

/// The bounds of the 95 % interval of an event's probability when trials were made until it was seen, at the `n`-th: 1 − 0.975^(1/n)
/// and 1 − 0.025^(1/(n−1)). `None` if `n` is zero.
///
/// It is exact (Clopper–Pearson's for a number of tries): at the lower bound the event comes by the n-th trial with 2.5 %, at the
/// upper one it does not come before the n-th with 2.5 %.
pub fn first_event_at(n: u64) -> Option<(f64, f64)> {
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let bound = |survives: f64, tries: u64| -(survives.ln() / tries as f64).exp_m1();
    let high = match n {
        0 => return None,
        1 => 1.0,
        n => bound(tail, n - 1),
    };
    Some((bound(1.0 - tail, n), high))
}

/// Whether the probability of an event that was seen `part` times in `whole` is above `share` for sure: were it just
/// that, so many or more would be seen with less than 5 % probability (the exact one-sided test).
///
/// Nothing is sure where nothing was seen.
pub fn surely_above(part: u64, whole: u64, share: f64) -> bool {
    if part == 0 {
        return false;
    }
    let below = super::binomial::cumulative(whole as usize, share).nth(part as usize - 1);
    below.is_some_and(|below| 1.0 - below < 1.0 - CONFIDENCE)
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;
    use proptest::prelude::*;

    /// Reference: `scipy.stats.binomtest(k, n, 0.001, alternative="greater")`, SciPy 1.17.1.
    #[test]
    fn the_interval_of_the_first_event_is_exact() {
        assert_eq!(first_event_at(0), None);
        for n in [1, 2, 40, 1_000] {
            let (low, high) = first_event_at(n).expect("there were tries");
            // By the n-th try with 2.5 %, and not before it with 2.5 %.
            assert!((1.0 - (1.0 - low).powi(n as i32) - 0.025).abs() < 1e-9);
            match n {
                1 => assert_eq!(high, 1.0),
                n => assert!(((1.0 - high).powi(n as i32 - 1) - 0.025).abs() < 1e-9),
            }
        }
    }

    #[test]
    fn one_failure_in_hundreds_is_not_surely_more_than_a_thousandth() {
        for (part, whole, surely) in [
            (0, 0, false),
            (0, 10_000, false),
            (1, 10_000, false),
            (1, 300, false),
            (1, 52, false),
            (1, 51, true),
            (2, 300, true),
            (2, 400, false),
            (3, 1_000, false),
            (4, 1_000, true),
            (100, 100, true),
            (20_000, 200_000, true),
        ] {
            assert_eq!(
                surely_above(part, whole, 0.001),
                surely,
                "{part} of {whole}"
            );
        }
    }

    /// Reference: `scipy.stats.binomtest(…).proportion_ci(method="wilson")`, SciPy 1.17.1.
    #[test]
    fn wilson_interval_matches_the_reference() {
        for (successes, n, low, high) in [
            (0, 30, 0.0, 0.11351339317396875),
            (1, 30, 0.005908590381612441, 0.16670390991409173),
            (15, 30, 0.3315412564053377, 0.6684587435946623),
            (30, 30, 0.8864866068260312, 1.0),
            (1, 1, 0.20654931437723745, 1.0),
            (81, 263, 0.2552885198782742, 0.36620957698280004),
            (5, 10_000, 0.0002135884261638257, 0.0011700259461420934),
        ] {
            let interval = wilson(successes, n).unwrap();
            assert_close(interval.low, low, 1e-12);
            assert_close(interval.high, high, 1e-12);
        }
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn none_and_all_of_any_number_touch_the_end_exactly() {
        for n in 1..2_000 {
            assert_eq!(wilson(0, n).unwrap().low, 0.0);
            assert_eq!(wilson(n, n).unwrap().high, 1.0);
        }
    }

    #[test]
    fn no_event_in_thirty_trials_leaves_nine_and_a_half_percent() {
        for (n, bound) in [
            (1, 0.95),
            (30, 0.09503385285530419),
            (100, 0.029513049607039932),
            (1_000, 0.0029912495450953314),
        ] {
            assert_close(zero_event_upper_bound(n).unwrap(), bound, 1e-12);
        }
        assert_eq!(zero_event_upper_bound(0), None);
    }

    proptest! {
        #[test]
        fn wilson_interval_lies_in_the_unit_and_holds_the_share(
            (successes, n) in (1_u64..1_000_000).prop_flat_map(|n| (0..=n, Just(n))),
        ) {
            let interval = wilson(successes, n).unwrap();
            prop_assert!(0.0 <= interval.low && interval.high <= 1.0);
            prop_assert!(interval.contains(successes as f64 / n as f64));
        }

        #[test]
        fn wilson_interval_of_the_failures_is_the_mirror_image(
            (successes, n) in (1_u64..100_000).prop_flat_map(|n| (0..=n, Just(n))),
        ) {
            let (one, other) = (wilson(successes, n).unwrap(), wilson(n - successes, n).unwrap());
            prop_assert!((one.low + other.high - 1.0).abs() < 1e-12);
        }

        #[test]
        fn zero_event_bound_is_what_five_percent_of_such_runs_miss(n in 1_u64..100_000) {
            let bound = zero_event_upper_bound(n).unwrap();
            prop_assert!(((1.0 - bound).powf(n as f64) - 0.05).abs() < 1e-9);
        }
    }
}
