//! Latencies: counted in a histogram, and kept as the few counts in it that are not zero, since each trial has several.

use std::cmp::Ordering;

use hdrhistogram::Histogram;

/// A day: no operation lasts longer, and the histogram cannot grow without bounds.
const LONGEST_US: u64 = 86_400_000_000;

/// Latencies of a window, in steps of three significant digits of a µs, and the failures, which count as infinite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyTally {
    /// Of the operations that succeeded: the longest of each step that has any, in µs, and how many took so long.
    steps: Box<[(u64, u64)]>,
    /// How many failed.
    failed: u64,
}

/// Counts latencies.
#[derive(Debug)]
pub(in crate::measure) struct LatencyCounter {
    histogram: Histogram<u64>,
    failed: u64,
}

impl Default for LatencyCounter {
    fn default() -> Self {
        // Three significant digits, growing with what is recorded. 3 lies within the 0..=5 digits the library accepts,
        // its only reason to fail.
        let histogram = Histogram::new(3)
            .unwrap_or_else(|_| unreachable!("three significant digits are valid"));
        Self {
            histogram,
            failed: 0,
        }
    }
}

impl LatencyCounter {
    /// Counts one operation that succeeded after `us` µs, or failed.
    pub(in crate::measure) fn count(&mut self, us: Option<u64>) {
        match us {
            Some(us) => {
                // Not `saturating_record`: that one clamps to the initial 2 ms instead of growing.
                let recorded = self.histogram.record(us.min(LONGEST_US));
                debug_assert!(recorded.is_ok());
            }
            None => self.failed += 1,
        }
    }

    /// All that were counted.
    pub(in crate::measure) fn finish(&self) -> LatencyTally {
        let recorded = self.histogram.iter_recorded();
        let steps =
            recorded.map(|step| (step.value_iterated_to(), step.count_since_last_iteration()));
        LatencyTally {
            steps: steps.collect(),
            failed: self.failed,
        }
    }
}

impl LatencyTally {
    /// Adds another tally.
    pub fn merge(&mut self, other: &Self) {
        let mut steps = Vec::with_capacity(self.steps.len().max(other.steps.len()));
        let mut others = other.steps.iter().copied().peekable();
        for (us, count) in self.steps.iter().copied() {
            while let Some(before) = others.next_if(|(other, _)| *other < us) {
                steps.push(before);
            }
            let same = others.next_if(|(other, _)| other.cmp(&us) == Ordering::Equal);
            steps.push((us, count + same.map_or(0, |(_, count)| count)));
        }
        steps.extend(others);
        self.steps = steps.into_boxed_slice();
        self.failed += other.failed;
    }

    /// The q-quantile in ms: absent without samples, infinite where it falls on a failure.
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        let succeeded: u64 = self.steps.iter().map(|(_, count)| count).sum();
        let total = succeeded + self.failed;
        if total == 0 {
            return None;
        }
        let rank = ((q * total as f64).ceil() as u64).max(1);
        if rank > succeeded {
            return Some(f64::INFINITY);
        }
        // By way of the quantile among those that succeeded, as the library rounds it.
        let within = rank as f64 / succeeded as f64;
        let rank = ((within * succeeded as f64).ceil() as u64).max(1);
        let mut counted = 0;
        let (us, _) = self.steps.iter().find(|(_, count)| {
            counted += count;
            counted >= rank
        })?;
        Some(*us as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn latencies() -> impl Strategy<Value = Vec<Option<u64>>> {
        let us = prop_oneof![4 => 0..5_000_u64, 2 => 0..20_000_000_u64, 1 => any::<u64>()];
        vec(option::weighted(0.9, us), 0..60)
    }

    fn counted<'a>(latencies: impl IntoIterator<Item = &'a Option<u64>>) -> LatencyTally {
        let mut counter = LatencyCounter::default();
        for us in latencies {
            counter.count(*us);
        }
        counter.finish()
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_histogram(latencies in latencies(), q in 0.0..=1.0_f64) {
            let mut histogram = Histogram::<u64>::new(3).expect("three digits are valid");
            for us in latencies.iter().flatten() {
                histogram.record((*us).min(LONGEST_US)).expect("it grows");
            }
            let failed = latencies.iter().filter(|us| us.is_none()).count() as u64;
            let total = histogram.len() + failed;
            let rank = ((q * total as f64).ceil() as u64).max(1);
            let expected = (total > 0).then(|| match rank > histogram.len() {
                true => f64::INFINITY,
                false => {
                    let within = rank as f64 / histogram.len() as f64;
                    histogram.value_at_quantile(within) as f64 / 1_000.0
                }
            });
            prop_assert_eq!(counted(&latencies).quantile_ms(q), expected);
        }

        #[test]
        fn two_tallies_merged_are_one_of_both(one in latencies(), other in latencies()) {
            let mut merged = counted(&one);
            merged.merge(&counted(&other));
            prop_assert_eq!(merged, counted(one.iter().chain(&other)));
        }
    }
}
