//! What `compare` does to the servers.

use comeback_core::plan::{Action, Arm, Signal};
use comeback_core::units::Span;

use super::sharing;
use crate::{CliError, targets};
use comeback_experiment::faults::DRAIN_WITHIN;

/// What is done to the servers.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fault")]
pub(super) struct FaultArgs {
    /// What is done to the servers
    #[arg(long, value_enum, default_value_t = FaultArg::Kill)]
    fault: FaultArg,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FaultArg {
    /// SIGKILL, and a restart
    Kill,
    /// All processes stand still (SIGSTOP), and go on
    Pause,
    /// One after the other is drained, stopped in order and started again
    RollingRestart,
    /// The same, and what is started again is the server that --deploy names
    Deploy,
}

impl FaultArgs {
    /// What is done.
    pub(super) fn action(&self) -> Result<Action, CliError> {
        if self.pause.is_some() && self.fault != FaultArg::Pause {
            let what = "--pause is how long --fault pause lasts: say both";
            return Err(CliError::Usage(what.to_owned()));
        }
        let is_roll = matches!(self.fault, FaultArg::RollingRestart | FaultArg::Deploy);
        if self.no_drain && !is_roll {
            let what = "--no-drain: only --fault rolling-restart and deploy drain";
            return Err(CliError::Usage(what.to_owned()));
        }
        if self.deploy.is_some() != (self.fault == FaultArg::Deploy) {
            let what = "--deploy names what --fault deploy starts: say both";
            return Err(CliError::Usage(what.to_owned()));
        }
        if self.pause == Some(Span::ZERO) {
            return Err(CliError::Usage("--pause 0s is none".to_owned()));
        }
        Ok(match self.fault {
            FaultArg::Kill => Action::Signal(Signal::Kill),
            FaultArg::Pause => Action::Pause(self.pause.unwrap_or(Span::from_secs(1))),
            FaultArg::RollingRestart | FaultArg::Deploy => Action::Roll {
                drain: (!self.no_drain).then_some(DRAIN_WITHIN),
                deploy: self.fault == FaultArg::Deploy,
            },
        })
    }

    /// The same servers, with what replaces them.
    pub(super) fn replaced(&self, mut arms: Vec<Arm>) -> Result<Vec<Arm>, CliError> {
        let Some(name) = &self.deploy else {
            return Ok(arms);
        };
        let server = targets::find(name)?;
        let next = sharing(server)?.target;
        for arm in &mut arms {
            let store = targets::reference(&arm.target).and_then(|former| former.store);
            if server.store.is_some() && server.store != store {
                return Err(CliError::Usage(format!(
                    "--deploy {name}: its store is not that of '{}'",
                    arm.name
                )));
            }
            arm.next = Some(next.clone());
        }
        Ok(arms)
    }
}
