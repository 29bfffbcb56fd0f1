//! `comeback init`: writes a first experiment file, with comments, for the user to change.

mod asked;
mod curl;
mod draft;
mod flow;
mod har;
mod infer;
mod openapi;
mod pattern;
mod recorded;
mod recording;
mod roles;
mod shell;
mod state;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use comeback_analysis::verdict::Outcome;
use comeback_faults::Faults;
use comeback_model::plan::Target;

use self::asked::{Asked, Parts};
use self::draft::Draft;
use self::flow::Flow;
pub(super) use self::recording::Recording;
use self::recording::{Forms, Inferred, Writer};
use super::experiment::TargetArgs;
use super::{CliError, say};
use comeback_engine::discover::{DiscoverError, Discovered, discover};
use comeback_engine::needs::Remotes;
use comeback_experiment::document::{TargetPart, Words};
use comeback_experiment::{Document, Origin, resolve};
use comeback_supervise::custody::{Custody, Host};
use comeback_supervise::tag::RunTag;

/// Write a first experiment file.
///
/// Asks nothing and overwrites nothing. With --from-command, the server is started once, on a free port and in a data
/// folder of its own. It gets a few harmless requests, until it answers one with a 2xx, and is stopped. The file then describes the server.
/// The flags of the server, its sessions, the trials, faults and gates are those of `run`; they stand before --from-command, and what they
/// say is not guessed.
///
/// With --from-curl or --from-har, the file describes the sessions of users, too: which request is the login, which one
/// changes the state, which one shows it, and where. Record a login, an action, a page that shows its effect, and the
/// logout; `comeback record` does that with a browser. With --from-openapi, a login, an act and a check are proposed. What the
/// document does not say stands in the file as a comment. Together with --from-command, the flow is tried out at once:
/// exit code 1 if it does not work yet.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback init\n  comeback init shop.toml --from-command ./shop --port {port} --data {data}\n  \
comeback init shop.toml --env PORT={port} --from-command node shop.js\n  \
comeback init shop.toml --ready log:listening --from-command ./shop {port}\n  \
comeback init shop.toml --from-curl requests.sh\n  \
comeback init shop.toml --from-har shop.har --from-command ./shop --port {port}\n  \
comeback init shop.toml --from-openapi openapi.json"
)]
pub(super) struct Args {
    /// The file to write
    #[arg(value_name = "EXPERIMENT.toml", default_value = "experiment.toml")]
    file: PathBuf,
    /// A file with curl commands, as browsers copy them; - is standard input
    #[arg(long, value_name = "SCRIPT", group = "form", conflicts_with = "login")]
    from_curl: Option<PathBuf>,
    /// A HAR file, as browsers export it; - is standard input
    #[arg(long, value_name = "HAR", group = "form", conflicts_with = "login")]
    from_har: Option<PathBuf>,
    /// An OpenAPI document, version 3.0 or 3.1, JSON or YAML; - is standard input
    #[arg(
        long,
        value_name = "DOCUMENT",
        group = "form",
        conflicts_with = "login"
    )]
    from_openapi: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    asked: Asked,
    /// The server and its arguments, to the end of the line
    #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true, help_heading = "Server")]
    from_command: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    // Seen before the server is started for nothing.
    if args.file.exists() {
        return Err(exists(&args.file));
    }
    let recording = Recording::read(Forms {
        curl: args.from_curl.as_deref(),
        har: args.from_har.as_deref(),
        openapi: args.from_openapi.as_deref(),
    })?;
    let target = args.target.to_part();
    let server = Server {
        command: &args.from_command,
        target: &target,
    };
    if let (true, Some(flag)) = (args.from_command.is_empty(), args.target.given()) {
        return Err(CliError::Usage(format!(
            "{flag}: there is no server that it could be about: add --from-command and the server's command"
        )));
    }
    let parts = args.asked.to_parts(server)?;
    let seen = match server.command {
        [] => None,
        _ => {
            let pages = recording.as_ref().map(Recording::pages);
            Some(meet(server, &pages.unwrap_or_default())?)
        }
    };
    let known = Known {
        server,
        seen: seen.as_ref(),
        parts: &parts,
    };
    complete(&args.file, known, recording.as_ref())
}

/// The server of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server<'a> {
    /// Its command; empty when none is known.
    pub(super) command: &'a [String],
    /// How it is started, as far as that was said.
    pub(super) target: &'a TargetPart,
}

/// What is known before any recording is read.
#[derive(Clone, Copy, Debug)]
struct Known<'a> {
    server: Server<'a>,
    /// The observations of the server.
    seen: Option<&'a Discovered>,
    /// The parts that flags say.
    parts: &'a Parts,
}

