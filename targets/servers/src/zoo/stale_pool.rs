//! `stale-pool`: the `redis` server with one connection for ever: it never looks whether that is dead, and makes no other.
//!
//! Must be exposed as errors that go on after the store was killed and is back.

use crate::error::ServeError;
use crate::launch::Launch;
use crate::redis::{self, Dead};

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    redis::start_with(launch, Dead::Kept)
}
