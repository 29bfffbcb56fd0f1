//! Which trials of a run have most to tell.

use std::collections::BTreeSet;

use comeback_model::ids::TrialId;

use super::{Analysis, TrialAnalysis};

/// The trials to show from close by, at most so many: first those that do not count or in which something was lost, then those with
/// findings, then the others, in each case the earliest.
pub fn worth_telling(analysis: &Analysis, most: usize) -> BTreeSet<TrialId> {
    let trials = analysis.arms.iter().flat_map(|arm| &arm.trials);
    let mut ranked: Vec<(u8, TrialId)> = trials.map(|trial| (calm(trial), trial.id)).collect();
    ranked.sort_unstable();
    ranked.truncate(most);
    ranked.into_iter().map(|(_, id)| id).collect()
}

/// How little there is to tell of a trial.
fn calm(trial: &TrialAnalysis) -> u8 {
    let (sessions, writes) = (&trial.sessions, &trial.writes);
    let is_lossy = sessions.lost + sessions.reset + sessions.name_another() + writes.lost > 0;
    if trial.void.is_some() || trial.not_back().is_some() {
        0
    } else if is_lossy {
        1
    } else if !trial.findings.is_empty() {
        2
    } else {
        3
    }
}
