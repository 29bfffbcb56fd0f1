//! The verdict on a storm.

use comeback_model::ids::ClientId;
use comeback_model::operation::Step;
use comeback_model::plan::Storm;

use super::*;

const USUAL: [&str; 2] = ["unrecovered == 0", "lost_writes == 0"];

/// A storm of so many kills, of which the first ones met a write.
fn storm(kills: usize, met: usize) -> Verdict {
    let mut trials = vec![control()];
    trials.extend(vec![faulted(); kills]);
    let mut journal = journal(&trials);
    journal.header.plan.arms.truncate(1);
    journal.header.plan.trials = kills as u32;
    journal.header.plan.storm = Some(Storm::default());
    // At all others nothing is written by then. The first trial is the one without a fault.
    journal.operations.retain(|operation| {
        let is_write_at_the_kill =
            operation.step == Step::Act && operation.client >= ClientId(1_000);
        !is_write_at_the_kill || operation.trial.0 as usize <= met
    });
    verdict_on(&journal, &USUAL)
}

#[test]
fn too_few_kills_that_met_a_write_prove_nothing() {
    let verdict = storm(4, 4);
    assert_eq!(verdict.outcome, Outcome::Pass, "{:?}", verdict.reasons);
    assert!(
        verdict
            .headline
            .contains("0 of 4 kills lost anything: below"),
        "{}",
        verdict.headline
    );
    assert_eq!(storm(4, 2).outcome, Outcome::Pass);
    let verdict = storm(4, 1);
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    let reasons = verdict.reasons.join("\n");
    assert!(
        reasons.contains("only 1 of 4 kills met a write"),
        "{reasons}"
    );
}
