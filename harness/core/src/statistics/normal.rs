//! The standard normal distribution: Φ and its inverse, near machine precision.

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

/// Φ⁻¹(p): the `x` with Φ(x) = p; −∞ at 0 and ∞ at 1.
///
/// M. J. Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied Statistics
/// 37 (1988) 477–484, routine PPND16: relative accuracy about 1e-16.
pub(super) fn quantile(p: f64) -> f64 {
    debug_assert!((0.0..=1.0).contains(&p), "{p} is not a probability");
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * horner(&CENTRE_NUMERATOR, r) / horner(&CENTRE_DENOMINATOR, r);
    }
    let tail = p.min(1.0 - p);
    if tail <= 0.0 {
        return f64::INFINITY.copysign(q);
    }
    let r = (-tail.ln()).sqrt();
    let x = if r <= 5.0 {
        horner(&TAIL_NUMERATOR, r - 1.6) / horner(&TAIL_DENOMINATOR, r - 1.6)
    } else {
        horner(&FAR_NUMERATOR, r - 5.0) / horner(&FAR_DENOMINATOR, r - 5.0)
    };
    x.copysign(q)
}

/// The polynomial at `x`, the coefficient of the highest power first.
fn horner(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients
        .iter()
        .fold(0.0, |value, coefficient| value * x + coefficient)
}

// Wichura's coefficients a, b (centre), c, d (tail) and e, f (far), highest power first.
const CENTRE_NUMERATOR: [f64; 8] = [
    2_509.080_928_730_122_7,
    33_430.575_583_588_13,
    67_265.770_927_008_7,
    45_921.953_931_549_87,
    13_731.693_765_509_46,
    1_971.590_950_306_551_3,
    133.141_667_891_784_38,
    3.387_132_872_796_366_5,
];
const CENTRE_DENOMINATOR: [f64; 8] = [
    5_226.495_278_852_854,
    28_729.085_735_721_943,
    39_307.895_800_092_71,
    21_213.794_301_586_597,
    5_394.196_021_424_751,
    687.187_007_492_057_9,
    42.313_330_701_600_91,
    1.0,
];
const TAIL_NUMERATOR: [f64; 8] = [
    0.000_774_545_014_278_341_4,
    0.022_723_844_989_269_184,
    0.241_780_725_177_450_6,
    1.270_458_252_452_368_4,
    3.647_848_324_763_204_5,
    5.769_497_221_460_691,
    4.630_337_846_156_546,
    1.423_437_110_749_683_5,
];
const TAIL_DENOMINATOR: [f64; 8] = [
    1.050_750_071_644_416_9e-9,
    0.000_547_593_808_499_534_5,
    0.015_198_666_563_616_457,
    0.148_103_976_427_480_08,
    0.689_767_334_985_1,
    1.676_384_830_183_803_8,
    2.053_191_626_637_759,
    1.0,
];
const FAR_NUMERATOR: [f64; 8] = [
    2.010_334_399_292_288_1e-7,
    2.711_555_568_743_487_6e-5,
    0.001_242_660_947_388_078_4,
    0.026_532_189_526_576_124,
    0.296_560_571_828_504_87,
    1.784_826_539_917_291_3,
    5.463_784_911_164_114,
    6.657_904_643_501_103,
];
const FAR_DENOMINATOR: [f64; 8] = [
    2.044_263_103_389_939_7e-15,
    1.421_511_758_316_446e-7,
    1.846_318_317_510_054_8e-5,
    0.000_786_869_131_145_613_3,
    0.014_875_361_290_850_615,
    0.136_929_880_922_735_8,
    0.599_832_206_555_888,
    1.0,
];

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

    /// Reference: `scipy.special.ndtri`, SciPy 1.17.1.
    #[test]
    fn percentage_point_matches_the_reference() {
        for (p, expected) in [
            (1e-300, -37.0470962993612),
            (1e-20, -9.262340089798409),
            (1e-10, -6.361340902404056),
            (1e-05, -4.264890793922825),
            (0.001, -3.090232306167813),
            (0.025, -1.9599639845400545),
            (0.0749, -1.4402382675279635),
            (0.0751, -1.4388253927525403),
            (0.25, -0.6744897501960817),
            (0.5, 0.0),
            (0.6, 0.2533471031357997),
            (0.9, 1.2815515655446004),
            (0.975, 1.959963984540054),
            (0.9999, 3.719016485455709),
        ] {
            assert_close(quantile(p), expected, 1e-15);
        }
        assert_eq!(quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(quantile(1.0), f64::INFINITY);
    }

    #[test]
    fn two_sided_constant_is_the_percentage_point() {
        assert_close(super::super::Z_TWO_SIDED, quantile(0.975), 1e-15);
    }

    proptest! {
        #[test]
        fn percentage_point_undoes_the_probability(x in -8.0..5.0_f64) {
            // Near 1 the spacing of p, not the algorithm, limits the way back.
            prop_assert!((quantile(cdf(x)) - x).abs() < 1e-9);
        }

        #[test]
        fn tails_add_up_to_one(x in -9.0..9.0_f64) {
            prop_assert!((cdf(x) + cdf(-x) - 1.0).abs() < 1e-15);
        }
    }
}
