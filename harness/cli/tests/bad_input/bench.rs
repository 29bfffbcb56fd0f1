//! Runs the rows of a table, a few at a time, and judges each by the same rules.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{PROGRAM, how_busy, processes_of};

/// A server, the flags it is run with, and what must come of it.
pub(crate) struct Row {
    /// What is said of it when it fails.
    pub(crate) name: &'static str,
    /// The server's command.
    pub(crate) command: Vec<String>,
    pub(crate) flags: &'static str,
    /// The exit code.
    pub(crate) code: i32,
    /// Texts that must be told, on the terminal or in the report.
    pub(crate) told: &'static [&'static str],
    /// What happens beside the run, in its folder, until it ends.
    pub(crate) beside: Option<Beside>,
}

/// Works in the run's folder until it is told that the run is over.
pub(crate) type Beside = fn(&Path, &dyn Fn() -> bool);

/// What every row is run with; a row's own flags follow, and theirs hold.
const FLAGS: &str = "--trials 1 --sessions 5 --rate 50 --seed 1 --out out";
/// Most rows wait: two for each of the two cores that are there at least.
const AT_ONCE: usize = 4;
/// Far more than any row takes; one that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(100);
/// What the program may come to hold, whatever a server sends.
const MEMORY_MB: u64 = 150;

/// Runs the rows and fails with the name of each that is not as it should be.
pub(crate) fn check(rows: &[Row]) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(problem) = check_row(row) {
                        let failure = format!("{} ({}): {problem}", row.name, row.flags);
                        failures
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} rows:\n\n{}",
        failures.len(),
        rows.len(),
        failures.join("\n\n")
    );
}

/// A folder with the programs that cannot be started.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    write("not-executable", "#!/bin/sh\n", 0o644);
    write("bad-interpreter", "#!/no/such/interpreter\n", 0o755);
    write("no-program", "just a text\n", 0o755);
    fs::create_dir(folder.path().join("a-folder")).unwrap();
    folder
}

fn check_row(row: &Row) -> Result<(), String> {
    let folder = folder();
    let mut child = start(row, folder.path());
    let ended = AtomicUsize::new(0);
    let (code, memory_mb) = std::thread::scope(|scope| {
        if let Some(beside) = row.beside {
            let (ended, path) = (&ended, folder.path());
            scope.spawn(move || beside(path, &|| ended.load(Ordering::Relaxed) == 1));
        }
        let end = wait(&mut child);
        ended.store(1, Ordering::Relaxed);
        end
    });
    let printed = [read(folder.path(), "stdout"), read(folder.path(), "stderr")].concat();
    let told = [printed.clone(), read(folder.path(), "out/report.md")].concat();
    let found = compare_row(row, code, &told, folder.path())
        .and_then(|()| match memory_mb {
            mb if mb > MEMORY_MB => Err(format!("it came to hold {mb} MB")),
            _ => Ok(()),
        })
        .and_then(|()| nothing_left(folder.path()));
    found.map_err(|problem| format!("{problem}\n{printed}"))
}

fn start(row: &Row, folder: &Path) -> Child {
    Command::new(PROGRAM)
        .arg("run")
        .args(merged(row.flags))
        .arg("--")
        .args(&row.command)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(File::create(folder.join("stdout")).unwrap())
        .stderr(File::create(folder.join("stderr")).unwrap())
        .spawn()
        .unwrap()
}

/// The usual flags without those a row gives itself, and the row's.
fn merged(flags: &str) -> Vec<&str> {
    let own: Vec<&str> = flags.split_whitespace().collect();
    let usual: Vec<&str> = FLAGS.split_whitespace().collect();
    let kept = usual.chunks(2).filter(|pair| !own.contains(&pair[0]));
    kept.flatten().copied().chain(own.iter().copied()).collect()
}

/// The exit code, none when it hung and was ended, and the most memory seen.
fn wait(child: &mut Child) -> (Option<i32>, u64) {
    let (deadline, mut memory_mb) = (Instant::now() + PATIENCE, 0);
    loop {
        memory_mb = memory_mb.max(memory_of(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            return (Some(status.code().unwrap_or(-1)), memory_mb);
        }
        if Instant::now() >= deadline {
            // Its warden undoes the rest.
            child.kill().unwrap();
            child.wait().unwrap();
            return (None, memory_mb);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The most memory a process has held until now, in MB; nothing when it is gone.
fn memory_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("0 kB");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes / 1024
}

fn compare_row(row: &Row, code: Option<i32>, told: &str, folder: &Path) -> Result<(), String> {
    // A table may break a line anywhere between two words.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = words(told);
    match code {
        None => return Err("it hung".to_owned()),
        // The machine is to blame where the load of a server that works was missed.
        Some(3) if row.code == 0 && told.contains("; the floor is ") && how_busy().is_some() => {}
        Some(code) if code != row.code => {
            return Err(format!("exit code {code}, expected {}", row.code));
        }
        Some(_) => {}
    }
    if told.contains("panicked at") {
        return Err("it panicked".to_owned());
    }
    for text in row.told {
        // The last of many tries was under way at the end: on a busy machine it hides what the others saw.
        let hides = "it was asked, and had not answered yet";
        let is_hidden = told.contains(hides) && how_busy().is_some();
        if !is_hidden && !told.contains(&words(text)) {
            return Err(format!("it did not tell {text:?}"));
        }
    }
    for file in ["stdout", "stderr", "out/report.md", "out/report.html"] {
        if let Some(found) = read(folder, file).chars().find(|c| controls_a_terminal(*c)) {
            return Err(format!("{file} holds {found:?}"));
        }
    }
    Ok(())
}

/// Control characters, and what turns the direction of writing.
fn controls_a_terminal(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        character => character.is_control(),
    }
}

fn nothing_left(folder: &Path) -> Result<(), String> {
    let left = processes_of(folder);
    if !left.is_empty() {
        return Err(format!("left behind: {left:#?}"));
    }
    match folder.join("out/data").symlink_metadata() {
        Ok(_) => Err("its data folder is left behind".to_owned()),
        Err(_) => Ok(()),
    }
}

fn read(folder: &Path, file: &str) -> String {
    let bytes = fs::read(folder.join(file)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
