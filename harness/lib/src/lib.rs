//! Comeback: kill it, see what comes back.
//!
//! From within a test, [`Experiment`] starts a server, drives user sessions against it, kills it, and starts it again. It counts
//! losses and measures how long the recovery took:
//!
//! ```
//! use std::time::Duration;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! // In a #[tokio::test], or with `run_blocking` in a plain one:
//! let report = comeback::Experiment::command(["python3", "-m", "http.server", "{port}", "--bind", "127.0.0.1"])
//!     .name("files")
//!     .operation("GET /Cargo.toml")
//!     .trials(1)
//!     .settle(Duration::from_secs(1))
//!     .run()
//!     .await?;
//! report.assert_passed();
//! assert_eq!(report.summary().arms[0].faults_landed, 1);
//! # Ok::<(), comeback::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Describe a session with [`Experiment::login`], [`act`](Experiment::act), [`check`](Experiment::check) and
//! [`value`](Experiment::value). `harness/examples/shop` is a package to copy, with such a server and its test. An experiment file
//! works, too: [`Experiment::from_file`].
//!
//! # In a test process
//!
//! - Nothing is printed. The panic of [`Report::assert_passed`] says everything. The folder of a run that did not pass stays
//!   (see [`Experiment::out`]).
//! - Experiments take turns, because loads that share cores disturb each other's figures (see [`Experiment::take_turns`]).
//! - The process is not changed: no signal handler, no adopted orphans, no change of folder or environment.
//! - Nothing outlives a run, even if the test's process is killed. A small shell process, the warden, watches it and ends
//!   everything that the run started. Processes are known by an environment variable, their process group and their parents.
//!   A process that leaves its group and its parents *and* overwrites its environment (`redis-server --daemonize yes`) is
//!   found only by the `comeback` program, which may adopt orphans. Keep servers in the foreground.
//! - The load runs at the optimization level of the test's profile. If times matter and not only counts, optimize it:
//!   `[profile.dev.package."*"]` with `opt-level = 3`.
//! - `{comeback}` in a command is the `comeback` program: the one that `COMEBACK_PROGRAM` names, else one in Cargo's target
//!   directory or in `PATH`. Nothing else needs the program.
//!
//! # Features
//!
//! - `http2`, on by default: targets may speak `http2` and `h2c`.
//! - `tls`, on by default: targets may speak `https` and `http2`.
//! - `charts`, off by default: reports contain charts.
//!
//! A plan that needs one of the first two is refused, before anything is started, if the feature is off. Switch off what you do not
//! need, and fewer packages are compiled.
//!
//! # What is stable
//!
//! Everything on this page: [`Experiment`], [`Step`], [`Report`], [`Error`], and their arguments and results. [`Summary`] is
//! `summary.json`, with its published schema. Gates, templates and experiment files are those of `comeback run`.
//!
//! Two things may change in any version. [`Summary`], [`Verdict`] and [`Analysis`] may gain fields: do not construct them, and
//! destructure them with `..`. The wording of reasons may change, too.
//!
//! Linux only.

mod builder;
mod error;
mod place;
mod report;
mod resolve;
mod run;
mod step;
mod users;

pub use comeback_analysis::measure::Analysis;
pub use comeback_analysis::summary::Summary;
pub use comeback_analysis::verdict::{Outcome, Verdict};
pub use comeback_model::plan::{Protocol, Signal, Writes};

pub use builder::Experiment;
pub use error::Error;
pub use report::Report;
pub use step::Step;
