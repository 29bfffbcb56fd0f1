//! `comeback targets`: what there is to compare.

use std::path::Path;

use comeback_core::plan::{self, Plan};
use comeback_core::verdict::Outcome;
use comeback_servers::{Protocol, Target};

use super::{CliError, print};

/// As wide as the longest name of a protocol.
const PROTOCOL: usize = 6;

/// List the reference servers, and what each speaks.
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
            print(&format!(
                "{name:width$}  {protocol:PROTOCOL$}  {}",
                target.summary
            ));
        }
    }
    Ok(Outcome::Pass)
}

/// A reference server by its name.
pub(super) fn find(name: &str) -> Result<&'static Target, CliError> {
    comeback_servers::find(name).ok_or_else(|| {
        let mut message = format!("there is no reference server '{name}'");
        if let Some(nearest) = nearest(name) {
            message.push_str(&format!("; did you mean '{nearest}'?"));
        }
        message.push_str(" (`comeback targets --all` lists them)");
        CliError::Usage(message)
    })
}

/// Refuses what does not speak HTTP, for a command whose load does.
pub(super) fn check_http(target: &Target) -> Result<(), CliError> {
    if target.protocol == Protocol::Http {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{} speaks {}, and the load of `run` and `compare` speaks HTTP: `comeback serve {}` starts it for other clients",
        target.name,
        target.protocol.name(),
        target.name
    )))
}

/// The same for every reference server that a plan starts.
pub(super) fn check_plan(plan: &Plan) -> Result<(), CliError> {
    for arm in &plan.arms {
        let servers = [Some(&arm.target), arm.next.as_ref()];
        for server in servers.into_iter().flatten().filter_map(reference) {
            check_http(server)?;
        }
    }
    Ok(())
}

/// The reference server that is started, if it is one.
pub(super) fn reference(started: &plan::Target) -> Option<&'static Target> {
    let [program, verb, name, ..] = started.command.as_slice() else {
        return None;
    };
    let is_ours = program == "{comeback}" || Path::new(program).ends_with("comeback");
    (is_ours && verb == "serve")
        .then(|| comeback_servers::find(name))
        .flatten()
}

fn nearest(name: &str) -> Option<&'static str> {
    comeback_servers::all()
        .iter()
        .map(|target| (strsim::damerau_levenshtein(name, target.name), target.name))
        .filter(|(edits, other)| *edits <= 1 + other.len() / 4)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_met_with_the_nearest_name() {
        assert_eq!(nearest("memmory"), Some("memory"));
        assert_eq!(nearest("sqllite"), Some("sqlite"));
        assert_eq!(nearest("postgresql-cluster"), None);
    }
}
