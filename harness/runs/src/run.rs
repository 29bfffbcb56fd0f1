//! A run, carried out in its folder.

use std::io;
use std::path::Path;

use comeback_engine::campaign::{self, Host, RunHooks};
use comeback_engine::interrupt::Interrupt;
use comeback_engine::record::Follow;
use comeback_engine::{Ended, EngineError};
use comeback_model::journal::Header;
use comeback_supervise::tag::RunTag;

use crate::extend::Extender;

/// The callbacks of a run.
#[derive(Debug)]
pub struct Hooks<L, F> {
    /// The program that runs it.
    pub host: Host,
    /// Passes on the handle that ends the run early.
    pub listen: L,
    /// Sees what is recorded.
    pub follow: F,
}

/// Runs the trials of a header in an existing folder, and the additional trials that the verdict needs. It writes their
/// journal.
///
/// # Errors
/// If the harness or its surroundings fail.
pub fn run<L, F>(header: &Header, folder: &Path, hooks: Hooks<L, F>) -> Result<Ended, EngineError>
where
    L: FnOnce(&RunTag) -> io::Result<Interrupt>,
    F: Follow,
{
    let mut extender = Extender::new(header);
    let hooks = RunHooks {
        host: hooks.host,
        listen: hooks.listen,
        follow: hooks.follow,
        extend: |folder: &Path| extender.next(folder),
    };
    campaign::run(header, folder, hooks)
}
