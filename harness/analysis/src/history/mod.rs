//! Many runs side by side, each as its summary has it: the document of `comeback list` and of a trend.
//!
//! What is computed here is the order of the runs, whether the figures of two that follow each other may be compared, and, of a trend,
//! whether a figure changed its level.

mod change;
#[cfg(test)]
mod tests;

pub use change::{Change, Figure, Found, Row};

use std::collections::BTreeMap;

use comeback_model::journal::{Header, Revision};
use comeback_model::plan::Arm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::summary::{
    ArmSummary, Distribution, LossShare, RecoverySummary, SessionCounts, Status, Summary,
    WriteCounts,
};
use crate::verdict::Outcome;
use crate::verdict::baseline::{machine_differences, plan_differences};

/// The version of the document's shape.
pub const SCHEMA: u32 = 1;

/// Runs, in the order of their start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The version of this document's shape.
    pub schema: u32,
    /// The runs. A trend has the oldest first, a list the newest. Those whose start is not known come last.
    pub runs: Vec<PastRun>,
    /// Other folders that were found among those of the runs, and hold no run.
    pub others: Vec<String>,
    /// Of a trend: each figure of each arm over runs that may be compared, and whether its level changed.
    #[serde(default)]
    pub rows: Vec<Row>,
}

/// A stored run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PastRun {
    /// Its folder.
    pub folder: String,
    /// Whether it has figures.
    pub state: State,
    /// The reason why not. Null if it has.
    pub problem: Option<String>,
    /// The command that may mend that. Null if there is none.
    pub next: Option<String>,
    /// The experiment's name. Null if it cannot be read.
    pub name: Option<String>,
    /// The command that repeats the run. Null if the folder does not have it.
    pub command: Option<String>,
    /// Wall time at its start, RFC 3339. Null if it cannot be read.
    pub started: Option<String>,
    /// The seed of everything random. Null if it cannot be read.
    pub seed: Option<u64>,
    /// The name that the user gave it. Null without one.
    pub label: Option<String>,
    /// The git revision of the folder in which it was started. Null if there was none.
    pub revision: Option<Revision>,
    /// Its verdict. Null without figures.
    pub verdict: Option<Outcome>,
    /// The decisive fact. Null without figures.
    pub headline: Option<String>,
    /// Its arms. None without figures.
    pub arms: Vec<PastArm>,
}

/// Whether a run has figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was judged.
    Judged,
    /// It has a journal and was not judged: it is under way, or was killed.
    Unfinished,
    /// It cannot be read.
    Broken,
}

/// The figures of an arm, as its summary has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PastArm {
    /// Its name.
    pub name: String,
    /// Whether it has figures.
    pub status: Status,
    /// The reason why not, or a remark about them.
    pub reason: Option<String>,
    /// Trials with a fault that ran to their end.
    pub trials: u32,
    /// The fates of the sessions acknowledged before the fault.
    pub sessions: SessionCounts,
    /// The fates of the acknowledged writes of those sessions.
    pub writes: WriteCounts,
    /// The share of acknowledged sessions that is lost, with its interval.
    pub session_loss: LossShare,
    /// The share of acknowledged writes that is lost, with its interval.
    pub write_loss: LossShare,
    /// How many trials the service came back from, for good.
    pub recovery: RecoverySummary,
    /// First correct reply of the new process − the sending of the fault.
    pub outage_ms: Distribution,
    /// Of a trend: what differs from the plan of the last run before it that measured this arm, such that no figure can be
    /// compared with it.
    pub other_plan: Vec<String>,
    /// Of a trend: what differs from the machine of that run, such that no time can be compared with it.
    pub other_machine: Vec<String>,
}

/// What was found of a run.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its folder, as it is to be named.
    pub folder: String,
    /// The command that repeats it, if it is known.
    pub command: Option<String>,
    /// The begin of its journal, if that can be read.
    pub header: Option<Box<Header>>,
    /// Its figures, or why there are none.
    pub figures: Result<Box<Summary>, Trouble>,
}

/// Why a run has no figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What it is then.
    pub state: State,
    /// The reason.
    pub problem: String,
    /// The command that may mend it.
    pub next: Option<String>,
}

