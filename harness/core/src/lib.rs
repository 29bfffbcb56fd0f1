//! The pure core of Comeback: what shall happen, what happened, and what it means.
//!
//! [`plan`] says what shall happen, [`schedule`] expands it under a seed, [`journal`] holds what did
//! happen ([`event`]s and [`operation`]s), [`analysis`] turns that into numbers with the help of
//! [`statistics`], and [`verdict`] judges them. [`summary`] is the document other programs read, and
//! [`mod@difference`] that of two runs compared.
//!
//! Nothing here touches a file, a process, a socket or a clock: the same input gives the same output.
//! Every other crate of the project may import this one; this one imports none of them.

pub mod analysis;
pub mod claims;
pub mod difference;
pub mod endpoint;
pub mod event;
pub mod gate;
pub mod ids;
pub mod journal;
pub mod operation;
pub mod plan;
pub mod said;
pub mod schedule;
pub use comeback_statistics as statistics;
pub mod summary;
pub mod units;
pub mod verdict;
