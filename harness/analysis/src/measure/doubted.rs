//! A trial as it would be if each page in doubt were correct (METHOD §6, *In doubt*). What holds, or is broken, in this one as in the
//! trial itself does not depend on these pages.

use comeback_model::operation::{ErrorClass, Operation, Outcome, Step};
use comeback_model::plan::Plan;

use super::Return;
use super::facts::Facts;
use super::load::Load;
use super::served::{self, Usual};
use super::trial::{TrialAnalysis, understand};

/// Understands a trial, and how it would be at best.
pub(super) fn analyze(
    plan: &Plan,
    facts: &Facts,
    operations: Vec<Operation>,
    usual: Usual,
) -> TrialAnalysis {
    let at_best = at_best(plan, facts, &operations, usual);
    TrialAnalysis {
        at_best,
        ..understand(plan, facts, operations, usual)
    }
}

/// The trial with its pages in doubt taken for correct; nothing where it has none.
fn at_best(
    plan: &Plan,
    facts: &Facts,
    operations: &[Operation],
    usual: Usual,
) -> Option<Box<TrialAnalysis>> {
    if facts.doubts.pages.is_empty() {
        return None;
    }
    let operations: Vec<Operation> = operations.iter().map(spared).collect();
    let is_away = {
        let operations: Vec<&Operation> = operations.iter().collect();
        served::stays_away(facts, &Load::new(plan, facts, &operations), usual)
    };
    let mut trial = understand(plan, facts, operations, usual);
    if facts.effect_confirmed().is_some() && facts.recovered().is_none() && !is_away {
        // The probe took these pages for wrong, too: when the service was back is not known.
        trial.returned = Some(Return::UNKNOWN);
        trial.chain.ready = None;
        trial.outage = None;
        trial.client_outage = None;
        trial.time_to_steady = None;
    }
    Some(Box::new(trial))
}

/// The journal does not say which replies are in doubt. All wrong ones to requests that change nothing may be.
fn spared(operation: &Operation) -> Operation {
    let may_be_in_doubt = match operation.step {
        Step::Get | Step::Check | Step::ReadBack => {
            operation.error == Some(ErrorClass::WrongAnswer)
        }
        Step::Login | Step::Act | Step::Logout => false,
    };
    let mut spared = operation.clone();
    if may_be_in_doubt {
        spared.error = None;
        spared.outcome = Outcome::Acknowledged;
    }
    spared
}
