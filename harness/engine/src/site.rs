//! Where a run takes place.

use std::path::PathBuf;

use comeback_host::clock::Clock;
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
