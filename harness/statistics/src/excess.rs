//! The probability that samples lie so far beyond a bound by chance alone. A family of several gates is judged by it, each gate
//! at a stricter level than alone.

use super::normal::cdf;
use super::shift::POWER;
use super::{
    Part, Z_TWO_SIDED, assert_no_nan, has_shift_interval, mann_whitney, median_interval, upper_tail,
};

/// Student's chances count so many times where a rank test stands beside them: samples of light tails lie closer together
/// than it takes them to. What that comes to is simulated in [`super::simulate`].
const ROUGH: f64 = 4.0;

/// The p-value of samples like these, or more extreme ones, if their median is at `bound` or below: the smaller of the sign
/// test's and Student's.
///
/// The sign test holds for any distribution, and with n trials comes to 2⁻ⁿ at the least. Student's test also goes by how
/// far beyond the bound they lie, in units of their own scatter. A censored sample counts as the largest that was seen.
/// Source: W. J. Conover, "Practical Nonparametric Statistics", 3rd ed. 1999, section 3.4; Student, "The Probable Error of
/// a Mean", Biometrika 6 (1908) 1–25.
pub fn median_excess(samples: &[f64], bound: f64) -> f64 {
    let beyond = samples.iter().filter(|sample| **sample > bound).count();
    let by_sign = upper_tail(beyond, samples.len(), 0.5);
    let capped = capped(samples, bound);
    let by_mean = Moments::of(&capped).excess(bound);
    by_sign.min(ROUGH * by_mean)
}

/// The p-value of samples like these, or more extreme ones, if `a` is not more than `allowed` above `b`: the smaller of
/// Mann–Whitney's and Welch's.
///
/// Source: as [`mann_whitney`]; B. L. Welch, "The Generalization of Student's Problem when Several Different Population
/// Variances are Involved", Biometrika 34 (1947) 28–35, here with the fewer degrees of freedom of both.
pub fn shift_excess(a: &[f64], b: &[f64], allowed: f64) -> f64 {
    let moved: Vec<f64> = a.iter().map(|sample| sample - allowed).collect();
    let pairs = (a.len() * b.len()) as f64;
    let by_rank = mann_whitney(&moved, b).map_or(1.0, |test| match test.u * 2.0 > pairs {
        true => test.p_value / 2.0,
        false => 1.0,
    });
    let base = capped(b, f64::NEG_INFINITY);
    let most = base.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (a, b) = (Moments::of(&capped(&moved, most)), Moments::of(&base));
    by_rank.min(ROUGH * a.minus(b).excess(0.0))
}

/// The p-value of trials like these, or more extreme ones, if their rate is `bound` or below, by Student's test of a ratio of
/// sums.
pub fn rate_excess(trials: &[Part], bound: f64) -> f64 {
    Moments::of_rate(trials).excess(bound)
}

/// The p-value of trials like these if the rate of `a` is not more than `allowed` above that of `b`, by the same test.
pub fn rate_shift_excess(a: &[Part], b: &[Part], allowed: f64) -> f64 {
    let (a, b) = (Moments::of_rate(a), Moments::of_rate(b));
    a.minus(b).excess(allowed)
}

/// A censored sample is at least as large as any that was seen.
fn capped(samples: &[f64], least: f64) -> Vec<f64> {
    assert_no_nan(samples);
    let seen = samples.iter().copied().filter(|sample| sample.is_finite());
    let most = seen.fold(least, f64::max);
    samples.iter().map(|sample| sample.min(most)).collect()
}

/// A figure with its standard error.
#[derive(Clone, Copy, Debug)]
struct Moments {
    value: f64,
    error: f64,
    freedom: usize,
}

impl Moments {
    fn of(samples: &[f64]) -> Self {
        let size = samples.len() as f64;
        let value = samples.iter().sum::<f64>() / size;
        let squares: f64 = samples.iter().map(|sample| (sample - value).powi(2)).sum();
        Self {
            value,
            error: (squares / (size - 1.0) / size).sqrt(),
            freedom: samples.len().saturating_sub(1),
        }
    }

    fn of_rate(trials: &[Part]) -> Self {
        let value = super::pooled(trials);
        Self {
            value,
            error: super::rate::error(trials, value),
            freedom: trials.len().saturating_sub(1),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            value: self.value - other.value,
            error: self.error.hypot(other.error),
            freedom: self.freedom.min(other.freedom),
        }
    }

    /// The one-sided chance of a figure so far above `bound`. Samples that do not differ leave no doubt.
    fn excess(self, bound: f64) -> f64 {
        let above = self.value - bound;
        if self.freedom == 0 || above.is_nan() || above <= 0.0 {
            return 1.0;
        }
        match self.error {
            error if error.is_nan() => 1.0,
            error if error <= above * f64::EPSILON => 0.0,
            error => student_tail(above / error, self.freedom),
        }
    }
}

