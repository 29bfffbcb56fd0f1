//! Which output of a server tells most of what went wrong with it: that of its worst trial, and there of the
//! start after the fault. From the journal's events where they quote it, else from the run's logs.

use std::collections::BTreeMap;
use std::path::Path;

use comeback_analysis::measure::{Analysis, ArmAnalysis, Time, TrialAnalysis};
use comeback_model::event::EventKind;
use comeback_model::ids::TrialId;
use comeback_reports::Tail;
use comeback_runs::logs::{end_of, listed};
use comeback_runs::read::{ReadError, events};

/// How many lines are shown.
const LINES: usize = 30;

/// The end of each arm's most telling output, by the arm's name.
pub(super) fn tails(run: &Path, analysis: &Analysis) -> Result<BTreeMap<String, Tail>, ReadError> {
    let arms = analysis.arms.iter();
    let worst = arms.filter_map(|arm| Some((worst_trial(arm)?.id, arm.name.clone())));
    let worst: BTreeMap<TrialId, String> = worst.collect();
    let mut quoted = quoted(run, &worst)?;
    // The journal's quotes are masked, and the logs may hold secrets.
    let may_be_shown = !analysis.header.plan.has_masked();
    let logged = |trial| may_be_shown.then(|| logged(run, trial)).flatten();
    let tails = worst.into_iter().filter_map(|(trial, arm)| {
        let tail = quoted.remove(&trial);
        Some((arm, tail.or_else(|| logged(trial))?))
    });
    Ok(tails.collect())
}

/// The trial that went worst; of equals the first.
fn worst_trial(arm: &ArmAnalysis) -> Option<&TrialAnalysis> {
    let mut worst: Option<&TrialAnalysis> = None;
    for trial in &arm.trials {
        if worst.is_none_or(|worst| badness(trial) > badness(worst)) {
            worst = Some(trial);
        }
    }
    worst
}

/// How badly a trial went, the gravest first: it does not count, the server never came back, died again,
/// lost something; then how long it took, in whole ms.
fn badness(trial: &TrialAnalysis) -> (bool, bool, bool, u64, u64) {
    let ready = trial.chain.ready;
    let lost = trial.sessions.lost
        + trial.sessions.reset
        + trial.sessions.name_another()
        + trial.writes.lost
        + trial.writes.duplicated;
    (
        trial.void.is_some(),
        matches!(ready, Some(Time::Beyond { .. })),
        trial.not_back().is_some(),
        lost,
        // Saturates: what never came back stands above by the second part.
        ready.map_or(0, |time| time.or_infinite() as u64),
    )
}

/// The last words that the journal quotes of the server of each of these trials.
fn quoted(
    run: &Path,
    trials: &BTreeMap<TrialId, String>,
) -> Result<BTreeMap<TrialId, Tail>, ReadError> {
    let mut quoted = BTreeMap::new();
    for event in events(run)? {
        let event = event?;
        let (
            Some(trial),
            EventKind::TargetStartFailed {
                incarnation, tail, ..
            }
            | EventKind::TargetExited {
                incarnation, tail, ..
            },
        ) = (event.trial, event.kind)
        else {
            continue;
        };
        if trials.contains_key(&trial) && !tail.is_empty() {
            let lines = tail.iter().map(|line| line.text().to_owned());
            let tail = Tail {
                whose: whose(trial, incarnation.0),
                lines: last_of(lines.collect()),
            };
            quoted.insert(trial, tail);
        }
    }
    Ok(quoted)
}

/// The end of the log of the trial's last start that wrote anything.
fn logged(run: &Path, trial: TrialId) -> Option<Tail> {
    let log = listed(run).remove(&trial)?.into_iter().max()?;
    Some(Tail {
        whose: whose(trial, log.start),
        lines: end_of(run, &log, LINES).ok()?,
    })
}

fn last_of(mut lines: Vec<String>) -> Vec<String> {
    lines.split_off(lines.len().saturating_sub(LINES))
}

fn whose(trial: TrialId, start: u32) -> String {
    match start {
        0 => format!("trial {}, first start", trial.0),
        start => format!("trial {}, restart {start}", trial.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_log_of_the_last_start_is_taken_and_of_it_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("logs")).expect("a folder");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join("logs").join(name), text).expect("a file");
        };
        let many: String = (0..100).map(|number| format!("{number}\n")).collect();
        write("trial-003-a-b-0.log", "before");
        write("trial-003-a-b-1.log", &many);
        write("trial-0031-a-b-2.log", "of another trial");
        write("trial-004-a-b-7.log", "of another trial");
        let tail = logged(folder.path(), TrialId(3)).expect("a tail");
        assert_eq!(tail.whose, "trial 3, restart 1");
        assert_eq!(tail.lines.len(), LINES);
        assert_eq!((&*tail.lines[0], &*tail.lines[29]), ("70", "99"));
        assert_eq!(logged(folder.path(), TrialId(5)), None);
    }
}
