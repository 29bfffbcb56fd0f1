//! What the views show: the state of a run as events and operations tell it. Pure: it knows no clock but theirs, and no terminal.

mod counts;
mod ledger;
mod watched;
mod window;

use std::collections::VecDeque;

use comeback_model::event::{Event, EventKind, ExitCause, Phase};
use comeback_model::ids::ArmId;
use comeback_model::operation::{Operation, Step};
use comeback_model::plan::{Plan, Workload};
use comeback_model::schedule::Schedule;
use comeback_model::units::{Elapsed, Span};

use counts::Counts;
use ledger::{Found, Ledger};
pub(super) use watched::Watched;
use window::Window;
pub(super) use window::{CELL, Cell, LastSecond};

/// So many lines about faults are kept: those of some kills and of the recoveries after them.
const LANDED: usize = 12;

/// So much of the past is shown of the load and the faults, whatever the trial.
const PAST: Span = Span::from_secs(60);

/// The state of a run.
#[derive(Clone, Debug)]
pub(super) struct Board {
    pub(super) name: String,
    pub(super) arms: Vec<OfArm>,
    /// Operations per second, as planned.
    pub(super) offered: f64,
    pub(super) has_sessions: bool,
    pub(super) is_storm: bool,
    /// Trials in all, and those that ended.
    pub(super) total: usize,
    pub(super) ended: usize,
    /// How long a trial lasts at least, on average.
    least: Span,
    /// When the first trial began, and when the latest one ended.
    begun: Option<Elapsed>,
    latest_end: Elapsed,
    /// The present trial in words.
    pub(super) trial: String,
    pub(super) now: Option<Now>,
    pub(super) window: Window,
    /// When the load began that the window shows, and when it ended.
    pub(super) load: Option<(Elapsed, Option<Elapsed>)>,
    /// The loads and the faults of the last minute.
    loads: VecDeque<(Elapsed, Option<Elapsed>)>,
    faults: VecDeque<Elapsed>,
    pub(super) ledger: Ledger,
}

/// An arm so far.
#[derive(Clone, Debug)]
pub(super) struct OfArm {
    pub(super) name: String,
    /// In its trials with a fault.
    pub(super) found: Found,
    /// In all of its trials.
    pub(super) counts: Counts,
}

/// The present trial.
#[derive(Clone, Debug)]
pub(super) struct Now {
    arm: usize,
    is_control: bool,
    was_aborted: bool,
    begun: Elapsed,
    pub(super) phase: Option<(Phase, Elapsed)>,
    fault: Option<Elapsed>,
    /// When something about a fault happened, after the trial's begin, and what.
    pub(super) landed: VecDeque<(Span, String)>,
}

impl Board {
    pub(super) fn new(plan: &Plan, schedule: &Schedule) -> Self {
        let total = schedule.trials.len();
        let least = schedule.least_length(plan);
        Self {
            name: plan.name.clone(),
            arms: (plan.arms.iter().map(|arm| OfArm {
                name: arm.name.clone(),
                found: Found::default(),
                counts: Counts::default(),
            }))
            .collect(),
            offered: plan.load.rate,
            has_sessions: matches!(plan.load.workload, Workload::Sessions(_)),
            is_storm: plan.storm.is_some(),
            total,
            ended: 0,
            least: Span::from_us(least.as_us() / (total as u64).max(1)),
            begun: None,
            latest_end: Elapsed::default(),
            trial: String::new(),
            now: None,
            window: Window::default(),
            load: None,
            loads: VecDeque::new(),
            faults: VecDeque::new(),
            ledger: Ledger::default(),
        }
    }

    /// The words for the present trial.
    pub(super) fn call_trial(&mut self, words: &str) {
        words.clone_into(&mut self.trial);
    }

    /// Notes an event, for which there may be a line of words.
    pub(super) fn note(&mut self, event: &Event, words: Option<&str>) {
        match &event.kind {
            EventKind::TrialStarted { arm, control } => self.begin_trial(event, *arm, *control),
            EventKind::TrialEnded => self.end_trial(event.at),
            EventKind::RunExtended { trials, .. } => self.total += trials.len(),
            EventKind::LoadStopped { .. } if !self.is_storm => {
                if let Some((_, end)) = &mut self.load {
                    *end = Some(event.at);
                }
                self.end_load(event.at);
            }
            _ => {}
        }
        let Some(now) = &mut self.now else {
            return;
        };
        match &event.kind {
            EventKind::PhaseEntered { phase } => {
                now.phase = Some((*phase, event.at));
                if *phase == Phase::WarmUp && !(self.is_storm && self.load.is_some()) {
                    self.load = Some((event.at, None));
                    self.loads.push_back((event.at, None));
                }
            }
            EventKind::FaultRequested { .. } => {
                now.fault = now.fault.or(Some(event.at));
                self.faults.push_back(event.at);
                if let Some(arm) = self.arms.get_mut(now.arm) {
                    arm.counts.faults += 1;
                }
            }
            EventKind::TrialAborted { .. } => now.was_aborted = true,
            _ => {}
        }
        if let Some(words) = words.filter(|_| is_of_a_fault(&event.kind)) {
            if now.landed.len() == LANDED {
                now.landed.pop_front();
            }
            let since = event.at.since(now.begun);
            now.landed.push_back((since, words.to_owned()));
        }
    }