/// P(T ≥ t) for t ≥ 0 of Student's distribution, exact for any whole degree of freedom (Abramowitz & Stegun, "Handbook of
/// Mathematical Functions", 26.7.3 and 26.7.4).
pub fn student_tail(t: f64, freedom: usize) -> f64 {
    let freedom = freedom.max(1);
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sin, cos) = angle.sin_cos();
    let is_odd = freedom % 2 == 1;
    // The sum over even or odd powers of the cosine, each term the last one's times cos²·k/(k+1).
    let (mut term, mut sum) = (if is_odd { cos } else { 1.0 }, 0.0);
    let (mut k, terms) = (if is_odd { 2.0 } else { 1.0 }, freedom / 2);
    for _ in 0..terms {
        sum += term;
        term *= cos * cos * k / (k + 1.0);
        k += 2.0;
    }
    let within = match is_odd {
        true => std::f64::consts::FRAC_2_PI * (angle + sin * sum),
        false => sin * sum,
    };
    ((1.0 - within) / 2.0).clamp(0.0, 1.0)
}

/// How many standard deviations of a trial a median must lie beyond a bound to be seen there in four of five runs of `n`
/// trials, before any of them; none where it has no interval.
///
/// Half of the expected width of its interval for normal trials, times what [`super::Shift::detectable`] asks for 80 %. The
/// expected order statistics are those of G. Blom, "Statistical Estimates and Transformed Beta-Variables", 1958.
pub fn median_sees(n: usize) -> Option<f64> {
    let places: Vec<f64> = (1..=n).map(|place| place as f64).collect();
    let first = median_interval(&places)?.low;
    Some(POWER * -point_below((first - 0.375) / (n as f64 + 0.25)))
}

/// The point of the standard normal distribution with a share `p` below it, for p < 1/2, by halving.
fn point_below(p: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 0.0);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        match cdf(middle) < p {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

/// The same of a rate's interval.
pub fn rate_sees(n: usize) -> f64 {
    POWER * super::rate::student(n.saturating_sub(1).max(1)) / (n as f64).sqrt()
}

/// The same of the shift between `m` and `n` trials, whose estimate has π/3 of the mean's variance.
pub fn shift_sees(m: usize, n: usize) -> Option<f64> {
    let error = (std::f64::consts::FRAC_PI_3 * (1.0 / m as f64 + 1.0 / n as f64)).sqrt();
    has_shift_interval(m, n).then_some(POWER * Z_TWO_SIDED * error)
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;

    /// Reference: the tables of Abramowitz & Stegun, 26.10.
    #[test]
    fn students_tail_meets_the_published_points() {
        for (t, freedom, tail) in [
            (12.706_205, 1, 0.025),
            (4.302_653, 2, 0.025),
            (3.182_446, 3, 0.025),
            (2.570_582, 5, 0.025),
            (4.032_143, 5, 0.005),
            (2.228_139, 10, 0.025),
            (2.085_963, 20, 0.025),
        ] {
            assert_close(student_tail(t, freedom), tail, 1e-5);
        }
        assert_close(student_tail(0.0, 4), 0.5, 1e-12);
    }

    #[test]
    fn what_lies_far_beyond_a_bound_needs_few_trials() {
        let near = [101.0, 130.0, 160.0, 190.0, 250.0, 400.0];
        let far = near.map(|sample| sample + 5_000.0);
        assert_close(median_excess(&near, 100.0), 1.0 / 64.0, 1e-9);
        assert!(median_excess(&far, 100.0) < 1e-6);
        assert_eq!(median_excess(&[100.0; 6], 100.0), 1.0);
        let censored = [f64::INFINITY; 6];
        assert_close(median_excess(&censored, 100.0), 1.0 / 64.0, 1e-9);
        assert!(shift_excess(&far, &near, 100.0) < 1e-6);
        assert!(shift_excess(&near, &near, 0.0) > 0.4);
    }

    /// Reference: the mean range of six normal samples is 2.534 standard deviations.
    #[test]
    fn what_six_trials_can_see_follows_from_their_expected_range() {
        assert_close(median_sees(6).unwrap(), 1.4294 * 2.534 / 2.0, 0.02);
        assert_eq!(median_sees(5), None);
        assert_eq!(shift_sees(3, 3), None);
        assert!(shift_sees(20, 20).unwrap() < shift_sees(6, 6).unwrap());
        assert!(rate_sees(20) < rate_sees(6));
    }
}
