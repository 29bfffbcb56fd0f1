//! A run that came to its verdict.

use std::path::{Path, PathBuf};

use comeback_analysis::measure::Analysis;
use comeback_analysis::summary::Summary;
use comeback_analysis::verdict::{Outcome, Verdict};

use comeback_runs::finish::Judged;

/// A finished run: its verdict, its figures and the folder of its report.
///
/// The folder of a run that passed is removed when this value is dropped, unless it was chosen with
/// [`Experiment::out`](crate::Experiment::out) or a panic is under way. Every other folder stays.
#[derive(Debug)]
#[must_use = "a run without a look at its verdict tests nothing: call `assert_passed`, or read the verdict"]
pub struct Report {
    judged: Judged,
    folder: PathBuf,
    is_chosen: bool,
}

impl Report {
    pub(super) const fn new(judged: Judged, folder: PathBuf, is_chosen: bool) -> Self {
        Self {
            judged,
            folder,
            is_chosen,
        }
    }

    /// The verdict with its reasons: pass, fail or inconclusive.
    pub const fn verdict(&self) -> &Verdict {
        &self.judged.verdict
    }

    /// Whether every gate holds, on sufficient evidence.
    pub fn passed(&self) -> bool {
        self.judged.verdict.outcome == Outcome::Pass
    }

    /// The figures of each arm, as in `summary.json`: a document with a published schema.
    pub const fn summary(&self) -> &Summary {
        &self.judged.summary
    }

    /// Everything that is known of each trial. Its shape changes with the measurements. Use [`Report::summary`] for code that
    /// must last.
    pub const fn analysis(&self) -> &Analysis {
        &self.judged.analysis
    }

    /// The seed of everything random. [`Experiment::seed`](crate::Experiment::seed) repeats the run with it.
    pub const fn seed(&self) -> u64 {
        self.judged.summary.seed
    }

    /// The folder of the run: `report.html`, `summary.json`, the journal, the charts, and the output of the servers in `logs`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Does nothing if the run passed.
    ///
    /// # Panics
    /// If the run failed, was inconclusive, or had no gates. The message has the reasons, the seed, and the path of the report.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.passed(), "{}", self.explain());
    }

    fn explain(&self) -> String {
        let Verdict {
            outcome, reasons, ..
        } = &self.judged.verdict;
        let name = &self.judged.summary.name;
        let mut text = match outcome {
            Outcome::Pass => format!("{name} passed"),
            Outcome::Fail => format!("{name} failed"),
            Outcome::Inconclusive => {
                format!(
                    "{name} is inconclusive, which is not a pass: the evidence does not suffice"
                )
            }
            Outcome::Measured => format!(
                "{name} has no gates, so it cannot pass: add a gate, or read the summary instead of asserting"
            ),
        };
        text.push_str(&format!(
            "\n  {}",
            comeback_reports::format::printable(&self.judged.verdict.headline)
        ));
        for reason in reasons {
            text.push_str("\n  ");
            // Reasons quote output of the server.
            text.push_str(&comeback_reports::format::printable(reason));
        }
        let report = self.folder.join("report.html");
        text.push_str(&format!(
            "\nseed {}; report: {}",
            self.seed(),
            report.display()
        ));
        text
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if self.passed() && !self.is_chosen && !std::thread::panicking() {
            // A leftover folder is not a failure of the run.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
