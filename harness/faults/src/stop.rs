//! `stop`: all faulted nodes are stopped at once as the plan says how they are stopped, as by their service manager.

use comeback_model::plan::fault::{Effect, Ending, FaultWords, Reach, Within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ending::stop_all;
use crate::injection::{FaultError, Injection};
use crate::kind::Kind;

/// The stop that the server's operator would ask for: the signal of `stop`, and SIGKILL after its grace.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Stop {}

impl Kind for Stop {
    const NAME: &'static str = "stop";
    const ABOUT: &'static str = "A planned stop: the signal of `stop` to all of them, then SIGKILL to those still there after its grace.";
    const EVIDENCE: &'static str = "Each process was reaped; those that took SIGKILL are named.";
    const WITHIN: Within = Within::Request;
    const IS_FOR_EXTERNAL: bool = true;

    fn effect(&self) -> Effect {
        Effect::Ends(Ending::AsAsked)
    }

    fn words(&self, reach: Reach) -> FaultWords {
        FaultWords {
            short: "stop".to_owned(),
            noun: "a stop".to_owned(),
            done: format!("a stop, as planned, of {reach}"),
            begun: "told to stop".to_owned(),
            explained: format!(
                "the signal of `stop` to {reach} of the faulted nodes, and SIGKILL to those that are there after its \
                 grace"
            ),
        }
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        stop_all(on, on.nodes()).await
    }
}

#[cfg(test)]
mod tests {
    use comeback_model::ids::Node;
    use serde_json::json;

    use crate::tests::{asked_by, asked_of};

    #[tokio::test(start_paused = true)]
    async fn all_nodes_are_asked_how_they_are_stopped_and_then_sent_that_signal_at_once() {
        let (asked, ended) = asked_by("stop", &json!({})).await;
        assert_eq!(ended, Ok(()));
        let nodes = |what| -> Vec<Node> {
            let asked = asked_of(&asked, what).into_iter();
            asked.map(|(node, _)| node).collect()
        };
        assert_eq!(nodes("how to stop"), nodes("signal"));
        let signals = asked_of(&asked, "signal");
        assert_eq!(signals.len(), 2);
        assert_eq!(signals[0].1, signals[1].1);
    }
}
