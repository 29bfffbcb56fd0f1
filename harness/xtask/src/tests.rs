//! All tests of the workspace. Several programs may run at a time, since most tests wait for a server; each measures, and
//! disturbs the others.

use std::collections::VecDeque;
use std::env;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::Value;

use crate::{Failed, run, say};

/// Those that take longest, which begin first.
const FIRST: &[&str] = &[
    "claims",
    "readme",
    "dishonest",
    "experiment",
    "servers",
    "try_out",
    "storm",
    "verdicts",
    "regression",
    "gates",
    "stores",
    "rolling_restart",
    "power_loss",
    "explore",
    "external",
    "bad_input",
    "calibration",
];

/// Those that hold measured times to known ones, on an idle machine all of them: nothing else runs beside.
const ALONE: [&str; 1] = ["truth"];

/// In which the kernel tells of processor time, on every machine that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// How tests run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Test programs that run at the same time; each runs as many tests at once as there are cores
    #[arg(long, value_name = "N", default_value_t = Self::default().at_once)]
    at_once: usize,
}

impl Default for Args {
    fn default() -> Self {
        Self { at_once: 3 }
    }
}

/// A program with tests.
struct Program {
    name: String,
    /// What it tests, from the package's folder.
    source: String,
    file: PathBuf,
    package: PathBuf,
}

/// Builds all tests and runs each of them, whatever fails; then the examples in the documentation.
pub(crate) fn tests(args: &Args) -> Result<(), Failed> {
    let mut programs = build()?;
    // What the compiler wrote would make the disk stand still while the tests measure.
    run("sync", &[])?;
    // A stable order: the long ones first, all others as cargo built them.
    programs.sort_by_key(|program| {
        let place = FIRST.iter().position(|name| *name == program.name);
        place.unwrap_or(FIRST.len())
    });
    let count = programs.len();
    let is_alone = |program: &Program| ALONE.contains(&program.name.as_str());
    let (alone, together) = programs.into_iter().partition(is_alone);
    let mut failed = run_all(together, args.at_once.max(1));
    failed.extend(run_all(alone, 1));
    let documented = run("cargo test --workspace --doc", &[]);
    if !failed.is_empty() {
        return Err(Failed(format!(
            "{} of {count} test programs failed: {}. What they printed stands above; \
             `cargo test --workspace --test NAME` runs one again",
            failed.len(),
            failed.join(", ")
        )));
    }
    documented
}

