//! `no-reuseaddr`: a memory server that binds its port without SO_REUSEADDR.
//!
//! The connections that a kill closed linger in the kernel for a minute (TIME_WAIT), and so long the port cannot be bound. Must
//! be exposed as never ready after a kill under load.

use crate::contract::App;
use crate::error::ServeError;
use crate::launch::{Launch, Reuse, bind};
use crate::memory::Memory;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let listener = bind(launch.address(), Reuse::No)?;
    launch.on(listener).serve(App::over(Memory::default()))
}
