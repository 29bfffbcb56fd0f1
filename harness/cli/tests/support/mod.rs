//! What the tests of the whole program share: running it, and seeing that nothing is left.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::print_stderr, reason = "a test says when it is skipped")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use comeback_analysis::summary::{ArmSummary, Summary};
use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_comeback");

/// The session of the reference servers, in an experiment file.
pub(crate) const CONTRACT_SESSION: &str = r#"[session]
value = "/visits"
identity = { at = "/user", name = "u{{ session }}" }
[session.login]
request = "POST /login"
json = { user = "u{{ session }}" }
[session.act]
request = "POST /visit"
[session.check]
request = "GET /me""#;

/// A run of the program in a folder of its own.
pub(crate) struct Run {
    pub(crate) folder: TempDir,
    pub(crate) output: Output,
}

impl Run {
    /// The exit code.
    pub(crate) fn code(&self) -> i32 {
        self.output.status.code().expect("it ended by itself")
    }

    /// Everything it printed, for messages.
    pub(crate) fn printed(&self) -> String {
        printed(&self.output)
    }

    /// The folder of the results.
    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// The summary document.
    pub(crate) fn summary(&self) -> Summary {
        let path = self.out().join("summary.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("{}: {error}\n{}", path.display(), self.printed());
        });
        serde_json::from_str(&text).expect("the summary has its shape")
    }

    /// The events, one JSON value each, the header aside.
    pub(crate) fn events(&self) -> Vec<Value> {
        read_events(&self.out())
    }
}

/// Everything that a program printed, with each sentence of a verdict on one line again.
fn printed(output: &Output) -> String {
    let stdout = unfolded(&String::from_utf8_lossy(&output.stdout));
    format!("{stdout}\n{}", said(output))
}

/// What a program printed on stderr, with each sentence on one line again.
pub(crate) fn said(output: &Output) -> String {
    unfolded(&String::from_utf8_lossy(&output.stderr))
}

/// A text whose sentences go on behind four blanks where they are longer than a line, without these breaks.
pub(crate) fn unfolded(text: &str) -> String {
    let mut unfolded = String::new();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("    ") {
            // A quoted line of a file stands behind its number and a bar.
            Some(rest) if !rest.starts_with([' ', '|']) && unfolded.ends_with('\n') => {
                unfolded.pop();
                unfolded.push(' ');
                unfolded.push_str(rest);
            }
            _ => unfolded.push_str(line),
        }
    }
    unfolded
}

/// An arm of a run with one fault in each, which landed.
pub(crate) fn arm<'a>(summary: &'a Summary, name: &str) -> &'a ArmSummary {
    let arm = summary.arms.iter().find(|arm| arm.name == name);
    let arm = arm.unwrap_or_else(|| panic!("there is no arm '{name}'"));
    assert_eq!(arm.trials, 1, "{name}: {:?}", arm.reason);
    // A void trial that another replaced may have had its fault, too.
    assert!(arm.faults_landed >= 1, "{name}: {:?}", arm.reason);
    arm
}

/// The events of a run folder, one JSON value each, the header aside.
pub(crate) fn read_events(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("journal.jsonl")).expect("there is a journal");
    text.lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect()
}

/// What the journal of a run folder begins with.
pub(crate) fn read_header(out: &Path) -> Value {
    let text = std::fs::read_to_string(out.join("journal.jsonl")).expect("there is a journal");
    serde_json::from_str(text.lines().next().expect("a line")).expect("it is JSON")
}

/// Runs the program with these words, results going to `<folder>/out`, and checks that nothing is left.
pub(crate) fn run<W: AsRef<OsStr>>(words: &[W]) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let output = command(folder.path(), words)
        .output()
        .expect("the program starts");
    let run = Run { folder, output };
    assert_nothing_left(run.folder.path());
    run
}

/// Variables that change what is printed; tests run in terminals and in CI systems that set them.
const ABOUT_OUTPUT: [&str; 6] = [
    "GITHUB_ACTIONS",
    "GITHUB_STEP_SUMMARY",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "TERM",
];

/// The program, ready to be started in `folder`.
pub(crate) fn command<W: AsRef<OsStr>>(folder: &Path, words: &[W]) -> Command {
    let mut command = Command::new(PROGRAM);
    for name in ABOUT_OUTPUT {
        command.env_remove(name);
    }
    command
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The program in a pid namespace of its own, without arguments yet; none, and told as skipped, where that is not allowed.
pub(crate) fn in_a_pid_namespace() -> Option<Command> {
    let unshare = |program| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child", program]);
        command
    };
    let is_allowed = unshare("true")
        .status()
        .is_ok_and(|status| status.success());
    is_there_or_skipped("the right to make a pid namespace", is_allowed).then(|| unshare(PROGRAM))
}

/// Whether a process has this folder as its working directory or among its arguments or environment: that
/// is how everything a run started, however detached, is known.
pub(crate) fn processes_of(folder: &Path) -> Vec<String> {
    let name = folder
        .file_name()
        .expect("a folder has a name")
        .to_string_lossy()
        .into_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let path = entry.path();
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        if pid == std::process::id() {
            continue;
        }
        let read = |file: &str| std::fs::read(path.join(file)).unwrap_or_default();
        let text = [read("cmdline"), read("environ")].concat();
        let cwd = std::fs::read_link(path.join("cwd")).unwrap_or_default();
        if String::from_utf8_lossy(&text).contains(&name) || cwd.to_string_lossy().contains(&name) {
            found.push(format!(
                "{pid}: {}",
                String::from_utf8_lossy(&read("cmdline")).replace('\0', " ")
            ));
        }
    }
    found
}

