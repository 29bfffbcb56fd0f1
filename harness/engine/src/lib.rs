//! The engine: makes a schedule happen and records facts. It computes nothing and prints nothing.
//!
//! A campaign is trials in the schedule's order; a trial (see `trial`) is one start of a target, its
//! load, and at most one fault. Called by `runs`, and by the procedures of claims.

pub mod acquaint;
mod aim;
mod attribution;
pub mod campaign;
mod context;
mod effects;
mod error;
mod health;
pub mod interrupt;
pub mod needs;
mod nodes;
pub mod readiness;
mod real;
pub mod record;
mod recovery;
mod seams;
mod seats;
mod site;
#[cfg(test)]
mod tests;
mod trial;
mod trial_loop;

use std::collections::BTreeSet;

use comeback_model::event::EventKind;
use comeback_model::ids::{ArmId, TrialId};
use comeback_model::plan::Plan;
use comeback_model::schedule::{PlannedTrial, Schedule};

pub use error::EngineError;
use interrupt::Interrupt;
use real::Real;
use seams::Seams;
pub use site::Site;
use trial::{Finished, Started};

use comeback_faults as faults;
use comeback_host::clock;
use comeback_load as load;
use comeback_model::endpoint;
use comeback_supervise as supervise;

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
/// When the harness or its surroundings fail; whatever a target does is a fact on record, not an error.
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
    /// For what the others do not suffice, or why those are void.
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
    let Extension {
        trials,
        replaces,
        reasons,
    } = extension;
    let kind = EventKind::RunExtended {
        trials: trials.iter().map(|trial| trial.id).collect(),
        replaces,
        reasons,
    };
    site.recorder.event(None, kind);
    let (real, mut tried) = (Real::of(site), BTreeSet::new());
    run_all((plan, &trials), &mut tried, (site, &real), interrupt).await
}

/// Runs these trials. Where the first start of an arm that is `untried` fails, the run ends with it: all its others would
/// fail, and nobody waits for them.
async fn run_all<S: Seams>(
    (plan, trials): (&Plan, &[PlannedTrial]),
    untried: &mut BTreeSet<ArmId>,
    (site, seams): (&Site, &S),
    interrupt: &mut Interrupt,
) -> Result<Ended, EngineError> {
    for planned in trials {
        if site.recorder.is_broken() {
            return Err(EngineError::Journal);
        }
        let started = match trial::run((plan, *planned), site, seams, interrupt).await? {
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
    }
    site.recorder.event(None, EventKind::RunEnded);
    Ok(Ended::Complete)
}
