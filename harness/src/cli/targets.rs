//! `comeback targets`: what there is to compare.

use comeback_core::verdict::Outcome;
use comeback_targets::Target;

use super::{CliError, print};

/// List the reference servers.
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
    let listed: Vec<&Target> = comeback_targets::all()
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
            print(&format!("{:width$}  {}", target.name, target.summary));
        }
    }
    Ok(Outcome::Pass)
}

/// A reference server by its name.
pub(super) fn find(name: &str) -> Result<&'static Target, CliError> {
    comeback_targets::find(name).ok_or_else(|| {
        let mut message = format!("there is no reference server '{name}'");
        if let Some(nearest) = nearest(name) {
            message.push_str(&format!("; did you mean '{nearest}'?"));
        }
        message.push_str(" (`comeback targets --all` lists them)");
        CliError::Usage(message)
    })
}

fn nearest(name: &str) -> Option<&'static str> {
    comeback_targets::all()
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
