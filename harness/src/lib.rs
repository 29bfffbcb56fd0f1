//! Comeback: kill it, see what comes back.
//!
//! The rooms, and who may import whom (see `ARCHITECTURE.md`):
//!
//! ```text
//! main → cli → engine → {supervise, load, record} → core
//!         ├──→ balance → (nothing of ours)    targets → (nothing of ours)
//!         └──→ reports → core
//! ```

pub mod balance;
pub mod cli;
pub mod clock;
pub mod console;
pub mod endpoint;
pub mod engine;
pub mod experiment;
pub mod load;
pub mod machine;
pub mod record;
pub mod supervise;
pub mod tls;
pub mod watched;
