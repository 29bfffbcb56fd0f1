//! Remarks about trials. Sentences that differ only in their numbers are shown once; those about the server come before
//! those about the harness and its machine.

use std::collections::BTreeSet;

use comeback_analysis::summary::About;
use serde::Serialize;

use crate::arms::RunView;
use crate::format::{count, counted, printable};

/// Up to so many trials are named in the sentence itself.
const NAMED: usize = 6;

/// Sentences that are alike.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// The first of the sentences.
    pub(crate) text: String,
    /// In how many trials, where these are too many to be named beside it: `143 of 200 trials`.
    pub(crate) folded: Option<String>,
    /// The sentences are not all the same.
    pub(crate) differ: bool,
    /// Those trials do not count because of it.
    pub(crate) void: bool,
    /// The subject of each, in the order of the sentences.
    pub(crate) parts: Vec<Part>,
    #[serde(skip)]
    about: About,
    #[serde(skip)]
    pattern: String,
}

/// A sentence about trials of an arm.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Part {
    /// The arm.
    pub(crate) arm: String,
    /// The trials that it holds for.
    pub(crate) trials: Vec<u32>,
    /// The sentence.
    pub(crate) text: String,
}

/// The remarks about the trials of a run.
pub(crate) fn of(run: &RunView<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for arm in &run.arms {
        for finding in &arm.summary.findings {
            let text = printable(&finding.text);
            let pattern = pattern(&text);
            let part = Part {
                arm: arm.name.clone(),
                trials: finding.trials.clone(),
                text: text.clone(),
            };
            let is_alike = |other: &&mut Finding| {
                (other.about, other.void, &other.pattern) == (finding.about, finding.void, &pattern)
            };
            match found.iter_mut().find(is_alike) {
                Some(other) => {
                    other.differ |= other.text != text;
                    other.parts.push(part);
                }
                None => found.push(Finding {
                    text,
                    folded: None,
                    differ: false,
                    void: finding.void,
                    parts: vec![part],
                    about: finding.about,
                    pattern,
                }),
            }
        }
    }
    let all: usize = run.arms.iter().map(|arm| arm.analysis.trials.len()).sum();
    for finding in &mut found {
        let trials: BTreeSet<u32> = finding
            .parts
            .iter()
            .flat_map(|part| part.trials.iter().copied())
            .collect();
        let trials = trials.len();
        if finding.parts.len() > 1 || trials > NAMED {
            let of = counted(all as u64, "trial");
            finding.folded = Some(format!("{} of {of}", count(trials as u64)));
        }
    }
    found.sort_by_key(|finding| (finding.about, !finding.void));
    found
}

/// The sentence with each number as a sign.
fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        let is_of_number = c.is_ascii_digit() || matches!(c, '.' | ',') && pattern.ends_with('#');
        match is_of_number {
            true if pattern.ends_with('#') => {}
            true => pattern.push('#'),
            false => pattern.push(c),
        }
    }
    pattern
}

impl Part {
    /// `trial 3`, `trials 3, 8`.
    pub(crate) fn named(&self) -> String {
        let numbers: Vec<String> = self.trials.iter().map(u32::to_string).collect();
        let plural = if self.trials.len() == 1 { "" } else { "s" };
        format!("trial{plural} {}", numbers.join(", "))
    }
}

#[cfg(all(test, feature = "charts"))]
mod tests {
    use comeback_analysis::summary::TrialFinding;

    use super::*;
    use crate::fake;

    #[test]
    fn a_trial_of_which_two_sentences_tell_alike_counts_once() {
        let mut fake = fake::rich();
        for arm in &mut fake.summary.arms {
            arm.findings.clear();
        }
        let ended = |replica: u32| TrialFinding {
            text: format!("replica {replica} ended by itself"),
            trials: vec![1, 2, 3, 4],
            void: false,
            about: About::Server,
        };
        fake.summary.arms[0].findings = vec![ended(0), ended(1)];
        let run = RunView::new(&fake.analysis, &fake.summary).expect("one run");
        let found = of(&run);
        let folded = found[0].folded.as_deref().unwrap_or_default();
        assert!(folded.starts_with("4 of "), "{folded}");
    }

    #[test]
    fn sentences_that_differ_in_numbers_stand_once_and_the_machine_comes_last() {
        let mut fake = fake::rich();
        let late = |trial, ms: &str| TrialFinding {
            text: format!("the generator was {ms} ms late"),
            trials: vec![trial],
            void: false,
            about: About::Harness,
        };
        for arm in &mut fake.summary.arms {
            arm.findings.clear();
        }
        fake.summary.arms[0].findings = vec![late(1, "1.2"), late(2, "13"), late(3, "1,003.7")];
        fake.summary.arms[1].findings = vec![
            late(11, "1.2"),
            TrialFinding {
                text: "process 12 outlived the fault".to_owned(),
                trials: vec![12],
                void: false,
                about: About::Server,
            },
        ];
        let run = RunView::new(&fake.analysis, &fake.summary).expect("one run");
        let found = of(&run);
        let all = run
            .arms
            .iter()
            .map(|arm| arm.analysis.trials.len())
            .sum::<usize>();
        let told: Vec<_> = found
            .iter()
            .map(|finding| {
                (
                    finding.text.as_str(),
                    finding.folded.clone(),
                    finding.differ,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("process 12 outlived the fault", None, false),
                (
                    "the generator was 1.2 ms late",
                    Some(format!("4 of {all} trials")),
                    true
                ),
            ]
        );
        assert_eq!(found[1].parts.len(), 4);
    }
}
