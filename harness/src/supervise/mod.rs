//! Supervision: processes, from their start to the proof that nothing of them is left.
//!
//! Knows pids, ports and pipes; knows nothing of sessions. Called by the engine, the command line, and the
//! warden. Every process of a run carries the run's [`tag`] in its environment, so that it is found however
//! it detached itself.

pub mod output;
pub mod ownership;
pub mod ports;
pub mod process;
pub mod readiness;
pub mod tag;
pub mod warden;
