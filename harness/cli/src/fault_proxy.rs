//! `comeback fault-proxy`: the proxy in front of a node by which faults of connections are done. Started by a run, never by hand.

use comeback_analysis::verdict::Outcome;
use comeback_infrastructure::balancer;
use comeback_infrastructure::fault_proxy::{self, Options};

use super::{CliError, print};

/// Relays the connections to a node, and disturbs them as a run says; started by the run itself.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Port on 127.0.0.1
    #[arg(long)]
    port: u16,
    /// The node's port on 127.0.0.1
    #[arg(long)]
    to: u16,
    /// Abstract name of the Unix socket that takes orders
    #[arg(long)]
    control: String,
}

pub(super) fn run(args: Args) -> Result<Outcome, CliError> {
    balancer::raise_file_limit()?;
    let options = Options {
        port: args.port,
        to: args.to,
        control: args.control,
    };
    fault_proxy::run(&options, print)?;
    Ok(Outcome::Pass)
}
