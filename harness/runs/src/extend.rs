//! Further trials after the declared ones, if those do not suffice to judge the run.

use std::path::Path;

use comeback_analysis::verdict;
use comeback_engine::Extension;
use comeback_model::journal::Header;
use comeback_model::schedule::{self, PlannedTrial};

use crate::finish::judge;
use crate::read::analyze;

/// A run that is still going on, as far as its verdict says whether it must go on.
#[derive(Debug)]
pub(crate) struct Extender<'a> {
    header: &'a Header,
    /// Trials of the plan that were not run yet, beside the spares.
    further: &'a [PlannedTrial],
    /// Rounds so far.
    rounds: u32,
}

impl<'a> Extender<'a> {
    pub(crate) fn new(header: &'a Header) -> Self {
        Self {
            header,
            further: &header.schedule.further,
            rounds: header.plan.trials,
        }
    }

    /// The next trials, while only more trials are missing to judge the run: first replacements of void ones, then
    /// additional ones.
    ///
    /// # Errors
    /// If the folder, or the baseline in it, cannot be read.
    pub(crate) fn next(
        &mut self,
        folder: &Path,
    ) -> Result<Option<Extension>, Box<dyn std::error::Error + Send + Sync>> {
        if self.further.is_empty() && self.header.schedule.spares.is_empty() {
            return Ok(None);
        }
        let analysis = analyze(folder)?;
        let verdict = judge(&analysis, folder)?;
        let replacements = verdict::replacements(&analysis, &verdict);
        if !replacements.is_empty() {
            return Ok(Some(Extension {
                trials: replacements.iter().map(|one| one.by.clone()).collect(),
                replaces: replacements.iter().map(|one| one.void).collect(),
                reasons: replacements.into_iter().map(|one| one.reason).collect(),
            }));
        }
        let wanted = verdict.rounds_wanted(self.rounds);
        let Some(wanted) = wanted.filter(|_| !self.further.is_empty()) else {
            return Ok(None);
        };
        let trials;
        (trials, self.further) = schedule::split_rounds(self.further, wanted);
        self.rounds += wanted;
        Ok(Some(Extension {
            trials: trials.to_vec(),
            replaces: Vec::new(),
            reasons: verdict.reasons,
        }))
    }
}
