//! The fault of `compare`, on the command line.

use comeback_architectures::{Fault, TARGETS};
use comeback_model::plan::Aim;
use comeback_model::units::Span;

use crate::CliError;
use crate::choice::{of_table, possible};
use clap::builder::PossibleValuesParser;
use comeback_faults::Faults;
use comeback_model::plan::fault::{Catalogue, Invalid, Parameters, Said};

/// The fault of a comparison.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fault")]
pub(super) struct FaultArgs {
    /// Which fault is injected
    #[arg(long, value_name = "KIND", value_parser = kinds(), default_value = DEFAULT)]
    fault: String,
    /// The faulted node [default: replica; for a rolling restart, replicas]
    #[arg(long, alias = "strike", value_parser = of_table(&TARGETS), requires = "topology")]
    fault_target: Option<Aim>,
    /// How long --fault pause lasts [default: 1s]
    #[arg(long, value_name = "TIME")]
    pause: Option<Span>,
    /// Stop each replica of --fault rolling-restart or deploy without telling the balancer first
    #[arg(long)]
    no_drain: bool,
    /// The server that --fault deploy starts in place of each replica
    #[arg(long, value_name = "SERVER")]
    deploy: Option<String>,
}

impl FaultArgs {
    /// The fault, if the flags fit together.
    pub(super) fn to_fault(&self) -> Result<Fault, CliError> {
        let fault = Fault {
            kind: (self.fault != DEFAULT).then(|| self.fault.replace('-', "_")),
            target: self.fault_target,
            lasts: self.pause,
            without_drain: self.no_drain,
            deploy: self.deploy.clone(),
        };
        let kind = fault.kind.as_deref().unwrap_or(DEFAULT);
        let planned = Faults.plan(kind, &fault.parameters(), Said::default());
        let planned = planned.map_err(|Invalid { field, problem }| {
            let flag = match field.as_deref() {
                Some("lasts") => "--pause",
                Some("drain") => "--no-drain",
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

/// The default kind of fault.
const DEFAULT: &str = "kill";

/// Reads the name of a kind that needs no parameters.
fn kinds() -> PossibleValuesParser {
    let kinds = Faults.kinds().into_iter();
    let kinds = kinds.filter(|kind| !kind.surrounds).filter(|kind| {
        let planned = Faults.plan(kind.name, &Parameters::new(), Said::default());
        planned.is_ok()
    });
    PossibleValuesParser::new(kinds.map(|kind| possible(kind.name, kind.about)))
}
