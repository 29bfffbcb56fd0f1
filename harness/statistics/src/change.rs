//! Whether figures in a row change their level at some place.

use super::permutation::shuffle;
use super::random::Uniform;
use super::{TooFew, assert_no_nan};

/// Of fewer figures no change can be told: as many as an interval of the shift needs on each side.
pub const CHANGE_NEEDS: usize = 2 * LEAST;

/// So many figures are on each side of a change, at least: the smallest arms of [`super::hodges_lehmann`].
const LEAST: usize = 4;

/// So many orders are drawn. The smallest p-value is one in so many.
const ORDERS: usize = 10_000;

/// What the orders are drawn from.
const SEED: u64 = 79;

/// Where figures in a row most likely change their level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// The place of the first figure after the change.
    pub at: usize,
    /// How likely figures without a change, in any order, differ as much between the two sides of some place.
    pub p_value: f64,
}

/// The most likely change of level among figures in a row; `None` where all are the same.
///
/// The statistic is max |U(t)| over the places t with at least 4 figures on each side, where U(t) is the sum of sign(x(i) − x(j)) over
/// all i before t and j from t on: it asks only which figure is larger, so censored ones may be infinite. Source: A. N. Pettitt, "A
/// Non-parametric Approach to the Change-point Problem", Applied Statistics 28 (1979) 126–135. The p-value is not his approximation,
/// which is rough for few figures, but that of 10,000 drawn orders of the figures, the one seen counted among them, as in B. Phipson &
/// G. K. Smyth, "Permutation P-values Should Never Be Zero", Statistical Applications in Genetics and Molecular Biology 9 (2010) 39.
///
/// # Errors
/// If there are fewer than 8.
pub fn change_point(figures: &[f64]) -> Result<Option<ChangePoint>, TooFew> {
    assert_no_nan(figures);
    if figures.len() < CHANGE_NEEDS {
        return Err(TooFew {
            have: figures.len(),
            need: CHANGE_NEEDS,
        });
    }
    let above = above(figures);
    let (at, seen) = farthest(&above);
    Ok((seen > 0).then(|| ChangePoint {
        at,
        p_value: p_value(seen, &drawn(above)),
    }))
}

/// For each figure, how many more of the others are below it than above it.
pub(super) fn above(figures: &[f64]) -> Vec<i64> {
    let compared = |one: f64| {
        let others = figures.iter();
        others.map(move |other| i64::from(one > *other) - i64::from(one < *other))
    };
    figures.iter().map(|one| compared(*one).sum()).collect()
}

/// The place t of the largest |U(t)|, and that; of equals the first. Pairs on the same side add nothing to the sum over the figures
/// before t.
pub(super) fn farthest(above: &[i64]) -> (usize, i64) {
    let (mut sum, mut best) = (0, (LEAST, 0));
    for (place, one) in above.iter().enumerate().take(above.len() - LEAST) {
        sum += one;
        if place + 1 >= LEAST && sum.abs() > best.1 {
            best = (place + 1, sum.abs());
        }
    }
    best
}

/// The statistics of drawn orders, in ascending order.
pub(super) fn drawn(mut above: Vec<i64>) -> Vec<i64> {
    let mut random = Uniform::new(SEED);
    let mut drawn: Vec<i64> = (0..ORDERS)
        .map(|_| {
            shuffle(&mut random, &mut above);
            farthest(&above).1
        })
        .collect();
    drawn.sort_unstable();
    drawn
}

/// The share of orders whose statistic is at least the one seen, which is among them.
pub(super) fn p_value(seen: i64, drawn: &[i64]) -> f64 {
    let smaller = drawn.partition_point(|other| *other < seen);
    (drawn.len() - smaller + 1) as f64 / (drawn.len() + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_found_at_its_place() {
        let figures = [3.0, 1.0, 2.0, 4.0, 2.5, 9.0, 8.0, 11.0, 10.0, 9.5];
        let found = change_point(&figures).unwrap().unwrap();
        assert_eq!(found.at, 5);
        // Only an order with all of the larger ones on one side differs as much: 2 of 252 ways.
        assert!((found.p_value - 2.0 / 252.0).abs() < 3e-3, "{found:?}");
        let falling: Vec<f64> = figures.iter().rev().copied().collect();
        let found = change_point(&falling).unwrap().unwrap();
        assert_eq!(found.at, 5);
    }

    #[test]
    fn what_never_ended_is_above_everything_and_equals_are_no_change() {
        let mut figures = vec![10.0, 11.0, 12.0, 10.5, 11.5];
        figures.extend([f64::INFINITY; 5]);
        let found = change_point(&figures).unwrap().unwrap();
        assert!(found.at == 5 && found.p_value < 0.01, "{found:?}");
        assert_eq!(change_point(&[0.0; 12]).unwrap(), None);
        let one_other: Vec<f64> = (0..12)
            .map(|place| f64::from(u8::from(place == 6)))
            .collect();
        let found = change_point(&one_other).unwrap().unwrap();
        assert!(found.p_value > 0.5, "{found:?}");
    }

    #[test]
    fn seven_figures_are_too_few() {
        let error = change_point(&[1.0; 7]).unwrap_err();
        assert_eq!((error.have, error.need), (7, 8));
    }
}
