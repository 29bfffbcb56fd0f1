//! What is compared: the reference servers, alone or as replicas behind a balancer, as experiments.
//!
//! A line belongs here if it turns reference servers into a [`Document`]. [`Comparison`] is what the command `compare`
//! and the claims fill in; its plan follows from its document, as that of every other experiment. Nothing is started
//! here.
//!
//! [`Document`]: comeback_experiment::Document

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod arm;
mod comparison;
mod error;
mod fault;
pub mod servers;
mod session;
mod topology;
mod variants;

pub use arm::replica;
pub use comparison::{Comparison, Size};
pub use error::ArchitectureError;
pub use fault::{ComparisonFault, TARGETS};
pub use session::contract;
pub use topology::{Topology, lines_of};
pub use variants::{RetryBy, Variants};
