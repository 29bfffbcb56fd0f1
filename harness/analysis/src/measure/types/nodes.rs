//! What is known of several nodes as such.

use comeback_model::ids::Node;

use super::time::Time;

/// What was seen of several nodes as such.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodesAnalysis {
    /// How the balancer took the end and the return of what was faulted; absent where it had nothing to notice.
    pub balancing: Option<Balancing>,
    /// How long some and all of the replicas were down; absent where nothing was measured.
    pub downtime: Option<Downtime>,
    /// When each node was down, in the order in which they went.
    pub outages: Vec<NodeOutage>,
}

/// How a balancer took the end and the return of replicas. What is not known says why.
#[derive(Clone, Debug, PartialEq)]
pub struct Balancing {
    /// The last request that it sent to a faulted replica, − that replica's confirmed exit.
    pub detect: Result<LastSent, &'static str>,
    /// The first reply of the restarted replica to a load operation, − its own first correct reply to the probe;
    /// beyond the load's end where there was none.
    pub back: Result<Time, &'static str>,
}

/// A request that left the client at `ms`; the balancer sent it on at most `error_ms` later.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastSent {
    /// When the client sent it.
    pub ms: f64,
    /// How much later the balancer may have sent it on.
    pub error_ms: f64,
}

/// How long replicas were down, together, until the load's end. What was still down then is beyond it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Downtime {
    /// At least one of them was, and not all, and what stands in front of them was not.
    pub partial: Time,
    /// All of them were, or what stands in front of them was.
    pub total: Time,
}

/// A node that was down; times in ms on the timeline, that is, relative to the fault's sending.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeOutage {
    /// Which.
    pub node: Node,
    /// Its exit was confirmed.
    pub from_ms: f64,
    /// Its first correct reply after that; absent where there was none that is known of.
    pub to_ms: Option<f64>,
}
