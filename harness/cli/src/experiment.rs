//! The experiment on the command line: a file, flags, or both. They fill in the same document.

mod retry;
mod session;
mod storm;
mod target;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use comeback_architectures::servers;
use comeback_engine::record;
use comeback_faults::Faults;
use comeback_model::gate::Gate;
use comeback_model::ids::Seed;
use comeback_model::plan::secret::is_masked;
use comeback_model::plan::{DiskModel, Plan, Reach, Signal};

use self::retry::RetryArgs;
pub(super) use self::session::SessionArgs;
use self::storm::StormArgs;
pub(super) use self::target::TargetArgs;
use super::choice::choice;
use super::options::{Size, parse_gate};
use super::{CliError, targets};
use comeback_experiment::document::{
    ArmPart, ChaosPart, FaultPart, RatePart, StepPart, TargetPart, Words,
};
use comeback_experiment::{
    Document, File, Origin, Problem, Resolved, Unreadable, read_text, resolve,
};

/// The experiment to run.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct What {
    /// Experiment file (`comeback init` writes one)
    ///
    /// Flags override what it says.
    #[arg(
        value_name = "EXPERIMENT.toml",
        conflicts_with_all = ["ready", "protocol", "socket", "listener", "boot_header", "login", "follow"],
        help_heading = None::<&str>
    )]
    pub(super) experiment: Option<PathBuf>,
    /// Path of the load's requests [default: /]
    #[arg(
        long,
        value_name = "PATH",
        overrides_with = "get",
        conflicts_with_all = ["experiment", "login"],
        help_heading = "Session"
    )]
    get: Option<String>,
    /// Signal sent to the server [default: KILL]
    ///
    /// After TERM and its grace, KILL follows.
    #[arg(
        long,
        value_name = "SIGNAL",
        help_heading = "Fault",
        hide_short_help = true
    )]
    kill: Option<Signal>,
    /// The fault of each trial (`comeback faults` lists them)
    ///
    /// Its parameters follow it, such as pause:lasts=2s,at=1s. Repeat the flag for several faults.
    #[arg(
        long = "fault",
        value_name = "FAULT",
        conflicts_with = "kill",
        help_heading = "Fault"
    )]
    faults: Vec<FaultPart>,
    /// Draw this many faults in each trial, by the seed (see --fault)
    ///
    /// Each comes after the recovery from the one before: --chaos 5,quiet=2s,spread=1s. Keys: faults, quiet, spread, span, at. What is
    /// drawn from is said by --fault, whose weight=N says how often: --fault kill:weight=3 --fault pause:lasts=300ms.
    #[arg(
        long,
        value_name = "FAULTS",
        conflicts_with = "kill",
        help_heading = "Fault",
        hide_short_help = true
    )]
    chaos: Option<ChaosPart>,
    /// Which processes of the server get the fault [default: group]
    #[arg(long, value_parser = choice::<Reach>(), value_name = "WHOM", help_heading = "Fault", hide_short_help = true)]
    fault_to: Option<Reach>,
    #[command(flatten)]
    target: TargetArgs,
    /// Add a gate, such as 'outage.median < 2s'
    ///
    /// `comeback metrics` lists what can be asked.
    #[arg(long = "gate", value_name = "GATE", value_parser = parse_gate, help_heading = "Gates")]
    gates: Vec<Gate>,
    /// Turn off all gates except those of --gate
    ///
    /// The default gates: the server comes back, loses no session and no write, and shows nobody another user's content
    /// (with --identity), and no logged-out session comes back (with --logout). The gates of the file are turned off, too.
    #[arg(long, help_heading = "Gates", hide_short_help = true)]
    no_gates: bool,
    /// Name of the run [default: the file's; without a file, run]
    #[arg(long, help_heading = None::<&str>, hide_short_help = true)]
    name: Option<String>,
    #[command(flatten)]
    storm: StormArgs,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    session: SessionArgs,
}

/// What commands take that look at an experiment and measure nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Described {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    size: Size,
    /// The server and its arguments; replaces the file's command
    #[arg(
        last = true,
        required_unless_present = "experiment",
        value_name = "COMMAND",
        help_heading = None::<&str>
    )]
    command: Vec<String>,
}

impl Described {
    /// The plan, and the seed if one was said.
    pub(super) fn resolve(&self) -> Result<(Plan, Option<Seed>), CliError> {
        let resolved = self.what.resolve(&self.size, &self.command)?;
        let seed = self.size.seed.map(Seed).or(resolved.seed);
        Ok((resolved.plan, seed))
    }