/// Runs these programs, so many at a time; which failed, and why.
fn run_all(programs: VecDeque<Program>, at_once: usize) -> Vec<String> {
    let (queue, failed) = (Mutex::new(programs), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    // The lock is not held while the program runs.
                    let next = lock(&queue).pop_front();
                    let Some(program) = next else { break };
                    if let Err(why) = program.run() {
                        lock(&failed).push(format!("{} ({why})", program.source));
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What all threads share; a thread that panicked left it whole.
fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has cargo build every program with tests, and tell which.
fn build() -> Result<Vec<Program>, Failed> {
    let line = "cargo test --workspace --no-run --message-format json-render-diagnostics";
    say(&format!("xtask: {line}"));
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap_or_default())
        .args(words)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failed(format!("{line}: {error}")))?;
    if !output.status.success() {
        return Err(Failed(format!("`{line}` ended with {}", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let programs: Vec<Program> = text.lines().filter_map(Program::read).collect();
    if programs.is_empty() {
        return Err(Failed(format!("`{line}` named no program")));
    }
    Ok(programs)
}

impl Program {
    /// A message of cargo, if it is about a program with tests.
    fn read(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        if message["profile"]["test"] != true {
            return None;
        }
        let file = message["executable"].as_str()?.into();
        let target = &message["target"];
        let package = Path::new(message["manifest_path"].as_str()?)
            .parent()?
            .to_owned();
        let source = Path::new(target["src_path"].as_str()?);
        let folder = package.file_name()?.to_string_lossy().into_owned();
        let source = source.strip_prefix(&package).unwrap_or(source).display();
        Some(Self {
            name: target["name"].as_str()?.to_owned(),
            source: format!("{folder}/{source}"),
            file,
            package,
        })
    }

    /// Runs all its tests in the package's folder, as cargo does, and prints what they printed when they are done. They have a
    /// folder for temporary files of their own, and may leave nothing there.
    fn run(&self) -> Result<(), String> {
        let began = Instant::now();
        say(&format!("xtask: tests of {} begin", self.source));
        let printed = self.file.with_extension("printed");
        let told = |error| format!("{}: {error}", printed.display());
        // PostgreSQL runs as a user of its own, which has to reach what is in it.
        let temporary = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .map_err(|error| error.to_string())?;
        let out = fs::File::create(&printed).map_err(told)?;
        let mut child = Command::new(&self.file)
            .arg("--show-output")
            .current_dir(&self.package)
            .env("CARGO_MANIFEST_DIR", &self.package)
            .env("TMPDIR", temporary.path())
            .env("PATH", system_first())
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(told)?)
            .stderr(out)
            .spawn()
            .map_err(|error| format!("{}: {error}", self.file.display()))?;
        let processor = processor_seconds(&child);
        let status = child.wait().map_err(|error| error.to_string())?;
        let text = fs::read(&printed).map_err(told)?;
        let text = String::from_utf8_lossy(&text);
        let head = format!(
            "\nxtask: tests of {} took {:.0} s, and {} s of a processor",
            self.source,
            began.elapsed().as_secs_f64(),
            processor.map_or("?".to_owned(), |seconds| format!("{seconds:.0}")),
        );
        say(&match status.success() {
            true => [vec![&*head], worth_telling(&text)].concat().join("\n"),
            false => format!("{head}\n{text}"),
        });
        fs::remove_file(&printed).map_err(told)?;
        if !status.success() {
            return Err(status.to_string());
        }
        let left: Vec<_> = fs::read_dir(temporary.path())
            .map_err(|error| error.to_string())?
            .flatten()
            .map(|left| described(&left.path()))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        Err(format!(
            "it left temporary files or folders: {}",
            left.join("; ")
        ))
    }
}

/// PATH with this cargo and the system's own programs first. A version manager puts shell scripts before them, which take a
/// tenth of a second of a processor for each `python3` that a test starts.
fn system_first() -> OsString {
    let own = env::var_os("PATH").unwrap_or_default();
    let cargo = env::var_os("CARGO").and_then(|cargo| Some(Path::new(&cargo).parent()?.to_owned()));
    let system = ["/usr/bin", "/bin"].map(PathBuf::from);
    let first = cargo.into_iter().chain(system);
    env::join_paths(first.chain(env::split_paths(&own))).unwrap_or(own)
}

/// A file, or a folder with what is in it, for a message.
fn described(path: &Path) -> String {
    let names = |folder| -> Vec<_> {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|inner| inner.file_name().to_string_lossy().into_owned())
            .collect()
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match names(path) {
        inner if inner.is_empty() => name.into_owned(),
        inner => format!("{name} with {}", inner.join(", ")),
    }
}

/// Waits until a program has ended, without taking its end: the seconds of processors that it and all it waited for have had.
fn processor_seconds(child: &Child) -> Option<f64> {
    let pid = Pid::from_child(child);
    waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )
    .ok()?;
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    // Behind the name, which may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let times = fields.split_whitespace().skip(11).take(4);
    let ticks: Vec<f64> = times.filter_map(|ticks| ticks.parse().ok()).collect();
    Some(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}

/// What is to be known of a program whose tests passed: how many, and what they skipped or did not judge.
fn worth_telling(text: &str) -> Vec<&str> {
    let is_worth = |line: &&str| {
        let marks = ["test result:", "skipped:", "not judged"];
        marks.iter().any(|mark| line.starts_with(mark))
    };
    text.lines().filter(is_worth).collect()
}

#[cfg(test)]
mod own {
    use super::*;

    #[test]
    fn the_processor_time_of_a_program_has_that_of_what_it_waited_for() {
        let inner = "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done";
        let mut child = Command::new("sh")
            .args(["-c", &format!("sh -c '{inner}'; exit 3")])
            .spawn()
            .expect("a shell");
        let seconds = processor_seconds(&child).expect("it has ended");
        assert!(seconds > 0.0, "{seconds}");
        // Its end is still there to be taken.
        let status = child.wait().expect("it has ended");
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn of_what_passed_only_the_unjudged_is_told() {
        let text = "test one ... ok\n\n---- one stdout ----\nskipped: nginx is not installed\n\ntest result: ok. 1 passed";
        assert_eq!(
            worth_telling(text),
            [
                "skipped: nginx is not installed",
                "test result: ok. 1 passed"
            ]
        );
    }
}
