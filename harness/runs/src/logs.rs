//! What the servers of a run wrote, from the folder of its logs. Called for reports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use comeback_host::inside;
use comeback_model::ids::TrialId;
use comeback_model::plan::Plan;
use comeback_reports::{Logs, Tail};

/// Where they are, within the run's folder.
const FOLDER: &str = "logs";
/// How much of the end of a log is read.
const BYTES: u64 = 64 * 1024;
/// So many lines of each log are in a report: the last words of a crash with its stack.
const LINES: usize = 30;
/// So long a line may be there, in characters.
const MOST_OF_A_LINE: usize = 300;

/// A log of a trial. `trial-007-NAME-1.log` is that of the first restart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Log {
    /// The number of the start.
    pub start: u32,
    /// The file's name.
    pub name: String,
}

/// The logs of each trial, in the order of their names. A folder that cannot be read has none.
pub fn listed(run: &Path) -> BTreeMap<TrialId, Vec<Log>> {
    let mut found: BTreeMap<TrialId, Vec<Log>> = BTreeMap::new();
    let folder = run.join(FOLDER);
    // A folder of logs that is a link is somebody else's.
    if folder.is_symlink() {
        return found;
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some((trial, start)) = parsed(&name) {
            found.entry(trial).or_default().push(Log { start, name });
        }
    }
    found
        .values_mut()
        .for_each(|logs| logs.sort_by(|one, other| one.name.cmp(&other.name)));
    found
}

/// The trial of a log, and the number of the start.
fn parsed(name: &str) -> Option<(TrialId, u32)> {
    let rest = name.strip_prefix("trial-")?.strip_suffix(".log")?;
    let (trial, rest) = rest.split_once('-')?;
    let (_, start) = rest.rsplit_once('-')?;
    Some((TrialId(trial.parse().ok()?), start.parse().ok()?))
}

/// The last lines of a log, as they were written: untrusted, with whatever bytes.
///
/// # Errors
/// If it cannot be read, or is a link.
pub fn end_of(run: &Path, log: &Log, lines: usize) -> io::Result<Vec<String>> {
    let file = inside::open_in(run, Path::new(FOLDER).join(&log.name))?;
    let mut text: Vec<String> = read_end(file)?.lines().map(str::to_owned).collect();
    Ok(text.split_off(text.len().saturating_sub(lines)))
}

fn read_end(mut file: File) -> io::Result<String> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The end of each log of these trials, as a report shows it. One that cannot be read, or is empty, is left out. So are all of a run whose
/// stored plan had secrets: its servers may have written them.
pub(crate) fn for_report(run: &Path, plan: &Plan, trials: &BTreeSet<TrialId>) -> Logs {
    if plan.has_masked() {
        return Logs::new();
    }
    let listed = listed(run)
        .into_iter()
        .filter(|(trial, _)| trials.contains(trial));
    let tails = listed.map(|(trial, logs)| {
        let tails = logs.iter().filter_map(|log| {
            let lines = end_of(run, log, LINES).ok()?;
            let lines: Vec<String> = lines.into_iter().map(shortened).collect();
            (!lines.is_empty()).then(|| Tail {
                whose: log.name.clone(),
                lines,
            })
        });
        (trial, tails.collect())
    });
    tails.collect()
}

fn shortened(line: String) -> String {
    match line.char_indices().nth(MOST_OF_A_LINE) {
        None => line,
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

#[cfg(test)]
mod tests {
    use comeback_model::plan::test_plan;

    use super::*;

    fn run_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let run = tempfile::tempdir().expect("a folder");
        fs::create_dir(run.path().join(FOLDER)).expect("a folder");
        for (name, text) in files {
            fs::write(run.path().join(FOLDER).join(name), text).expect("a file");
        }
        run
    }

    #[test]
    fn logs_are_those_of_their_trial_and_a_report_has_the_end_of_each() {
        let many: String = (0..100).map(|number| format!("{number}\n")).collect();
        let run = run_with(&[
            ("trial-003-a-b-0.log", "before"),
            ("trial-003-a-b-1.log", &many),
            ("trial-0031-a-b-2.log", "of another trial"),
            ("trial-004-a-b-0.log", ""),
            ("notes.txt", "no log"),
        ]);
        let logs = for_report(
            run.path(),
            &test_plan(),
            &BTreeSet::from([TrialId(3), TrialId(4)]),
        );
        let of_three = &logs[&TrialId(3)];
        assert_eq!(of_three[0].lines, ["before"]);
        assert_eq!(of_three[1].whose, "trial-003-a-b-1.log");
        assert_eq!(of_three[1].lines.len(), LINES);
        assert_eq!(of_three[1].lines.last().map(String::as_str), Some("99"));
        assert!(logs[&TrialId(4)].is_empty());
        assert_eq!(logs.len(), 2);
    }

    #[test]
    fn of_a_long_log_only_the_end_is_read_and_of_a_long_line_the_begin() {
        let text = "x".repeat(BYTES as usize * 3) + "\nlast \u{1b}[0m";
        let run = run_with(&[("trial-000-a-0.log", &text)]);
        let log = &listed(run.path())[&TrialId(0)][0];
        let lines = end_of(run.path(), log, LINES).expect("lines");
        assert_eq!(lines.last().map(String::as_str), Some("last \u{1b}[0m"));
        assert!(lines.iter().all(|line| line.len() <= BYTES as usize));
        let shown = for_report(run.path(), &test_plan(), &BTreeSet::from([TrialId(0)]));
        let first = &shown[&TrialId(0)][0].lines[0];
        assert_eq!(first.chars().count(), MOST_OF_A_LINE + 1);
    }

    #[test]
    fn a_report_shows_no_log_of_a_run_whose_plan_has_secrets() {
        let run = run_with(&[("trial-000-a-0.log", "key: sentinel")]);
        let mut plan = test_plan();
        let environment = &mut plan.arms[0].target.environment;
        environment.insert("KEY".to_owned(), "sentinel".to_owned());
        let trials = BTreeSet::from([TrialId(0)]);
        let shown = |plan: &Plan| for_report(run.path(), plan, &trials).len();
        assert_eq!((shown(&test_plan()), shown(&plan.masked())), (1, 0));
    }

    #[test]
    fn a_folder_of_logs_that_is_a_link_is_not_followed() {
        let other = run_with(&[("trial-000-a-0.log", "somebody else's")]);
        let run = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(other.path().join(FOLDER), run.path().join(FOLDER))
            .expect("a link");
        assert!(listed(run.path()).is_empty());
    }
}
