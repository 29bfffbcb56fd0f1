//! Several tests at once: Holm's adjusted p-values.

use super::assert_no_nan;

/// The p-values adjusted for being several, in the order given: rejecting those of at most α keeps the
/// chance of any false rejection at α.
///
/// In ascending order the i-th of m becomes the largest of min(1, (m−j+1)·p(j)) over j ≤ i. Source: S. Holm,
/// "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6 (1979)
/// 65–70.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    assert_no_nan(p_values);
    let mut ascending: Vec<usize> = (0..p_values.len()).collect();
    ascending.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, &index) in ascending.iter().enumerate() {
        let hypotheses_left = (p_values.len() - rank) as f64;
        largest = largest.max((hypotheses_left * p_values[index]).min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Worked by hand: 4·0.005, 3·0.01, then 2·0.03 outweighs 1·0.04.
    #[test]
    fn each_p_value_pays_for_the_hypotheses_left() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (actual, expected) in adjusted.into_iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert_close(actual, expected, 1e-14);
        }
        assert_eq!(holm(&[0.6, 0.9]), [1.0, 1.0]);
        assert_eq!(holm(&[0.2]), [0.2]);
        assert!(holm(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn adjusted_p_values_keep_their_order_and_never_shrink(p in vec(0.0..=1.0_f64, 0..12)) {
            let adjusted = holm(&p);
            for (i, &before) in p.iter().enumerate() {
                prop_assert!(before <= adjusted[i] && adjusted[i] <= 1.0);
                for (j, &other) in p.iter().enumerate() {
                    prop_assert!(before > other || adjusted[i] <= adjusted[j]);
                }
            }
        }
    }
}
