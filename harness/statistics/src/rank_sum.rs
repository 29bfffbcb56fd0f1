//! Two arms compared by rank: the Mann–Whitney test and Cliff's δ.
//!
//! Ranks only ask which of two samples is larger: two censored ones tie, and a censored one is larger than
//! any other.

use super::{assert_no_nan, normal};

/// Up to this size of each arm the exact distribution is used, as R's `wilcox.test` does.
const EXACT_BELOW: usize = 50;

/// The result of the Mann–Whitney test for two arms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// How many pairs have the first arm's sample above the second's; a tie counts half.
    pub u: f64,
    /// The two-sided p-value of "both arms have the same distribution".
    pub p_value: f64,
}

/// The Mann–Whitney test, two-sided; `None` if an arm is empty.
///
/// Exact when no samples tie and both arms have less than 50; otherwise by the normal approximation with
/// corrections for ties and for continuity, which is rough when both arms are small. Source: H. B. Mann &
/// D. R. Whitney, "On a Test of Whether one of Two Random Variables is Stochastically Larger than the
/// Other", Annals of Mathematical Statistics 18 (1947) 50–60; tie correction as in M. Hollander & D. A.
/// Wolfe, "Nonparametric Statistical Methods", 2nd ed. 1999, (4.13).
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Option<MannWhitney> {
    let Ranking { u, ties } = rank(a, b)?;
    let (m, n) = (a.len(), b.len());
    let farthest = u.min((m * n) as f64 - u);
    let p_value = if ties == 0.0 && exact_applies(m, n) {
        (2.0 * exact_lower_tail(m, n)[farthest as usize]).min(1.0)
    } else {
        2.0 * approximate_lower_tail(m, n, ties, farthest)
    };
    Some(MannWhitney { u, p_value })
}

/// Cliff's δ = P(a > b) − P(a < b) over all pairs, from −1 to 1; `None` if an arm is empty.
///
/// Source: N. Cliff, "Dominance Statistics: Ordinal Analyses to Answer Ordinal Questions", Psychological
/// Bulletin 114 (1993) 494–509; here by δ = 2U/mn − 1.
pub fn cliffs_delta(a: &[f64], b: &[f64]) -> Option<f64> {
    let pairs = (a.len() * b.len()) as f64;
    rank(a, b).map(|ranking| (2.0 * ranking.u - pairs) / pairs)
}

struct Ranking {
    u: f64,
    /// Σ(t³ − t) over the groups of t tied samples.
    ties: f64,
}

/// U from the sum of the first arm's mid-ranks: U = Σ ranks − m(m+1)/2.
fn rank(a: &[f64], b: &[f64]) -> Option<Ranking> {
    assert_no_nan(a);
    assert_no_nan(b);
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let mut pooled: Vec<(f64, bool)> = a.iter().map(|&sample| (sample, true)).collect();
    pooled.extend(b.iter().map(|&sample| (sample, false)));
    pooled.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let (mut below, mut rank_sum, mut ties) = (0, 0.0, 0.0);
    for group in pooled.chunk_by(|one, other| one.0 == other.0) {
        let size = group.len() as f64;
        let of_first = group.iter().filter(|(_, first)| *first).count() as f64;
        rank_sum += of_first * (below as f64 + (size + 1.0) / 2.0);
        ties += size.powi(3) - size;
        below += group.len();
    }
    let m = a.len() as f64;
    Some(Ranking {
        u: rank_sum - m * (m + 1.0) / 2.0,
        ties,
    })
}

pub(super) fn exact_applies(m: usize, n: usize) -> bool {
    m < EXACT_BELOW && n < EXACT_BELOW
}

/// P(U ≤ 0), P(U ≤ 1), … P(U ≤ ⌊mn/2⌋) for arms of `m` and `n` samples without ties.
///
/// The number of arrangements with U = u is the coefficient of q^u in the Gaussian binomial coefficient
/// Π (1 − q^(n+i)) / (1 − q^i), i = 1..m, built up factor by factor: G. E. Andrews, "The Theory of
/// Partitions", 1976, section 3.3. No precision is lost: up to the middle the final coefficients ascend, so
/// what a step rounds at u or below was no larger than the final coefficient at u.
pub(super) fn exact_lower_tail(m: usize, n: usize) -> Vec<f64> {
    // The distribution is symmetric in the arms; one order gives both the same rounding.
    let (m, n) = (m.min(n), m.max(n));
    let middle = m * n / 2;
    let mut ways = vec![0.0; middle + 1];
    ways[0] = 1.0;
    let mut arrangements = 1.0;
    for i in 1..=m {
        for u in (n + i..=middle).rev() {
            ways[u] -= ways[u - n - i];
        }
        for u in i..=middle {
            ways[u] += ways[u - i];
        }
        arrangements = arrangements * (n + i) as f64 / i as f64;
    }
    let mut sum = 0.0;
    ways.iter()
        .map(|ways| {
            sum += ways;
            sum / arrangements
        })
        .collect()
}

