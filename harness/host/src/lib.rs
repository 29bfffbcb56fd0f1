//! This machine, as far as several crates of the harness need it.
//!
//! A line belongs here if it asks the machine something and concerns neither a process of a run (`supervise`) nor a
//! socket to its target (`load`): its control groups ([`cgroups`]), the [`clock`], [`watched`] descriptors, where the [`program`] is, the [`machine`]'s
//! description, its [`pressure`], files that are read and written [`inside`] a run's folder, and commands that [`undo`] what was done to it. Called by both of these crates and
//! by those above them.

pub mod cgroups;
pub mod clock;
pub mod inside;
pub mod machine;
pub mod pressure;
pub mod program;
pub mod undo;
pub mod watched;
