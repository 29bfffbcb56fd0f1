//! The binomial distribution, exact for any number of trials.

/// P(B ≤ 0), P(B ≤ 1), … P(B ≤ n) for B successes in `n` trials, each with probability `p` in (0, 1).
///
/// The terms follow from one another by P(B = k+1) = P(B = k)·(n−k)/(k+1)·p/(1−p), in logarithms, since the
/// first one underflows for large `n`.
pub(super) fn cumulative(n: usize, p: f64) -> impl Iterator<Item = f64> {
    let log_odds = p.ln() - (-p).ln_1p();
    let mut log_term = n as f64 * (-p).ln_1p();
    let mut sum = 0.0;
    (0..=n).map(move |k| {
        sum += log_term.exp();
        log_term += ((n - k) as f64 / (k + 1) as f64).ln() + log_odds;
        sum
    })
}

/// P(B ≥ `least`) for B successes in `n` trials, each with probability `p`: how likely so many are by chance.
pub fn upper_tail(least: usize, n: usize, p: f64) -> f64 {
    match least.checked_sub(1) {
        None => 1.0,
        Some(_) if least > n || p <= 0.0 => 0.0,
        Some(_) if p >= 1.0 => 1.0,
        // By the failures, so that a small tail is a sum of small terms and not 1 less nearly 1.
        Some(_) => cumulative(n, 1.0 - p)
            .nth(n - least)
            .unwrap_or(1.0)
            .min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;

    #[test]
    fn four_coins_follow_pascals_triangle() {
        let expected = [1.0, 5.0, 11.0, 15.0, 16.0].map(|ways| ways / 16.0);
        for (actual, expected) in cumulative(4, 0.5).zip(expected) {
            assert_close(actual, expected, 1e-14);
        }
    }

    #[test]
    fn an_upper_tail_keeps_its_digits_however_small_it_is() {
        assert_close(upper_tail(3, 4, 0.5), 5.0 / 16.0, 1e-14);
        assert_close(upper_tail(5, 5, 0.005), 0.005_f64.powi(5), 1e-10);
        assert_eq!(
            [
                upper_tail(0, 4, 0.5),
                upper_tail(5, 4, 0.5),
                upper_tail(1, 4, 0.0)
            ],
            [1.0, 0.0, 0.0]
        );
    }

    #[test]
    fn first_term_that_underflows_loses_nothing() {
        // Symmetry: P(B ≤ 2000) + P(B ≤ 1999) = 1 for 4000 coins, whose first term is 2^-4000.
        let low: Vec<f64> = cumulative(4_000, 0.5).skip(1_999).take(2).collect();
        assert_close(low[0] + low[1], 1.0, 1e-10);
    }
}
