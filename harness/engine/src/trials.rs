//! The trials of a run, one after the other.

use std::collections::BTreeSet;

use comeback_model::event::EventKind;
use comeback_model::ids::{ArmId, TrialId};
use comeback_model::plan::Plan;
use comeback_model::schedule::{PlannedTrial, Schedule};

use super::error::EngineError;
use super::interrupt::Interrupt;
use super::life::Life;
use super::real::Real;
use super::seams::Seams;
use super::site::Site;
use super::trial::{self, Finished, Started};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Complete,
    /// By a signal.
    Interrupted,
}

/// Runs every trial of the schedule, one after the other.
///
/// # Errors
/// If the harness or its surroundings fail. The behaviour of a target is recorded as a fact, not an error.
pub async fn run(
    plan: &Plan,
    schedule: &Schedule,
    site: &Site,
    interrupt: &mut Interrupt,
) -> Result<Ended, EngineError> {
    for (place, arm) in plan.arms.iter().enumerate() {
        if let Some(reason) = &arm.skip {
            let kind = EventKind::ArmSkipped {
                arm: ArmId(place as u32),
                reason: reason.clone(),
            };
            site.recorder.event(None, kind);
        }
    }
    let mut untried: BTreeSet<ArmId> = schedule.trials.iter().map(|trial| trial.arm).collect();
    let real = Real::of(site);
    run_all(
        (plan, &schedule.trials),
        &mut untried,
        (site, &real),
        interrupt,
    )
    .await
}

/// Trials that are run after the declared ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Extension {
    /// Which.
    pub trials: Vec<PlannedTrial>,
    /// The void ones whose places they take; none where they are run beside those that count.
    pub replaces: Vec<TrialId>,
    /// The reason why the others do not suffice, or why they are void.
    pub reasons: Vec<String>,
}

/// Goes on after the run's end, with trials that its schedule holds for the case that the others do not suffice.
///
/// # Errors
/// As [`run`].
pub async fn extend(
    plan: &Plan,
    extension: Extension,
    site: &Site,
    interrupt: &mut Interrupt,
) -> Result<Ended, EngineError> {
    let real = Real::of(site);
    extend_with(plan, extension, (site, &real), interrupt).await
}

/// The same on these seams.
pub(super) async fn extend_with<S: Seams>(
    plan: &Plan,
    extension: Extension,
    (site, seams): (&Site, &S),
    interrupt: &mut Interrupt,
) -> Result<Ended, EngineError> {
    let Extension {
        trials,
        replaces,
        reasons,
    } = extension;
    let kind = EventKind::RunExtended {
        trials: trials.iter().map(|trial| trial.id).collect(),
        same_faults: plan.chaos.is_some() && !replaces.is_empty(),
        replaces,
        reasons,
    };
    site.recorder.event(None, kind);
    let mut tried = BTreeSet::new();
    run_all((plan, &trials), &mut tried, (site, seams), interrupt).await
}

/// Runs these trials. Where the first start of an arm that is `untried` fails, the run ends with it: all its others would
/// fail, and nobody waits for them.
pub(super) async fn run_all<S: Seams>(
    (plan, trials): (&Plan, &[PlannedTrial]),
    untried: &mut BTreeSet<ArmId>,
    (site, seams): (&Site, &S),
    interrupt: &mut Interrupt,
) -> Result<Ended, EngineError> {
    let mut life = Life::of(plan);
    for planned in trials {
        if site.recorder.is_broken() {
            return Err(EngineError::Journal);
        }
        let started = match trial::run((plan, planned), site, seams, (interrupt, &mut life)).await?
        {
            Finished::Done(started) => started,
            Finished::Interrupted => {
                seams.kill_all();
                site.recorder.event(None, EventKind::RunInterrupted);
                return Ok(Ended::Interrupted);
            }
        };
        if untried.remove(&planned.arm) && started == Started::Not {
            let arm = planned.arm;
            site.recorder.event(None, EventKind::RunGivenUp { arm });
            break;
        }
        if life.is_over() {
            break;
        }
    }
    life.end();
    site.recorder.event(None, EventKind::RunEnded);
    Ok(Ended::Complete)
}
