//! `comeback cluster`: starts PostgreSQL with a cluster of its own.

use std::path::PathBuf;

use comeback_analysis::verdict::Outcome;

use super::CliError;
use comeback_engine::needs;
use comeback_infrastructure::postgres;
use comeback_supervise::scratch;

/// Start a PostgreSQL server with a cluster of its own.
///
/// The cluster is created at the first start. User and database are `postgres`, without a password. The installed server
/// listens on 127.0.0.1 and replaces this process. Experiments with a store of the kind `postgres` use this command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback cluster --port 5433 --data /tmp/cluster\n  \
comeback serve postgres --port 8080 --data /tmp/postgres --store 127.0.0.1:5433"
)]
pub(super) struct Args {
    /// Port on 127.0.0.1
    #[arg(long)]
    port: u16,
    /// Folder for the cluster; created if missing; if comeback runs as root, owned by the user 'postgres'
    #[arg(long)]
    data: PathBuf,
}

pub(super) fn run(args: Args) -> Result<Outcome, CliError> {
    let programs = needs::find_postgres().ok_or_else(|| {
        CliError::Usage(format!(
            "PostgreSQL's server is neither in PATH nor in {}: install it (`apt-get install postgresql`)",
            needs::POSTGRES_VERSIONS
        ))
    })?;
    // A run's folders are its own to open; those around it are not.
    let opened = std::path::absolute(&args.data)
        .ok()
        .and_then(|data| Some(scratch::run_around(&data)?.to_owned()));
    let setup = postgres::Setup {
        programs,
        data: args.data,
        opened,
        port: args.port,
    };
    match postgres::run(setup) {
        Ok(served) => match served {},
        Err(error) if error.is_usage() => Err(CliError::Usage(error.to_string())),
        Err(error) => Err(error.into()),
    }
}
