//! `dies-again`: a memory server that comes back after a crash, works, and aborts 300 ms later.
//!
//! Must be exposed as a service that did not come back for good, not as one that could not be measured.

use std::time::Duration;

use crate::contract::App;
use crate::error::ServeError;
use crate::launch::Launch;
use crate::memory::Memory;

use super::is_first_start;

/// Long enough to be found ready, shorter than any look at what follows.
const LIFE: Duration = Duration::from_millis(300);

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    if !is_first_start(launch.data())? {
        std::thread::spawn(|| {
            std::thread::sleep(LIFE);
            std::process::abort();
        });
    }
    launch.serve(App::over(Memory::default()))
}
