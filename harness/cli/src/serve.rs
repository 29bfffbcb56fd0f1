//! `comeback serve`: starts a reference server by hand.

use std::net::SocketAddr;
use std::path::PathBuf;

use comeback_analysis::verdict::Outcome;
use comeback_architectures::servers;
use comeback_servers::Target;

use super::CliError;

/// Start a reference server by hand.
///
/// It listens on 127.0.0.1 until SIGTERM or Ctrl-C, then finishes the requests in flight. If it gets a listening TCP
/// socket by socket activation (LISTEN_FDS, LISTEN_PID, descriptor 3), it uses that instead of the port.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback serve memory --port 8080 --data /tmp/memory\n  \
curl -i -c jar -d '{\"user\":\"ann\"}' -H 'content-type: application/json' 127.0.0.1:8080/login\n  \
curl -i -b jar -X POST 127.0.0.1:8080/visit\n  \
comeback serve dns --port 5353 --data /tmp/dns\n  \
dig @127.0.0.1 -p 5353 host-1.example.test\n  \
comeback serve redis --port 8080 --data /tmp/redis --store 127.0.0.1:6379"
)]
pub(super) struct Args {
    /// Which server; `comeback targets` lists them
    name: String,
    /// Port on 127.0.0.1
    #[arg(long)]
    port: u16,
    /// Folder for its data; created if missing
    #[arg(long)]
    data: PathBuf,
    /// Address of the store that keeps the sessions, for redis and postgres
    #[arg(long, value_name = "ADDRESS")]
    store: Option<SocketAddr>,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let target = servers::find(&args.name).map_err(super::targets::refuse)?;
    let options = comeback_servers::ServeOptions {
        port: args.port,
        data: args.data.clone(),
        store: args.store,
        store_within: comeback_servers::STORE_WITHIN,
    };
    check_store(target, args.store)?;
    match comeback_servers::serve(target, &options) {
        Ok(()) => Ok(Outcome::Pass),
        // A server that cannot serve ends with status 1, like any other.
        Err(error) => {
            super::complain(&error.into());
            Ok(Outcome::Fail)
        }
    }
}

/// A store that the server does not use would be ignored silently.
fn check_store(target: &Target, store: Option<SocketAddr>) -> Result<(), CliError> {
    let name = target.name;
    match (target.store, store) {
        (Some(_), None) => Err(CliError::Usage(format!(
            "{name} keeps its sessions in a store: give its address, such as --store 127.0.0.1:6379"
        ))),
        (None, Some(_)) => Err(CliError::Usage(format!(
            "--store: {name} does not use a store"
        ))),
        _ => Ok(()),
    }
}
