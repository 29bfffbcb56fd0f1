//! The program: arguments → document → plan → run → report. One file per command. Only this file ends the process.

mod against;
mod balance;
mod baseline;
mod cache;
mod calibration;
mod campaign;
mod choice;
mod ci;
mod claims;
mod cleanup;
mod cluster;
mod color;
mod compare;
mod completions;
mod console;
mod diff;
mod disk;
#[cfg(test)]
mod docs;
mod doctor;
mod experiment;
mod explain;
mod explore;
mod export;
mod fault_proxy;
mod faults;
mod figures;
mod folder;
mod git;
mod init;
mod launch;
mod list;
mod merge;
mod metrics;
mod openmetrics;
mod options;
mod record;
mod replay;
mod report;
mod run;
mod schema;
mod selftest;
mod serve;
mod setup;
mod shard;
mod shrink;
mod table;
mod targets;
mod try_out;
mod validate;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};
use comeback_analysis::verdict::Outcome;
use nix::sys::signal::SigSet;

use self::table::{To, folded};
use comeback_experiment::Unreadable;
use comeback_host::program;
use comeback_supervise::dispositions;
use comeback_supervise::output::printable;

/// Kill it. See what comes back.
///
/// Comeback starts servers, drives real user sessions against them, kills and restarts them under a
/// seeded plan, and counts lost sessions, lost acknowledged writes, errors, and the time to recover.
#[derive(Debug, Parser)]
#[command(
    name = "comeback",
    version,
    propagate_version = true,
    after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    max_term_width = 80,
    disable_help_flag = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    help: Help,
}

/// How much of a command's help is shown. A flag that is seldom needed has `hide_short_help`.
#[derive(Debug, clap::Args)]
struct Help {
    /// Print what is needed most
    #[arg(long, short, global = true, action = ArgAction::HelpShort)]
    help: Option<bool>,
    /// Print every option
    #[arg(long, global = true, action = ArgAction::HelpLong)]
    help_all: Option<bool>,
}

const EXAMPLES: &str = "Examples:\n  comeback compare --quick\n  comeback run -- ./server --port {port}\n  \
comeback init shop.toml --from-command ./server --port {port}";

const EXIT_CODES: &str = "Exit codes: 0 pass · 1 a gate failed · 2 usage or configuration · 3 inconclusive · \
4 harness or environment · 130 interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    Compare(Box<compare::Args>),
    Run(Box<run::Args>),
    Claims(claims::Args),
    Selftest(selftest::Args),
    Report(report::Args),
    List(list::Args),
    Merge(merge::Args),
    Init(Box<init::Args>),
    Record(Box<record::Args>),
    Validate(validate::Args),
    Try(Box<try_out::Args>),
    Explain(Box<explain::Args>),
    Explore(Box<explore::Args>),
    Diff(diff::Args),
    Replay(replay::Args),
    Shrink(shrink::Args),
    Export(export::Args),
    Serve(serve::Args),
    Cluster(cluster::Args),
    Balance(Box<balance::Args>),
    Cache(cache::Args),
    Targets(targets::Args),
    Faults(faults::Args),
    Doctor(doctor::Args),
    Cleanup(cleanup::Args),
    Schema(schema::Args),
    Metrics(metrics::Args),
    Completions(completions::CompletionsArgs),
    Man(completions::ManArgs),
    /// Cleans up if a run is killed. The run starts it.
    #[command(hide = true)]
    Warden(WardenArgs),
    #[command(hide = true)]
    Launch(launch::Args),
    #[command(hide = true)]
    Disk(disk::Args),
    #[command(hide = true)]
    FaultProxy(fault_proxy::Args),
}

#[derive(Debug, clap::Args)]
struct WardenArgs {
    #[arg(long)]
    tag: String,
    #[arg(long)]
    scratch: PathBuf,
    #[arg(long)]
    record: Option<PathBuf>,
    #[arg(long)]
    cgroup: Option<PathBuf>,
}

