//! The verdict: pass, fail, inconclusive or measured, with its reasons. Never a pass on missing evidence, and none where
//! nothing was demanded.
//!
//! A gate that is broken fails the run. What keeps a gate from being judged (a fault that did not land, a
//! load below its floor, no samples, too few trials) makes it inconclusive. A counterexample fails a
//! count at once; a cache that served another user's content fails the run, gate or not; times and rates are judged by their intervals (METHOD.md §4).

mod baseline;
mod clean;
mod difference;
mod family;
mod gate;
mod headline;
mod replace;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::{Analysis, ArmAnalysis, Time, TrialAnalysis, causes_of};
use crate::summary::RunLabel;

use baseline::Baselines;
pub use baseline::{arm_without_baseline, machine_differences, objections};
pub use difference::compare;
pub use family::{Family, family_of};
use gate::count::Count;
use gate::tally::Tally;
use gate::{Base, Judged, Missing};
pub use gate::{Gate, GateError};
use headline::{Broken, headline};
pub use replace::{Replacement, replacements};

/// The verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything demanded holds, on sufficient evidence.
    Pass,
    /// Something demanded does not hold.
    Fail,
    /// The evidence does not suffice to say.
    Inconclusive,
    /// Everything was measured, and nothing was demanded: neither good nor bad.
    Measured,
}

impl Outcome {
    /// The name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::Measured => "measured",
        }
    }
}

/// What stands before a cause among the reasons, behind the arm's name.
pub const CAUSE: &str = "cause: ";

/// A verdict with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which.
    pub outcome: Outcome,
    /// The decisive fact in one line, such as `FAIL: lost 294 of 294 sessions`.
    pub headline: String,
    /// Why, in sentences: what failed first, then what is missing, then the causes that are known of either.
    pub reasons: Vec<String>,
    /// Each gate asked of each arm that was measured.
    pub checks: Vec<Check>,
    /// The earlier run that gates with a baseline compare with, if one was given.
    pub baseline: Option<RunLabel>,
}

/// One gate, asked of one arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The arm's name.
    pub arm: String,
    /// The gate as it was written.
    pub gate: String,
    /// Whether it holds.
    pub outcome: Outcome,
    /// What was found, or what is missing; absent when it holds.
    pub detail: Option<String>,
    /// Where more trials with a fault would tell: how many more of this arm, at least or by an estimate.
    pub more_trials: Option<u32>,
    /// Of a gate on a time or a rate: how sharp it is. Absent for counts and for the largest of all trials, which are
    /// exact.
    #[serde(default)]
    pub sharpness: Option<Sharpness>,
}

/// How sharp a gate is that is judged by an interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sharpness {
    /// The smallest figure (against a baseline: the smallest change) that would have broken it in four of five runs, with
    /// as many trials and as much scatter as there were; null where that is not known.
    pub shows_from: Option<String>,
}

/// A gate, asked of an arm.
struct Asked<'a> {
    gate: &'a Gate,
    check: Check,
    /// How likely chance alone breaks a gate on a time or a rate as it is broken; 1 where it is not.
    chance: f64,
}

impl Verdict {
    /// When nothing but more trials is missing for a verdict: how many more an arm may need.
    pub fn more_trials(&self) -> Option<u32> {
        let open = || {
            let checks = self.checks.iter();
            checks.filter(|check| check.outcome == Outcome::Inconclusive)
        };
        // Each open gate is one reason; any other reason is something that trials do not mend.
        if self.outcome != Outcome::Inconclusive || self.reasons.len() != open().count() {
            return None;
        }
        let wanted: Option<Vec<u32>> = open().map(|check| check.more_trials).collect();
        wanted?.into_iter().max()
    }
}

