//! The verdict: pass, fail, inconclusive or measured, with its reasons. Never a pass on missing evidence, and none where
//! nothing was demanded.
//!
//! A gate that is broken fails the run. What keeps a gate from being judged (a fault that did not land, a
//! load below its floor, no samples, too few trials) makes it inconclusive. A counterexample fails a
//! count at once; a cache that served another user's content fails the run, gate or not; times and rates are judged by their intervals (METHOD.md §4).

mod against;
pub(crate) mod baseline;
mod by_trial;
pub(crate) mod clean;
pub(crate) mod contrast;
mod doubts;
mod drawn;
mod family;
pub(crate) mod figure;
mod headline;
mod judge;
mod replace;
pub(crate) mod samples;
pub(crate) mod shards;
mod sharpness;
pub(crate) mod tally;
#[cfg(test)]
mod tests;
mod types;
pub(crate) mod values;

use comeback_model::gate::Count;

use crate::measure::{Analysis, ArmAnalysis, Tally, causes_of, words};
pub use comeback_model::gate::{Gate, GateError};
use comeback_model::journal::RunLabel;

use baseline::Baselines;
pub use baseline::{arm_without_baseline, machine_differences, objections};
pub use by_trial::{OfTrial, by_trial};
pub use family::{Family, family_of};
use figure::Missing;
pub use headline::found;
use headline::{Broken, headline};
pub(crate) use judge::{did_not_grow, unrecovered};
pub use replace::{Replacement, replacements};
use samples::{Base, GateState};
pub use sharpness::sees_with;
use sharpness::{chance, shows_from};
use tally::clause;
pub use types::{CAUSE, Check, Outcome, Sharpness, Verdict};

/// A service that never came back, or not for good, holds no demand, and neither does one of which nobody knows whether it did.
const ANYWAY: &str = "unrecovered == 0, which every run with gates demands";

/// A gate, asked of an arm.
struct Asked<'a> {
    gate: &'a Gate,
    check: Check,
    /// How likely chance alone breaks a gate on a time or a rate as it is broken; 1 where it is not.
    chance: f64,
}

/// Judges a run by its gates; without gates it is measured when every arm was. `stored` is the
/// earlier run that gates with a baseline compare those arms with which name no arm of their own run.
pub fn judge(analysis: &Analysis, gates: &[Gate], stored: Option<&Analysis>) -> Verdict {
    let baselines = Baselines {
        run: analysis,
        stored,
    };
    let mut broken = Vec::new();
    let mut facts = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    let mut checks = Vec::new();
    missing.extend(analysis.incomplete.clone());
    let lacking = shards::lacking(&analysis.header);
    let is_part = lacking.is_some();
    missing.extend(lacking);
    if analysis.arms.is_empty() {
        missing.push("there is no arm".to_owned());
    }
    let mut asked: Vec<Vec<Asked<'_>>> = analysis
        .arms
        .iter()
        .map(|arm| ask(arm, gates, baselines))
        .collect();
    family::control(asked.iter_mut().flatten());
    for (arm, asked) in analysis.arms.iter().zip(asked) {
        let about = |problem: &str| format!("{}: {problem}", arm.name);
        missing.extend(what_is_missing(arm).iter().map(|problem| about(problem)));
        missing.extend(replace::used_up(analysis, arm).map(|problem| about(&problem)));
        if !gates.is_empty() && !is_part {
            missing.extend(no_control(arm).map(|problem| about(&problem)));
        }
        let judged = (!baselines.is_revision(arm)).then_some(arm);
        if let Some(problem) = judged.and_then(what_is_never_excused) {
            broken.push(about(&problem));
            facts.push(Broken::anyway(arm, problem));
        }
        if arm.skipped.is_some() || baselines.is_revision(arm) {
            continue;
        }
        let asks_anyway = !gates.is_empty() && !gates.iter().any(Gate::is_about_recovery);
        match asks_anyway.then(|| unrecovered(arm)) {
            // Nothing is laid to a fault by a part without a control trial.
            Some(GateState::Broken(_)) if is_part && no_control(arm).is_some() => {}
            Some(GateState::Broken(found)) => {
                broken.push(about(&format!("{ANYWAY}, is broken: {found}")));
                let tally = Tally::of(Count::Unrecovered, arm);
                facts.push(Broken::anyway(arm, clause(Count::Unrecovered, tally)));
            }
            Some(GateState::Unknown(Missing { why, .. }))
                if arm.faulted().next().is_some() && !is_part && !is_told(&asked, &why) =>
            {
                missing.push(about(&format!("{ANYWAY}, cannot be judged: {why}")));
            }
            Some(GateState::Holds | GateState::Unknown(_)) | None => {}
        }
        for Asked { gate, check, .. } in asked {
            let detailed = check.detail.as_deref().unwrap_or_default();
            match check.outcome {
                Outcome::Pass | Outcome::Measured => {}
                Outcome::Fail => {
                    broken.push(about(&format!("{gate} is broken: {detailed}")));
                    facts.push(Broken::new(gate, arm, detailed));
                }
                // Once for all gates: shards are missing.
                Outcome::Inconclusive if is_part => {}
                Outcome::Inconclusive => {
                    missing.push(about(&format!("{gate} cannot be judged: {detailed}")));
                }
            }
            checks.push(check);
        }
    }
    let outcome = match (broken.is_empty(), missing.is_empty()) {
        (false, _) => Outcome::Fail,
        (true, false) => Outcome::Inconclusive,
        (true, true) if gates.is_empty() => Outcome::Measured,
        (true, true) => Outcome::Pass,
    };
    broken.append(&mut missing);
    if matches!(outcome, Outcome::Fail | Outcome::Inconclusive) {
        broken.extend(analysis.arms.iter().filter_map(first_loss));
        broken.extend(causes(analysis));
    }
    let mut verdict = Verdict {
        outcome,
        headline: String::new(),
        reasons: broken,
        checks,
        baseline: stored.map(|stored| RunLabel::from(&stored.header)),
    };
    verdict.headline = headline(&verdict, analysis, &facts);
    verdict
}

