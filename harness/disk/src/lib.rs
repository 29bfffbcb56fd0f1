//! A disk that forgets: a file system over a folder, which knows what of it is durable, and drops the rest on command.
//!
//! It is a process of its own (`comeback disk`), which the harness starts beside a node and talks to through a socket. The
//! rules of what is durable are in [`model`], which touches no file; the METHOD says where each comes from.

mod canary;
mod control;
pub mod explore;
mod layer;
mod memory;
pub mod model;
pub mod record;
mod recorded;
mod store;

pub use control::{Options, run};
