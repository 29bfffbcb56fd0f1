//! `comeback serve`: a reference server, by hand.

use std::path::PathBuf;

use comeback_core::verdict::Outcome;

use super::CliError;

/// Start a reference server by hand.
///
/// It listens on 127.0.0.1 until SIGTERM or Ctrl-C, then finishes the requests in flight.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback serve memory --port 8080 --data /tmp/memory\n  \
curl -i -c jar -d '{\"user\":\"ann\"}' -H 'content-type: application/json' 127.0.0.1:8080/login\n  \
curl -i -b jar -X POST 127.0.0.1:8080/visit"
)]
pub(super) struct Args {
    /// Which server; `comeback targets` lists them
    name: String,
    /// Port on 127.0.0.1
    #[arg(long)]
    port: u16,
    /// Folder for what it keeps; made if it is not there
    #[arg(long)]
    data: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let target = super::targets::find(&args.name)?;
    let options = comeback_targets::ServeOptions {
        port: args.port,
        data: args.data.clone(),
    };
    match comeback_targets::serve(target, &options) {
        Ok(()) => Ok(Outcome::Pass),
        // A server that cannot serve ends with status 1, like any other.
        Err(error) => {
            super::complain(&error.into());
            Ok(Outcome::Fail)
        }
    }
}
