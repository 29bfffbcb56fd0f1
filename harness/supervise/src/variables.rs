//! The environment variables by which a process of a run is known.

/// The environment variable that carries the tag.
pub const RUN_VARIABLE: &str = "COMEBACK_RUN";
/// The environment variable that carries the trial's number.
pub const TRIAL_VARIABLE: &str = "COMEBACK_TRIAL";
/// The environment variable that carries the node.
pub const NODE_VARIABLE: &str = "COMEBACK_NODE";
/// The environment variable that carries the incarnation's number.
pub const INCARNATION_VARIABLE: &str = "COMEBACK_INCARNATION";
