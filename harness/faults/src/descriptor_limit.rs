//! `descriptor_limit`: for a whole trial, no process of the nodes may have more than so many descriptors open.

use comeback_host::limits;
use comeback_model::plan::fault::{Aim, Effect, FaultWords, Reach};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::injection::{FaultError, Injection};
use crate::kind::{Kind, Unavailable};

/// Fewer than these no server can start with: its standard streams, a listening socket, a library to load.
const LEAST: u64 = 8;

/// A limit of open descriptors.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DescriptorLimit {
    /// How many descriptors each process may have open, sockets and files together. Default: 64.
    open: u64,
}

impl Default for DescriptorLimit {
    fn default() -> Self {
        Self { open: 64 }
    }
}

impl Kind for DescriptorLimit {
    const NAME: &'static str = "descriptor_limit";
    const ABOUT: &'static str = "Every process may have only so many descriptors open (soft and hard limit), for a whole trial.";
    const EVIDENCE: &'static str = "/proc/PID/limits of every process says no more than was set, at first and when it is undone.";
    const AIM: Aim = Aim::AllReplicas;
    const REACH: Reach = Reach::Tree;
    const SURROUNDS: bool = true;

    fn probe() -> Result<(), Unavailable> {
        limits::try_prlimit().map_err(|error| Unavailable {
            reason: format!(
                "a process's limit of open descriptors cannot be set and read: {error}"
            ),
            mend: "allow prlimit(2), and mount /proc",
        })
    }

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match self.open {
            0..LEAST => Err(("open", "with fewer than 8 no server can start")),
            _ => Ok(()),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Surrounds
    }

    fn words(&self, reach: Reach) -> FaultWords {
        let open = self.open;
        FaultWords {
            short: "limit".to_owned(),
            noun: format!("a limit of {open} descriptors"),
            done: format!("a limit of {open} open descriptors"),
            begun: format!("limited to {open} descriptors"),
            explained: format!("{reach} may have {open} descriptors open"),
        }
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        let limit = |node| on.limit_descriptors(node, self.open);
        on.each(on.nodes(), limit).await.map(drop)
    }

    async fn release(&self, on: &Injection) -> Result<(), FaultError> {
        let lift = |node| on.lift_descriptor_limit(node, self.open);
        on.each(on.nodes(), lift).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::tests::{asked_by, asked_of};

    #[tokio::test(start_paused = true)]
    async fn every_node_is_limited() {
        let (asked, ended) = asked_by("descriptor_limit", &json!({ "open": 16 })).await;
        assert_eq!(ended, Ok(()));
        assert_eq!(asked_of(&asked, "limit").len(), 2);
    }
}
