//! The faults of a plan: their numbers, names and effects.

use comeback_model::ids::FaultId;
use comeback_model::plan::Plan;
use comeback_model::plan::fault::{Effect, Fault};

/// The faults of a plan, in its order.
pub(super) fn planned(plan: &Plan) -> &[Fault] {
    &plan.faults
}

/// The fault as it was planned.
fn fault_of(plan: &Plan, fault: FaultId) -> Option<&Fault> {
    planned(plan).get(fault.0 as usize)
}

/// What becomes of the nodes that a fault hits.
pub(super) fn effect_of(plan: &Plan, fault: FaultId) -> Option<Effect> {
    Some(fault_of(plan, fault)?.effect)
}

/// Whether a command ends what it hits, in place of a signal.
pub(super) fn is_by_command(plan: &Plan, fault: FaultId) -> bool {
    plan.has_kill_command() && effect_of(plan, fault).is_some_and(Effect::ends)
}

/// What people call a fault: by its kind, and by its number among several of that kind.
pub(super) fn name_of(plan: &Plan, fault: FaultId) -> String {
    let Some(kind) = fault_of(plan, fault).map(|fault| &fault.kind) else {
        return format!("fault {}", fault.0);
    };
    let alike = |until: usize| {
        let faults = planned(plan).iter().take(until);
        faults.filter(|other| other.kind == *kind).count()
    };
    match alike(usize::MAX) {
        1 => kind.clone(),
        _ => format!("{kind} {}", alike(fault.0 as usize + 1)),
    }
}

/// The numbers of a plan's faults.
pub(super) fn ids(plan: &Plan) -> impl Iterator<Item = FaultId> {
    (0..).map(FaultId).take(planned(plan).len())
}

/// Whether a plan has more than one fault.
pub(super) fn are_several(plan: &Plan) -> bool {
    planned(plan).len() > 1
}
