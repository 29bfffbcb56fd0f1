//! `never-back`: a memory server that starts once; each later start on the same data hangs without listening.
//!
//! Must be exposed as never ready after a restart, by a deadline and not by an exit: the process lives on. SIGTERM ends
//! it, by the default action.

use crate::contract::App;
use crate::error::ServeError;
use crate::launch::Launch;
use crate::memory::Memory;

use super::is_first_start;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    if is_first_start(launch.data())? {
        return launch.serve(App::over(Memory::default()));
    }
    loop {
        std::thread::park();
    }
}