/// Whether a gate is open for this very reason: it need not be told again.
fn is_told(asked: &[Asked<'_>], why: &str) -> bool {
    let details = asked.iter().filter_map(|asked| asked.check.detail.as_ref());
    details.into_iter().any(|detail| detail.contains(why))
}

/// Asks an arm each gate that is for it.
fn ask<'a>(arm: &ArmAnalysis, gates: &'a [Gate], baselines: Baselines<'_>) -> Vec<Asked<'a>> {
    if arm.skipped.is_some() {
        return Vec::new();
    }
    let counts = arm.faulted().next().is_some();
    let is_part = shards::lacking(&baselines.run.header).is_some();
    let is_asked = |gate: &&Gate| {
        // What others are compared with is no worse than itself.
        let is_the_baseline =
            baselines.is_baseline(arm) && (gate.needs_baseline() || baselines.is_revision(arm));
        (counts || judge::has_counterexample(gate, arm))
            && !is_the_baseline
            && clean::is_asked_of(gate, arm)
    };
    let gates = gates.iter().filter(is_asked);
    gates
        .map(|gate| {
            let mut check = check(gate, arm, || baselines.of(arm));
            if is_part {
                check = shards::of_a_part(check, gate, arm);
            }
            let base = match gate.needs_baseline() {
                true => baselines.of(arm).ok(),
                false => None,
            };
            check.sharpness = gate.is_statistical().then(|| Sharpness {
                shows_from: shows_from(gate, arm, base),
            });
            let is_chance = check.outcome == Outcome::Fail && gate.is_statistical();
            Asked {
                gate,
                chance: if is_chance {
                    chance(gate, arm, base)
                } else {
                    1.0
                },
                check,
            }
        })
        .collect()
}

/// Asks one gate of an arm that has trials; `baseline` is what it is compared with, or why there is nothing. What holds only
/// without trials that were replaced is not known to hold.
pub(crate) fn check<'a>(
    gate: &Gate,
    arm: &ArmAnalysis,
    baseline: impl Fn() -> Result<Base<'a>, String>,
) -> Check {
    let check = check_what_counts(gate, arm, &baseline);
    match arm.with_replaced() {
        Some(all) => replace::doubted(check, gate, &all, baseline),
        None => check,
    }
}

