//! Comeback: kill it, see what comes back.

pub mod clock;
