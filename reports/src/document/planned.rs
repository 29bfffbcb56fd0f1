//! What was planned of each arm, and what landed.

use comeback_analysis::summary::Status;

use crate::arms::{ArmView, RunView};
use crate::format::{NOTHING, count, count_of, counted};
use crate::table::Table;

const HEADERS: [&str; 6] = [
    "arm",
    "planned",
    "trials begun",
    "count",
    "faults landed",
    "void, and replaced",
];

/// The table.
pub(super) fn planned(run: &RunView<'_>) -> Table {
    Table {
        headers: HEADERS.map(str::to_owned).to_vec(),
        rows: run.arms.iter().map(|arm| row(run, arm)).collect(),
    }
}

fn row(run: &RunView<'_>, arm: &ArmView<'_>) -> Vec<String> {
    let (plan, summary) = (&run.analysis.header.plan, arm.summary);
    let faults = match &plan.chaos {
        Some(_) => "drawn faults".to_owned(),
        None => counted(plan.faults.len() as u64, "fault"),
    };
    let planned = format!(
        "{} with {faults}, {} without",
        count(u64::from(plan.trials)),
        count(u64::from(plan.controls)),
    );
    if summary.status == Status::Skipped && summary.begun == 0 {
        let none = || NOTHING.to_owned();
        return vec![arm.name.clone(), planned, none(), none(), none(), none()];
    }
    vec![
        arm.name.clone(),
        planned,
        count(u64::from(summary.begun)),
        count_of(u64::from(summary.trials), u64::from(plan.trials)),
        count(u64::from(summary.faults_landed)),
        count(summary.replaced.len() as u64),
    ]
}
