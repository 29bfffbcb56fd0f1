//! What an arm did since the run began, as numbers that only grow. It is what Prometheus asks for.

use comeback_model::operation::{Operation, Outcome, Step};
use comeback_model::units::Span;

/// The upper bounds of the latency classes. What is slower is in a class of its own behind them.
pub(in crate::console) const BOUNDS: [Span; 13] = [
    Span::from_ms(1),
    Span::from_us(2_500),
    Span::from_ms(5),
    Span::from_ms(10),
    Span::from_ms(25),
    Span::from_ms(50),
    Span::from_ms(100),
    Span::from_ms(250),
    Span::from_ms(500),
    Span::from_ms(1_000),
    Span::from_ms(2_500),
    Span::from_ms(5_000),
    Span::from_ms(10_000),
];

/// The counts of an arm, over all of its trials.
#[derive(Clone, Debug, Default)]
pub(in crate::console) struct Counts {
    acknowledged: ByUse,
    rejected: ByUse,
    indeterminate: ByUse,
    /// Correct operations of the load in each class of latency, from their due time on.
    classes: [u64; BOUNDS.len() + 1],
    /// All of their latencies together.
    pub(in crate::console) latencies: Span,
    /// How often a fault was begun with a node.
    pub(in crate::console) faults: u64,
    /// Trials that ended, control trials among them.
    pub(in crate::console) trials: u64,
}

/// Operations of the load, and those of the final look at the sessions.
#[derive(Clone, Copy, Debug, Default)]
struct ByUse {
    load: u64,
    read_back: u64,
}

impl Counts {
    /// Notes a finished operation.
    pub(super) fn note(&mut self, operation: &Operation) {
        let of_outcome = match operation.outcome {
            Outcome::Acknowledged => &mut self.acknowledged,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Indeterminate => &mut self.indeterminate,
        };
        if operation.step == Step::ReadBack {
            of_outcome.read_back += 1;
            return;
        }
        of_outcome.load += 1;
        if operation.is_correct() {
            let latency = operation.finished.since(operation.intended);
            self.classes[BOUNDS.partition_point(|bound| *bound < latency)] += 1;
            self.latencies = Span::from_us(self.latencies.as_us() + latency.as_us());
        }
    }

    /// Operations by what they were for and by their outcome.
    pub(in crate::console) const fn operations(&self) -> [(&'static str, &'static str, u64); 6] {
        [
            ("load", "acknowledged", self.acknowledged.load),
            ("load", "rejected", self.rejected.load),
            ("load", "indeterminate", self.indeterminate.load),
            ("read_back", "acknowledged", self.acknowledged.read_back),
            ("read_back", "rejected", self.rejected.read_back),
            ("read_back", "indeterminate", self.indeterminate.read_back),
        ]
    }

    /// How many correct operations of the load took no longer than each bound; the last number is of all.
    pub(in crate::console) fn within(&self) -> Vec<(Option<Span>, u64)> {
        let bounds = BOUNDS.iter().copied().map(Some).chain([None]);
        let sums = self.classes.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        bounds.zip(sums).collect()
    }
}

#[cfg(test)]
mod tests {
    use comeback_model::ids::{ClientId, TrialId};
    use comeback_model::operation::test_operation;
    use comeback_model::units::Elapsed;

    use super::*;

    #[test]
    fn a_latency_is_in_the_class_whose_bound_it_does_not_exceed() {
        let mut counts = Counts::default();
        let at = Elapsed::from_us(0);
        for latency_us in [999, 1_000, 1_001, 10_000_000, 10_000_001] {
            counts.note(&Operation {
                finished: Elapsed::from_us(latency_us),
                ..test_operation(TrialId(1), ClientId(0), Step::Check, at)
            });
        }
        let within = counts.within();
        assert_eq!(within[0], (Some(Span::from_ms(1)), 2));
        assert_eq!(within[1].1, 3);
        assert_eq!(within[12], (Some(Span::from_ms(10_000)), 4));
        assert_eq!(within[13], (None, 5));
        assert_eq!(counts.latencies, Span::from_us(20_003_001));
    }
}
