//! The faults of a plan: their numbers, names and effects.

use comeback_model::ids::FaultId;
use comeback_model::journal::Header;
use comeback_model::plan::fault::{Effect, Fault};
use comeback_model::plan::{Chaos, Plan};

use super::Choice;
use super::facts::Facts;

/// The fault as it was planned.
fn fault_of(plan: &Plan, fault: FaultId) -> Option<&Fault> {
    let is_one = fault.place() < plan.count_of_faults();
    plan.fault(fault).filter(|_| is_one)
}

/// What becomes of the nodes that a fault hits.
pub(super) fn effect_of(plan: &Plan, fault: FaultId) -> Option<Effect> {
    Some(fault_of(plan, fault)?.effect)
}

/// Whether a command ends what it hits, in place of a signal.
pub(super) fn is_by_command(plan: &Plan, fault: FaultId) -> bool {
    plan.has_kill_command() && effect_of(plan, fault).is_some_and(Effect::ends)
}

/// What people call a fault: by its kind, and by its number among several of that kind. One that was drawn by its kind, the place
/// in its trial and, among several choices of that kind, the choice: `kill 3`, `kill 3 (choice 2)`.
pub(super) fn name_of(plan: &Plan, fault: FaultId) -> String {
    let Some(kind) = fault_of(plan, fault).map(|fault| &fault.kind) else {
        return format!("fault {}", fault.0);
    };
    let alike = |until: usize| {
        let faults = plan.faults.iter().take(until);
        faults.filter(|other| other.kind == *kind).count()
    };
    let (place, choice) = plan.place_of(fault);
    match (&plan.chaos, alike(usize::MAX)) {
        (Some(_), 1) => format!("{kind} {}", place + 1),
        (Some(_), _) => format!("{kind} {} (choice {})", place + 1, choice + 1),
        (None, 1) => kind.clone(),
        (None, _) => format!("{kind} {}", alike(choice + 1)),
    }
}

/// The fault of the plan that one of a trial is, and what people call that: of one that was drawn its choice, wherever it came.
pub(super) fn choice_of(plan: &Plan, fault: FaultId) -> (FaultId, String) {
    let name = name_of(plan, fault);
    if plan.chaos.is_none() {
        return (fault, name);
    }
    let (place, choice) = plan.place_of(fault);
    let name = name.replacen(&format!(" {}", place + 1), "", 1);
    (FaultId(choice as u32), name)
}

/// The faults of the plan that a trial may lack: all that are drawn from, and of a list those behind which another was not recovered
/// from. None where each trial has the only one.
pub(super) fn choices(header: &Header) -> Vec<Choice> {
    let plan = &header.plan;
    let faults = plan.named_faults().filter(|_| are_several(plan));
    let choice = |(place, (id, _)): (usize, (FaultId, _))| {
        let (id, name) = choice_of(plan, id);
        let drawn = plan.chaos.as_ref().map(|chaos| {
            let weight = chaos.weights.get(place).copied().unwrap_or_default();
            let all: u64 = chaos.weights.iter().map(|weight| u64::from(*weight)).sum();
            let share = f64::from(weight) / all.max(1) as f64;
            1.0 - (1.0 - share).powf(faults_of_a_trial(header, chaos))
        });
        Choice { id, name, drawn }
    };
    faults.enumerate().map(choice).collect()
}

/// How many faults are drawn for a trial, as a mean: fewer than there may be where they do not fit into the span.
fn faults_of_a_trial(header: &Header, chaos: &Chaos) -> f64 {
    let trials = header.schedule.trials.iter();
    let drawn: Vec<usize> = trials
        .filter(|trial| !trial.is_control())
        .map(|trial| trial.faults.len())
        .collect();
    match (chaos.span, drawn.len()) {
        (None, _) | (_, 0) => f64::from(chaos.faults),
        (Some(_), trials) => drawn.iter().sum::<usize>() as f64 / trials as f64,
    }
}

/// The faults that a trial was to have, by their numbers; where none are drawn all of the plan's.
pub(super) fn ids(plan: &Plan, facts: &Facts) -> Vec<FaultId> {
    match &plan.chaos {
        Some(_) => facts.drawn.clone(),
        None => plan.named_faults().map(|(id, _)| id).collect(),
    }
}

/// Whether the trials of a plan may have more than one fault, or others than each other.
pub(super) fn are_several(plan: &Plan) -> bool {
    plan.count_of_faults() > 1
}
