//! `dies-at-start` prints forty lines and exits with an error at every start; `dies-at-restart` is a memory server at
//! its first start on a data folder, and does the same at every later one.
//!
//! Must be exposed as an exit before ready, with the exit code and the last lines of the output in the report; the
//! second also as never ready after a restart.

use std::io::{self, Write};

use crate::contract::App;
use crate::error::ServeError;
use crate::launch::Launch;
use crate::memory::Memory;

use super::is_first_start;

/// More than a report quotes, so that cutting it to the last lines shows.
const LINES: u32 = 40;

pub(crate) fn start(_launch: Launch) -> Result<(), ServeError> {
    let mut stderr = io::stderr().lock();
    for line in 1..=LINES {
        // It must die; whether the message is read does not matter.
        let _ = writeln!(stderr, "line {line} of {LINES}: cannot go on");
    }
    Err(ServeError::Planted("this target dies at start, on purpose"))
}

pub(crate) fn start_at_restart(launch: Launch) -> Result<(), ServeError> {
    if is_first_start(launch.data())? {
        launch.serve(App::over(Memory::default()))
    } else {
        start(launch)
    }
}
