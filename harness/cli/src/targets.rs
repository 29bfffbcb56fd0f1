//! `comeback targets`: lists the reference servers.

use comeback_analysis::verdict::Outcome;
use comeback_architectures::ArchitectureError;
use comeback_servers::Target;

use super::{CliError, print, say};

/// As wide as the longest name of a protocol.
const PROTOCOL: usize = 6;

/// List the reference servers and their protocols.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  comeback targets\n  comeback targets --all --json")]
pub(super) struct Args {
    /// Also list the servers with a planted bug
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let listed: Vec<&Target> = comeback_servers::all()
        .iter()
        .filter(|target| args.all || !target.zoo)
        .collect();
    if args.json {
        let documents: Vec<_> = listed
            .iter()
            .map(|target| {
                serde_json::json!({
                    "name": target.name,
                    "summary": target.summary,
                    "protocol": target.protocol.name(),
                    "planted_bug": target.zoo,
                })
            })
            .collect();
        print(&serde_json::to_string_pretty(&documents)?);
    } else {
        let width = listed
            .iter()
            .map(|target| target.name.len())
            .max()
            .unwrap_or(0);
        for target in listed {
            let (name, protocol) = (target.name, target.protocol.name());
            say(&format!(
                "{name:width$}  {protocol:PROTOCOL$}  {}",
                target.summary
            ));
        }
    }
    Ok(Outcome::Pass)
}

/// A usage error, because it is about names and flags that the user typed.
pub(super) fn refuse(error: ArchitectureError) -> CliError {
    CliError::Usage(error.to_string())
}
