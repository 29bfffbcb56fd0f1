//! A rolling restart, or a deploy: one replica after the other is drained, stopped, started again, waited for, and given
//! requests again.

use comeback_model::ids::Node;
use comeback_model::plan::Signal;
use comeback_model::units::Span;

use super::ending::{Ending, end_all};
use super::injection::{FaultError, Injection};

/// The next replica is restarted when the one before answers correctly. What is started again follows from the arm: with a
/// deploy it is its next version.
#[derive(Clone, Copy, Debug)]
pub(super) struct RollingRestart {
    /// How long the balancer may take to drain a replica; without one it is not told.
    pub(super) drain: Option<Span>,
}

impl RollingRestart {
    pub(super) async fn inject(self, on: &Injection) -> Result<(), FaultError> {
        for node in on.nodes() {
            if let Some(within) = self.drain {
                on.drain(*node, within).await?;
            }
            stop(on, *node).await?;
            on.start(*node).await?;
            // The first that does not come back ends it, as it would anybody's.
            if !on.returned(*node).await? {
                break;
            }
            if self.drain.is_some() {
                on.undrain(*node).await?;
            }
        }
        Ok(())
    }
}

/// Stops a replica as the plan says how it is stopped, and as a service manager does it.
async fn stop(on: &Injection, node: Node) -> Result<(), FaultError> {
    let stop = on.how_to_stop(node).await?;
    let signal = stop.signal;
    let grace = (signal != Signal::Kill).then_some(stop.grace);
    end_all(on, &[(node, Ending { signal, grace })], signal).await
}
