//! Where events hold words of others: of a server, of a library, of the system.

use super::{Event, EventKind};
use crate::plan::secret::Secrets;
use crate::said::Line;

impl EventKind {
    /// Each text in it that may quote anything. A new kind of event is to be put on one side or the other.
    pub fn each_quote(&mut self, mut visit: impl FnMut(&mut String)) {
        match self {
            Self::TargetStartFailed { problem, tail, .. } => {
                visit(problem);
                tail.iter_mut().map(Line::text_mut).for_each(visit);
            }
            Self::TargetExited { tail, .. } => tail.iter_mut().map(Line::text_mut).for_each(visit),
            Self::ArmSkipped { reason, .. }
            | Self::FaultMissed { reason, .. }
            | Self::TrialAborted { reason } => visit(reason),
            Self::ProbeLimited { problem, .. } | Self::OldOwnerSeen { problem, .. } => {
                visit(problem);
            }
            Self::NotRecovered { last_failure, .. } => visit(last_failure),
            Self::Drained { problem: said, .. }
            | Self::DrainEnded { problem: said, .. }
            | Self::TargetReturned { unowned: said, .. }
            | Self::FirstCorrect { unowned: said, .. } => said.iter_mut().for_each(visit),
            Self::FaultConfirmed { left, .. } => {
                (left.iter_mut().map(|process| &mut process.command)).for_each(visit);
            }
            Self::OldProcessesAlive { processes, .. } => {
                (processes
                    .iter_mut()
                    .map(|process| &mut process.survivor.command))
                .for_each(visit);
            }
            Self::RunExtended { reasons, .. } => reasons.iter_mut().for_each(visit),
            Self::TrialStarted { .. }
            | Self::PhaseEntered { .. }
            | Self::TargetExecuted { .. }
            | Self::TargetReady { .. }
            | Self::SessionsOpened { .. }
            | Self::StrangerKnown { .. }
            | Self::FaultAimed { .. }
            | Self::FaultRequested { .. }
            | Self::FaultEnded { .. }
            | Self::SurroundingApplied { .. }
            | Self::SurroundingRemoved { .. }
            | Self::TargetPaused { .. }
            | Self::TargetResumed { .. }
            | Self::DrainBegun { .. }
            | Self::TargetSeen { .. }
            | Self::SurvivorsFound { .. }
            | Self::HealthChanged { .. }
            | Self::HealthWatched { .. }
            | Self::FirstAccept { .. }
            | Self::LoadStopped { .. }
            | Self::LeftBehind { .. }
            | Self::TrialEnded
            | Self::RunInterrupted
            | Self::RunGivenUp { .. }
            | Self::RunEnded => {}
        }
    }
}

impl Secrets {
    /// Masks them in what an event quotes.
    pub fn hide_in(&self, event: &mut Event) {
        event.kind.each_quote(|text| self.hide(text));
    }
}
