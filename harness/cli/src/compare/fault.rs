//! What `compare` does to the servers.

use comeback_architectures::{Fault, TARGETS};
use comeback_model::plan::Aim;
use comeback_model::units::Span;

use crate::CliError;
use crate::choice::{choice, of_table};
use comeback_experiment::document::FaultKind;

/// What is done to the servers.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fault")]
pub(super) struct FaultArgs {
    /// What is done to the servers
    #[arg(long, value_parser = choice::<FaultKind>(), default_value = "kill")]
    fault: FaultKind,
    /// Whom the fault strikes [default: replica; replicas of a rolling restart]
    #[arg(long, value_parser = of_table(&TARGETS), requires = "topology")]
    strike: Option<Aim>,
    /// How long --fault pause lasts [default: 1s]
    #[arg(long, value_name = "TIME")]
    pause: Option<Span>,
    /// Have --fault rolling-restart or deploy stop each replica without telling the balancer first
    #[arg(long)]
    no_drain: bool,
    /// What --fault deploy starts in place of each replica, by name
    #[arg(long, value_name = "SERVER")]
    deploy: Option<String>,
}

impl FaultArgs {
    /// The fault, when the flags are about the same one.
    pub(super) fn to_fault(&self) -> Result<Fault, CliError> {
        let is_roll = matches!(self.fault, FaultKind::RollingRestart | FaultKind::Deploy);
        let wrong = |what: &str| Err(CliError::Usage(what.to_owned()));
        if self.pause.is_some() && self.fault != FaultKind::Pause {
            return wrong("--pause is how long --fault pause lasts: say both");
        }
        if self.no_drain && !is_roll {
            return wrong("--no-drain: only --fault rolling-restart and deploy drain");
        }
        if self.deploy.is_some() != (self.fault == FaultKind::Deploy) {
            return wrong("--deploy names what --fault deploy starts: say both");
        }
        if self.pause == Some(Span::ZERO) {
            return wrong("--pause 0s is none");
        }
        Ok(Fault {
            kind: self.fault,
            target: self.strike,
            lasts: self.pause,
            without_drain: self.no_drain,
            deploy: self.deploy.clone(),
        })
    }
}