fn check_what_counts<'a>(
    gate: &Gate,
    arm: &ArmAnalysis,
    baseline: impl FnOnce() -> Result<Base<'a>, String>,
) -> Check {
    let base = || {
        let base = baseline()?;
        // What goes wrong in a baseline without a crash would excuse what is wrong by one here.
        if let Some(trouble) = clean::without_a_fault(gate, base.arm) {
            return Err(format!("in the baseline {trouble}"));
        }
        if gate.is_about_loss() && base.arm.controls().next().is_none() {
            return Err("the baseline has no control trial to compare with".to_owned());
        }
        Ok(base)
    };
    let judged = match (
        judge::judge_gate(gate, arm, base),
        clean::without_a_fault(gate, arm),
    ) {
        (judged, None) => judged,
        (GateState::Broken(found), Some(_)) if gate.is_never_excused() => GateState::Broken(found),
        (GateState::Broken(found), Some(trouble)) => {
            let why = format!("{found}, but not by the fault alone: {trouble}");
            GateState::Unknown(Missing::for_good(why))
        }
        (GateState::Holds, Some(trouble)) => GateState::Unknown(Missing::for_good(trouble)),
        (GateState::Unknown(missing), Some(trouble)) => {
            GateState::Unknown(Missing::for_good(format!("{}; {trouble}", missing.why)))
        }
    };
    let (outcome, detail, more_trials) = match judged {
        GateState::Holds => (Outcome::Pass, None, None),
        GateState::Broken(found) => (Outcome::Fail, Some(found), None),
        GateState::Unknown(missing) => (
            Outcome::Inconclusive,
            Some(missing.why),
            missing.more_trials,
        ),
    };
    Check {
        arm: arm.name.clone(),
        gate: gate.to_string(),
        outcome,
        detail,
        more_trials,
        sharpness: None,
    }
}

/// What fails a run whatever it demands, and whether or not the trial counts in which it happened.
pub(crate) fn what_is_never_excused(arm: &ArmAnalysis) -> Option<String> {
    let tallies = arm.trials.iter().filter_map(|trial| trial.cache.as_ref());
    let anothers: u64 = tallies.map(|tally| tally.another_users).sum();
    (anothers > 0).then(|| {
        format!(
            "the cache served another user's content, {anothers} {}",
            if anothers == 1 { "time" } else { "times" }
        )
    })
}

/// The first kill of a storm that took something, and what.
fn first_loss(arm: &ArmAnalysis) -> Option<String> {
    let tally = arm.storm_tally()?;
    let (kill, trial, what) = tally.first?;
    let idle = match tally.idle_with_loss {
        0 => String::new(),
        lost => format!(
            " and {lost} of {} of the idle server",
            words::counted(tally.idle, "kill")
        ),
    };
    Some(format!(
        "{}: {} of {} under load{idle} lost something, first kill {kill} (trial {trial}): {what}",
        arm.name,
        tally.with_loss,
        words::counted(tally.kills, "kill")
    ))
}

/// Why it went so, arm by arm.
fn causes(analysis: &Analysis) -> impl Iterator<Item = String> {
    analysis.arms.iter().flat_map(|arm| {
        let causes = causes_of(arm).into_iter();
        causes.map(|cause| format!("{}: {CAUSE}{cause}", arm.name))
    })
}

/// Without a trial without a fault nothing can be laid to one.
pub(crate) fn no_control(arm: &ArmAnalysis) -> Option<String> {
    let lacks = arm.skipped.is_none() && arm.controls().next().is_none();
    lacks.then(|| "there is no control trial to compare with".to_owned())
}

/// What keeps an arm from counting as measured.
pub(crate) fn what_is_missing(arm: &ArmAnalysis) -> Vec<String> {
    if let Some(reason) = &arm.skipped {
        return vec![format!("skipped: {reason}")];
    }
    let mut missing: Vec<String> = arm
        .trials
        .iter()
        .filter_map(|trial| {
            let role = if trial.control {
                "control trial"
            } else {
                "trial"
            };
            let reason = &trial.void.as_ref().filter(|void| !void.replaced)?.reason;
            Some(format!("{role} {} does not count: {reason}", trial.id.0))
        })
        .collect();
    if arm.faulted().next().is_none() {
        missing.push("no trial with a fault counts".to_owned());
        return missing;
    }
    let (acknowledged, undecided) = arm.faulted().fold((0, 0), |(all, open), trial| {
        (
            all + trial.sessions.acknowledged,
            open + trial.sessions.undecided,
        )
    });
    if acknowledged > 0 && undecided == acknowledged {
        missing.push(format!("all {acknowledged} sessions are undecided"));
    }
    missing
}
