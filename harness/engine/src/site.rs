//! Where a run takes place.

use std::path::PathBuf;

use comeback_host::clock::Clock;
use comeback_model::ids::TrialId;
use comeback_supervise::tag::RunTag;

use super::record::Recorder;

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

impl Site {
    /// The data folder of a trial.
    pub(super) fn data_of(&self, trial: TrialId) -> PathBuf {
        self.scratch.join(format!("trial-{:03}", trial.0))
    }
}