/// P(U ≤ u) for `u` up to the middle, by the normal distribution with σ² = mn/12·(N+1 − Σ(t³−t)/N(N−1)).
pub(super) fn approximate_lower_tail(m: usize, n: usize, ties: f64, u: f64) -> f64 {
    let (pairs, all) = ((m * n) as f64, (m + n) as f64);
    let variance = pairs / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    let below_middle = pairs / 2.0 - u - 0.5;
    if below_middle <= 0.0 || variance <= 0.0 {
        return 0.5;
    }
    normal::cdf(-below_middle / variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const INF: f64 = f64::INFINITY;

    #[track_caller]
    fn check(a: &[f64], b: &[f64], u: f64, p_value: f64, delta: f64) {
        let test = mann_whitney(a, b).unwrap();
        assert_eq!(test.u, u);
        assert_close(test.p_value, p_value, 1e-12);
        assert_close(cliffs_delta(a, b).unwrap(), delta, 1e-12);
    }

    // Reference of the following: `scipy.stats.mannwhitneyu(alternative="two-sided")`, SciPy 1.17.1, with
    // method "exact" or "asymptotic" (`use_continuity=True`); δ = 2·statistic/mn − 1.

    #[test]
    fn small_arms_without_ties_get_the_exact_p_value() {
        check(
            &[78.0, 64.0, 75.0, 45.0, 82.0],
            &[110.0, 70.0, 53.0, 51.0],
            11.0,
            0.9047619047619049,
            0.1,
        );
        check(
            &[1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30],
            &[
                0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06001, 3.15, 1.29001,
            ],
            58.0,
            0.13591114767585355,
            0.4320987654320989,
        );
        let low = [1.0, 2.0, 3.0, 4.0, 5.0];
        check(&low, &low.map(|x| x + 5.0), 0.0, 2.0 / 252.0, -1.0);
    }

    #[test]
    fn largest_exact_case_keeps_its_precision() {
        let a: Vec<f64> = (0..49).map(f64::from).collect();
        let b: Vec<f64> = a.iter().map(|x| x * 1.03 + 3.3).collect();
        check(
            &a,
            &b,
            1014.0,
            0.18717112476164394,
            2.0 * 1014.0 / 2401.0 - 1.0,
        );
    }

    #[test]
    fn ties_and_large_arms_get_the_corrected_approximation() {
        check(
            &[1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 4.0, 5.0],
            &[2.0, 3.0, 4.0, 5.0, 5.0, 6.0, 7.0, 7.0, 8.0],
            14.0,
            0.03620054596449079,
            -0.6111111111111112,
        );
        let a: Vec<f64> = (0..60).map(|i| f64::from(i * 37 % 101) + 0.25).collect();
        let b: Vec<f64> = (0..55).map(|i| f64::from(i * 53 % 103) + 10.5).collect();
        check(&a, &b, 1404.0, 0.16927530648981703, -0.14909090909090916);
    }

    #[test]
    fn censored_samples_tie_with_one_another_above_all_others() {
        check(
            &[1.0, 2.0, 3.0, INF, INF, 4.0],
            &[2.5, 3.5, INF, 6.0, 7.0, 8.0],
            14.0,
            0.5724755739211049,
            -0.2222222222222222,
        );
    }

    #[test]
    fn arms_that_only_tie_do_not_differ() {
        check(&[1.0; 4], &[1.0; 3], 6.0, 1.0, 0.0);
        assert_eq!(mann_whitney(&[], &[1.0]), None);
        assert_eq!(cliffs_delta(&[1.0], &[]), None);
    }

    #[test]
    fn exact_distribution_counts_every_arrangement() {
        // Two of four ranks: six arrangements with U = 0, 1, 2, 2, 3, 4.
        let expected = [1.0, 2.0, 4.0].map(|ways| ways / 6.0);
        for (actual, expected) in exact_lower_tail(2, 2).into_iter().zip(expected) {
            assert_close(actual, expected, 1e-15);
        }
    }

    #[test]
    fn approximation_meets_the_exact_distribution_where_they_change_over() {
        for (u, exact) in exact_lower_tail(49, 49).into_iter().enumerate() {
            let approximate = approximate_lower_tail(49, 49, 0.0, u as f64);
            assert!((exact - approximate).abs() < 1e-3, "U = {u}");
        }
    }

    proptest! {
        #[test]
        fn u_counts_the_pairs_won(a in vec(0..9_u8, 1..12), b in vec(0..9_u8, 1..12)) {
            let (a, b): (Vec<f64>, Vec<f64>) =
                (a.into_iter().map(f64::from).collect(), b.into_iter().map(f64::from).collect());
            let won: f64 = a
                .iter()
                .flat_map(|x| b.iter().map(move |y| if x > y { 1.0 } else if x == y { 0.5 } else { 0.0 }))
                .sum();
            prop_assert_eq!(mann_whitney(&a, &b).unwrap().u, won);
        }

        #[test]
        fn exchange_of_the_arms_changes_only_the_sign(
            a in vec(0.0..1e3_f64, 1..20),
            b in vec(0.0..1e3_f64, 1..20),
        ) {
            let (one, other) = (mann_whitney(&a, &b).unwrap(), mann_whitney(&b, &a).unwrap());
            prop_assert_eq!(one.p_value, other.p_value);
            prop_assert!((0.0..=1.0).contains(&one.p_value));
            prop_assert_eq!(cliffs_delta(&a, &b), cliffs_delta(&b, &a).map(|delta| -delta));
        }
    }
}
