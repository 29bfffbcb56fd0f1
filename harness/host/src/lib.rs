//! This machine, as far as several crates of the harness need it.
//!
//! A line belongs here if it asks the machine something and concerns neither a process of a run (`supervise`) nor a
//! socket to its target (`load`): the [`clock`], [`watched`] descriptors, where the [`program`] is, the [`machine`]'s
//! description, and files that are read and written [`inside`] a run's folder. Called by both of these crates and
//! by those above them.

pub mod clock;
pub mod inside;
pub mod machine;
pub mod program;
pub mod watched;
