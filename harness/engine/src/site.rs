//! Where a run takes place.

use std::path::PathBuf;

use comeback_host::clock::Clock;
use comeback_model::ids::{Node, TrialId};
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
    /// Whether disks that forget put their calls on record.
    pub records_disks: bool,
}

impl Site {
    /// Where the disk of a node in a trial has its log or, with that ending, its record.
    pub(super) fn disk_file_of(&self, trial: TrialId, node: Node, ending: &str) -> PathBuf {
        let name = format!("trial-{:03}-{node}-disk.{ending}", trial.0);
        self.logs.join(name)
    }

    /// The data folder of a trial.
    pub(super) fn data_of(&self, trial: TrialId) -> PathBuf {
        self.scratch.join(format!("trial-{:03}", trial.0))
    }
}
