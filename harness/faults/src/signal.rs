//! A signal that ends its nodes: kill, terminate, abort, segfault, and any other.

use comeback_model::plan::Signal;

use super::ending::{Ending, end_all};
use super::injection::{FaultError, Injection};

/// Every faulted node is sent the signal in one go. SIGTERM is a service manager's stop: what has not ended after the
/// node's time of grace is killed.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendSignal {
    pub(super) signal: Signal,
}

impl SendSignal {
    pub(super) async fn inject(self, on: &Injection) -> Result<(), FaultError> {
        let signal = self.signal;
        let mut nodes = Vec::with_capacity(on.nodes().len());
        for node in on.nodes() {
            let grace = match signal {
                Signal::Term => Some(on.how_to_stop(*node).await?.grace),
                _ => None,
            };
            nodes.push((*node, Ending { signal, grace }));
        }
        end_all(on, &nodes, signal).await
    }
}