/// Writes the file of a server that was recorded, and says so.
pub(super) fn complete_recorded(
    file: &Path,
    (server, seen): (Server<'_>, &Discovered),
    recording: &Recording,
) -> Result<Outcome, CliError> {
    let known = Known {
        server,
        seen: Some(seen),
        parts: &Parts::default(),
    };
    complete(file, known, Some(recording))
}

/// Writes the file by what is known of the server and was recorded, and says so.
fn complete(
    file: &Path,
    known: Known<'_>,
    recording: Option<&Recording>,
) -> Result<Outcome, CliError> {
    let draft = |flow: Option<&Flow>| Draft { known, flow }.text();
    let writer = Writer {
        file,
        has_command: !known.server.command.is_empty(),
        text: &|flow| draft(Some(flow)),
    };
    let inferred = recording
        .map(|recording| writer.infer(recording))
        .transpose()?;
    let text = draft(inferred.as_ref().map(|found| &found.flow));
    let has_flow = inferred.is_some() || known.parts.session.is_some();
    match has_flow {
        true => write_secret(file, &text)?,
        false => write(file, &text)?,
    }
    tell(file, (known.seen, has_flow), inferred.as_ref());
    let works = inferred.and_then(|found| found.works);
    Ok(if works == Some(false) {
        Outcome::Fail
    } else {
        Outcome::Pass
    })
}

fn tell(file: &Path, (seen, has_flow): (Option<&Discovered>, bool), inferred: Option<&Inferred>) {
    let file = file.display();
    say(&format!("wrote {file}"));
    for line in seen.iter().flat_map(|seen| draft::tell(seen, has_flow)) {
        say(&format!("  {line}"));
    }
    for line in inferred.iter().flat_map(|found| &found.lines) {
        say(line);
    }
    say(&match inferred.map(|found| found.works) {
        None => {
            format!("next: change it, then `comeback validate {file}` and `comeback run {file}`")
        }
        Some(Some(true)) => format!("next: read it, then `comeback run {file}`"),
        Some(Some(false) | None) => {
            format!("next: read it, then `comeback try {file}` and `comeback run {file}`")
        }
    });
}

/// That a file would be overwritten.
pub(super) fn exists(file: &Path) -> CliError {
    CliError::Usage(format!(
        "{} already exists and is not overwritten: name another file",
        file.display()
    ))
}

/// Writes a new file.
pub(super) fn write(file: &Path, text: &str) -> Result<(), CliError> {
    write_with(file, text, 0o666)
}

/// Writes a new file that only its owner reads: what was recorded may hold passwords and cookies.
pub(super) fn write_secret(file: &Path, text: &str) -> Result<(), CliError> {
    write_with(file, text, 0o600)
}

fn write_with(file: &Path, text: &str, mode: u32) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(file),
        _ => CliError::Usage(format!("{} cannot be written: {error}", file.display())),
    })
}

/// Starts the server once, to see what it is.
fn meet(server: Server<'_>, pages: &[String]) -> Result<Discovered, CliError> {
    in_custody(server, "init", async |started| {
        let InCustody {
            target,
            tag,
            folder,
        } = started;
        let wait = |waiting: String| super::print_aside(&waiting);
        let met = discover(target, tag, folder, pages, wait).await;
        met.map_err(|error| unexamined(&error))
    })
}

/// Why nothing is known of a server.
pub(super) fn unexamined(error: &DiscoverError) -> CliError {
    CliError::Usage(format!(
        "the server could not be examined: {error}. Start it by itself to see why"
    ))
}

/// What a server that is met needs.
pub(super) struct InCustody<'a> {
    pub(super) target: &'a Target,
    pub(super) tag: &'a RunTag,
    /// For its data and its output; removed at the end.
    pub(super) folder: &'a Path,
}

/// Does something with a server that is not part of a run. What it starts is ended, also when this process is killed.
pub(super) fn in_custody<T>(
    server: Server<'_>,
    purpose: &str,
    work: impl AsyncFnOnce(InCustody<'_>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let document = Document {
        target: TargetPart {
            command: Some(Words(server.command.to_vec())),
            ..server.target.clone()
        },
        ..Document::default()
    };
    let origin = Origin {
        name: purpose.to_owned(),
        here: None,
    };
    let mut plan = resolve(&document, &origin, &Faults)
        .map_err(super::experiment::usage)?
        .plan;
    super::setup::check_servers(&mut plan, Remotes::Refused)?;
    let tag = RunTag::new()?;
    let folder = std::env::temp_dir().join(format!("comeback-{purpose}-{}", tag.as_str()));
    let custody = Custody::begin(Host::Program, &tag, &folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(work(InCustody {
        target: &plan.arms[0].target,
        tag: &tag,
        folder: &folder,
    }));
    drop(runtime);
    custody.end()?;
    done
}
