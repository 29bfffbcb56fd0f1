//! `comeback launch`: executes a server in its own place, with the listening socket that the harness holds. Started by
//! a run, never by hand.

use std::ffi::OsString;

use comeback_analysis::verdict::Outcome;

use super::CliError;
use comeback_supervise::socket_activation::{self, Launched};

/// Executes a server with a listening socket that a run holds; started by the run itself.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The program name that the server gets (`argv[0]`)
    #[arg(long)]
    name: Option<OsString>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) fn run(args: Args) -> Result<Outcome, CliError> {
    let mut words = args.command.into_iter();
    let program = words
        .next()
        .ok_or_else(|| CliError::Usage("launch: there is no program to execute".to_owned()))?;
    let error = socket_activation::launch(&Launched {
        program,
        name: args.name,
        arguments: words.collect(),
    });
    Err(error.into())
}
