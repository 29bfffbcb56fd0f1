//! Which output of a server tells most of what went wrong with it: that of its worst trial, and there of the
//! start after the fault. From the journal's events where they quote it, else from the run's logs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use comeback_analysis::measure::{Analysis, ArmAnalysis, Time, TrialAnalysis};
use comeback_model::event::EventKind;
use comeback_model::ids::TrialId;
use comeback_reports::Tail;
use comeback_runs::read::{ReadError, events};

use comeback_host::inside;

/// How many lines are shown.
const LINES: usize = 30;
/// How much of the end of a log is read for them.
const BYTES: u64 = 64 * 1024;

/// The end of each arm's most telling output, by the arm's name.
pub(super) fn tails(run: &Path, analysis: &Analysis) -> Result<BTreeMap<String, Tail>, ReadError> {
    let arms = analysis.arms.iter();
    let worst = arms.filter_map(|arm| Some((worst_trial(arm)?.id, arm.name.clone())));
    let worst: BTreeMap<TrialId, String> = worst.collect();
    let mut quoted = quoted(run, &worst)?;
    let tails = worst.into_iter().filter_map(|(trial, arm)| {
        let tail = quoted.remove(&trial);
        Some((arm, tail.or_else(|| logged(&run.join("logs"), trial))?))
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
fn logged(logs: &Path, trial: TrialId) -> Option<Tail> {
    let (start, path) = logs_of(logs, trial).ok()?.into_iter().max()?;
    // A folder of logs that is a link is somebody else's.
    let run = logs.parent()?;
    let log = Path::new(logs.file_name()?).join(path.file_name()?);
    let lines = read_end(inside::open_in(run, log).ok()?).ok()?;
    Some(Tail {
        whose: whose(trial, start),
        lines,
    })
}

/// The logs of a trial with the number of the start; `trial-007-NAME-1.log` is the first restart's.
fn logs_of(logs: &Path, trial: TrialId) -> io::Result<Vec<(u32, PathBuf)>> {
    let prefix = format!("trial-{:03}-", trial.0);
    let mut found = Vec::new();
    for entry in fs::read_dir(logs)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let start = name
            .strip_prefix(&prefix)
            .and_then(|rest| rest.strip_suffix(".log"))
            .and_then(|rest| rest.rsplit_once('-'))
            .and_then(|(_, start)| start.parse().ok());
        if let Some(start) = start {
            found.push((start, path.clone()));
        }
    }
    Ok(found)
}

fn read_end(mut file: File) -> io::Result<Vec<String>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(last_of(text.lines().map(str::to_owned).collect()))
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

    #[test]
    fn the_log_of_the_last_start_is_taken_and_of_it_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("a file");
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

    #[test]
    fn of_a_long_log_only_the_end_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        fs::write(&path, "x".repeat(BYTES as usize * 3) + "\nlast \u{1b}[0m").expect("a file");
        let lines = read_end(File::open(&path).expect("a file")).expect("lines");
        assert_eq!(lines.last().map(String::as_str), Some("last \u{1b}[0m"));
        assert!(lines.iter().all(|line| line.len() <= BYTES as usize));
    }
}
