//! `ignores-term`: a memory server that catches SIGTERM and SIGINT and does nothing about them.
//!
//! Must be exposed by a stop that takes the whole grace period and ends with SIGKILL.

use crate::contract::App;
use crate::error::ServeError;
use crate::launch::Launch;
use crate::memory::Memory;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    launch.until_killed().serve(App::over(Memory::default()))
}
