//! A pause: every process of the faulted nodes stands still for a while, then goes on.

use std::time::Duration;

use comeback_model::ids::Node;
use comeback_model::units::{Elapsed, Span};
use tokio::time::Instant;

use super::injection::{FaultError, Injection};

/// Between two looks at whether all processes stand still; a look reads all of `/proc`.
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// SIGSTOP, and SIGCONT when it has lasted so long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    pub(super) lasts: Span,
}

impl Pause {
    pub(super) async fn inject(self, on: &Injection) -> Result<(), FaultError> {
        let deadline = Instant::now() + on.confirm_within().into();
        let stopped = on
            .each(on.nodes(), |node| freeze(on, node, deadline))
            .await?;
        tokio::time::sleep_until(on.clock().instant(stopped + self.lasts)).await;
        on.each(on.nodes(), |node| on.thaw(node)).await?;
        Ok(())
    }
}

/// Stops all processes of a node where they are, and waits until each thread stands still.
async fn freeze(on: &Injection, node: Node, deadline: Instant) -> Result<Elapsed, FaultError> {
    on.pause(node).await?;
    loop {
        if let Some(at) = on.stands_still(node).await? {
            return Ok(at);
        }
        if Instant::now() >= deadline {
            let (pid, _) = on.look_at(node).await?;
            // The trial ends here; its stop needs them to go on.
            on.thaw(node).await?;
            let within = on.confirm_within();
            let problem = format!("process {pid} still ran {within} after SIGSTOP");
            return Err(FaultError::Missed(problem));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
        // What was started by one that did not stand still yet.
        on.pause(node).await?;
    }
}
