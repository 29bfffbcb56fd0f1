//! A command that is run to its end, such as an order for a balancer.

use std::io;
use std::path::Path;
use std::process::Stdio;

use comeback_model::ids::{Node, TrialId};
use comeback_model::units::Span;
use tokio::process::Command;

use super::launch::{Addresses, Values, find_program};
use super::tag::RunTag;
use super::variables::{NODE_VARIABLE, RUN_VARIABLE, TRIAL_VARIABLE};

/// The command, and the values of its placeholders.
#[derive(Clone, Copy, Debug)]
pub struct OneShotCommand<'a> {
    /// Program and arguments.
    pub command: &'a [String],
    /// Whose it is.
    pub of: Node,
    /// Whom it is about; fills in `{replica}`.
    pub about: Node,
    /// Fills in `{port}` and, as an absolute path, `{data}`.
    pub slot: (u16, &'a Path),
    /// Fills in the rest.
    pub addresses: &'a Addresses,
    /// The trial it belongs to.
    pub trial: TrialId,
    /// The run it belongs to.
    pub tag: &'a RunTag,
}

impl OneShotCommand<'_> {
    /// Runs it; it is killed when it takes too long, or is given up.
    ///
    /// # Errors
    /// If it cannot be started, takes too long, or does not end with exit code 0, with the problem in one line.
    pub async fn run(self, within: Span) -> Result<(), String> {
        let mut command = self.command()?;
        let told = |error: io::Error| format!("{} could not be run: {error}", self.name());
        let output = tokio::time::timeout(within.into(), command.output());
        let Ok(output) = output.await else {
            return Err(format!("{} took longer than {within}", self.name()));
        };
        let output = output.map_err(told)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        Err(match last {
            Some(line) => line.trim().to_owned(),
            None => format!("{} ended with {}", self.name(), output.status),
        })
    }

    fn command(&self) -> Result<Command, String> {
        let (port, data) = self.slot;
        let values = Values::new(port, data, self.about).knowing(self.addresses);
        let mut words = self.command.iter().map(|word| values.fill_in(word));
        let name = words.next().unwrap_or_default();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program =
            find_program(&name, &path, Path::new("")).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command
            .args(words)
            .env(RUN_VARIABLE, self.tag.as_str())
            .env(TRIAL_VARIABLE, self.trial.0.to_string())
            .env(NODE_VARIABLE, self.of.to_string())
            .process_group(0)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }

    fn name(&self) -> String {
        self.command.join(" ")
    }
}
