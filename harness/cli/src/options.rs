//! The options of every command with trials, and how they become parts of a plan.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use comeback_model::gate::Gate;
use comeback_model::ids::Seed;

use super::CliError;
use super::color::ColorChoice;
use super::shard::Asked;
use crate::console::{Addresses, Manner, Shown, Volume};
use comeback_engine::campaign;
use comeback_engine::needs::Remotes;
use comeback_experiment::Document;
use comeback_experiment::choice::whole;
use comeback_experiment::document::{LoadPart, WindowsPart};

/// Options of every command with trials.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) size: Size,
    /// Run one share of the trials, such as 3/64, and leave the others to other machines
    ///
    /// All shards need the same --seed; `comeback merge` puts them together and judges them. `auto` takes the share from
    /// the scheduler (Slurm, GitLab, Buildkite), auto/64 where that only numbers its jobs (Kubernetes, Nomad). By itself a
    /// shard exits 1 if a gate on a count is broken, otherwise 3: no shard passes alone.
    #[arg(
        long,
        value_name = "K/N",
        help_heading = "Load and trials",
        hide_short_help = true
    )]
    pub(super) shard: Option<Asked>,
    #[command(flatten)]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) watch: Watch,
}

/// The size of a run, and its seed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Load and trials")]
pub(super) struct Size {
    /// Trials with a fault for each arm [default: 6]
    #[arg(long, value_name = "N", value_parser = whole)]
    pub(super) trials: Option<u32>,
    /// The most trials with a fault for each arm, if a gate needs more than --trials to be judged; the run then
    /// continues by itself, in rounds of all arms
    #[arg(long, value_name = "N", value_parser = whole, hide_short_help = true)]
    pub(super) extend_to: Option<u32>,
    /// How many void trials of each arm are replaced at the end, if the harness or the machine made them void and
    /// nothing in them speaks against the server [default: a tenth of --trials, at least 2]
    #[arg(long, value_name = "N", value_parser = whole, hide_short_help = true)]
    pub(super) replacements: Option<u32>,
    #[command(flatten)]
    load: LoadPart,
    #[command(flatten)]
    windows: WindowsPart,
    /// The seed of everything random [default: drawn]
    #[arg(long, value_name = "S", value_parser = parse_seed, help_heading = "Load and trials")]
    pub(super) seed: Option<u64>,
}

fn parse_seed(text: &str) -> Result<u64, String> {
    let read = text.parse();
    read.map_err(|_| format!("'{text}' is not a seed: write a whole number, such as 7"))
}

/// The longest label, in characters: it stands at the axis of a chart.
const LABEL_MAX: usize = 60;

fn parse_label(text: &str) -> Result<String, String> {
    let label = text.trim();
    let is_short = (1..=LABEL_MAX).contains(&label.chars().count());
    if is_short && !label.contains(char::is_control) {
        return Ok(label.to_owned());
    }
    Err(format!(
        "a label is one line of 1 to {LABEL_MAX} characters: write such as --label nightly-12"
    ))
}

impl Size {
    pub(super) fn apply_to(&self, document: &mut Document) {
        fn over<T>(said: Option<T>, place: &mut Option<T>) {
            if said.is_some() {
                *place = said;
            }
        }
        over(self.trials, &mut document.trials);
        // More trials than the file's `extend_to` are no contradiction.
        if self.trials > document.extend_to {
            document.extend_to = document.extend_to.and(self.trials);
        }
        over(self.extend_to, &mut document.extend_to);
        over(self.replacements, &mut document.replacements);
        let load = std::mem::take(&mut document.load);
        document.load = load.overridden_by(self.load.clone());
        let windows = std::mem::take(&mut document.windows);
        document.windows = windows.overridden_by(self.windows.clone());
    }
}

/// What only the one who starts a run can allow.
#[derive(Debug, clap::Args)]
pub(super) struct Consent {
    /// Allow load and faults on a server on another machine
    ///
    /// For external.address of the experiment file. Use it only if that machine is yours, or its owner agreed.
    #[arg(long, help_heading = "Fault", hide_short_help = true)]
    allow_remote: bool,
}

impl Consent {
    pub(super) const fn remotes(&self) -> Remotes {
        match self.allow_remote {
            true => Remotes::Allowed,
            false => Remotes::Refused,
        }
    }
}

/// Where results go.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Results")]
pub(super) struct Output {
    /// New folder for the results [default: comeback-runs/NAME-TIME]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// A name for this run, such as a version or a build number: `comeback list` and `report RUN RUN…` show it
    #[arg(long, value_name = "TEXT", value_parser = parse_label, hide_short_help = true)]
    pub(super) label: Option<String>,
    /// No progress on stderr
    #[arg(long, short, conflicts_with = "verbose", hide_short_help = true)]
    quiet: bool,
    /// Progress as lines on a terminal, too, not as a live view
    ///
    /// Lines are printed by themselves where stderr is no terminal, where CI is set, and with TERM=dumb.
    #[arg(long, hide_short_help = true)]
    plain: bool,
    #[command(flatten)]
    pub(super) told: Told,
}

