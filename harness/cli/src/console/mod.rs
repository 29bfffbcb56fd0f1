//! Progress on stderr: a consumer of what the journal has written, nothing more.
//!
//! On a terminal, a view shows the state of the run ([`live`]). Elsewhere, each trial prints a line. With `--verbose`, each
//! event prints a line ([`narrate`]). A browser and Prometheus may look on, too ([`web`]).

mod board;
mod live;
mod narrate;
mod storm;
mod web;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use board::{Board, Watched};
use comeback_engine::record::Follow;
use comeback_model::event::{Event, EventKind};
use comeback_model::ids::Seed;
use comeback_model::operation::Operation;
use comeback_model::plan::Plan;
use comeback_model::said::Line;
use comeback_model::schedule::Schedule;
use live::View;
pub(crate) use live::{restore, say_above};
use narrate::Narrator;
pub(crate) use web::{Addresses, Web};

use crate::table::{To, folded};
use storm::Storm;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Volume {
    /// Nothing.
    Quiet,
    /// Each trial.
    Normal,
    /// What happens in each trial.
    Verbose,
}

/// How the progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A line for each trial.
    Lines,
    /// One line that is drawn over.
    Bar,
    /// Several of them.
    View,
}

impl Shown {
    /// A view is for people at a terminal.
    pub(crate) fn choose(
        (plain, json): (bool, bool),
        variable: impl Fn(&str) -> Option<OsString>,
        is_terminal: bool,
    ) -> Self {
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
        match (is_terminal, json) {
            (false, _) => Self::Lines,
            _ if plain || is_dumb || is_set("CI") => Self::Lines,
            (true, true) => Self::Bar,
            (true, false) => Self::View,
        }
    }
}

/// How a run is told of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) volume: Volume,
    pub(crate) shown: Shown,
    pub(crate) color: bool,
}

/// Follows a run.
#[derive(Debug)]
pub(crate) struct Progress {
    view: Option<View>,
    /// The state of the run, where somebody looks at it.
    board: Option<Arc<Watched>>,
    arms: Vec<String>,
    total: usize,
    ended: usize,
    trial: String,
    /// The arm of the trial, by its place.
    arm: usize,
    /// Of a storm: how far it is.
    storm: Option<Storm>,
    /// Arms whose last lines of output were shown: they are much the same in each trial.
    quoted: Vec<bool>,
    notes: Vec<String>,
    begun: Instant,
    narrator: Narrator,
    volume: Volume,
}

impl Progress {
    /// Follows a run of this schedule, which `web` shows, too.
    pub(crate) fn new(plan: &Plan, schedule: &Schedule, manner: Manner, web: Option<&Web>) -> Self {
        let total = schedule.trials.len();
        let Manner {
            volume,
            shown,
            color,
        } = manner;
        let is_shown = volume != Volume::Quiet && shown != Shown::Lines;
        let board =
            (is_shown || web.is_some()).then(|| Arc::new(Watched::new(Board::new(plan, schedule))));
        if let (Some(web), Some(board)) = (web, &board) {
            web.begin(board);
        }
        let viewed = board.as_ref().filter(|_| is_shown);
        Self {
            view: viewed
                .and_then(|board| View::show(Arc::clone(board), shown == Shown::Bar, color)),
            board,
            arms: plan.arms.iter().map(|arm| arm.name.clone()).collect(),
            total,
            ended: 0,
            trial: String::new(),
            arm: 0,
            storm: plan.storm.map(|_| Storm::of(plan.trials)),
            quoted: vec![false; plan.arms.len()],
            notes: Vec::new(),
            begun: Instant::now(),
            narrator: Narrator::new(plan),
            volume,
        }
    }

    /// Prints the seed and the folder at the start, so that even an unfinished run can be repeated.
    pub(crate) fn announce(&self, seed: Seed, folder: &Path) {
        let (trials, folder) = (self.total, folder.display());
        self.say(&format!(
            "seed {seed}, {trials} trials, results in {folder}"
        ));
    }

