//! `comeback cleanup`: shows and removes what killed runs left behind.

use comeback_analysis::verdict::Outcome;
use comeback_reports::format::printable;
use serde::Serialize;

use super::{CliError, print, say};
use comeback_supervise::leftovers::{self, Leftovers, Process, Recorded, State};

/// Show what killed runs left behind; with --yes, end and remove it.
///
/// A run cleans up after itself, even if it is killed. Use this for the rest, for example after the machine ran out of
/// memory. It touches only runs whose comeback process is gone, and only what they provably started or created. A run in
/// progress, a run in another container, and a process that merely carries a run's variables are listed and left
/// alone. Exits 4 if something could not be ended or removed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  comeback cleanup          # list: run, command, folder, processes with their owner\n  \
                  comeback cleanup --yes    # end the processes, remove memory and data folders\n  \
                  comeback cleanup --json"
)]
pub(super) struct Args {
    /// End and remove what is listed
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    runs: Vec<Run>,
    /// Processes that carry the tag of a run that has ended, without proof that it started them.
    left_alone: Vec<Stray>,
}

#[derive(Debug, Serialize)]
struct Run {
    run: String,
    /// `running`, `elsewhere` or `ended`.
    state: &'static str,
    command: String,
    folder: String,
    processes: Vec<Entry>,
    shared_memory: Vec<String>,
    /// Commands that undo what it did to the machine.
    to_undo: Vec<String>,
    /// The folder with the files of its servers, if it is left.
    data: Option<String>,
    /// Everything that could not be ended or removed. Null if nothing was tried.
    problems: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct Entry {
    pid: i32,
    owner: String,
    command: String,
}

#[derive(Debug, Serialize)]
struct Stray {
    #[serde(flatten)]
    process: Entry,
    run: String,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let found = leftovers::find()?;
    let document = Document::new(&found, args.yes);
    if args.json {
        print(&serde_json::to_string_pretty(&document)?);
    } else {
        document.tell(args.yes);
    }
    let problems: Vec<_> = (document
        .runs
        .iter()
        .flat_map(|run| run.problems.iter().flatten()))
    .map(String::as_str)
    .collect();
    if problems.is_empty() {
        return Ok(Outcome::Pass);
    }
    Err(CliError::Harness(problems.join("\n").into()))
}

impl Document {
    fn new(found: &Leftovers, shall_end: bool) -> Self {
        let strays = found.unproven.iter().map(|stray| Stray {
            process: Entry::new(&stray.process),
            run: stray.run.clone(),
        });
        Self {
            runs: (found.runs.iter())
                .map(|run| Run::new(run, shall_end))
                .collect(),
            left_alone: strays.collect(),
        }
    }

    fn tell(&self, did_end: bool) {
        for run in &self.runs {
            run.tell();
        }
        for stray in &self.left_alone {
            say(&format!(
                "process {} carries the tag of run {}, but nothing proves that the run started it: left alone; end it \
                 with `kill {}` if you know it",
                stray.process.told(),
                stray.run,
                stray.process.pid
            ));
        }
        let ended = self.runs.iter().filter(|run| run.state == "ended").count();
        match (ended, did_end) {
            (0, _) => say("nothing is left behind"),
            (_, false) => say(
                "nothing was changed: `comeback cleanup --yes` ends and removes what ended runs left",
            ),
            (_, true) => {}
        }
    }
}

impl Run {
    fn new(found: &Recorded, shall_end: bool) -> Self {
        let lease = &found.stored.lease;
        let scratch = found
            .has_scratch
            .then(|| lease.scratch.display().to_string());
        Self {
            run: lease.tag.clone(),
            state: match found.state {
                State::Running => "running",
                State::Elsewhere => "elsewhere",
                State::Ended => "ended",
            },
            command: lease.command.clone(),
            folder: found.folder().display().to_string(),
            processes: found.processes.iter().map(Entry::new).collect(),
            shared_memory: found.memory.clone(),
            to_undo: found.leases.clone(),
            data: scratch,
            problems: (shall_end && found.is_left()).then(|| found.undo()),
        }
    }

    fn tell(&self) {
        say(&format!(
            "run {}: {}",
            self.run,
            match (self.state, &self.problems) {
                ("running", _) => "is still running, and is left alone",
                ("elsewhere", _) =>
                    "runs in another pid namespace (a container), and is left alone",
                (_, None) => "its comeback is gone",
                (_, Some(problems)) if problems.is_empty() => "ended and removed",
                _ => "could not be ended and removed entirely",
            }
        ));
        say(&format!("  command  {}", printable(&self.command)));
        say(&format!("  folder   {}", printable(&self.folder)));
        for process in &self.processes {
            say(&format!("  process  {}", process.told()));
        }
        for memory in &self.shared_memory {
            say(&format!("  memory   {}", printable(memory)));
        }
        for undo in &self.to_undo {
            say(&format!("  to undo  {}", printable(undo)));
        }
        if let Some(data) = &self.data {
            say(&format!("  data     {}", printable(data)));
        }
    }
}

impl Entry {
    fn new(process: &Process) -> Self {
        Self {
            pid: process.pid,
            owner: process.owner.clone(),
            command: process.command.clone(),
        }
    }

    fn told(&self) -> String {
        format!(
            "{} ({}): {}",
            self.pid,
            self.owner,
            printable(&self.command)
        )
    }
}
