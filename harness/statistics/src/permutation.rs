//! The permutation test: how often a mere relabelling of the trials gives as large a difference.

use super::random::Uniform;

/// Up to so many relabellings all of them are tried, beyond it as many drawn ones.
const RELABELLINGS: u64 = 10_000;

/// Masks of the trials are 64 bits wide.
const MOST_MASKED: usize = 63;

/// The two-sided p-value of "both arms have the same distribution" for the difference of a figure of whole
/// trials: the share of relabellings whose difference is at least as large as the one seen. `None` if an
/// arm is empty.
///
/// Exact where there are at most 10,000 ways to choose the first arm's trials; beyond that of 10,000 drawn
/// ones, the seen one counted among them, so that it is never too small. `statistic` must be a number for
/// any trials, at least one. Source: E. J. G. Pitman, "Significance Tests which May be Applied to Samples
/// from any Populations", Supplement to the Journal of the Royal Statistical Society 4 (1937) 119–130; the
/// drawn ones as in B. Phipson & G. K. Smyth, "Permutation P-values Should Never Be Zero", Statistical
/// Applications in Genetics and Molecular Biology 9 (2010) 39.
pub fn permutation_test<T>(
    a: &[T],
    b: &[T],
    statistic: impl Fn(&[&T]) -> f64,
    seed: u64,
) -> Option<f64> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let all: Vec<&T> = a.iter().chain(b).collect();
    let difference = |of: &[&T]| {
        let (first, second) = of.split_at(a.len());
        (statistic(first) - statistic(second)).abs()
    };
    let seen = difference(&all);
    debug_assert!(!seen.is_nan(), "the figure is not a number");
    // The same sums in another order differ in the last digits, and must count as equal.
    let is_as_large = |other: f64| other >= seen - 1e-12 * seen;
    let ways = ways(all.len(), a.len()).filter(|_| all.len() <= MOST_MASKED);
    let (as_large, of) = match ways {
        Some(ways) => {
            let masks = masks(all.len(), a.len()).map(|mask| relabelled(&all, mask));
            (
                masks.filter(|of| is_as_large(difference(of))).count() as u64,
                ways,
            )
        }
        None => {
            let (mut random, mut drawn) = (Uniform::new(seed), all.clone());
            let hits = (0..RELABELLINGS).filter(|_| {
                shuffle(&mut random, &mut drawn);
                is_as_large(difference(&drawn))
            });
            (hits.count() as u64 + 1, RELABELLINGS + 1)
        }
    };
    Some(as_large as f64 / of as f64)
}

/// n over k, unless it is more than are all tried.
fn ways(n: usize, k: usize) -> Option<u64> {
    let mut ways: u64 = 1;
    for step in 0..k.min(n - k) {
        ways = ways * (n - step) as u64 / (step + 1) as u64;
        if ways > RELABELLINGS {
            return None;
        }
    }
    Some(ways)
}

/// Every set of `k` of `n` bits. Source: R. W. Gosper, HAKMEM (MIT AI Memo 239, 1972), item 175.
fn masks(n: usize, k: usize) -> impl Iterator<Item = u64> {
    let first = (1_u64 << k) - 1;
    std::iter::successors(Some(first), |mask| {
        let lowest = mask & mask.wrapping_neg();
        let ripple = mask + lowest;
        Some(ripple | (((mask ^ ripple) >> 2) / lowest))
    })
    .take_while(move |mask| mask >> n == 0)
}

/// The trials whose bit is set, then all others.
fn relabelled<'a, T>(all: &[&'a T], mask: u64) -> Vec<&'a T> {
    let with = |bit: u64| {
        let places = all.iter().enumerate();
        places.filter_map(move |(place, trial)| (mask >> place & 1 == bit).then_some(*trial))
    };
    with(1).chain(with(0)).collect()
}

/// Fisher–Yates.
pub(super) fn shuffle<T>(random: &mut Uniform, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let other = random.below(last as u64 + 1) as usize;
        items.swap(last, other);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, exponential};
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn mean(samples: &[&f64]) -> f64 {
        samples.iter().copied().sum::<f64>() / samples.len() as f64
    }

    /// Reference: all 70 and all 20 relabellings, counted by Python's itertools.combinations.
    #[test]
    fn few_trials_are_relabelled_in_every_way() {
        let p = permutation_test(&[5.0, 6.0, 7.0, 8.0], &[1.0, 2.0, 3.0, 4.0], mean, 1);
        assert_close(p.unwrap(), 2.0 / 70.0, 1e-12);
        let p = permutation_test(&[1.0, 4.0, 6.0], &[2.0, 3.0, 9.0], mean, 1);
        assert_close(p.unwrap(), 16.0 / 20.0, 1e-12);
        let p = permutation_test(&[1.0, 1.0], &[1.0, 1.0, 1.0], mean, 1);
        assert_eq!(p, Some(1.0));
        assert_eq!(permutation_test(&[], &[1.0], mean, 1), None);
    }

    #[test]
    fn many_trials_are_relabelled_by_chance_and_never_give_zero() {
        let (low, high) = ([1.0; 20], [2.0; 20]);
        let p = permutation_test(&low, &high, mean, 1).unwrap();
        assert_close(p, 1.0 / 10_001.0, 1e-12);
        let wide: Vec<f64> = (0..80).map(f64::from).collect();
        let p = permutation_test(&wide, &[40.0], mean, 1).unwrap();
        assert!(p > 0.9, "{p}");
    }

    #[test]
    fn equal_arms_are_told_apart_as_seldom_as_it_says() {
        let mut random = Uniform::new(31);
        let runs = 1_000;
        let alarms = (0..runs)
            .filter(|_| {
                let a: Vec<f64> = (0..5).map(|_| exponential(&mut random)).collect();
                let b: Vec<f64> = (0..6).map(|_| exponential(&mut random)).collect();
                permutation_test(&a, &b, mean, 1).unwrap() <= 0.05
            })
            .count();
        // 5 % with a standard error of 0.7 %.
        assert!((25..=75).contains(&alarms), "{alarms}");
    }

    proptest! {
        #[test]
        fn the_order_of_the_arms_does_not_matter(
            a in vec(0.0..1e3_f64, 1..7), b in vec(0.0..1e3_f64, 1..7),
        ) {
            let (one, other) = (permutation_test(&a, &b, mean, 1), permutation_test(&b, &a, mean, 1));
            prop_assert!((one.unwrap() - other.unwrap()).abs() < 1e-12);
            prop_assert!(one.unwrap() > 0.0 && one.unwrap() <= 1.0);
        }
    }
}
