//! The engine: makes a schedule happen and records facts. It computes nothing and prints nothing.
//!
//! A campaign is trials in the schedule's order; a trial (see `trial`) is one start of a target, its
//! load, and at most one fault. Called by `runs`, and by the procedures of claims.

mod aim;
mod attribution;
mod calibrate;
mod came;
pub mod campaign;
mod context;
pub mod discover;
mod effects;
mod error;
mod explore;
mod health;
pub mod interrupt;
mod life;
pub mod needs;
mod newcomers;
mod nodes;
mod on;
mod placement;
mod pressure;
mod proxies;
pub mod readiness;
mod real;
pub mod record;
mod recovery;
mod seams;
mod site;
#[cfg(test)]
mod tests;
mod trial;
mod trial_loop;
mod trials;
mod try_out;
mod watch;
mod words;

pub use calibrate::{Measured, Unmeasured, choose};
pub use error::EngineError;
pub use explore::{
    Acknowledged, Acts, Explorer, NotBack, Took, Trying, Verification, Verified, Work, Worked,
};
pub use site::Site;
pub use trials::{Ended, Extension, extend, run};
pub use try_out::{EndedEarly, Reach, Tried};

use comeback_host::clock;
use comeback_load as load;
use comeback_model::endpoint;
use comeback_supervise as supervise;
