//! A pause: every process of the faulted nodes stands still for a while, then goes on.

use std::time::Duration;

use comeback_model::ids::Node;
use comeback_model::plan::fault::{Effect, FaultWords, Reach};
use comeback_model::units::{Elapsed, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::injection::{FaultError, Injection};
use crate::kind::Kind;

/// Between two looks at whether all processes stand still; a look reads all of `/proc`.
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// SIGSTOP, then SIGCONT after its duration.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Pause {
    /// How long the processes stand still. Default: 1s.
    lasts: Span,
}

impl Default for Pause {
    fn default() -> Self {
        Self {
            lasts: Span::from_secs(1),
        }
    }
}

impl Kind for Pause {
    const NAME: &'static str = "pause";
    const ABOUT: &'static str = "Stops all its processes (SIGSTOP), then continues them (SIGCONT).";
    const EVIDENCE: &'static str =
        "Every thread is stopped, as /proc says; its time is when the last was seen so.";
    // Work would go on in those that were left out.
    const REACH: Reach = Reach::Tree;
    const IS_FOR_EXTERNAL: bool = true;

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match self.lasts {
            Span::ZERO => Err(("lasts", "a pause needs a length, such as 1s")),
            _ => Ok(()),
        }
    }

    fn effect(&self) -> Effect {
        Effect::StandsStill(self.lasts)
    }

    fn words(&self, reach: Reach) -> FaultWords {
        let lasts = self.lasts;
        FaultWords {
            short: "pause".to_owned(),
            noun: format!("a pause of {lasts}"),
            done: format!("a pause of {lasts} (SIGSTOP, then SIGCONT)"),
            begun: "SIGSTOP sent".to_owned(),
            explained: format!(
                "SIGSTOP to {reach} of the faulted nodes, and SIGCONT {lasts} later"
            ),
        }
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        let deadline = Instant::now() + on.confirm_within().into();
        let stopped = freeze_all(on, deadline).await?;
        tokio::time::sleep_until(on.clock().instant(stopped + self.lasts)).await;
        on.each(on.nodes(), |node| on.thaw(node)).await?;
        Ok(())
    }
}

/// Stops all nodes, or none: where one is missed, those that stand still go on at once. What another fault has stopped is not
/// among them.
async fn freeze_all(on: &Injection, deadline: Instant) -> Result<Elapsed, FaultError> {
    let frozen = Mutex::new(Vec::new());
    let stopped = on.each(on.nodes(), async |node| {
        let at = freeze(on, node, deadline).await?;
        frozen.lock().await.push(node);
        Ok(at)
    });
    let stopped = stopped.await;
    if stopped.is_err() {
        let frozen = frozen.into_inner();
        // It is missed for the first reason; one that has ended meanwhile needs nothing.
        let _ = on.each(&frozen, |node| on.thaw(node)).await;
    }
    stopped
}

/// Stops all processes of a node where they are, and waits until each thread stands still.
async fn freeze(on: &Injection, node: Node, deadline: Instant) -> Result<Elapsed, FaultError> {
    on.pause(node).await?;
    loop {
        if let Some(at) = on.stands_still(node).await? {
            return Ok(at);
        }
        if Instant::now() >= deadline {
            let pid = on.look_at(node).await?.pid;
            // The trial ends here; its stop needs them to go on.
            on.thaw(node).await?;
            let within = on.confirm_within();
            let problem = format!("process {pid} still ran {within} after SIGSTOP");
            return Err(FaultError::Missed(problem));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
        // Processes started by one that was not stopped yet.
        on.pause(node).await?;
    }
}
