//! Whether figures in a row rise or fall.

/// Of more figures than this only as many are looked at, evenly spread: each is compared with each.
const MOST: usize = 400;
/// Of fewer the normal distribution says nothing.
const LEAST: usize = 5;

/// How far the figures rise (above 0) or fall (below 0) from the first to the last, as a figure of the standard normal distribution: that
/// of the test of Mann and Kendall, with its correction for figures that are the same (M. G. Kendall, "Rank Correlation Methods", 4th
/// edition, 1970, chapter 4). `None` for fewer than 5, and where all are the same.
pub fn trend(figures: &[f64]) -> Option<f64> {
    debug_assert!(figures.iter().all(|figure| !figure.is_nan()));
    let step = figures.len().div_ceil(MOST).max(1);
    let figures: Vec<f64> = figures.iter().copied().step_by(step).collect();
    let count = figures.len();
    if count < LEAST {
        return None;
    }
    let pairs = figures.iter().enumerate().flat_map(|(place, one)| {
        let later = figures.iter().skip(place + 1);
        later.map(|other| match other.total_cmp(one) {
            std::cmp::Ordering::Less => -1.0,
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Greater => 1.0,
        })
    });
    let sum: f64 = pairs.sum();
    let spread = |count: usize| {
        let count = count as f64;
        count * (count - 1.0) * (2.0 * count + 5.0)
    };
    let mut sorted = figures;
    sorted.sort_unstable_by(f64::total_cmp);
    let ties = sorted.chunk_by(|one, other| one == other);
    let ties: f64 = ties.map(|tie| spread(tie.len())).sum();
    let variance = (spread(count) - ties) / 18.0;
    (variance > 0.0).then(|| (sum - sum.signum() * f64::from(sum != 0.0)) / variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_rise_or_fall_have_a_trend_and_others_have_none() {
        let falling: Vec<f64> = (0..10).rev().map(f64::from).collect();
        let rising: Vec<f64> = (0..10).map(f64::from).collect();
        // S = 45, variance 125: 44 / 11.18.
        assert!((trend(&rising).unwrap() - 3.935_5).abs() < 1e-3);
        assert!((trend(&falling).unwrap() + 3.935_5).abs() < 1e-3);
        let swinging = [1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0];
        assert!(trend(&swinging).unwrap().abs() < 1.0);
    }

    #[test]
    fn too_few_figures_and_figures_that_are_all_the_same_have_none_at_all() {
        assert_eq!(trend(&[3.0, 2.0, 1.0, 0.0]), None);
        assert_eq!(trend(&[2.0; 50]), None);
        // Two of them the same: S = 9, variance (300 - 18) / 18.
        let tied = trend(&[1.0, 1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!(
            (tied - 8.0 / (282.0_f64 / 18.0).sqrt()).abs() < 1e-9,
            "{tied}"
        );
    }

    #[test]
    fn many_figures_are_thinned_out() {
        let many: Vec<f64> = (0..100_000).map(f64::from).collect();
        assert!(trend(&many).unwrap() > 20.0);
    }
}
