//! `comeback validate`: checks experiment files without running them.

use std::path::{Path, PathBuf};

use comeback_analysis::verdict::Outcome;
use comeback_engine::needs::Remotes;
use comeback_faults::Faults;
use serde::Serialize;

use super::color::ColorChoice;
use super::{CliError, experiment, print, print_aside, say, setup};
use comeback_supervise::output::printable;

/// Check experiment files; nothing is started.
///
/// Shows every problem under its line, and how to correct it. Exits 0 if all files can be run, 2 if one cannot.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback validate shop.toml\n  comeback validate experiments/*.toml --json"
)]
pub(super) struct Args {
    /// Experiment files
    #[arg(required = true, value_name = "EXPERIMENT.toml")]
    files: Vec<PathBuf>,
    /// Print JSON: for each file its problems, with line and column
    #[arg(long)]
    json: bool,
    /// When to color; NO_COLOR and CLICOLOR_FORCE are honored
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

/// The result for one file.
#[derive(Serialize)]
struct Checked {
    file: String,
    problems: Vec<Diagnostic>,
}

#[derive(Serialize)]
struct Diagnostic {
    /// Absent if a problem has no line: the file cannot be read, or its program cannot be started.
    line: Option<usize>,
    column: Option<usize>,
    message: String,
    help: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let mut checked = Vec::new();
    for path in &args.files {
        let found = match check(path) {
            Ok(sound) => {
                if !args.json {
                    say(&format!(
                        "{}: {sound}",
                        printable(&path.display().to_string())
                    ));
                }
                Vec::new()
            }
            Err(error) => {
                if !args.json {
                    print_aside(&super::told(&error, args.color));
                }
                problems_of(&error)
            }
        };
        checked.push(Checked {
            file: path.display().to_string(),
            problems: found,
        });
    }
    if args.json {
        print(&serde_json::to_string_pretty(&checked)?);
    }
    let wrong = checked.iter().filter(|file| !file.problems.is_empty());
    match (wrong.count(), args.files.len()) {
        (0, _) => Ok(Outcome::Pass),
        (wrong, all) => Err(CliError::Usage(format!(
            "{wrong} of {all} files cannot be run"
        ))),
    }
}

/// A valid file, in a few words.
fn check(path: &Path) -> Result<String, CliError> {
    let file = experiment::read_alone(path)?;
    let mut plan = file.resolve(&Faults).map_err(experiment::refuse)?.plan;
    setup::check_servers(&mut plan, Remotes::LeftAlone).map_err(|error| match error {
        CliError::Usage(problem) => CliError::Usage(format!("{}: {problem}", path.display())),
        other => other,
    })?;
    let skipped = plan.arms.iter().filter_map(|arm| {
        let reason = arm.skip.as_ref()?;
        Some(format!("; {} is skipped here: {reason}", arm.name))
    });
    let skipped: Vec<String> = skipped.collect();
    let arms = plan.arms.len() - skipped.len();
    let trials = (plan.trials + plan.controls) as usize * arms;
    let plural = if arms == 1 { "" } else { "s" };
    Ok(format!(
        "can be run{}: {arms} arm{plural}, {trials} trials, {} gates{}",
        if plan.is_remote() {
            " with --allow-remote"
        } else {
            ""
        },
        plan.gates.len(),
        printable(&skipped.concat()),
    ))
}

fn problems_of(error: &CliError) -> Vec<Diagnostic> {
    match error {
        CliError::Experiment(unreadable) => unreadable
            .problems()
            .iter()
            .map(|wrong| Diagnostic {
                line: Some(wrong.line),
                column: Some(wrong.column),
                message: wrong.message.clone(),
                help: wrong.help.clone(),
            })
            .collect(),
        CliError::Usage(_) | CliError::Harness(_) | CliError::Interrupted => vec![Diagnostic {
            line: None,
            column: None,
            message: error.to_string(),
            help: None,
        }],
    }
}
