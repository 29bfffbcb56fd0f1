//! The faults: one file for each kind, and the table of them.
//!
//! A line belongs here if it is about one kind of fault. A kind is a struct whose fields are its parameters; it says what
//! it does to nodes ([`Kind::effect`]), what people are told of it, and how it is injected: through an [`Injection`],
//! which knows nothing of the engine. A new kind is a file, and a line in `table.rs`.

mod act;
mod connections;
mod control_group;
mod corrupt_file;
mod cpu_quota;
mod crash_loop;
mod degrade;
mod deploy;
mod descriptor_limit;
mod ending;
mod injection;
mod kind;
mod memory_limit;
mod network;
mod pause;
mod power_loss;
mod process_limit;
mod rolling_restart;
mod signal;
mod stop;
mod table;
#[cfg(test)]
mod tests;

pub use act::{Act, ActError, ActMethod, Disk, Target};
pub use injection::{
    Answer, Call, Calls, Ended, FaultError, Injection, Looked, NodeCall, Sighting, SignalTo, Watch,
};
pub use kind::{CutStarts, Injectable, Kind, Unavailable};
pub use table::{Faults, Listed, list, load, plain, probe};
