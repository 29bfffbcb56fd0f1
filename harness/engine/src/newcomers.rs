//! When users log in for a fault: right before the first one that may take logins away, and from then on until it comes.

use comeback_model::ids::FaultId;
use comeback_model::schedule::PlannedInjection;
use comeback_model::units::{Elapsed, Span};

use super::context::Trial;

/// Before the load: plans them, if the first fault that counts belongs to this first stretch, which begins then. If none of the trial
/// does, they come before the first fault, and none after it.
pub(super) fn plan<S>(trial: &Trial<'_, S>, first: &[PlannedInjection], begin: Elapsed) {
    let Some(trigger) = trial.trigger.get() else {
        return;
    };
    let earliest = || first.iter().map(|planned| planned.after).min();
    if let Some(after) = taken_after(trial, first) {
        trigger.plan_fault(begin + after);
    } else if !takes_any(trial) {
        trigger.plan_fault(begin + earliest().unwrap_or_default());
        trigger.note_fault_came();
    } else if trial.planned.is_control() {
        trigger.plan_fault(begin);
    }
}

/// A later stretch begins then, and no earlier one had such a fault; whether it has.
pub(super) fn plan_later<S>(
    trial: &Trial<'_, S>,
    stretch: &[PlannedInjection],
    begin: Elapsed,
) -> bool {
    let after = taken_after(trial, stretch);
    if let Some((after, trigger)) = after.zip(trial.trigger.get()) {
        trigger.plan_fault(begin + after);
    }
    after.is_some()
}

/// A fault was begun: nobody logs in for it any more, unless a command takes its time until the server ends.
pub(super) fn note_begun<S>(trial: &Trial<'_, S>, fault: FaultId) {
    if !trial.plan.has_kill_command() {
        note_effect(trial, fault);
    }
}

/// The effect of a fault was confirmed.
pub(super) fn note_effect<S>(trial: &Trial<'_, S>, fault: FaultId) {
    if takes(trial, fault) {
        end(trial);
    }
}

/// Nobody logs in for a fault any more.
pub(super) fn end<S>(trial: &Trial<'_, S>) {
    if let Some(trigger) = trial.trigger.get() {
        trigger.note_fault_came();
    }
}

/// Whether a fault may take logins away: one that ends or replaces processes.
fn takes<S>(trial: &Trial<'_, S>, fault: FaultId) -> bool {
    let fault = trial.plan.fault(fault);
    fault.is_some_and(|fault| fault.effect.ends() || fault.effect.replaces())
}

/// Whether a fault of the trial may; of a trial without a fault, whether one of the plan may.
fn takes_any<S>(trial: &Trial<'_, S>) -> bool {
    match trial.planned.is_control() {
        true => (0..)
            .zip(&trial.plan.faults)
            .any(|(fault, _)| takes(trial, FaultId(fault))),
        false => {
            let mut planned = trial.planned.faults.iter();
            planned.any(|planned| takes(trial, planned.fault))
        }
    }
}

/// When the first such fault of a stretch comes, after the stretch begins.
fn taken_after<S>(trial: &Trial<'_, S>, stretch: &[PlannedInjection]) -> Option<Span> {
    let stretch = stretch.iter();
    let taking = stretch.filter(|planned| takes(trial, planned.fault));
    taking.map(|planned| planned.after).min()
}
