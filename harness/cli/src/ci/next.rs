//! The next commands after a failing run: printed behind its verdict, and in the annotations of its gates.

use std::path::Path;

use comeback_model::journal::Header;
use comeback_model::shard::Shards;

use super::quote;

/// The width of a terminal.
const COLUMNS: usize = 80;

/// A command to give next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) command: String,
    /// What it does, in a few words.
    pub(crate) does: &'static str,
}

impl Next {
    fn new(command: impl Into<String>, does: &'static str) -> Self {
        Self {
            command: command.into(),
            does,
        }
    }

    /// On a line of a terminal. What it does is left out where there is no room for it.
    pub(crate) fn shown(&self) -> String {
        let line = format!("  {}", self.command);
        let whole = format!("{line}  # {}", self.does);
        match whole.chars().count() <= COLUMNS {
            true => whole,
            false => line,
        }
    }
}

/// What to do about the failing run in this folder; `command` is the one that did it.
pub(crate) fn next_commands(folder: &Path, header: &Header, command: Option<&str>) -> Vec<Next> {
    let plan = &header.plan;
    let folder = quote(&folder.to_string_lossy());
    let report = Next::new(
        format!("comeback report {folder} -v"),
        "figures of each trial",
    );
    // The files of a revision are gone with its working tree: its run is done again by its command alone.
    if plan.arms.iter().any(|arm| arm.revision.is_some()) {
        let again = command.map(|command| Next::new(command, "the same run again"));
        return [report].into_iter().chain(again).collect();
    }
    // Nothing does a part of a run again that is more than one shard.
    let is_a_part = |shards: &Shards| shards.only().is_none() && !shards.missing().is_empty();
    if header.shards.as_ref().is_some_and(is_a_part) {
        return vec![report];
    }
    let replay = Next::new(format!("comeback replay {folder}"), "the same run again");
    // A storm cannot be made smaller.
    let shrink = plan.storm.is_none().then(|| {
        Next::new(
            format!("comeback shrink {folder}"),
            "the smallest failing file",
        )
    });
    [report, replay].into_iter().chain(shrink).collect()
}

#[cfg(test)]
mod tests {
    use comeback_model::ids::Seed;
    use comeback_model::journal::{Machine, VERSION};
    use comeback_model::plan::{Plan, Storm, test_plan};
    use comeback_model::schedule::expand;

    use super::*;

    fn header(plan: &Plan) -> Header {
        let seed = Seed(7);
        Header {
            comeback_journal: VERSION,
            written_by: "test".to_owned(),
            started: "2026-01-01T00:00:00Z".to_owned(),
            seed,
            machine: Machine::default(),
            plan: plan.clone(),
            schedule: expand(plan, seed),
            shards: None,
            label: None,
            revision: None,
        }
    }

    fn commands(plan: &Plan) -> Vec<String> {
        let command = Some("comeback run a.toml --against main --seed 7");
        let next = next_commands(Path::new("out"), &header(plan), command).into_iter();
        next.map(|next| next.command).collect()
    }

    #[test]
    fn a_failing_run_has_its_report_its_replay_and_its_smallest_file_as_far_as_they_can_be() {
        let mut plan = test_plan();
        assert_eq!(
            commands(&plan),
            [
                "comeback report out -v",
                "comeback replay out",
                "comeback shrink out"
            ]
        );
        plan.storm = Some(Storm::default());
        assert_eq!(
            commands(&plan),
            ["comeback report out -v", "comeback replay out"]
        );
        plan.storm = None;
        plan.arms[0].revision = Some("1a2b3c4".to_owned());
        assert_eq!(
            commands(&plan),
            [
                "comeback report out -v",
                "comeback run a.toml --against main --seed 7"
            ]
        );
    }

    #[test]
    fn a_line_fits_a_terminal_unless_its_command_does_not() {
        let folder = Path::new("comeback-runs/run-20261128-185831");
        for next in next_commands(folder, &header(&test_plan()), None) {
            let line = next.shown();
            assert!(line.contains("  # ") && line.len() <= COLUMNS, "{line}");
        }
        let long = Next::new("x".repeat(COLUMNS - 8), "the same run again");
        assert_eq!(long.shown(), format!("  {}", long.command));
    }
}
