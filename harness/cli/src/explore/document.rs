//! What was found, as `--json` prints it.

use comeback_analysis::verdict::Outcome;
use comeback_model::plan::fault::DiskModel;
use comeback_model::plan::secret::Secrets;
use serde::Serialize;

/// The shape of this document; changed with it.
pub(super) const SCHEMA: &str = "comeback-explore/2";

/// What an exploration found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Document {
    /// The shape of this document.
    pub(super) schema: &'static str,
    /// Pass if all was there on each disk, fail if something was missing on one, inconclusive if nothing can be said.
    pub(super) verdict: Outcome,
    /// Why, in a sentence.
    pub(super) headline: String,
    /// The model of the disk.
    pub(super) disk: DiskModel,
    /// The seed.
    pub(super) seed: u64,
    /// The run that was recorded.
    pub(super) work: Option<Work>,
    /// What was looked at, of what there is.
    pub(super) coverage: Option<Coverage>,
    /// Each kind of failure once.
    pub(super) failures: Vec<Failure>,
    /// What weakens the result.
    pub(super) remarks: Vec<String>,
    /// Acknowledgements that came before what was written for them was durable. No part of the verdict.
    pub(super) durability: Option<Durability>,
}

/// Acknowledgements that came before what was written for them was durable. What was not may be of no use, or elsewhere, too.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Durability {
    /// So many were looked at: no other request was under way.
    pub(super) acknowledgements: usize,
    /// So many were not: what was written meanwhile may have been another request's.
    pub(super) overlapping: usize,
    /// Those that were early, by request.
    pub(super) early: Vec<EarlyReplies>,
}

/// Early acknowledgements of a request.
#[derive(Clone, Debug, Serialize)]
pub(super) struct EarlyReplies {
    /// `POST /cart`.
    pub(super) request: String,
    /// How many were early.
    pub(super) acknowledgements: usize,
    /// Of so many that were looked at.
    pub(super) of: usize,
    /// The files that were not durable, with how often that was.
    pub(super) files: Vec<String>,
    /// The calls before the first of them.
    pub(super) around: Vec<Around>,
}

/// The run that was recorded.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Work {
    /// Calls of the server's on its disk, from its start to its end.
    pub(super) calls: usize,
    /// Logins that were acknowledged.
    pub(super) logins: usize,
    /// Writes that were acknowledged.
    pub(super) writes: usize,
    /// How many of both came after the record was full: none of them is asked for.
    pub(super) after_record: usize,
}

/// What was looked at, of what there is.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Coverage {
    /// Points between two calls, after the server was up.
    pub(super) points: usize,
    /// Points before that: none was looked at.
    pub(super) points_before_ready: usize,
    /// Different disks at these points.
    pub(super) prefix_states: usize,
    /// Those of them that were looked at.
    pub(super) prefix_states_verified: usize,
    /// The power of ten of how many reorderings there may be. Absent if nothing could be written in another order.
    pub(super) reorderings_log10: Option<f64>,
    /// Different reorderings that were looked at.
    pub(super) reorderings_verified: usize,
    /// Disks on which something was missing.
    pub(super) states_failed: usize,
    /// Disks on which all was there, but only when the server had more time.
    pub(super) states_slow: usize,
    /// Disks of which it is unclear whether something is missing.
    pub(super) states_unclear: usize,
    /// The search ended early, since the disk at the end of the run failed as well, again and again.
    pub(super) is_stopped: bool,
    /// The record was full before the run was over: what came later was not looked at.
    pub(super) is_cut: bool,
    /// Users who gave up in the run without a fault: they wrote less than was asked for.
    pub(super) users_gave_up: usize,
    /// How long the looks took, in seconds.
    pub(super) took_s: f64,
}

/// A kind of failure.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failure {
    /// What was not durable.
    pub(super) reason: String,
    /// What the server lacks for it.
    pub(super) lacks: Lacks,
    /// Disks that failed so.
    pub(super) states: usize,
    /// How the first of them came about, beside the cut.
    pub(super) by_itself: Option<&'static str>,
    /// The call after which the power was cut, from 0.
    pub(super) call: usize,
    /// What the server did on it.
    pub(super) problem: String,
    /// The last lines of its output, where it did not come up.
    pub(super) output: Vec<String>,
    /// The calls and acknowledgements around the cut.
    pub(super) around: Vec<Around>,
}

/// What is missing in a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lacks {
    /// A sync: with all that was written by then, nothing is missing.
    Sync,
    /// A write: something was acknowledged before its bytes were handed over.
    Write,
    /// More than a sync: even with all that was written by then the server is not whole.
    More,
    /// That was not looked at.
    Unknown,
}

/// A call, or an acknowledgement.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Around {
    /// Milliseconds from the moment when the server was up.
    pub(super) at_ms: f64,
    /// What happened.
    pub(super) what: String,
    /// After the cut.
    pub(super) after_cut: bool,
}

impl Document {
    /// Hides secrets in whatever a server said.
    pub(super) fn hide(&mut self, secrets: &Secrets) {
        secrets.hide(&mut self.headline);
        self.remarks
            .iter_mut()
            .for_each(|remark| secrets.hide(remark));
        for early in self
            .durability
            .iter_mut()
            .flat_map(|found| &mut found.early)
        {
            secrets.hide(&mut early.request);
            early.files.iter_mut().for_each(|file| secrets.hide(file));
            hide_in(&mut early.around, secrets);
        }
        for failure in &mut self.failures {
            secrets.hide(&mut failure.reason);
            secrets.hide(&mut failure.problem);
            hide_in(&mut failure.around, secrets);
            failure
                .output
                .iter_mut()
                .for_each(|line| secrets.hide(line));
        }
    }
}

fn hide_in(around: &mut [Around], secrets: &Secrets) {
    around
        .iter_mut()
        .for_each(|one| secrets.hide(&mut one.what));
}
