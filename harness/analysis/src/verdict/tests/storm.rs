//! The verdict on a storm.

use comeback_model::ids::{ClientId, TrialId};
use comeback_model::operation::{ErrorClass, Outcome as Effect, Step};
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

#[test]
fn a_loss_before_one_kill_hides_none_of_another_kill() {
    let trials = [
        control(),
        faulted().with(&[Fate::Lost, Fate::Finds(1)]),
        faulted(),
    ];
    let mut journal = journal(&trials);
    journal.header.plan.arms.truncate(1);
    journal.header.plan.trials = 2;
    let gone = journal.operations.iter_mut().find(|operation| {
        let is_own = operation.client < ClientId(1_000);
        operation.trial == TrialId(2) && operation.step == Step::Act && is_own
    });
    let gone = gone.unwrap();
    gone.outcome = Effect::Rejected;
    gone.error = Some(ErrorClass::SessionRejected);
    let outcome = |journal: &Journal| verdict_on(journal, &["lost_sessions == 0"]);
    assert_eq!(outcome(&journal).outcome, Outcome::Inconclusive);
    journal.header.plan.storm = Some(Storm::default());
    let verdict = outcome(&journal);
    assert_eq!(verdict.outcome, Outcome::Fail, "{:?}", verdict.reasons);
    let reasons = verdict.reasons.join("\n");
    assert!(
        reasons.contains("trial 2 does not count: 1 session was lost before its kill"),
        "{reasons}"
    );
}
