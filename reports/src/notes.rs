//! Additional facts in reports for CI systems: the command that repeats the run, and the last output of each arm. They are not
//! part of the analysis, so the caller collects them.

use std::collections::BTreeMap;

use comeback_model::ids::TrialId;

/// The end of each log of a trial.
pub type Logs = BTreeMap<TrialId, Vec<Tail>>;

/// Beside the figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The command that does the run again, if it is known.
    pub command: Option<String>,
    /// Where the report lies, as a person would open it: in the artifact, if there is one.
    pub report: String,
    /// The name of the artifact that a CI system keeps the run's folder in.
    pub artifact: Option<String>,
    /// The end of each arm's most useful output, by the arm's name; arms without output are absent.
    pub tails: BTreeMap<String, Tail>,
}

/// The end of a server's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Whose it is, as in `trial 3, start 1`.
    pub whose: String,
    /// The lines, as the server wrote them: untrusted, with whatever bytes it likes.
    pub lines: Vec<String>,
}
