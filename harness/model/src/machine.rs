//! What a run's figures depend on beside its plan: where it ran.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The machine of a run. Figures of different machines are not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Operating system and kernel release.
    pub system: String,
    /// The processor's own name for itself.
    pub processor: String,
    /// Cores this process may use.
    pub cores: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// File system under the targets' data folders.
    pub data_filesystem: String,
    /// `release` or `debug` build of the harness and its reference servers.
    pub build: String,
}