    fn begin_trial(&mut self, event: &Event, arm: ArmId, is_control: bool) {
        self.begun.get_or_insert(event.at);
        if !self.is_storm {
            self.load = None;
            self.end_load(event.at);
        }
        self.forget(event.at);
        self.now = Some(Now {
            arm: arm.0 as usize,
            is_control,
            was_aborted: false,
            begun: event.at,
            phase: None,
            fault: None,
            landed: VecDeque::new(),
        });
    }

    /// The latest load ended, if it goes on still.
    fn end_load(&mut self, at: Elapsed) {
        if let Some((_, end)) = self.loads.back_mut() {
            end.get_or_insert(at);
        }
    }

    /// Forgets what is past.
    fn forget(&mut self, now: Elapsed) {
        let is_past = |at: &Elapsed| now.since(*at) > PAST;
        self.faults.retain(|at| !is_past(at));
        self.loads
            .retain(|(_, end)| !end.as_ref().is_some_and(is_past));
    }

    fn end_trial(&mut self, at: Elapsed) {
        self.ended += 1;
        self.latest_end = at;
        let found = self.ledger.end_trial();
        let Some(now) = &self.now else {
            return;
        };
        let Some(arm) = self.arms.get_mut(now.arm) else {
            return;
        };
        arm.counts.trials += 1;
        if !now.is_control && !now.was_aborted {
            arm.found.looked_at += found.looked_at;
            arm.found.gone += found.gone;
        }
    }

    /// Notes finished operations.
    pub(super) fn note_operations(&mut self, operations: &[Operation]) {
        let fault = self.now.as_ref().and_then(|now| now.fault);
        let arm = self.now.as_ref().map(|now| now.arm);
        let mut arm = arm.and_then(|arm| self.arms.get_mut(arm));
        for operation in operations {
            self.ledger.note(operation, fault);
            if let Some(arm) = &mut arm {
                arm.counts.note(operation);
            }
            let is_of_load = self
                .load
                .is_some_and(|(begun, _)| operation.intended >= begun);
            if is_of_load && operation.step != Step::ReadBack {
                self.window.add(operation);
            }
        }
    }

    /// The number of the present trial, from 1 on.
    pub(super) fn number(&self) -> usize {
        (self.ended + 1).min(self.total.max(1))
    }

    /// How long the rest takes, if the other trials take as long as those so far.
    pub(super) fn left(&self, now: Elapsed) -> Span {
        let begun = self.begun.unwrap_or(now);
        let (each, since) = match self.ended {
            0 => (self.least, begun),
            ended => {
                let so_far = self.latest_end.since(begun);
                (
                    Span::from_us(so_far.as_us() / ended as u64),
                    self.latest_end,
                )
            }
        };
        let rest = each.as_us() * self.total.saturating_sub(self.ended) as u64;
        Span::from_us(rest.saturating_sub(now.since(since).as_us()))
    }

    /// The same in words.
    pub(super) fn left_in_words(&self, now: Elapsed) -> String {
        let left = self.left(now).as_secs().ceil() as u64;
        // What the first trial takes beside its windows is not known yet.
        let about = if self.ended == 0 { "> " } else { "" };
        match left {
            0 => "soon over".to_owned(),
            1..100 => format!("{about}{left} s left"),
            100..6_000 => format!("{about}{} min left", left.div_ceil(60)),
            _ => format!("{about}{:.1} h left", left as f64 / 3_600.0),
        }
    }

    /// The last minute in cells, the oldest first, each with its begin. `None` where there was no load.
    pub(super) fn minute(&self, now: Elapsed) -> Vec<(Elapsed, Option<Cell>)> {
        let Some(begun) = self.begun else {
            return Vec::new();
        };
        let count = (PAST.as_us() / CELL.as_us()) as usize;
        let cells = self.window.timed_cells(begun, now, count);
        let of_load = cells.map(|(at, cell)| {
            // Of a cell at an end of a load only a part is load.
            let is_loaded = self
                .loads
                .iter()
                .any(|(begun, end)| *begun <= at && end.is_none_or(|end| at + CELL <= end));
            (at, is_loaded.then_some(cell))
        });
        of_load.collect()
    }

    /// When faults were begun in the last minute.
    pub(super) fn faults(&self, now: Elapsed) -> impl Iterator<Item = Elapsed> {
        let faults = self.faults.iter().copied();
        faults.filter(move |at| now.since(*at) <= PAST)
    }

    /// The last second of the load. `None` while there is none.
    pub(super) fn last_second(&self, now: Elapsed) -> Option<LastSecond> {
        match self.load {
            Some((begun, None)) => self.window.last_second(begun, now),
            _ => None,
        }
    }
}

/// What is shown as a fault lands, and as a server comes back.
const fn is_of_a_fault(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::FaultRequested { .. }
            | EventKind::FaultActed { .. }
            | EventKind::TargetExited {
                cause: ExitCause::Injected(_) | ExitCause::Unexpected,
                ..
            }
            | EventKind::TargetPaused { .. }
            | EventKind::TargetResumed { .. }
            | EventKind::TargetDegraded { .. }
            | EventKind::TargetRestored { .. }
            | EventKind::TargetReturned { .. }
            | EventKind::FirstCorrect { .. }
            | EventKind::SurvivorsFound { .. }
    )
}