    /// Takes notice of an event.
    fn follow(&mut self, event: &Event) {
        let words = self.narrator.tell(event);
        if let Some(told) = words.as_ref().filter(|_| self.volume == Volume::Verbose) {
            self.say(&told.to_string());
        }
        if let Some(board) = &self.board {
            board.note(event, words.as_ref().map(|told| told.what.as_str()));
        }
        self.notes.extend(narrate::note(&event.kind));
        match &event.kind {
            EventKind::TrialStarted { arm, control } => {
                self.arm = arm.0 as usize;
                let name = self.arms.get(self.arm).map_or("?", String::as_str);
                let role = if *control { " (no fault)" } else { "" };
                self.trial = format!("{name}{role}");
                if let Some(storm) = &mut self.storm {
                    storm.begin(*control);
                    self.trial = storm.to_string();
                }
                self.call_trial();
                if self.volume == Volume::Verbose {
                    let number = self.ended + 1;
                    self.say(&format!("trial {number}/{}: {}", self.total, self.trial));
                }
                self.notes.clear();
            }
            EventKind::TargetStartFailed { tail, .. } => self.quote(tail),
            EventKind::ArmSkipped { arm, reason } => {
                let name = self.arms.get(arm.0 as usize).map_or("?", String::as_str);
                self.say(&format!("{name}: skipped: {reason}"));
            }
            EventKind::SessionsLooked { lacking, .. } => self.note_in_storm(*lacking),
            EventKind::SessionsResumed {
                after_kill: true,
                refused,
                older,
                anothers,
                ..
            } => self.note_in_storm(refused + older + anothers),
            EventKind::TrialEnded => self.end_trial(),
            EventKind::RunExtended {
                trials,
                replaces,
                reasons,
                ..
            } => self.extend(trials.len(), !replaces.is_empty(), reasons),
            EventKind::RunGivenUp { arm } => {
                let name = self.arms.get(arm.0 as usize).map_or("?", String::as_str);
                self.say(&format!(
                    "the first start of {name} failed: the run ends here, without its other trials"
                ));
            }
            EventKind::RunInterrupted => self.say("interrupted; the measurements so far are kept"),
            // `narrate` knows every kind of event.
            _ => {}
        }
    }

    /// So many sessions lack something.
    fn note_in_storm(&mut self, lacking: u32) {
        if let Some(storm) = &mut self.storm {
            storm.note(lacking);
            self.trial = storm.to_string();
            self.call_trial();
        }
    }

    fn call_trial(&self) {
        if let Some(board) = &self.board {
            board.call_trial(&self.trial);
        }
    }

    /// The run goes on.
    fn extend(&mut self, trials: usize, is_replacing: bool, reasons: &[String]) {
        self.total += trials;
        let what = match (is_replacing, trials) {
            (true, 1) => "a void trial is replaced".to_owned(),
            (true, _) => format!("{trials} void trials are replaced"),
            (false, _) => format!("extended by {trials} trials"),
        };
        self.say(&format!("{what}, as declared: {}", reasons.join("; ")));
    }

    /// Shows the last lines of a target that did not start, once for each arm.
    fn quote(&mut self, tail: &[Line]) {
        let is_new = self
            .quoted
            .get_mut(self.arm)
            .is_some_and(|quoted| !std::mem::replace(quoted, true));
        if is_new && !tail.is_empty() {
            self.say(&format!("{}: its last lines of output:", self.trial));
            for line in tail {
                self.say(&format!("  | {}", line.text()));
            }
        }
    }

    fn end_trial(&mut self) {
        self.ended += 1;
        let notes = std::mem::take(&mut self.notes);
        let note = if notes.is_empty() {
            String::new()
        } else {
            format!(": {}", notes.join("; "))
        };
        match &self.view {
            view if self.storm.is_some() => {
                let is_shown = view.is_some();
                let line = self
                    .storm
                    .as_mut()
                    .and_then(|storm| storm.tell(!note.is_empty()));
                if let Some(line) = line.filter(|_| !is_shown || !note.is_empty()) {
                    self.say(&format!("{line}{note}"));
                }
            }
            Some(_) if note.is_empty() => {}
            Some(_) => self.say(&format!("{}{note}", self.trial)),
            None => {
                let each = self.begun.elapsed() / self.ended as u32;
                let left = each * (self.total - self.ended) as u32;
                self.say(&format!(
                    "trial {}/{} {}{note}, {} s left",
                    self.ended,
                    self.total,
                    self.trial,
                    left.as_secs()
                ));
            }
        }
    }

    fn say(&self, line: &str) {
        if self.volume == Volume::Quiet {
            return;
        }
        let line = comeback_supervise::output::printable(line);
        let line = folded(&line, To::Stderr);
        if !say_above(&line) {
            // A closed pipe is not a failure.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

impl Follow for Progress {
    fn event(&mut self, event: &Event) {
        if self.volume != Volume::Quiet || self.board.is_some() {
            self.follow(event);
        }
    }

    fn operations(&mut self, operations: &[Operation]) {
        if let Some(board) = &self.board {
            board.note_operations(operations);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_for_people_at_a_terminal_and_lines_for_all_others() {
        use Shown::{Bar, Lines, View};
        let nothing = (false, false);
        for (asked, set, is_terminal, expected) in [
            (nothing, &[][..], true, View),
            (nothing, &[], false, Lines),
            (nothing, &[("CI", "true")], true, Lines),
            (nothing, &[("CI", "")], true, View),
            (nothing, &[("TERM", "dumb")], true, Lines),
            (nothing, &[("TERM", "xterm"), ("NO_COLOR", "1")], true, View),
            ((true, false), &[], true, Lines),
            ((false, true), &[], true, Bar),
            ((false, true), &[], false, Lines),
            ((true, true), &[], true, Lines),
        ] {
            let variable = |name: &str| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            let chosen = Shown::choose(asked, variable, is_terminal);
            assert_eq!(chosen, expected, "{asked:?} {set:?} {is_terminal}");
        }
    }
}
