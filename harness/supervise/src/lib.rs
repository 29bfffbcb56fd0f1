//! Processes: started, watched, signalled, reaped, and found again wherever they went.
//!
//! This crate knows pids, pipes, ports and `/proc`. It never speaks to a target: asking, load, measuring and judging are
//! other crates. Called by the engine, the claims, the program and the library.
//!
//! How nothing is left behind, from the cheapest means to the last:
//! 1. each target is a process group ([`process`]): the fault and the stop reach all of it ([`addressed`]);
//! 2. where the kernel allows it, a run has a control group ([`cgroup`]): whatever it starts is born there;
//! 3. each target carries the run's [`tag`] in its environment, and so does whatever it starts, also when that
//!    detaches itself: a scan of `/proc` finds it ([`members`], [`sweep`]);
//! 4. servers that write their title over their environment (PostgreSQL, nginx, Redis do) are known by being started
//!    by us, by their group or their parent, or because they were handed to us as orphans;
//! 5. when the harness itself dies, however, the [`warden`] does the same in its place;
//! 6. when even the warden was killed, [`leftovers`] goes by the record that each run keeps ([`lease`]).
//!
//! What a run is held by is one thing ([`custody`]).

pub mod addressed;
pub mod cgroup;
pub mod custody;
pub mod dispositions;
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
mod roster;
pub mod scratch;
pub mod socket_activation;
pub mod sweep;
pub mod tag;
mod transcript;
mod unix_sockets;
pub mod warden;
