//! The fault of `compare`, on the command line.

use comeback_architectures::{ComparisonFault, TARGETS};
use comeback_model::plan::Aim;
use comeback_model::units::Span;

use crate::CliError;
use crate::choice::of_table;
use comeback_experiment::document::FaultPart;
use comeback_faults::Faults;
use comeback_model::plan::fault::{Catalogue, DEFAULT_KIND, Invalid, Said};

/// The fault of a comparison.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fault")]
pub(super) struct FaultArgs {
    /// Which fault is injected (`comeback faults` lists them)
    ///
    /// Its parameters follow it, such as pause:lasts=2s.
    #[arg(long, value_name = "FAULT", default_value = DEFAULT_KIND)]
    fault: FaultPart,
    /// The faulted node [default: replica; for a rolling restart, replicas]
    #[arg(long, alias = "strike", value_parser = of_table(&TARGETS), requires = "topology")]
    fault_target: Option<Aim>,
    /// How long --fault pause lasts [default: 1s]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pause: Option<Span>,
    /// Stop each replica of --fault rolling-restart or deploy without telling the balancer first
    #[arg(long, hide_short_help = true)]
    no_drain: bool,
    /// The server that --fault deploy starts in place of each replica
    #[arg(long, value_name = "SERVER", hide_short_help = true)]
    deploy: Option<String>,
}

impl FaultArgs {
    /// The fault, if the flags fit together.
    pub(super) fn to_fault(&self) -> Result<ComparisonFault, CliError> {
        let typed = &self.fault;
        let own = FaultPart {
            kind: typed.kind.clone(),
            parameters: typed.parameters.clone(),
            ..FaultPart::default()
        };
        if own != *typed {
            let what = "--fault: a comparison takes only the parameters of the kind; its target is named by --fault-target";
            return Err(CliError::Usage(what.to_owned()));
        }
        let fault = ComparisonFault {
            kind: own.kind.filter(|kind| kind != DEFAULT_KIND),
            target: self.fault_target,
            parameters: own.parameters,
            lasts: self.pause,
            without_drain: self.no_drain,
            deploy: self.deploy.clone(),
        };
        let kind = fault.kind.as_deref().unwrap_or(DEFAULT_KIND);
        let planned = Faults.plan(kind, &fault.parameters(), Said::default());
        let planned = planned.map_err(|Invalid { field, problem }| {
            let flag = match field.as_deref() {
                Some("lasts") if self.pause.is_some() => "--pause",
                Some("drain") if self.no_drain => "--no-drain",
                Some(_) | None => "--fault",
            };
            CliError::Usage(format!("{flag}: {problem}"))
        })?;
        if self.deploy.is_some() != planned.needs.next {
            let what = "--deploy names the server that --fault deploy starts: give both";
            return Err(CliError::Usage(what.to_owned()));
        }
        Ok(fault)
    }
}
