//! What `compare` does to the servers.

use comeback_core::plan::{Action, Signal};
use comeback_core::units::Span;

use crate::cli::CliError;
use crate::experiment::faults::DRAIN_WITHIN;

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
    /// Have --fault rolling-restart stop each replica without telling the balancer first
    #[arg(long)]
    no_drain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FaultArg {
    /// SIGKILL, and a restart
    Kill,
    /// All processes stand still (SIGSTOP), and go on
    Pause,
    /// One after the other is drained, stopped in order and started again
    RollingRestart,
}

impl FaultArgs {
    /// What is done.
    pub(super) fn action(&self) -> Result<Action, CliError> {
        if self.pause.is_some() && self.fault != FaultArg::Pause {
            let what = "--pause is how long --fault pause lasts: say both";
            return Err(CliError::Usage(what.to_owned()));
        }
        if self.no_drain && self.fault != FaultArg::RollingRestart {
            let what = "--no-drain: only --fault rolling-restart drains";
            return Err(CliError::Usage(what.to_owned()));
        }
        if self.pause == Some(Span::ZERO) {
            return Err(CliError::Usage("--pause 0s is none".to_owned()));
        }
        Ok(match self.fault {
            FaultArg::Kill => Action::Signal(Signal::Kill),
            FaultArg::Pause => Action::Pause(self.pause.unwrap_or(Span::from_secs(1))),
            FaultArg::RollingRestart => Action::Roll {
                drain: (!self.no_drain).then_some(DRAIN_WITHIN),
                deploy: false,
            },
        })
    }
}