/// Why a command ended without a verdict.
#[derive(Debug)]
enum CliError {
    /// Wrong usage. Nothing was measured. Exit code 2.
    Usage(String),
    /// An experiment file cannot be used. Nothing was measured. Exit code 2.
    Experiment(Box<Unreadable>),
    /// The harness or its surroundings failed. Exit code 4.
    Harness(Box<dyn std::error::Error + Send + Sync>),
    /// A signal ended the run. Exit code 130.
    Interrupted,
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::Harness(Box::new(error))
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(problem) => f.write_str(problem),
            Self::Experiment(unreadable) => write!(f, "{unreadable}"),
            Self::Harness(error) => f.write_str(&with_causes(error.as_ref())),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// An error with all its causes, on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// The size of the program's stack. The limit of the shell (`ulimit -s`) does not apply to it.
const STACK: usize = 8 * 1024 * 1024;

/// Runs the program, on a thread with a stack of its own; every exit code is decided here.
fn main() -> ExitCode {
    let thread = std::thread::Builder::new()
        .name("main".to_owned())
        .stack_size(STACK)
        .spawn(decide);
    let ended = match thread {
        Ok(thread) => {
            // This thread only waits: which signals are held off, the other says, as the warden's does.
            let _ = SigSet::all().thread_block();
            thread.join().unwrap_or(HARNESS_FAILED)
        }
        Err(error) => {
            warn(&format!("failed to start a thread: {error}"));
            HARNESS_FAILED
        }
    };
    ExitCode::from(ended)
}

/// The exit code when the harness or its surroundings failed.
const HARNESS_FAILED: u8 = 4;

fn decide() -> u8 {
    program::announce();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) if refused.use_stderr() => {
            let told = refused.render();
            print_aside(
                match color::ColorChoice::Auto.wants_color_on_stderr() {
                    true => told.ansi().to_string(),
                    false => told.to_string(),
                }
                .trim_end(),
            );
            return 2;
        }
        // Help, or the version.
        Err(asked) => {
            // A closed pipe is not a failure.
            let _ = asked.print();
            return 0;
        }
    };
    note_renamed_flags();
    // A panic unwinds through every guard. Then it counts as a failure of the harness.
    let ended = std::panic::catch_unwind(|| {
        // What only executes another program needs no handlers, and has no descriptors to spare.
        if !matches!(cli.command, Command::Launch(_)) {
            dispositions::take_over()?;
        }
        dispatch(cli.command)
    });
    match ended {
        Ok(Ok(Outcome::Pass | Outcome::Measured)) => 0,
        Ok(Ok(Outcome::Fail)) => 1,
        Ok(Ok(Outcome::Inconclusive)) => 3,
        Ok(Err(error)) => {
            complain(&error);
            ci::tell_trouble(&error);
            match error {
                CliError::Usage(_) | CliError::Experiment(_) => 2,
                CliError::Harness(_) => HARNESS_FAILED,
                CliError::Interrupted => 130,
            }
        }
        Err(_) => HARNESS_FAILED,
    }
}

fn dispatch(command: Command) -> Result<Outcome, CliError> {
    match command {
        Command::Compare(args) => compare::run(*args),
        Command::Run(args) => run::run(*args),
        Command::Claims(args) => claims::run(&args),
        Command::Selftest(args) => selftest::run(&args),
        Command::Report(args) => report::run(&args),
        Command::List(args) => list::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Try(args) => try_out::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Explore(args) => explore::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Shrink(args) => shrink::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Cluster(args) => cluster::run(args),
        Command::Balance(args) => balance::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Targets(args) => targets::run(&args),
        Command::Faults(args) => faults::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Cleanup(args) => cleanup::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Metrics(args) => metrics::run(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => completions::man(&args),
        Command::Launch(args) => launch::run(args),
        Command::Disk(args) => disk::run(args),
        Command::FaultProxy(args) => fault_proxy::run(args),
        Command::Warden(args) => {
            let tag = args
                .tag
                .parse()
                .map_err(|error| CliError::Usage(format!("--tag: {error}")))?;
            comeback_supervise::warden::run_warden(&comeback_supervise::warden::Post {
                tag,
                scratch: args.scratch,
                record: args.record,
                cgroup: args.cgroup,
            });
            Ok(Outcome::Pass)
        }
    }
}

fn complain(error: &CliError) {
    print_aside(&told(error, color::ColorChoice::Auto));
}

/// An error as people read it: a file's problems under its lines, any other in one sentence.
fn told(error: &CliError, color: color::ColorChoice) -> String {
    match error {
        CliError::Experiment(unreadable) => unreadable.render(color.wants_color_on_stderr()),
        CliError::Usage(_) | CliError::Harness(_) | CliError::Interrupted => {
            format!("comeback: {}", printable(&error.to_string()))
        }
    }
}

/// Flags that had another name once. The old one still works.
const RENAMED_FLAGS: [(&str, &str); 2] = [
    ("--strike", "--fault-target"),
    ("--stranger", "--logged-out-page"),
];

/// Says the new name of each old flag among our own arguments. After `--` stand those of a server.
fn note_renamed_flags() {
    let ours = std::env::args_os().take_while(|word| word != "--");
    for word in ours.filter_map(|word| word.into_string().ok()) {
        let flag = word.split_once('=').map_or(word.as_str(), |(flag, _)| flag);
        if let Some((old, now)) = RENAMED_FLAGS.iter().find(|(old, _)| *old == flag) {
            warn(&format!("{old} is now called {now}: use that name"));
        }
    }
}

/// Says what did not work, and does not matter for the verdict.
fn warn(problem: &str) {
    print_aside(&format!("comeback: warning: {}", printable(problem)));
}

/// Prints a text for people on stderr; its long lines are folded. A closed pipe is not a failure.
fn print_aside(text: &str) {
    print_aside_as_it_is(&folded(text, To::Stderr));
}

/// Prints on stderr what programs read, too; above the live view, if there is one.
fn print_aside_as_it_is(text: &str) {
    use std::io::Write;
    if !console::say_above(text) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// Prints a text for people on stdout; its long lines are folded.
fn say(text: &str) {
    print(&folded(text, To::Stdout));
}

/// Prints a text on stdout as it is: a document, or what fits already. A closed pipe (`| head`) is not a failure.
fn print(text: &str) {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(b"\n"));
}