    /// The plan, with a power loss as all that happens: on this disk, else on that of the file's own power loss.
    pub(super) fn resolve_on_disk(
        &self,
        disk: Option<DiskModel>,
    ) -> Result<(Plan, Option<Seed>), CliError> {
        let (mut document, origin) = self.what.document(&self.size, &self.command)?;
        let is_loss = |fault: &&FaultPart| fault.kind.as_deref() == Some(POWER_LOSS);
        let drawn = document.chaos.take().unwrap_or_default().choice;
        let mut said = document.fault.iter().chain(&drawn).find(is_loss).cloned();
        let loss = said.get_or_insert_default();
        let mut parameters = std::mem::take(&mut loss.parameters);
        if let Some(disk) = disk {
            parameters.insert("disk".to_owned(), disk.name().into());
        }
        document.fault = vec![FaultPart {
            kind: Some(POWER_LOSS.to_owned()),
            parameters,
            ..FaultPart::default()
        }];
        // Nothing else is done to the server, and nothing is measured.
        document.surroundings.clear();
        document.gate.clear();
        document.demands.clear();
        (document.deploy, document.storm) = (None, None);
        let resolved = resolve(&document, &origin, &Faults).map_err(usage)?;
        let seed = self.size.seed.map(Seed).or(resolved.seed);
        Ok((resolved.plan, seed))
    }
}

/// The fault whose disk is explored.
const POWER_LOSS: &str = "power_loss";

/// The name of a run without a file and without a name.
const AD_HOC: &str = "run";

impl What {
    /// The plan, from the file (if there is one), the flags and the command behind `--`.
    pub(super) fn resolve(&self, size: &Size, command: &[String]) -> Result<Resolved, CliError> {
        let (mut document, origin) = self.document(size, command)?;
        Self::leave_rate_open(&mut document);
        resolve(&document, &origin, &Faults).map_err(usage)
    }

    /// The document, from the file (if there is one), the flags and the command behind `--`.
    pub(super) fn document(
        &self,
        size: &Size,
        command: &[String],
    ) -> Result<(Document, Origin), CliError> {
        let read = |path| match command {
            [] => read_alone(path),
            _ => read(path),
        };
        let file = self.experiment.as_deref().map(read).transpose()?;
        let (mut document, origin) = match &file {
            Some(file) => {
                // Problems of the file are shown in the file, before any flag hides or adds some.
                if command.is_empty() {
                    file.resolve(&Faults).map_err(refuse)?;
                }
                (file.document.clone(), file.origin())
            }
            None => {
                let origin = Origin {
                    name: AD_HOC.to_owned(),
                    here: None,
                };
                (Document::default(), origin)
            }
        };
        self.apply_to(&mut document, command)?;
        size.apply_to(&mut document);
        Ok((document, origin))
    }

    /// Has the rate measured where none is said: nobody knows what a server bears. The reference servers bear the default, and a server that
    /// somebody else starts may be used by others meanwhile.
    pub(super) fn leave_rate_open(document: &mut Document) {
        if chooses_no_rate(document) && !document.is_external() {
            document.load.rate = Some(RatePart::Auto);
        }
    }

    fn apply_to(&self, document: &mut Document, command: &[String]) -> Result<(), CliError> {
        if let Some(name) = &self.name {
            document.name = Some(name.clone());
        }
        if self.no_gates {
            document.gate.clear();
            document.default_gates = Some(false);
        }
        document.demands.clone_from(&self.gates);
        if !command.is_empty() {
            let has_own = |arm: &ArmPart| arm.target.command.is_some();
            if !document.arm.is_empty() && document.arm.iter().all(has_own) {
                return Err(CliError::Usage(
                    "each arm of the file has its own command, so the one behind -- would replace none: remove it"
                        .to_owned(),
                ));
            }
            document.target.command = Some(Words(command.to_vec()));
        }
        document.target = document.target.overridden_by(&self.target.to_part());
        self.retry.apply_to(document);
        self.storm.apply_to(document).map_err(CliError::Usage)?;
        if !self.faults.is_empty() {
            document.fault.clone_from(&self.faults);
            document.chaos = None;
        }
        if let Some(chaos) = &self.chaos {
            document.draw_faults(chaos);
        }
        if let Some(signal) = self.kill {
            document.fault_mut().send(signal);
        }
        if let Some(reach) = self.fault_to {
            document.fault_mut().to = Some(reach);
        }
        let follow = self.session.follow;
        match (&self.get, self.session.to_part()) {
            (_, Some(session)) => document.session = Some(session),
            (None, None) if follow == 0 => {}
            (path, None) => {
                document.operation = Some(StepPart {
                    follow,
                    ..get(path.as_deref().unwrap_or("/"))?
                });
            }
        }
        Ok(())
    }
}

