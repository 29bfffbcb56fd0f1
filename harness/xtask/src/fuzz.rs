//! Fuzzing: each target of `harness/fuzz`, for a bounded number of inputs.
//!
//! Builds with the flags that `cargo fuzz --sanitizer none` passes, so that nothing has to be installed for it,
//! and both share what is built. All of them are known to a stable compiler.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use crate::{Failed, run};

/// The crate, from the project's folder.
const CRATE: &str = "harness/fuzz";
/// Gets what it depends on, if its lock file fits.
pub(crate) const FETCH: &str = "cargo fetch --locked --manifest-path harness/fuzz/Cargo.toml";
/// Its targets.
const TARGETS: [&str; 4] = ["experiment", "journal", "http", "commands"];
/// As cargo-fuzz 0.13 has them: counters at each branch, comparisons told to the fuzzer, assertions on.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0 -Cllvm-args=-sanitizer-coverage-stack-depth \
    -Cdebug-assertions -Ccodegen-units=1";
/// Beyond these lengths inputs only get slower. The longest seed, a whole journal, has 8 KB.
const LONGEST: u32 = 16 * 1024;
/// An input that takes so many seconds is a finding; the slowest take milliseconds.
const TIMEOUT: u32 = 10;

/// How much is fuzzed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these
    #[arg(value_name = "TARGET", value_parser = clap::builder::PossibleValuesParser::new(TARGETS))]
    targets: Vec<String>,
    /// Inputs for each target, at most
    #[arg(long, default_value_t = Self::default().runs)]
    runs: u32,
    /// Seconds for each target, at most
    #[arg(long, default_value_t = Self::default().seconds)]
    seconds: u32,
    /// What the inputs are drawn from; the same in each run of the tests
    #[arg(long, default_value_t = Self::default().seed)]
    seed: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            runs: 200_000,
            seconds: 20,
            seed: 1,
        }
    }
}

/// Builds the targets and runs them, two at a time.
pub(crate) fn fuzz(args: &Args) -> Result<(), Failed> {
    let host = host()?;
    let own = std::env::var("RUSTFLAGS").unwrap_or_default();
    let flags = format!("{FLAGS} {own}");
    run(
        &format!(
            "cargo build --locked --manifest-path {CRATE}/Cargo.toml --target {host} --release --bins"
        ),
        &[("RUSTFLAGS", &flags)],
    )?;
    let built = Path::new(CRATE).join(format!("target/{host}/release"));
    let mut broken = Vec::new();
    let is_asked =
        |target: &&str| args.targets.is_empty() || args.targets.iter().any(|asked| asked == target);
    let asked: Vec<&'static str> = TARGETS.into_iter().filter(is_asked).collect();
    for pair in asked.chunks(2) {
        let ended = thread::scope(|scope| {
            let run = |target: &&'static str| {
                let (target, program) = (*target, built.join(*target));
                scope.spawn(move || run_target(&program, target, args))
            };
            let running: Vec<_> = pair.iter().map(run).collect();
            let panicked = || Failed("a thread panicked".to_owned());
            let ended = running.into_iter().map(|one| one.join());
            let ended = ended.map(|told| told.unwrap_or_else(|_| Err(panicked())));
            ended.collect::<Result<Vec<Output>, _>>()
        })?;
        for (target, told) in pair.iter().zip(ended) {
            eprintln!("xtask: fuzz {target}");
            let text = String::from_utf8_lossy(&told.stderr);
            if told.status.success() {
                eprintln!("  {}, nothing found", figures(&text));
            } else {
                eprintln!("{}", finding(&text));
                eprintln!("  {}, ended with {}", figures(&text), told.status);
                broken.push(*target);
            }
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failed(format!(
        "fuzzing found something in {}: the input is named above; {CRATE}/README.md says how to run it again",
        broken.join(", ")
    )))
}

fn host() -> Result<String, Failed> {
    let told = Command::new("rustc")
        .args(["--print", "host-tuple"])
        .output();
    let told = told.map_err(|error| Failed(format!("rustc: {error}")))?;
    let host = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    match host.as_str() {
        "" => Err(Failed(
            "rustc does not say which machine it builds for".to_owned(),
        )),
        _ => Ok(host),
    }
}

fn run_target(program: &Path, target: &str, args: &Args) -> Result<Output, Failed> {
    let folder = |kind: &str| Path::new(CRATE).join(kind).join(target);
    let (corpus, artifacts) = (folder("corpus"), folder("artifacts"));
    for made in [&corpus, &artifacts] {
        std::fs::create_dir_all(made)
            .map_err(|error| Failed(format!("{}: {error}", made.display())))?;
    }
    let dictionary: PathBuf = [CRATE, "dictionaries", &format!("{target}.dict")]
        .iter()
        .collect();
    Command::new(program)
        .args([&corpus, &folder("seeds")])
        .arg(format!("-dict={}", dictionary.display()))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-runs={}", args.runs))
        .arg(format!("-max_total_time={}", args.seconds))
        .arg(format!("-seed={}", args.seed))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-timeout={TIMEOUT}"))
        .arg("-print_final_stats=1")
        .output()
        .map_err(|error| Failed(format!("{}: {error}", program.display())))
}

/// The figures that libFuzzer tells: inputs, and branches reached at first and at last.
fn figures(text: &str) -> String {
    let inputs = after(text.lines(), "stat::number_of_executed_units:");
    let first = after(text.lines().filter(|line| line.contains("INITED")), "cov:");
    let last = after(text.lines().rev(), "cov:");
    let unknown = || "?".to_owned();
    format!(
        "{} inputs, {} branches reached, {} of them by the seeds and the corpus",
        inputs.unwrap_or_else(unknown),
        last.unwrap_or_else(unknown),
        first.unwrap_or_else(unknown)
    )
}

/// The word behind a mark, in the first line that has it.
fn after<'t>(mut lines: impl Iterator<Item = &'t str>, mark: &str) -> Option<String> {
    lines.find_map(|line| {
        let (_, behind) = line.split_once(mark)?;
        behind.split_whitespace().next().map(str::to_owned)
    })
}

/// What libFuzzer says of an input that broke something, without its progress.
fn finding(text: &str) -> String {
    let lines = text.lines().skip_while(|line| {
        !line.contains("panicked") && !line.contains("ERROR") && !line.contains("SUMMARY")
    });
    lines.take(60).collect::<Vec<_>>().join("\n")
}
