//! The project's chores. `cargo xtask test` passes every check and installs what they need.

#![expect(clippy::print_stderr, reason = "a chore tells what it does")]

mod fuzz;
mod kills;
mod package;
mod statistics;
mod terminal;
mod tests;

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
    /// Install what is missing, then run every check: format, clippy, tests, documentation, README, fuzzing
    Test(tests::Args),
    /// Install the Debian packages that tests need
    Install,
    /// Write the files of a release: an archive and a Debian package with their SHA-256 sums
    Package(package::Args),
    /// Run each fuzz target for a while
    Fuzz(fuzz::Args),
    /// Simulate how often intervals and gates are right, and print the tables of METHOD.md
    Statistics(statistics::Args),
    /// Kill the harness at random instants over every kind of run, and count what is left
    Kills(kills::Args),
    /// Draw the gallery and the pictures of the README and the guides again, from real runs
    Gallery,
    /// Draw recordings of the terminal: those of the README and the guides, or one of a command of your own
    Terminal(terminal::Args),
    /// Measure all claims again, and write the table of `harness/docs/claims.md`
    Claims,
}

/// How it is seen that a package is there.
enum Sign {
    /// A program in PATH.
    Program(&'static str),
    /// A file, where there is no program, or one that is in root's PATH alone and has no option that just ends.
    File(&'static str),
    /// A command that succeeds.
    Command(&'static [&'static str]),
}

/// Debian's own Python, whose modules are Debian's too; the one in PATH may be another.
const PYTHON: &str = "/usr/bin/python3";

/// The package with PostgreSQL, which makes and starts a cluster of its own when it is installed, unless it is told.
const POSTGRESQL: &str = "postgresql";

/// What the tests need, and the Debian packages that bring it.
const NEEDED: [(Sign, &str); 34] = [
    (Sign::Command(&[PYTHON, "--version"]), "python3"),
    // What it gets from its registry is in `harness/cli/tests/data/python/install.sh`.
    (
        Sign::Command(&[PYTHON, "-m", "pip", "--version"]),
        "python3-pip",
    ),
    (Sign::Program("chromium"), "chromium"),
    (Sign::Program("xmllint"), "libxml2-utils"),
    (Sign::Program("redis-server"), "redis-server"),
    // Only root's PATH leads there.
    (Sign::Command(&["/usr/sbin/nginx", "-v"]), "nginx-light"),
    (Sign::Command(&["/usr/sbin/haproxy", "-v"]), "haproxy"),
    (Sign::Program("pg_createcluster"), POSTGRESQL),
    (Sign::Program("php"), "php-cli"),
    (Sign::Program("strace"), "strace"),
    (Sign::Program("runsv"), "runit"),
    (Sign::Program("supervisord"), "supervisor"),
    (
        Sign::Command(&[PYTHON, "-c", "import flask"]),
        "python3-flask",
    ),
    (
        Sign::Command(&[PYTHON, "-c", "import django"]),
        "python3-django",
    ),
    (
        Sign::Command(&[PYTHON, "-c", "import cherrypy"]),
        "python3-cherrypy3",
    ),
    (
        Sign::Command(&[PYTHON, "-c", "import fastapi"]),
        "python3-fastapi",
    ),
    (
        Sign::Command(&[PYTHON, "-c", "import uvicorn"]),
        "python3-uvicorn",
    ),
    // What they get from its registry is in `harness/experiments/apps/install.sh`.
    (Sign::Program("node"), "nodejs"),
    (Sign::Program("npm"), "npm"),
    (Sign::Program("ruby"), "ruby"),
    (
        Sign::Command(&["ruby", "-e", "require 'sinatra/base'"]),
        "ruby-sinatra",
    ),
    (Sign::Program("go"), "golang-go"),
    // A Java without its compiler is often there already.
    (Sign::Program("javac"), "default-jdk-headless"),
    (
        Sign::File("/usr/share/java/tomcat10-embed-core.jar"),
        "libtomcat10-embed-java",
    ),
    // Tomcat does not start without it, and its package does not ask for it.
    (
        Sign::File("/usr/share/java/jakarta-annotation-api.jar"),
        "libjakarta-annotation-api-java",
    ),
    (Sign::Program("curl"), "curl"),
    (Sign::Program("dig"), "bind9-dnsutils"),
    (Sign::Program("lftp"), "lftp"),
    (Sign::Program("telnet"), "inetutils-telnet"),
    (Sign::File("/usr/sbin/telnetd"), "inetutils-telnetd"),
    (Sign::File("/usr/sbin/inetutils-inetd"), "inetutils-inetd"),
    (Sign::File("/usr/sbin/unbound"), "unbound"),
    (Sign::File("/usr/sbin/vsftpd"), "vsftpd"),
    (Sign::File("/usr/sbin/nft"), "nftables"),
];

/// Keeps Debian from making and starting a cluster of the machine's own: tests make theirs, and port 5432 is not ours
/// to take. Written before the package is there, which leaves a file alone that it finds.
const NO_CLUSTER: (&str, &str) = (
    "/etc/postgresql-common/createcluster.conf",
    "create_main_cluster = false",
);

/// Services that the packages of other protocols bring. Where systemd starts a machine it would start them, too: a name
/// server and an FTP server that nobody asked for, and an inetd with the Telnet that it was told of.
const NOT_STARTED: [&str; 4] = ["unbound", "vsftpd", "inetutils-inetd", "inetutils-syslogd"];

/// Where a machine's own units are, before those of packages.
const UNITS: &str = "/etc/systemd/system";

/// A chore that did not succeed: which command, and how it ended.
struct Failed(String);

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Test(args) => install_missing(&NEEDED).and_then(|()| test(&args)),
        Chore::Install => install_missing(&NEEDED),
        Chore::Package(args) => package::package(&args),
        Chore::Fuzz(args) => fuzz::fuzz(&args),
        Chore::Statistics(args) => statistics::statistics(&args),
        Chore::Kills(args) => kills::kills(&args),
        Chore::Gallery => gallery(),
        Chore::Terminal(args) => terminal::terminal(&args),
        Chore::Claims => claims(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(what)) => {
            eprintln!("xtask: {what}");
            ExitCode::FAILURE
        }
    }
}