/// Reads an experiment file that is used as it is: everything that is wrong with it is told at once.
pub(super) fn read_alone(path: &Path) -> Result<File, CliError> {
    read(path).map_err(|error| match error {
        CliError::Experiment(unreadable) => refuse(unreadable.with_rules(&Faults)),
        other => other,
    })
}

/// Whether nobody chose the rate, and one of the servers is not this program's. A storm has a rate of its own.
pub(super) fn chooses_no_rate(document: &Document) -> bool {
    let is_own = |target: &TargetPart| {
        let command = target.command.as_ref().or(document.target.command.as_ref());
        command.is_some_and(|Words(command)| is_reference_server(command))
    };
    let all_are_own = match &document.arm[..] {
        [] => is_own(&document.target),
        arms => arms.iter().all(|arm| is_own(&arm.target)),
    };
    document.load.rate.is_none() && document.storm.is_none() && !all_are_own
}

/// Whether this command starts a server of this program.
fn is_reference_server(command: &[String]) -> bool {
    let [program, serve, ..] = command else {
        return false;
    };
    let name = Path::new(program).file_name();
    let is_own = program == "{comeback}" || name.is_some_and(|name| name == "comeback");
    is_own && serve == "serve"
}

/// Reads an experiment file.
fn read(path: &Path) -> Result<File, CliError> {
    let problem = match std::fs::File::open(path).and_then(read_text) {
        Ok(text) => return File::parse(path, text, &Faults).map_err(refuse),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidData | ErrorKind::FileTooLarge
            ) =>
        {
            error.to_string()
        }
        Err(_) if path.join(record::EVENTS).is_file() => format!(
            "this is the folder of a run, not an experiment file: `comeback replay {0}` runs it again, and `comeback report {0}` \
             shows it",
            path.display()
        ),
        Err(error) => {
            if let Some(target) = path.to_str().and_then(comeback_servers::find) {
                servers::check_http(target).map_err(targets::refuse)?;
            }
            format!(
                "{error} (`comeback init` writes an experiment file; the command of a server goes behind --)"
            )
        }
    };
    Err(CliError::Usage(format!("{}: {problem}", path.display())))
}

/// Reports problems by the lines of the file.
pub(super) fn refuse(unreadable: Unreadable) -> CliError {
    CliError::Experiment(Box::new(unreadable))
}

/// Reports problems by the names of the flags.
pub(super) fn usage(problems: Vec<Problem>) -> CliError {
    const STEPS: [&str; 4] = ["login", "act", "check", "logout"];
    let lines = problems.iter().map(|problem| {
        // A step as a whole is a flag. A part of one is named by its path.
        match STEPS.contains(&problem.name.as_str()) {
            true => format!("--{problem}"),
            false => problem.to_string(),
        }
    });
    CliError::Usage(lines.collect::<Vec<_>>().join("\n"))
}

/// Reads a path. A space would end it in a request.
fn get(path: &str) -> Result<StepPart, CliError> {
    let is_template = path.contains("{{");
    if !path.starts_with('/') || !is_template && path.contains(char::is_whitespace) {
        return Err(CliError::Usage(format!(
            "--get: {path:?} is not a path: it must begin with /; write spaces as %20"
        )));
    }
    Ok(StepPart::new(format!("GET {path}")))
}

pub(crate) fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((_, value)) if is_masked(value) => Err(format!(
            "{value} is a placeholder for a value that was not stored: write the value"
        )),
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("use NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_servers_are_known_by_their_command() {
        let is_known = |command: &str| {
            let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
            is_reference_server(&words)
        };
        for own in [
            "{comeback} serve journal --port {port}",
            "target/debug/comeback serve memory --port {port}",
            "comeback serve token --port {port}",
        ] {
            assert!(is_known(own), "{own}");
        }
        for other in [
            "./server {port}",
            "./serve serve {port}",
            "comeback",
            "comeback balance --port {port}",
        ] {
            assert!(!is_known(other), "{other}");
        }
    }
}
