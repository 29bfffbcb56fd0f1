//! The engine: makes a schedule happen and records facts. It computes nothing and prints nothing.
//!
//! A campaign is trials in the schedule's order; a trial (see `trial`) is one start of a target, its
//! load, and at most one fault. Called by the cli and the library; imports supervise, load and record.

pub mod acquaint;
mod aim;
pub mod campaign;
mod ends;
mod error;
pub mod folder;
pub mod interrupt;
mod nodes;
mod recovery;
mod roll;
mod strike;
mod trial;

use std::path::PathBuf;

use comeback_core::event::EventKind;
use comeback_core::ids::ArmId;
use comeback_core::plan::Plan;
use comeback_core::schedule::{PlannedTrial, Schedule};

pub use error::EngineError;
use interrupt::Interrupt;

use crate::clock::Clock;
use crate::record::Recorder;
use crate::supervise::tag::RunTag;

/// Where a run takes place.
#[derive(Clone, Debug)]
pub struct Site {
    /// Marks every process of the run.
    pub tag: RunTag,
    /// The run's clock.
    pub clock: Clock,
    /// Takes the facts.
    pub recorder: Recorder,
    /// The trials' data folders; emptied by the end.
    pub scratch: PathBuf,
    /// The targets' output.
    pub logs: PathBuf,
}

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
    run_all(plan, &schedule.trials, site, interrupt).await
}

/// Goes on after the run's end, with trials that its schedule holds for the case that the others do not
/// suffice; `reasons` say for what.
///
/// # Errors
/// As [`run`].
pub async fn extend(
    plan: &Plan,
    trials: &[PlannedTrial],
    reasons: Vec<String>,
    site: &Site,
    interrupt: &mut Interrupt,
) -> Result<Ended, EngineError> {
    let kind = EventKind::RunExtended {
        trials: trials.iter().map(|trial| trial.id).collect(),
        reasons,
    };
    site.recorder.event(None, kind);
    run_all(plan, trials, site, interrupt).await
}

async fn run_all(
    plan: &Plan,
    trials: &[PlannedTrial],
    site: &Site,
    interrupt: &mut Interrupt,
) -> Result<Ended, EngineError> {
    for planned in trials {
        if site.recorder.is_broken() {
            return Err(EngineError::Journal);
        }
        let arm = &plan.arms[planned.arm.0 as usize];
        let ended = tokio::select! {
            biased;
            () = interrupt.raised() => Ended::Interrupted,
            ended = trial::run(plan, arm, *planned, site) => {
                ended?;
                Ended::Complete
            }
        };
        if ended == Ended::Interrupted {
            site.tag.kill_all();
            site.recorder.event(None, EventKind::RunInterrupted);
            return Ok(ended);
        }
    }
    site.recorder.event(None, EventKind::RunEnded);
    Ok(Ended::Complete)
}
