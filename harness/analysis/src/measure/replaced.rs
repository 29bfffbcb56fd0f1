//! Void trials that others have taken the place of (METHOD §3, *Replaced trials*): they are void by the harness's or the
//! machine's doing, no more of them than the plan declared, and of each kind as many trials count as were to.

use comeback_model::journal::Header;

use super::TrialAnalysis;
use super::types::Doing;

/// Marks those of an arm.
pub(super) fn mark(header: &Header, mut trials: Vec<TrialAnalysis>) -> Vec<TrialAnalysis> {
    let ours = trials.iter().filter(|trial| is_ours(trial)).count() as u64;
    if ours > u64::from(header.plan.replacements) {
        return trials;
    }
    for control in [false, true] {
        if missing(header, &trials, control) == 0 {
            let role = trials.iter_mut().filter(|trial| trial.control == control);
            for trial in role.filter(|trial| is_ours(trial)) {
                if let Some(void) = &mut trial.void {
                    void.replaced = true;
                }
            }
        }
    }
    trials
}

/// How many trials of an arm, with a fault or without, are yet to take the place of void ones. What is void by the
/// server's doing leaves its place empty.
pub(crate) fn missing(header: &Header, trials: &[TrialAnalysis], control: bool) -> usize {
    let spares = &header.schedule.spares;
    let is_spare = |trial: &TrialAnalysis| spares.iter().any(|spare| spare.id == trial.id);
    let role = || trials.iter().filter(|trial| trial.control == control);
    let places = role().filter(|trial| !is_spare(trial)).count();
    let filled = role().filter(|trial| !is_ours(trial)).count();
    places.saturating_sub(filled)
}

/// Whether it is void by the harness's or the machine's doing.
pub(crate) fn is_ours(trial: &TrialAnalysis) -> bool {
    trial
        .void
        .as_ref()
        .is_some_and(|void| void.doing == Doing::Ours)
}
