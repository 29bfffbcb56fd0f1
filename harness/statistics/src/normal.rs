//! The standard normal distribution, near machine precision.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// Beyond this point the continued fraction converges quickly and, unlike the series, keeps the relative
/// precision of a small tail.
const TAIL: f64 = 2.5;

/// Terms of the series: at `TAIL` the next one is below 1e-50.
const TERMS: u32 = 60;

/// Depth of the continued fraction: at `TAIL` it is off by less than 1e-18, farther out by less still.
const DEPTH: u32 = 100;

/// Φ(x), the probability that a standard normal variable is at most `x`.
///
/// In the middle Φ(x) = 1/2 + φ(x)·(x + x³/3 + x⁵/(3·5) + …): G. Marsaglia, "Evaluating the Normal
/// Distribution", Journal of Statistical Software 11(4), 2004. In the tails Φ(−x) is φ(x) divided by the
/// continued fraction x + 1/(x + 2/(x + 3/(x + …))): Abramowitz & Stegun, "Handbook of Mathematical
/// Functions", 26.2.14.
pub(super) fn cdf(x: f64) -> f64 {
    if x <= -TAIL {
        upper_tail(-x)
    } else if x >= TAIL {
        1.0 - upper_tail(x)
    } else {
        let (_, sum) = (1..=TERMS).fold((x, x), |(term, sum), step| {
            let term = term * x * x / f64::from(2 * step + 1);
            (term, sum + term)
        });
        0.5 + density(x) * sum
    }
}

/// 1 − Φ(x) for an `x` of at least `TAIL`.
fn upper_tail(x: f64) -> f64 {
    if x.is_infinite() {
        return 0.0;
    }
    let fraction = (1..=DEPTH)
        .rev()
        .fold(x, |fraction, step| x + f64::from(step) / fraction);
    density(x) / fraction
}

/// φ(x) = exp(−x²/2)/√(2π).
fn density(x: f64) -> f64 {
    0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI * (-0.5 * x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;
    use proptest::prelude::*;

    /// Reference: `scipy.stats.norm.cdf`, SciPy 1.17.1.
    #[test]
    fn probability_matches_the_reference() {
        for (x, expected) in [
            (-37.5, 4.605353009581954e-308),
            (-10.0, 7.61985302416047e-24),
            (-5.0, 2.866515718791933e-07),
            (-3.0, 0.0013498980316300933),
            (-2.5, 0.006209665325776132),
            (-1.959963984540054, 0.025),
            (-1.0, 0.15865525393145707),
            (-0.5, 0.3085375387259869),
            (0.0, 0.5),
            (0.25, 0.5987063256829237),
            (1.0, 0.8413447460685429),
            (2.0, 0.9772498680518208),
            (3.0, 0.9986501019683699),
            (6.0, 0.9999999990134123),
            (8.0, 0.9999999999999993),
        ] {
            let tolerance = if x < -30.0 { 1e-12 } else { 1e-14 };
            assert_close(cdf(x), expected, tolerance);
        }
        assert_eq!((cdf(f64::NEG_INFINITY), cdf(f64::INFINITY)), (0.0, 1.0));
    }

    #[test]
    fn two_sided_constant_is_the_percentage_point() {
        assert_close(cdf(super::super::Z_TWO_SIDED), 0.975, 1e-15);
    }

    proptest! {
        #[test]
        fn tails_add_up_to_one(x in -9.0..9.0_f64) {
            prop_assert!((cdf(x) + cdf(-x) - 1.0).abs() < 1e-15);
        }
    }
}