impl History {
    /// These runs as a trend, the oldest first; and the folders beside them that hold none.
    pub fn of(mut entries: Vec<Entry>, others: Vec<String>) -> Self {
        entries.sort_by(|one, other| {
            let (one, other) = (one.started(), other.started());
            (one.is_none(), one).cmp(&(other.is_none(), other))
        });
        let mut last: BTreeMap<String, &Entry> = BTreeMap::new();
        let mut runs = Vec::with_capacity(entries.len());
        for entry in &entries {
            let mut run = PastRun::from(entry);
            for arm in &mut run.arms {
                if arm.status == Status::Skipped {
                    continue;
                }
                if let Some(before) = last.insert(arm.name.clone(), entry) {
                    arm.other_plan = other_plan(before, entry, &arm.name);
                    arm.other_machine = other_machine(before, entry);
                }
            }
            runs.push(run);
        }
        Self {
            schema: SCHEMA,
            runs,
            others,
            rows: Vec::new(),
        }
    }

    /// The same trend, with an answer to whether figures changed their level.
    #[must_use]
    pub fn with_changes(mut self) -> Self {
        self.rows = change::rows(&self);
        self
    }

    /// The same as a list, the newest first. What is compared with nothing is not said to differ.
    #[must_use]
    pub fn newest_first(mut self) -> Self {
        let known = self.runs.iter().take_while(|run| run.started.is_some());
        let known = known.count();
        self.runs[..known].reverse();
        for arm in self.runs.iter_mut().flat_map(|run| &mut run.arms) {
            arm.other_plan.clear();
            arm.other_machine.clear();
        }
        self.rows.clear();
        self
    }

    /// The published JSON Schema of this document.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}

impl Entry {
    /// When it was started, such that texts are ordered as times are: a fraction of a second stands behind the whole one.
    fn started(&self) -> Option<&str> {
        let of_header = self.header.as_ref().map(|header| &header.started);
        let of_summary = self.figures.as_ref().ok().map(|summary| &summary.started);
        of_header
            .or(of_summary)
            .map(|started| started.trim_end_matches('Z'))
    }
}

impl From<&Entry> for PastRun {
    fn from(entry: &Entry) -> Self {
        let header = entry.header.as_deref();
        let summary = entry.figures.as_deref().ok();
        let trouble = entry.figures.as_ref().err();
        Self {
            folder: entry.folder.clone(),
            state: trouble.map_or(State::Judged, |trouble| trouble.state),
            problem: trouble.map(|trouble| trouble.problem.clone()),
            next: trouble.and_then(|trouble| trouble.next.clone()),
            name: header
                .map(|header| &header.plan.name)
                .or(summary.map(|summary| &summary.name))
                .cloned(),
            command: entry.command.clone(),
            started: header
                .map(|header| &header.started)
                .or(summary.map(|summary| &summary.started))
                .cloned(),
            seed: header
                .map(|header| header.seed.0)
                .or(summary.map(|summary| summary.seed)),
            label: header
                .map_or_else(|| summary?.label.as_ref(), |header| header.label.as_ref())
                .cloned(),
            revision: header
                .map_or_else(
                    || summary?.revision.as_ref(),
                    |header| header.revision.as_ref(),
                )
                .cloned(),
            verdict: summary.map(|summary| summary.verdict),
            headline: summary.map(|summary| summary.headline.clone()),
            arms: summary.map_or_else(Vec::new, |summary| {
                summary.arms.iter().map(PastArm::from).collect()
            }),
        }
    }
}

impl From<&ArmSummary> for PastArm {
    fn from(arm: &ArmSummary) -> Self {
        Self {
            name: arm.name.clone(),
            status: arm.status,
            reason: arm.reason.clone(),
            trials: arm.trials,
            sessions: arm.sessions,
            writes: arm.writes,
            session_loss: arm.session_loss,
            write_loss: arm.write_loss,
            recovery: arm.recovery,
            outage_ms: arm.outage_ms,
            other_plan: Vec::new(),
            other_machine: Vec::new(),
        }
    }
}

/// What differs between the plans of two runs for an arm of this name.
fn other_plan(before: &Entry, entry: &Entry, arm: &str) -> Vec<String> {
    let (Some(before), Some(after)) = (&before.header, &entry.header) else {
        return vec!["its plan is not known, since a journal is missing".to_owned()];
    };
    fn planned<'a>(header: &'a Header, arm: &str) -> Option<&'a Arm> {
        header.plan.arms.iter().find(|one| one.name == arm)
    }
    let differences = plan_differences(before, planned(before, arm), after, planned(after, arm));
    let differences = differences.into_iter();
    differences.map(|what| format!("{what} differs")).collect()
}

fn other_machine(before: &Entry, entry: &Entry) -> Vec<String> {
    match (&before.figures, &entry.figures) {
        (Ok(before), Ok(after)) => machine_differences(&before.machine, &after.machine),
        _ => Vec::new(),
    }
}
