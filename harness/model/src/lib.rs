//! The values of Comeback: plans, and records of their execution.
//!
//! [`plan`] says what shall happen and [`gate`] what is demanded of it; [`schedule`] expands a plan under a seed.
//! [`event`]s and [`operation`]s are what did happen, and [`journal`] writes and reads them as text. [`claims`] is the
//! document of a run of claims. [`shard`] is a share of a run. [`status`] says what a status means. [`toxics`] are what a fault tells
//! a proxy in front of a node.
//!
//! A line belongs here if it is a value: read, written, checked, shown. Nothing here computes a figure of a run, and
//! nothing touches a file, a process, a socket or a clock.

pub mod claims;
pub mod endpoint;
pub mod event;
pub mod gate;
pub mod ids;
pub mod journal;
mod machine;
pub mod operation;
pub mod plan;
mod revision;
pub mod said;
pub mod schedule;
pub mod shard;
pub mod status;
pub mod toxics;
pub mod units;
