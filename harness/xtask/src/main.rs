//! The project's chores. `cargo xtask test` passes every check and installs what they need.

#![expect(clippy::print_stderr, reason = "a chore tells what it does")]

use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "The project's chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what is missing, then run every check: format, clippy, tests, documentation, README
    Test,
    /// Install the Debian packages that tests need
    Install,
    /// Draw the README's chart and the gallery anew, from a real run
    Gallery,
}

/// Programs the tests start, and the Debian packages that bring them.
const NEEDED: [(&str, &str); 7] = [
    ("python3", "python3"),
    ("chromium", "chromium"),
    ("xmllint", "libxml2-utils"),
    ("redis-server", "redis-server"),
    ("pg_createcluster", "postgresql"),
    ("haproxy", "haproxy"),
    ("nginx", "nginx-light"),
];

/// Keeps Debian from making and starting a cluster of the machine's own: tests make theirs, and port 5432 is not ours
/// to take. Written before the package is there, which leaves a file alone that it finds.
const NO_CLUSTER: (&str, &str) = (
    "/etc/postgresql-common/createcluster.conf",
    "create_main_cluster = false",
);

/// A chore that did not succeed: which command, and how it ended.
struct Failed(String);

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Test => install().and_then(|()| test()),
        Chore::Install => install(),
        Chore::Gallery => gallery(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(what)) => {
            eprintln!("xtask: {what}");
            ExitCode::FAILURE
        }
    }
}

fn test() -> Result<(), Failed> {
    run("cargo fmt --all --check", &[])?;
    run(
        "cargo clippy --workspace --all-targets -- --deny warnings",
        &[],
    )?;
    run("cargo test --workspace", &[])?;
    let strict = [("RUSTDOCFLAGS", "--deny warnings")];
    run("cargo doc --workspace --no-deps", &strict)?;
    // Optimized: the simulations that are slow otherwise, and the README's commands as its readers run them.
    run(
        "cargo test --release --package comeback-core statistics -- --ignored",
        &[],
    )?;
    run("cargo test --release --package comeback --test readme", &[])
}

fn gallery() -> Result<(), Failed> {
    run("rm -rf reports/gallery", &[])?;
    run(
        "cargo run --release -- compare --seed 1 --out reports/gallery",
        &[],
    )?;
    // What everything was drawn from is too much to keep; what was drawn stays.
    run(
        "rm -rf reports/gallery/operations.csv reports/gallery/journal.jsonl reports/gallery/logs",
        &[],
    )
}

fn install() -> Result<(), Failed> {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| !is_on_path(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let as_root = if is_on_path("sudo") { "sudo " } else { "" };
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    if missing.contains(&"postgresql") {
        let (path, line) = NO_CLUSTER;
        run_script(&format!(
            "test -e {path} || {{ {as_root}mkdir -p $(dirname {path}) && echo {line} | {as_root}tee {path}; }}"
        ))?;
    }
    run(&format!("{as_root}apt-get update --quiet"), &quiet)?;
    run(
        &format!(
            "{as_root}apt-get install --yes --quiet --no-install-recommends {}",
            missing.join(" ")
        ),
        &quiet,
    )
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs a line of shell, and says so first.
fn run_script(line: &str) -> Result<(), Failed> {
    eprintln!("xtask: {line}");
    finish(line, Command::new("sh").args(["-c", line]))
}

/// Runs a command whose words hold no spaces, and says so first.
fn run(line: &str, environment: &[(&str, &str)]) -> Result<(), Failed> {
    eprintln!("xtask: {line}");
    let mut words = line.split(' ');
    let program = words.next().unwrap_or_default();
    finish(
        line,
        Command::new(program)
            .args(words)
            .envs(environment.iter().copied()),
    )
}

fn finish(line: &str, command: &mut Command) -> Result<(), Failed> {
    let status = command
        .status()
        .map_err(|error| Failed(format!("{line}: {error}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failed(format!("`{line}` ended with {status}")))
    }
}
