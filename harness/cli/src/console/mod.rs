//! Progress on stderr: a consumer of the journal's events, nothing more.
//!
//! On a terminal, a bar shows the current step and the time left. Elsewhere, each trial prints a line. With `--verbose`, each
//! event prints a line ([`narrate`]).

mod narrate;
mod storm;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use comeback_model::event::{Event, EventKind};
use comeback_model::ids::Seed;
use comeback_model::plan::Plan;
use comeback_model::said::Line;
use comeback_model::schedule::Schedule;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use narrate::Narrator;

use crate::table::{To, folded};
use storm::Storm;

/// How often the bar is redrawn.
const TICK: Duration = Duration::from_millis(250);

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

/// Follows a run.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
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
    /// Follows a run of this schedule.
    pub(crate) fn new(plan: &Plan, schedule: &Schedule, volume: Volume) -> Self {
        let total = schedule.trials.len();
        let bar = (volume != Volume::Quiet && std::io::stderr().is_terminal())
            .then(|| new_bar(total as u64));
        Self {
            bar,
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
        if self.volume != Volume::Quiet {
            let (trials, folder) = (self.total, folder.display());
            self.say(&format!(
                "seed {seed}, {trials} trials, results in {folder}"
            ));
        }
    }

    /// Takes notice of an event.
    pub(crate) fn follow(&mut self, event: &Event) {
        match self.volume {
            Volume::Quiet => return,
            Volume::Normal => {}
            Volume::Verbose => {
                if let Some(line) = self.narrator.tell(event) {
                    self.say(&line);
                }
            }
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
                if self.volume == Volume::Verbose {
                    let number = self.ended + 1;
                    self.say(&format!("trial {number}/{}: {}", self.total, self.trial));
                }
                self.notes.clear();
            }
            EventKind::PhaseEntered { phase } => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("{}: {}", self.trial, phase.name()));
                }
            }
            EventKind::TargetStartFailed { tail, .. } => self.quote(tail),
            EventKind::ArmSkipped { arm, reason } => {
                let name = self.arms.get(arm.0 as usize).map_or("?", String::as_str);
                self.say(&format!("{name}: skipped: {reason}"));
            }
            EventKind::SessionsLooked { lacking, .. } => {
                if let Some(storm) = &mut self.storm {
                    storm.note(*lacking);
                }
            }
            EventKind::SessionsResumed {
                after_kill: true,
                refused,
                older,
                anothers,
                ..
            } => {
                if let Some(storm) = &mut self.storm {
                    storm.note(refused + older + anothers);
                }
            }
            EventKind::TrialEnded => self.end_trial(),
            EventKind::RunExtended {
                trials,
                replaces,
                reasons,
            } => self.extend(trials.len(), !replaces.is_empty(), reasons),
            EventKind::RunGivenUp { arm } => {
                let name = self.arms.get(arm.0 as usize).map_or("?", String::as_str);
                self.say(&format!(
                    "the first start of {name} failed: the run ends here, without its other trials"
                ));
            }
            EventKind::RunInterrupted => self.say("interrupted; the measurements so far are kept"),
            EventKind::RunEnded => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
            }
            // `narrate` knows every kind of event.
            _ => {}
        }
    }

    /// The run goes on.
    fn extend(&mut self, trials: usize, is_replacing: bool, reasons: &[String]) {
        self.total += trials;
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_length(self.total as u64);
            bar.set_position(self.ended as u64);
            bar.reset_eta();
            bar.enable_steady_tick(TICK);
        }
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
        match &self.bar {
            bar if self.storm.is_some() => {
                let line = self
                    .storm
                    .as_mut()
                    .and_then(|storm| storm.tell(!note.is_empty()));
                if let Some(bar) = bar {
                    bar.inc(1);
                }
                if let Some(line) = line.filter(|_| self.bar.is_none() || !note.is_empty()) {
                    self.say(&format!("{line}{note}"));
                }
            }
            Some(bar) => {
                if !note.is_empty() {
                    self.say(&format!("{}{note}", self.trial));
                }
                bar.inc(1);
            }
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
        let line = comeback_supervise::output::printable(line);
        let line = folded(&line, To::Stderr);
        match &self.bar {
            Some(bar) => bar.println(line),
            // A closed pipe is not a failure.
            None => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }
}

fn new_bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    // The template is a constant; were it wrong, the default one serves.
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len}  {wide_msg}  {eta} left")
    {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.enable_steady_tick(TICK);
    bar
}