/// Tells what is done.
fn say(line: &str) {
    eprintln!("{line}");
}

fn test(args: &tests::Args) -> Result<(), Failed> {
    // A lock file that does not fit a manifest is told at once, and not when all else has run.
    run("cargo fetch --locked", &[])?;
    run(fuzz::FETCH, &[])?;
    run("cargo fmt --all --check", &[])?;
    run(
        "cargo clippy --workspace --all-targets -- --deny warnings",
        &[],
    )?;
    // What a user's test compiles who switches everything off.
    run(
        "cargo clippy --package comeback --no-default-features -- --deny warnings",
        &[],
    )?;
    tests::tests(args)?;
    kills::few()?;
    let strict = [("RUSTDOCFLAGS", "--deny warnings")];
    run("cargo doc --workspace --no-deps", &strict)?;
    fuzz::fuzz(&fuzz::Args::default())
}

fn gallery() -> Result<(), Failed> {
    run("rm -rf reports/gallery", &[])?;
    run(
        "cargo run --release -- compare --seed 1 --out reports/gallery",
        &[],
    )?;
    // What everything was drawn from is too much to keep, and each chart is there as SVG; what was drawn stays.
    run_script("cd reports/gallery && rm -rf operations.csv journal.jsonl logs charts/*.png")?;
    terminal::terminal(&terminal::Args::default())
}

/// The page with the table of claims.
const CLAIMS_PAGE: &str = "harness/docs/claims.md";

/// Where the table begins and ends.
const CLAIMS: [&str; 2] = [
    "<!-- claims: written by `cargo xtask claims` -->\n",
    "<!-- end of claims -->",
];

fn claims() -> Result<(), Failed> {
    run("rm -rf reports/claims", &[])?;
    run(
        "cargo run --release -- claims --seed 3 --out reports/claims",
        &[],
    )?;
    // What everything was drawn from is too much to keep; the reports stay, which need no other file.
    run_script(
        "cd reports/claims && find claim-* -type f ! -name report.html ! -name facts.jsonl ! -name evidence.jsonl -delete && find . -type d -empty -delete",
    )?;
    let read = |path: &str| {
        std::fs::read_to_string(path).map_err(|error| Failed(format!("{path}: {error}")))
    };
    let (page, kept) = (read("reports/claims/claims.md")?, read(CLAIMS_PAGE)?);
    let table: String = page
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| [line, "\n"])
        .collect();
    let [begin, end] = CLAIMS;
    let parts = kept
        .split_once(begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let (before, after) = parts.ok_or_else(|| {
        Failed(format!(
            "{CLAIMS_PAGE} has no place between {begin:?} and {end:?}"
        ))
    })?;
    let text = format!("{before}{begin}{table}{end}{after}");
    std::fs::write(CLAIMS_PAGE, text).map_err(|error| Failed(format!("{CLAIMS_PAGE}: {error}")))
}

/// Installs the Debian packages whose sign is missing.
fn install_missing(needed: &[(Sign, &'static str)]) -> Result<(), Failed> {
    let missing: Vec<&str> = needed
        .iter()
        .filter(|(sign, _)| !sign.is_there())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let sudo = if is_on_path("sudo") { "sudo " } else { "" };
    if missing.contains(&POSTGRESQL) {
        let (path, line) = NO_CLUSTER;
        run_script(&format!(
            "test -e {path} || {{ {sudo}mkdir -p $(dirname {path}) && echo {line} | {sudo}tee {path}; }}"
        ))?;
    }
    if missing
        .iter()
        .any(|package| NOT_STARTED.contains(package) || *package == "inetutils-telnetd")
    {
        // Masked before they are there; who runs one by purpose has its unit already, and keeps it.
        for service in NOT_STARTED {
            run_script(&format!(
                "test -e /etc/init.d/{service} || test -e {UNITS}/{service}.service || \
                 {{ {sudo}mkdir -p {UNITS} && {sudo}ln -s /dev/null {UNITS}/{service}.service; }}"
            ))?;
        }
    }
    // `env`, for sudo passes no variables on. With the second one systemctl starts nothing: the tests start servers of
    // their own, and nobody asked for an nginx on port 80 and a Redis on 6379.
    let apt = format!("{sudo}env DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 apt-get --quiet");
    run(&format!("{apt} update"), &[])?;
    let missing = missing.join(" ");
    run(
        &format!("{apt} install --yes --no-install-recommends {missing}"),
        &[],
    )
}

impl Sign {
    fn is_there(&self) -> bool {
        match self {
            Self::Program(program) => is_on_path(program),
            Self::File(path) => std::path::Path::new(path).is_file(),
            Self::Command(words) => Command::new(words[0])
                .args(&words[1..])
                .output()
                .is_ok_and(|output| output.status.success()),
        }
    }
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
