//! The faults of a plan: their numbers, names and effects.

use comeback_model::ids::FaultId;
use comeback_model::plan::Plan;
use comeback_model::plan::fault::{Effect, Fault};

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

/// The choices that end processes; none where nothing is drawn, or where each trial has the only one.
pub(super) fn ending_choices(plan: &Plan) -> Vec<(FaultId, String)> {
    let choices = plan
        .named_faults()
        .filter(|_| plan.chaos.is_some() && are_several(plan));
    let ending = choices.filter(|(_, fault)| fault.effect.ends());
    ending.map(|(id, _)| choice_of(plan, id)).collect()
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
