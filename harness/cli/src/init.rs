//! `comeback init`: writes a first experiment file, with comments, for the user to change.

mod draft;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use comeback_analysis::verdict::Outcome;
use comeback_faults::Faults;

use self::draft::Draft;
use super::{CliError, print};
use comeback_engine::discover::{Discovered, discover};
use comeback_experiment::document::{TargetPart, Words};
use comeback_experiment::{Document, Origin, resolve};
use comeback_supervise::custody::{Custody, Host};
use comeback_supervise::tag::RunTag;

/// Write a first experiment file.
///
/// Asks nothing and overwrites nothing. With --from-command, the server is started once, on a free port and in a data
/// folder of its own. It gets a few harmless requests and is stopped. The file then describes the server.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback init\n  comeback init shop.toml --from-command ./shop --port {port} --data {data}"
)]
pub(super) struct Args {
    /// The file to write
    #[arg(value_name = "EXPERIMENT.toml", default_value = "experiment.toml")]
    file: PathBuf,
    /// The server and its arguments, to the end of the line
    #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
    from_command: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    // Seen before the server is started for nothing.
    if args.file.exists() {
        return Err(exists(&args.file));
    }
    let seen = match args.from_command.as_slice() {
        [] => None,
        command => Some(meet(command)?),
    };
    let draft = Draft {
        command: &args.from_command,
        seen: seen.as_ref(),
    };
    write(&args.file, &draft.text())?;
    print(&format!("wrote {}", args.file.display()));
    if let Some(seen) = &seen {
        for line in draft::tell(seen) {
            print(&format!("  {line}"));
        }
    }
    print(&format!(
        "next: change it, then `comeback validate {0}` and `comeback run {0}`",
        args.file.display()
    ));
    Ok(Outcome::Pass)
}

fn exists(file: &Path) -> CliError {
    CliError::Usage(format!(
        "{} already exists and is not overwritten: name another file",
        file.display()
    ))
}

fn write(file: &Path, text: &str) -> Result<(), CliError> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(file),
        _ => CliError::Usage(format!("{} cannot be written: {error}", file.display())),
    })
}

/// Starts the server once, to see what it is.
fn meet(command: &[String]) -> Result<Discovered, CliError> {
    let document = Document {
        target: TargetPart {
            command: Some(Words(command.to_vec())),
            ..TargetPart::default()
        },
        ..Document::default()
    };
    let origin = Origin {
        name: "init".to_owned(),
        here: None,
    };
    let mut plan = resolve(&document, &origin, &Faults)
        .map_err(super::experiment::usage)?
        .plan;
    super::campaign::settle(&mut plan)?;
    let tag = RunTag::new()?;
    let folder = std::env::temp_dir().join(format!("comeback-init-{}", tag.as_str()));
    // It ends the server and removes the folder, also when this process is killed.
    let custody = Custody::begin(Host::Program, &tag, &folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let met = runtime.block_on(discover(&plan.arms[0].target, &tag, &folder));
    drop(runtime);
    custody.end()?;
    met.map_err(|error| CliError::Usage(format!("the server could not be examined: {error}")))
}
