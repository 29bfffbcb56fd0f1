//! Processes: it starts, watches, signals and reaps them, and finds them again wherever they went.
//!
//! This crate knows pids, pipes, ports and `/proc`. It never speaks to a target. Called by the engine, the claims, the program
//! and the library.
//!
//! Means against leftovers, from the cheapest to the last one:
//! 1. each target is a process group ([`process`]): the fault and the stop reach all of it ([`addressed`]);
//! 2. if the kernel allows it, a run has a control group ([`cgroup`]), and everything that it starts begins in it;
//! 3. each target carries the run's [`tag`] in its environment, and so do its children, even detached ones: a scan of `/proc`
//!    finds them ([`members`], [`sweep`]);
//! 4. servers that write their title over their environment (PostgreSQL, nginx, Redis do) are known because we started them,
//!    by their group or parent, or because we adopted them as orphans;
//! 5. when the harness itself dies, however, the [`warden`] does the same in its place;
//! 6. when even the warden was killed, [`leftovers`] goes by the record that each run keeps ([`lease`]).
//!
//! What a run is held by is one thing ([`custody`]).

pub mod addressed;
pub mod cgroup;
pub mod custody;
pub mod disk;
pub mod dispositions;
mod dying;
pub mod external;
mod group;
pub mod hints;
pub mod launch;
pub mod lease;
pub mod leftovers;
pub mod members;
mod memory;
pub mod one_shot;
mod orphans;
pub mod output;
pub mod ownership;
mod pause;
pub mod ports;
mod proc;
pub mod process;
mod reach;
mod roster;
pub mod scratch;
pub mod shot;
pub mod socket_activation;
pub mod sweep;
pub mod tag;
mod transcript;
mod unix_sockets;
pub mod variables;
pub mod warden;
