//! Trials without a process: every phase, early end and interruption, on a paused clock.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod calm;
mod degrade;
mod early;
mod faults;
mod mock;
mod on;
mod phases;
mod proxies;
mod scenario;
mod several;
mod surroundings;
mod trials;