/// Who may look on while a run goes on, beside the terminal.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Results")]
pub(super) struct Watch {
    /// Show the run in a browser while it goes on, and the report at its end [default address: a free port]
    ///
    /// The page is served on 127.0.0.1, or at another loopback ADDR such as --serve=127.0.0.1:8000, until the run ends.
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "127.0.0.1:0",
        value_parser = parse_own_address,
        hide_short_help = true
    )]
    serve: Option<SocketAddr>,
    /// Serve OpenMetrics text at http://ADDR/metrics while the run goes on, such as 127.0.0.1:9464, for Prometheus
    #[arg(long, value_name = "ADDR", value_parser = parse_own_address, hide_short_help = true)]
    metrics: Option<SocketAddr>,
}

impl Watch {
    /// Where a run is shown.
    pub(super) const fn addresses(self) -> Addresses {
        Addresses {
            page: self.serve,
            metrics: self.metrics,
        }
    }
}

/// Reads an address of this machine alone: a run is nobody else's business.
fn parse_own_address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| {
        format!("'{text}' is not an address with a port: write such as 127.0.0.1:9464")
    })?;
    match address.ip().is_loopback() {
        true => Ok(address),
        false => Err(format!(
            "{} is not of this machine alone: write such as 127.0.0.1:{}",
            address.ip(),
            address.port()
        )),
    }
}

/// The flags of a command that makes many runs and one document of them.
#[derive(Debug, clap::Args)]
pub(super) struct Many {
    /// Only list what would be measured
    #[arg(long)]
    pub(super) list: bool,
    /// The seed of everything random; of several runs the first one's [default: drawn, and printed]
    #[arg(long, value_name = "S", value_parser = parse_seed)]
    pub(super) seed: Option<u64>,
    /// Folder for the results; must be new or empty [default: comeback-runs/NAME-TIME]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Print the document instead of the table
    #[arg(long)]
    pub(super) json: bool,
    /// No progress on stderr
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// How a verdict is printed: for every command that ends with one.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Results")]
pub(super) struct Told {
    /// Print the summary document instead of the table
    #[arg(long)]
    pub(super) json: bool,
    /// Also write the JUnit document here; the run's folder always contains it as junit.xml
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(super) junit: Option<PathBuf>,
    /// Print the events and figures of each trial on stderr
    #[arg(long, short, hide_short_help = true)]
    pub(super) verbose: bool,
    /// When to color; NO_COLOR and CLICOLOR_FORCE are honored
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, hide_short_help = true)]
    pub(super) color: ColorChoice,
}

impl Output {
    /// Results in this folder, printed as by default.
    pub(super) fn to_folder(folder: &Path, quiet: bool) -> Self {
        Self {
            out: Some(folder.to_owned()),
            label: None,
            quiet,
            plain: false,
            told: Told {
                json: false,
                junit: None,
                verbose: false,
                color: ColorChoice::Auto,
            },
        }
    }

    /// Prints the default gates that apply.
    pub(super) fn tell_default_gates(&self, gates: &[Gate]) {
        if self.quiet || gates.is_empty() {
            return;
        }
        let gates: Vec<String> = gates.iter().map(Gate::to_string).collect();
        super::print_aside(&format!(
            "default gates: {}; --no-gates turns them off",
            gates.join(", ")
        ));
    }

    /// Says what is being done before the trials.
    pub(super) fn tell(&self, what: &str) {
        if !self.quiet {
            super::print_aside(what);
        }
    }

    /// How it is told what the trials do.
    pub(super) fn manner(&self) -> Manner {
        let asked = (self.plain, self.told.json);
        let is_terminal = std::io::stderr().is_terminal();
        Manner {
            volume: match (self.quiet, self.told.verbose) {
                (true, _) => Volume::Quiet,
                (false, true) => Volume::Verbose,
                (false, false) => Volume::Normal,
            },
            shown: Shown::choose(asked, |name| std::env::var_os(name), is_terminal),
            color: self.told.color.wants_color_on_stderr(),
        }
    }
}

/// The given seed, or a drawn one that is short enough to type again.
pub(super) fn seed(asked: Option<Seed>) -> Result<Seed, CliError> {
    if let Some(seed) = asked {
        return Ok(seed);
    }
    Ok(campaign::draw_seed()?)
}

/// Reads a gate from the command line.
pub(super) fn parse_gate(text: &str) -> Result<Gate, String> {
    Gate::try_from(text.to_owned()).map_err(|error| error.to_string())
}
