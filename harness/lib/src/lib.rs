//! Comeback: kill it, see what comes back.
//!
//! [`Experiment`] starts a server, drives user sessions against it, kills it, starts it again, and counts what was lost
//! and how long it took, from within a test:
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
//! A server with sessions says how they look from outside with [`Experiment::login`], [`act`](Experiment::act),
//! [`check`](Experiment::check) and [`value`](Experiment::value); a package to copy, with such a server and its test, is
//! `harness/examples/shop`. An experiment file goes the same way, with [`Experiment::from_file`].
//!
//! # In a test process
//!
//! - Nothing is printed; [`Report::assert_passed`] says everything in its panic. What was measured lies in a folder that
//!   stays when the run did not pass (see [`Experiment::out`]).
//! - Experiments take turns, since loads that share cores disturb each other's figures (see
//!   [`Experiment::take_turns`]).
//! - The process stays as it is: no signal handler, no adopted orphans, no change of folder or environment.
//! - Nothing outlives a run, also when the test's process is killed: a small shell process, the warden, watches it and
//!   ends whatever the run started. Processes are known by an environment variable, their process group and their
//!   parents. One that detaches itself from all that *and* overwrites its environment (`redis-server --daemonize yes`)
//!   is found by the `comeback` program only, which may adopt orphans: have servers stay in the foreground.
//! - The load is driven by this crate as the test's profile builds it. Where times matter, not only counts, have it
//!   optimized: `[profile.dev.package."*"]` with `opt-level = 3`.
//! - `{comeback}` in a command is the `comeback` program: what `COMEBACK_PROGRAM` names, else one in Cargo's target
//!   directory or in `PATH`. Nothing else needs the program.
//!
//! # Features
//!
//! - `charts` (on by default): reports have pictures. Without it, fewer packages are compiled.
//!
//! # What is stable
//!
//! What this page lists: [`Experiment`], [`Step`], [`Report`], [`Error`] and what they take and give. [`Summary`] is
//! `summary.json`, with its published schema. Gates, templates and experiment files are as `comeback run` has them.
//!
//! What may change in any version: [`Summary`], [`Verdict`] and [`Analysis`] may gain fields, so build none of them, and
//! take them apart with `..`; reasons may be worded differently.
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
