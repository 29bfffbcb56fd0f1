//! Processes: started, watched, signalled, reaped, and found again wherever they went.
//!
//! This room knows pids, pipes, ports and `/proc`. It speaks to a target only to see whether it is up
//! ([`readiness`]); load, measuring and judging are other rooms. Called by the engine, the cli and the library;
//! imports only the core and the run's clock.
//!
//! How nothing is left behind, from the cheapest means to the last:
//! 1. each target is a process group ([`process`]): the fault and the stop reach all of it ([`addressed`]);
//! 2. each target carries the run's [`tag`] in its environment, and so does whatever it starts, also
//!    when that detaches itself: a scan of `/proc` finds it ([`members`], [`sweep`]);
//! 3. servers that write their title over their environment (PostgreSQL, nginx, Redis do) are known by
//!    being started by us, by their group or their parent, or because they were handed to us as orphans;
//! 4. when the harness itself dies, however, the [`warden`] does the same in its place;
//! 5. when even the warden was killed, [`leftovers`] finds what carries the tag of a harness that is gone.

pub mod addressed;
pub mod cluster;
pub mod dispositions;
pub mod errand;
mod group;
pub mod handover;
mod hints;
pub mod launch;
pub mod leftovers;
pub mod members;
pub mod needs;
mod orphans;
pub mod output;
pub mod ownership;
mod pause;
pub mod ports;
mod proc;
pub mod process;
pub mod program;
pub mod readiness;
mod roster;
pub mod sweep;
pub mod tag;
mod transcript;
mod unix_sockets;
pub mod warden;