/// Whether a run ended with this exit code. It may also be inconclusive where other work takes so much of the machine that
/// the run itself says so: then nothing more can be asked of it, and this says `false`.
#[track_caller]
pub(crate) fn ended_with(run: &Run, code: i32) -> bool {
    was_measured(run) && output_ended_with(&run.output, code)
}

/// Whether the load of every trial was sent as planned. On a busy machine it may not have been: then this says `false`, and
/// nothing more can be asked of the run, however it ended.
pub(crate) fn was_measured(run: &Run) -> bool {
    let busy = has_void_trial(&run.out()).then(how_busy).flatten();
    if let Some(busy) = &busy {
        let printed = run.printed();
        eprintln!("not judged, for the machine is busy ({busy}): {printed}");
    }
    busy.is_none()
}

/// The same of a program's output.
#[track_caller]
pub(crate) fn output_ended_with(output: &Output, code: i32) -> bool {
    let found = output.status.code();
    if code != 3
        && found == Some(3)
        && let Some(busy) = how_busy()
    {
        let printed = printed(output);
        eprintln!("not judged, for the machine is busy ({busy}): {printed}");
        return false;
    }
    assert_eq!(found, Some(code), "{}", printed(output));
    true
}

/// Whether a trial missed its load, or another took its place: then its arm may say less, and more trials ran than were planned.
pub(crate) fn has_void_trial(out: &Path) -> bool {
    let text = std::fs::read_to_string(out.join("summary.json")).unwrap_or_default();
    let summary: Option<Summary> = serde_json::from_str(&text).ok();
    let arms = summary.map(|summary| summary.arms).unwrap_or_default();
    let is_busy = text.contains("this machine was too busy to judge times");
    is_busy || text.contains("; the floor is ") || arms.iter().any(|arm| !arm.replaced.is_empty())
}

/// A machine is busy where somebody waits for a core, or for the disk, for more than these shares of the time, in percent. A
/// few waits for a core are usual; one for the disk stops a server that stores, and the harness that writes its journal.
const SHARES_OF_WAITING: [(&str, &str, f64); 2] = [
    ("/proc/pressure/cpu", "a core", 40.0),
    ("/proc/pressure/io", "the disk", 20.0),
];
/// So many processes that want a core make a machine busy.
const PROCESSES_PER_CORE: f64 = 3.0;

/// What makes this machine busy, if anything does. The load average follows a burst of work only after a minute; the kernel's
/// account of waiting follows it at once, where there is one.
pub(crate) fn how_busy() -> Option<String> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    for (path, what, most) in SHARES_OF_WAITING {
        let pressure = read(path);
        let shares = pressure.split_whitespace().take(3).filter_map(|word| {
            let (_, share) = word.split_once('=')?;
            share.parse().ok()
        });
        let waiting = shares.fold(0.0, f64::max);
        if waiting > most {
            return Some(format!("somebody waits for {what} {waiting} % of the time"));
        }
    }
    let load = read("/proc/loadavg");
    let load: f64 = load.split(' ').next()?.parse().ok()?;
    let cores = std::thread::available_parallelism().ok()?.get();
    let each = load / cores as f64;
    (each > PROCESSES_PER_CORE).then(|| format!("{each:.1} processes for each core"))
}

/// Whether what a test needs is installed, which is so when this command succeeds. Where it is not, the test is to be
/// skipped, and that is told; in CI it is a failure.
pub(crate) fn has(what: &str, command: &[&str]) -> bool {
    let output = Command::new(command[0]).args(&command[1..]).output();
    is_there_or_skipped(what, output.is_ok_and(|output| output.status.success()))
}

/// The same where something else than a command tells whether it is installed.
pub(crate) fn is_there_or_skipped(what: &str, is_there: bool) -> bool {
    if is_there {
        return true;
    }
    let why = format!("skipped: {what} is not installed (`cargo xtask install` installs it)");
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("{why}");
    false
}

/// What is mounted below a folder. Other tests of the same program mount their disks meanwhile, each below its own folder.
pub(crate) fn mounts_in(folder: &Path) -> Vec<String> {
    let path = folder.to_str().expect("it is UTF-8");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("it is readable");
    let found = mounts.lines().filter(|line| line.contains(path));
    found.map(str::to_owned).collect()
}

/// Fails when a process, a mount or a data folder of the run is left.
pub(crate) fn assert_nothing_left(folder: &Path) {
    let left = processes_of(folder);
    assert!(left.is_empty(), "left behind: {left:#?}");
    assert_eq!(mounts_in(folder), Vec::<String>::new());
    let data = folder.join("out").join("data");
    assert!(!data.exists(), "{} is left behind", data.display());
}

/// Whether a disk that forgets can be laid here. Nothing that could be installed is missing where it cannot, so that this is no failure
/// in CI.
pub(crate) fn can_lose_power() -> bool {
    let listed = Command::new(PROGRAM).args(["faults", "--json"]).output();
    let kinds: Value =
        serde_json::from_slice(&listed.expect("the program starts").stdout).expect("it is JSON");
    let mut kinds = kinds.as_array().expect("it is a list").iter();
    let kind = kinds
        .find(|kind| kind["name"] == "power_loss")
        .expect("it is listed");
    let works = kind["works"] == true;
    if !works {
        eprintln!("skipped: power_loss does not work here: {kind}");
    }
    works
}
