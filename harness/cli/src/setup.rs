//! Before servers start: what a plan needs, a folder for what leaves nothing, and what a second Ctrl-C does.

use std::path::PathBuf;

use comeback_architectures::servers;
use comeback_engine::campaign::{self, TooFewFiles};
use comeback_engine::needs::{self, Remotes};
use comeback_model::plan::Plan;

use super::{CliError, console, targets};

/// A folder for a start that leaves nothing, and the time of now. It is made by who uses it.
pub(super) fn temporary_folder(purpose: &str) -> (PathBuf, String) {
    let started = jiff::Timestamp::now().to_string();
    let name = format!(
        "comeback-{purpose}-{}-{}",
        std::process::id(),
        started.replace(':', "")
    );
    (std::env::temp_dir().join(name), started)
}

/// The second signal ends the program at once. The warden cleans up.
#[expect(clippy::exit, reason = "a second Ctrl-C asks for exactly this")]
pub(super) fn end_at_once() {
    console::restore();
    std::process::exit(130);
}

pub(super) fn check_servers(plan: &mut Plan, remotes: Remotes) -> Result<(), CliError> {
    servers::check_plan(plan).map_err(targets::refuse)?;
    needs::check_arms(&mut plan.arms, remotes).map_err(|wrong| CliError::Usage(wrong.join("\n")))
}

/// Whether its faults can work on this machine, and its clients may have as many connections as they want.
pub(super) fn check_limits(plan: &Plan) -> Result<(), CliError> {
    campaign::check_faults(plan).map_err(CliError::Usage)?;
    campaign::check_files(plan)?.map_err(|TooFewFiles { needed, limit }| {
        CliError::Usage(format!(
            "sessions: {} need {needed} open files, and the limit is {limit}: lower --sessions, or raise the \
             limit with `ulimit -n`",
            plan.load.clients
        ))
    })
}