impl Verdict {
    /// When nothing but more trials is missing: how many rounds of one trial of each arm to add to the
    /// `trials` that each arm has. At least half as many as there are, so that a run is not judged again and
    /// again until a verdict comes by chance.
    pub fn rounds_wanted(&self, trials: u32) -> Option<u32> {
        let more = self.more_trials()?;
        Some(more.max(trials.div_ceil(2)))
    }
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
        if !gates.is_empty() {
            missing.extend(no_control(arm).map(|problem| about(&problem)));
        }
        if let Some(problem) = what_is_never_excused(arm) {
            broken.push(about(&problem));
            facts.push(Broken::anyway(arm, problem));
        }
        if arm.skipped.is_some() {
            continue;
        }
        let asks_anyway = !gates.is_empty() && !gates.iter().any(Gate::is_about_recovery);
        if let Some(problem) = not_back_for_good(arm).filter(|_| asks_anyway) {
            broken.push(about(&problem));
            let tally = Tally::of(Count::Unrecovered, arm);
            facts.push(Broken::anyway(arm, Count::Unrecovered.clause(tally)));
        }
        for Asked { gate, check, .. } in asked {
            let detailed = check.detail.as_deref().unwrap_or_default();
            match check.outcome {
                Outcome::Pass | Outcome::Measured => {}
                Outcome::Fail => {
                    broken.push(about(&format!("{gate} is broken: {detailed}")));
                    facts.push(Broken::new(gate, arm, detailed));
                }
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

/// Asks an arm each gate that is for it.
fn ask<'a>(arm: &ArmAnalysis, gates: &'a [Gate], baselines: Baselines<'_>) -> Vec<Asked<'a>> {
    if arm.skipped.is_some() {
        return Vec::new();
    }
    let counts = arm.faulted().next().is_some();
    let with_replaced = arm.with_replaced();
    let is_asked = |gate: &&Gate| {
        // What others are compared with is no worse than itself.
        let is_the_baseline = gate.needs_baseline() && baselines.is_baseline(arm);
        (counts || gate.has_counterexample(arm)) && !is_the_baseline
    };
    let gates = gates.iter().filter(is_asked);
    gates
        .map(|gate| {
            let mut check = check(gate, arm, || baselines.of(arm));
            if let Some(all) = &with_replaced {
                check = replace::doubted(check, gate, all, || baselines.of(arm));
            }
            let base = match gate.needs_baseline() {
                true => baselines.of(arm).ok(),
                false => None,
            };
            check.sharpness = gate.is_statistical().then(|| Sharpness {
                shows_from: gate.shows_from(arm, base),
            });
            let is_chance = check.outcome == Outcome::Fail && gate.is_statistical();
            Asked {
                gate,
                chance: if is_chance {
                    gate.chance(arm, base)
                } else {
                    1.0
                },
                check,
            }
        })
        .collect()
}

/// Asks one gate of an arm that has trials; `baseline` is what it is compared with, or why there is nothing.
fn check<'a>(
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
    let judged = match (gate.judge(arm, base), clean::without_a_fault(gate, arm)) {
        (judged, None) => judged,
        (Judged::Broken(found), Some(_)) if gate.is_never_excused() => Judged::Broken(found),
        (Judged::Broken(found), Some(trouble)) => {
            let why = format!("{found}, but not by the fault alone: {trouble}");
            Judged::Unknown(Missing::for_good(why))
        }
        (Judged::Holds, Some(trouble)) => Judged::Unknown(Missing::for_good(trouble)),
        (Judged::Unknown(missing), Some(trouble)) => {
            Judged::Unknown(Missing::for_good(format!("{}; {trouble}", missing.why)))
        }
    };
    let (outcome, detail, more_trials) = match judged {
        Judged::Holds => (Outcome::Pass, None, None),
        Judged::Broken(found) => (Outcome::Fail, Some(found), None),
        Judged::Unknown(missing) => (
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
fn what_is_never_excused(arm: &ArmAnalysis) -> Option<String> {
    let tallies = arm.trials.iter().filter_map(|trial| trial.cache.as_ref());
    let anothers: u64 = tallies.map(|tally| tally.another_users).sum();
    (anothers > 0).then(|| {
        format!(
            "the cache served another user's content, {anothers} {}",
            if anothers == 1 { "time" } else { "times" }
        )
    })
}

/// Whatever is demanded, a service that never came back, or not for good, does not hold it: this is demanded of each run
/// with gates that says nothing of it itself.
fn not_back_for_good(arm: &ArmAnalysis) -> Option<String> {
    let is_not_back = |trial: &&TrialAnalysis| {
        trial.not_back().is_some() || matches!(trial.chain.ready, Some(Time::Beyond { .. }))
    };
    let (found, all) = (
        arm.faulted().filter(is_not_back).count(),
        arm.faulted().count(),
    );
    let example = Count::Unrecovered.example(arm);
    (found > 0).then(|| {
        format!("unrecovered == 0, which every run with gates demands, is broken: {found} of {all}{example}")
    })
}

/// Why it went so, arm by arm.
fn causes(analysis: &Analysis) -> impl Iterator<Item = String> {
    analysis.arms.iter().flat_map(|arm| {
        let causes = causes_of(arm).into_iter();
        causes.map(|cause| format!("{}: {CAUSE}{cause}", arm.name))
    })
}

/// Without a trial without a fault nothing can be laid to one.
fn no_control(arm: &ArmAnalysis) -> Option<String> {
    let lacks = arm.skipped.is_none() && arm.controls().next().is_none();
    lacks.then(|| "there is no control trial to compare with".to_owned())
}

/// What keeps an arm from counting as measured.
fn what_is_missing(arm: &ArmAnalysis) -> Vec<String> {
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
