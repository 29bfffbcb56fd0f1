//! Void trials and those that take their places: which are to be run, and that none of it makes a bad server pass.

use std::collections::BTreeSet;

use comeback_model::gate::Gate;
use comeback_model::ids::TrialId;
use comeback_model::schedule::PlannedTrial;

use super::judge::judge_gate;
use super::samples::{Base, GateState};
use super::tally::wrong_beside;
use super::{Check, Outcome, Verdict};
use crate::measure::replaced::{is_ours, missing};
use crate::measure::words::counted;
use crate::measure::{Analysis, ArmAnalysis, TrialAnalysis};

/// A trial that takes the place of a void one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Which is void.
    pub void: TrialId,
    /// Why, with its arm's name.
    pub reason: String,
    /// What takes its place.
    pub by: PlannedTrial,
}

/// The trials to run now in the place of void ones, in the order of the schedule. None where nothing would be gained:
/// something demanded does not hold, a trial is void by a server's doing, or more are void than may be replaced.
pub fn replacements(analysis: &Analysis, verdict: &Verdict) -> Vec<Replacement> {
    let arms = || analysis.arms.iter().filter(|arm| arm.skipped.is_none());
    let voids = arms().flat_map(|arm| arm.trials.iter().filter(|trial| trial.void.is_some()));
    let is_lost = verdict.outcome != Outcome::Inconclusive || analysis.incomplete.is_some();
    if is_lost || voids.clone().any(|trial| !is_ours(trial)) {
        return Vec::new();
    }
    let begun = analysis.arms.iter().flat_map(|arm| arm.trials.iter());
    let begun: BTreeSet<TrialId> = begun.map(|trial| trial.id).collect();
    let schedule = &analysis.header.schedule;
    let mut spares: Vec<PlannedTrial> = schedule.spares.clone();
    spares.retain(|spare| !begun.contains(&spare.id));
    let mut wanted = Vec::new();
    for arm in arms() {
        for control in [false, true] {
            let count = missing(&analysis.header, &arm.trials, control);
            let void = arm.trials.iter().rev();
            let void = void.filter(|trial| trial.control == control && is_ours(trial));
            for void in void.take(count) {
                let Some(place) = spares.iter().position(|spare| spare.arm == arm.id) else {
                    return Vec::new();
                };
                let mut by = spares.remove(place);
                if let Some(planned) = schedule.trial(void.id) {
                    by = by.in_place_of(planned, analysis.header.plan.chaos.is_some());
                }
                wanted.push(Replacement {
                    void: void.id,
                    reason: format!("{}: {}", arm.name, told(void)),
                    by,
                });
            }
        }
    }
    wanted.sort_by_key(|replacement| replacement.by.id);
    wanted
}

fn told(trial: &TrialAnalysis) -> String {
    let reason = trial.void.as_ref().map_or("", |void| void.reason.as_str());
    format!("trial {}: {reason}", trial.id.0)
}

/// That more trials of an arm are void than may be replaced.
pub(super) fn used_up(analysis: &Analysis, arm: &ArmAnalysis) -> Option<String> {
    let most = analysis.header.plan.replacements;
    let ours = arm.trials.iter().filter(|trial| is_ours(trial)).count() as u64;
    (most > 0 && ours > u64::from(most)).then(|| {
        format!(
            "{} void by the harness's or the machine's doing, and no more than {most} may be replaced: have the machine \
             do less beside it, or declare more (--replacements)",
            match ours {
                1 => "1 trial is".to_owned(),
                ours => format!("{} are", counted(ours, "trial")),
            }
        )
    })
}

/// A gate that holds only because of what was replaced is not known to hold: a server's bad trials must not vanish so.
/// `all` is the arm with those trials counted, as far as they show anything.
pub(super) fn doubted<'a>(
    check: Check,
    gate: &Gate,
    all: &ArmAnalysis,
    baseline: impl FnOnce() -> Result<Base<'a>, String>,
) -> Check {
    if check.outcome != Outcome::Pass {
        return check;
    }
    let wrong = || wrong_beside(gate.metric().count()?, all);
    let found = match judge_gate(gate, all, baseline) {
        GateState::Broken(found) => Some(found),
        // What went wrong beside the fault breaks nothing, and leaves nothing to hold.
        GateState::Unknown(_) => wrong(),
        GateState::Holds => None,
    };
    let Some(found) = found else {
        return check;
    };
    Check {
        outcome: Outcome::Inconclusive,
        detail: Some(format!(
            "it holds only if the void trials that were replaced are left out. With them: {found}"
        )),
        more_trials: None,
        ..check
    }
}
